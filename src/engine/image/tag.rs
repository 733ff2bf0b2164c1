// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `tag`, `untag` and `exists`: the names of images.

use super::error::ImageError;
use crate::engine::{Dialect, Engine};
use crate::oci::{Digest, Reference};
use crate::state::events::{Action, Event};
use crate::storage::{Images, StorageError};

impl Engine {
    /// Gives the image `source` the names `targets`.
    ///
    /// # Errors
    ///
    /// [`ImageError::Name`] before anything is done; no such image.
    pub fn tag_image(&self, source: &str, targets: &[String]) -> Result<(), ImageError> {
        let images = self.images()?;
        let (id, _) = images.find(source)?;
        let names = targets.iter().map(|target| self.new_name(target));
        let names: Vec<Reference> = names.collect::<Result<_, _>>()?;
        for (name, typed) in names.iter().zip(targets) {
            images.tag(&id, name)?;
            self.emit(&[Event::of_image(id.hex(), typed, Action::Tag)]);
        }
        Ok(())
    }

    /// Takes `names` from the image `source`; all of them if none is given.
    ///
    /// # Errors
    ///
    /// No such image, or a name that it does not have.
    pub fn untag_image(&self, source: &str, names: &[String]) -> Result<(), ImageError> {
        let images = self.images()?;
        let (id, _) = images.find(source)?;
        let untagged = |name: &str| self.emit(&[Event::of_image(id.hex(), name, Action::Untag)]);
        if names.is_empty() {
            // The newest first, as podman.
            for name in images.names_of(&id)?.into_iter().rev() {
                images.untag(&id, &name)?;
                untagged(&name);
            }
            return Ok(());
        }
        for name in names {
            let full = self.new_name(name)?;
            if let Some(digest) = full.digest() {
                untag_digest(
                    &images,
                    &id,
                    name,
                    &format!("{}@{digest}", full.repository()),
                )?;
                untagged(name);
                continue;
            }
            let full = full.to_string();
            match images.untag(&id, &full) {
                // A short name may be one of a registry.
                Err(StorageError::NoSuchName { .. }) => {
                    let found = images.find(name).ok().filter(|(found, _)| *found == id);
                    let Some((_, Some(found))) = found else {
                        return Err(StorageError::NoSuchName { name: full }.into());
                    };
                    images.untag(&id, &found)?;
                    untagged(&found);
                }
                result => {
                    result?;
                    untagged(&full);
                }
            }
        }
        Ok(())
    }

    /// The id of the image that `name` means.
    ///
    /// # Errors
    ///
    /// No such image, or an ambiguous id.
    pub fn find_image(&self, name: &str) -> Result<Digest, ImageError> {
        Ok(self.images()?.find(name)?.0)
    }

    /// The ids of all images.
    ///
    /// # Errors
    ///
    /// What reading the store says.
    pub fn image_ids(&self) -> Result<Vec<Digest>, ImageError> {
        let listed = self.images()?.list()?;
        Ok(listed.into_iter().map(|listed| listed.image.id).collect())
    }

    /// Whether there is an image of that name or id.
    ///
    /// # Errors
    ///
    /// An ambiguous id, and what reading the store says.
    pub fn image_exists(&self, name: &str) -> Result<bool, ImageError> {
        match self.images()?.find(name) {
            Ok(_) => Ok(true),
            Err(StorageError::NoSuchImage { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The full name of something that gets a name here: a short one is local in Podman's words
    /// and one of docker.io in Docker's.
    pub(in crate::engine) fn new_name(&self, name: &str) -> Result<Reference, ImageError> {
        let parsed = match self.dialect {
            Dialect::Podman => Reference::parse_local(name),
            Dialect::Docker => Reference::parse_normalized(name),
        };
        parsed.map_err(|source| ImageError::Name {
            name: name.to_owned(),
            source,
        })
    }
}

/// Takes the name away that a pull by digest gave; an image that was given none, but has the
/// digest, keeps its other names.
fn untag_digest(images: &Images, id: &Digest, typed: &str, name: &str) -> Result<(), ImageError> {
    match images.untag(id, name) {
        Err(StorageError::NoSuchName { name }) => match images.find(typed) {
            Ok((found, _)) if found == *id => Ok(()),
            Ok(_) | Err(_) => Err(StorageError::NoSuchName { name }.into()),
        },
        result => Ok(result?),
    }
}
