// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `images/<id>.json`: what is noted of an image beside its documents, and the lists in it.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Images, Instances, Origin};
use crate::oci::Digest;
use crate::state::atomic::{self, Durability, read_document};
use crate::storage::error::StorageError;
use crate::storage::layers::list;

/// Origins of one image that are remembered.
const ORIGINS_MAX: usize = 8;

/// `images/<id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    pub(super) id: Digest,
    /// The newest first.
    pub(super) manifests: Vec<Digest>,
    /// Chain ids, lowest first.
    pub(super) layers: Vec<Digest>,
    /// When it came here.
    pub(super) added: Timestamp,
    /// Every name that it had, the latest first.
    #[serde(default)]
    pub(super) names_history: Vec<String>,
    /// The latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) origins: Vec<Origin>,
    /// Of a manifest list, where its instances come from; nothing else has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instances: Option<Instances>,
}

impl ImageRecord {
    /// What a file's name alone says of an image.
    pub(super) fn nothing_but(id: &Digest) -> Self {
        Self {
            id: id.clone(),
            manifests: Vec::new(),
            layers: Vec::new(),
            added: Timestamp::UNIX_EPOCH,
            names_history: Vec::new(),
            origins: Vec::new(),
            instances: None,
        }
    }
}

impl Images {
    pub(super) fn record_path(&self, id: &Digest) -> PathBuf {
        self.dirs.images().join(format!("{}.json", id.hex()))
    }

    pub(super) fn record(&self, id: &Digest) -> Result<Option<ImageRecord>, StorageError> {
        let path = self.record_path(id);
        let bytes = match read_document(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(StorageError::file("read", &path))?,
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StorageError::Damaged { path, source })
    }

    pub(super) fn write_record(&self, record: &ImageRecord) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(record).expect("a record has string keys");
        atomic::replace_file(&self.record_path(&record.id), &bytes, Durability::Synced)
            .map_err(StorageError::call("keep image"))
    }

    pub(super) fn records(&self) -> Result<Vec<ImageRecord>, StorageError> {
        let mut records = Vec::new();
        for id in self.ids()? {
            // One may go away while we read.
            records.extend(self.record(&id)?);
        }
        Ok(records)
    }

    pub(super) fn ids(&self) -> Result<Vec<Digest>, StorageError> {
        let paths = list(&self.dirs.images()).map_err(StorageError::call("list images"))?;
        let id = |path: PathBuf| {
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".json")?
                .to_owned();
            Digest::from_sha256_hex(&name)
        };
        Ok(paths.into_iter().filter_map(id).collect())
    }
}

/// `origin` before what was known, each repository once.
pub(super) fn latest_origins(origin: Option<&Origin>, known: Vec<Origin>) -> Vec<Origin> {
    let repository = origin.map(|origin| origin.repository.clone());
    let mut origins: Vec<Origin> = origin.cloned().into_iter().collect();
    let mut older = known;
    older.retain(|known| Some(&known.repository) != repository.as_ref());
    origins.extend(older);
    origins.truncate(ORIGINS_MAX);
    origins
}

/// `names` before what is in `history`, each once.
pub(super) fn latest_first(names: Vec<String>, history: Vec<String>) -> Vec<String> {
    let mut merged: Vec<String> = Vec::new();
    for name in names.into_iter().chain(history) {
        if !merged.contains(&name) {
            merged.push(name);
        }
    }
    merged
}
