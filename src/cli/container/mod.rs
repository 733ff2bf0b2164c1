// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `container`, one file each.

mod attach;
mod kill;
mod logs;
mod pause;
mod ports;
mod ps;
mod ps_row;
mod rename;
mod restart;
mod rm;
mod start;
mod stop;
mod unpause;
mod wait;
mod which;

use super::Entry;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<attach::Attach>(),
    Entry::of::<kill::Kill>(),
    Entry::of::<logs::Logs>(),
    Entry::of::<pause::Pause>(),
    Entry::of::<ps::Ps>(),
    Entry::of::<rename::Rename>(),
    Entry::of::<restart::Restart>(),
    Entry::of::<rm::Rm>(),
    Entry::of::<start::Start>(),
    Entry::of::<stop::Stop>(),
    Entry::of::<unpause::Unpause>(),
    Entry::of::<wait::Wait>(),
];
