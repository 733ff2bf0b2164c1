// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a caller is given of a program: the master of its terminal, its process id in a file, the
//! listener of its filter.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{ContainerProcessState, ContainerState, Spec, State};

use super::error::file;
use super::{BundleError, Stay, Wiring};
use crate::runtime::failure::StageFailure;
use crate::runtime::seccomp::wants_listener;
use crate::sys::{SysError, SysResult, fdpass};

/// The version of the specification since which the form of what an agent is told is the same:
/// what other runtimes send, and agents compare.
const PROCESS_STATE_VERSION: &str = "0.2.0";

/// Refuses a terminal that nobody would hold, and a socket without a terminal.
pub(super) fn check(wiring: &Wiring, terminal: bool, stay: Stay) -> Result<(), BundleError> {
    let words = match (terminal, wiring.console_socket.is_some(), stay) {
        (true, false, Stay::Detached) => {
            "cannot allocate tty if runc will detach without setting console socket"
        }
        (true, true, Stay::Foreground) | (false, true, _) => {
            "cannot use console socket if runc will not detach or allocate tty"
        }
        _ => return Ok(()),
    };
    Err(BundleError::Console(words))
}

/// Sends the master of a terminal to who waits at the socket `path`.
pub(super) fn send_master(path: &Path, master: &OwnedFd) -> SysResult<()> {
    send(path, b"/dev/ptmx", &[master])
}

fn send(path: &Path, words: &[u8], descriptors: &[&OwnedFd]) -> SysResult<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let connection = fdpass::connect_in(directory, &name)?;
    let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
    fdpass::send(connection.as_fd(), words, &descriptors).map(drop)
}

/// Writes the process id, so that who reads the file early finds none.
pub(super) fn write_pid(wiring: &Wiring, pid: i32) -> Result<(), BundleError> {
    let Some(path) = &wiring.pid_file else {
        return Ok(());
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!(".{name}"));
    let written = fs::File::create(&unfinished)
        .and_then(|mut file| write!(file, "{pid}"))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|source| file(path, source))
}

/// Hands the listener of a filter to the agent that the spec names, with what the specification
/// says to tell it.
pub(super) fn send_listener(
    spec: &Spec,
    state: &State,
    (pid, status): (i32, ContainerState),
    listener: &OwnedFd,
) -> Result<(), StageFailure> {
    let linux = spec.linux().as_ref();
    let seccomp = linux.and_then(|linux| linux.seccomp().as_ref());
    let Some((seccomp, path)) =
        seccomp.and_then(|seccomp| Some((seccomp, seccomp.listener_path().as_ref()?)))
    else {
        return Ok(());
    };
    let mut container = state.clone();
    container.set_status(status);
    let mut told = ContainerProcessState::default();
    told.set_version(PROCESS_STATE_VERSION.to_owned())
        .set_fds(vec!["seccompFd".to_owned()])
        .set_pid(pid)
        .set_metadata(seccomp.listener_metadata().clone())
        .set_state(container);
    let words = serde_json::to_vec(&told).expect("a state is text and numbers");
    let path = Path::new(path);
    match send(path, &words, &[listener]) {
        // Nobody is missed whom the filter never asks.
        Err(_) if !wants_listener(seccomp) => Ok(()),
        sent => sent.map_err(|error: SysError| {
            StageFailure::setup(format!("seccomp listener {}: {error}", path.display()))
        }),
    }
}
