// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists of images.

use super::error::ImageError;
use super::filter::{ImageFilters, name_matches};
use super::users::ImageUsers;
use crate::engine::Engine;
use crate::storage::{Image, ListedImage, ListedInstance};

/// What a list is to show.
#[derive(Debug, Clone, Default)]
pub struct ImageListRequest {
    /// A name or pattern, as typed; all images without one.
    pub name: Option<String>,
    /// `KEY=VALUE`.
    pub filters: Vec<String>,
    /// Whether containers are counted, which reads all their records.
    pub count: ContainerCount,
}

/// Whether a list says how many containers use each image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContainerCount {
    /// It does not.
    #[default]
    Left,
    /// It does.
    Counted,
}

/// An image in a list.
#[derive(Debug, Clone)]
pub struct ImageEntry {
    /// The image with its names; only those that a name asked for match.
    pub listed: ListedImage,
    /// How many containers use it; 0 if they were not counted.
    pub containers: usize,
}

impl Engine {
    /// The instances of a manifest list; `None` for an image.
    ///
    /// # Errors
    ///
    /// A list that cannot be read.
    pub fn list_instances(&self, image: &Image) -> Result<Option<Vec<ListedInstance>>, ImageError> {
        Ok(self.images()?.instances_of(image)?)
    }

    /// Lists the images that fit, the newest first.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and what reading the store says.
    pub fn list_images(&self, request: &ImageListRequest) -> Result<Vec<ImageEntry>, ImageError> {
        let images = self.images()?;
        let mut filters = ImageFilters::parse(&images, &request.filters)?;
        if let Some(name) = &request.name {
            filters = filters.with_name(&images, name);
        }
        let users = if filters.need_users() || request.count == ContainerCount::Counted {
            ImageUsers::read(&self.store()?)?
        } else {
            ImageUsers::default()
        };
        let mut entries: Vec<ImageEntry> = images
            .list_all()?
            .into_iter()
            .filter(|listed| filters.let_through(listed, &users))
            .map(|listed| ImageEntry {
                containers: users.of(&listed.image.id).len(),
                listed,
            })
            .collect();
        if let Some(name) = &request.name {
            for entry in &mut entries {
                keep_matching(&mut entry.listed.names, name);
            }
        }
        entries.sort_by(|a, b| {
            let key =
                |entry: &ImageEntry| (entry.listed.image.created, entry.listed.image.id.clone());
            key(b).cmp(&key(a))
        });
        Ok(entries)
    }
}

/// Of several names only those that were asked for are shown; all of them if the image was found
/// by its id.
fn keep_matching(names: &mut Vec<String>, pattern: &str) {
    if names.iter().any(|name| name_matches(name, pattern)) {
        names.retain(|name| name_matches(name, pattern));
    }
}
