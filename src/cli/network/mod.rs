// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `network`.

mod connect;
mod create;
mod disconnect;
mod document;
mod exists;
mod inspect;
mod ls;
mod prune;
mod reload;
mod rm;
mod update;

pub(crate) use document::inspected;
pub(crate) use prune::prune_unused;

use super::{Context, Entry, Failure};
use crate::engine::Dialect;
use crate::engine::network::NetworkFailure;
use crate::state::networks::NetworkError;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<connect::Connect>(),
    Entry::of::<create::Create>(),
    Entry::of::<disconnect::Disconnect>(),
    Entry::of::<exists::Exists>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<ls::List>(),
    Entry::of::<prune::Prune>(),
    Entry::of::<reload::Reload>(),
    Entry::of::<rm::Remove>(),
    Entry::of::<update::Update>(),
];

/// The failure in the words of the dialect.
fn failure(context: &Context, error: &NetworkFailure) -> Failure {
    let words = match error {
        _ if context.engine.dialect == Dialect::Podman => None,
        NetworkFailure::Network(NetworkError::Missing { name }) => {
            Some(format!("network {name} not found"))
        }
        NetworkFailure::Network(NetworkError::Exists { name }) => {
            Some(format!("network with name {name} already exists"))
        }
        NetworkFailure::BuiltIn { name } => Some(format!(
            "{name} is a pre-defined network and cannot be removed"
        )),
        NetworkFailure::InUse { name, .. } => Some(format!(
            "error while removing network: network {name} has active endpoints"
        )),
        _ => None,
    };
    match words {
        Some(words) => Failure::engine(1, words),
        None => Failure::from_error(125, error),
    }
}
