// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be done with images: import, load, list, name, look at, remove.

mod changes;
mod commit;
mod document;
mod error;
mod filter;
mod import;
mod inspect;
mod list;
mod load;
mod remove;
mod tag;
mod users;
mod workplace;

pub use crate::storage::{Image, ListedImage};
pub use changes::ChangeError;
pub use commit::{CommitRequest, ImageFormat, Pausing, Squash, VolumePolicy};
pub use document::{DockerImage, ImageDocument, PodmanImage};
pub use error::ImageError;
pub use filter::ImageFilterError;
pub use import::{ImportRequest, ImportSource};
pub use inspect::{HistoryStep, ImageDetail};
pub use list::{ContainerCount, ImageEntry, ImageListRequest};
pub use load::{LoadSource, LoadedImage};
pub use remove::{Force, ImageRemoval, ImageRemovalReport, PruneScope, PrunedImage, WhichImages};
