// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `volume inspect` and `volume ls` show of a volume.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::engine::Dialect;
use crate::engine::volume::ListedVolume;
use crate::output::value::{Struct, Value};
use crate::state::volumes::VolumeRecord;

/// Podman's document, whose fields have the names that scripts know.
#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectVolumeData", rename_all = "PascalCase")]
struct Document<'a> {
    name: &'a str,
    driver: &'static str,
    mountpoint: String,
    created_at: Timestamp,
    labels: &'a BTreeMap<String, String>,
    scope: &'static str,
    options: BTreeMap<String, String>,
    #[serde(rename = "UID,UID,omitempty")]
    uid: u32,
    #[serde(rename = "GID,GID,omitempty")]
    gid: u32,
    #[serde(rename = "Anonymous,Anonymous,omitempty")]
    anonymous: bool,
    mount_count: u32,
    needs_copy_up: bool,
    needs_chown: bool,
}

/// The value that templates and JSON are made of.
pub(in crate::cli) fn value_of(listed: &ListedVolume, dialect: Dialect) -> Value {
    match dialect {
        Dialect::Podman => Value::of(&Document::of(listed)),
        Dialect::Docker => docker(listed),
    }
}

impl<'a> Document<'a> {
    fn of(listed: &'a ListedVolume) -> Self {
        let record = &listed.record;
        Self {
            name: &record.name,
            driver: "local",
            mountpoint: listed.mountpoint.to_string_lossy().into_owned(),
            created_at: record.created,
            labels: &record.labels,
            scope: "local",
            options: options(record),
            uid: record.uid.unwrap_or(0),
            gid: record.gid.unwrap_or(0),
            anonymous: record.anonymous,
            mount_count: 0,
            needs_copy_up: record.needs_copy_up,
            needs_chown: record.needs_chown,
        }
    }
}

/// Podman takes the size out of the mount's options and shows it beside them.
fn options(record: &VolumeRecord) -> BTreeMap<String, String> {
    let mut options = record.options.clone();
    let given = record.options.get("o").map_or("", String::as_str);
    if let Some(size) = given
        .split(',')
        .find_map(|option| option.strip_prefix("size="))
    {
        options.insert("SIZE".to_owned(), size.to_owned());
    }
    options
}

fn docker(listed: &ListedVolume) -> Value {
    let record = &listed.record;
    let or_null = |map: &BTreeMap<String, String>| {
        if map.is_empty() {
            Value::Nil
        } else {
            map.clone().into()
        }
    };
    Struct::new("volume.Volume")
        .with(
            "CreatedAt",
            record.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
        .with("Driver", "local")
        .with("Labels", or_null(&record.labels))
        .with(
            "Mountpoint",
            listed.mountpoint.to_string_lossy().into_owned(),
        )
        .with("Name", record.name.as_str())
        .with("Options", or_null(&record.options))
        .with("Scope", "local")
        .into()
}

/// Docker's row of a list, in which every field is a text.
pub(in crate::cli) fn docker_row(listed: &ListedVolume) -> Value {
    let record = &listed.record;
    let labels = record
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    Struct::new("formatter.volumeContext")
        .with("Availability", "N/A")
        .with("Driver", "local")
        .with("Group", "N/A")
        .with("Labels", labels.collect::<Vec<_>>().join(","))
        .with("Links", listed.users.len().to_string())
        .with(
            "Mountpoint",
            listed.mountpoint.to_string_lossy().into_owned(),
        )
        .with("Name", record.name.as_str())
        .with("Scope", "local")
        .with("Size", "N/A")
        .with("Status", "N/A")
        .into()
}
