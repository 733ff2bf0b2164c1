// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quadlet: `.container`, `.volume`, `.network`, `.pod`, `.kube`, `.build`, `.image` and
//! `.artifact` files become services of systemd, as podman-systemd.unit(5) has them. It is a
//! generator of systemd, which runs early and at each reload: it reads files and writes files, and
//! knows nothing of containers.
//!
//! ```text
//! generator   the program: where files are read, drop-ins, what is written
//! convert     a file becomes a service; container, volume, … what each kind has of its own
//! flags       tables of the keys that become flags
//! kind        what files, services and the things they make are called
//! service     the service of a container or a pod that is there already
//! installed   files as their users list, install and remove them; manager asks systemd
//! unit words  the format of systemd's files
//! ```

mod address;
mod build;
mod container;
mod convert;
mod directories;
mod draft;
mod flags;
mod generator;
mod image;
mod install;
mod installed;
mod kind;
mod kube;
mod load;
mod manager;
mod mount;
mod network;
mod paths;
mod pod;
mod refusal;
mod service;
mod unit;
mod users;
mod volume;
mod words;

pub use convert::{Converted, convert};
pub use draft::{ConvertError, Database, Host, Links, Session};
pub use generator::{main, program};
pub use installed::{Existing, Fetch, Installed, Quadlets, RunningService};
pub use kind::Kind;
pub use refusal::InstalledError;
pub use service::{OtherUnits, RESTARTS, Service, ServiceKind, as_it_is};
pub use unit::{Unit, UnitError};
pub use words::WordsError;

/// The name of the role, which is an argument of the program.
pub const ROLE: &str = "quadlet-generator";

/// What services of users wait for: their systemd does not know when the machine's network is up.
/// The name is podman's, so that one of it does for both.
const WAIT_UNIT: &str = "podman-user-wait-network-online.service";

/// Whether a program of this name, a link to ours, is the generator.
pub fn is_generator(program: &str) -> bool {
    program == "quadlet" || program.ends_with("-generator")
}
