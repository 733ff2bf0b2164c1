// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What keeps layers alive, and whether they still fit: the layers that containers name, and the
//! id maps that layers were unpacked under.

use std::collections::HashSet;
use std::io;

use serde::Deserialize;

use super::error::StorageError;
use super::layers::list;
use crate::state::atomic::read_document;
use crate::state::dirs::Dirs;

/// As much of a container's record as matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerLayers {
    resolved: ResolvedLayers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResolvedLayers {
    layers: Vec<String>,
}

/// The chain ids, digits only, that containers name.
pub(super) fn of_containers(dirs: &Dirs) -> Result<HashSet<String>, StorageError> {
    let mut named = HashSet::new();
    let listed = || StorageError::call("list containers");
    let mut containers = list(&dirs.containers()).map_err(listed())?;
    for store in list(&dirs.sharers()).map_err(listed())? {
        containers.extend(list(&store.join("containers")).map_err(listed())?);
    }
    for directory in containers {
        let path = directory.join("container.json");
        let bytes = match read_document(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(StorageError::file("read", &path))?,
        };
        let container: ContainerLayers = serde_json::from_slice(&bytes)
            .map_err(|source| StorageError::Damaged { path, source })?;
        let digits = |layer: &String| layer.rsplit(':').next().unwrap_or_default().to_owned();
        named.extend(container.resolved.layers.iter().map(digits));
    }
    Ok(named)
}

/// `inside outside count`.
type Extent = (u64, u64, u64);

/// Whether every id of the map `then` means the same under the map `now`. An empty `then` depends
/// on no map.
pub(super) fn id_map_holds(then: &str, now: &str) -> bool {
    if then.is_empty() || then == now {
        return true;
    }
    let (Some(then), Some(now)) = (parse(then), parse(now)) else {
        return false;
    };
    then.len() == now.len() && then.iter().zip(&now).all(|(then, now)| covers(now, then))
}

fn covers(now: &[Extent], then: &[Extent]) -> bool {
    then.iter().all(|&(inside, outside, count)| {
        now.iter().any(|&(first, base, length)| {
            inside >= first && inside + count <= first + length && inside - first + base == outside
        })
    })
}

/// Users and groups, apart by `;`, extents joined by `+`.
fn parse(map: &str) -> Option<Vec<Vec<Extent>>> {
    let extent = |text: &str| {
        let mut numbers = text.split(' ').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten().map(u64::from);
        Some((next()?, next()?, next()?))
    };
    let extents = |text: &str| text.split('+').map(extent).collect();
    map.split(';').map(extents).collect()
}

/// A map for a message: the subordinate ranges, as /etc/subuid writes them.
pub(super) fn show_id_map(map: &str) -> String {
    let Some(parts) = parse(map) else {
        return format!("{map:?}");
    };
    let users = parts.first().into_iter().flatten().skip(1);
    let ranges: Vec<_> = users
        .map(|(_, outside, count)| format!("{outside}:{count}"))
        .collect();
    if ranges.is_empty() {
        return "of one id".to_owned();
    }
    ranges.join(" and ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn layers_of_containers_kept_apart_are_in_use() {
        let room = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(room.path().join("data"), room.path().join("run"));
        let apart = room.path().join("apart");
        let container = apart.join("containers/x");
        fs::create_dir_all(&container).unwrap();
        fs::create_dir_all(dirs.sharers()).unwrap();
        let record = container.join("container.json");
        let bytes = br#"{"resolved": {"layers": ["sha256:ab"]}}"#;
        crate::state::atomic::write_new_file(
            &record,
            bytes,
            crate::state::atomic::Durability::Unsynced,
        )
        .unwrap();
        for (link, target) in [("a", &apart), ("b", &room.path().join("gone"))] {
            std::os::unix::fs::symlink(target, dirs.sharers().join(link)).unwrap();
        }
        assert_eq!(of_containers(&dirs).unwrap(), HashSet::from(["ab".into()]));
    }

    const THEN: &str = "0 1001 1+1 200000 65536;0 1001 1+1 200000 65536";

    #[test]
    fn a_map_may_grow_but_not_move() {
        for (now, holds) in [
            (THEN, true),
            ("0 1001 1+1 200000 131072;0 1001 1+1 200000 65536", true),
            (
                "0 1001 1+1 200000 65536+65537 400000 65536;0 1001 1+1 200000 65536",
                true,
            ),
            ("0 1001 1+1 200000 1000;0 1001 1+1 200000 65536", false),
            ("0 1001 1+1 300000 65536;0 1001 1+1 200000 65536", false),
            ("0 1001 1+1 200000 65536;0 1001 1+1 300000 65536", false),
            ("0 1001 1;0 1001 1", false),
            ("", false),
        ] {
            assert_eq!(id_map_holds(THEN, now), holds, "{now}");
            assert!(id_map_holds("", now));
        }
        assert_eq!(show_id_map(THEN), "200000:65536");
        assert_eq!(show_id_map("0 1002 1;0 1002 1"), "of one id");
    }
}
