// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rm`: a container's record, files and name, gone together. With force it is killed first; what
//! a killed monitor left is ended on the way.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::ending::{self, After, Grace, Request};
use super::error::EngineError;
use super::selection::{Chosen, ItemResult, Missing, Scope, Selection};
use super::{Engine, Report, cgroup, dependents, pod, recovery, volume};
use crate::runtime::apart::run_mapped;
use crate::runtime::subid::holder_map;
use crate::state::StateError;
use crate::state::dirs::Dirs;
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerRecord, ContainerState};
use crate::state::store::{ContainerLock, Store};
use crate::state::tree::remove_tree;
use crate::state::volumes::Volumes;
use crate::sys::fdpass::close_later;
use crate::sys::steps::step;

/// How often a container may be started again while it is removed by force.
const ATTEMPTS: u32 = 20;

/// How `rm` removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// What becomes of running containers.
    pub running: Running,
    /// What becomes of containers that share namespaces of the removed ones.
    pub dependents: Dependents,
    /// What becomes of volumes that were made for one container.
    pub volumes: OwnVolumes,
}

/// What becomes of volumes without a name of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OwnVolumes {
    /// They stay, but for those of a container of `--rm`.
    #[default]
    Keep,
    /// They go with the container, unless another one uses them.
    Remove,
}

/// What becomes of running containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Running {
    /// They are refused.
    #[default]
    Refuse,
    /// They are killed at once.
    Kill,
    /// They are stopped, and killed after the grace.
    Stop(Grace),
}

/// What becomes of containers that share namespaces of the removed ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dependents {
    /// They keep the others from being removed.
    #[default]
    Refuse,
    /// They are removed too.
    Remove,
}

/// What goes last, when the containers are gone already.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Files of other ids of the user's range, removed all in one stay in the user's namespace.
    files: Vec<(ContainerId, PathBuf)>,
    /// Overlays of containers that ran: see [`ending::Ending::take_root`].
    roots: Vec<(ContainerId, OwnedFd)>,
}

impl Engine {
    /// Removes the containers of `selection`. One that somebody else removes meanwhile is no
    /// error.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; what goes wrong with one container is in its result.
    pub fn remove(
        &self,
        selection: &Selection,
        options: RemoveOptions,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let (selection, external) = self.remove_external(&store, selection, options.running);
        let Some(selection) = selection else {
            return Ok(external);
        };
        let chosen = self.select(&selection)?;
        let (chosen, pods) = pod::keep_infra(&store, chosen, options.dependents)?;
        let mut results = self.remove_chosen(&store, chosen, options, report)?;
        self.drop_empty_pods(&pods)?;
        results.extend(external);
        Ok(results)
    }

    /// As [`Engine::remove`], infra containers among them.
    pub(super) fn remove_containers(
        &self,
        selection: &Selection,
        options: RemoveOptions,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let chosen = self.select(selection)?;
        self.remove_chosen(&self.store()?, chosen, options, report)
    }

    /// Removes the containers that use something which is to go by force, and what depends on
    /// them.
    pub(super) fn remove_users(
        &self,
        users: &[ContainerId],
        running: Running,
        report: &dyn Report,
    ) -> Result<(), EngineError> {
        let selection = Selection {
            scope: Scope::Named,
            words: users.iter().map(ToString::to_string).collect(),
            filters: Vec::new(),
            missing: Missing::Ignore,
        };
        let options = RemoveOptions {
            running,
            dependents: Dependents::Remove,
            ..RemoveOptions::default()
        };
        let removed = self.remove(&selection, options, report)?;
        removed.into_iter().try_for_each(|item| item.result)
    }

    fn remove_chosen(
        &self,
        store: &Store,
        chosen: Vec<Chosen>,
        options: RemoveOptions,
        report: &dyn Report,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let mut chosen = chosen;
        if options.dependents == Dependents::Remove {
            chosen = with_dependents(store, chosen)?;
        }
        let mut leftovers = Leftovers {
            roots: end_all(store, &chosen, options.running, report),
            ..Leftovers::default()
        };
        let mut results: Vec<ItemResult> = chosen
            .into_iter()
            .map(|Chosen { typed, id }| ItemResult {
                result: id
                    .map_err(nothing_to_remove)
                    .and_then(|id| remove_one(store, &id, options, &mut leftovers, report)),
                typed,
            })
            .collect();
        let roots = std::mem::take(&mut leftovers.roots);
        results.extend(leftovers.remove(&self.dirs));
        for (id, root) in roots {
            // One that is still there may be started the next moment, over the same directories.
            if !store.exists(&id) {
                close_later(root);
            }
        }
        self.sweep_unfinished(store);
        Ok(results)
    }
}

impl Running {
    /// How a running container is ended; `None` where it is refused. A record that cannot be read
    /// must not keep its container from being removed.
    fn request(self, record: Option<&ContainerRecord>) -> Option<Request> {
        match (self, record) {
            (Self::Refuse, _) => None,
            (Self::Stop(grace), Some(record)) => {
                Some(Request::stop(&record.resolved, None, Some(grace)))
            }
            (Self::Kill, _) | (Self::Stop(_), None) => Some(Request::Kill),
        }
    }
}

