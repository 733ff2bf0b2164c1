// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `save`: images become an archive that other tools load.

use super::error::ImageError;
use crate::engine::{Dialect, Engine};
use crate::oci::{Digest, Platform, Reference};
use crate::state::events::{Action, Event};
use crate::storage::archive::{ArchiveForm, LayerForm, OutgoingImage, Output, write};
use crate::storage::{Image, Images, StorageError};

/// What is asked of a save.
#[derive(Debug)]
pub struct SaveRequest {
    /// The images, as typed.
    pub images: Vec<String>,
    /// For which machine, if that is said: an image is it or is not, a list may have it.
    pub platform: Option<Platform>,
    /// More names that the only image gets in the archive.
    pub names: Vec<String>,
    /// What kind of archive.
    pub form: ArchiveForm,
    /// Whether layers are compressed.
    pub layers: LayerForm,
    /// Where it is written.
    pub output: Output,
    /// What is told of it.
    pub told: ArchiveEvent,
}

/// What is told when an image has come from an archive, or gone into one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEvent {
    /// What happened.
    pub action: Action,
    /// The archive, as typed.
    pub name: String,
}

impl ArchiveEvent {
    pub(super) fn of(&self, id: &Digest) -> Event {
        Event::of_image(id.hex(), &self.name, self.action)
    }
}

impl Engine {
    /// Writes images with all their layers into an archive.
    ///
    /// # Errors
    ///
    /// See [`ImageError`]; what was written is of no use then.
    pub fn save_images(&self, request: &SaveRequest) -> Result<(), ImageError> {
        let store = self.images()?;
        let mut outgoing: Vec<(Digest, OutgoingImage)> = Vec::new();
        let mut pins = Vec::new();
        for word in &request.images {
            let image = saved_image(&store, word, request.platform.as_ref())?;
            pins.extend(image.pin(&store)?);
            let name = image.name.as_deref().map(|name| self.archived_name(name));
            if let Some((_, known)) = outgoing.iter_mut().find(|(id, _)| *id == image.id) {
                known.names.extend(name);
                continue;
            }
            let entry = OutgoingImage {
                config: store.document(&image.id)?,
                manifest: store.manifest(&image)?,
                names: name.into_iter().collect(),
                layers: image.layers,
            };
            outgoing.push((image.id, entry));
        }
        for name in &request.names {
            let name = self.new_name(name)?.to_string();
            if let Some((_, only)) = outgoing.first_mut() {
                only.names.push(self.archived_name(&name));
            }
        }
        let told = outgoing.iter().map(|(id, _)| request.told.of(id));
        let told: Vec<Event> = told.collect();
        let images: Vec<OutgoingImage> = outgoing.into_iter().map(|(_, image)| image).collect();
        let scratch = self.dirs.tmp();
        let mut work = || {
            let written = write(
                &images,
                request.form,
                request.layers,
                &request.output,
                &scratch,
            );
            match written {
                Ok(()) => Vec::new(),
                Err(error) => error.to_string().into_bytes(),
            }
        };
        let words = self.workplace()?.run(&mut work);
        let words = words.map(|words| String::from_utf8_lossy(&words).into_owned());
        drop(pins);
        match words {
            Ok(words) if words.is_empty() => {
                self.emit(&told);
                Ok(())
            }
            Ok(words) | Err(words) => Err(ImageError::Save { words }),
        }
    }

    /// Docker's archives have Docker's short names.
    fn archived_name(&self, name: &str) -> String {
        match (self.dialect, Reference::parse(name)) {
            (Dialect::Docker, Ok(reference)) => reference.familiar(),
            (Dialect::Docker, Err(_)) | (Dialect::Podman, _) => name.to_owned(),
        }
    }
}

/// The image of that name: of a list the one for the platform.
fn saved_image(
    store: &Images,
    word: &str,
    platform: Option<&Platform>,
) -> Result<Image, ImageError> {
    let found = store.resolve(word)?;
    let host = Platform::host();
    let image = store.for_platform(found, platform.unwrap_or(&host))?;
    let is_it = |wanted: &&Platform| {
        let own = (&image.config.os, &image.config.architecture);
        let fits = (&wanted.os, &wanted.architecture) == own;
        fits && (wanted.variant.is_empty() || wanted.variant == image.config.platform().variant)
    };
    if platform.is_none_or(|wanted| is_it(&wanted)) {
        return Ok(image);
    }
    Err(ImageError::Storage(StorageError::NotForPlatform {
        name: word.to_owned(),
        platform: platform.cloned().unwrap_or(host),
    }))
}
