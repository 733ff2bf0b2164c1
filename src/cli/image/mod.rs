// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `image`, one file each.

pub(super) mod ensure;
mod exists;
mod history;
mod image_row;
mod images;
mod import;
mod import_from;
pub(super) mod infra;
mod inspect;
mod load;
mod prune;
mod pull;
pub(crate) mod push;
mod rmi;
mod save;
mod tag;
pub(crate) mod transfers;
mod tree;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::Entry;
pub(crate) use prune::print_pruned_images;
pub(crate) use rmi::remove_named;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<history::History>(),
    Entry::of::<exists::Exists>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<prune::Prune>(),
    Entry::of::<images::ListImages>(),
    Entry::of::<import::Import>(),
    Entry::of::<import_from::ImportFrom>(),
    Entry::of::<load::Load>(),
    Entry::of::<pull::Pull>(),
    Entry::of::<push::Push>(),
    Entry::of::<rmi::Rmi>(),
    Entry::of::<save::Save>(),
    Entry::of::<tag::Tag>(),
    Entry::of::<tag::Untag>(),
    Entry::of::<tree::Tree>(),
];

/// Standard input as a file of its own.
fn stdin() -> io::Result<File> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}
