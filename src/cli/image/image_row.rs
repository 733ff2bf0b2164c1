// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One name of an image in the words of `images`: the fields that templates know, and the JSON
//! document, in Podman's shape and in Docker's.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::engine::Dialect;
use crate::engine::image::{Image, ImageEntry};
use crate::oci::Reference;
use crate::output::units::duration::rough_span;
use crate::output::units::size::{human_size, spaced_size};
use crate::output::value::{Struct, Time, Value};

/// What stands where there is no name.
const NONE: &str = "<none>";

/// How rows are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detail {
    pub(super) now: Timestamp,
    pub(super) dialect: Dialect,
    /// `--no-trunc`.
    pub(super) no_trunc: bool,
}

/// One name of an image, or an image without a name.
#[derive(Debug)]
pub(super) struct Row<'a> {
    entry: &'a ImageEntry,
    repository: String,
    tag: String,
    detail: Detail,
}

/// The rows of one image: one for each name.
pub(super) fn rows(entry: &ImageEntry, detail: Detail) -> Vec<Row<'_>> {
    let row = |(repository, tag)| Row {
        entry,
        repository,
        tag,
        detail,
    };
    if entry.listed.names.is_empty() {
        return vec![row((NONE.to_owned(), NONE.to_owned()))];
    }
    let names = entry.listed.names.iter();
    names.map(|name| row(split(name, detail.dialect))).collect()
}

/// Repository and tag of a full name.
fn split(name: &str, dialect: Dialect) -> (String, String) {
    let Ok(reference) = Reference::parse(name) else {
        return (name.to_owned(), NONE.to_owned());
    };
    let tag = reference.tag().unwrap_or(NONE).to_owned();
    let repository = match dialect {
        Dialect::Podman => reference.repository(),
        Dialect::Docker => familiar_repository(&reference),
    };
    (repository, tag)
}

/// The repository as Docker shows it: `busybox`, not `docker.io/library/busybox`.
pub(super) fn familiar_repository(reference: &Reference) -> String {
    let bare = Reference::parse(&reference.repository());
    bare.map_or_else(|_| reference.repository(), |bare| bare.familiar())
}

/// `name@digest` of each repository that an image has names in, each once, sorted.
pub(super) fn repo_digests(image: &Image, names: &[String], dialect: Dialect) -> Vec<String> {
    let mut digests: Vec<String> = names
        .iter()
        .filter_map(|name| Reference::parse(name).ok())
        .flat_map(|reference| {
            let repository = match dialect {
                Dialect::Podman => reference.repository(),
                Dialect::Docker => familiar_repository(&reference),
            };
            let manifests = image.manifests.iter();
            manifests
                .map(move |digest| format!("{repository}@{digest}"))
                .collect::<Vec<_>>()
        })
        .collect();
    digests.sort();
    digests.dedup();
    digests
}

