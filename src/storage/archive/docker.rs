// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Docker's archive: `manifest.json` lists configurations, layers and names.

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::{ArchiveError, ArchiveForm, ArchivedImage, ArchivedLayer, FilePart};
use crate::oci::{Descriptor, Digest, ImageConfiguration, media_type};

/// One entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

pub(super) fn images(files: &Files) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let items: Vec<Item> = files.json("manifest.json")?;
    if items.is_empty() {
        return Err(ArchiveError::NoImages);
    }
    items.iter().map(|item| image(files, item)).collect()
}

fn image(files: &Files, item: &Item) -> Result<ArchivedImage, ArchiveError> {
    let config = files.document(&item.config)?;
    let paths = item.layers.iter().flatten();
    let parts = paths.map(|path| files.part(path));
    let parts = parts.collect::<Result<Vec<FilePart>, _>>()?;
    let document = ImageConfiguration::from_json(&config).map_err(|source| {
        let name = item.config.clone();
        ArchiveError::Document { name, source }
    })?;
    let diff_ids = document.rootfs.diff_ids;
    if diff_ids.len() != parts.len() {
        let (layers, diff_ids) = (parts.len(), diff_ids.len());
        return Err(ArchiveError::LayerCount { layers, diff_ids });
    }
    let manifest = manifest(&config, &diff_ids, &parts);
    let layer = |part| ArchivedLayer {
        part,
        blob_digest: None,
        blob_type: None,
    };
    Ok(ArchivedImage {
        manifest: serde_json::to_vec(&manifest).expect("a manifest has string keys"),
        names: item.repo_tags.clone().unwrap_or_default(),
        layers: parts.into_iter().map(layer).collect(),
        config,
        form: ArchiveForm::Docker,
    })
}

/// The manifest that such an image has by agreement: others compute the same digest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DockerManifest {
    schema_version: u32,
    media_type: &'static str,
    config: DockerDescriptor,
    layers: Vec<DockerDescriptor>,
}

/// As [`Descriptor`], in the order in which Docker writes its fields.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DockerDescriptor {
    media_type: &'static str,
    size: u64,
    digest: Digest,
}

fn manifest(config: &[u8], diff_ids: &[Digest], parts: &[FilePart]) -> DockerManifest {
    let config = Descriptor::of(media_type::DOCKER_CONFIG, config);
    let layers = diff_ids.iter().zip(parts);
    DockerManifest {
        schema_version: 2,
        media_type: media_type::DOCKER_MANIFEST,
        config: DockerDescriptor {
            media_type: media_type::DOCKER_CONFIG,
            size: config.size,
            digest: config.digest,
        },
        layers: layers
            .map(|(diff_id, part)| DockerDescriptor {
                media_type: media_type::DOCKER_LAYER,
                size: part.size,
                digest: diff_id.clone(),
            })
            .collect(),
    }
}
