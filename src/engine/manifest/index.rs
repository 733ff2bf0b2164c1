// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The document of a manifest list, changed without losing what we do not know of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::engine::image::ManifestFormat;
use crate::oci::{Digest, Platform, media_type};
use crate::storage::LayerCompression;

/// The annotation of an instance whose layers are compressed with zstd.
const ZSTD: &str = "io.github.containers.compression.zstd";

/// What a flag changes of an instance, or of the whole list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceChanges {
    /// `--arch`.
    pub architecture: Option<String>,
    /// `--os`.
    pub os: Option<String>,
    /// `--os-version`.
    pub os_version: Option<String>,
    /// `--os-features`.
    pub os_features: Vec<String>,
    /// `--features`.
    pub features: Vec<String>,
    /// `--variant`.
    pub variant: Option<String>,
    /// `--annotation`.
    pub annotations: BTreeMap<String, String>,
}

/// An index or manifest list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexDocument {
    document: Map<String, Value>,
}

impl IndexDocument {
    /// One without instances.
    pub(super) fn empty() -> Self {
        let document = json!({
            "schemaVersion": 2, "mediaType": media_type::DOCKER_INDEX, "manifests": [],
        });
        let Value::Object(document) = document else {
            unreachable!("it was written as an object");
        };
        Self { document }
    }

    /// Reads an index; `None` for another document.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        document.get("manifests")?.as_array()?;
        Some(Self { document })
    }

    /// The descriptors of its instances.
    pub(super) fn instances(&self) -> &[Value] {
        self.document["manifests"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }

    /// The digests of its instances.
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.instances().iter().filter_map(digest_of).collect()
    }

    /// What the index calls itself.
    pub(super) fn media_type(&self) -> &str {
        let known = self.document.get("mediaType").and_then(Value::as_str);
        known.unwrap_or(media_type::OCI_INDEX)
    }

    /// Adds an instance in the place of one with the same digest.
    pub(super) fn add(&mut self, descriptor: Value) {
        let digest = digest_of(&descriptor);
        let instances = self.instances_mut();
        let known = instances
            .iter_mut()
            .find(|known| digest_of(known) == digest);
        match known {
            Some(known) => *known = descriptor,
            None => instances.push(descriptor),
        }
        self.choose_type();
    }

    /// Takes an instance out; whether it was there.
    pub(super) fn remove(&mut self, digest: &Digest) -> bool {
        let instances = self.instances_mut();
        let before = instances.len();
        instances.retain(|instance| digest_of(instance).as_ref() != Some(digest));
        instances.len() < before
    }

    /// Changes an instance; whether it is there.
    pub(super) fn annotate(&mut self, digest: &Digest, changes: &InstanceChanges) -> bool {
        let mut instances = self.instances_mut().iter_mut();
        let found = instances.find(|instance| digest_of(instance).as_ref() == Some(digest));
        let Some(instance) = found else {
            return false;
        };
        changes.apply(instance);
        self.choose_type();
        true
    }

    /// Puts the whole list into the words of `format`.
    pub(super) fn set_format(&mut self, format: ManifestFormat) {
        let kind = match format {
            ManifestFormat::Oci => media_type::OCI_INDEX,
            ManifestFormat::Docker => media_type::DOCKER_INDEX,
        };
        self.document.insert("mediaType".to_owned(), kind.into());
    }

    /// An instance has another manifest at the registry than here.
    pub(super) fn moved(
        &mut self,
        digest: &Digest,
        now: &Digest,
        size_bytes: usize,
        media_type: Option<&str>,
    ) {
        for instance in self.instances_mut() {
            if digest_of(instance).as_ref() == Some(digest) {
                instance["digest"] = now.to_string().into();
                instance["size"] = size_bytes.into();
                if let Some(media_type) = media_type {
                    instance["mediaType"] = media_type.into();
                }
            }
        }
    }

    /// Adds an image again that instance `number` has in another compression: the same in all but
    /// what its manifest is.
    pub(super) fn add_variant(
        &mut self,
        number: usize,
        digest: &Digest,
        size_bytes: usize,
        compression: LayerCompression,
    ) {
        let Some(mut variant) = self.instances().get(number).cloned() else {
            return;
        };
        variant["mediaType"] = media_type::OCI_MANIFEST.into();
        variant["digest"] = digest.to_string().into();
        variant["size"] = size_bytes.into();
        if compression == LayerCompression::Zstd {
            // Readers that know zstd look for this; what others take stands before it.
            variant["annotations"][ZSTD] = "true".into();
        }
        self.add(variant);
    }

    /// Annotates the whole list.
    pub(super) fn annotate_all(&mut self, annotations: &BTreeMap<String, String>) {
        let mut document = Value::Object(std::mem::take(&mut self.document));
        put_annotations(&mut document, annotations);
        if let Value::Object(document) = document {
            self.document = document;
        }
        self.choose_type();
    }

    /// Says what the whole list is about.
    pub(super) fn set_subject(&mut self, subject: Value) {
        self.document.insert("subject".to_owned(), subject);
        self.choose_type();
    }

    /// The bytes that are kept and pushed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, indent);
        serde::Serialize::serialize(&self.document, &mut serializer)
            .expect("a document of JSON values is JSON");
        bytes
    }

    fn instances_mut(&mut self) -> &mut Vec<Value> {
        let instances = self
            .document
            .get_mut("manifests")
            .and_then(Value::as_array_mut);
        instances.expect("every constructor has checked that it is a list")
    }

    /// Docker's list holds neither annotations nor a subject nor images of the other specification.
    fn choose_type(&mut self) {
        let is_docker = |instance: &Value| {
            let kind = instance.get("mediaType").and_then(Value::as_str);
            kind == Some(media_type::DOCKER_MANIFEST) && instance.get("annotations").is_none()
        };
        let own_words = ["annotations", "subject"];
        let is_bare = own_words
            .iter()
            .all(|key| !self.document.contains_key(*key));
        let fits_docker = is_bare && self.instances().iter().all(is_docker);
        let kind = if fits_docker {
            media_type::DOCKER_INDEX
        } else {
            media_type::OCI_INDEX
        };
        self.document.insert("mediaType".to_owned(), kind.into());
    }
}

