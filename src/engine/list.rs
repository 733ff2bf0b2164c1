// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of containers: what `ps` shows. Whether a container runs is told from its state; the
//! record is only read of those that are shown.

use std::collections::BTreeMap;
use std::fs;

use super::error::EngineError;
use super::filter::{Candidate, FilterKeys, Filters, status_word};
use super::usage::{ContainerSizes, measure};
use super::{Engine, Report};
use crate::runtime::failure::chain;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::ContainerState;
use crate::state::store::{Ahead, Store};
use crate::state::summary::ContainerSummary;

/// Which containers are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListScope {
    /// Those that run.
    #[default]
    Running,
    /// All of them.
    All,
    /// The ones created last, in whatever state.
    Last(usize),
}

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Which containers are listed.
    pub scope: ListScope,
    /// `KEY=VALUE`, each.
    pub filters: Vec<String>,
    /// Whether their room on disk is measured.
    pub sizes: Sizes,
}

/// Whether the room that containers take is measured: every file of theirs is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sizes {
    /// It is not.
    #[default]
    Left,
    /// It is.
    Measured,
}

/// A container in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What it is.
    pub summary: Box<ContainerSummary>,
    /// What its last writer knew.
    pub state: Box<ContainerState>,
    /// What it is doing now.
    pub observed: Observed,
    /// How much room it takes, if that was asked for.
    pub sizes: Option<ContainerSizes>,
    /// Whose it is.
    pub origin: Origin,
    /// The name of its pod; empty without one.
    pub pod_name: String,
    /// What its checks say while it runs: `starting`, `healthy`, `unhealthy`; empty without any.
    pub health: String,
}

/// Whose a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Ours.
    Own,
    /// Another tool's: only its storage is there to be seen.
    External,
}

impl Listed {
    /// The state in podman's words: `running`, `exited`…
    pub fn status(&self) -> &'static str {
        match self.origin {
            Origin::Own => status_word(&self.state, self.observed),
            Origin::External => "storage",
        }
    }

    /// The host's process id of its first process; 0 when it has none here.
    pub fn pid(&self) -> i32 {
        match self.state.container {
            Some(process) if self.observed.is_up() => process.pid,
            _ => 0,
        }
    }

    /// The numbers of its namespaces by their names in /proc; none of one that does not run here.
    pub fn namespaces(&self) -> BTreeMap<&'static str, String> {
        let pid = self.pid();
        let numbers = NAMESPACES.iter().filter_map(|name| {
            let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?;
            let text = link.to_str()?;
            let number = text.split_once('[')?.1.strip_suffix(']')?;
            Some((*name, number.to_owned()))
        });
        if pid == 0 {
            return BTreeMap::new();
        }
        numbers.collect()
    }
}

const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

impl Engine {
    /// The containers that were asked for and that the filters let through, the one created first
    /// in front.
    ///
    /// A filter for a status makes it look at containers in every state.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and a store that cannot be read. A container that goes
    /// away meanwhile is left out; one whose record is damaged is told and left out.
    pub fn list_containers(
        &self,
        request: &ListRequest,
        report: &dyn Report,
    ) -> Result<Vec<Listed>, EngineError> {
        let store = self.store()?;
        let filters = Filters::parse(&store, &request.filters, FilterKeys::All)?;
        let running_only = request.scope == ListScope::Running && !filters.name_a_status();
        // The record of one that has ended is not looked at there.
        let documents = if running_only {
            Documents::States
        } else {
            Documents::Both
        };
        let wanted = |candidate: &Candidate<'_>| {
            let runs = || {
                let state = candidate.state();
                state.is_some_and(|(_, observed)| {
                    matches!(observed, Observed::Running | Observed::Restarting)
                })
            };
            (!running_only || runs()) && filters.let_through(candidate)
        };
        let Reading {
            mut listed,
            damaged,
        } = read(&store, &store.list()?, documents, &wanted);
        for error in damaged {
            report.warning(&chain(&error));
        }
        listed.sort_by(|one, other| {
            let (one, other) = (&one.summary, &other.summary);
            (one.created, &one.id).cmp(&(other.created, &other.id))
        });
        if let ListScope::Last(count) = request.scope {
            drop(listed.drain(..listed.len().saturating_sub(count)));
        }
        self.name_pods(&mut listed);
        if request.sizes == Sizes::Measured {
            for one in &mut listed {
                let layers = &one.summary.resolved.layers;
                one.sizes = Some(measure(&self.dirs, &one.summary.id, layers));
            }
        }
        Ok(listed)
    }
}

impl Engine {
    fn name_pods(&self, listed: &mut [Listed]) {
        let mut in_pods = listed
            .iter_mut()
            .filter(|one| one.summary.resolved.pod.is_some())
            .peekable();
        if in_pods.peek().is_none() {
            return;
        }
        let names = self.pod_names();
        for one in in_pods {
            let pod = one.summary.resolved.pod.as_ref();
            let name = pod.and_then(|pod| names.get(pod));
            one.pod_name = name.cloned().unwrap_or_default();
        }
    }
}

/// What is read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Documents {
    /// States and records.
    Both,
    /// States.
    States,
}

/// What was read: one damaged record must not hide the others.
#[derive(Debug, Default)]
struct Reading {
    listed: Vec<Listed>,
    damaged: Vec<StateError>,
}

/// Reads the wanted ones of `ids`.
fn read(
    store: &Store,
    ids: &[ContainerId],
    documents: Documents,
    wanted: &impl Fn(&Candidate<'_>) -> bool,
) -> Reading {
    let mut reading = Reading::default();
    let add = |id: &ContainerId, ahead: Ahead<'_>| {
        let candidate = Candidate::read(store, id.clone(), ahead);
        if wanted(&candidate) {
            reading.add(candidate);
        }
    };
    match documents {
        Documents::Both => store.read_ahead(ids, add),
        Documents::States => store.read_states_ahead(ids, add),
    }
    reading
}

impl Reading {
    fn add(&mut self, candidate: Candidate<'_>) {
        let health = candidate.health();
        match candidate.into_parts() {
            Ok(Some((summary, state, observed))) => self.listed.push(Listed {
                summary,
                state,
                observed,
                sizes: None,
                origin: Origin::Own,
                pod_name: String::new(),
                health,
            }),
            Ok(None) => {}
            Err(error) => self.damaged.push(error),
        }
    }
}