/// `rm` words a missing container in its own way.
fn nothing_to_remove(error: EngineError) -> EngineError {
    match error {
        EngineError::State(StateError::NoSuchContainer { name }) => {
            EngineError::NothingToRemove { name }
        }
        other => other,
    }
}

/// Those that share namespaces come before the ones whose namespaces they share.
fn with_dependents(store: &Store, chosen: Vec<Chosen>) -> Result<Vec<Chosen>, EngineError> {
    let links = dependents::links(store)?;
    let mut all = Vec::new();
    for one in chosen {
        if let Ok(id) = &one.id {
            let dependents = dependents::transitive(&links, id);
            all.extend(dependents.into_iter().map(|id| Chosen {
                typed: id.to_string(),
                id: Ok(id),
            }));
        }
        all.push(one);
    }
    keep_named_once(&mut all);
    Ok(all)
}

/// A dependent that was named itself keeps its first place and the word that named it.
fn keep_named_once(all: &mut Vec<Chosen>) {
    let mut kept: Vec<Chosen> = Vec::new();
    for one in all.drain(..) {
        let same = |other: &&mut Chosen| matches!((&one.id, &other.id), (Ok(left), Ok(right)) if left == right);
        match kept.iter_mut().find(same) {
            Some(first) => first.typed = one.typed,
            None => kept.push(one),
        }
    }
    *all = kept;
}

/// Ends all of them at the same time, infra containers after the others; what fails is met again,
/// and told, when each is removed. The value is what outlives them.
fn end_all(
    store: &Store,
    chosen: &[Chosen],
    running: Running,
    report: &dyn Report,
) -> Vec<(ContainerId, OwnedFd)> {
    let mut roots = Vec::new();
    if running == Running::Refuse {
        return roots;
    }
    let ids = chosen.iter().filter_map(|one| one.id.as_ref().ok());
    let (infra, others): (Vec<_>, Vec<_>) = ids.partition(|id| pod::is_infra(store, id));
    for group in [others, infra] {
        let endings = group.into_iter();
        let endings = endings.filter_map(|id| begin(store, id, running, report).ok().flatten());
        let mut endings: Vec<_> = endings.collect();
        roots.extend(endings.iter_mut().filter_map(ending::Ending::take_root));
        drop(ending::finish(store, endings, report));
    }
    roots
}

fn begin(
    store: &Store,
    id: &ContainerId,
    running: Running,
    report: &dyn Report,
) -> Result<Option<ending::Ending>, EngineError> {
    let record = store.load(id).ok();
    let name = record.as_ref().map_or(id.short(), |record| &record.name);
    let after = match &record {
        Some(record) if !record.request.auto_remove => After::Removal,
        // With `--rm` nothing is synced.
        _ => After::Nothing,
    };
    match running.request(record.as_ref()) {
        Some(request) => ending::begin(store, (id, name), request, after, report),
        None => Ok(None),
    }
}

fn remove_one(
    store: &Store,
    id: &ContainerId,
    options: RemoveOptions,
    leftovers: &mut Leftovers,
    report: &dyn Report,
) -> Result<(), EngineError> {
    step(|| format!("remove container {id}"));
    for _ in 0..ATTEMPTS {
        let lock = match store.lock(id) {
            Err(StateError::NoSuchContainer { .. }) => return Ok(()),
            lock => lock?,
        };
        let (state, observed) = store.observe(id)?;
        match observed {
            Observed::Created | Observed::Exited => {
                return remove_unless_needed(store, &lock, id, options.volumes, leftovers);
            }
            Observed::Lost(loss) => {
                recovery::settle(store, &lock, id, (state, loss), report)?;
                return remove_unless_needed(store, &lock, id, options.volumes, leftovers);
            }
            Observed::Elsewhere => return Err(ending::elsewhere(id, &state)),
            Observed::Running | Observed::Paused | Observed::Restarting => {}
        }
        if options.running == Running::Refuse {
            return Err(EngineError::NotRemovable {
                id: id.clone(),
                status: status_word(&state, observed),
            });
        }
        drop(lock);
        let ending = begin(store, id, options.running, report)?;
        ending::finish(store, ending.into_iter().collect(), report)
            .into_iter()
            .collect::<Result<(), _>>()?;
    }
    Err(EngineError::KeepsStarting { id: id.clone() })
}

fn status_word(state: &ContainerState, observed: Observed) -> &'static str {
    match observed {
        Observed::Running if state.is_stopping() => "stopping",
        Observed::Paused => "paused",
        Observed::Restarting => "restarting",
        Observed::Running
        | Observed::Created
        | Observed::Exited
        | Observed::Lost(_)
        | Observed::Elsewhere => "running",
    }
}

