// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system df`: what takes how much room, and what of it a prune would free.

use std::collections::BTreeMap;

use super::artifact::ArtifactError;
use super::error::EngineError;
use super::list::{ListRequest, ListScope, Listed};
use super::usage::disk_bytes;
use super::volume::{ListedVolume, Uses, VolumeFailure};
use super::{Engine, Report};
use crate::state::record::MountKind;
use crate::storage::{Artifact, Images, ListedImage, StorageError};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum DiskUsageError {
    /// The containers cannot be listed.
    #[error(transparent)]
    Containers(#[from] EngineError),
    /// The images cannot be listed.
    #[error(transparent)]
    Images(#[from] StorageError),
    /// The volumes cannot be listed.
    #[error(transparent)]
    Volumes(#[from] VolumeFailure),
    /// The artifacts cannot be listed.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
}

/// Everything that takes room.
#[derive(Debug)]
pub struct DiskUsage {
    /// The images.
    pub images: Vec<ImageUsage>,
    /// The containers.
    pub containers: Vec<ContainerUsage>,
    /// The volumes.
    pub volumes: Vec<VolumeUsage>,
    /// The artifacts, and what they take.
    pub artifacts: Total,
    /// Bytes of all layers, each counted once.
    pub layer_bytes: u64,
    /// Bytes of the layers without those that an image with containers has for itself, as podman
    /// and docker count what can be had back.
    pub unused_layer_bytes: u64,
}

/// The room that one container takes.
#[derive(Debug)]
pub struct ContainerUsage {
    /// The container.
    pub listed: Listed,
    /// Bytes of all its files: what it wrote, its log, its record. What other ids of the user's
    /// range have closed to the caller is not counted.
    pub size_bytes: u64,
}

/// The room that one volume takes.
#[derive(Debug)]
pub struct VolumeUsage {
    /// The volume.
    pub listed: ListedVolume,
    /// Bytes of its files, as far as the caller can see them.
    pub size_bytes: u64,
}

/// The room that one image takes.
#[derive(Debug)]
pub struct ImageUsage {
    /// The image.
    pub listed: ListedImage,
    /// Bytes of all its layers.
    pub size_bytes: u64,
    /// Bytes of the layers that other images have as well.
    pub shared_bytes: u64,
    /// Bytes of what says of it what it is: configuration and manifest.
    pub document_bytes: u64,
    /// How many containers were made from it.
    pub containers: usize,
}

/// One line of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// How many there are.
    pub total: usize,
    /// How many are in use.
    pub active: usize,
    /// Bytes that they take.
    pub size_bytes: u64,
    /// Bytes that a prune would free.
    pub reclaimable_bytes: u64,
}

impl Engine {
    /// Measures everything. Looks at every file of every container.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub fn disk_usage(&self, report: &dyn Report) -> Result<DiskUsage, DiskUsageError> {
        let request = ListRequest {
            scope: ListScope::All,
            ..ListRequest::default()
        };
        let listed = self.list_containers(&request, report)?;
        let measured = |listed: Listed| ContainerUsage {
            size_bytes: disk_bytes(self.dirs.container(&listed.summary.id)),
            listed,
        };
        let containers: Vec<_> = listed.into_iter().map(measured).collect();
        let store = Images::open(&self.dirs);
        let listed = store.list()?;
        let documents = listed.iter().map(|one| document_bytes(&store, one));
        let documents = documents.collect();
        let volumes = self.list_volumes(&[], Uses::Read, report)?.into_iter();
        let volumes = volumes.map(|listed| VolumeUsage {
            size_bytes: disk_bytes(listed.mountpoint.clone()),
            listed,
        });
        Ok(DiskUsage {
            volumes: volumes.collect(),
            artifacts: self.artifact_usage(&containers)?,
            ..DiskUsage::of(listed, documents, containers)
        })
    }
}

impl Engine {
    /// Only what nothing names is freed by a prune: an artifact has a name for as long as it is one.
    fn artifact_usage(&self, containers: &[ContainerUsage]) -> Result<Total, DiskUsageError> {
        let store = self.artifacts().map_err(ArtifactError::from)?;
        let listed = store.list()?;
        let is_mounted = |artifact: &&Artifact| {
            let mounts = containers
                .iter()
                .flat_map(|one| one.listed.summary.mounts());
            let mut artifacts = mounts.filter(|mount| mount.kind == MountKind::Artifact);
            artifacts.any(|mount| mount.source == artifact.name)
        };
        let (size_bytes, reclaimable_bytes) = store.disk_bytes()?;
        Ok(Total {
            total: listed.len(),
            active: listed.iter().filter(is_mounted).count(),
            size_bytes,
            reclaimable_bytes,
        })
    }
}

/// A damaged image may lack them.
fn document_bytes(images: &Images, listed: &ListedImage) -> u64 {
    let config = images.document(&listed.image.id);
    let manifest = images.manifest(&listed.image);
    let documents = [config, manifest].into_iter().flatten();
    documents.map(|bytes| bytes.len() as u64).sum()
}

impl DiskUsage {
    fn of(images: Vec<ListedImage>, documents: Vec<u64>, containers: Vec<ContainerUsage>) -> Self {
        let mut layers: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        for layer in images.iter().flat_map(|one| &one.image.layers) {
            let size = layer.record.content.size_bytes + layer.kept_bytes();
            let entry = layers
                .entry(layer.chain_id.to_string())
                .or_insert((size, 0));
            entry.1 += 1;
        }
        let layer_bytes = layers.values().map(|(size, _)| size).sum::<u64>();
        let images = images.into_iter().zip(documents);
        let images = images.map(|(listed, document_bytes)| ImageUsage {
            document_bytes,
            ..ImageUsage::of(listed, &layers, &containers)
        });
        let images: Vec<ImageUsage> = images.collect();
        let used = images.iter().filter(|image| image.containers > 0);
        let own = used.map(|image| image.size_bytes - image.shared_bytes);
        Self {
            unused_layer_bytes: layer_bytes.saturating_sub(own.sum()),
            images,
            layer_bytes,
            containers,
            volumes: Vec::new(),
            artifacts: Total::NOTHING,
        }
    }

    /// The line of images.
    pub fn image_total(&self) -> Total {
        let used = self.images.iter().filter(|image| image.containers > 0);
        Total {
            total: self.images.len(),
            active: used.count(),
            size_bytes: self.layer_bytes,
            reclaimable_bytes: self.unused_layer_bytes,
        }
    }

    /// The line of containers.
    pub fn container_total(&self) -> Total {
        let size = |one: &ContainerUsage| one.size_bytes;
        let containers = self.containers.iter();
        let idle = containers.filter(|one| !one.listed.observed.is_up());
        Total {
            total: self.containers.len(),
            active: self.containers.len() - idle.clone().count(),
            size_bytes: self.containers.iter().map(size).sum(),
            reclaimable_bytes: idle.map(size).sum(),
        }
    }
}

impl DiskUsage {
    /// The line of volumes.
    pub fn volume_total(&self) -> Total {
        let size = |one: &VolumeUsage| one.size_bytes;
        let idle = self
            .volumes
            .iter()
            .filter(|one| one.listed.users.is_empty());
        Total {
            total: self.volumes.len(),
            active: self.volumes.len() - idle.clone().count(),
            size_bytes: self.volumes.iter().map(size).sum(),
            reclaimable_bytes: idle.map(size).sum(),
        }
    }
}

impl ImageUsage {
    fn of(
        listed: ListedImage,
        layers: &BTreeMap<String, (u64, usize)>,
        containers: &[ContainerUsage],
    ) -> Self {
        let sizes = listed.image.layers.iter().map(|layer| {
            let (size, users) = layers[&layer.chain_id.to_string()];
            (size, if users > 1 { size } else { 0 })
        });
        let (size_bytes, shared_bytes) = sizes.fold((0, 0), |(all, shared), (size, of_it)| {
            (all + size, shared + of_it)
        });
        let id = listed.image.id.hex();
        let made_from_it = |one: &&ContainerUsage| one.listed.summary.resolved.image_id == id;
        Self {
            size_bytes,
            shared_bytes,
            document_bytes: 0,
            containers: containers.iter().filter(made_from_it).count(),
            listed,
        }
    }
}

impl Total {
    /// No object of the kind.
    pub const NOTHING: Self = Self {
        total: 0,
        active: 0,
        size_bytes: 0,
        reclaimable_bytes: 0,
    };

    /// The share that a prune would free, in per cent.
    pub fn reclaimable_percent(&self) -> u64 {
        match self.size_bytes {
            0 => 0,
            size => (self.reclaimable_bytes * 100 + size / 2) / size,
        }
    }
}
