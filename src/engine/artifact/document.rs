// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The manifest of an artifact, made and added to without losing what we do not know of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::oci::{Descriptor, Digest, media_type};

/// The annotation that says what a blob's file is called.
pub(in crate::engine) const TITLE: &str = "org.opencontainers.image.title";

/// The one that says when the artifact was made.
const CREATED: &str = "org.opencontainers.image.created";

/// A configuration that says nothing.
pub(in crate::engine) const EMPTY: &[u8] = b"{}";

/// Its type, and the base64 of it.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_DATA: &str = "e30=";

/// Words about an artifact or a blob.
pub(in crate::engine) type Annotations = BTreeMap<String, String>;

/// A manifest that is made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct ArtifactDocument {
    document: Map<String, Value>,
}

impl ArtifactDocument {
    /// One without blobs.
    pub(in crate::engine) fn new(artifact_type: &str) -> Self {
        let mut document = Map::new();
        document.insert("schemaVersion".to_owned(), 2.into());
        document.insert("mediaType".to_owned(), media_type::OCI_MANIFEST.into());
        if !artifact_type.is_empty() {
            document.insert("artifactType".to_owned(), artifact_type.into());
        }
        document.insert("config".to_owned(), empty_config());
        document.insert("layers".to_owned(), json!([]));
        Self { document }
    }

    /// Reads one; `None` for another document.
    pub(in crate::engine) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        match document.get("layers") {
            Some(Value::Array(_)) => {}
            None | Some(Value::Null) => drop(document.insert("layers".to_owned(), json!([]))),
            Some(_) => return None,
        }
        Some(Self { document })
    }

    /// Says when it was made: now.
    pub(in crate::engine) fn date(&mut self) {
        self.annotate(CREATED, &Timestamp::now().to_string());
    }

    /// Sets annotations of the whole.
    pub(in crate::engine) fn annotate_all(&mut self, annotations: &Annotations) {
        for (key, value) in annotations {
            self.annotate(key, value);
        }
    }

    fn annotate(&mut self, key: &str, value: &str) {
        let annotations = self.document.entry("annotations").or_insert(json!({}));
        annotations[key] = value.into();
    }

    /// Replaces the configuration.
    pub(in crate::engine) fn set_config(&mut self, kind: &str, bytes: &[u8]) {
        let mut config = empty_config();
        if bytes != EMPTY {
            let Descriptor { digest, size, .. } = Descriptor::of(kind, bytes);
            config = json!({ "mediaType": kind, "digest": digest, "size": size });
        }
        config["mediaType"] = kind.into();
        self.document.insert("config".to_owned(), config);
    }

    /// Says what it is about.
    pub(in crate::engine) fn set_subject(&mut self, subject: Value) {
        self.document.insert("subject".to_owned(), subject);
    }

    /// Adds a blob.
    pub(in crate::engine) fn add(
        &mut self,
        kind: &str,
        (digest, size): (&Digest, u64),
        annotations: &Annotations,
    ) {
        let mut layer = json!({ "mediaType": kind, "digest": digest, "size": size });
        if !annotations.is_empty() {
            layer["annotations"] = json!(annotations);
        }
        let layers = self
            .document
            .get_mut("layers")
            .and_then(Value::as_array_mut);
        let layers = layers.expect("every constructor has checked that it is a list");
        layers.push(layer);
    }

    /// What the files of its blobs are called.
    pub(in crate::engine) fn titles(&self) -> impl Iterator<Item = &str> {
        let layers = self.document["layers"].as_array().into_iter().flatten();
        layers.filter_map(|layer| layer.get("annotations")?.get(TITLE)?.as_str())
    }

    /// What it says of itself that it is.
    pub(in crate::engine) fn artifact_type(&self) -> &str {
        let kind = self.document.get("artifactType").and_then(Value::as_str);
        kind.unwrap_or_default()
    }

    /// The bytes that are kept and pushed.
    pub(in crate::engine) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.document).expect("a document of JSON values is JSON")
    }
}

fn empty_config() -> Value {
    let Descriptor { digest, size, .. } = Descriptor::of(EMPTY_TYPE, EMPTY);
    json!({ "mediaType": EMPTY_TYPE, "digest": digest, "size": size, "data": EMPTY_DATA })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_keeps_what_it_has() {
        let mut document = ArtifactDocument::new("");
        document.date();
        let title = Annotations::from([(TITLE.to_owned(), "a.txt".to_owned())]);
        document.add("text/plain", (&Digest::sha256(b"x"), 1), &title);
        let mut again = ArtifactDocument::parse(&document.to_bytes()).unwrap();
        assert_eq!(again, document);
        again.add("a/b", (&Digest::sha256(b"y"), 1), &Annotations::new());
        assert_eq!(again.titles().collect::<Vec<_>>(), ["a.txt"]);
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(again.document["config"]["digest"], digest);
        assert_eq!(again.artifact_type(), "");
        assert!(ArtifactDocument::parse(b"[]").is_none());
        assert!(ArtifactDocument::parse(br#"{"layers": 1}"#).is_none());
        let bare = ArtifactDocument::parse(br#"{"layers": null, "x": 1}"#).unwrap();
        assert_eq!(bare.to_bytes(), br#"{"layers":[],"x":1}"#);
    }
}
