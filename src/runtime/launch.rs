// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the forked stages of a container are given: plain data, computed before the fork, plus
//! the error that a stage sends back.

use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::idmap::IdMaps;
use super::localtime::LocalTime;
use crate::sys::seccomp::Instruction;

/// Everything that the stages need to turn a spec into a running process.
#[derive(Debug)]
pub struct Launch {
    /// Namespaces, mounts, rights and the program.
    pub spec: Spec,
    /// How the root file system is made.
    pub root: Root,
    /// Whether our FUSE overlay takes over when the kernel's refuses this root.
    pub fuse_allowed: bool,
    /// The container's map, in terms of the holder's ids.
    pub maps: IdMaps,
    /// Whether setgroups(2) must be denied: the holder maps one id alone.
    pub groups: GroupPolicy,
    /// Who runs the program.
    pub user: UserChoice,
    /// Makes the working directory when the root has none.
    pub workdir: WorkdirPolicy,
    /// Runs the program below a reaper of ours that stays as the first process (`--init`).
    pub reaper: bool,
    /// The compiled system call filter; empty is none.
    pub seccomp: Cow<'static, [Instruction]>,
    /// The process whose namespaces are joined (`container:ID`), by which its user namespace is
    /// found.
    pub join: Option<i32>,
    /// The /dev/shm that is shared: the source by which the spec's mount names it, and a process
    /// of the container that has it.
    pub shared_shm: Option<(PathBuf, i32)>,
    /// `--group-entry`/passwd entries to append inside, when the user has none.
    pub passwd: PasswdPolicy,
    /// What /etc/localtime becomes; `None` leaves the image's.
    pub local_time: Option<LocalTime>,
    /// Descriptors after 2 that stay open for the program.
    pub preserved_fds: Vec<i32>,
}

/// How the root file system is made.
#[derive(Debug, Clone)]
pub enum Root {
    /// The kernel's overlay over these layers.
    Kernel(OverlayLayers),
    /// Our FUSE overlay over these layers, served by a process beside the container.
    Fuse(OverlayLayers),
    /// A directory as it is, bound recursively.
    Directory(PathBuf),
    /// The machine's own system directories, without FUSE.
    Machine(OverlayLayers),
}

/// The directories of an overlay.
#[derive(Debug, Clone)]
pub struct OverlayLayers {
    /// Topmost first.
    pub lower: Vec<PathBuf>,
    /// Takes the changes.
    pub upper: PathBuf,
    /// On the upper's file system.
    pub work: PathBuf,
    /// Whether a crash may lose the upper: nothing is synced then.
    pub volatile: bool,
}

/// Whether supplementary groups can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupPolicy {
    /// setgroups(2) works.
    Settable,
    /// The map was written without privilege: setgroups(2) is denied.
    Denied,
    /// `--group-add keep-groups`: the caller's groups stay as they are.
    Keep,
}

/// Who runs the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChoice {
    /// The ids of the spec's process.
    Spec,
    /// `USER[:GROUP]` by name or number, looked up in the container's own files, with these
    /// supplementary groups added.
    Lookup {
        /// As typed; empty is root.
        user: String,
        /// Names or numbers.
        additional_groups: Vec<String>,
    },
}

/// What happens when the working directory does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkdirPolicy {
    /// It is made.
    Make,
    /// The start fails.
    MustExist,
}

/// Whether /etc/passwd and /etc/group inside are completed for a user that they do not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswdPolicy {
    /// They stay as they are.
    Keep,
    /// A line is added for the user and group that run the program.
    Complete {
        /// `--passwd-entry`, with `$USERNAME`, `$UID`, `$GID`, `$NAME`, `$HOME` replaced.
        passwd_entry: Option<String>,
        /// `--group-entry`.
        group_entry: Option<String>,
        /// `--hostuser`: lines of the host's /etc/passwd that are added.
        host_lines: Vec<String>,
        /// The caller, for `keep-id`.
        caller: Option<CallerInside>,
    },
}

/// The caller as the container knows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerInside {
    /// His name.
    pub name: String,
    /// His user id inside.
    pub uid: u32,
    /// His group id inside.
    pub gid: u32,
    /// His home directory, if the container shows it.
    pub home: Option<String>,
}

/// The standard streams that the program gets.
#[derive(Debug)]
pub enum ProgramIo {
    /// Three descriptors.
    Streams {
        /// Standard input.
        stdin: OwnedFd,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// A pseudo-terminal made inside the container.
    Terminal {
        /// Rows and columns, when known.
        size: Option<(u16, u16)>,
    },
}

/// Why a container or a session in it could not start, as it travels from the stage that saw it
/// to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StageFailure {
    /// 125, 126 or 127.
    pub code: u8,
    /// One line: what was attempted, on what, what the kernel said.
    pub message: String,
    /// What the user can do about it, a line each.
    #[serde(default)]
    pub hints: Vec<String>,
}

impl StageFailure {
    /// A failure with the exit code `code`.
    pub fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            ..Self::setup(message)
        }
    }

    /// A failure of the set-up (125).
    pub fn setup(message: impl Into<String>) -> Self {
        Self {
            code: 125,
            message: message.into(),
            hints: Vec::new(),
        }
    }
}
