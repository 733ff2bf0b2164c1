// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `system`, one file each.

mod check;
mod completion;
mod connection;
mod df;
mod doctor;
mod event_document;
mod events;
mod info;
mod migrate;
mod prune;
mod reset;
mod unshare;
mod version;

use super::Entry;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<check::Check>(),
    Entry::of::<completion::Completion>(),
    Entry::of::<connection::Connections>(),
    Entry::of::<df::Df>(),
    Entry::of::<doctor::Doctor>(),
    Entry::of::<events::Events>(),
    Entry::of::<info::Info>(),
    Entry::of::<migrate::Migrate>(),
    Entry::of::<prune::Prune>(),
    Entry::of::<reset::Reset>(),
    Entry::of::<unshare::Unshare>(),
    Entry::of::<version::Version>(),
];
