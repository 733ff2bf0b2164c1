// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifests and indexes, as the image specification and Docker's schema 2 write them. Tolerant:
//! unknown fields are ignored, `null` is empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;
use super::image_config::null_is_default;
use super::platform::Platform;

/// The media types that we write and know.
pub mod media_type {
    /// An image manifest of the image specification.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An index of the image specification.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A configuration of the image specification.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer of the image specification, not compressed.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// Docker's image manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// A layer of the image specification, compressed with gzip.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// Docker's layer, not compressed.
    pub const DOCKER_LAYER_PLAIN: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker's layer, compressed with gzip.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// A pointer to a blob: what it is, its digest and its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// The platform of an index's entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Words about the blob; an archive's index keeps image names here.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest: one image of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// What this document is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// Words about the image.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// An index: manifests of several images, or of one image for several platforms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// What this document is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The manifests.
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// Words about the index.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A pointer to `bytes`, which are of the type `media_type`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            size: bytes.len() as u64,
            digest: Digest::sha256(bytes),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

impl Index {
    /// The entry for a platform: the variant that was asked for, else the best that it can run,
    /// else one without a variant. An entry without a platform fits all.
    pub fn for_platform(&self, wanted: &Platform) -> Option<&Descriptor> {
        let variants = wanted.runnable_variants();
        let rank = |entry: &&Descriptor| {
            let Some(found) = &entry.platform else {
                return Some(usize::MAX);
            };
            if (&found.os, &found.architecture) != (&wanted.os, &wanted.architecture) {
                return None;
            }
            variants
                .iter()
                .position(|variant| *variant == found.variant)
        };
        let ranked = self.manifests.iter().filter(|entry| rank(entry).is_some());
        ranked.min_by_key(rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Index {
        let entry = |text: &&str| {
            let mut parts = text.split('/').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_default();
            let (os, architecture, variant) = (part(), part(), part());
            let mut entry = Descriptor::of(media_type::OCI_MANIFEST, text.as_bytes());
            entry.platform = Some(Platform {
                architecture,
                os,
                variant,
            });
            entry
        };
        Index {
            manifests: platforms.iter().map(entry).collect(),
            ..Index::default()
        }
    }

    #[test]
    fn the_best_variant_is_chosen() {
        for (wanted, platforms, expected) in [
            (
                "linux/amd64",
                &["unknown/unknown", "linux/arm64/v8", "linux/amd64"][..],
                Some(2),
            ),
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64"], Some(1)),
            (
                "linux/arm/v7",
                &["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"],
                Some(2),
            ),
            ("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6"], Some(1)),
            ("linux/arm/v6", &["linux/arm/v7", "linux/arm"], Some(1)),
            ("linux/arm64", &["linux/arm64/v8"], Some(0)),
            ("linux/arm64/v8", &["linux/arm64"], Some(0)),
            ("linux/s390x", &["linux/amd64"], None),
            ("windows/amd64", &["linux/amd64"], None),
        ] {
            let index = index(platforms);
            let wanted = Platform::parse(wanted).unwrap();
            let chosen = index.for_platform(&wanted);
            assert_eq!(
                chosen,
                expected.map(|at: usize| &index.manifests[at]),
                "{wanted}"
            );
        }
    }
}