impl Row<'_> {
    pub(super) fn image(&self) -> &Image {
        &self.entry.listed.image
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn id(&self) -> String {
        if self.detail.no_trunc {
            self.image().id.to_string()
        } else {
            self.image().id.short().to_owned()
        }
    }

    fn size(&self) -> String {
        let bytes = self.image().size_bytes;
        match self.detail.dialect {
            Dialect::Podman => spaced_size(bytes, 3),
            Dialect::Docker => human_size(bytes, 3),
        }
    }

    fn created_since(&self) -> String {
        format!("{} ago", rough_span(self.image().created, self.detail.now))
    }

    /// What a template sees.
    pub(super) fn value(&self) -> Value {
        let image = self.image();
        let names = &self.entry.listed.names;
        let is_dangling = names.is_empty();
        let created_at = match self.detail.dialect {
            Dialect::Podman => Time::utc(whole_seconds(image.created)).go_string(),
            Dialect::Docker => Time::local(image.created).format("2006-01-02 15:04:05 -0700 MST"),
        };
        Struct::new("images.imageReporter")
            .with("ID", self.id())
            .with("Id", image.id.hex())
            .with("Repository", self.repository.as_str())
            .with("Tag", self.tag.as_str())
            .with("Digest", image.digest.to_string())
            .with("Created", self.created_since())
            .with("CreatedSince", self.created_since())
            .with("CreatedAt", created_at.as_str())
            .with("CreatedTime", created_at)
            .with("Size", self.size())
            .with("VirtualSize", number(image.size_bytes))
            .with("SharedSize", Value::Int(0))
            .with("Containers", number(self.entry.containers as u64))
            .with("Dangling", is_dangling)
            .with("IsDangling", is_dangling)
            .with("Labels", labels(image))
            .with("Names", strings(names))
            .with("RepoTags", strings(names))
            .with(
                "RepoDigests",
                strings(&repo_digests(image, names, self.detail.dialect)),
            )
            .with("ReadOnly", self.entry.listed.is_read_only)
            .with("IsReadOnly", self.entry.listed.is_read_only)
            .with("IsManifestList", self.entry.listed.is_list)
            .with("ParentId", "")
            .with("Arch", image.config.architecture.as_str())
            .with("Os", image.config.os.as_str())
            .with("History", image.names_history.join(", "))
            .into()
    }

    /// The JSON document.
    pub(super) fn document(&self) -> Value {
        match self.detail.dialect {
            Dialect::Podman => self.podman_document(),
            Dialect::Docker => self.docker_document(),
        }
    }

    fn podman_document(&self) -> Value {
        let image = self.image();
        let names = &self.entry.listed.names;
        let created = image.created;
        Struct::new("images.imageReporter")
            .with("Id", image.id.hex())
            .with("ParentId", "")
            .with("RepoTags", Value::Nil)
            .with(
                "RepoDigests",
                strings(&repo_digests(image, names, self.detail.dialect)),
            )
            .with("Size", number(image.size_bytes))
            .with("SharedSize", Value::Int(0))
            .with("VirtualSize", number(image.size_bytes))
            .with("Labels", labels(image))
            .with("Containers", number(self.entry.containers as u64))
            .with("Dangling,,omitempty", names.is_empty())
            .with("Arch", image.config.architecture.as_str())
            .with("Digest", image.digest.to_string())
            .with("History,,omitempty", strings(&image.names_history))
            .with("Names,,omitempty", strings(names))
            .with("Os", image.config.os.as_str())
            .with("Created", Value::Int(created.as_second()))
            .with("CreatedAt", Time::utc(whole_seconds(created)).rfc3339())
            .into()
    }

    fn docker_document(&self) -> Value {
        let image = self.image();
        let created_at = Time::local(image.created).format("2006-01-02 15:04:05 -0700 MST");
        Struct::new("formatter.imageContext")
            .with("Containers", self.entry.containers.to_string())
            .with("CreatedAt", created_at)
            .with("CreatedSince", self.created_since())
            .with("Digest", image.digest.to_string())
            .with("ID", self.id())
            .with("Repository", self.repository.as_str())
            .with("SharedSize", "N/A")
            .with("Size", self.size())
            .with("Tag", self.tag.as_str())
            .with("UniqueSize", "N/A")
            .with("VirtualSize", human_size(image.size_bytes, 4))
            .into()
    }
}

fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn number(bytes: u64) -> Value {
    Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX))
}

pub(super) fn strings(texts: &[String]) -> Value {
    Value::List(
        texts
            .iter()
            .map(|text| Value::from(text.as_str()))
            .collect(),
    )
}

/// `null` where there are none.
fn labels(image: &Image) -> Value {
    let labels = &image.config.config.labels;
    if labels.is_empty() {
        return Value::Nil;
    }
    let entries = labels.iter();
    let entries = entries.map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    Value::from(entries.collect::<BTreeMap<_, _>>())
}
