// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists of images.

use super::error::ImageError;
use super::filter::{ImageFilters, name_matches};
use super::users::ImageUsers;
use crate::engine::{Dialect, Engine};
use crate::oci::Reference;
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
        let queried = || queried(&request.filters, self.dialect);
        if let Some(name) = request.name.as_deref().or_else(queried) {
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

/// The one reference that filters ask for: Docker shows no other names then, Podman only if it is a
/// full name.
fn queried(filters: &[String], dialect: Dialect) -> Option<&str> {
    let mut values = filters
        .iter()
        .filter_map(|filter| filter.strip_prefix("reference="));
    let (Some(only), None) = (values.next(), values.next()) else {
        return None;
    };
    let is_full = || {
        let name = Reference::parse(only);
        name.is_ok_and(|name| name.domain().is_some() && name.tag().is_some())
    };
    (dialect == Dialect::Docker || is_full()).then_some(only)
}

/// Of several names only those that were asked for are shown; all of them if the image was found
/// by its id.
fn keep_matching(names: &mut Vec<String>, pattern: &str) {
    if names.iter().any(|name| name_matches(name, pattern)) {
        names.retain(|name| name_matches(name, pattern));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reference_hides_other_names() {
        for (filters, dialect, expected) in [
            (&["reference=web"][..], Dialect::Podman, None),
            (&["reference=web"], Dialect::Docker, Some("web")),
            (
                &["reference=a.io/web:1"],
                Dialect::Podman,
                Some("a.io/web:1"),
            ),
            (&["reference=a.io/web"], Dialect::Podman, None),
            (&["reference=a", "reference=b"], Dialect::Docker, None),
            (&["label=a"], Dialect::Docker, None),
        ] {
            let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
            assert_eq!(queried(&filters, dialect), expected, "{filters:?}");
        }
    }
}
