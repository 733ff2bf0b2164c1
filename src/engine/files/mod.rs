// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files in and out of containers: what they changed, their whole tree, single files.

mod diff;
mod error;
mod export;

pub use crate::storage::pack::{Change, ChangeKind};
pub use diff::{DiffRequest, DiffSubject};
pub use error::FilesError;
