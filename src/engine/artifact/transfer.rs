// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Artifacts between the store and registries: blobs as they are, several at once, the manifest
//! last, so that whoever finds it finds all of it.

use std::sync::Arc;

use super::{Artifact, ArtifactError, detail, reference};
use crate::engine::Engine;
use crate::engine::access::AccessRequest;
use crate::engine::image::{
    Counted, ImageError, Place, PullFailure, Step, TransferReport, for_each, initializing, insist,
    push_refused,
};
use crate::oci::{
    DEFAULT_TAG, Descriptor, Digest, Index, Manifest, Platform, Reference, media_type,
};
use crate::registry::{Blob, Fetched, Patience, Registry, RegistryError};
use crate::runtime::failure::chain;
use crate::storage::{ArtifactIntake, Artifacts, Naming, StorageError};

/// What `artifact pull` is asked for.
#[derive(Debug, Clone, Default)]
pub struct ArtifactPull {
    /// The name as typed.
    pub name: String,
    /// How the registry is reached.
    pub access: AccessRequest,
    /// How long it is waited for.
    pub patience: Patience,
}

/// What `artifact push` is asked for.
#[derive(Debug, Clone, Default)]
pub struct ArtifactPush {
    /// The artifact as typed.
    pub name: String,
    /// How the registry is reached.
    pub access: AccessRequest,
    /// How long it is waited for.
    pub patience: Patience,
}

/// Why an artifact is not at a registry.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum SendError {
    /// It is not whole here.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Engine {
    /// Brings an artifact here under the name that was typed, whatever had it before; the digest of
    /// its manifest.
    ///
    /// # Errors
    ///
    /// See [`ArtifactError`]; the store has not changed then.
    pub fn pull_artifact(
        &self,
        request: &ArtifactPull,
        report: &dyn TransferReport,
    ) -> Result<Digest, ArtifactError> {
        if request.name.is_empty() {
            return Err(ArtifactError::NoName);
        }
        let name = reference(&request.name)?;
        let store = self.artifacts()?;
        let access = self.access(request.access.clone())?;
        let places = access.pull_places(&name, report)?.into_iter();
        let places: Vec<Place> = places
            .map(|place| Place::new(place, request.patience))
            .collect();
        report.step(Step::Trying(&name.to_string()));
        let attempt = || {
            let mut last = PullFailure::other("no registry is configured".to_owned());
            for place in &places {
                match fetch(&store, place, &name, report) {
                    Ok(fetched) => return Ok(fetched),
                    Err(failure) => last = failure,
                }
            }
            Err(last)
        };
        let fetched = insist(request.patience, report, attempt);
        let (intake, manifest) = fetched.map_err(ImageError::Transfer)?;
        report.step(Step::Manifest);
        Ok(store.add(&intake, &manifest, &request.name, Naming::Replace)?)
    }

    /// Gives an artifact to the registry that its name says; the digest of its manifest there.
    ///
    /// # Errors
    ///
    /// See [`ArtifactError`].
    pub fn push_artifact(
        &self,
        request: &ArtifactPush,
        report: &dyn TransferReport,
    ) -> Result<Digest, ArtifactError> {
        if request.name.is_empty() {
            return Err(ArtifactError::NoName);
        }
        let store = self.artifacts()?;
        let artifact = store.find(&request.name)?;
        let name = reference(&artifact.name)?;
        let access = self.access(request.access.clone())?;
        let place = Place::new(access.push_place(&name, report)?, request.patience);
        report.step(Step::Trying(&name.to_string()));
        let Artifact { digest, .. } = detail(&store, artifact)?.artifact;
        report.step(Step::Found {
            name: None,
            digest: &digest,
        });
        let target = (&place.registry, place.reference.path());
        let as_what = tag_or_digest(&name);
        let attempt = || {
            send(&store, &digest, target, &as_what, report).map_err(|error| match error {
                SendError::Registry(error) => push_refused(&name, &error),
                SendError::Storage(error) => PullFailure::other(chain(&error)),
            })
        };
        let sent = insist(request.patience, report, attempt);
        Ok(sent.map_err(ImageError::Transfer)?)
    }
}

fn tag_or_digest(name: &Reference) -> String {
    let digest = name.digest().map(ToString::to_string);
    digest.unwrap_or_else(|| name.tag().unwrap_or(DEFAULT_TAG).to_owned())
}

