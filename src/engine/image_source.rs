// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container takes from its image or from the directory in its place.

use std::path::Path;

use super::image::caution_of_platform;
use super::root_source::RootSource;
use super::roots::ensure_places;
use super::{Engine, Report};
use crate::oci::{ContainerConfig, Digest, Platform};
use crate::runtime::subid::{holder_map, map_around};
use crate::state::record::ContainerRecord;
use crate::storage::{Image, Images, Layers, Pin, StorageError};

/// What a container takes from its image.
#[derive(Debug, Clone, Default)]
pub(super) struct ImageFacts {
    /// 64 hexadecimal digits; empty without an image.
    pub(super) id: String,
    /// Full name.
    pub(super) name: String,
    /// The manifest's digest with its algorithm.
    pub(super) digest: String,
    /// Chain ids, lowest first.
    pub(super) layers: Vec<String>,
    /// Defaults for the container.
    pub(super) config: ContainerConfig,
}

/// The image of a container that is being made. Its layers stay as long as the pins, which go
/// when the container's record names them.
#[derive(Debug, Default)]
pub(super) struct PinnedImage {
    pub(super) facts: ImageFacts,
    _pins: Vec<Pin>,
}

impl PinnedImage {
    /// What an infra container has in the place of an image: our own program. Podman's users know
    /// it by this name.
    pub(super) fn of_pause_program() -> Self {
        let name = format!("localhost/podman-pause:{}", env!("CARGO_PKG_VERSION"));
        Self {
            facts: ImageFacts {
                name,
                ..ImageFacts::default()
            },
            _pins: Vec::new(),
        }
    }
}

impl Engine {
    /// What the image `name` gives a container; of a list, the image for the platform `asked`, or
    /// for this machine's.
    pub(super) fn pinned_image(
        &self,
        name: &str,
        asked: Option<&str>,
        report: &dyn Report,
    ) -> Result<PinnedImage, StorageError> {
        let images = Images::open(&self.dirs);
        let wanted = asked.and_then(Platform::parse);
        let wanted = wanted.unwrap_or_else(Platform::host);
        let image = images.for_platform(images.resolve(name)?, &wanted)?;
        caution_of_platform(&image, &wanted, report);
        check_owners(&image)?;
        let pins = image.pin(&images)?;
        let layers = image.layers.iter().map(|layer| layer.chain_id.to_string());
        let facts = ImageFacts {
            id: image.id.hex().to_owned(),
            digest: image.digest.to_string(),
            layers: layers.collect(),
            name: image.name.unwrap_or_else(|| name.to_owned()),
            config: image.config.config,
        };
        Ok(PinnedImage { facts, _pins: pins })
    }

    /// What the root of a container is made from.
    pub(super) fn root_source(&self, record: &ContainerRecord) -> Result<RootSource, StorageError> {
        match &record.request.rootfs {
            Some(rootfs) if rootfs.overlay && rootfs.host_path == Path::new("/") => {
                Ok(RootSource::Machine)
            }
            Some(rootfs) if rootfs.overlay => Ok(RootSource::Overlay(rootfs.host_path.clone())),
            Some(rootfs) => Ok(RootSource::Directory(rootfs.host_path.clone())),
            None => self.layers_of(record),
        }
    }

    fn layers_of(&self, record: &ContainerRecord) -> Result<RootSource, StorageError> {
        let layers = Layers::new(&self.dirs);
        let mut directories = Vec::with_capacity(record.resolved.layers.len());
        let mut ids_as_metadata = false;
        for text in record.resolved.layers.iter().rev() {
            let Ok(chain_id) = Digest::parse(text) else {
                continue;
            };
            let layer = layers.read(&chain_id)?;
            ids_as_metadata |= layer.record.content.ids_as_metadata;
            directories.push(layer.diff_path);
        }
        let places = self.dirs.places();
        // Without them a start makes what it needs in the upper layer.
        if ensure_places(&places).is_ok() {
            directories.push(places);
        }
        Ok(RootSource::Layers {
            directories,
            ids_as_metadata,
        })
    }
}

/// Whether the owners in the layers are those of today's map, as it is written here or around.
fn check_owners(image: &Image) -> Result<(), StorageError> {
    let here = image.check_id_map(&holder_map().fingerprint());
    let is_around =
        || map_around().is_some_and(|map| image.check_id_map(&map.fingerprint()).is_ok());
    here.or_else(|refused| if is_around() { Ok(()) } else { Err(refused) })
}
