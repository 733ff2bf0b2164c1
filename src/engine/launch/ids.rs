// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ids of a container that is started.

use super::error::PrepareError;
use crate::engine::maps::{self, Caller, ContainerIds, container_ids};
use crate::engine::namespaces::{NamespaceError, Namespaces};
use crate::engine::root_source::RootSource;
use crate::engine::{Report, slices};
use crate::runtime::idmap::{HolderMap, Reach};
use crate::runtime::{user, userns};
use crate::state::record::ContainerRecord;

/// The ids of the container of `record`. Who joins namespaces of another lives in that one's user
/// namespace, and has its ids.
pub(super) fn of(
    record: &ContainerRecord,
    namespaces: &Namespaces,
    (holder, caller): (&HolderMap, &Caller),
    source: &RootSource,
    report: &dyn Report,
) -> Result<ContainerIds, PrepareError> {
    let Some((donor, pid)) = &namespaces.joined else {
        return own(record, (holder, caller), source);
    };
    let read = userns::maps_of(*pid).map_err(|source| NamespaceError::Maps {
        id: donor.clone(),
        source,
    })?;
    let maps = read.below(&holder.maps);
    let Some(asked) = maps::asked(&record.request) else {
        return Ok(ContainerIds { maps, kept: None });
    };
    let own = own(record, (holder, caller), source)?;
    if own.maps.is_same(&maps) {
        return Ok(own);
    }
    report.warning(&format!(
        "{asked} does not hold for {}: who joins a namespace of a container has its user namespace, \
         and its ids",
        record.name
    ));
    Ok(ContainerIds { maps, kept: None })
}

fn own(
    record: &ContainerRecord,
    (holder, caller): (&HolderMap, &Caller),
    source: &RootSource,
) -> Result<ContainerIds, PrepareError> {
    if let Some(recorded) = &record.resolved.id_maps {
        return Ok(ContainerIds {
            maps: slices::maps_of(recorded),
            kept: None,
        });
    }
    let single = single_identity(record, holder, source)?;
    Ok(container_ids(&record.request, holder, caller, single)?)
}

/// With one mappable id it is the one of the program, found before the fork: the map must name it.
fn single_identity(
    record: &ContainerRecord,
    holder: &HolderMap,
    source: &RootSource,
) -> Result<(u32, u32), PrepareError> {
    let text = &record.resolved.user;
    if text.is_empty() || holder.reach != Reach::Single {
        return Ok((0, 0));
    }
    let (passwd, group) = (
        source.database("/etc/passwd"),
        source.database("/etc/group"),
    );
    let identity = user::resolve(text, &[], &passwd, &group)?;
    Ok((identity.uid, identity.gid))
}
