// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of containers and images: the one place where runtime, storage, network and monitor
//! meet. Never prints and never reads argv: it takes requests and reports through a trait.

pub mod attach;
mod cgroup;
mod dependents;
mod ending;
pub mod error;
pub mod host;
pub mod kill;
pub mod names;
pub mod pause;
mod recovery;
pub mod remove;
pub mod rename;
pub mod selection;
pub mod signal;
pub mod stop;
pub mod terminal;
pub mod unshare;
#[cfg(test)]
mod verb_tests;
pub mod wait;

use crate::state::dirs::Dirs;

/// What a running operation tells its caller before it ends.
pub trait Report {
    /// One line that the user should see, such as a missing host feature that costs something.
    fn warning(&self, text: &str);
    /// One step of a longer operation, such as a layer that was unpacked.
    fn progress(&self, text: &str);
}

/// Whose words and defaults apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Podman's, the default.
    Podman,
    /// Docker's: `argv[0]` is `docker`, or `CORACLE_MODE=docker`.
    Docker,
}

/// A handle on one user's store, configuration and dialect: every operation starts here.
#[derive(Debug)]
pub struct Engine {
    /// Data root and run root.
    pub dirs: Dirs,
    /// Whose words and defaults apply.
    pub dialect: Dialect,
}
