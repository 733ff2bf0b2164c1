// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be done with images: import, load, pull, list, name, look at, remove.

mod archived;
mod changes;
mod commit;
mod document;
mod download;
mod error;
mod fetch;
mod filter;
mod import;
mod import_from;
mod inspect;
mod list;
mod load;
mod parallel;
mod progress;
mod pull;
mod push;
mod push_manifest;
mod relay;
mod remove;
mod save;
mod sources;
mod tag;
mod users;
mod workplace;

pub use crate::registry::{Absence, Patience};
pub use crate::storage::archive::{ArchiveForm, LayerForm, Output};
pub use crate::storage::{Image, Layer, LayerCompression, ListedImage, ListedInstance, Packing};
pub use changes::ChangeError;
pub use commit::{CommitRequest, ImageFormat, Pausing, Squash, VolumePolicy};
pub use document::{DockerImage, ImageDocument, PodmanImage};
pub(in crate::engine) use document::{HealthcheckDocument, Nanoseconds, healthcheck_document};
pub use error::ImageError;
pub use filter::ImageFilterError;
pub use import::{ImportRequest, ImportSource};
pub use import_from::{ForeignImage, ImportFromError, OtherTool};
pub use inspect::{HistoryStep, ImageDetail};
pub use list::{ContainerCount, ImageEntry, ImageListRequest};
pub use load::{LoadRequest, LoadSource, LoadedImage, WhichArchived};
pub use progress::{Step, TransferReport};
pub use pull::{Novelty, PullCause, PullFailure, PullPolicy, PullRequest, PulledImage, WhichTags};
pub use push::{ManifestFormat, PushRequest, PushedImage, ReusedForms};
pub(in crate::engine) use relay::download;
pub use remove::{Force, ImageRemoval, ImageRemovalReport, PruneScope, PrunedImage, WhichImages};
pub use save::{ArchiveEvent, SaveRequest};
