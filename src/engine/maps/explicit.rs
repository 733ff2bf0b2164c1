// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--uidmap` and `--gidmap` as Podman reads them: `[+ug]CONTAINER:[@]PARENT[:SIZE]`, where PARENT
//! is an id of the holder (0 is the caller) or, after `@`, of the host. `+` puts an extent into
//! those before it; alone, the rest of the caller's ids is mapped around it. `u` and `g` say
//! which of the two maps is meant.

use super::MapError;
use crate::runtime::idmap::{IdMapping, IdMaps, is_mapped, slice};

/// Which of the two maps is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Uid,
    Gid,
}

/// The maps of `uids` and `gids` in terms of `parent`.
///
/// # Errors
///
/// [`MapError::Map`], [`MapError::OutOfReach`], [`MapError::Undelegated`].
pub(super) fn maps(uids: &[String], gids: &[String], parent: &IdMaps) -> Result<IdMaps, MapError> {
    // One of the two alone stands for both.
    let (uid_texts, gid_texts) = match (uids.is_empty(), gids.is_empty()) {
        (true, _) => (gids, gids),
        (_, true) => (uids, uids),
        _ => (uids, gids),
    };
    let uids = parse(uid_texts, Kind::Uid, &parent.uids)?;
    let gids = parse(gid_texts, Kind::Gid, &parent.gids)?;
    let full = |map: Vec<IdMapping>, parent: &[IdMapping]| {
        if map.is_empty() {
            fill(Vec::new(), parent)
        } else {
            map
        }
    };
    Ok(IdMaps {
        uids: full(uids, &parent.uids),
        gids: full(gids, &parent.gids),
    })
}

/// A map of the extents of `texts`, sorted by container ids.
pub(super) fn parse(
    texts: &[String],
    kind: Kind,
    parent: &[IdMapping],
) -> Result<Vec<IdMapping>, MapError> {
    let mut map: Vec<IdMapping> = Vec::new();
    let mut around = false;
    for text in texts {
        let spec = Spec::parse(text)?;
        if !spec.kinds.contains(&kind) {
            continue;
        }
        for extent in spec.extents(text, kind, parent)? {
            if spec.extends {
                around |= map.is_empty();
                map = map.iter().flat_map(|old| without(*old, extent)).collect();
            }
            map.push(extent);
        }
    }
    let map = if around { fill(map, parent) } else { map };
    // An extent must lie in one of the parent's (user_namespaces(7)).
    let within = |extent: IdMapping| slice(parent, extent.inside, extent.outside, extent.count);
    Ok(merged(map).into_iter().flat_map(within).collect())
}

/// One value of the flag.
struct Spec {
    extends: bool,
    kinds: Vec<Kind>,
    inside: u32,
    parent: Parent,
    count: u32,
}

enum Parent {
    OfHolder(u32),
    OfHost(u32),
}

impl Spec {
    fn parse(text: &str) -> Result<Self, MapError> {
        let bad = || MapError::Map(text.to_owned());
        let number = |part: &str| part.parse::<u32>().map_err(|_not_a_number| bad());
        let mut parts = text.split(':');
        let first = parts.next().unwrap_or_default();
        let digits = first.trim_start_matches(['+', 'u', 'g']);
        let flags = &first[..first.len() - digits.len()];
        let mut kinds = Vec::new();
        kinds.extend(flags.contains('u').then_some(Kind::Uid));
        kinds.extend(flags.contains('g').then_some(Kind::Gid));
        if kinds.is_empty() {
            kinds = vec![Kind::Uid, Kind::Gid];
        }
        let host = parts.next().ok_or_else(bad)?;
        let parent = match host.strip_prefix('@') {
            Some(real) => Parent::OfHost(number(real)?),
            None => Parent::OfHolder(number(host)?),
        };
        let count = parts.next().map_or(Ok(1), number)?;
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self {
            extends: flags.contains('+'),
            kinds,
            inside: number(digits)?,
            parent,
            count,
        })
    }

    /// In terms of the holder's ids: ids of the host may lie in several of its ranges.
    fn extents(
        &self,
        text: &str,
        kind: Kind,
        parent: &[IdMapping],
    ) -> Result<Vec<IdMapping>, MapError> {
        let mut list = Vec::new();
        let mut done = 0;
        while done < self.count {
            let (outside, room) = match self.parent {
                Parent::OfHolder(first) => (first, self.count),
                Parent::OfHost(first) => {
                    let id = first.saturating_add(done);
                    of_host(id, parent).ok_or(MapError::Undelegated {
                        kind: match kind {
                            Kind::Uid => "UID",
                            Kind::Gid => "GID",
                        },
                        id,
                    })?
                }
            };
            let count = room.min(self.count - done);
            let last = outside.checked_add(count - 1);
            let reached = |id: u32| is_mapped(parent, id);
            if !reached(outside) || !last.is_some_and(reached) {
                return Err(MapError::OutOfReach(text.to_owned()));
            }
            let inside = self.inside.checked_add(done);
            list.push(IdMapping {
                inside: inside.ok_or_else(|| MapError::Map(text.to_owned()))?,
                outside,
                count,
            });
            done += count;
        }
        Ok(list)
    }
}

