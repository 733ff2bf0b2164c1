// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system check`: reads everything that the store holds, says what is wrong, and repairs it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::EngineError;
use super::remove::{Dependents, RemoveOptions, Running};
use super::selection::{Scope, Selection};
use super::{Engine, Report};
use crate::oci::Digest;
use crate::runtime::apart::run_mapped;
use crate::runtime::failure::chain;
use crate::runtime::subid::holder_map;
use crate::state::check::{Problem, Remedy};
use crate::state::id::ContainerId;
use crate::state::store::Store;
use crate::state::sweep::{SweepMode, Swept};
use crate::state::tree::remove_tree;
use crate::storage::{Artifacts, Content, Images, ListedImage, StorageError};

/// What is asked of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckRequest {
    /// What is done about what is found.
    pub repair: Repair,
    /// How closely is looked.
    pub depth: Depth,
}

/// How closely is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Records only.
    Quick,
    /// Also the digests of what is kept by its digest.
    Full,
}

/// What is done about what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Nothing.
    None,
    /// What can be repaired without a loss.
    Lossless,
    /// Also what can only be removed.
    Lossy,
}

/// One thing that was found, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it is, in words.
    pub text: String,
    /// Whether it is damage: what killed processes left behind is not.
    pub severity: Severity,
    /// What became of it.
    pub outcome: Outcome,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something that a killed process left behind; it only takes room.
    Leftover,
    /// A record that does not say what it should.
    Damage,
}

/// What became of something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was found.
    Found,
    /// It is repaired.
    Repaired,
    /// It is gone, with what was still good in it.
    Removed,
    /// It could not be repaired, for this reason.
    Failed(String),
}

impl Engine {
    /// Reads every record and says what is wrong; repairs as far as `repair` allows.
    ///
    /// # Errors
    ///
    /// A store that cannot be opened or listed.
    pub fn check(
        &self,
        request: CheckRequest,
        report: &dyn Report,
    ) -> Result<Vec<Checked>, EngineError> {
        let store = self.store()?;
        let CheckRequest { repair, depth } = request;
        let mut checked = self.check_containers(&store, repair, report)?;
        checked.extend(self.check_pods(repair)?);
        checked.extend(self.check_volumes(repair));
        checked.extend(told(self.networks().check()).map(damage));
        checked.extend(told(self.secrets().check()).map(damage));
        let layers = Images::open(&self.dirs).layers().check();
        let layers = layers.unwrap_or_else(|error| vec![chain(&error)]);
        checked.extend(layers.into_iter().map(damage));
        checked.extend(self.check_images(repair));
        checked.extend(self.check_artifacts(request));
        if depth == Depth::Full {
            checked.extend(damaged_blobs(&self.dirs.blobs()));
        }
        let mode = match repair {
            Repair::None => SweepMode::Report,
            Repair::Lossless | Repair::Lossy => SweepMode::Remove,
        };
        checked.extend(self.sweep(&store, mode)?);
        Ok(checked)
    }

    fn check_containers(
        &self,
        store: &Store,
        repair: Repair,
        report: &dyn Report,
    ) -> Result<Vec<Checked>, EngineError> {
        let mut checked = Vec::new();
        for problem in store.check()? {
            let outcome = match (repair, problem.remedy()) {
                (Repair::None, _)
                | (_, Remedy::None)
                | (Repair::Lossless, Remedy::RemoveContainer) => Outcome::Found,
                (Repair::Lossless | Repair::Lossy, Remedy::Repair) => repair_one(store, &problem),
                (Repair::Lossy, Remedy::RemoveContainer) => self.remove_damaged(&problem, report),
            };
            checked.push(Checked {
                outcome,
                ..damage(problem.to_string())
            });
        }
        Ok(checked)
    }

    /// An image that cannot be used is brought back by whatever brought it.
    fn check_images(&self, repair: Repair) -> Vec<Checked> {
        let images = match Images::open(&self.dirs).list() {
            Ok(images) => images,
            Err(error) => return vec![damage(chain(&error))],
        };
        let words = |listed: ListedImage| {
            let (id, reason) = (listed.image.id, listed.damage?);
            let names = listed.names.join(", ");
            let outcome = match repair {
                Repair::None | Repair::Lossless => Outcome::Found,
                Repair::Lossy => self.remove_damaged_image(&id, &listed.names),
            };
            Some(Checked {
                outcome,
                ..damage(format!("image {} ({names}): {reason}", id.short()))
            })
        };
        let damaged = images.into_iter().filter_map(words);
        damaged.chain(self.check_image_names(repair)).collect()
    }

