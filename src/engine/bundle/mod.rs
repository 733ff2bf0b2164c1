// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers made from an OCI bundle: the verbs of `coracle runtime`, which other engines and the
//! outside suites call. The same core as `run` executes the spec; what is missing here on purpose
//! is a store, a network, a monitor and a log, which are the calling engine's.
//!
//! ```text
//! <root>/<id>/             0700; its lock is flock(2) on it
//!   state.json             which process it is, where its cgroups are; replaced, never edited
//!   config.json            the spec that it was made from: exec, start and delete need it
//!   start.sock             the init stage waits there for its start; gone when that was done
//! ```
//!
//! Between `create` and `start` nothing of coracle runs but the init stage itself. What was killed
//! at any moment leaves a directory, and perhaps that stage: `delete --force` removes both.

mod cgroup_mounts;
mod cgroups;
mod console;
mod create;
mod document;
mod error;
mod every_id;
mod features;
mod foreground;
mod launch;
mod privileges;
mod processes;
mod records;
mod session;
mod template;
mod update;
mod verbs;

use std::path::PathBuf;

pub use error::BundleError;
pub use features::features;
pub use foreground::Ended;
pub use records::{Listed, default_root};
pub use session::{ProcessSource, SessionRequest};
pub use template::{TemplateFor, spec_template};
pub use update::ResourceChange;
pub use verbs::{AmongOthers, Force};

use crate::runtime::launch::{Keyring, Pivot};

/// What one call of the runtime works with.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Where containers are recorded.
    pub root: PathBuf,
    /// How a spec's cgroupsPath is read.
    pub cgroups: CgroupManager,
}

/// How a spec's cgroupsPath is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupManager {
    /// As a path.
    Cgroupfs,
    /// As `SLICE:PREFIX:NAME`.
    Systemd,
    /// Not at all: the container stays in the caller's cgroup.
    Disabled,
}

/// What `create` and `run` are asked for.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// The container's name here.
    pub id: String,
    /// The directory of its spec.
    pub bundle: PathBuf,
    /// Another file than the bundle's config.json.
    pub config: Option<PathBuf>,
    /// What the program gets besides its standard streams, and who is told of it.
    pub wiring: Wiring,
    /// How the root is entered.
    pub pivot: Pivot,
    /// Whether it gets a session keyring of its own.
    pub keyring: Keyring,
}

/// The ends that a caller holds of a program.
#[derive(Debug, Clone, Default)]
pub struct Wiring {
    /// The socket that gets the master of the program's terminal.
    pub console_socket: Option<PathBuf>,
    /// The file that gets the program's process id.
    pub pid_file: Option<PathBuf>,
    /// How many descriptors after standard error the program keeps.
    pub preserved_fds: u32,
}

/// Whether a command stays with the program that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Until its end, with its exit code.
    Foreground,
    /// It returns when the program runs.
    Detached,
}
