// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `artifact`, one file each.

mod add;
mod document;
mod extract;
mod inspect;
mod ls;
mod pull;
mod push;
mod rm;

use super::Entry;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<add::Add>(),
    Entry::of::<extract::Extract>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<ls::List>(),
    Entry::of::<pull::Pull>(),
    Entry::of::<push::Push>(),
    Entry::of::<rm::Remove>(),
];
