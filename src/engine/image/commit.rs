// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `commit`: a container's changes become a layer on top of its image's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::changes;
use super::error::ImageError;
use crate::engine::pause::{Freezer, turn};
use crate::engine::{Engine, Report};
use crate::oci::{
    ContainerConfig, Descriptor, Digest, History, ImageConfiguration, Manifest, Platform, RootFs,
    media_type,
};
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::ContainerRecord;
use crate::state::store::Store;
use crate::storage::pack::{Scope, TreeStream};
use crate::storage::{Expected, Image, Images, Layer, NewImage, Pin, StorageError};

/// What is asked of a commit.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The container, as typed.
    pub container: String,
    /// The name that the image gets, as typed.
    pub name: Option<String>,
    /// `--change`.
    pub changes: Vec<String>,
    /// `--config`: a container configuration whose fields win, as JSON.
    pub config: Option<Vec<u8>>,
    /// `--author`.
    pub author: Option<String>,
    /// `--message`.
    pub message: Option<String>,
    /// What becomes of a running container meanwhile.
    pub pausing: Pausing,
    /// Whose words the image's documents have.
    pub format: ImageFormat,
    /// What becomes of the container's mounts.
    pub volumes: VolumePolicy,
    /// Whether the image's layers are kept apart.
    pub squash: Squash,
}

/// What becomes of a running container while its files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pausing {
    /// It runs on.
    No,
    /// It is frozen.
    Yes,
    /// It is frozen where that is possible.
    IfPossible,
}

/// What becomes of the places where something was mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumePolicy {
    /// They are nothing to the image.
    Leave,
    /// They become `VOLUME`s of the image.
    Include,
}

/// Whether the layers of the container's image are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squash {
    /// The changes become one more layer.
    No,
    /// All becomes one layer.
    Yes,
}

/// Whose words an image's documents have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// The image specification's.
    Oci,
    /// Docker's.
    Docker,
}

impl ImageFormat {
    /// The manifest of an image whose layers are kept as plain tar streams.
    pub(super) fn manifest(self, config: &[u8], layers: &[Layer]) -> Vec<u8> {
        let (manifest_type, config_type, layer_type) = match self {
            Self::Oci => (
                media_type::OCI_MANIFEST,
                media_type::OCI_CONFIG,
                media_type::OCI_LAYER,
            ),
            Self::Docker => (
                media_type::DOCKER_MANIFEST,
                media_type::DOCKER_CONFIG,
                media_type::DOCKER_LAYER_PLAIN,
            ),
        };
        let layers = layers.iter().map(|layer| Descriptor {
            media_type: layer_type.to_owned(),
            digest: layer.record.diff_id.clone(),
            size: layer.record.content.size_bytes,
            platform: None,
            annotations: BTreeMap::new(),
        });
        let manifest = Manifest {
            schema_version: 2,
            media_type: manifest_type.to_owned(),
            config: Descriptor::of(config_type, config),
            layers: layers.collect(),
            annotations: BTreeMap::new(),
        };
        serde_json::to_vec(&manifest).expect("a manifest has string keys")
    }
}

impl Engine {
    /// Makes an image of a container and returns its id.
    ///
    /// # Errors
    ///
    /// See [`ImageError`]; nothing is left behind then.
    pub fn commit(
        &self,
        request: &CommitRequest,
        report: &dyn Report,
    ) -> Result<Digest, ImageError> {
        let store = self.store()?;
        let id = store.resolve(&request.container)?;
        let record = store.load(&id)?;
        if record.request.rootfs.is_some() {
            return Err(ImageError::NoImageBelow);
        }
        let names = request.name.as_deref().map(|name| self.new_name(name));
        let names = names.transpose()?;
        let images = self.images()?;
        let base = images.resolve(&record.resolved.image_id)?;
        let mut config = configuration(request, &record, &base.config)?;
        changes::apply_instructions(&mut config.config, &request.changes)?;
        let (layers, pins) = {
            let _frozen = Frozen::freeze(&store, &id, request.pausing, report)?;
            self.committed_layers(&images, &base, &id, request.squash)?
        };
        config.rootfs = RootFs {
            diff_ids: layers.iter().map(|l| l.record.diff_id.clone()).collect(),
            ..RootFs::default()
        };
        let config = serde_json::to_vec(&config).expect("a configuration has string keys");
        let new = NewImage {
            config: &config,
            manifest: &request.format.manifest(&config, &layers),
            names: names.as_slice(),
            origin: None,
        };
        let image = images.add(&new, pins)?;
        self.emit(&[Event::of_container(&record, Action::Commit)]);
        Ok(image)
    }