/// The holder's id of the host's `id`, and how many follow it.
fn of_host(id: u32, parent: &[IdMapping]) -> Option<(u32, u32)> {
    let within = |extent: &&IdMapping| id.checked_sub(extent.outside) < Some(extent.count);
    let extent = parent
        .iter()
        .find(|extent| id >= extent.outside && within(extent))?;
    let offset = id - extent.outside;
    Some((extent.inside + offset, extent.count - offset))
}

/// What is left of `old` when `new` takes its ids, on either side.
fn without(old: IdMapping, new: IdMapping) -> Vec<IdMapping> {
    let place = |first: u32, start: u32| {
        let offset = i64::from(first) - i64::from(start);
        (offset, offset + i64::from(new.count))
    };
    let mut taken = [
        place(new.inside, old.inside),
        place(new.outside, old.outside),
    ];
    taken.sort_unstable();
    let end = i64::from(old.count);
    let mut list = Vec::new();
    let mut from = 0;
    for (start, stop) in taken.into_iter().chain([(end, end)]) {
        let until = start.clamp(from, end);
        let size = u32::try_from(until - from).unwrap_or(0);
        if let (1.., Ok(offset)) = (size, u32::try_from(from)) {
            list.push(IdMapping {
                inside: old.inside + offset,
                outside: old.outside + offset,
                count: size,
            });
        }
        from = from.max(stop.min(end));
    }
    list
}

/// Maps the ids of `parent` that `map` leaves out to the container's ids that it leaves out, in
/// their order.
pub(super) fn fill(mut map: Vec<IdMapping>, parent: &[IdMapping]) -> Vec<IdMapping> {
    map.sort_by_key(|extent| extent.inside);
    let mut free = free_ids(&map, parent).into_iter();
    let mut next = free.next();
    let mut filled = Vec::new();
    let mut inside = 0;
    let ends = map.iter().map(|extent| extent.inside).chain([u32::MAX]);
    for (place, end) in ends.enumerate() {
        while let Some((outside, room)) = next.filter(|_| inside < end) {
            let count = room.min(end - inside);
            filled.push(IdMapping {
                inside,
                outside,
                count,
            });
            inside += count;
            next = if count < room {
                Some((outside + count, room - count))
            } else {
                free.next()
            };
        }
        if let Some(extent) = map.get(place) {
            filled.push(*extent);
            inside = extent.inside.saturating_add(extent.count);
        }
    }
    filled
}

/// Ids of the parent that no extent of `map` has, as first and count.
pub(super) fn free_ids(map: &[IdMapping], parent: &[IdMapping]) -> Vec<(u32, u32)> {
    let mut used: Vec<&IdMapping> = map.iter().collect();
    used.sort_by_key(|extent| extent.outside);
    let mut free = Vec::new();
    for extent in parent {
        let end = extent.inside.saturating_add(extent.count);
        let mut from = extent.inside;
        for taken in &used {
            let start = taken.outside.clamp(from, end);
            if start > from {
                free.push((from, start - from));
            }
            from = from.max(taken.outside.saturating_add(taken.count).min(end));
        }
        if end > from {
            free.push((from, end - from));
        }
    }
    free
}

/// Extents that continue each other on both sides as one.
fn merged(mut map: Vec<IdMapping>) -> Vec<IdMapping> {
    map.sort_by_key(|extent| extent.inside);
    let mut list: Vec<IdMapping> = Vec::new();
    for extent in map {
        match list.last_mut() {
            Some(last)
                if last.inside + last.count == extent.inside
                    && last.outside + last.count == extent.outside =>
            {
                last.count += extent.count;
            }
            _ => list.push(extent),
        }
    }
    list
}
