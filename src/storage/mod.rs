// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blobs, layers and images on disk, and the overlay engine that serves a container's root.
//!
//! ```text
//! blobs/sha256/<hex>       configurations and manifests
//! layers/<chain id>/       diff/ (unpacked tree), layer.json, kept blobs
//! images/<id>.json         documents and layers of an image
//! names/images/<name>      which image has a name
//! artifacts/<hex>          files that are no images, and the manifests that name them
//! names/artifacts/<name>   which of those manifests has a name
//! tmp/                     everything unfinished
//! ```
//!
//! Readers never lock and never wait. Whatever moment a process is killed at, an image is there
//! with all its layers or not at all; what it leaves in `tmp/` the next sweep takes.

pub mod archive;
mod artifacts;
mod blobs;
mod compress;
mod compression;
mod error;
mod forms;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod images;
mod layers;
mod names;
pub mod pack;
mod pipeline;
mod references;
mod tar;
pub mod transfer;
mod unpack;
mod workplace;

pub use artifacts::{Artifact, ArtifactIntake, Artifacts, Content, Naming, Wrong};
pub use compress::{Compressed, LayerCompression, Packing, compress, unnamed_file};
pub use error::StorageError;
pub use images::{
    Image, Images, InstanceSource, Instances, ListedImage, ListedInstance, ManifestList, NewImage,
    Origin, Removed,
};
pub use layers::{Expected, Intake, Layer, LayerRecord, Layers, Pin, chain_id, chain_ids};
pub use unpack::{Ownership, Unpacked};
pub use workplace::{InPlace, Workplace};

#[cfg(test)]
mod store_tests;
