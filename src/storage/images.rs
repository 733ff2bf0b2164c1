// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images on disk: which layers and documents belong together, under which names.
//!
//! ```text
//! images/<id>.json        what an image is made of; its id is its configuration's digest
//! blobs/sha256/<hex>      its configuration and its manifest
//! names/images/<name>     which image has the name
//! ```
//!
//! Changes are made under the lock of `images/`, for no longer than a few files take to write.
//! Readers take no lock: an image is there when its record is.

mod find;
mod leftovers;
mod lists;
mod record;

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::lists::{InstanceSource, Instances, ListedInstance, ManifestList};
use self::record::{ImageRecord, latest_first, latest_origins};
use super::artifacts::Artifacts;
use super::error::StorageError;
use super::layers::{Layer, Layers, Pin, chain_ids, make_private};
use super::workplace::Workplace;
use super::{blobs, names, references};
use crate::oci::{Digest, ImageConfiguration, Reference};
use crate::state::atomic;
use crate::state::dirs::Dirs;
use crate::state::locks::{Contention, DirectoryLock};

/// The images below one data root. Holds no descriptor.
#[derive(Debug, Clone)]
pub struct Images {
    dirs: Dirs,
    layers: Layers,
    /// Stores whose images are used and never changed.
    additional: Vec<Self>,
}

/// An image with all that a container needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The digest of its configuration, which is its id.
    pub id: Digest,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Every manifest that it came under, the newest first.
    pub manifests: Vec<Digest>,
    /// The name that it was found under; `None` if it was found by id.
    pub name: Option<String>,
    /// Every name that it has or had, the latest first.
    pub names_history: Vec<String>,
    /// Where it was pulled from or pushed to, the latest first.
    pub origins: Vec<Origin>,
    /// Its configuration.
    pub config: ImageConfiguration,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
    /// When it was made; the moment it came here, if it does not say.
    pub created: Timestamp,
    /// Bytes of its layers' tar streams.
    pub size_bytes: u64,
}

/// An image in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedImage {
    /// The image; of a damaged one, what can be read.
    pub image: Image,
    /// All its names, the oldest first.
    pub names: Vec<String>,
    /// Why it cannot be used.
    pub damage: Option<String>,
    /// Whether it is a manifest list.
    pub is_list: bool,
    /// Whether it belongs to another store, which is not changed.
    pub is_read_only: bool,
}

/// A new image, before it is kept.
#[derive(Debug, Clone, Copy)]
pub struct NewImage<'a> {
    /// The configuration as it came.
    pub config: &'a [u8],
    /// The manifest as it came or was made.
    pub manifest: &'a [u8],
    /// The names that it gets.
    pub names: &'a [Reference],
    /// Where it comes from, if that is a registry.
    pub origin: Option<&'a Origin>,
}

/// A repository that has, or had, all blobs of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its full name: `quay.io/ana/web`.
    pub repository: String,
    /// Whether the command line asked that it need not prove who it is.
    #[serde(default)]
    pub is_insecure: bool,
}

/// What a removal did.
#[derive(Debug, Default)]
pub struct Removed {
    /// How many layers went with it.
    pub layers: usize,
    /// Layers that are gone from the store, but whose files are not; see
    /// [`StorageError::LeftBehind`].
    pub left_behind: Vec<StorageError>,
}

impl Images {
    /// The images below the image root of `dirs`, and of its additional stores. Touches nothing.
    pub fn open(dirs: &Dirs) -> Self {
        let additional = dirs.of_additional_images();
        Self {
            dirs: dirs.of_images(),
            layers: Layers::new(dirs),
            additional: additional.map(|dirs| Self::open(&dirs)).collect(),
        }
    }

    /// The layers of the same store.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Finds an image as people name it: a full or short name, with tag or digest, an id, or the
    /// first digits of one. Short names are looked for in `localhost/`, in docker.io, then in all
    /// other registries.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`], [`StorageError::AmbiguousId`], and what makes the image
    /// unusable.
    pub fn resolve(&self, text: &str) -> Result<Image, StorageError> {
        let (id, name) = match self.find(text) {
            Err(missing @ StorageError::NoSuchImage { .. }) => {
                let mut elsewhere = self.additional.iter();
                let found = elsewhere.find_map(|images| images.resolve(text).ok());
                return found.ok_or(missing);
            }
            found => found?,
        };
        let record = self.record(&id)?.ok_or_else(|| no_such(text))?;
        self.read(&record, name)
    }