    /// The layers of the new image, and what keeps them there until it is.
    fn committed_layers(
        &self,
        images: &Images,
        base: &Image,
        id: &ContainerId,
        squash: Squash,
    ) -> Result<(Vec<Layer>, Vec<Pin>), StorageError> {
        let workplace = self.workplace().map_err(StorageError::State)?;
        let upper = self.dirs.container(id).join("upper");
        let mut pins = base.pin(images)?;
        let mut layers = base.layers.clone();
        let mut paths = vec![upper];
        let lower = layers.iter().rev();
        paths.extend(lower.map(|layer| layer.diff_path.clone()));
        let scope = match squash {
            Squash::No => Scope::Changes,
            Squash::Yes => Scope::Whole,
        };
        let parent = match squash {
            Squash::No => layers.last().map(|layer| layer.chain_id.clone()),
            Squash::Yes => None,
        };
        let stream = TreeStream::new(paths, scope);
        let unknown = Expected::default();
        let (layer, pin) = images
            .layers()
            .add(parent.as_ref(), unknown, stream, &*workplace)?;
        if squash == Squash::Yes {
            layers.clear();
        }
        layers.push(layer);
        pins.push(pin);
        Ok((layers, pins))
    }
}

/// A container that is frozen until this is dropped.
struct Frozen<'a> {
    store: &'a Store,
    id: &'a ContainerId,
    report: &'a dyn Report,
}

impl<'a> Frozen<'a> {
    fn freeze(
        store: &'a Store,
        id: &'a ContainerId,
        pausing: Pausing,
        report: &'a dyn Report,
    ) -> Result<Option<Self>, ImageError> {
        let (_, observed) = store.observe(id)?;
        if observed != Observed::Running || pausing == Pausing::No {
            return Ok(None);
        }
        match (turn(store, id, Freezer::Pause), pausing) {
            (Ok(()), _) => Ok(Some(Self { store, id, report })),
            (Err(_), Pausing::IfPossible | Pausing::No) => Ok(None),
            (Err(error), Pausing::Yes) => Err(error.into()),
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = turn(self.store, self.id, Freezer::Unpause) {
            self.report
                .warning(&format!("unpause after the commit: {error}"));
        }
    }
}

/// The new image's configuration, but for its layers: the image's own, with what the container
/// runs and how.
fn configuration(
    request: &CommitRequest,
    record: &ContainerRecord,
    base: &ImageConfiguration,
) -> Result<ImageConfiguration, ImageError> {
    let now = Timestamp::now();
    let host = Platform::host();
    let or = |text: &str, other: String| {
        if text.is_empty() {
            other
        } else {
            text.to_owned()
        }
    };
    let step = History {
        created: Some(now),
        created_by: created_by(record),
        author: request.author.clone().unwrap_or_default(),
        comment: request.message.clone().unwrap_or_default(),
        empty_layer: false,
    };
    let mut history = match request.squash {
        Squash::No => base.history.clone(),
        Squash::Yes => Vec::new(),
    };
    history.push(step);
    let mut config = container_config(request, record, &base.config);
    if let Some(json) = &request.config {
        config = overridden(&config, json)?;
    }
    Ok(ImageConfiguration {
        created: Some(now),
        author: request
            .author
            .clone()
            .unwrap_or_else(|| base.author.clone()),
        architecture: or(&base.architecture, host.architecture),
        variant: base.variant.clone(),
        os: or(&base.os, host.os),
        config,
        rootfs: RootFs::default(),
        history,
        comment: match request.format {
            // The image specification has no word for it but in the history.
            ImageFormat::Oci => String::new(),
            ImageFormat::Docker => request.message.clone().unwrap_or_default(),
        },
        docker_version: String::new(),
    })
}

fn created_by(record: &ContainerRecord) -> String {
    let words = record.resolved.entrypoint.iter();
    let words: Vec<&str> = words
        .chain(&record.resolved.command)
        .map(String::as_str)
        .collect();
    match words.join(" ") {
        words if words.is_empty() => "/bin/sh".to_owned(),
        words => words,
    }
}

fn container_config(
    request: &CommitRequest,
    record: &ContainerRecord,
    base: &ContainerConfig,
) -> ContainerConfig {
    let resolved = &record.resolved;
    let mut config = ContainerConfig {
        user: resolved.user.clone(),
        env: resolved
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        entrypoint: resolved.entrypoint.clone(),
        cmd: resolved.command.clone(),
        working_dir: resolved.workdir.clone(),
        labels: resolved.labels.clone(),
        ..base.clone()
    };
    let asked = record.request.health.as_ref();
    if let (Some(settings), Some(_)) = (&resolved.health, asked) {
        config.healthcheck = Some(settings.check.clone());
    }
    for port in &resolved.exposed_ports {
        config.exposed_ports.insert(port.clone(), json!({}));
    }
    if request.volumes == VolumePolicy::Include {
        for mount in record.mounts() {
            config
                .volumes
                .insert(mount.container_path.clone(), json!({}));
        }
    }
    config
}

/// The fields of `json` win over those of `config`.
fn overridden(config: &ContainerConfig, json: &[u8]) -> Result<ContainerConfig, ImageError> {
    let refused = |source| ImageError::Config { source };
    let own = serde_json::to_value(config).expect("a configuration has string keys");
    let mut merged = match own {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    let given: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(json).map_err(refused)?;
    merged.extend(given);
    serde_json::from_value(merged.into()).map_err(refused)
}
