// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The image specification's layout: `index.json` leads to manifests, and those to blobs.

use super::files::{Files, blob_name};
use super::{ArchiveError, ArchiveForm, ArchivedImage, ArchivedLayer};
use crate::oci::{Descriptor, Digest, ImageConfiguration, Index, Manifest, Platform, media_type};

/// Indexes inside indexes.
const MAX_DEPTH: usize = 4;

/// Where containerd keeps the full name; the specification's own may be a tag only.
const FULL_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub(super) fn images(
    files: &Files,
    platform: &Platform,
) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let index: Index = files.json("index.json")?;
    if index.manifests.is_empty() {
        return Err(ArchiveError::NoImages);
    }
    let images = index.manifests.iter();
    images
        .map(|descriptor| {
            let chosen = choose(files, descriptor, platform, MAX_DEPTH)?;
            let manifest = files.blob_document(&chosen.digest, blob_name)?;
            image(files, manifest, blob_name).map(|image| ArchivedImage {
                names: name(descriptor).into_iter().collect(),
                ..image
            })
        })
        .collect()
}

/// The one image of a directory that the transport `dir:` wrote: blobs by the digits of their
/// digests beside `manifest.json`.
pub(super) fn directory(files: &Files) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let manifest = files.document("manifest.json")?;
    let digits = |digest: &Digest| digest.hex().to_owned();
    let image = image(files, manifest, digits)?;
    Ok(vec![ArchivedImage {
        form: ArchiveForm::Directory,
        ..image
    }])
}

fn name(descriptor: &Descriptor) -> Option<String> {
    let annotation = |key| {
        descriptor
            .annotations
            .get(key)
            .filter(|name| !name.is_empty())
    };
    annotation(FULL_NAME)
        .or_else(|| annotation(REF_NAME))
        .cloned()
}

/// The manifest itself, or the one for this machine if it is an index.
fn choose(
    files: &Files,
    descriptor: &Descriptor,
    platform: &Platform,
    depth: usize,
) -> Result<Descriptor, ArchiveError> {
    let kind = descriptor.media_type.as_str();
    if kind != media_type::OCI_INDEX && kind != media_type::DOCKER_INDEX {
        return Ok(descriptor.clone());
    }
    let bytes = files.blob_document(&descriptor.digest, blob_name)?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|source| ArchiveError::Document {
        name: blob_name(&descriptor.digest),
        source,
    })?;
    let fits = |candidate: &&Descriptor| {
        candidate.platform.as_ref().is_none_or(|found| {
            found.os == platform.os && found.architecture == platform.architecture
        })
    };
    let chosen = index.manifests.iter().find(fits);
    match chosen {
        Some(chosen) if depth > 0 => choose(files, chosen, platform, depth - 1),
        _ => Err(ArchiveError::NoPlatform {
            platform: platform.clone(),
        }),
    }
}

/// Reads the image that `manifest` describes; `file` says where a blob is.
fn image(
    files: &Files,
    manifest_bytes: Vec<u8>,
    file: fn(&Digest) -> String,
) -> Result<ArchivedImage, ArchiveError> {
    let damaged = |name: String| move |source| ArchiveError::Document { name, source };
    let manifest: Manifest =
        serde_json::from_slice(&manifest_bytes).map_err(damaged("the manifest".to_owned()))?;
    let config = files.blob_document(&manifest.config.digest, file)?;
    let document =
        ImageConfiguration::from_json(&config).map_err(damaged(file(&manifest.config.digest)))?;
    let diff_ids = document.rootfs.diff_ids.len();
    if diff_ids != manifest.layers.len() {
        let layers = manifest.layers.len();
        return Err(ArchiveError::LayerCount { layers, diff_ids });
    }
    let layer = |descriptor: &Descriptor| {
        Ok(ArchivedLayer {
            part: files.part(&file(&descriptor.digest))?,
            blob_digest: Some(descriptor.digest.clone()),
            blob_type: Some(descriptor.media_type.clone()),
        })
    };
    let layers: Result<Vec<_>, ArchiveError> = manifest.layers.iter().map(layer).collect();
    Ok(ArchivedImage {
        config,
        manifest: manifest_bytes,
        names: Vec::new(),
        layers: layers?,
        form: ArchiveForm::Oci,
    })
}