    /// One that is damaged is brought back by whoever brought it.
    fn check_artifacts(&self, request: CheckRequest) -> Vec<Checked> {
        let store = Artifacts::open(&self.dirs);
        let content = match request.depth {
            Depth::Quick => Content::Named,
            Depth::Full => Content::Read,
        };
        let found = match store.check(content) {
            Ok(found) => found,
            Err(error) => return vec![damage(chain(&error))],
        };
        let checked = found.into_iter().map(|(text, artifact)| {
            let outcome = match (request.repair, artifact) {
                (Repair::None | Repair::Lossless, _) | (Repair::Lossy, None) => Outcome::Found,
                (Repair::Lossy, Some(artifact)) => match store.remove(&artifact) {
                    Ok(()) | Err(StorageError::NoSuchArtifact { .. }) => Outcome::Removed,
                    Err(error) => Outcome::Failed(chain(&error)),
                },
            };
            Checked {
                outcome,
                ..damage(text)
            }
        });
        let mut checked: Vec<Checked> = checked.collect();
        if let Ok((_, bytes @ 1..)) = store.disk_bytes() {
            let outcome = match request.repair {
                Repair::None => Outcome::Found,
                Repair::Lossless | Repair::Lossy => match store.collect() {
                    Ok(()) => Outcome::Removed,
                    Err(error) => Outcome::Failed(chain(&error)),
                },
            };
            checked.push(Checked {
                text: format!("{bytes} bytes of artifacts: nothing names them"),
                severity: Severity::Leftover,
                outcome,
            });
        }
        checked
    }

    fn check_image_names(&self, repair: Repair) -> Vec<Checked> {
        let images = Images::open(&self.dirs);
        let names = match images.names_of_nothing() {
            Ok(names) => names,
            Err(error) => return vec![damage(chain(&error))],
        };
        let words = |(name, id): (String, Digest)| {
            let outcome = match repair {
                Repair::None | Repair::Lossless => Outcome::Found,
                Repair::Lossy => match images.untag(&id, &name) {
                    Ok(()) => Outcome::Removed,
                    Err(error) => Outcome::Failed(chain(&error)),
                },
            };
            Checked {
                outcome,
                ..damage(format!(
                    "image name {name}: its image {} is gone; load or pull it again",
                    id.short()
                ))
            }
        };
        names.into_iter().map(words).collect()
    }

    /// The layers that containers need stay.
    fn remove_damaged_image(&self, id: &Digest, names: &[String]) -> Outcome {
        let workplace = match self.workplace() {
            Ok(workplace) => workplace,
            Err(error) => return Outcome::Failed(chain(&error)),
        };
        match Images::open(&self.dirs).remove(id, names, &*workplace) {
            Ok(_) => Outcome::Removed,
            Err(error) => Outcome::Failed(chain(&error)),
        }
    }

    /// Removes what killed processes left behind, and says what that was.
    ///
    /// # Errors
    ///
    /// A store that cannot be listed.
    pub(super) fn sweep(
        &self,
        store: &Store,
        mode: SweepMode,
    ) -> Result<Vec<Checked>, EngineError> {
        let swept = store.sweep(mode)?;
        let done = match mode {
            SweepMode::Remove => Outcome::Removed,
            SweepMode::Report => Outcome::Found,
        };
        Ok(self.describe(swept, &done))
    }

    /// Removes the unfinished things of killed processes in passing: what stays is met again, and
    /// told by a check.
    pub(super) fn sweep_unfinished(&self, store: &Store) {
        if let Ok(swept) = store.sweep_unfinished_only() {
            self.remove_in_namespace(swept.need_namespace);
        }
    }

