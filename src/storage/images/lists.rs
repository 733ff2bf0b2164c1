// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifest lists that are made here: images without layers whose manifest is an index, and which
//! can be changed. Where their instances come from stands in the image's record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Image, ImageRecord, Images, no_such};
use crate::oci::{Descriptor, Digest, Index, Platform, Reference};
use crate::storage::error::StorageError;
use crate::storage::{blobs, names};
use crate::sys::random::random_bytes;

/// Where each instance of a list comes from, by the digest of its manifest.
pub type Instances = BTreeMap<Digest, InstanceSource>;

/// Where an instance of a list comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceSource {
    /// An image of this store, by its id.
    Image(Digest),
    /// A full name at a registry, which leads to it or to an index that has it.
    Registry(String),
    /// The artifacts of this store, which keep it as long as the list has it.
    Artifact,
}

/// A manifest list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestList {
    /// Its id, which stays when it changes.
    pub id: Digest,
    /// The index.
    pub index: Vec<u8>,
    /// Where its instances come from.
    pub instances: Instances,
}

/// An instance of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedInstance {
    /// For which machine it is.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The image here that it is, if there is one.
    pub image: Option<Digest>,
}

impl Images {
    /// The instances of a list, in its order; `None` for an image.
    ///
    /// # Errors
    ///
    /// A list that cannot be read.
    pub fn instances_of(&self, image: &Image) -> Result<Option<Vec<ListedInstance>>, StorageError> {
        if !image.layers.is_empty() {
            return Ok(None);
        }
        let list = match self.manifest_list(image.id.hex()) {
            Ok(list) => list,
            Err(StorageError::NotAList { .. } | StorageError::NoSuchImage { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let index: Index = serde_json::from_slice(&list.index).unwrap_or_default();
        let instance = |entry: Descriptor| ListedInstance {
            image: self.image_of(&entry.digest, list.instances.get(&entry.digest)),
            platform: entry.platform.unwrap_or_default(),
            digest: entry.digest,
        };
        Ok(Some(index.manifests.into_iter().map(instance).collect()))
    }

    fn image_of(&self, digest: &Digest, source: Option<&InstanceSource>) -> Option<Digest> {
        match source? {
            InstanceSource::Artifact => None,
            InstanceSource::Image(id) => Some(id.clone()),
            InstanceSource::Registry(name) => {
                let name = Reference::parse(name).ok()?.at_digest(digest.clone());
                self.find(&name.to_string()).ok().map(|(id, _)| id)
            }
        }
    }

    /// `image`, or of a list its instance for `platform`, under the list's name.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoInstance`] if there is none, or none here.
    pub fn for_platform(&self, image: Image, platform: &Platform) -> Result<Image, StorageError> {
        let Some(instances) = self.instances_of(&image)? else {
            return Ok(image);
        };
        let fits = |instance: &&ListedInstance| {
            let found = &instance.platform;
            (&found.os, &found.architecture) == (&platform.os, &platform.architecture)
        };
        let mut fitting = instances.iter().filter(fits);
        let chosen = fitting.find_map(|instance| instance.image.as_ref());
        let Some(chosen) = chosen else {
            return Err(StorageError::NoInstance {
                name: image.name.unwrap_or_else(|| image.id.hex().to_owned()),
                platform: platform.clone(),
            });
        };
        let instance = self.resolve(chosen.hex())?;
        Ok(Image {
            name: image.name,
            ..instance
        })
    }

    /// The manifests of artifacts that lists have.
    pub(in crate::storage) fn listed_artifacts(&self) -> Result<Vec<Digest>, StorageError> {
        let mut found = Vec::new();
        for record in self.records()? {
            let instances = record.instances.unwrap_or_default().into_iter();
            let artifacts = instances.filter(|(_, source)| *source == InstanceSource::Artifact);
            found.extend(artifacts.map(|(digest, _)| digest));
        }
        Ok(found)
    }

    /// Makes a list under `name`, which whoever had it loses.
    ///
    /// # Errors
    ///
    /// What writing its documents says.
    pub fn create_list(&self, index: &[u8], name: &Reference) -> Result<Digest, StorageError> {
        let salt = random_bytes::<16>().map_err(StorageError::call("make an id"))?;
        let salt = u128::from_ne_bytes(salt);
        let now = Timestamp::now();
        // Every list needs an id of its own, and an id is the digest of a configuration.
        let config = json!({
            "created": now, "architecture": "", "os": "",
            "rootfs": { "type": "layers", "diff_ids": [] },
            "coracle.manifest-list": format!("{salt:032x}"),
        });
        let _lock = self.lock()?;
        let id = blobs::put(&self.dirs, config.to_string().as_bytes())?;
        let name = name.to_string();
        let record = ImageRecord {
            id: id.clone(),
            manifests: vec![blobs::put(&self.dirs, index)?],
            layers: Vec::new(),
            added: now,
            names_history: vec![name.clone()],
            origins: Vec::new(),
            instances: Some(Instances::new()),
        };
        self.write_record(&record)?;
        names::set(&self.names_directory(), &name, &id)?;
        Ok(id)
    }

    /// Finds a list as people name it.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotAList`] for an image; otherwise as [`Images::find`].
    pub fn manifest_list(&self, text: &str) -> Result<ManifestList, StorageError> {
        let (id, _) = self.find(text)?;
        let record = self.record(&id)?.ok_or_else(|| no_such(text))?;
        let (Some(instances), Some(manifest)) = (record.instances, record.manifests.first()) else {
            let name = text.to_owned();
            return Err(StorageError::NotAList { name });
        };
        let index = blobs::get(&self.dirs, manifest)?;
        Ok(ManifestList {
            id,
            index,
            instances,
        })
    }

    /// Replaces a list's index and instances by those of `list`.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`] if it has gone meanwhile.
    pub fn change_list(&self, list: &ManifestList) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        let record = self.record(&list.id)?;
        let mut record = record.ok_or_else(|| no_such(list.id.short()))?;
        let manifest = blobs::put(&self.dirs, &list.index)?;
        let older = std::mem::replace(&mut record.manifests, vec![manifest.clone()]);
        record.instances = Some(list.instances.clone());
        self.write_record(&record)?;
        for old in older {
            if old != manifest && !self.records()?.iter().any(|r| r.manifests.contains(&old)) {
                blobs::remove(&self.dirs, &old)?;
            }
        }
        Ok(())
    }
}
