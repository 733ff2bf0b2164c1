// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--userns auto[:size=,uidmapping=,gidmapping=]`: ids that no other such container has.

use super::MapError;
use super::explicit::{self, Kind};
use crate::runtime::idmap::{IdMapping, IdMaps, slice};

/// Podman's sizes of an automatic map when nothing says more, and of the largest one.
const SMALLEST: u32 = 1024;
const LARGEST: u32 = 65536;

/// The user that nobody is: an id that would make every map as large as they get.
const NOBODY: u32 = 65534;

/// The options of the mode.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Wish {
    size: Option<u32>,
    uids: Vec<String>,
    gids: Vec<String>,
}

impl Wish {
    /// Reads what follows `auto`, with or without its colon.
    ///
    /// # Errors
    ///
    /// [`MapError::Option`].
    pub(in crate::engine) fn parse(options: &str) -> Result<Self, MapError> {
        let mut wish = Self::default();
        let options = options.trim_start_matches(':').split(',');
        for option in options.filter(|option| !option.is_empty()) {
            let bad = || MapError::Option(option.to_owned());
            match option.split_once('=').ok_or_else(bad)? {
                ("size", size) => wish.size = Some(size.parse().map_err(|_not_a_number| bad())?),
                ("uidmapping", map) => wish.uids.push(map.to_owned()),
                ("gidmapping", map) => wish.gids.push(map.to_owned()),
                _ => return Err(bad()),
            }
        }
        Ok(wish)
    }

    /// Whether the image has to be looked at.
    pub(in crate::engine) fn needs_estimate(&self) -> bool {
        self.size.is_none()
    }

    /// The map: the ids that were asked for by number, and as many of `free` as the size wants
    /// that are in none of `used`. `estimate` is what the image's files need.
    ///
    /// # Errors
    ///
    /// As the explicit maps, and [`MapError::TooLarge`] and [`MapError::NoneFree`].
    pub(in crate::engine) fn maps(
        &self,
        estimate: u32,
        used: &[IdMaps],
        (free, holder): (&IdMaps, &IdMaps),
    ) -> Result<IdMaps, MapError> {
        let size = match self.size {
            Some(size) => size,
            None if estimate > LARGEST => return Err(MapError::TooLarge(estimate)),
            None => estimate.max(SMALLEST),
        };
        let map = |kind, texts: &[String], free: &[IdMapping], holder: &[IdMapping], used| {
            let asked = explicit::parse(texts, kind, holder)?;
            let mut map = fresh(size, &asked, free, used)?;
            // An extent must lie in one of the parent's (user_namespaces(7)).
            map = map
                .iter()
                .flat_map(|extent| slice(holder, extent.inside, extent.outside, extent.count))
                .collect();
            map.extend(asked);
            Ok(map)
        };
        let of = |pick: fn(&IdMaps) -> &Vec<IdMapping>| -> Vec<IdMapping> {
            used.iter().flat_map(pick).copied().collect()
        };
        Ok(IdMaps {
            uids: map(
                Kind::Uid,
                &self.uids,
                &free.uids,
                &holder.uids,
                of(|maps| &maps.uids),
            )?,
            gids: map(
                Kind::Gid,
                &self.gids,
                &free.gids,
                &holder.gids,
                of(|maps| &maps.gids),
            )?,
        })
    }
}

/// The ids from 0 to `size` that `asked` leaves out, over ids that nobody has.
fn fresh(
    size: u32,
    asked: &[IdMapping],
    free: &[IdMapping],
    mut used: Vec<IdMapping>,
) -> Result<Vec<IdMapping>, MapError> {
    used.extend(asked);
    let mut holes = explicit::free_ids(&used, free).into_iter();
    let mut hole = holes.next();
    let mut asked: Vec<&IdMapping> = asked.iter().collect();
    asked.sort_by_key(|extent| extent.inside);
    let mut map = Vec::new();
    let mut inside = 0;
    let ends = asked.iter().map(|extent| (extent.inside, extent.count));
    for (start, count) in ends.chain([(size, 0)]) {
        let end = start.min(size);
        while inside < end {
            let (outside, room) = hole.ok_or(MapError::NoneFree(size))?;
            let taken = room.min(end - inside);
            map.push(IdMapping {
                inside,
                outside,
                count: taken,
            });
            inside += taken;
            hole = if taken < room {
                Some((outside + taken, room - taken))
            } else {
                holes.next()
            };
        }
        inside = inside.max(start.saturating_add(count));
    }
    Ok(map)
}