    fn describe(&self, swept: Swept, done: &Outcome) -> Vec<Checked> {
        let leftover = |text, outcome| Checked {
            text,
            severity: Severity::Leftover,
            outcome,
        };
        let unfinished =
            |path: &Path| format!("{}: left by a process that was killed", path.display());
        let mut checked = Vec::new();
        for path in &swept.removed {
            checked.push(leftover(unfinished(path), done.clone()));
        }
        for name in swept.names {
            let text = format!("name \"{name}\": no container has it");
            checked.push(leftover(text, done.clone()));
        }
        for (path, outcome) in self.remove_in_namespace(swept.need_namespace) {
            checked.push(leftover(unfinished(&path), outcome));
        }
        for error in swept.refused {
            let text = "something left by a process that was killed".to_owned();
            checked.push(leftover(text, Outcome::Failed(chain(&error))));
        }
        checked
    }

    /// Removes trees with files of other ids of the user's range.
    fn remove_in_namespace(&self, paths: Vec<PathBuf>) -> Vec<(PathBuf, Outcome)> {
        if paths.is_empty() {
            return Vec::new();
        }
        let answer = run_mapped(&holder_map(), &self.dirs.run_root, || remove_all(&paths));
        let words = match answer {
            Ok(words) => String::from_utf8_lossy(&words).into_owned(),
            Err(error) => {
                let failed = Outcome::Failed(chain(&error));
                return paths
                    .into_iter()
                    .map(|path| (path, failed.clone()))
                    .collect();
            }
        };
        let outcome = |line: &str| match line {
            "" => Outcome::Removed,
            reason => Outcome::Failed(reason.to_owned()),
        };
        // One line for each path, in their order.
        paths
            .into_iter()
            .zip(words.split('\n').map(outcome))
            .collect()
    }

    fn remove_damaged(&self, problem: &Problem, report: &dyn Report) -> Outcome {
        let Some(id) = problem.container() else {
            return Outcome::Found;
        };
        let options = RemoveOptions {
            running: Running::Kill,
            dependents: Dependents::Remove,
            ..RemoveOptions::default()
        };
        let removed = self.remove(&by_id(id), options, report);
        let error = match removed {
            Ok(items) => items.into_iter().find_map(|item| item.result.err()),
            Err(error) => Some(error),
        };
        error.map_or(Outcome::Removed, |error| Outcome::Failed(chain(&error)))
    }
}

pub(super) fn damage(text: String) -> Checked {
    Checked {
        text,
        severity: Severity::Damage,
        outcome: Outcome::Found,
    }
}

/// What a look at records found, or why there could be none.
fn told<E: Error + 'static>(looked: Result<Vec<E>, E>) -> impl Iterator<Item = String> {
    let found = looked.unwrap_or_else(|error| vec![error]);
    found.into_iter().map(|error| chain(&error))
}

/// The documents whose name is not their digest.
fn damaged_blobs(directory: &Path) -> Vec<Checked> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let check = |entry: fs::DirEntry| {
        let path = entry.path();
        let name = path.file_name()?.to_str()?;
        // Half-written ones have other names, and are swept.
        Digest::from_sha256_hex(name)?;
        let reason = match fs::read(&path) {
            Ok(bytes) if Digest::sha256(&bytes).hex() == name => return None,
            Ok(_) => "its digest is not its name".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(damage(format!("{}: {reason}", path.display())))
    };
    entries.filter_map(|entry| check(entry.ok()?)).collect()
}

fn by_id(id: &ContainerId) -> Selection {
    Selection {
        scope: Scope::Named,
        words: vec![id.to_string()],
        ..Selection::default()
    }
}

fn repair_one(store: &Store, problem: &Problem) -> Outcome {
    let Some(id) = problem.container() else {
        return Outcome::Found;
    };
    let repaired = store.lock(id).and_then(|_lock| store.repair(problem));
    match repaired {
        Ok(()) => Outcome::Repaired,
        Err(error) => Outcome::Failed(chain(&error)),
    }
}

/// Runs inside the user's namespace.
fn remove_all(paths: &[PathBuf]) -> Vec<u8> {
    let mut words = String::new();
    for path in paths {
        let reason = match remove_tree(path) {
            Ok(()) => String::new(),
            Err(error) => chain(&error).replace('\n', " "),
        };
        writeln!(words, "{reason}").expect("a string takes any text");
    }
    words.into_bytes()
}
