// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `container`, one file each.

mod attach;
mod exists;
mod inspect;
mod kill;
mod logs;
mod pause;
mod port;
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
    Entry::of::<exists::Exists>(),
    Entry::of::<inspect::ContainerInspect>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<kill::Kill>(),
    Entry::of::<logs::Logs>(),
    Entry::of::<pause::Pause>(),
    Entry::of::<port::Port>(),
    Entry::of::<ps::Ps>(),
    Entry::of::<rename::Rename>(),
    Entry::of::<restart::Restart>(),
    Entry::of::<rm::Rm>(),
    Entry::of::<start::Start>(),
    Entry::of::<stop::Stop>(),
    Entry::of::<unpause::Unpause>(),
    Entry::of::<wait::Wait>(),
];
