// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with what is on disk.

use std::path::PathBuf;

use super::id::{ContainerId, PodId};
use crate::sys::SysError;

/// Which of the two roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootKind {
    /// What outlives a reboot.
    Data,
    /// What does not.
    Run,
}

impl RootKind {
    /// The flag that names another one.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Data => "--root",
            Self::Run => "--runroot",
        }
    }
}

impl std::fmt::Display for RootKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Data => "data root",
            Self::Run => "run root",
        })
    }
}

/// A file system without extended attributes of users.
#[derive(Debug, thiserror::Error)]
#[error("the file system of {} keeps no extended attributes of users", data_root.display())]
pub struct NoXattrs {
    /// The store.
    pub data_root: PathBuf,
}

/// What can go wrong with what is on disk. The words that scripts search for are podman's.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A user with one id has the owners of files noted beside them.
    #[error("note the owners of files, as a user with one id must")]
    Owners(#[from] NoXattrs),
    /// Neither a name nor the beginning of an id.
    #[error("no container with name or ID \"{name}\" found: no such container")]
    NoSuchContainer {
        /// What the user typed.
        name: String,
    },
    /// Several ids begin like this.
    #[error(
        "more than one container has an ID that begins with \"{name}\" ({}); give more of its digits",
        short_list(matches)
    )]
    Ambiguous {
        /// What the user typed.
        name: String,
        /// The containers that it could be.
        matches: Vec<ContainerId>,
    },
    /// Another container has the name.
    #[error(
        "the container name \"{name}\" is already in use by {id}. You have to remove that container \
         to be able to reuse that name: that name is already in use"
    )]
    NameInUse {
        /// The name.
        name: String,
        /// The container that has it.
        id: ContainerId,
    },
    /// Not a name that a container can have.
    #[error(
        "container name \"{name}\": names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
    )]
    InvalidName {
        /// What the user typed.
        name: String,
    },
    /// Neither a name nor the beginning of an id of a pod.
    #[error("no pod with name or ID {name} found: no such pod")]
    NoSuchPod {
        /// What the user typed.
        name: String,
    },
    /// `--latest` without pods.
    #[error("no pods found: no such pod")]
    NoPods,
    /// Several ids of pods begin like this.
    #[error(
        "more than one pod has an ID that begins with \"{name}\" ({}); give more of its digits",
        short_list(matches)
    )]
    AmbiguousPod {
        /// What the user typed.
        name: String,
        /// The pods that it could be.
        matches: Vec<PodId>,
    },
    /// Another pod has the name.
    #[error("adding pod to state: name \"{name}\" is in use by {id}: pod already exists")]
    PodNameInUse {
        /// The name.
        name: String,
        /// The pod that has it.
        id: PodId,
    },
    /// The tree holds files that belong to other ids of the user's range.
    #[error("{} holds files of other user ids of your range", path.display())]
    NeedsNamespace {
        /// What is left to be removed inside the user's namespace.
        path: PathBuf,
    },
    /// A root belongs to somebody else.
    #[error(
        "the {kind} {} belongs to uid {owner}, not to you (uid {uid}); name another with {}",
        path.display(), kind.flag()
    )]
    ForeignRoot {
        /// Which root.
        kind: RootKind,
        /// Where it is.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who calls.
        uid: u32,
    },
    /// A root that others can look into: setuid files in it would be in their reach.
    #[error(
        "the {kind} {} is open to other users (mode {mode:04o}); close it with `chmod 700 {}`",
        path.display(), path.display()
    )]
    OpenRoot {
        /// Which root.
        kind: RootKind,
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A root that is no directory.
    #[error("the {kind} {} is not a directory", path.display())]
    RootNotADirectory {
        /// Which root.
        kind: RootKind,
        /// Where it is.
        path: PathBuf,
    },
    /// A root that cannot be made or looked at.
    #[error("open the {kind} {}", path.display())]
    Root {
        /// Which root.
        kind: RootKind,
        /// Where it is.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// A data root with somebody else's files in it.
    #[error(
        "{} holds other files ({found}) and is not a store of coracle; name an empty directory",
        path.display()
    )]
    NotAStore {
        /// The data root.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// A store of another format.
    #[error(
        "the store {} has format \"{found}\" and this coracle knows \"{known}\"; \
         use the coracle that made it, or another data root",
        path.display()
    )]
    Format {
        /// The data root.
        path: PathBuf,
        /// What `version` says.
        found: String,
        /// What this coracle writes.
        known: &'static str,
    },
    /// A document that is not what it should be.
    #[error("the record {} is damaged, see `coracle system check`", path.display())]
    Corrupt {
        /// The document.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A system call on a container's files.
    #[error("{action} container {id}")]
    Container {
        /// What was being done.
        action: &'static str,
        /// To which container.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
    /// A system call on the store.
    #[error("{action} the store {}", path.display())]
    Store {
        /// What was being done.
        action: &'static str,
        /// The data root, or what in it.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
}

fn short_list(ids: &[ContainerId]) -> String {
    let mut shown: Vec<&str> = ids.iter().take(4).map(ContainerId::short).collect();
    if ids.len() > shown.len() {
        shown.push("…");
    }
    shown.join(", ")
}
