// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `info` and `version` tell of this program, its store and the machine.

mod docker;
mod host;
pub mod version;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::error::EngineError;
use super::list::{ListRequest, ListScope};
use super::{Engine, Report, hybrid};
use crate::state::dirs::Dirs;
use crate::storage::Images;

pub use docker::DockerInfo;

/// What the command line says of the store.
#[derive(Debug, Clone, Default)]
pub struct InfoRequest {
    /// `--storage-driver`.
    pub driver: Option<String>,
    /// `--storage-opt`, each `KEY=VALUE`.
    pub options: Vec<String>,
    /// Where volumes are, if somewhere else.
    pub volume_path: Option<String>,
}

/// Podman's document.
#[derive(Debug, Serialize)]
#[serde(rename = "define.Info")]
pub struct Info {
    #[serde(rename = "Host,host")]
    host: host::Host,
    #[serde(rename = "Store,store")]
    store: Store,
    #[serde(rename = "Registries,registries")]
    registries: AnyMap,
    #[serde(rename = "Plugins,plugins")]
    plugins: Plugins,
    #[serde(rename = "Version,version")]
    version: version::Version,
}

/// A map whose missing keys have no type, Go's `map[string]any`.
#[derive(Debug, Default, Serialize)]
#[serde(rename = "any")]
struct AnyMap(BTreeMap<String, OptionValue>);

/// A value of such a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum OptionValue {
    Text(String),
    List(Vec<String>),
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.StoreInfo")]
struct Store {
    #[serde(rename = "ConfigFile,configFile")]
    config_file: String,
    #[serde(rename = "ContainerStore,containerStore")]
    containers: Containers,
    #[serde(rename = "GraphDriverName,graphDriverName")]
    driver: String,
    #[serde(rename = "GraphOptions,graphOptions")]
    options: AnyMap,
    #[serde(rename = "GraphRoot,graphRoot")]
    graph_root: String,
    #[serde(rename = "GraphRootAllocated,graphRootAllocated")]
    allocated_bytes: u64,
    #[serde(rename = "GraphRootUsed,graphRootUsed")]
    used_bytes: u64,
    #[serde(rename = "GraphStatus,graphStatus")]
    status: BTreeMap<&'static str, String>,
    #[serde(rename = "ImageCopyTmpDir,imageCopyTmpDir")]
    image_copy_tmp_dir: String,
    #[serde(rename = "ImageStore,imageStore")]
    images: ImageStore,
    #[serde(rename = "RunRoot,runRoot")]
    run_root: String,
    #[serde(rename = "VolumePath,volumePath")]
    volume_path: String,
    #[serde(rename = "TransientStore,transientStore")]
    transient: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "define.ContainerStore")]
struct Containers {
    #[serde(rename = "Number,number")]
    number: u64,
    #[serde(rename = "Paused,paused")]
    paused: u64,
    #[serde(rename = "Running,running")]
    running: u64,
    #[serde(rename = "Stopped,stopped")]
    stopped: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.ImageStore")]
struct ImageStore {
    #[serde(rename = "Number,number")]
    number: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.Plugins")]
struct Plugins {
    #[serde(rename = "Volume,volume")]
    volume: Vec<String>,
    #[serde(rename = "Network,network")]
    network: Vec<&'static str>,
    #[serde(rename = "Log,log")]
    log: Vec<&'static str>,
    #[serde(rename = "Authorization,authorization,nullempty")]
    authorization: Vec<&'static str>,
}

impl Engine {
    /// Podman's document, and Docker's of the same facts.
    ///
    /// # Errors
    ///
    /// A store or a configuration that cannot be read.
    pub fn info(
        &self,
        request: &InfoRequest,
        report: &dyn Report,
    ) -> Result<(Info, DockerInfo), EngineError> {
        let configured = self.containers_conf().ok();
        let log_driver = configured
            .as_ref()
            .and_then(|conf| conf.containers.log_driver.as_deref());
        let log_driver = match log_driver {
            None | Some("journald") => "k8s-file".to_owned(),
            Some(driver) => driver.to_owned(),
        };
        let mut volume_plugins = vec!["local".to_owned()];
        let mut request = request.clone();
        if let Some(conf) = &configured {
            volume_plugins.extend(conf.engine.volume_plugins.iter().cloned());
            let configured = || conf.engine.volume_path.clone();
            request.volume_path = request.volume_path.or_else(configured);
        }
        let info = Info {
            host: host::host(&self.dirs, log_driver),
            store: self.store_info(&request, report)?,
            registries: AnyMap::default(),
            plugins: Plugins {
                volume: volume_plugins,
                network: Vec::new(),
                log: vec!["k8s-file", "json-file", "none", "passthrough", "journald"],
                authorization: Vec::new(),
            },
            version: version::version(),
        };
        let docker = docker::document(&info);
        Ok((info, docker))
    }

