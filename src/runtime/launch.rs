// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the forked stages of a container are given: plain data, computed before the fork.

use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::{Linux, LinuxNamespaceType, Spec, State};

use super::idmap::IdMaps;
use crate::layer_format::LayerOwners;
use crate::sys::seccomp::{FilterFlags, Instruction};

/// Everything that the stages need to turn a spec into a running process.
#[derive(Debug)]
pub struct Launch {
    /// Namespaces, mounts, rights and the program.
    pub spec: Spec,
    /// How the root file system is made.
    pub root: Root,
    /// Whether our FUSE overlay takes over when the kernel's refuses this root.
    pub fuse_allowed: bool,
    /// The container's map, in terms of the caller's ids: in the holder, the holder's.
    pub maps: IdMaps,
    /// Who writes it.
    pub maps_by: MapWriter,
    /// Whether setgroups(2) must be denied: the holder maps one id alone.
    pub groups: GroupPolicy,
    /// Who runs the program.
    pub user: UserChoice,
    /// Makes the working directory when the root has none.
    pub workdir: WorkdirPolicy,
    /// Runs the program below a reaper of ours that stays as the first process (`--init`).
    pub reaper: bool,
    /// The system call filter.
    pub seccomp: Filter,
    /// Namespaces that are there already.
    pub join: Option<Join>,
    /// The /dev/shm that is shared: the source by which the spec's mount names it, and a process
    /// of the container that has it.
    pub shared_shm: Option<(PathBuf, i32)>,
    /// `--group-entry`/passwd entries to append inside, when the user has none.
    pub passwd: PasswdPolicy,
    /// What /etc/localtime becomes; `None` leaves the image's.
    pub local_time: Option<LocalTime>,
    /// Descriptors after 2 that stay open for the program.
    pub preserved_fds: Vec<i32>,
    /// What the hooks of the spec are told, without process id and status; `None` has no hooks.
    pub hook_state: Option<State>,
    /// The life of a container whose program is started by a later command.
    pub lifecycle: Option<Lifecycle>,
}

/// What the init stage needs to know of a container that is started by a later command.
#[derive(Debug)]
pub struct Lifecycle {
    /// Where the start is waited for.
    pub listener: OwnedFd,
    /// How the root is entered.
    pub pivot: Pivot,
    /// Whether it gets a session keyring of its own.
    pub keyring: Keyring,
}

/// How the root is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pivot {
    /// By pivot_root(2).
    Root,
    /// By moving it over the old one, for an initial ramdisk, whose root cannot be exchanged.
    Move,
}

/// Whether a container gets a session keyring of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyring {
    /// It does.
    New,
    /// It keeps the caller's.
    Callers,
}

/// A time zone for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    /// Its name below [`super::localtime::ZONES`], where it has one.
    pub zone: Option<String>,
    /// A copy of the machine's zone file, where it has one.
    pub copy: Option<PathBuf>,
}

/// Who writes the id maps of a new user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapWriter {
    /// The process that forked the stage, which has a right to all ids of the map.
    Caller,
    /// newuidmap and newgidmap.
    Helpers,
    /// Nobody: the container has the caller's user namespace, or one that it joined.
    Nobody,
}

/// Namespaces that a container joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// The paths of the spec, and the user namespace of this process (`container:ID`).
    Process(i32),
    /// The paths of the spec.
    Paths,
}

/// A compiled system call filter, and how it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The program; empty is none.
    pub program: Cow<'static, [Instruction]>,
    /// How it is attached.
    pub flags: FilterFlags,
    /// Whether somebody is asked about some calls.
    pub listener: Listener,
}

/// Whether a filter asks somebody about some calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listener {
    /// Nobody.
    #[default]
    Nobody,
    /// Whoever has the descriptor that loading the filter gives.
    Wanted,
}

impl Join {
    /// What a spec asks for by paths of its own.
    pub fn of_paths(spec: &Spec) -> Option<Self> {
        let linux = spec.linux().as_ref()?;
        let mut namespaces = linux.namespaces().iter().flatten();
        namespaces
            .any(|namespace| namespace.path().is_some())
            .then_some(Self::Paths)
    }
}

impl From<Cow<'static, [Instruction]>> for Filter {
    fn from(program: Cow<'static, [Instruction]>) -> Self {
        Self {
            program,
            ..Self::default()
        }
    }
}

/// How the root file system is made.
#[derive(Debug, Clone)]
pub enum Root {
    /// The kernel's overlay over these layers.
    Kernel(OverlayLayers),
    /// Our FUSE overlay over these layers, served by a process beside the container.
    Fuse(OverlayLayers),
    /// The kernel's overlay over a FUSE mount that shows the layers with the container's owners
    /// and says where the data is.
    Hybrid(HybridRoot),
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

/// A root of the hybrid engine.
#[derive(Debug, Clone)]
pub struct HybridRoot {
    /// The layers.
    pub layers: OverlayLayers,
    /// The directories in which the kernel looks for the data of files.
    pub data: Vec<PathBuf>,
    /// By which map the upper layer's files are owned.
    pub owners: LayerOwners,
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
        /// How lines of its output end.
        lines: LineEnds,
    },
}

/// How lines end that a program writes to its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnds {
    /// As a screen needs them, with a carriage return.
    Screen,
    /// As the program wrote them.
    Plain,
}

/// Whether the spec asks for a new namespace of this kind.
pub(super) fn makes(linux: &Linux, kind: LinuxNamespaceType) -> bool {
    let mut namespaces = linux.namespaces().iter().flatten();
    namespaces.any(|namespace| namespace.typ() == kind && namespace.path().is_none())
}
