// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `health.json` beside a container's state: what its checks have found since it was started. Its
//! fields are those of Podman's `healthcheck.log`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StateError;
use super::atomic::{self, Durability};
use super::id::ContainerId;
use super::store::Store;

/// What the checks of a container have found since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy` or `stopped`.
    pub status: String,
    /// How many failed in a row.
    pub failing_streak: u32,
    /// The last of them.
    pub log: Vec<HealthResult>,
    /// Whether the check of the start is over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub startup_passed: bool,
    /// How many of those succeeded in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub startup_successes: u32,
    /// How many of those failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub startup_failures: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthResult {
    /// When it began.
    pub start: Timestamp,
    /// When it was over.
    pub end: Timestamp,
    /// 0, 1 for a failure, -1 for one that took too long.
    pub exit_code: i32,
    /// What it printed.
    pub output: String,
}

impl Health {
    /// What is known of a container that has just been started.
    pub fn starting() -> Self {
        Self {
            status: "starting".to_owned(),
            ..Self::default()
        }
    }
}

impl Store {
    /// What the checks of a container have found; nothing where there is no file that can be read.
    pub fn read_health(&self, id: &ContainerId) -> Health {
        let bytes = atomic::read_document(self.health_path(id)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Replaces that, without waiting for the disk. The caller holds the container's lock.
    ///
    /// # Errors
    ///
    /// As [`Store::write_state`].
    pub fn write_health(&self, id: &ContainerId, health: &Health) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(health).expect("it holds nothing but data");
        let replaced = atomic::replace_file(&self.health_path(id), &bytes, Durability::Unsynced);
        replaced.map_err(|source| StateError::Container {
            action: "write the health of",
            id: id.clone(),
            source,
        })
    }

    fn health_path(&self, id: &ContainerId) -> std::path::PathBuf {
        self.dirs().container(id).join("health.json")
    }
}
