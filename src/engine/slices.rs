// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ids of `--userns auto`: chosen when a container is made, kept in its record, and no other
//! such container's as long as it exists.

use super::Engine;
use super::create::CreateError;
use super::maps::auto::{self, Wish};
use crate::runtime::idmap::{HolderMap, IdMapping, IdMaps, Reach};
use crate::runtime::subid::{holder_map, ranges_of};
use crate::state::locks::{Contention, DirectoryLock};
use crate::state::record::{ContainerRecord, IdExtent, RecordedMaps};
use crate::state::store::Store;
use crate::sys::SysResult;

/// Held until the record is written: two containers that are made at once get different ids.
#[derive(Debug)]
pub(super) struct Reservation {
    _lock: Option<DirectoryLock>,
}

/// Whose ranges real root gives to containers, as with Podman, and the ids that nobody has where
/// there is no such account (systemd keeps those up to 1879048191 for containers of its own).
const OF_ROOT: &str = "containers";
const UNUSED: (u32, u32) = (1_900_000_000, 65_536 * 1024);

impl Engine {
    /// Chooses the ids of `record`, if they are to be chosen.
    pub(super) fn reserve_ids(
        &self,
        store: &Store,
        record: &mut ContainerRecord,
    ) -> Result<Option<Reservation>, CreateError> {
        if record.resolved.id_maps.is_some() {
            return Ok(None);
        }
        let mode = record.request.userns.as_deref().unwrap_or_default();
        let (Some(options), holder) = (mode.strip_prefix("auto"), holder_map()) else {
            return Ok(None);
        };
        // Where there is one id alone, the start says what is missing.
        if holder.reach == Reach::Single || !(options.is_empty() || options.starts_with(':')) {
            return Ok(None);
        }
        let wish = Wish::parse(options)?;
        let estimate = if wish.needs_estimate() {
            self.ids_of_image(record)?
        } else {
            0
        };
        let lock = lock(&self.dirs.containers()).map_err(CreateError::Reserve)?;
        let used = used(store)?;
        let maps = wish.maps(estimate, &used, (&free(&holder), &holder.maps))?;
        record.resolved.id_maps = Some(recorded(&maps));
        Ok(Some(Reservation { _lock: lock }))
    }

    /// What the image's own users and groups need, read without leaving its tree and at most so
    /// much of it (CVE-2024-9676).
    fn ids_of_image(&self, record: &ContainerRecord) -> Result<u32, CreateError> {
        let source = self.root_source(record)?;
        let (passwd, group) = (
            source.database("/etc/passwd"),
            source.database("/etc/group"),
        );
        Ok(auto::estimate(&passwd, &group, &record.resolved.user))
    }
}

fn lock(containers: &std::path::Path) -> SysResult<Option<DirectoryLock>> {
    DirectoryLock::take(containers, Contention::Wait)
}

/// The ids of every container that has some of its own. One that goes meanwhile frees them later.
fn used(store: &Store) -> Result<Vec<IdMaps>, CreateError> {
    let ids = store.list()?;
    let maps = ids.iter().filter_map(|id| {
        let record = store.load(id).ok()?;
        record.resolved.id_maps.as_ref().map(maps_of)
    });
    Ok(maps.collect())
}

/// The ids that containers may have, in the holder's terms.
fn free(holder: &HolderMap) -> IdMaps {
    let host = |ranges: Vec<(u32, u32)>| {
        let ranges = if ranges.is_empty() {
            vec![UNUSED]
        } else {
            ranges
        };
        let extent = |(first, count)| IdMapping {
            inside: first,
            outside: first,
            count,
        };
        ranges.into_iter().map(extent).collect()
    };
    match holder.reach {
        Reach::All => {
            let (uids, gids) = ranges_of(OF_ROOT);
            IdMaps {
                uids: host(uids),
                gids: host(gids),
            }
        }
        Reach::Ranges | Reach::Single => auto::subordinates(&holder.maps),
    }
}

fn recorded(maps: &IdMaps) -> RecordedMaps {
    let list = |extents: &[IdMapping]| -> Vec<IdExtent> {
        let extent = |e: &IdMapping| IdExtent(e.inside, e.outside, e.count);
        extents.iter().map(extent).collect()
    };
    RecordedMaps {
        uids: list(&maps.uids),
        gids: list(&maps.gids),
    }
}

/// The maps that a record holds.
pub(super) fn maps_of(recorded: &RecordedMaps) -> IdMaps {
    let list = |extents: &[IdExtent]| -> Vec<IdMapping> {
        let extent = |IdExtent(inside, outside, count): &IdExtent| IdMapping {
            inside: *inside,
            outside: *outside,
            count: *count,
        };
        extents.iter().map(extent).collect()
    };
    IdMaps {
        uids: list(&recorded.uids),
        gids: list(&recorded.gids),
    }
}