/// The blobs of an artifact, not in their places yet, and its manifest.
fn fetch(
    store: &Artifacts,
    place: &Place,
    name: &Reference,
    report: &dyn TransferReport,
) -> Result<(ArtifactIntake, Vec<u8>), PullFailure> {
    let (registry, repository) = (&place.registry, place.reference.path());
    let fetched = manifest_there(registry, repository, name)?;
    report.step(Step::Found {
        name: Some(name),
        digest: &fetched.digest,
    });
    let manifest: Manifest = parse(name, &fetched.bytes)?;
    let copying = |words: String| {
        PullFailure::other(format!(
            "unable to copy from source docker://{name}: {words}"
        ))
    };
    let intake = store.intake().map_err(|error| copying(chain(&error)))?;
    for_each(&blobs(&manifest), |blob, _| {
        receive(&intake, (registry, repository), blob, report)
            .map_err(|error| format!("blob {}: {}", blob.digest, chain(&error)))
    })
    .map_err(copying)?;
    let digest = &manifest.config.digest;
    report.step(Step::Config { digest });
    Ok((intake, fetched.bytes))
}

fn receive(
    intake: &ArtifactIntake,
    (registry, repository): (&Registry, &str),
    blob: &Descriptor,
    report: &dyn TransferReport,
) -> Result<(), StorageError> {
    let digest = &blob.digest;
    if intake.hold(digest) {
        report.step(Step::LayerExists { digest });
        return Ok(());
    }
    let size_bytes = blob.size;
    report.step(Step::Layer { digest, size_bytes });
    let reader = registry.blob(repository, blob);
    intake.receive(blob, Counted::new(reader, digest, report))?;
    report.step(Step::LayerDone { digest });
    Ok(())
}

/// The manifest itself: of an index the one for this machine, or for all.
fn manifest_there(
    registry: &Registry,
    repository: &str,
    name: &Reference,
) -> Result<Fetched, PullFailure> {
    let get = |reference: &str| {
        let got = registry.manifest(repository, reference);
        got.map_err(|error| initializing(name, &error))
    };
    let first = get(&tag_or_digest(name))?;
    let is_index = [media_type::OCI_INDEX, media_type::DOCKER_INDEX];
    if !is_index.contains(&first.media_type.as_str()) {
        return Ok(first);
    }
    let index: Index = parse(name, &first.bytes)?;
    let Some(entry) = index.for_platform(&Platform::host()) else {
        return Err(PullFailure::other(format!(
            "initializing source docker://{name}: nothing in its index is for this machine"
        )));
    };
    get(&entry.digest.to_string())
}

fn parse<T: serde::de::DeserializeOwned>(name: &Reference, bytes: &[u8]) -> Result<T, PullFailure> {
    serde_json::from_slice(bytes).map_err(|error| {
        PullFailure::other(format!(
            "initializing source docker://{name}: its manifest is damaged: {error}"
        ))
    })
}

/// Every blob once, the longest first.
fn blobs(manifest: &Manifest) -> Vec<Descriptor> {
    let mut blobs: Vec<Descriptor> = manifest.layers.clone();
    blobs.push(manifest.config.clone());
    blobs.sort_by(|a, b| (b.size, &a.digest).cmp(&(a.size, &b.digest)));
    blobs.dedup_by(|a, b| a.digest == b.digest);
    blobs
}

/// Gives the manifest `digest` and its blobs to a repository, `as_what` a tag or digest says.
///
/// # Errors
///
/// See [`SendError`].
pub(in crate::engine) fn send(
    store: &Artifacts,
    digest: &Digest,
    (registry, repository): (&Registry, &str),
    as_what: &str,
    report: &dyn TransferReport,
) -> Result<Digest, SendError> {
    let bytes = store.manifest(digest)?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|source| {
        let path = digest.to_string().into();
        StorageError::Damaged { path, source }
    })?;
    for_each(&blobs(&manifest), |blob, _| {
        send_blob(store, blob, (registry, repository), report)
    })?;
    let digest = &manifest.config.digest;
    report.step(Step::Config { digest });
    report.step(Step::Manifest);
    let kind = match manifest.media_type.as_str() {
        "" => media_type::OCI_MANIFEST,
        kind => kind,
    };
    Ok(registry.put_manifest(repository, as_what, kind, &bytes)?)
}

fn send_blob(
    store: &Artifacts,
    blob: &Descriptor,
    (registry, repository): (&Registry, &str),
    report: &dyn TransferReport,
) -> Result<(), SendError> {
    let (digest, size_bytes) = (&blob.digest, blob.size);
    if registry.has_blob(repository, digest)? {
        report.step(Step::LayerExists { digest });
        return Ok(());
    }
    let (file, _) = store.blob(digest)?;
    report.step(Step::Layer { digest, size_bytes });
    let sent = Blob {
        file: Arc::new(file),
        size_bytes,
        digest: digest.clone(),
    };
    registry.upload(repository, &sent)?;
    report.step(Step::LayerDone { digest });
    Ok(())
}
