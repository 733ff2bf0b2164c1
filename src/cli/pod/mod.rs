// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `pod`.

mod create;
mod list;
mod logs;
mod look;
mod remove;
mod top;
mod verbs;
mod which;

use super::Entry;
use super::container::PodStats;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<create::Create>(),
    Entry::of::<list::List>(),
    Entry::of::<logs::Logs>(),
    Entry::of::<look::Exists>(),
    Entry::of::<look::Inspect>(),
    Entry::of::<remove::Prune>(),
    Entry::of::<remove::Remove>(),
    Entry::of::<PodStats>(),
    Entry::of::<top::Top>(),
    Entry::of::<verbs::Kill>(),
    Entry::of::<verbs::Pause>(),
    Entry::of::<verbs::Restart>(),
    Entry::of::<verbs::Start>(),
    Entry::of::<verbs::Stop>(),
    Entry::of::<verbs::Unpause>(),
];
