// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Id maps as data: the map of the user's holder namespace, and of each container within it.
//!
//! In the holder id 0 is the user and ids 1 to N are the user's subordinate ids, in the order of
//! /etc/subuid. A container's map is written in terms of the holder's ids, and every extent of it
//! must lie inside one extent of the holder's (user_namespaces(7)).

use oci_spec::runtime::LinuxIdMapping;

/// One extent of uid_map(5): `inside outside count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMapping {
    /// First id inside the namespace.
    pub inside: u32,
    /// First id in the parent namespace.
    pub outside: u32,
    /// Number of ids.
    pub count: u32,
}

impl From<&LinuxIdMapping> for IdMapping {
    fn from(mapping: &LinuxIdMapping) -> Self {
        Self {
            inside: mapping.container_id(),
            outside: mapping.host_id(),
            count: mapping.size(),
        }
    }
}

impl IdMaps {
    /// What a spec says; nothing is no ids.
    pub fn of_spec(uids: Option<&Vec<LinuxIdMapping>>, gids: Option<&Vec<LinuxIdMapping>>) -> Self {
        let list = |list: Option<&Vec<LinuxIdMapping>>| {
            list.into_iter().flatten().map(IdMapping::from).collect()
        };
        Self {
            uids: list(uids),
            gids: list(gids),
        }
    }
}

/// User and group map of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMaps {
    /// The user ids.
    pub uids: Vec<IdMapping>,
    /// The group ids.
    pub gids: Vec<IdMapping>,
}

/// How many ids the caller may map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Real root: every id that the caller's own namespace has.
    All,
    /// The caller's id and subordinate ranges, written by newuidmap and newgidmap.
    Ranges,
    /// The caller's id alone, written directly; setgroups(2) stays denied.
    Single,
}

/// Whether setgroups(2) can work in a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setgroups {
    /// It can.
    Allowed,
    /// The map was written without privilege, here or further out.
    Denied,
}

/// The map of the holder namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderMap {
    /// How it is written.
    pub reach: Reach,
    /// In terms of the caller's own namespace.
    pub maps: IdMaps,
}

impl HolderMap {
    /// The map of a caller with the user id `uid`, the group id `gid` and these subordinate
    /// ranges (`(first, count)`).
    pub fn of_user(uid: u32, gid: u32, uids: &[(u32, u32)], gids: &[(u32, u32)]) -> Self {
        let reach = if uids.is_empty() || gids.is_empty() {
            Reach::Single
        } else {
            Reach::Ranges
        };
        let (uids, gids) = match reach {
            Reach::Single => (&[][..], &[][..]),
            Reach::Ranges | Reach::All => (uids, gids),
        };
        Self {
            reach,
            maps: IdMaps {
                uids: stacked(uid, uids),
                gids: stacked(gid, gids),
            },
        }
    }

    /// The identity map of real root over the extents of its own namespace. Where that has root
    /// alone, as after `unshare -r`, this is a user with one id.
    pub fn of_root(uids: &[IdMapping], gids: &[IdMapping], setgroups: Setgroups) -> Self {
        let only_root =
            |extents: &[IdMapping]| matches!(extents, [one] if one.inside == 0 && one.count == 1);
        if setgroups == Setgroups::Denied && only_root(uids) && only_root(gids) {
            return Self::of_user(0, 0, &[], &[]);
        }
        let identity = |extents: &[IdMapping]| {
            extents
                .iter()
                .map(|extent| IdMapping {
                    outside: extent.inside,
                    ..*extent
                })
                .collect()
        };
        Self {
            reach: Reach::All,
            maps: IdMaps {
                uids: identity(uids),
                gids: identity(gids),
            },
        }
    }

    /// One word that changes when the map does, to notice an edited /etc/subuid.
    pub fn fingerprint(&self) -> String {
        self.maps.fingerprint()
    }
}

