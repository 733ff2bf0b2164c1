// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of containers and images: the one place where runtime, storage, network and monitor
//! meet. Never prints and never reads argv: it takes requests and reports through a trait.

pub mod access;
pub mod artifact;
pub mod attach;
pub mod bundle;
mod cgroup;
pub mod check;
pub mod cleanup;
pub mod connect;
pub mod create;
mod dependents;
pub mod disk;
mod ending;
pub mod error;
pub mod events;
pub mod exec;
pub mod external;
pub mod files;
pub mod filter;
mod groups;
pub mod health;
pub mod host;
mod hybrid;
pub mod image;
mod image_source;
pub mod info;
pub mod inspect;
pub mod kill;
pub mod launch;
pub mod limits;
pub mod list;
pub mod logs;
pub mod manifest;
pub mod maps;
pub mod names;
pub mod namespaces;
pub mod network;
pub mod notify;
pub mod oci_runtime;
pub(crate) mod pattern;
pub mod pause;
mod pipes;
pub mod pod;
pub mod prune;
pub mod quantity;
mod recovery;
pub mod remove;
pub mod rename;
pub mod reset;
pub mod restart;
mod restart_policy;
pub mod root_source;
pub mod roots;
pub mod run;
pub mod search;
pub mod secret;
pub mod selection;
pub mod signal;
mod slices;
pub mod spec;
pub mod start;
pub mod stats;
pub mod stop;
mod survivors;
pub mod terminal;
pub mod top;
pub mod unshare;
pub mod update;
pub mod usage;
mod users;
#[cfg(test)]
mod verb_tests;
pub mod volume;
pub mod wait;
pub mod web;

use std::sync::OnceLock;

use crate::state::dirs::Dirs;

/// What a running operation tells its caller before it ends.
pub trait Report {
    /// One line that the user should see, such as a missing host feature that costs something.
    fn warning(&self, text: &str);
    /// A warning about an image, which Podman does not put in the form of its log either.
    fn caution(&self, text: &str) {
        self.progress(&format!("WARNING: {text}"));
    }
    /// A warning that Podman's users know and Docker's do not.
    fn remark(&self, text: &str) {
        self.warning(text);
    }
    /// One step of a longer operation, such as a layer that was unpacked.
    fn progress(&self, text: &str);
}

pub use crate::sys::steps;

/// Says nothing: for what was told before, or when nobody is there to be told.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Report for Silent {
    fn warning(&self, _text: &str) {}

    fn progress(&self, _text: &str) {}
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
    /// `--runtime-flag`: what is passed to the runtime.
    pub runtime_flags: Vec<String>,
    /// The store of other tools, whose containers may be listed and removed too.
    pub external: Option<external::ExternalStore>,
}

/// Who calls: for `keep-id`, and for the words of errors. Looked up once.
fn caller() -> maps::Caller {
    static CALLER: OnceLock<maps::Caller> = OnceLock::new();
    CALLER.get_or_init(look_up_caller).clone()
}

fn look_up_caller() -> maps::Caller {
    let (uid, gid) = (
        nix::unistd::getuid().as_raw(),
        nix::unistd::getgid().as_raw(),
    );
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let own = entry
        .into_iter()
        .find(|f| f.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    let field = |at: usize| {
        own.as_ref()
            .and_then(|f| f.get(at))
            .map(ToString::to_string)
    };
    maps::Caller {
        name: field(0).unwrap_or_else(|| uid.to_string()),
        uid,
        gid,
        home: field(5).unwrap_or_else(|| "/".to_owned()),
    }
}
