// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `update`: other limits for a container, at once where it runs, and what its next start is given.

use nix::libc;
use nix::unistd::geteuid;

use super::error::EngineError;
use super::health::{ChangeError, HealthChange};
use super::limits::{self, LimitError};
use super::selection::{Chosen, ItemResult, Selection};
use super::{Engine, cgroup};
use crate::monitor::protocol::{self, Request};
use crate::runtime::failure::StageFailure;
use crate::state::atomic::Durability;
use crate::state::health_log::Health;
use crate::state::id::ContainerId;
use crate::state::limits::Limits;
use crate::state::record::{ContainerRecord, Ulimit};
use crate::state::store::Store;
use crate::sys::Ignored;
use crate::sys::process::rlimit;

/// What becomes different; what is `None` or empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// What it may use of the machine.
    pub limits: Limits,
    /// How its health is told.
    pub health: HealthChange,
    /// The restart policy, as typed.
    pub restart: Option<String>,
    /// Variables of its next start.
    pub env: Vec<(String, String)>,
    /// Variables that its next start does not have.
    pub unset_env: Vec<String>,
    /// Limits of the processes of its next start.
    pub ulimits: Vec<Ulimit>,
}

impl Engine {
    /// Changes the containers of `selection`; the words of the results are full ids.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`]; [`EngineError::Update`] in the result of one that stays as it was.
    pub fn update(
        &self,
        selection: &Selection,
        changes: &Changes,
    ) -> Result<Vec<ItemResult>, EngineError> {
        let store = self.store()?;
        let mut results = Vec::new();
        for Chosen { typed, id } in self.select(selection)? {
            let typed = id.as_ref().map_or(typed, ToString::to_string);
            let result = id.and_then(|id| change(&store, &id, changes));
            results.push(ItemResult { typed, result });
        }
        Ok(results)
    }
}

fn change(store: &Store, id: &ContainerId, changes: &Changes) -> Result<(), EngineError> {
    let _lock = store.lock(id)?;
    let mut record = store.load(id)?;
    apply(&mut record, changes);
    let had_check = record.resolved.health.is_some();
    let refused = |error: ChangeError| EngineError::Update {
        id: id.clone(),
        source: StageFailure::setup(error.to_string()),
    };
    changes.health.apply(&mut record).map_err(refused)?;
    let failed = |error: LimitError| EngineError::Update {
        id: id.clone(),
        source: StageFailure::from(error),
    };
    limits::check(&record.request).map_err(failed)?;
    let (state, observed) = store.observe(id)?;
    if observed.is_up() && !changes.limits.is_empty() {
        cgroup::change(&state.cgroup_path, &record.id, &record.request).map_err(failed)?;
    }
    store.replace_record(&record, Durability::Synced)?;
    if observed.is_up() && changes.health != HealthChange::Keep {
        if !had_check {
            store.write_health(id, &Health::starting())?;
        }
        // A monitor that has just ended, or is older than this request, keeps its clock.
        protocol::command(&store.dirs().container_run(id), &Request::CheckAnew).ignored();
    }
    Ok(())
}

fn apply(record: &mut ContainerRecord, changes: &Changes) {
    record.request.limits.update(&changes.limits);
    if let Some(policy) = &changes.restart {
        record.request.restart = Some(policy.clone()).filter(|policy| !policy.is_empty());
    }
    for list in [&mut record.request.env, &mut record.resolved.env] {
        list.retain(|(name, _)| !changes.unset_env.contains(name));
        for (name, value) in &changes.env {
            match list.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => old.clone_from(value),
                None => list.push((name.clone(), value.clone())),
            }
        }
    }
    let ulimits: Vec<Ulimit> = changes.ulimits.iter().map(as_far_as_it_goes).collect();
    if changes.ulimits.iter().any(|limit| limit.name == "host") {
        record.request.ulimits.clone_from(&changes.ulimits);
        return;
    }
    let changed = |limit: &Ulimit| {
        let mut names = changes.ulimits.iter().map(|change| &change.name);
        limit.name == "host" || names.any(|name| *name == limit.name)
    };
    if !changes.ulimits.is_empty() {
        record.request.ulimits.retain(|limit| !changed(limit));
        record.request.ulimits.extend(ulimits);
    }
}

/// An ordinary user's unlimited is the hard limit of this process, as with podman.
fn as_far_as_it_goes(limit: &Ulimit) -> Ulimit {
    let resource = match limit.name.as_str() {
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        _ => return limit.clone(),
    };
    let most = match rlimit(resource) {
        Ok((_, hard)) if !geteuid().is_root() => hard,
        _ => return limit.clone(),
    };
    let reachable = |value: u64| if value == u64::MAX { most } else { value };
    Ulimit {
        name: limit.name.clone(),
        soft: reachable(limit.soft),
        hard: reachable(limit.hard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record::{ContainerRequest, Resolved};

    fn record() -> ContainerRecord {
        let env = vec![
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), "2".to_owned()),
        ];
        ContainerRecord {
            id: ContainerId::from_random(&[1; 32]),
            name: "web".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            request: ContainerRequest {
                env: env.clone(),
                ulimits: vec![limit("nofile", 5)],
                ..ContainerRequest::default()
            },
            resolved: Resolved {
                env,
                ..Resolved::default()
            },
        }
    }

    fn limit(name: &str, value: u64) -> Ulimit {
        Ulimit {
            name: name.to_owned(),
            soft: value,
            hard: value,
        }
    }

    #[test]
    fn what_is_named_changes() {
        let mut record = record();
        let changes = Changes {
            restart: Some("always".to_owned()),
            env: vec![
                ("A".to_owned(), "9".to_owned()),
                ("C".to_owned(), String::new()),
            ],
            unset_env: vec!["B".to_owned()],
            ulimits: vec![limit("nproc", 7), limit("nofile", 8)],
            ..Changes::default()
        };
        apply(&mut record, &changes);
        assert_eq!(record.request.restart.as_deref(), Some("always"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(record.resolved.env, [pair("A", "9"), pair("C", "")]);
        assert_eq!(
            record.request.ulimits,
            [limit("nproc", 7), limit("nofile", 8)]
        );
        let host = Changes {
            ulimits: vec![limit("host", 0)],
            ..Changes::default()
        };
        apply(&mut record, &host);
        assert_eq!(record.request.ulimits, [limit("host", 0)]);
        apply(&mut record, &Changes::default());
        assert_eq!(record.request.ulimits, [limit("host", 0)]);
    }
}
