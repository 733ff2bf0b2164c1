// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `secret inspect` and `secret ls` show of a secret: not what is secret, unless asked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::engine::Dialect;
use crate::output::units::duration::rough_span;
use crate::output::value::{Struct, Value};
use crate::state::secrets::SecretRecord;

/// Whether a document has the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Shown,
    Hidden,
}

#[derive(Debug, Serialize)]
#[serde(rename = "entities.SecretInfoReport", rename_all = "PascalCase")]
struct Document<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: Spec<'a>,
    #[serde(rename = "SecretData,SecretData,omitempty")]
    secret_data: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "entities.SecretSpec", rename_all = "PascalCase")]
struct Spec<'a> {
    name: &'a str,
    driver: Driver<'a>,
    labels: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "entities.SecretDriverSpec", rename_all = "PascalCase")]
struct Driver<'a> {
    name: &'static str,
    options: &'a BTreeMap<String, String>,
}

/// The document of `inspect`.
pub(super) fn document(record: &SecretRecord, data: Data) -> Value {
    let secret_data = match data {
        Data::Shown => String::from_utf8_lossy(record.data.reveal()).into_owned(),
        Data::Hidden => String::new(),
    };
    Value::of(&Document {
        id: &record.id,
        created_at: record.created,
        updated_at: record.updated,
        spec: Spec {
            name: &record.name,
            driver: Driver {
                name: "file",
                options: &record.driver_options,
            },
            labels: &record.labels,
        },
        secret_data,
    })
}

/// The row of `ls`.
pub(super) fn row(record: &SecretRecord, dialect: Dialect, now: Timestamp) -> Value {
    let ago = |moment: Timestamp| format!("{} ago", rough_span(moment, now));
    let (name, driver) = match dialect {
        Dialect::Podman => ("entities.SecretListReport", "file"),
        Dialect::Docker => ("formatter.secretContext", ""),
    };
    Struct::new(name)
        .with("ID", record.id.as_str())
        .with("Name", record.name.as_str())
        .with("Driver", driver)
        .with("CreatedAt", ago(record.created))
        .with("UpdatedAt", ago(record.updated))
        .into()
}
