// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Word of a container for the service manager that waits for it, as sd_notify(3) has it
//! (`--sdnotify`). The monitor is the main process of the service. Where the container speaks for
//! itself it has a socket of its own, and a process beside the monitor passes on what it says.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, recv, sendto, socket,
};

use crate::state::record::{ContainerRequest, MountKind, MountRequest, NotifyMode};
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now};
use crate::sys::{Called, Ignored as _, SysResult};

/// The variable that names the socket.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// The directory of the container's own socket, inside.
const DIRECTORY: &str = "/run/notify";

/// The name of the socket in its directory.
const NAME: &str = "notify.sock";

/// The most bytes of a message; the service manager takes no more.
const MESSAGE_MAX: usize = 4096;

/// What a container may say of itself. Which process is the main one, and which descriptors are
/// kept, is not its to say.
const WORDS: [&str; 9] = [
    "READY",
    "RELOADING",
    "STOPPING",
    "STATUS",
    "ERRNO",
    "MONOTONIC_USEC",
    "WATCHDOG",
    "WATCHDOG_USEC",
    "EXTEND_TIMEOUT_USEC",
];

/// The container's own socket.
#[derive(Debug)]
pub(super) struct OwnSocket {
    socket: OwnedFd,
    directory: PathBuf,
    manager: PathBuf,
}

/// Makes the socket of a container that speaks for itself, in its run directory.
///
/// # Errors
///
/// What mkdir(2) and bind(2) say.
pub(super) fn listen(
    request: &ContainerRequest,
    run_directory: &Path,
) -> io::Result<Option<OwnSocket>> {
    let (NotifyMode::Container, Some(manager)) = (request.sdnotify, &request.notify_socket) else {
        return Ok(None);
    };
    let directory = run_directory.join("notify");
    // One of an earlier run that ended without its clean-up.
    fs::remove_dir_all(&directory).ok();
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    let path = directory.join(NAME);
    let socket = UnixDatagram::bind(&path)?;
    // Any user of the container; nobody else comes as far as the run directory.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
    Ok(Some(OwnSocket {
        socket: socket.into(),
        directory,
        manager: manager.clone(),
    }))
}

impl OwnSocket {
    /// The mount that shows it to the container.
    pub(super) fn mount(&self) -> MountRequest {
        MountRequest {
            kind: MountKind::Bind,
            source: self.directory.display().to_string(),
            container_path: DIRECTORY.to_owned(),
            options: Vec::new(),
        }
    }

    /// The variable that names it to the container.
    pub(super) fn variable() -> (String, String) {
        (VARIABLE.to_owned(), format!("{DIRECTORY}/{NAME}"))
    }

    /// Its descriptor, which the monitor keeps.
    pub(super) fn number(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Starts the process that passes messages on; it ends with this one.
    ///
    /// # Errors
    ///
    /// What clone(2) says.
    pub(super) fn start_relay(&self) -> SysResult<(i32, OwnedFd)> {
        match clone3(&CloneRequest::default())? {
            Forked::Child => {
                prctl::set_pdeathsig(Signal::SIGKILL).ignored();
                prctl::set_name(c"coracle-notify").ignored();
                close_all_but(&[0, 1, 2, self.number()]).ignored();
                exit_now(self.relay())
            }
            Forked::Parent { pid, pidfd } => Ok((pid, pidfd)),
        }
    }

    fn relay(&self) -> i32 {
        let mut buffer = [0; MESSAGE_MAX];
        loop {
            match recv(self.number(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => {
                    let words = allowed(&buffer[..length]);
                    if !words.is_empty() {
                        // A manager that is gone waits for nothing.
                        send(&self.manager, &words).ok();
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return 1,
            }
        }
    }
}

/// Tells the service manager that the container runs, and that the monitor, this process, is the
/// main one: a service that does not speak for itself is ready then.
///
/// # Errors
///
/// What sending says.
pub(super) fn tell_start(request: &ContainerRequest) -> SysResult<()> {
    let Some(manager) = &request.notify_socket else {
        return Ok(());
    };
    let main = format!("MAINPID={}", std::process::id());
    match request.sdnotify {
        NotifyMode::Ignore => Ok(()),
        NotifyMode::Conmon => send(manager, format!("{main}\nREADY=1").as_bytes()),
        NotifyMode::Container | NotifyMode::Healthy => send(manager, main.as_bytes()),
    }
}

/// Tells the service manager that a container which is ready once it is healthy is that now.
///
/// # Errors
///
/// What sending says.
pub fn tell_healthy(request: &ContainerRequest) -> SysResult<()> {
    match (request.sdnotify, &request.notify_socket) {
        (NotifyMode::Healthy, Some(manager)) => send(manager, b"READY=1"),
        (
            NotifyMode::Healthy | NotifyMode::Ignore | NotifyMode::Conmon | NotifyMode::Container,
            _,
        ) => Ok(()),
    }
}

/// The lines of a message that a container may say.
fn allowed(message: &[u8]) -> Vec<u8> {
    let is_allowed = |line: &&[u8]| {
        let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        WORDS.iter().any(|word| word.as_bytes() == name)
    };
    let lines = message.split(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = lines.filter(is_allowed).collect();
    lines.join(&b'\n')
}

fn send(manager: &Path, words: &[u8]) -> SysResult<()> {
    let bytes = manager.as_os_str().as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => UnixAddr::new_abstract(name),
        None => UnixAddr::new(manager),
    };
    let address = address.called(|| format!("connect({})", manager.display()))?;
    let kind = SockType::Datagram;
    let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None);
    let socket = socket.called(|| "socket(AF_UNIX)")?;
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendto(socket.as_fd().as_raw_fd(), words, &address, flags)
        .map(drop)
        .called(|| format!("sendto({})", manager.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_speaks_for_itself_alone() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"READY=1", b"READY=1"),
            (
                b"MAINPID=1\nREADY=1\nSTATUS=up\nFDSTORE=1",
                b"READY=1\nSTATUS=up",
            ),
            (b"READYNESS=1", b""),
            (b"", b""),
        ];
        for (message, words) in cases {
            assert_eq!(allowed(message), words);
        }
    }

    #[test]
    fn the_manager_hears_of_the_main_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manager");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut buffer = [0; 100];
        let own = format!("MAINPID={}", std::process::id());
        for (mode, words) in [
            (NotifyMode::Conmon, format!("{own}\nREADY=1")),
            (NotifyMode::Container, own),
        ] {
            let request = ContainerRequest {
                sdnotify: mode,
                notify_socket: Some(path.clone()),
                ..ContainerRequest::default()
            };
            tell_start(&request).unwrap();
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], words.as_bytes());
        }
    }
}
