// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing volumes: those that are named, those that nobody uses, and those that were made for
//! one container alone.

use std::path::PathBuf;

use super::filter::VolumeFilters;
use super::{ListedVolume, Uses, VolumeFailure, read_users};
use crate::engine::remove::Running;
use crate::engine::usage::tree_bytes;
use crate::engine::{Engine, Report};
use crate::runtime::apart::run_mapped;
use crate::runtime::failure::chain;
use crate::runtime::subid::holder_map;
use crate::state::events::{Action, Event};
use crate::state::record::{ContainerRecord, MountKind};
use crate::state::store::Store;
use crate::state::tree::remove_tree;
use crate::state::volumes::{VolumeError, Volumes};

/// A volume that was to be removed.
#[derive(Debug)]
pub struct RemovedVolume {
    /// The word that named it, or its name.
    pub typed: String,
    /// How much room its files took, as far as the caller could see them.
    pub size_bytes: u64,
    /// Whether it is gone.
    pub result: Result<(), VolumeFailure>,
}

/// Which unused volumes a prune removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneScope {
    /// All of them.
    All,
    /// Those that have no name of their own (docker).
    Anonymous,
}

/// How often the users of a volume may come back while it is removed by force.
const ATTEMPTS: u32 = 20;

impl Engine {
    /// Removes volumes; `users` says what becomes of containers that use one: they are refused, or
    /// removed first.
    ///
    /// # Errors
    ///
    /// A store that cannot be read; what goes wrong with one volume is in its result.
    pub fn remove_volumes(
        &self,
        words: &[String],
        users: Running,
        report: &dyn Report,
    ) -> Result<Vec<RemovedVolume>, VolumeFailure> {
        let store = self.store()?;
        let mut left = Vec::new();
        let mut removed: Vec<RemovedVolume> = Vec::new();
        for typed in words {
            let name = self.volumes().resolve(typed);
            let result = name.map_err(|error| nothing_to_remove(error, typed));
            let result = result.and_then(|name| self.remove_volume(&store, &name, users, report));
            removed.push(RemovedVolume {
                typed: typed.clone(),
                size_bytes: 0,
                result: gone(result, &mut left),
            });
        }
        self.remove_rest(&left, &mut removed);
        Ok(removed)
    }

    /// Removes the volumes of `unused`, as [`Engine::unused_volumes`] found them.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub fn prune_volumes(
        &self,
        unused: &[ListedVolume],
        report: &dyn Report,
    ) -> Result<Vec<RemovedVolume>, VolumeFailure> {
        let store = self.store()?;
        let mut left = Vec::new();
        let mut removed = Vec::new();
        for volume in unused {
            let name = &volume.record.name;
            let size_bytes = tree_bytes(volume.mountpoint.clone());
            let result = self.remove_volume(&store, name, Running::Refuse, report);
            let result = gone(result, &mut left);
            if result.is_ok() {
                self.emit(&[Event::of_volume(name, Action::Prune)]);
            }
            match result {
                // Used by now, or removed by somebody else.
                Err(VolumeFailure::InUse { .. } | VolumeFailure::NothingToRemove { .. }) => {}
                result => removed.push(RemovedVolume {
                    typed: name.clone(),
                    size_bytes,
                    result,
                }),
            }
        }
        self.remove_rest(&left, &mut removed);
        Ok(removed)
    }

    /// The volumes that no container uses and that the filters let through.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood.
    pub fn unused_volumes(
        &self,
        filters: &[String],
        scope: PruneScope,
        report: &dyn Report,
    ) -> Result<Vec<ListedVolume>, VolumeFailure> {
        let known = VolumeFilters::parse(&self.volumes(), filters)?;
        let all = self.list_volumes(&[], Uses::Read, report)?.into_iter();
        let wanted = all.filter(|one| {
            let in_scope = scope == PruneScope::All || one.record.anonymous;
            in_scope && one.users.is_empty() && known.let_through(one)
        });
        Ok(wanted.collect())
    }

    fn remove_volume(
        &self,
        store: &Store,
        name: &str,
        users: Running,
        report: &dyn Report,
    ) -> Result<(), VolumeFailure> {
        let volumes = self.volumes();
        for _ in 0..ATTEMPTS {
            let lock = volumes
                .lock(name)
                .map_err(|error| nothing_to_remove(error, name))?;
            let found = read_users(store)?.of(name);
            if found.is_empty() {
                return Ok(volumes.remove(&lock)?);
            }
            if users == Running::Refuse {
                let name = name.to_owned();
                return Err(VolumeFailure::InUse { name, users: found });
            }
            drop(lock);
            self.remove_users(&found, users, report)?;
        }
        Err(VolumeFailure::Files {
            name: name.to_owned(),
            reason: "new containers keep using it".to_owned(),
        })
    }

    /// Removes files of other ids, all in one stay in the user's namespace.
    fn remove_rest(&self, left: &[PathBuf], removed: &mut Vec<RemovedVolume>) {
        if left.is_empty() {
            return;
        }
        let answer = run_mapped(&holder_map(), &self.dirs.run_root, || {
            let words = left.iter().filter_map(|path| remove_tree(path).err());
            let words: Vec<String> = words.map(|error| chain(&error)).collect();
            words.join("\n").into_bytes()
        });
        let reason = match answer {
            Ok(words) if words.is_empty() => return,
            Ok(words) => String::from_utf8_lossy(&words).into_owned(),
            Err(error) => chain(&error),
        };
        let name = "files of removed volumes".to_owned();
        removed.push(RemovedVolume {
            typed: name.clone(),
            size_bytes: 0,
            result: Err(VolumeFailure::Files { name, reason }),
        });
    }
}

/// Removes the volumes that were made for a container that is no more; the value is what is left
/// for the user's namespace.
pub(in crate::engine) fn remove_files(
    store: &Store,
    volumes: &Volumes,
    record: &ContainerRecord,
) -> Vec<PathBuf> {
    let mounts = record.mounts().iter();
    let named = mounts.filter(|mount| mount.kind == MountKind::Volume);
    let remove = |name: &String| -> Option<PathBuf> {
        let lock = volumes.lock(name).ok()?;
        let unused = read_users(store).ok()?.of(name).is_empty();
        if !unused || !volumes.load(name).ok()?.anonymous {
            return None;
        }
        match volumes.remove(&lock) {
            Err(VolumeError::NeedsNamespace { path }) => Some(path),
            Ok(()) | Err(_) => None,
        }
    };
    named.filter_map(|mount| remove(&mount.source)).collect()
}

fn nothing_to_remove(error: VolumeError, typed: &str) -> VolumeFailure {
    match error {
        VolumeError::Missing { .. } => VolumeFailure::NothingToRemove {
            name: typed.to_owned(),
        },
        other => other.into(),
    }
}

/// A volume whose files wait for the user's namespace is gone.
fn gone(result: Result<(), VolumeFailure>, left: &mut Vec<PathBuf>) -> Result<(), VolumeFailure> {
    match result {
        Err(VolumeFailure::Volume(VolumeError::NeedsNamespace { path })) => {
            left.push(path);
            Ok(())
        }
        other => other,
    }
}