    fn store_info(&self, request: &InfoRequest, report: &dyn Report) -> Result<Store, EngineError> {
        let dirs = &self.dirs;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let containers = self.count_containers(report)?;
        let (allocated_bytes, used_bytes) = room(dirs);
        let volumes = || text(&dirs.data_root.join("volumes"));
        Ok(Store {
            config_file: config_file(),
            containers,
            driver: request
                .driver
                .clone()
                .unwrap_or_else(|| "overlay".to_owned()),
            options: AnyMap(self.store_options(request)),
            graph_root: text(dirs.image_root()),
            allocated_bytes,
            used_bytes,
            status: graph_status(dirs),
            image_copy_tmp_dir: std::env::var("TMPDIR").unwrap_or_else(|_| "/var/tmp".to_owned()),
            images: ImageStore {
                number: Images::open(dirs)
                    .list_all()
                    .map_or(0, |list| list.len() as u64),
            },
            run_root: text(&dirs.run_root),
            volume_path: request.volume_path.clone().unwrap_or_else(volumes),
            transient: false,
        })
    }

    fn store_options(&self, request: &InfoRequest) -> BTreeMap<String, OptionValue> {
        let pairs = request.options.iter();
        let pairs = pairs.filter_map(|option| option.split_once('='));
        let text = |value: &str| OptionValue::Text(value.to_owned());
        let mut options: BTreeMap<_, _> = pairs
            .map(|(key, value)| (key.to_owned(), text(value)))
            .collect();
        let stores = self.dirs.images.additional.iter();
        let stores: Vec<String> = stores.map(|path| path.display().to_string()).collect();
        if !stores.is_empty() {
            let driver = request.driver.as_deref().unwrap_or("overlay");
            let key = format!("{driver}.additionalImageStores");
            options.insert(key, OptionValue::List(stores));
        }
        options
    }

    fn count_containers(&self, report: &dyn Report) -> Result<Containers, EngineError> {
        let request = ListRequest {
            scope: ListScope::All,
            ..ListRequest::default()
        };
        let mut counted = Containers::default();
        for one in self.list_containers(&request, report)? {
            counted.number += 1;
            match one.status() {
                "running" | "stopping" => counted.running += 1,
                "paused" => counted.paused += 1,
                _ => counted.stopped += 1,
            }
        }
        Ok(counted)
    }
}

/// Where storage.conf of this user is or would be.
fn config_file() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(path) = set("CONTAINERS_STORAGE_CONF") {
        return path;
    }
    if nix::unistd::Uid::effective().is_root() {
        return "/etc/containers/storage.conf".to_owned();
    }
    let home = || set("HOME").map(|home| format!("{home}/.config"));
    let config = set("XDG_CONFIG_HOME").or_else(home).unwrap_or_default();
    format!("{config}/containers/storage.conf")
}

/// Size and used bytes of the file system of the store.
fn room(dirs: &Dirs) -> (u64, u64) {
    let Ok(stat) = nix::sys::statvfs::statvfs(&dirs.data_root) else {
        return (0, 0);
    };
    let (block, all, free) = (stat.fragment_size(), stat.blocks(), stat.blocks_free());
    (all * block, (all - free) * block)
}

/// The words of podman's overlay driver, for the file system below the store.
fn graph_status(dirs: &Dirs) -> BTreeMap<&'static str, String> {
    let kind = nix::sys::statfs::statfs(&dirs.data_root).map_or(0, |stat| stat.filesystem_type().0);
    let name = match kind {
        0xEF53 => "extfs",
        0x9123_683E => "btrfs",
        0x5846_5342 => "xfs",
        0xF2F5_2010 => "f2fs",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlayfs",
        _ => "<unknown>",
    };
    let shifting = hybrid::usable(dirs);
    BTreeMap::from([
        ("Backing Filesystem", name.to_owned()),
        (
            "Engine for other ids",
            match &shifting {
                Ok(()) => "hybrid".to_owned(),
                Err(error) => format!("fuse ({error})"),
            },
        ),
        ("Native Overlay Diff", "true".to_owned()),
        ("Supports d_type", "true".to_owned()),
        ("Supports shifting", shifting.is_ok().to_string()),
        ("Supports volatile", "true".to_owned()),
        ("Using metacopy", "false".to_owned()),
    ])
}
