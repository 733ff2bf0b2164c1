// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files in and out of containers: what they changed, their whole tree, single files.

mod copy;
mod diff;
mod error;
mod export;
mod mounts;
mod place;

pub use crate::storage::pack::{Change, ChangeKind};
pub use crate::storage::transfer::{Conflict, Links};
pub use copy::{CopyEnd, CopyOwner, CopyRequest};
pub use diff::{DiffRequest, DiffSubject};
pub use error::FilesError;
pub use mounts::{MountedTree, TreeKind};
