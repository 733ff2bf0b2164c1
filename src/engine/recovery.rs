// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is left to do for a container whose monitor ended without recording its exit, by SIGKILL,
//! a crash or a power cut: end what still runs of it, record that it was lost and why.
//!
//! Nothing here touches a container of another place.

use std::time::Duration;

use jiff::Timestamp;

use super::{Report, cgroup, survivors};
use crate::state::StateError;
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::liveness::Loss;
use crate::state::record::{ContainerState, ProcessIdentity, Status};
use crate::state::store::{ContainerLock, Store};
use crate::state::tree::remove_tree;
use crate::sys::pidfd::WaitOutcome;

/// The exit code of a container that nobody saw ending: as if SIGKILL had ended it.
const LOST_EXIT_CODE: i32 = 128 + 9;

/// How long a killed process may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends what a lost container left behind and writes its exit into the record.
///
/// # Errors
///
/// When the state cannot be written. What cannot be ended is said in the record instead.
pub(super) fn settle(
    store: &Store,
    _lock: &ContainerLock,
    id: &ContainerId,
    (state, loss): (ContainerState, Loss),
    report: &dyn Report,
) -> Result<(), StateError> {
    let leftovers = match loss {
        Loss::MonitorGone | Loss::NotStartedAgain => end_leftovers(id, &state),
        Loss::Rebooted => Vec::new(),
    };
    for words in &leftovers {
        report.warning(&format!("container {}: {words}", id.short()));
    }
    drop(remove_tree(&store.dirs().container_run(id)));
    let mut reasons = vec![loss.reason().to_owned()];
    reasons.extend(leftovers);
    let settled = ContainerState {
        status: Status::Exited,
        monitor: None,
        container: None,
        stopping: None,
        helpers: Vec::new(),
        mounts: None,
        cgroup_path: String::new(),
        exit_code: Some(state.exit_code.unwrap_or(LOST_EXIT_CODE)),
        finished_at: Some(state.finished_at.unwrap_or_else(Timestamp::now)),
        error: reasons.join("; "),
        ..state
    };
    store.write_state(id, &settled)?;
    let died = settled
        .exit_code
        .zip(store.load(id).ok())
        .map(|(code, record)| Event::of_container(&record, Action::Died).with_exit_code(code));
    store.dirs().events.write(died.as_slice());
    Ok(())
}

/// Kills the processes of the record and those that they left; what is worth saying, in words.
fn end_leftovers(id: &ContainerId, state: &ContainerState) -> Vec<String> {
    let processes = state.container.iter().chain(&state.helpers);
    let mut words: Vec<String> = processes
        .filter(|process| !kill(process))
        .map(|process| format!("process {} could not be ended", process.pid))
        .collect();
    match state
        .mounts
        .as_ref()
        .map(|mounts| survivors::end(mounts, id))
    {
        None | Some(0) => {}
        Some(1) => words.push("a process that it left running was ended".to_owned()),
        Some(count) => words.push(format!("{count} processes that it left running were ended")),
    }
    if let Err(error) = cgroup::destroy(&state.cgroup_path) {
        words.push(format!("its cgroup could not be removed: {error}"));
    }
    words
}

/// Whether the process is gone after SIGKILL.
fn kill(process: &ProcessIdentity) -> bool {
    let Ok(Some(pidfd)) = process.open_pidfd() else {
        return true;
    };
    // It may end by itself between the two calls.
    drop(pidfd.send_signal(libc::SIGKILL));
    matches!(pidfd.wait(Some(PATIENCE)), Ok(WaitOutcome::Ended))
}
