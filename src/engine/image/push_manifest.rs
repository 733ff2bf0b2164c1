// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The manifest that a push writes: the image's own, byte for byte, where every layer is at the
//! registry as it says, else one with the layers as they are there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::oci::{Descriptor, Manifest, media_type};
use crate::storage::{Compressed, LayerCompression};

/// Whose words a manifest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFormat {
    /// The image specification's.
    Oci,
    /// Docker's schema 2.
    Docker,
}

/// How a layer is at the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// Under the digest that the manifest says.
    AsItWas,
    /// Under another.
    Anew(Descriptor),
}

/// A manifest as it is to be written.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) media_type: String,
}

/// The manifest with the layers as they are at the registry; byte for byte the old one if nothing
/// in it changes.
pub(super) fn rewrite(
    bytes: &[u8],
    manifest: &Manifest,
    layers: &[Sent],
    format: Option<ManifestFormat>,
) -> Result<Written, String> {
    let is_docker = manifest.media_type == media_type::DOCKER_MANIFEST;
    let own = if is_docker {
        ManifestFormat::Docker
    } else {
        ManifestFormat::Oci
    };
    let has_zstd = layers
        .iter()
        .zip(&manifest.layers)
        .any(|(sent, layer)| compression_of(sent.of(layer)) == Some(LayerCompression::Zstd));
    let wanted = match format.unwrap_or(own) {
        // Docker's schema has no word for zstd.
        ManifestFormat::Docker if has_zstd && format.is_none() => ManifestFormat::Oci,
        ManifestFormat::Docker if has_zstd => {
            return Err(
                "zstd layers do not go into Docker's manifests; use --format oci".to_owned(),
            );
        }
        wanted => wanted,
    };
    let (document_type, config_type) = match wanted {
        ManifestFormat::Oci => (media_type::OCI_MANIFEST, media_type::OCI_CONFIG),
        ManifestFormat::Docker => (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG),
    };
    let media_type = document_type.to_owned();
    if wanted == own && layers.iter().all(|sent| *sent == Sent::AsItWas) {
        let bytes = bytes.to_vec();
        return Ok(Written { bytes, media_type });
    }
    let mut document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    document["mediaType"] = json!(document_type);
    document["config"]["mediaType"] = json!(config_type);
    let described = layers
        .iter()
        .zip(&manifest.layers)
        .map(|(sent, old)| descriptor(sent, old, wanted));
    document["layers"] = described.collect();
    let bytes = serde_json::to_vec(&document).map_err(|error| error.to_string())?;
    Ok(Written { bytes, media_type })
}

fn descriptor(sent: &Sent, old: &Descriptor, format: ManifestFormat) -> Value {
    let blob = sent.of(old);
    let kind = match (format, compression_of(blob)) {
        (ManifestFormat::Docker, _) => media_type::DOCKER_LAYER.to_owned(),
        (ManifestFormat::Oci, Some(LayerCompression::Zstd)) => {
            format!("{}+zstd", media_type::OCI_LAYER)
        }
        (ManifestFormat::Oci, _) => media_type::OCI_LAYER_GZIP.to_owned(),
    };
    json!({"mediaType": kind, "digest": blob.digest, "size": blob.size})
}

impl Sent {
    /// What is at the registry for the layer that was `old`.
    fn of<'a>(&'a self, old: &'a Descriptor) -> &'a Descriptor {
        match self {
            Self::AsItWas => old,
            Self::Anew(form) => form,
        }
    }
}

/// How a layer is compressed; `None` for one that cannot stay as it is in a registry.
pub(super) fn compression_of(layer: &Descriptor) -> Option<LayerCompression> {
    let kind = &layer.media_type;
    if kind.ends_with("gzip") {
        Some(LayerCompression::Gzip)
    } else {
        kind.ends_with("zstd").then_some(LayerCompression::Zstd)
    }
}

pub(super) fn form_of(blob: &Compressed, compression: LayerCompression) -> Descriptor {
    let suffix = match compression {
        LayerCompression::Gzip => "gzip",
        LayerCompression::Zstd => "zstd",
    };
    Descriptor {
        media_type: format!("{}+{suffix}", media_type::OCI_LAYER),
        size: blob.size_bytes,
        digest: blob.digest.clone(),
        platform: None,
        annotations: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn manifest() -> (Vec<u8>, Manifest) {
        let layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", b"layer");
        let manifest = Manifest {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            config: Descriptor::of(media_type::OCI_CONFIG, b"config"),
            layers: vec![layer],
            annotations: [("a".to_owned(), "b".to_owned())].into(),
        };
        (serde_json::to_vec(&manifest).unwrap(), manifest)
    }

    fn anew(suffix: &str) -> Sent {
        let kind = format!("{}+{suffix}", media_type::OCI_LAYER);
        Sent::Anew(Descriptor::of(&kind, b"new"))
    }

    #[test]
    fn what_does_not_change_stays_byte_for_byte() {
        let (bytes, manifest) = manifest();
        let written = rewrite(&bytes, &manifest, &[Sent::AsItWas], None).unwrap();
        assert_eq!(written.bytes, bytes);
        assert_eq!(written.media_type, media_type::OCI_MANIFEST);
    }

    #[test]
    fn layers_and_formats_change() {
        let (bytes, manifest) = manifest();
        let read = |sent: Sent, format| {
            rewrite(&bytes, &manifest, &[sent], format)
                .map(|written| serde_json::from_slice::<Manifest>(&written.bytes).unwrap())
        };
        let new = read(anew("zstd"), None).unwrap();
        assert!(new.layers[0].media_type.ends_with("+zstd"));
        assert_eq!(new.layers[0].digest, Digest::sha256(b"new"));
        assert_eq!(new.annotations, manifest.annotations);
        let docker = read(Sent::AsItWas, Some(ManifestFormat::Docker)).unwrap();
        assert_eq!(docker.media_type, media_type::DOCKER_MANIFEST);
        assert_eq!(docker.config.media_type, media_type::DOCKER_CONFIG);
        assert_eq!(docker.layers[0].media_type, media_type::DOCKER_LAYER);
        let zstd = read(anew("zstd"), Some(ManifestFormat::Docker));
        assert!(zstd.unwrap_err().contains("--format oci"));
    }
}