fn stacked(own: u32, ranges: &[(u32, u32)]) -> Vec<IdMapping> {
    let mut mappings = vec![IdMapping {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut inside = 1;
    for &(first, count) in ranges {
        mappings.push(IdMapping {
            inside,
            outside: first,
            count,
        });
        inside += count;
    }
    mappings
}

impl IdMaps {
    /// Every id of `parent` under its own number: the default map of a container.
    pub fn identity_of(parent: &Self) -> Self {
        let identity = |extents: &[IdMapping]| {
            extents
                .iter()
                .map(|extent| IdMapping {
                    outside: extent.inside,
                    ..*extent
                })
                .collect()
        };
        Self {
            uids: identity(&parent.uids),
            gids: identity(&parent.gids),
        }
    }

    /// One id pair alone: `uid` and `gid` inside are the caller.
    pub fn single(uid: u32, gid: u32) -> Self {
        Self {
            uids: vec![IdMapping {
                inside: uid,
                outside: 0,
                count: 1,
            }],
            gids: vec![IdMapping {
                inside: gid,
                outside: 0,
                count: 1,
            }],
        }
    }

    /// `--userns keep-id`: the caller keeps `uid` and `gid` inside, the ids below and above them
    /// are subordinate ids.
    /// At most `size` ids are mapped.
    pub fn keep_id(parent: &Self, (uid, gid): (u32, u32), size: u32) -> Self {
        Self {
            uids: kept(&parent.uids, uid, size),
            gids: kept(&parent.gids, gid, size),
        }
    }

    /// `--userns nomap`: the caller's own id is not mapped.
    pub fn no_map(parent: &Self) -> Self {
        let shifted = |extents: &[IdMapping]| slice(extents, 0, 1, u32::MAX);
        Self {
            uids: shifted(&parent.uids),
            gids: shifted(&parent.gids),
        }
    }

    /// A slice of `count` subordinate ids from the holder's id `first` on, seen as ids from 0.
    pub fn slice_of(parent: &Self, first: u32, count: u32) -> Self {
        Self {
            uids: slice(&parent.uids, 0, first, count),
            gids: slice(&parent.gids, 0, first, count),
        }
    }

    /// The same map in the ids of `parent`, where both are in those that `parent` leads to: as the
    /// kernel shows the map of a namespace that is below another to who is above both.
    #[must_use]
    pub fn below(&self, parent: &Self) -> Self {
        Self {
            uids: below(&self.uids, &parent.uids),
            gids: below(&self.gids, &parent.gids),
        }
    }

    /// Whether the two map the same ids, in whatever extents and order.
    pub fn is_same(&self, other: &Self) -> bool {
        joined(&self.uids) == joined(&other.uids) && joined(&self.gids) == joined(&other.gids)
    }

    /// Whether the caller, id 0 of the holder, is one of the mapped ids. Files of others the
    /// container's root cannot reach by its rights.
    pub fn hold_caller(&self) -> bool {
        let held = |extents: &[IdMapping]| extents.iter().any(|extent| extent.outside == 0);
        held(&self.uids) && held(&self.gids)
    }

    /// Whether a user and a group of the parent have an id inside.
    pub fn hold_outside(&self, (uid, gid): (u32, u32)) -> bool {
        let held = |extents: &[IdMapping], id: u32| {
            let mut extents = extents.iter();
            extents.any(|e| id >= e.outside && id - e.outside < e.count)
        };
        held(&self.uids, uid) && held(&self.gids, gid)
    }

    /// Whether every mapped id has the same number inside and in the parent.
    pub fn is_identity(&self) -> bool {
        let same = |extents: &[IdMapping]| extents.iter().all(|e| e.inside == e.outside);
        same(&self.uids) && same(&self.gids)
    }

    /// One word that changes when a map does.
    pub fn fingerprint(&self) -> String {
        format!("{};{}", self.uids_text("+"), self.gids_text("+"))
    }

    /// The user map as uid_map(5) takes it, extents joined by `separator`.
    pub fn uids_text(&self, separator: &str) -> String {
        text(&self.uids, separator)
    }

    /// The group map as gid_map(5) takes it, extents joined by `separator`.
    pub fn gids_text(&self, separator: &str) -> String {
        text(&self.gids, separator)
    }
}

/// Whether `id` is mapped by `extents`.
pub fn is_mapped(extents: &[IdMapping], id: u32) -> bool {
    extents
        .iter()
        .any(|extent| id >= extent.inside && id - extent.inside < extent.count)
}

fn text(extents: &[IdMapping], separator: &str) -> String {
    let line = |e: &IdMapping| format!("{} {} {}", e.inside, e.outside, e.count);
    extents.iter().map(line).collect::<Vec<_>>().join(separator)
}

fn kept(parent: &[IdMapping], own: u32, size: u32) -> Vec<IdMapping> {
    let others = size.saturating_sub(1);
    let mut mappings = slice(parent, 0, 1, own.min(others));
    let below: u32 = mappings.iter().map(|extent| extent.count).sum();
    mappings.push(IdMapping {
        inside: own,
        outside: 0,
        count: 1,
    });
    mappings.extend(slice(
        parent,
        own.saturating_add(1),
        below.saturating_add(1),
        others - below,
    ));
    mappings
}

/// Up to `count` parent ids from `outside` on, seen from `inside` on, split where the parent's
/// extents end: each extent of a child must lie in one extent of its parent.
pub fn slice(parent: &[IdMapping], inside: u32, outside: u32, count: u32) -> Vec<IdMapping> {
    let mut mappings = Vec::new();
    let (mut inside, mut outside, mut left) = (inside, outside, count);
    for extent in parent {
        if left == 0 || outside < extent.inside {
            continue;
        }
        let Some(room) = extent
            .count
            .checked_sub(outside - extent.inside)
            .filter(|n| *n > 0)
        else {
            continue;
        };
        let taken = room.min(left);
        mappings.push(IdMapping {
            inside,
            outside,
            count: taken,
        });
        inside = inside.saturating_add(taken);
        outside = outside.saturating_add(taken);
        left -= taken;
    }
    mappings
}

/// Each extent of a child lies in one extent of its parent.
fn below(extents: &[IdMapping], parent: &[IdMapping]) -> Vec<IdMapping> {
    let translated = extents.iter().filter_map(|extent| {
        let holds = |above: &&IdMapping| {
            extent.outside >= above.outside && extent.outside - above.outside < above.count
        };
        let above = parent.iter().find(holds)?;
        Some(IdMapping {
            outside: above.inside + (extent.outside - above.outside),
            ..*extent
        })
    });
    translated.collect()
}

/// In order, those that follow each other as one.
fn joined(extents: &[IdMapping]) -> Vec<IdMapping> {
    let mut sorted = extents.to_vec();
    sorted.sort_unstable_by_key(|extent| extent.inside);
    let mut joined: Vec<IdMapping> = Vec::new();
    for extent in sorted {
        match joined.last_mut() {
            Some(last)
                if last.inside + last.count == extent.inside
                    && last.outside + last.count == extent.outside =>
            {
                last.count += extent.count;
            }
            _ => joined.push(extent),
        }
    }
    joined
}

/// Reads a map file of proc(5); lines that do not parse are left out.
pub fn parse_map(text: &str) -> Vec<IdMapping> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::parse::<u32>);
        Some(IdMapping {
            inside: words.next()?.ok()?,
            outside: words.next()?.ok()?,
            count: words.next()?.ok()?,
        })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> IdMaps {
        HolderMap::of_user(1000, 1000, &[(100_000, 65536)], &[(100_000, 65536)]).maps
    }

    #[test]
    fn a_map_read_from_above_is_one_below_the_holder() {
        let holder = holder();
        let kept = IdMaps::keep_id(&holder, (1000, 1000), u32::MAX);
        let seen = |extents: &[IdMapping]| -> Vec<IdMapping> {
            let above = |extent: &IdMapping| IdMapping {
                outside: if extent.outside == 0 {
                    1000
                } else {
                    99_999 + extent.outside
                },
                ..*extent
            };
            extents.iter().map(above).collect()
        };
        let read = IdMaps {
            uids: seen(&kept.uids),
            gids: seen(&kept.gids),
        };
        assert_eq!(read.below(&holder), kept);
        assert!(!read.is_same(&kept) && kept.is_same(&kept));
    }

    #[test]
    fn extents_that_follow_each_other_are_one() {
        let maps = |text: &str| IdMaps {
            uids: parse_map(text),
            gids: Vec::new(),
        };
        let table = [
            ("0 0 1\n1 1 9", "0 0 10", true),
            ("1 1 9\n0 0 1", "0 0 10", true),
            ("0 1 1\n1 0 1", "0 0 2", false),
            ("0 0 10", "0 0 11", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(
                maps(one).is_same(&maps(other)),
                expected,
                "{one:?} {other:?}"
            );
        }
    }

    #[test]
    fn the_holder_stacks_ranges_after_the_caller() {
        let map = HolderMap::of_user(1000, 100, &[(100_000, 10), (300_000, 5)], &[(1, 9)]);
        assert_eq!(
            map.maps.uids_text("\n"),
            "0 1000 1\n1 100000 10\n11 300000 5"
        );
        assert_eq!(map.maps.gids_text("\n"), "0 100 1\n1 1 9");
        assert_eq!(map.reach, Reach::Ranges);
        assert_eq!(
            HolderMap::of_user(7, 8, &[], &[(1, 9)]).reach,
            Reach::Single
        );
    }

    #[test]
    fn root_alone_in_its_namespace_is_a_user_with_one_id() {
        let extents = |count| {
            [IdMapping {
                inside: 0,
                outside: 1000,
                count,
            }]
        };
        let of = |count, setgroups| HolderMap::of_root(&extents(count), &extents(count), setgroups);
        let one = of(1, Setgroups::Denied);
        assert_eq!(one, HolderMap::of_user(0, 0, &[], &[]));
        assert_eq!(of(1, Setgroups::Allowed).reach, Reach::All);
        assert_eq!(of(2, Setgroups::Denied).reach, Reach::All);
    }

    #[test]
    fn container_maps_of_each_mode() {
        let parent = holder();
        let cases = [
            (IdMaps::identity_of(&parent), "0 0 1\n1 1 65536"),
            (
                IdMaps::keep_id(&parent, (1000, 1000), u32::MAX),
                "0 1 1000\n1000 0 1\n1001 1001 64536",
            ),
            (
                IdMaps::keep_id(&parent, (0, 0), u32::MAX),
                "0 0 1\n1 1 65536",
            ),
            (IdMaps::no_map(&parent), "0 1 65536"),
            (IdMaps::slice_of(&parent, 5, 100), "0 5 100"),
            (IdMaps::single(33, 33), "33 0 1"),
        ];
        for (maps, wanted) in cases {
            assert_eq!(maps.uids_text("\n"), wanted);
        }
    }

    #[test]
    fn a_slice_is_split_where_the_parents_extents_end() {
        let parent = HolderMap::of_user(1, 1, &[(100, 10), (500, 10)], &[(100, 10), (500, 10)]);
        let maps = IdMaps::no_map(&parent.maps);
        assert_eq!(maps.uids_text("\n"), "0 1 10\n10 11 10");
    }

    #[test]
    fn map_files_are_read() {
        let map = parse_map("         0          0 4294967295\nnonsense\n");
        assert_eq!(
            map,
            [IdMapping {
                inside: 0,
                outside: 0,
                count: 4_294_967_295
            }]
        );
        assert!(is_mapped(&map, 77));
        assert!(!is_mapped(&[], 0));
    }
}
