// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands about registries themselves, one file each.

mod login;
mod logout;
mod search;

use super::Entry;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<login::LogIn>(),
    Entry::of::<logout::LogOut>(),
    Entry::of::<search::Search>(),
];