    /// All images, in no order. Damaged ones are among them.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list(&self) -> Result<Vec<ListedImage>, StorageError> {
        let mut names = names::all(&self.names_directory())?;
        let mut listed = Vec::new();
        for id in self.ids()? {
            let mut is_list = false;
            let (image, damage) = match self.record(&id) {
                // It went away while we read.
                Ok(None) => continue,
                Ok(Some(record)) => {
                    is_list = record.instances.is_some();
                    self.read_or_what_is_left(&record)
                }
                Err(error) => {
                    let record = ImageRecord::nothing_but(&id);
                    let image = self.read_what_is_left(&record);
                    (image, Some(super::error::chain(&error)))
                }
            };
            listed.push(ListedImage {
                names: names.remove(&id).unwrap_or_default(),
                image,
                damage,
                is_list,
                is_read_only: false,
            });
        }
        Ok(listed)
    }

    /// As [`Images::list`], followed by the images of the additional stores, which cannot be
    /// changed; an image that is in several stores is there several times.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list_all(&self) -> Result<Vec<ListedImage>, StorageError> {
        let mut all = self.list()?;
        for store in &self.additional {
            let listed = store.list()?.into_iter();
            all.extend(listed.map(|listed| ListedImage {
                is_read_only: true,
                ..listed
            }));
        }
        Ok(all)
    }

    /// Names whose image is neither here nor in an additional store.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn names_of_nothing(&self) -> Result<Vec<(String, Digest)>, StorageError> {
        let has = |images: &Self, id: &Digest| !matches!(images.record(id), Ok(None));
        let mut found = Vec::new();
        for (id, names) in names::all(&self.names_directory())? {
            if has(self, &id) || self.additional.iter().any(|store| has(store, &id)) {
                continue;
            }
            for name in names {
                // Who removes an image removes its names first.
                if names::get(&self.names_directory(), &name)?.as_ref() == Some(&id) {
                    found.push((name, id.clone()));
                }
            }
        }
        Ok(found)
    }

    /// All names of an image, the oldest first.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn names_of(&self, id: &Digest) -> Result<Vec<String>, StorageError> {
        if let Some(names) = names::all(&self.names_directory())?.remove(id) {
            return Ok(names);
        }
        let elsewhere = self.additional.iter().map(|store| store.names_of(id));
        elsewhere
            .into_iter()
            .find(|names| !matches!(names, Ok(names) if names.is_empty()))
            .unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The bytes of an image's manifest.
    ///
    /// # Errors
    ///
    /// What open(2) and read(2) say.
    pub fn manifest(&self, image: &Image) -> Result<Vec<u8>, StorageError> {
        let mut elsewhere = self.additional.iter();
        blobs::get(&self.dirs, &image.digest).or_else(|missing| {
            elsewhere
                .find_map(|store| store.manifest(image).ok())
                .ok_or(missing)
        })
    }

    /// Keeps an image whose layers are all there. `pins` keep them there until then.
    ///
    /// # Errors
    ///
    /// What writing its documents says; [`StorageError::Damaged`] for a configuration that does
    /// not read.
    pub fn add(&self, new: &NewImage<'_>, pins: Vec<Pin>) -> Result<Digest, StorageError> {
        let config = ImageConfiguration::from_json(new.config).map_err(|source| {
            let path = PathBuf::from("image configuration");
            StorageError::Damaged { path, source }
        })?;
        let layers = chain_ids(&config.rootfs.diff_ids);
        let _lock = self.lock()?;
        let id = blobs::put(&self.dirs, new.config)?;
        let manifest = blobs::put(&self.dirs, new.manifest)?;
        let known = self.record(&id)?;
        let mut manifests = vec![manifest];
        for older in known.iter().flat_map(|record| &record.manifests) {
            if !manifests.contains(older) {
                manifests.push(older.clone());
            }
        }
        let (added, history, origins) = match known {
            Some(known) => (known.added, known.names_history, known.origins),
            None => (Timestamp::now(), Vec::new(), Vec::new()),
        };
        let names = new.names.iter().rev().map(ToString::to_string);
        let record = ImageRecord {
            id: id.clone(),
            manifests,
            layers,
            added,
            names_history: latest_first(names.collect(), history),
            origins: latest_origins(new.origin, origins),
            instances: None,
        };
        self.write_record(&record)?;
        for name in new.names {
            names::set(&self.names_directory(), &name.to_string(), &id)?;
        }
        drop(pins);
        Ok(id)
    }

    /// A document that the store keeps, as it came.
    ///
    /// # Errors
    ///
    /// What open(2) and read(2) say.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>, StorageError> {
        blobs::get(&self.dirs, digest)
    }

    /// Notes an index that an image came under: the image is found by its digest, too.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`] if the image has gone meanwhile.
    pub fn note_index(&self, id: &Digest, index: &[u8]) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        let Some(mut record) = self.record(id)? else {
            return Err(no_such(id.short()));
        };
        let digest = blobs::put(&self.dirs, index)?;
        if record.manifests.contains(&digest) {
            return Ok(());
        }
        // The first is the one that the image is made of.
        let place = record.manifests.len().min(1);
        record.manifests.insert(place, digest);
        self.write_record(&record)
    }

    /// Notes a repository that has all blobs of an image now.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`] if the image has gone meanwhile.
    pub fn note_origin(&self, id: &Digest, origin: &Origin) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        let Some(mut record) = self.record(id)? else {
            return Err(no_such(id.short()));
        };
        if record.origins.first() == Some(origin) {
            return Ok(());
        }
        record.origins = latest_origins(Some(origin), record.origins);
        self.write_record(&record)
    }

    /// Gives an image another name; an image that had it loses it.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`] if the image has gone meanwhile.
    pub fn tag(&self, id: &Digest, name: &Reference) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        let Some(mut record) = self.record(id)? else {
            return Err(no_such(id.short()));
        };
        let name = name.to_string();
        record.names_history = latest_first(vec![name.clone()], record.names_history);
        self.write_record(&record)?;
        names::set(&self.names_directory(), &name, id)
    }

    /// Takes a name from an image.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchName`] if the image does not have it.
    pub fn untag(&self, id: &Digest, name: &str) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        if names::get(&self.names_directory(), name)?.as_ref() != Some(id)
            || !names::remove(&self.names_directory(), name)?
        {
            let name = name.to_owned();
            return Err(StorageError::NoSuchName { name });
        }
        // What is left counts as given anew, as in Podman's history.
        if let Ok(Some(mut record)) = self.record(id) {
            let left = self.names_of(id)?;
            record.names_history = latest_first(left, record.names_history);
            self.write_record(&record)?;
        }
        Ok(())
    }

    /// Removes an image with all its names, which the caller knows, and the layers that nothing
    /// names any more. Whether containers use it is the caller's to ask; their layers stay in any
    /// case.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`] if it is not there, [`StorageError::NamedMeanwhile`] if it has
    /// a name that the caller does not know: somebody else's work, which is not to be lost.
    pub fn remove(
        &self,
        id: &Digest,
        known_names: &[String],
        workplace: &dyn Workplace,
    ) -> Result<Removed, StorageError> {
        let lock = self.lock()?;
        let path = self.record_path(id);
        if !path.exists() {
            return Err(no_such(id.short()));
        }
        let mut names = names::all(&self.names_directory())?;
        let names = names.remove(id).unwrap_or_default();
        if let Some(name) = names.iter().find(|name| !known_names.contains(name)) {
            return Err(StorageError::NamedMeanwhile {
                id: id.clone(),
                name: name.clone(),
            });
        }
        // Names first: one that leads to nothing is worse than an image without names.
        for name in names {
            names::remove(&self.names_directory(), &name)?;
        }
        fs::remove_file(&path).map_err(StorageError::file("remove", &path))?;
        atomic::sync_directory(&self.dirs.images()).map_err(StorageError::call("remove image"))?;
        drop(lock);
        self.collect(workplace)
    }

    /// Removes the layers that neither an image nor a container names, and all else that no image
    /// names any more.
    ///
    /// # Errors
    ///
    /// When a record does not read: what it names is unknown then, so nothing is removed.
    pub fn collect(&self, workplace: &dyn Workplace) -> Result<Removed, StorageError> {
        let taken = {
            let _lock = self.lock()?;
            let mut named = references::of_containers(&self.dirs)?;
            let records = self.records()?;
            for record in &records {
                named.extend(record.layers.iter().map(|layer| layer.hex().to_owned()));
            }
            self.remove_leftovers(&records)?;
            self.layers.take_out(|layer| named.contains(layer))?
        };
        // A list that went may have been the last that had an artifact.
        Artifacts::of(&self.dirs).collect()?;
        Ok(Removed {
            layers: taken.len(),
            left_behind: Layers::discard(&taken, workplace),
        })
    }

    fn names_directory(&self) -> PathBuf {
        names::of_images(&self.dirs)
    }

    fn lock(&self) -> Result<DirectoryLock, StorageError> {
        let path = self.dirs.images();
        let failed = || StorageError::call("lock the images");
        make_private(&path).map_err(failed())?;
        loop {
            let lock = DirectoryLock::take(&path, Contention::Wait).map_err(failed())?;
            if let Some(lock) = lock {
                return Ok(lock);
            }
        }
    }

    fn read(&self, record: &ImageRecord, name: Option<String>) -> Result<Image, StorageError> {
        let bytes = blobs::get(&self.dirs, &record.id)?;
        let config = ImageConfiguration::from_json(&bytes).map_err(|source| {
            let path = blobs::path(&self.dirs, &record.id);
            StorageError::Damaged { path, source }
        })?;
        let layers = record.layers.iter().map(|layer| self.layers.read(layer));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        Ok(assemble(record, name, config, layers))
    }

    /// The image, or its remains and why it cannot be used.
    fn read_or_what_is_left(&self, record: &ImageRecord) -> (Image, Option<String>) {
        match self.read(record, None) {
            Ok(image) => (image, None),
            Err(error) => {
                let words = super::error::chain(&error);
                (self.read_what_is_left(record), Some(words))
            }
        }
    }

    fn read_what_is_left(&self, record: &ImageRecord) -> Image {
        let config = blobs::get(&self.dirs, &record.id)
            .ok()
            .and_then(|bytes| ImageConfiguration::from_json(&bytes).ok());
        let layers = record.layers.iter();
        let layers = layers.filter_map(|layer| self.layers.read(layer).ok());
        assemble(record, None, config.unwrap_or_default(), layers.collect())
    }
}

