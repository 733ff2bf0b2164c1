// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a container that is created by one command and started by a later one. The init
//! stage outlives the command that forked it and waits on a socket; who starts it connects, and
//! hears over that connection what kept the program from running. It closes at exec.
//!
//! ```text
//! start -> init   s, sj      go on, and tell your steps (as JSON) to the descriptor that comes along
//! init  -> start  f<json>    why the program does not run; the stage ends
//! exec  -> init   n          what are your namespaces?
//! init  -> exec   <kind>     each with its descriptor; the end of the line is that of the list
//! ```

use std::os::fd::{AsFd, AsRawFd as _};

use nix::sys::prctl;
use oci_spec::runtime::{ContainerState, Spec, State};

use super::entrance::Namespaces;
use super::failure::{StageFailure, call};
use super::handshake::{self, FromInit};
use super::hooks;
use super::launch::{Keyring, Launch, Lifecycle};
use crate::sys::channel::{Channel, Message};
use crate::sys::process::close_all_but;
use crate::sys::steps::{self, Form};
use crate::sys::{Called as _, Ignored as _, SysResult};

/// The name of the stage while it waits: a program has another one from its exec on.
pub const WAITING_NAME: &std::ffi::CStr = c"coracle:init";

/// The name of the stage until then, and of the command that makes it.
pub const MAKING_NAME: &std::ffi::CStr = c"coracle:making";

/// Whether the stage joins a new session keyring.
pub(super) fn wants_keyring(lifecycle: Option<&Lifecycle>) -> bool {
    lifecycle.is_none_or(|lifecycle| lifecycle.keyring == Keyring::New)
}

/// Between the mounts and the way in: the host's hooks run, then those that belong into the
/// container's namespaces with the host's tree. Returns the stage's process id on the host.
pub(super) fn run_create_hooks(
    state: &State,
    spec: &Spec,
    line: &Channel,
) -> Result<i32, StageFailure> {
    let pid = handshake::wait_hooked(line)?;
    let hooks = spec.hooks().as_ref();
    let hooks = hooks.and_then(|hooks| hooks.create_container().as_ref());
    let state = with_pid(state, pid);
    hooks::run(hooks, "createContainer", &state, ContainerState::Creating)?;
    Ok(pid)
}

/// Runs the hooks that come before the program, inside, with the program's environment.
pub(super) fn run_start_hooks(
    launch: &Launch,
    pid: i32,
    environment: &[String],
) -> Result<(), StageFailure> {
    let Some(state) = &launch.hook_state else {
        return Ok(());
    };
    let hooks = launch.spec.hooks().as_ref();
    let hooks = hooks.and_then(|hooks| hooks.start_container().as_ref());
    let point = ("startContainer", ContainerState::Created);
    hooks::run_with(hooks, point, &with_pid(state, pid), Some(environment))
}

/// The state of the container with its process.
pub fn with_pid(state: &State, pid: i32) -> State {
    let mut state = state.clone();
    state.set_pid(Some(pid));
    state
}

/// Says that all is made, lets go of the command that made it, and waits for the start.
pub(super) fn wait_for_start(
    lifecycle: &Lifecycle,
    line: &Channel,
    (kept, namespaces): (&[i32], &Namespaces),
) -> Result<Channel, StageFailure> {
    call(|| prctl::set_name(WAITING_NAME).called(|| "prctl(PR_SET_NAME)"))?;
    call(|| prctl::set_pdeathsig(None).called(|| "prctl(PR_SET_PDEATHSIG)"))?;
    // What the stage has of the command's, a lock for one, must not outlive it. The descriptors
    // that go are owned by frames of this process that it never returns to.
    let mut kept = kept.to_vec();
    kept.extend(namespaces.numbers());
    kept.extend([
        0,
        1,
        2,
        line.as_fd().as_raw_fd(),
        lifecycle.listener.as_raw_fd(),
    ]);
    call(|| close_all_but(&kept))?;
    call(|| handshake::send_ready(line))?;
    kept.retain(|number| *number != line.as_fd().as_raw_fd());
    call(|| close_all_but(&kept))?;
    loop {
        let starter = call(|| Channel::accept(lifecycle.listener.as_fd()))?;
        match starter.receive() {
            Ok(Message { bytes, fd }) if bytes == b"s" || bytes == b"sj" => {
                let form = if bytes == b"sj" {
                    Form::Json
                } else {
                    Form::Text
                };
                if let Some(fd) = fd {
                    steps::show(fd, form).ignored();
                }
                return Ok(starter);
            }
            Ok(message) if message.bytes == b"n" => drop(namespaces.send(&starter)),
            // Who went away again without a word started nothing.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Asks the stage that listens for its namespaces.
///
/// # Errors
///
/// What sending says, and receiving.
pub fn namespaces(stage: &Channel) -> SysResult<Namespaces> {
    stage.send(b"n", None)?;
    Namespaces::receive(stage)
}

/// Starts the program of the stage that listens at `socket`.
///
/// # Errors
///
/// Why it does not run.
pub fn start(starter: &Channel) -> Result<(), StageFailure> {
    let (word, steps): (&[u8], _) = match steps::told() {
        Some((to, Form::Json)) => (b"sj", Some(to)),
        Some((to, Form::Text)) => (b"s", Some(to)),
        None => (b"s", None),
    };
    call(|| starter.send(word, steps))?;
    match handshake::decode(call(|| starter.receive())?) {
        FromInit::Failure(failure) => Err(failure),
        _ => Ok(()),
    }
}
