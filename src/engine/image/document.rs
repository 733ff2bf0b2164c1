// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The document of an image, in Podman's shape and in Docker's. Fields are named for templates
//! and for JSON, as `output::value` reads them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::inspect::ImageDetail;
use crate::engine::Dialect;
use crate::engine::inspect::{Keys, Moment};
use crate::oci::{ContainerConfig, Healthcheck, History, Reference, media_type};

/// What `image inspect` shows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ImageDocument {
    /// Podman's.
    Podman(Box<PodmanImage>),
    /// Docker's.
    Docker(Box<DockerImage>),
}

impl ImageDocument {
    /// The document of `detail` in the words of `dialect`.
    pub fn of(detail: &ImageDetail, dialect: Dialect) -> Self {
        match dialect {
            Dialect::Podman => Self::Podman(Box::new(podman(detail))),
            Dialect::Docker => Self::Docker(Box::new(docker(detail))),
        }
    }
}

/// Nanoseconds.
#[derive(Debug, Serialize)]
#[serde(rename = "time.Duration")]
pub(in crate::engine) struct Nanoseconds(pub(in crate::engine) i64);

/// Podman's document.
#[derive(Debug, Serialize)]
#[serde(rename = "define.ImageData", rename_all = "PascalCase")]
pub struct PodmanImage {
    #[serde(rename = "ID,Id")]
    id: String,
    digest: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: String,
    comment: String,
    created: Moment,
    config: Config,
    version: String,
    author: String,
    architecture: String,
    os: String,
    size: u64,
    virtual_size: u64,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    labels: Option<BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    manifest_type: String,
    user: String,
    history: Vec<Step>,
    names_history: Vec<String>,
    #[serde(rename = "HealthCheck,Healthcheck,omitempty")]
    healthcheck: Option<HealthcheckDocument>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "v1.ImageConfig", rename_all = "PascalCase")]
struct Config {
    #[serde(rename = "User,,omitempty")]
    user: String,
    #[serde(rename = "ExposedPorts,,omitempty")]
    exposed_ports: Keys,
    #[serde(rename = "Env,,omitempty")]
    env: Vec<String>,
    #[serde(rename = "Entrypoint,,omitempty")]
    entrypoint: Vec<String>,
    #[serde(rename = "Cmd,,omitempty")]
    cmd: Vec<String>,
    #[serde(rename = "Volumes,,omitempty")]
    volumes: Keys,
    #[serde(rename = "WorkingDir,,omitempty")]
    working_dir: String,
    #[serde(rename = "Labels,,omitempty")]
    labels: BTreeMap<String, String>,
    #[serde(rename = "StopSignal,,omitempty")]
    stop_signal: String,
    #[serde(rename = "OnBuild,,omitempty")]
    on_build: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "manifest.Schema2HealthConfig", rename_all = "PascalCase")]
pub(in crate::engine) struct HealthcheckDocument {
    #[serde(rename = "Test,,omitempty")]
    test: Vec<String>,
    #[serde(rename = "StartPeriod,,omitempty")]
    start_period: Nanoseconds,
    #[serde(rename = "Interval,,omitempty")]
    interval: Nanoseconds,
    #[serde(rename = "Timeout,,omitempty")]
    timeout: Nanoseconds,
    #[serde(rename = "Retries,,omitempty")]
    retries: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.DriverData", rename_all = "PascalCase")]
struct GraphDriver {
    name: &'static str,
    data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.RootFS", rename_all = "PascalCase")]
struct RootFs {
    r#type: String,
    layers: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "v1.History")]
struct Step {
    #[serde(rename = "Created,created,omitempty")]
    created: Option<Moment>,
    #[serde(rename = "CreatedBy,created_by,omitempty")]
    created_by: String,
    #[serde(rename = "Author,author,omitempty")]
    author: String,
    #[serde(rename = "Comment,comment,omitempty")]
    comment: String,
    #[serde(rename = "EmptyLayer,empty_layer,omitempty")]
    empty_layer: bool,
}

/// Docker's document.
#[derive(Debug, Serialize)]
#[serde(rename = "types.ImageInspect", rename_all = "PascalCase")]
pub struct DockerImage {
    #[serde(rename = "ID,Id")]
    id: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: String,
    comment: String,
    created: String,
    docker_version: String,
    author: String,
    config: DockerConfig,
    architecture: String,
    #[serde(rename = "Variant,,omitempty")]
    variant: String,
    os: String,
    size: u64,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    metadata: DockerMetadata,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.Config", rename_all = "PascalCase")]
struct DockerConfig {
    hostname: &'static str,
    domainname: &'static str,
    user: String,
    #[serde(rename = "ExposedPorts,,omitempty")]
    exposed_ports: Keys,
    tty: bool,
    open_stdin: bool,
    env: Vec<String>,
    cmd: Option<Vec<String>>,
    #[serde(rename = "Healthcheck,,omitempty")]
    healthcheck: Option<HealthcheckDocument>,
    image: &'static str,
    volumes: Option<Keys>,
    working_dir: String,
    entrypoint: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "StopSignal,,omitempty")]
    stop_signal: String,
    #[serde(rename = "Shell,,omitempty")]
    shell: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "image.Metadata", rename_all = "PascalCase")]
struct DockerMetadata {
    last_tag_time: Moment,
}