impl InstanceChanges {
    /// Writes what is set into a descriptor.
    pub(super) fn apply(&self, descriptor: &mut Value) {
        let texts = [
            ("architecture", &self.architecture),
            ("os", &self.os),
            ("os.version", &self.os_version),
            ("variant", &self.variant),
        ];
        let lists = [
            ("os.features", &self.os_features),
            ("features", &self.features),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| {
            let text = text.as_deref()?;
            Some((key, Value::from(text)))
        });
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists = lists.map(|(key, list)| (key, Value::from(list.clone())));
        for (key, value) in texts.chain(lists) {
            descriptor["platform"][key] = value;
        }
        put_annotations(descriptor, &self.annotations);
    }
}

fn put_annotations(document: &mut Value, annotations: &BTreeMap<String, String>) {
    for (key, value) in annotations {
        document["annotations"][key] = value.as_str().into();
    }
}

/// The descriptor of an instance.
pub(super) fn descriptor(
    media_type: &str,
    bytes: &[u8],
    digest: &Digest,
    platform: &Platform,
) -> Value {
    let mut described = json!({
        "mediaType": media_type, "size": bytes.len(), "digest": digest.to_string(),
        "platform": { "architecture": platform.architecture, "os": platform.os },
    });
    if !platform.variant.is_empty() {
        described["platform"]["variant"] = platform.variant.as_str().into();
    }
    described
}

/// The digest that a descriptor names.
pub(super) fn digest_of(descriptor: &Value) -> Option<Digest> {
    Digest::parse(descriptor.get("digest")?.as_str()?).ok()
}

/// The platform that a descriptor names.
pub(super) fn platform_of(descriptor: &Value) -> Option<Platform> {
    serde_json::from_value(descriptor.get("platform")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(kind: &str, bytes: &[u8]) -> (Digest, Value) {
        let digest = Digest::sha256(bytes);
        let platform = Platform::parse("linux/arm64/v8").unwrap();
        let value = descriptor(kind, bytes, &digest, &platform);
        (digest, value)
    }

    #[test]
    fn instances_come_change_and_go() {
        let mut index = IndexDocument::empty();
        assert_eq!(index.media_type(), media_type::DOCKER_INDEX);
        let (digest, docker) = instance(media_type::DOCKER_MANIFEST, b"a");
        index.add(docker.clone());
        index.add(docker);
        assert_eq!(index.instances().len(), 1);
        assert_eq!(index.media_type(), media_type::DOCKER_INDEX);
        let changes = InstanceChanges {
            architecture: Some("riscv64".to_owned()),
            features: vec!["x".to_owned()],
            ..InstanceChanges::default()
        };
        assert!(index.annotate(&digest, &changes));
        let platform = &index.instances()[0]["platform"];
        assert_eq!(platform["architecture"], "riscv64");
        assert_eq!(platform["features"], json!(["x"]));
        let (_, oci) = instance(media_type::OCI_MANIFEST, b"b");
        index.add(oci);
        assert_eq!(index.media_type(), media_type::OCI_INDEX);
        let read = IndexDocument::parse(&index.to_bytes()).unwrap();
        assert_eq!(read, index);
        assert!(index.remove(&digest));
        assert!(!index.remove(&digest));
        assert!(!index.annotate(&digest, &changes));
    }

    #[test]
    fn annotations_need_the_other_specification() {
        let mut index = IndexDocument::empty();
        let annotations = [("global".to_owned(), "local".to_owned())];
        index.annotate_all(&annotations.into_iter().collect());
        assert_eq!(index.media_type(), media_type::OCI_INDEX);
        let read: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!(read["annotations"]["global"], "local");
    }

    #[test]
    fn what_we_do_not_know_stays() {
        let text = r#"{"schemaVersion": 2, "manifests": [{"x": 1}], "subject": {"y": 2}}"#;
        let index = IndexDocument::parse(text.as_bytes()).unwrap();
        let read: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(text).unwrap());
        for text in ["[]", "{}", r#"{"manifests": {}}"#] {
            assert_eq!(IndexDocument::parse(text.as_bytes()), None, "{text}");
        }
    }
}