impl Image {
    /// Keeps the image's layers from being removed until its user has a record of its own.
    ///
    /// # Errors
    ///
    /// [`StorageError::MissingLayer`] if one has gone.
    pub fn pin(&self, images: &Images) -> Result<Vec<Pin>, StorageError> {
        let pin = |layer: &Layer| {
            let chain_id = || layer.chain_id.clone();
            let pin = images.layers.pin(&layer.chain_id)?;
            pin.ok_or_else(|| StorageError::MissingLayer {
                chain_id: chain_id(),
            })
        };
        self.layers.iter().map(pin).collect()
    }

    /// Whether files keep owners or modes as metadata, which only an overlay that reads it shows.
    pub fn has_ids_as_metadata(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|layer| layer.record.content.ids_as_metadata)
    }

    /// Checks that the files of the layers belong to the right ids under the id map `now`.
    ///
    /// # Errors
    ///
    /// [`StorageError::RangeChanged`] with the cure.
    pub fn check_id_map(&self, now: &str) -> Result<(), StorageError> {
        let mut maps = self.layers.iter().map(|layer| &layer.record.id_map);
        match maps.find(|map| !references::id_map_holds(map, now)) {
            None => Ok(()),
            Some(map) => Err(StorageError::RangeChanged {
                layers: references::show_id_map(map),
                now: references::show_id_map(now),
            }),
        }
    }
}

fn assemble(
    record: &ImageRecord,
    name: Option<String>,
    config: ImageConfiguration,
    layers: Vec<Layer>,
) -> Image {
    let digest = record.manifests.first().unwrap_or(&record.id).clone();
    Image {
        id: record.id.clone(),
        digest,
        manifests: record.manifests.clone(),
        name,
        names_history: record.names_history.clone(),
        origins: record.origins.clone(),
        created: config.created.unwrap_or(record.added),
        size_bytes: layers
            .iter()
            .map(|layer| layer.record.content.size_bytes)
            .sum(),
        config,
        layers,
    }
}

fn no_such(name: &str) -> StorageError {
    StorageError::NoSuchImage {
        name: name.to_owned(),
    }
}