/// The ids of the holder without the caller's own.
pub(in crate::engine) fn subordinates(holder: &IdMaps) -> IdMaps {
    let others = |extents: &[IdMapping]| -> Vec<IdMapping> {
        let without_first = |extent: &IdMapping| {
            let skipped = u32::from(extent.inside == 0);
            IdMapping {
                inside: extent.inside + skipped,
                outside: extent.outside + skipped,
                count: extent.count - skipped,
            }
        };
        let left = extents.iter().map(without_first);
        left.filter(|extent| extent.count > 0).collect()
    };
    IdMaps {
        uids: others(&holder.uids),
        gids: others(&holder.gids),
    }
}

/// How many ids the users and groups of an image need: one more than the highest, and than the
/// number of the user who runs the program.
pub(in crate::engine) fn estimate(passwd: &str, group: &str, user: &str) -> u32 {
    let numbers = |line: &str, fields: &[usize]| -> Vec<u32> {
        let parts: Vec<&str> = line.split(':').collect();
        if matches!(parts[0], "nobody" | "nogroup") {
            return Vec::new();
        }
        let number = |at: &usize| parts.get(*at)?.parse().ok();
        fields.iter().filter_map(number).collect()
    };
    let users = passwd.lines().flat_map(|line| numbers(line, &[2, 3]));
    let groups = group.lines().flat_map(|line| numbers(line, &[2]));
    let typed = user.split(':').filter_map(|id| id.parse().ok());
    let known = users.chain(groups).filter(|id| *id != NOBODY);
    let highest = known.chain(typed).max();
    highest.map_or(0, |id: u32| id.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::idmap::HolderMap;

    fn map(options: &str, estimate: u32, used: &[IdMaps]) -> Result<String, String> {
        let holder = HolderMap::of_user(1003, 1003, &[(100_000, 65536)], &[(100_000, 65536)]);
        let free = subordinates(&holder.maps);
        let wish = Wish::parse(options).map_err(|error| error.to_string())?;
        let maps = wish.maps(estimate, used, (&free, &holder.maps));
        maps.map(|maps| format!("{};{}", maps.uids_text(","), maps.gids_text(",")))
            .map_err(|error| error.to_string())
    }

    /// What `podman run --userns auto…` of 5.8.6 writes for a caller with this range.
    #[test]
    fn maps_are_those_of_podman() {
        let cases = [
            ("", "0 1 1024;0 1 1024"),
            ("size=3000", "0 1 3000;0 1 3000"),
            ("uidmapping=0:1:10", "10 11 1014,0 1 10;0 1 1024"),
            (
                "size=500,uidmapping=5:0:1,gidmapping=5:0:1",
                "0 1 5,6 6 494,5 0 1;0 1 5,6 6 494,5 0 1",
            ),
        ];
        for (options, wanted) in cases {
            assert_eq!(map(options, 0, &[]).as_deref(), Ok(wanted), "{options}");
        }
        assert_eq!(map("", 5000, &[]).as_deref(), Ok("0 1 5000;0 1 5000"));
        for options in ["size=y", "bogus=1", "size", "uidmapping=x"] {
            assert!(map(options, 0, &[]).is_err(), "{options}");
        }
    }

    #[test]
    fn no_two_containers_share_ids() {
        let of = |first, count| IdMaps {
            uids: vec![IdMapping {
                inside: 0,
                outside: first,
                count,
            }],
            gids: vec![IdMapping {
                inside: 0,
                outside: first,
                count,
            }],
        };
        let used = [of(1, 1024), of(2000, 63_537)];
        let both = "0 1025 975";
        assert_eq!(map("size=975", 0, &used), Ok(format!("{both};{both}")));
        assert_eq!(
            map("", 0, &used).as_deref().map_err(String::as_str),
            Err(
                "not enough unused IDs in user namespace: --userns=auto needs 1024 that no other \
                 container has"
            )
        );
    }

    #[test]
    fn an_image_needs_as_many_ids_as_its_highest_user_says() {
        let passwd = "root:x:0:0::/:\nnode:x:1000:1200::/:\nnobody:x:65534:65534::/:\nbroken\n";
        let group = "root:x:0:\nbig:x:2999:\nodd:x:65534:\nnogroup:x:70000:\n";
        assert_eq!(estimate(passwd, group, ""), 3000);
        assert_eq!(estimate(passwd, "", "4000:5"), 4001);
        assert_eq!(estimate("", "", "node"), 0);
    }
}
