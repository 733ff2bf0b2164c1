// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Working containers of buildah, which it keeps in the store that it shares with podman: listed
//! and removed with ours where that is asked for. The store is only read here; what is removed,
//! buildah itself removes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use serde::Deserialize;

use super::Engine;
use super::error::EngineError;
use super::list::{Listed, Origin};
use super::remove::Running;
use super::selection::{ItemResult, Scope, Selection};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::store::Store;
use crate::state::summary::{ContainerSummary, RequestSummary, ResolvedSummary};
use crate::sys::account::{Environment, xdg_directory};

/// Where the other tools' store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalStore {
    root: PathBuf,
    run_root: Option<PathBuf>,
}

/// A working container of buildah.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct External {
    pub(super) id: ContainerId,
    names: Vec<String>,
    image_id: String,
    image_name: String,
    created: Timestamp,
    is_mounted: bool,
}

/// An entry of `overlay-containers/containers.json`.
#[derive(Debug, Deserialize)]
struct StoredContainer {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    layer: String,
    created: Timestamp,
}

/// An entry of `overlay-images/images.json`.
#[derive(Debug, Deserialize)]
struct StoredImage {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

/// An entry of `overlay-layers/mountpoints.json`.
#[derive(Debug, Deserialize)]
struct MountPoint {
    id: String,
    count: i64,
}

impl ExternalStore {
    /// The store that the other tools use without being told of another.
    pub fn usual(env: Environment<'_>) -> Self {
        if nix::unistd::geteuid().is_root() {
            return Self {
                root: PathBuf::from("/var/lib/containers/storage"),
                run_root: Some(PathBuf::from("/run/containers/storage")),
            };
        }
        let run = env("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
        Self {
            root: xdg_directory(env, "XDG_DATA_HOME", ".local/share").join("containers/storage"),
            run_root: run.map(|directory| PathBuf::from(directory).join("containers")),
        }
    }

    /// The containers that buildah works on. What does not read is none: it is not ours to mend.
    fn containers(&self) -> Vec<External> {
        let directory = self.root.join("overlay-containers");
        let stored: Vec<StoredContainer> = read_list(&directory.join("containers.json"));
        if stored.is_empty() {
            return Vec::new();
        }
        let images: Vec<StoredImage> = read_list(&self.root.join("overlay-images/images.json"));
        let mounts: Vec<MountPoint> = match &self.run_root {
            Some(run_root) => read_list(&run_root.join("overlay-layers/mountpoints.json")),
            None => Vec::new(),
        };
        let external = |stored: StoredContainer| {
            // Podman's own containers are podman's business.
            let is_buildahs = directory.join(&stored.id).join("userdata/buildah.json");
            let id = ContainerId::parse(&stored.id).filter(|_| is_buildahs.exists())?;
            let image = images.iter().find(|image| image.id == stored.image);
            let layer = |mount: &MountPoint| mount.id == stored.layer && mount.count > 0;
            Some(External {
                id,
                image_name: image
                    .and_then(|image| image.names.first().cloned())
                    .unwrap_or_default(),
                is_mounted: mounts.iter().any(layer),
                names: stored.names,
                image_id: stored.image,
                created: stored.created,
            })
        };
        stored.into_iter().filter_map(external).collect()
    }
}

fn read_list<T: for<'d> Deserialize<'d>>(path: &Path) -> Vec<T> {
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

impl External {
    /// Whether `typed` names it: a name, its id, or the beginning of one.
    fn is_called(&self, typed: &str) -> bool {
        let is_name = self.names.iter().any(|name| name == typed);
        is_name || (!typed.is_empty() && self.id.as_str().starts_with(typed))
    }

    fn into_listed(self) -> Listed {
        let summary = ContainerSummary {
            name: self.names.into_iter().next().unwrap_or_default(),
            id: self.id,
            created: self.created,
            request: RequestSummary::default(),
            resolved: ResolvedSummary {
                image_id: self.image_id,
                image_name: self.image_name,
                command: vec!["buildah".to_owned()],
                ..ResolvedSummary::default()
            },
        };
        Listed {
            summary: Box::new(summary),
            state: Box::default(),
            observed: Observed::Created,
            sizes: None,
            origin: Origin::External,
            pod_name: String::new(),
            health: String::new(),
        }
    }

    fn remove(&self, running: Running) -> Result<(), EngineError> {
        if self.is_mounted && running == Running::Refuse {
            let id = self.id.clone();
            return Err(EngineError::ExternalMounted { id });
        }
        buildah("rm", self.id.as_str()).map_err(|reason| EngineError::External {
            id: self.id.clone(),
            reason,
        })
    }
}

/// Has buildah remove what is its own; an error is in its words.
fn buildah(verb: &str, id: &str) -> Result<(), String> {
    let output = Command::new("buildah")
        .args([verb, id])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("start buildah, whose it is: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(words.trim().replace('\n', " "))
}

impl Engine {
    /// The containers of other tools, as `ps --external` lists them.
    pub fn list_external(&self) -> Vec<Listed> {
        let external = self.external_containers().into_iter();
        external.map(External::into_listed).collect()
    }

    /// Whether another tool's container is called so.
    pub fn has_external(&self, typed: &str) -> bool {
        self.external_container(typed).is_some()
    }

    /// Removes the images without a name that only working containers of buildah use, with those
    /// containers; one that is mounted keeps its image. The result is their ids.
    ///
    /// # Errors
    ///
    /// What buildah says, in its words.
    pub fn prune_external_images(&self) -> Result<Vec<String>, EngineError> {
        let containers = self.external_containers();
        let mut pruned = Vec::new();
        for container in &containers {
            let image = &container.image_id;
            let users = || containers.iter().filter(|other| other.image_id == *image);
            let is_named = image.is_empty() || !container.image_name.is_empty();
            if is_named || pruned.contains(image) || users().any(|user| user.is_mounted) {
                continue;
            }
            users().try_for_each(|user| user.remove(Running::Refuse))?;
            buildah("rmi", image).map_err(|reason| EngineError::External {
                id: container.id.clone(),
                reason,
            })?;
            pruned.push(image.clone());
        }
        Ok(pruned)
    }

    /// The container of another tool that has this name.
    pub(super) fn external_holder(&self, name: &str) -> Option<ContainerId> {
        if name.is_empty() {
            return None;
        }
        let mut external = self.external_containers().into_iter();
        let holder = external.find(|external| external.names.iter().any(|own| own == name));
        holder.map(|external| external.id)
    }

    /// The container of another tool that `typed` means.
    fn external_container(&self, typed: &str) -> Option<External> {
        let mut external = self.external_containers().into_iter();
        external.find(|external| external.is_called(typed))
    }

    fn external_containers(&self) -> Vec<External> {
        let store = self.external.as_ref();
        store.map(ExternalStore::containers).unwrap_or_default()
    }

    /// Removes those of the words that mean containers of other tools alone, and takes them out
    /// of the selection; `None` where nothing is left of it.
    pub(super) fn remove_external(
        &self,
        store: &Store,
        selection: &Selection,
        running: Running,
    ) -> (Option<Selection>, Vec<ItemResult>) {
        let mut rest = selection.clone();
        let mut results = Vec::new();
        if self.external.is_none() || selection.scope != Scope::Named {
            return (Some(rest), results);
        }
        rest.words.retain(|word| {
            if store.resolve(word).is_ok() {
                return true;
            }
            let Some(external) = self.external_container(word) else {
                return true;
            };
            results.push(ItemResult {
                typed: word.clone(),
                result: external.remove(running),
            });
            false
        });
        let rest = (results.is_empty() || !rest.words.is_empty()).then_some(rest);
        (rest, results)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn working_containers_are_read_and_podmans_are_not() {
        let room = tempfile::tempdir().unwrap();
        let store = ExternalStore {
            root: room.path().join("s"),
            run_root: Some(room.path().join("r")),
        };
        assert!(store.containers().is_empty());
        let [one, two] = [1, 2].map(|byte| ContainerId::from_random(&[byte; 32]));
        let entry = |id: &ContainerId, name: &str| {
            format!(
                r#"{{"id":"{id}","names":["{name}"],"image":"ab","layer":"l-{name}",
                    "created":"2026-11-21T11:49:39.578589087Z","flags":{{}}}}"#
            )
        };
        let list = format!("[{},{}]", entry(&one, "work"), entry(&two, "podmans"));
        write(
            &store.root.join("overlay-containers/containers.json"),
            &list,
        );
        let mark = format!("overlay-containers/{one}/userdata/buildah.json");
        write(&store.root.join(mark), "{}");
        let images = r#"[{"id":"ab","names":["quay.io/a/b:1"]}]"#;
        write(&store.root.join("overlay-images/images.json"), images);
        let mounts = r#"[{"id":"l-work","path":"/m","count":1}]"#;
        write(
            &room.path().join("r/overlay-layers/mountpoints.json"),
            mounts,
        );
        let found = store.containers();
        assert_eq!(found.len(), 1);
        assert!(found[0].is_mounted && found[0].is_called("work"));
        assert!(found[0].is_called(one.short()) && !found[0].is_called("podmans"));
        let refused = found[0].remove(Running::Refuse).unwrap_err().to_string();
        assert!(refused.contains("is mounted and cannot be removed without using force"));
        let listed = found[0].clone().into_listed();
        assert_eq!(listed.status(), "storage");
        assert_eq!(listed.summary.resolved.image_name, "quay.io/a/b:1");
    }
}
