// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files in a manifest list: the manifest of an artifact beside those of images, and what a list or
//! such a manifest is about.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    Access, Engine, Images, InstanceChanges, ManifestError, Report, document, fetch, instance_here,
};
use crate::engine::artifact::{
    Annotations, ArtifactDocument, TITLE, file_name, listed_type, take_in,
};
use crate::oci::{Digest, media_type};
use crate::storage::{InstanceSource, ManifestList, StorageError};

/// What an artifact is that nobody says anything of, in the word of ORAS.
const UNKNOWN_TYPE: &str = "application/vnd.unknown.artifact.v1";

/// Its configuration, where that is empty.
const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";

/// Files that are added to a list as one artifact.
#[derive(Debug, Clone, Default)]
pub struct ListedFiles {
    /// The files, as typed.
    pub files: Vec<PathBuf>,
    /// `--artifact-type`: what the artifact is; empty says nothing.
    pub artifact_type: Option<String>,
    /// What is in the file of `--artifact-config`.
    pub config: Vec<u8>,
    /// `--artifact-config-type`.
    pub config_type: Option<String>,
    /// `--artifact-layer-type`: what each file is.
    pub layer_type: Option<String>,
    /// Whether the names of the files are kept.
    pub titles: Titles,
}

/// Whether an artifact says what its files were called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Titles {
    /// It does.
    #[default]
    Kept,
    /// It does not (`--artifact-exclude-titles`).
    Left,
}

/// What something is about: an image, list or artifact of this store, or a name at a registry.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// As typed.
    pub name: &'a str,
    /// How a registry is reached.
    pub access: &'a Access,
    /// Who is told.
    pub report: &'a dyn Report,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Subject").field(&self.name).finish()
    }
}

impl Engine {
    /// Adds files to a list as one artifact; the list's id.
    ///
    /// # Errors
    ///
    /// Files that cannot be read; no such list; no such subject.
    pub fn add_files_to_manifest(
        &self,
        list: &str,
        added: &ListedFiles,
        subject: Option<Subject<'_>>,
        changes: &InstanceChanges,
    ) -> Result<Digest, ManifestError> {
        let images = self.list_store()?;
        let id = images.manifest_list(list)?.id;
        let store = self.artifacts()?;
        let intake = store.intake()?;
        let kind = added.artifact_type.as_deref().unwrap_or(UNKNOWN_TYPE);
        let mut artifact = ArtifactDocument::new(kind);
        let (config_type, config) = added.config();
        intake.add(config)?;
        artifact.set_config(config_type, config);
        for path in &added.files {
            let (digest, size, looks_like) = take_in(&intake, path)?;
            let own = added.layer_type.as_deref();
            let kind = own.unwrap_or_else(|| listed_type(path, looks_like));
            artifact.add(kind, (&digest, size), &added.titles.of(path));
        }
        if let Some(subject) = subject {
            artifact.set_subject(self.subject(&images, &subject)?);
        }
        let bytes = artifact.to_bytes();
        store.add_to_list(&intake, &bytes, |digest| {
            let mut list = images.manifest_list(id.hex())?;
            let mut index = document(&list).ok().ok_or_else(|| StorageError::NotAList {
                name: id.hex().to_owned(),
            })?;
            let mut instance = json!({
                "mediaType": media_type::OCI_MANIFEST, "size": bytes.len(), "digest": digest,
            });
            if !kind.is_empty() {
                instance["artifactType"] = kind.into();
            }
            changes.apply(&mut instance);
            index.add(instance);
            list.instances.insert(digest, InstanceSource::Artifact);
            list.index = index.to_bytes();
            images.change_list(&list)
        })?;
        Ok(id)
    }

    /// The artifact of a list that has a file of this name.
    pub(super) fn listed_file(
        &self,
        list: &ManifestList,
        name: &str,
    ) -> Result<Option<Digest>, ManifestError> {
        let store = self.artifacts()?;
        let name = file_name(Path::new(name));
        let instances = list.instances.iter();
        let artifacts = instances.filter(|(_, source)| **source == InstanceSource::Artifact);
        for (digest, _) in artifacts {
            let artifact = ArtifactDocument::parse(&store.manifest(digest)?);
            if artifact.is_some_and(|artifact| artifact.titles().any(|title| title == name)) {
                return Ok(Some(digest.clone()));
            }
        }
        Ok(None)
    }

    /// The descriptor of what something is about.
    pub(super) fn subject(
        &self,
        images: &Images,
        subject: &Subject<'_>,
    ) -> Result<Value, ManifestError> {
        match images.manifest_list(subject.name) {
            Ok(list) => {
                let kind = document(&list)?.media_type().to_owned();
                return Ok(bare_descriptor(&kind, &list.index));
            }
            Err(StorageError::NotAList { .. } | StorageError::NoSuchImage { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(image) = Self::image_here(images, subject.name)? {
            let (mut instance, _) = instance_here(images, &image)?;
            if let Some(instance) = instance.as_object_mut() {
                instance.shift_remove("platform");
            }
            return Ok(instance);
        }
        let store = self.artifacts()?;
        if let Ok(artifact) = store.find(subject.name) {
            let bytes = store.manifest(&artifact.digest)?;
            return Ok(bare_descriptor(media_type::OCI_MANIFEST, &bytes));
        }
        let there = fetch(subject.name, subject.access, subject.report)?.fetched;
        Ok(bare_descriptor(&there.media_type, &there.bytes))
    }
}

impl ListedFiles {
    /// The configuration with its type.
    fn config(&self) -> (&str, &[u8]) {
        let own = self.config_type.as_deref();
        match &self.config[..] {
            [] => (own.unwrap_or(EMPTY_CONFIG), b"{}"),
            bytes => (own.unwrap_or(media_type::OCI_CONFIG), bytes),
        }
    }
}

impl Titles {
    fn of(self, path: &Path) -> Annotations {
        match self {
            Self::Kept => Annotations::from([(TITLE.to_owned(), file_name(path))]),
            Self::Left => Annotations::new(),
        }
    }
}

fn bare_descriptor(kind: &str, bytes: &[u8]) -> Value {
    let mut described = json!({
        "mediaType": kind, "size": bytes.len(), "digest": Digest::sha256(bytes),
    });
    let artifact = ArtifactDocument::parse(bytes);
    let artifact_type = artifact.as_ref().map(ArtifactDocument::artifact_type);
    if let Some(artifact_type) = artifact_type.filter(|kind| !kind.is_empty()) {
        described["artifactType"] = artifact_type.into();
    }
    described
}
