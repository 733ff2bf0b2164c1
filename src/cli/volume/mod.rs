// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `volume`.

mod create;
mod exists;
mod export;
mod import;
mod inspect;
mod ls;
mod mount;
mod prune;
mod rm;

pub(crate) use prune::prune_unused;

use super::{Context, Entry, Failure};
use crate::engine::Dialect;
use crate::engine::volume::VolumeFailure;
use crate::state::volumes::VolumeError;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<exists::Exists>(),
    Entry::of::<export::Export>(),
    Entry::of::<import::Import>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<ls::List>(),
    Entry::of::<mount::Mount>(),
    Entry::of::<mount::Unmount>(),
    Entry::of::<prune::Prune>(),
    Entry::of::<rm::Remove>(),
];

/// The failure in the words of the dialect.
fn failure(context: &Context, error: &VolumeFailure) -> Failure {
    let code = match error {
        VolumeFailure::NothingToRemove { .. } => 1,
        VolumeFailure::InUse { .. } => 2,
        _ => 125,
    };
    let words = match (context.engine.dialect, error) {
        (
            Dialect::Docker,
            VolumeFailure::NothingToRemove { name }
            | VolumeFailure::Volume(VolumeError::Missing { name }),
        ) => Some(format!("get {name}: no such volume")),
        (Dialect::Docker, VolumeFailure::InUse { name, users }) => {
            let users: Vec<String> = users.iter().map(ToString::to_string).collect();
            let users = users.join(", ");
            Some(format!("remove {name}: volume is in use - [{users}]"))
        }
        (Dialect::Docker | Dialect::Podman, _) => None,
    };
    match words {
        Some(words) => Failure::engine(1, words),
        None => Failure::from_error(code, error),
    }
}
