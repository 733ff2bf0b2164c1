// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `network`.

mod connect;
mod create;
mod disconnect;
pub(super) mod document;
mod exists;
mod failure;
mod inspect;
mod ls;
mod prune;
mod reload;
mod rm;
mod update;

pub(crate) use prune::prune_unused;

use super::Entry;

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
