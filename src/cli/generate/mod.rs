// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `generate`.

mod plan;
mod systemd;

use super::Entry;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[Entry::of::<systemd::Systemd>()];