fn remove_unless_needed(
    store: &Store,
    lock: &ContainerLock,
    id: &ContainerId,
    volumes: OwnVolumes,
    leftovers: &mut Leftovers,
) -> Result<(), EngineError> {
    let dependents = dependents::of(store, id)?;
    if !dependents.is_empty() {
        return Err(EngineError::HasDependents {
            id: id.clone(),
            dependents,
        });
    }
    remove_with(store, lock, id, volumes, leftovers)
}

/// Removes a container of which nothing runs. What is left for the user's namespace is added to
/// `leftovers`.
pub(super) fn remove_ended(
    store: &Store,
    lock: &ContainerLock,
    id: &ContainerId,
    leftovers: &mut Leftovers,
) -> Result<(), EngineError> {
    remove_with(store, lock, id, OwnVolumes::Keep, leftovers)
}

fn remove_with(
    store: &Store,
    _lock: &ContainerLock,
    id: &ContainerId,
    volumes: OwnVolumes,
    leftovers: &mut Leftovers,
) -> Result<(), EngineError> {
    let record = store.load(id).ok();
    // Sockets and mount points of a run that is over; the next boot clears what stays.
    drop(remove_tree(&store.dirs().container_run(id)));
    let state = store.read_state(id).unwrap_or_default();
    if state.cgroup_path.is_empty() {
        cgroup::discard(id, record.as_ref(), store.dirs());
    }
    let is_mounted = leftovers.roots.iter().any(|(mounted, _)| mounted == id);
    let removed = if is_mounted {
        store.remove_mounted(id)
    } else {
        store.remove(id)
    };
    match removed {
        Ok(()) | Err(StateError::NoSuchContainer { .. }) => {}
        Err(StateError::NeedsNamespace { path }) => leftovers.files.push((id.clone(), path)),
        Err(error) => return Err(error.into()),
    }
    let removed = record.as_ref().map(|record| Event {
        exit_code: state.exit_code,
        ..Event::of_container(record, Action::Remove)
    });
    store.dirs().events.write(removed.as_slice());
    let goes =
        |record: &&ContainerRecord| volumes == OwnVolumes::Remove || record.request.auto_remove;
    if let Some(record) = record.as_ref().filter(goes) {
        let left = volume::remove_files(store, &Volumes::open(store.dirs()), record);
        leftovers
            .files
            .extend(left.into_iter().map(|path| (id.clone(), path)));
    }
    if let Some(record) = &record {
        remove_id_file(record);
    }
    Ok(())
}

/// Removes the file that speaks of a container which is no more; it may be in somebody else's
/// directory, and another container's by now.
pub(super) fn remove_id_file(record: &ContainerRecord) {
    if let Some(path) = &record.request.cidfile
        && fs::read_to_string(path).is_ok_and(|text| text.trim() == record.id.as_str())
    {
        drop(fs::remove_file(path));
    }
}

impl Leftovers {
    /// Removes the files inside the user's namespace; the results are those that failed.
    pub(super) fn remove(self, dirs: &Dirs) -> Vec<ItemResult> {
        let Some((first, _)) = self.files.first() else {
            return Vec::new();
        };
        let first = first.clone();
        let failed = |id: ContainerId, error| ItemResult {
            typed: id.to_string(),
            result: Err(error),
        };
        let answer = run_mapped(&holder_map(), &dirs.run_root, || remove_mapped(&self.files));
        let words = match answer {
            Ok(words) => String::from_utf8_lossy(&words).into_owned(),
            Err(source) => {
                return vec![failed(
                    first.clone(),
                    EngineError::Userns { id: first, source },
                )];
            }
        };
        let reason_of = |line: &str| {
            let (id, reason) = line.split_once(' ')?;
            let id = ContainerId::parse(id)?;
            let reason = reason.to_owned();
            Some(failed(id.clone(), EngineError::Files { id, reason }))
        };
        words.lines().filter_map(reason_of).collect()
    }
}

/// Runs inside the user's namespace: one line for each tree that could not be removed.
fn remove_mapped(leftovers: &[(ContainerId, PathBuf)]) -> Vec<u8> {
    let mut words = String::new();
    for (id, path) in leftovers {
        if let Err(error) = remove_tree(path) {
            let reason = crate::runtime::failure::chain(&error).replace('\n', " ");
            writeln!(words, "{id} {reason}").expect("a string takes any text");
        }
    }
    words.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(typed: &str, byte: u8) -> Chosen {
        Chosen {
            typed: typed.to_owned(),
            id: Ok(ContainerId::from_random(&[byte; 32])),
        }
    }

    #[test]
    fn a_dependent_that_was_named_is_removed_once_and_called_as_typed() {
        let mut all = vec![chosen("0202", 2), chosen("base", 1), chosen("user", 2)];
        keep_named_once(&mut all);
        let typed: Vec<&str> = all.iter().map(|one| one.typed.as_str()).collect();
        assert_eq!(typed, ["user", "base"]);
    }
}
