// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration of an image: what the image specification says, and what Docker adds
//! (health check, stop signal, shell, on-build triggers).
//!
//! Our own types rather than oci-spec's: images in the wild hold `null` for empty lists, a string
//! where a list is meant, and dates that are none. All of that reads here. The bytes that were
//! read are what is stored and hashed; this is a view on them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::Digest;
use super::platform::Platform;

/// An image configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfiguration {
    /// When the image was made.
    #[serde(
        deserialize_with = "timestamp_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub created: Option<Timestamp>,
    /// Who made it.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// `amd64`, `arm64`…
    #[serde(deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `v7`, `v8`…
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub variant: String,
    /// `linux`.
    #[serde(deserialize_with = "null_is_default")]
    pub os: String,
    /// What a container of it runs, and how.
    #[serde(deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// The layers.
    #[serde(deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    /// How it was made, oldest step first.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// A comment (Docker).
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// The version of Docker that made it (Docker).
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub docker_version: String,
}

/// The section `config`: defaults of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `USER[:GROUP]`; empty is root.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// Keys such as `80/tcp`.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    /// `NAME=value` pairs.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// The entry point.
    #[serde(
        deserialize_with = "words_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entry point.
    #[serde(
        deserialize_with = "words_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub cmd: Vec<String>,
    /// Paths whose content belongs on volumes.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub volumes: BTreeMap<String, serde_json::Value>,
    /// The working directory.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// Labels.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to stop, by name or number.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// Seconds between the stop signal and SIGKILL (Docker).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// How its health is told (Docker).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Instructions for a build that starts from it (Docker).
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub on_build: Vec<String>,
    /// The shell of the shell form of `RUN` and `CMD` (Docker).
    #[serde(
        deserialize_with = "words_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub shell: Vec<String>,
    /// Whether the command's words are already escaped (Windows images of Docker).
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub args_escaped: bool,
}

/// A health check; durations are nanoseconds, 0 is the default of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and one line.
    #[serde(
        deserialize_with = "words_or_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time after which a check has failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time after the start in which a failure does not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between two checks during the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the layers' tar streams, not compressed, lowest first.
    #[serde(deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// One step of an image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When.
    #[serde(
        deserialize_with = "timestamp_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub created: Option<Timestamp>,
    /// The command.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// Who.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// A comment.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub empty_layer: bool,
}

impl ImageConfiguration {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with the document: no JSON, or a field of another type.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The platform that the image was made for.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// `null` reads as the type's default.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Old images hold one string where a list of words is meant.
fn words_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<String>),
        One(String),
    }
    let words = Option::<Words>::deserialize(deserializer)?;
    Ok(match words {
        None => Vec::new(),
        Some(Words::List(list)) => list,
        Some(Words::One(word)) => vec![word],
    })
}

/// A date that is none reads as no date, as Go's zero time does.
fn timestamp_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let text = value.as_str().unwrap_or_default();
    if text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    Ok(text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_strings_read() {
        let text = r#"{"created":"yesterday","architecture":"amd64","os":"linux","author":null,
            "config":{"Env":null,"Cmd":"/bin/sh","Entrypoint":["a","b"],"Labels":null,
            "ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Test":["CMD","x"],"Interval":5000000000},
            "OnBuild":null,"Volumes":null,"StopSignal":null,"ArgsEscaped":null},
            "rootfs":{"type":"layers","diff_ids":null},"history":null,"id":"x","extra":{"a":[1]}}"#;
        let config = ImageConfiguration::from_json(text.as_bytes()).unwrap();
        assert_eq!(config.created, None);
        assert_eq!(config.config.cmd, ["/bin/sh"]);
        assert_eq!(config.config.entrypoint, ["a", "b"]);
        assert_eq!(config.config.healthcheck.unwrap().interval, 5_000_000_000);
        assert!(config.rootfs.diff_ids.is_empty());
    }

    #[test]
    fn empty_fields_are_not_written() {
        let config = ImageConfiguration {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            ..ImageConfiguration::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        let expected = r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn garbage_is_an_error() {
        for text in [
            "",
            "[]x",
            "{\"config\":3}",
            "{\"rootfs\":{\"diff_ids\":[\"x\"]}}",
        ] {
            assert!(
                ImageConfiguration::from_json(text.as_bytes()).is_err(),
                "{text}"
            );
        }
    }
}
