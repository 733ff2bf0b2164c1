// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `secret`.

mod create;
mod document;
mod exists;
mod inspect;
mod ls;
mod rm;

use super::{Context, Entry, Failure};
use crate::engine::Dialect;
use crate::state::secrets::SecretError;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<exists::Exists>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<ls::List>(),
    Entry::of::<rm::Remove>(),
];

/// The failure in the words of the dialect; one of a secret that is not there is told by `code`.
fn failure(context: &Context, error: &SecretError, code: u8) -> Failure {
    match (context.engine.dialect, error) {
        (Dialect::Docker, SecretError::Missing { name }) => {
            Failure::engine(1, format!("secret {name} not found"))
        }
        (Dialect::Podman, SecretError::Missing { .. }) => Failure::from_error(code, error),
        (Dialect::Docker | Dialect::Podman, _) => Failure::from_error(125, error),
    }
}
