// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The part of `container.json` that lists show and filters look at. Reading only that keeps a
//! list of a thousand containers quick: the rest of each record is skipped, not built.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::connection::NetworkRequest;
use super::id::{ContainerId, PodId};
use super::record::{MountRequest, PodRole};

/// What a list shows of a container.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ContainerSummary {
    /// The container's id.
    pub id: ContainerId,
    /// Its unique name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// What the user asked for.
    pub request: RequestSummary,
    /// What that resolved to.
    pub resolved: ResolvedSummary,
}

/// The part of [`super::record::ContainerRequest`] that lists need.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RequestSummary {
    /// The image as typed; empty with `--rootfs`.
    pub image: String,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--network`, repeated; empty is the default network.
    pub networks: Vec<String>,
    /// `-p`, as typed.
    pub publish: Vec<String>,
    /// Mounts, in the order typed.
    pub mounts: Vec<MountRequest>,
    /// `--cidfile`.
    pub cidfile: Option<PathBuf>,
    /// `--restart`, as typed.
    pub restart: Option<String>,
}

/// Something that is there, and is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// The part of [`super::record::Resolved`] that lists need.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResolvedSummary {
    /// The image's id; empty with `--rootfs`.
    pub image_id: String,
    /// The image's full name.
    pub image_name: String,
    /// Chain ids of the layers, lowest first.
    pub layers: Vec<String>,
    /// Entry point of the image or of the request.
    pub entrypoint: Vec<String>,
    /// Command of the image or of the request.
    pub command: Vec<String>,
    /// Labels of the image and of the request.
    pub labels: BTreeMap<String, String>,
    /// `VOLUME`s of the image.
    pub volumes: Vec<String>,
    /// `EXPOSE`d ports of the image and of the request.
    pub exposed_ports: Vec<String>,
    /// The pod that it belongs to.
    pub pod: Option<PodId>,
    /// What it is in its pod.
    pub role: PodRole,
    /// All mounts, where they are more than what was asked for.
    pub mounts: Option<Vec<MountRequest>>,
    /// The networks that it is in.
    pub networks: Option<Vec<NetworkRequest>>,
    /// Whether its health is told.
    pub health: Option<Present>,
}

impl ContainerSummary {
    /// The mounts that the container has besides those of every container.
    pub fn mounts(&self) -> &[MountRequest] {
        let resolved = self.resolved.mounts.as_ref();
        resolved.unwrap_or(&self.request.mounts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{ContainerRecord, ContainerRequest, Resolved};
    use super::*;

    #[test]
    fn a_record_reads_as_its_summary() {
        let record = ContainerRecord {
            id: ContainerId::from_random(&[7; 32]),
            name: "web".to_owned(),
            created: "2024-05-06T07:08:09.5Z".parse().unwrap(),
            request: ContainerRequest {
                image: "busybox".to_owned(),
                restart: Some("always".to_owned()),
                ..ContainerRequest::default()
            },
            resolved: Resolved {
                command: vec!["sleep".to_owned()],
                exposed_ports: vec!["80/tcp".to_owned()],
                ..Resolved::default()
            },
        };
        let text = serde_json::to_vec(&record).unwrap();
        let summary: ContainerSummary = serde_json::from_slice(&text).unwrap();
        assert_eq!((summary.id, summary.name), (record.id, record.name));
        assert_eq!(summary.created, record.created);
        assert_eq!(summary.request.restart, record.request.restart);
        assert_eq!(summary.resolved.command, record.resolved.command);
        assert_eq!(
            summary.resolved.exposed_ports,
            record.resolved.exposed_ports
        );
    }
}
