// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container takes from its image or from the directory in its place.

use std::path::Path;

use super::Engine;
use super::create::ImageFacts;
use super::roots::RootSource;
use crate::state::record::ContainerRecord;

/// An image that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageSourceError {
    /// There is none of that name.
    #[error("{name}: image not known")]
    NotKnown {
        /// As typed.
        name: String,
    },
}

impl Engine {
    /// What the image `name` gives a container.
    pub(super) fn facts_of_image(&self, name: &str) -> Result<ImageFacts, ImageSourceError> {
        Err(ImageSourceError::NotKnown {
            name: name.to_owned(),
        })
    }

    /// What the root of a container is made from.
    pub(super) fn root_source(
        &self,
        record: &ContainerRecord,
    ) -> Result<RootSource, ImageSourceError> {
        match &record.request.rootfs {
            Some(rootfs) if rootfs.overlay && rootfs.host_path == Path::new("/") => {
                Ok(RootSource::Machine)
            }
            Some(rootfs) if rootfs.overlay => Ok(RootSource::Overlay(rootfs.host_path.clone())),
            Some(rootfs) => Ok(RootSource::Directory(rootfs.host_path.clone())),
            None => Err(ImageSourceError::NotKnown {
                name: record.request.image.clone(),
            }),
        }
    }
}
