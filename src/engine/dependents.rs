// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers live in namespaces of others, by `container:NAME` in their requests: those
//! others cannot be removed before them.

use std::collections::BTreeSet;
use std::fs;

use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::record::{ContainerRecord, ContainerRequest};
use crate::state::store::Store;

/// A container and those whose namespaces it shares.
pub(super) type Links = Vec<(ContainerId, Vec<ContainerId>)>;

/// All containers that share namespaces of others.
pub(super) fn links(store: &Store) -> Result<Links, StateError> {
    Ok(links_among(store, store.list()?))
}

/// Those that share namespaces of `id` itself, looked up now.
pub(super) fn of(store: &Store, id: &ContainerId) -> Result<Vec<ContainerId>, StateError> {
    let mut others = store.list()?;
    others.retain(|other| other != id);
    Ok(direct(&links_among(store, others), id))
}

fn links_among(store: &Store, ids: Vec<ContainerId>) -> Links {
    let mut links = Links::new();
    for id in ids {
        // One that goes away meanwhile, or cannot be read, depends on nobody.
        let Ok(bytes) = fs::read(store.record_path(&id)) else {
            continue;
        };
        if !mentions_container(&bytes) {
            continue;
        }
        let Ok(record) = serde_json::from_slice::<ContainerRecord>(&bytes) else {
            continue;
        };
        let names = shared_with(&record.request);
        let others: Vec<ContainerId> = names
            .iter()
            .filter_map(|name| store.resolve(name).ok())
            .collect();
        if !others.is_empty() {
            links.push((id, others));
        }
    }
    links
}

/// Those that share namespaces of `id` itself.
fn direct(links: &Links, id: &ContainerId) -> Vec<ContainerId> {
    links
        .iter()
        .filter(|(dependent, others)| dependent != id && others.contains(id))
        .map(|(dependent, _)| dependent.clone())
        .collect()
}

/// Those that share namespaces of `id`, and of those, and so on: the farthest first.
pub(super) fn transitive(links: &Links, id: &ContainerId) -> Vec<ContainerId> {
    let mut seen = BTreeSet::from([id.clone()]);
    let mut found = Vec::new();
    let mut waiting = vec![id.clone()];
    while let Some(next) = waiting.pop() {
        for dependent in direct(links, &next) {
            if seen.insert(dependent.clone()) {
                found.push(dependent.clone());
                waiting.push(dependent);
            }
        }
    }
    found.reverse();
    found
}

/// Most records do not, and need not be parsed to know.
fn mentions_container(record: &[u8]) -> bool {
    let needle = b"container:";
    record.windows(needle.len()).any(|window| window == needle)
}

/// Says `container:ID` where a request says `container:NAME`, which may be another's name later;
/// `find` knows whose it is now.
///
/// # Errors
///
/// What `find` says, with the kind of namespace.
pub(super) fn pin<E>(
    request: &mut ContainerRequest,
    find: impl Fn(&str) -> Result<ContainerId, E>,
) -> Result<(), (&'static str, E)> {
    let single = [
        ("pid", &mut request.pid),
        ("ipc", &mut request.ipc),
        ("uts", &mut request.uts),
        ("user", &mut request.userns),
        ("cgroup", &mut request.cgroupns),
    ];
    let networks = request.networks.iter_mut().map(|mode| ("net", mode));
    let single = single.into_iter();
    let single = single.filter_map(|(kind, mode)| Some((kind, mode.as_mut()?)));
    for (kind, mode) in single.chain(networks) {
        if let Some(name) = mode.strip_prefix("container:") {
            let id = find(name).map_err(|error| (kind, error))?;
            *mode = format!("container:{id}");
        }
    }
    Ok(())
}

/// The names in `container:NAME` of a request.
fn shared_with(request: &ContainerRequest) -> Vec<String> {
    let single = [&request.pid, &request.ipc, &request.uts, &request.userns];
    single
        .into_iter()
        .flatten()
        .chain(&request.cgroupns)
        .chain(&request.networks)
        .filter_map(|value| value.strip_prefix("container:"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ContainerId {
        ContainerId::from_random(&[byte; 32])
    }

    #[test]
    fn dependents_of_dependents_come_first() {
        let links = vec![
            (id(2), vec![id(1)]),
            (id(3), vec![id(2)]),
            (id(4), vec![id(9)]),
        ];
        assert_eq!(direct(&links, &id(1)), [id(2)]);
        assert_eq!(transitive(&links, &id(1)), [id(3), id(2)]);
        assert!(transitive(&links, &id(3)).is_empty());
    }

    #[test]
    fn every_namespace_counts() {
        let request = ContainerRequest {
            pid: Some("container:a".into()),
            ipc: Some("shareable".into()),
            networks: vec!["container:b".into(), "none".into()],
            ..ContainerRequest::default()
        };
        assert_eq!(shared_with(&request), ["a", "b"]);
        let mut pinned = request.clone();
        pin(&mut pinned, |_| Ok::<_, ()>(id(1))).unwrap();
        assert_eq!(shared_with(&pinned), [id(1).as_str(), id(1).as_str()]);
        let find = |name: &str| {
            if name == "a" {
                Ok(id(1))
            } else {
                Err(name.len())
            }
        };
        assert_eq!(pin(&mut request.clone(), find), Err(("net", 1)));
        assert!(mentions_container(br#"{"pid":"container:a"}"#));
        assert!(!mentions_container(br#"{"pid":"host"}"#));
    }
}
