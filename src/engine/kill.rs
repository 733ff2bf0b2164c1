// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `kill`: a signal to a container's first process. After SIGKILL the end is awaited, so that what
//! follows sees a dead container.

use super::ending::{self, After, Request};
use super::error::EngineError;
use super::selection::{Chosen, ItemResult, Scope, Selection};
use super::{Engine, Report};
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerRecord, ContainerState};
use crate::state::store::Store;

impl Engine {
    /// Sends `signal` to the containers of `selection`. With all, those that do not run are left
    /// out.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; [`EngineError::NotKillable`] in the result of one that does not run.
    pub fn kill(
        &self,
        selection: &Selection,
        signal: i32,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let mut results = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let result = id.and_then(|id| kill(&store, &id, signal, report));
            let left_out = matches!(
                (selection.scope, &result),
                (Scope::All, Err(EngineError::NotKillable { .. }))
            );
            if !left_out {
                results.push(ItemResult { typed, result });
            }
        }
        Ok(results)
    }
}

fn kill(
    store: &Store,
    id: &ContainerId,
    signal: i32,
    report: &dyn Report,
) -> Result<(), EngineError> {
    let record = store.load(id)?;
    if signal == libc::SIGKILL {
        return kill_and_wait(store, id, &record, report);
    }
    let lock = store.lock(id)?;
    let (mut state, observed) = store.observe(id)?;
    if observed == Observed::Restarting && ends_by_intention(signal, &record) {
        // It has ended already, and does not come back.
        drop(lock);
        return kill_and_wait(store, id, &record, report);
    }
    refuse_unless_up(id, &state, observed)?;
    if ends_by_intention(signal, &record) && !state.stopped_by_user {
        state.stopped_by_user = true;
        store.write_state(id, &state)?;
    }
    ending::signal_container(id, &state, signal)?;
    store
        .dirs()
        .events
        .write(&[Event::of_container(&record, Action::Kill)]);
    Ok(())
}

fn kill_and_wait(
    store: &Store,
    id: &ContainerId,
    record: &ContainerRecord,
    report: &dyn Report,
) -> Result<(), EngineError> {
    loop {
        let begun = (id, record.name.as_str());
        let ending = ending::begin(store, begun, Request::Kill, After::Killed, report)?;
        if let Some(ending) = ending {
            let ended = ending::finish(store, vec![ending], report);
            return ended.into_iter().collect();
        }
        // Somebody may have started it since: then it is killed after all.
        let (state, observed) = store.observe(id)?;
        refuse_unless_up(id, &state, observed)?;
    }
}

fn refuse_unless_up(
    id: &ContainerId,
    state: &ContainerState,
    observed: Observed,
) -> Result<(), EngineError> {
    let status = match observed {
        Observed::Running | Observed::Paused => return Ok(()),
        Observed::Elsewhere => return Err(ending::elsewhere(id, state)),
        Observed::Created => "created",
        Observed::Restarting => "restarting",
        Observed::Exited | Observed::Lost(_) => "exited",
    };
    Err(EngineError::NotKillable {
        id: id.clone(),
        status,
    })
}

/// Whether a container that this signal ends was ended by its user: no restart policy applies.
fn ends_by_intention(signal: i32, record: &ContainerRecord) -> bool {
    signal == libc::SIGTERM || signal == record.resolved.stop_signal
}