fn podman(detail: &ImageDetail) -> PodmanImage {
    let image = &detail.image;
    let config = &image.config;
    let manifest = detail.manifest.as_ref();
    let digests = repo_digests(detail, Reference::repository);
    let latest = config.history.last();
    let manifest_type = match manifest {
        Some(manifest) if !manifest.media_type.is_empty() => manifest.media_type.clone(),
        _ => media_type::OCI_MANIFEST.to_owned(),
    };
    let is_docker = manifest_type == media_type::DOCKER_MANIFEST;
    PodmanImage {
        id: image.id.hex().to_owned(),
        digest: image.digest.to_string(),
        repo_tags: detail.names.clone(),
        repo_digests: digests,
        parent: String::new(),
        comment: match (&config.comment, latest) {
            // The image specification has no comment but those of the steps.
            (none, Some(latest)) if none.is_empty() && !is_docker => latest.comment.clone(),
            (comment, _) => comment.clone(),
        },
        created: Moment(config.created),
        config: podman_config(&config.config),
        version: config.docker_version.clone(),
        author: config.author.clone(),
        architecture: config.architecture.clone(),
        os: config.os.clone(),
        size: image.size_bytes,
        virtual_size: image.size_bytes,
        graph_driver: graph_driver(detail),
        root_fs: root_fs(detail),
        labels: some(&config.config.labels),
        annotations: manifest.map_or_else(BTreeMap::new, |one| one.annotations.clone()),
        manifest_type,
        user: config.config.user.clone(),
        history: config.history.iter().map(step).collect(),
        names_history: image.names_history.clone(),
        healthcheck: config.config.healthcheck.as_ref().map(healthcheck_document),
    }
}

fn podman_config(config: &ContainerConfig) -> Config {
    Config {
        user: config.user.clone(),
        exposed_ports: keys(&config.exposed_ports),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: keys(&config.volumes),
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        on_build: config.on_build.clone(),
    }
}

fn docker(detail: &ImageDetail) -> DockerImage {
    let image = &detail.image;
    let config = &image.config;
    let familiar = |name: &String| {
        Reference::parse(name).map_or_else(|_| name.clone(), |reference| reference.familiar())
    };
    let bare = |reference: &Reference| familiar(&reference.repository());
    DockerImage {
        id: image.id.to_string(),
        repo_tags: detail.names.iter().map(familiar).collect(),
        repo_digests: repo_digests(detail, bare),
        parent: String::new(),
        comment: config.comment.clone(),
        created: config
            .created
            .map_or_else(String::new, |moment| moment.to_string()),
        docker_version: config.docker_version.clone(),
        author: config.author.clone(),
        config: docker_config(&config.config),
        architecture: config.architecture.clone(),
        variant: config.variant.clone(),
        os: config.os.clone(),
        size: image.size_bytes,
        graph_driver: graph_driver(detail),
        root_fs: root_fs(detail),
        metadata: DockerMetadata {
            last_tag_time: Moment(None),
        },
    }
}

fn docker_config(config: &ContainerConfig) -> DockerConfig {
    let list = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    DockerConfig {
        hostname: "",
        domainname: "",
        user: config.user.clone(),
        exposed_ports: keys(&config.exposed_ports),
        tty: false,
        open_stdin: false,
        env: config.env.clone(),
        cmd: list(&config.cmd),
        healthcheck: config.healthcheck.as_ref().map(healthcheck_document),
        image: "",
        volumes: (!config.volumes.is_empty()).then(|| keys(&config.volumes)),
        working_dir: config.working_dir.clone(),
        entrypoint: list(&config.entrypoint),
        on_build: list(&config.on_build),
        labels: some(&config.labels),
        stop_signal: config.stop_signal.clone(),
        shell: config.shell.clone(),
    }
}

/// `repository@digest`, each once.
fn repo_digests(detail: &ImageDetail, repository: impl Fn(&Reference) -> String) -> Vec<String> {
    let mut digests: Vec<String> = Vec::new();
    for reference in detail
        .names
        .iter()
        .filter_map(|name| Reference::parse(name).ok())
    {
        for manifest in &detail.image.manifests {
            digests.push(format!("{}@{manifest}", repository(&reference)));
        }
    }
    digests.sort();
    digests.dedup();
    digests
}

fn graph_driver(detail: &ImageDetail) -> GraphDriver {
    let paths = detail.image.layers.iter().rev();
    let mut paths = paths.map(|layer| layer.diff_path.display().to_string());
    let mut data = BTreeMap::new();
    if let Some(upper) = paths.next() {
        data.insert("UpperDir", upper);
    }
    let lower: Vec<String> = paths.collect();
    if !lower.is_empty() {
        data.insert("LowerDir", lower.join(":"));
    }
    GraphDriver {
        name: "overlay",
        data,
    }
}

fn root_fs(detail: &ImageDetail) -> RootFs {
    let layers = detail.image.config.rootfs.diff_ids.iter();
    RootFs {
        r#type: "layers".to_owned(),
        layers: layers.map(ToString::to_string).collect(),
    }
}

fn step(step: &History) -> Step {
    Step {
        created: step.created.map(|moment| Moment(Some(moment))),
        created_by: step.created_by.clone(),
        author: step.author.clone(),
        comment: step.comment.clone(),
        empty_layer: step.empty_layer,
    }
}

/// A health check, as documents show it.
pub(in crate::engine) fn healthcheck_document(check: &Healthcheck) -> HealthcheckDocument {
    HealthcheckDocument {
        test: check.test.clone(),
        start_period: Nanoseconds(check.start_period),
        interval: Nanoseconds(check.interval),
        timeout: Nanoseconds(check.timeout),
        retries: check.retries,
    }
}

fn keys(map: &BTreeMap<String, serde_json::Value>) -> Keys {
    Keys::of(map.keys().cloned())
}

fn some(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}
