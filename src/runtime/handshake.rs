// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the monitor and the init stage say to each other until the program runs.
//!
//! ```text
//! init  -> monitor   Device(fd)    the FUSE device of the root, to be served
//! init  -> monitor   Console(fd)   the master of the container's terminal
//! init  -> monitor   Filled        a volume has what the image has at its path
//! init  -> monitor   Warning       what the user should know, in words
//! init  -> monitor   Mounted       (with hooks, or a lifecycle) the mounts are made
//! init  -> monitor   Listener(fd)  (with a lifecycle) the listener of the system call filter
//! init  -> monitor   Ready         (with a lifecycle) all is made; it waits for its start
//! init  -> monitor   Failure       why it could not go on, as JSON; the stage ends
//! monitor -> init    Source(fd)    a mount source that the stage cannot open, with its path
//! monitor -> init    Mapped        the id maps are written
//! monitor -> init    Network       the network is ready
//! monitor -> init    Hooked        the hooks of the host have run; the stage's id there
//! (the line closes at exec: the program runs)
//! ```

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::failure::StageFailure;
use super::mounts::sources::Sources;
use crate::sys::SysResult;
use crate::sys::channel::{Channel, Message};

const MONITOR_ENDED: &str = "the monitor ended while the container was being made";

/// What the init stage says.
#[derive(Debug)]
pub enum FromInit {
    /// The FUSE device of the root.
    Device(OwnedFd),
    /// The master of the container's terminal.
    Console(OwnedFd),
    /// The volume that is mounted there has what the image has there.
    Filled(PathBuf),
    /// What the user should know.
    Warning(String),
    /// The mounts are made, and it waits for the host's hooks.
    Mounted,
    /// The listener of the system call filter.
    Listener(OwnedFd),
    /// All is made, and it waits for its start elsewhere.
    Ready,
    /// Why it could not go on.
    Failure(StageFailure),
    /// The program runs, or the stage died without a word.
    Closed,
}

/// What the monitor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToInit {
    /// The id maps are written.
    Mapped,
    /// The network is ready.
    Network,
}

impl ToInit {
    fn byte(self) -> u8 {
        match self {
            Self::Mapped => b'm',
            Self::Network => b'n',
        }
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// sendmsg(2)'s.
    pub fn send(self, line: &Channel) -> SysResult<()> {
        line.send(&[self.byte()], None)
    }

    /// Waits until the monitor has said this.
    ///
    /// # Errors
    ///
    /// A failure of the set-up when the monitor said something else or died.
    pub fn wait(self, line: &Channel) -> Result<(), StageFailure> {
        let message = line
            .receive()
            .map_err(|error| StageFailure::setup(error.to_string()))?;
        if message.bytes == [self.byte()] {
            return Ok(());
        }
        Err(StageFailure::setup(MONITOR_ENDED))
    }
}

/// Says that the hooks of the host have run for the stage, which is `pid` there.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_hooked(line: &Channel, pid: i32) -> SysResult<()> {
    line.send(format!("h{pid}").as_bytes(), None)
}

/// Says that the mounts are made, waits for the hooks of the host, and returns the stage's process
/// id there.
///
/// # Errors
///
/// A failure of the set-up when the other side died.
pub fn wait_hooked(line: &Channel) -> Result<i32, StageFailure> {
    let words = line.send(b"m", None).and_then(|()| line.receive());
    let words = words.map_err(|error| StageFailure::setup(error.to_string()))?;
    let pid = words.bytes.strip_prefix(b"h").map(String::from_utf8_lossy);
    pid.and_then(|pid| pid.parse().ok())
        .ok_or_else(|| StageFailure::setup(MONITOR_ENDED))
}

/// Sends the listener of the system call filter, which holds for the sender from now on.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_listener(line: &Channel, listener: &OwnedFd) -> SysResult<()> {
    line.send(b"l", Some(listener.as_fd()))
}

/// Says that all is made.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_ready(line: &Channel) -> SysResult<()> {
    line.send(b"r", None)
}

/// Sends what was opened for the stage under the path `name`.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_source(line: &Channel, name: &Path, opened: &OwnedFd) -> SysResult<()> {
    let words = [b"b", name.as_os_str().as_bytes()].concat();
    line.send(&words, Some(opened.as_fd()))
}

/// Waits until the id maps are written; what was opened for the stage comes before.
///
/// # Errors
///
/// A failure of the set-up when the monitor said something else or died.
pub fn wait_mapped(line: &Channel) -> Result<Sources, StageFailure> {
    let mut sources = Sources::default();
    loop {
        let message = line
            .receive()
            .map_err(|error| StageFailure::setup(error.to_string()))?;
        match (message.bytes.split_first(), message.fd) {
            (Some((b'b', name)), Some(fd)) => {
                sources.add(PathBuf::from(OsStr::from_bytes(name)), fd);
            }
            (Some((byte, [])), None) if *byte == ToInit::Mapped.byte() => return Ok(sources),
            _ => return Err(StageFailure::setup(MONITOR_ENDED)),
        }
    }
}

/// Sends the FUSE device.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_device(line: &Channel, device: &OwnedFd) -> SysResult<()> {
    line.send(b"d", Some(device.as_fd()))
}

/// Sends the terminal's master.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_console(line: &Channel, master: &OwnedFd) -> SysResult<()> {
    line.send(b"c", Some(master.as_fd()))
}

/// Says that a volume was filled.
///
/// # Errors
///
/// sendmsg(2)'s.
pub fn send_filled(line: &Channel, container_path: &Path) -> SysResult<()> {
    line.send(
        &[b"v", container_path.as_os_str().as_bytes()].concat(),
        None,
    )
}

/// Sends a warning; a monitor that is gone cannot be told anything.
pub fn send_warning(line: &Channel, words: &str) {
    drop(line.send(format!("w{words}").as_bytes(), None));
}

/// Sends a failure; a monitor that is gone cannot be told anything.
pub fn send_failure(line: &Channel, failure: &StageFailure) {
    let mut bytes = vec![b'f'];
    bytes.extend(serde_json::to_vec(failure).unwrap_or_default());
    drop(line.send(&bytes, None));
}

/// Waits for the init stage's next word.
///
/// # Errors
///
/// recvmsg(2)'s.
pub fn receive(line: &Channel) -> SysResult<FromInit> {
    line.receive().map(decode)
}

/// Reads a message of the init stage; what is none of them counts as the end.
pub fn decode(message: Message) -> FromInit {
    match (message.bytes.split_first(), message.fd) {
        (Some((b'd', _)), Some(fd)) => FromInit::Device(fd),
        (Some((b'c', _)), Some(fd)) => FromInit::Console(fd),
        (Some((b'l', [])), Some(fd)) => FromInit::Listener(fd),
        (Some((b'v', path)), _) => FromInit::Filled(PathBuf::from(OsStr::from_bytes(path))),
        (Some((b'w', words)), _) => FromInit::Warning(String::from_utf8_lossy(words).into_owned()),
        (Some((b'm', [])), _) => FromInit::Mounted,
        (Some((b'r', [])), _) => FromInit::Ready,
        (Some((b'f', json)), _) => FromInit::Failure(
            serde_json::from_slice(json)
                .unwrap_or_else(|_| StageFailure::setup(String::from_utf8_lossy(json))),
        ),
        _ => FromInit::Closed,
    }
}
