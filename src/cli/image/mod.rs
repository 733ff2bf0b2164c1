// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `image`, one file each.

mod import;
mod load;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::Entry;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[Entry::of::<import::Import>(), Entry::of::<load::Load>()];

/// Standard input as a file of its own.
fn stdin() -> io::Result<File> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}
