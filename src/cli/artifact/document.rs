// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `artifact inspect` and `artifact ls` show of an artifact.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::engine::artifact::ArtifactDetail;
use crate::output::units::duration::rough_span;
use crate::output::units::size::human_size;
use crate::output::value::{Struct, Time, Value};

/// The annotation that says when an artifact was made.
const CREATED: &str = "org.opencontainers.image.created";

/// Whether a digest is shown with all its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    All,
    Twelve,
}

/// The document of `inspect`.
pub(super) fn document(detail: &ArtifactDetail) -> Value {
    let name = detail.artifact.name.as_str();
    let artifact = Struct::new("libartifact.Artifact")
        .with("Manifest", manifest(&detail.document))
        .with("Name", name);
    Struct::new("entities.ArtifactInspectReport")
        .with("Manifest", manifest(&detail.document))
        .with("Name", name)
        .with("Digest", detail.artifact.digest.to_string())
        .with("TotalSizeBytes,-", detail.size_bytes())
        .with("Artifact,-", Value::from(artifact))
        .into()
}

/// The row of `ls`.
pub(super) fn row(detail: &ArtifactDetail, digits: Digits, now: Timestamp) -> Value {
    let (repository, tag) = split(&detail.artifact.name);
    let digest = &detail.artifact.digest;
    let digest = match digits {
        Digits::All => digest.hex(),
        Digits::Twelve => digest.short(),
    };
    let created = detail.manifest.annotations.get(CREATED);
    let created: Option<Timestamp> = created.and_then(|text| text.parse().ok());
    let ago = created.map(|moment| format!("{} ago", rough_span(moment, now)));
    let at = created.map_or_else(|| "".into(), |at| Value::Time(Time::utc(at)));
    Struct::new("artifact.artifactListOutput")
        .with("Repository", repository)
        .with("Tag", tag)
        .with("Digest", digest)
        .with("Created", ago.unwrap_or_default())
        .with("CreatedAt", at)
        .with("Size", human_size(detail.size_bytes(), 4))
        .with("VirtualSize", detail.size_bytes().to_string())
        .into()
}

/// The name as it was given, in two.
fn split(name: &str) -> (String, String) {
    let bare = name.split('@').next().unwrap_or(name);
    match bare.rsplit_once(':') {
        // Else it is a port.
        Some((repository, tag)) if !tag.contains('/') => (repository.to_owned(), tag.to_owned()),
        _ => (bare.to_owned(), String::new()),
    }
}

fn manifest(document: &Json) -> Value {
    let layers = document["layers"].as_array().into_iter().flatten();
    let layers: Vec<Value> = layers.map(descriptor).collect();
    let subject = match &document["subject"] {
        Json::Null => Value::Nil,
        subject => descriptor(subject),
    };
    Struct::new("manifest.OCI1")
        .with(
            "SchemaVersion,schemaVersion",
            number(&document["schemaVersion"]),
        )
        .with(
            "MediaType,mediaType,omitempty",
            text(&document["mediaType"]),
        )
        .with(
            "ArtifactType,artifactType,omitempty",
            text(&document["artifactType"]),
        )
        .with("Config,config", descriptor(&document["config"]))
        .with("Layers,layers", Value::List(layers))
        .with("Subject,subject,omitempty", subject)
        .with("Annotations,annotations,omitempty", annotations(document))
        .into()
}

fn descriptor(document: &Json) -> Value {
    let urls = document["urls"].as_array().into_iter().flatten().map(text);
    let urls: Vec<Value> = urls.map(Value::from).collect();
    Struct::new("v1.Descriptor")
        .with("MediaType,mediaType", text(&document["mediaType"]))
        .with("Digest,digest", text(&document["digest"]))
        .with("Size,size", number(&document["size"]))
        .with("URLs,urls,omitempty", Value::List(urls))
        .with("Annotations,annotations,omitempty", annotations(document))
        .with("Data,data,omitempty", text(&document["data"]))
        .with(
            "ArtifactType,artifactType,omitempty",
            text(&document["artifactType"]),
        )
        .into()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Json) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn annotations(document: &Json) -> BTreeMap<String, String> {
    let pairs = document["annotations"].as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_they_were_given() {
        for (name, repository, tag) in [
            ("quay.io/a/b:1", "quay.io/a/b", "1"),
            ("localhost:5000/a/b", "localhost:5000/a/b", ""),
            ("localhost:5000/a/b:x", "localhost:5000/a/b", "x"),
            ("a", "a", ""),
        ] {
            assert_eq!(split(name), (repository.to_owned(), tag.to_owned()));
        }
    }
}
