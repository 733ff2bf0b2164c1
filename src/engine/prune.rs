// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `prune`: what is not in use goes.

use std::collections::BTreeMap;

use super::error::EngineError;
use super::filter::{Candidate, FilterKeys, Filters};
use super::remove::RemoveOptions;
use super::selection::{ItemResult, Scope, Selection};
use super::usage::{measure, tree_bytes};
use super::{Engine, Report};
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::PodRole;
use crate::state::sweep::SweepMode;
use crate::storage::Artifacts;

/// One thing that was to be removed.
#[derive(Debug)]
pub struct Pruned {
    /// Its id.
    pub id: String,
    /// How much room it took.
    pub size_bytes: u64,
    /// Whether it is gone.
    pub result: Result<(), EngineError>,
}

impl Engine {
    /// Removes every container that does not run and that the filters let through.
    ///
    /// One that somebody starts meanwhile stays, and is not in the result.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and a store that cannot be read.
    pub fn prune_containers(
        &self,
        filters: &[String],
        report: &dyn Report,
    ) -> Result<Vec<Pruned>, EngineError> {
        let mut sizes = self.prunable(filters)?;
        let mut pruned = Vec::new();
        // Containers whose namespaces others share go after those others.
        while !sizes.is_empty() {
            let before = sizes.len();
            let selection = Selection {
                scope: Scope::Named,
                words: sizes.keys().map(ToString::to_string).collect(),
                ..Selection::default()
            };
            let mut waiting = BTreeMap::new();
            for (id, result) in by_container(self.remove(&selection, removal(), report)?) {
                let size_bytes = sizes.remove(&id).unwrap_or_default();
                match result {
                    Err(EngineError::HasDependents { .. }) => drop(waiting.insert(id, size_bytes)),
                    Err(EngineError::NotRemovable { .. }) => {}
                    result => pruned.push(Pruned {
                        id: id.to_string(),
                        size_bytes,
                        result,
                    }),
                }
            }
            // Those that a running container needs stay.
            if waiting.len() == before {
                break;
            }
            sizes = waiting;
        }
        Ok(pruned)
    }

    /// Removes what killed processes left behind; the result is how many bytes of the caller's
    /// own files went with it.
    ///
    /// # Errors
    ///
    /// A store that cannot be listed.
    pub fn prune_leftovers(&self) -> Result<u64, EngineError> {
        let store = self.store()?;
        let unfinished = || tree_bytes(self.dirs.tmp());
        let before = unfinished();
        self.sweep(&store, SweepMode::Remove)?;
        store.discard_spares();
        let artifacts = Artifacts::open(&self.dirs);
        let superfluous = artifacts.disk_bytes().map_or(0, |(_, bytes)| bytes);
        // What stays is met again, and told by a check.
        let collected = artifacts.collect().map_or(0, |()| superfluous);
        Ok(before.saturating_sub(unfinished()) + collected)
    }

    /// The containers that do not run, with the room that they take.
    fn prunable(&self, filters: &[String]) -> Result<BTreeMap<ContainerId, u64>, EngineError> {
        let store = self.store()?;
        let filters = Filters::parse(&store, filters, FilterKeys::Prune)?;
        let mut prunable = BTreeMap::new();
        for id in store.list()? {
            let candidate = Candidate::new(&store, id.clone());
            let ended = candidate
                .state()
                .is_some_and(|(_, observed)| match observed {
                    Observed::Created | Observed::Exited | Observed::Lost(_) => true,
                    Observed::Running
                    | Observed::Paused
                    | Observed::Restarting
                    | Observed::Elsewhere => false,
                });
            let infra = candidate
                .summary()
                .is_some_and(|summary| summary.resolved.role == PodRole::Infra);
            // An infra container goes with its pod.
            if ended && !infra && filters.let_through(&candidate) {
                let size = measure(&self.dirs, &id, &[]).own_bytes;
                prunable.insert(id, size);
            }
        }
        Ok(prunable)
    }
}

/// What runs is refused, and so is what others need.
fn removal() -> RemoveOptions {
    RemoveOptions::default()
}

/// A container may be in the results twice: once removed, once with files that stayed.
fn by_container(items: Vec<ItemResult>) -> BTreeMap<ContainerId, Result<(), EngineError>> {
    let mut results = BTreeMap::new();
    for item in items {
        let Some(id) = ContainerId::parse(&item.typed) else {
            continue;
        };
        if item.result.is_err() || !results.contains_key(&id) {
            results.insert(id, item.result);
        }
    }
    results
}
