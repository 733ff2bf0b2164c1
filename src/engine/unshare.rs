// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unshare`: a command in the user's namespace, where the files of subordinate ids have owners
//! that the caller may change.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

use super::Engine;
use crate::network::helper::client::{Client, HelperError};
use crate::runtime::subid::holder_map;
use crate::runtime::userns::{UsernsError, enter_holder};
use crate::state::StateError;
use crate::sys::{Called, SysError};

/// Why the command does not run.
#[derive(Debug, thiserror::Error)]
pub enum UnshareError {
    /// Root has every right already.
    #[error("please use unshare with rootless: root needs no namespace to change owners")]
    Root,
    /// Containers with addresses of their own would live in it.
    #[error(
        "cannot join the rootless network namespace: there is none, for no network helper of \
         yours is running"
    )]
    NoNetwork,
    /// The way into it.
    #[error("join the rootless network namespace")]
    Network(#[source] SysError),
    /// The network helper.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// There is no way into the user's namespace.
    #[error("enter your user namespace")]
    Userns(#[from] UsernsError),
    /// The run root, which leads to a namespace that is there already, cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The namespace has no mounts of its own.
    #[error("make a mount namespace")]
    Mounts(#[source] SysError),
    /// There is no such program.
    #[error("exec: \"{command}\": executable file not found in $PATH")]
    NotFound {
        /// The first word.
        command: String,
    },
    /// The program cannot be executed.
    #[error("exec: \"{command}\"")]
    NotExecutable {
        /// The first word.
        command: String,
        /// What the kernel said.
        source: SysError,
    },
}

/// Whose network the command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnshareNetwork {
    /// The caller's.
    Caller,
    /// That of the user's network helper (`--rootless-netns`).
    Helper,
}

impl Engine {
    /// Turns this process into `command` (the caller's shell if it is empty) inside the user's
    /// namespace and a mount namespace of its own; returns only when that fails.
    ///
    /// The process must be single-threaded.
    pub fn unshare(&self, command: &[OsString], network: UnshareNetwork) -> UnshareError {
        match self.enter(network) {
            Ok(()) => self.become_command(command),
            Err(error) => error,
        }
    }

    fn enter(&self, network: UnshareNetwork) -> Result<(), UnshareError> {
        if is_initial_root() {
            return Err(UnshareError::Root);
        }
        self.dirs.open_run_root()?;
        let bridges = match network {
            UnshareNetwork::Caller => None,
            UnshareNetwork::Helper => Some(self.bridges()?),
        };
        enter_holder(&holder_map(), &self.dirs.run_root)?;
        if let Some(bridges) = bridges {
            setns(bridges, CloneFlags::CLONE_NEWNET)
                .called(|| "setns(network)")
                .map_err(UnshareError::Network)?;
        }
        unshare(CloneFlags::CLONE_NEWNS)
            .called(|| "unshare(CLONE_NEWNS)")
            .map_err(UnshareError::Mounts)
    }

    /// The namespace of the bridges, where containers are reached by their addresses.
    fn bridges(&self) -> Result<OwnedFd, UnshareError> {
        let helper = Client::connect(&self.dirs.run_root).map_err(UnshareError::Network)?;
        let helper = helper.ok_or(UnshareError::NoNetwork)?;
        helper.namespace().map_err(UnshareError::Helper)
    }

    fn become_command(&self, command: &[OsString]) -> UnshareError {
        let shell = || env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let (program, arguments) = match command.split_first() {
            Some((program, arguments)) => (program.clone(), arguments),
            None => (shell(), &[][..]),
        };
        // Inside, the caller looks like root, whose store is elsewhere.
        let refused = Command::new(&program)
            .args(arguments)
            .env("CONTAINERS_GRAPHROOT", &self.dirs.data_root)
            .env("CONTAINERS_RUNROOT", &self.dirs.run_root)
            .exec();
        let command = program.to_string_lossy().into_owned();
        // A directory of the path that is closed to us makes the kernel's answer EACCES.
        if refused.kind() == io::ErrorKind::NotFound || !is_in_path(&program) {
            return UnshareError::NotFound { command };
        }
        let source = Err::<(), _>(refused).called(|| "execve");
        UnshareError::NotExecutable {
            command,
            source: source.expect_err("it was made from an error"),
        }
    }
}

/// Whether there is such a file, executable or not.
fn is_in_path(program: &OsStr) -> bool {
    if Path::new(program).components().count() > 1 {
        return Path::new(program).exists();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Root of the first user namespace; root of one that we made may well make another.
pub(super) fn is_initial_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all_ids = map.split_whitespace().eq(["0", "0", "4294967295"]);
    nix::unistd::geteuid().is_root() && all_ids
}
