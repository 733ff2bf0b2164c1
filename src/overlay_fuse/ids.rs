// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose a file is: owners on disk, owners in the container, and the way between them.

use nix::errno::Errno;

/// The owner that the kernel shows for an id that has no name in a user namespace.
pub(super) const OVERFLOW_ID: u32 = 65534;

/// A range of ids on disk and where it appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMapping {
    /// The first id as the files on disk have it.
    pub host: u32,
    /// The first id as it is shown.
    pub container: u32,
    /// How many ids.
    pub len: u32,
}

/// Whose files appear as somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Squash {
    /// Nobody's.
    #[default]
    None,
    /// Files whose owner has no id in the server's user namespace appear as root's: a host's own
    /// files, and files whose metadata name an owner that the namespace has no id for. The kernel
    /// could show such an owner only as nobody, and lets nobody write such a file. What the
    /// metadata say is kept.
    UnmappedToRoot,
    /// All files appear as this user's, and changes of ownership are accepted and forgotten.
    All {
        /// The user that is shown.
        uid: u32,
        /// The group that is shown.
        gid: u32,
    },
}

/// An owner and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The translation of owners.
#[derive(Debug, Default)]
pub(super) struct Ids {
    pub(super) uids: Vec<IdMapping>,
    pub(super) gids: Vec<IdMapping>,
    pub(super) squash: Squash,
    /// What an id is shown as that has no translation.
    pub(super) unmapped: Unmapped,
    /// The ids that exist in this user namespace.
    pub(super) known_uids: IdSet,
    pub(super) known_gids: IdSet,
}

/// What an id is shown as that has no translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Unmapped {
    /// The owner that the kernel shows for such an id.
    #[default]
    Overflow,
    /// The number that is nobody's in any namespace.
    NoId,
}

/// Ids that a user namespace maps: the first of each range and how many.
#[derive(Debug, Default)]
pub(super) struct IdSet(Vec<(u32, u32)>);

impl IdSet {
    /// Reads `/proc/self/uid_map` or `gid_map`.
    pub(super) fn parse(map: &str) -> Self {
        let ranges = map.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let first = words.next()?.parse().ok()?;
            let count = words.nth(1)?.parse().ok()?;
            Some((first, count))
        });
        Self(ranges.collect())
    }

    fn has(&self, id: u32) -> bool {
        let holds =
            |(first, count): &(u32, u32)| id.checked_sub(*first).is_some_and(|at| at < *count);
        self.0.iter().any(holds)
    }

    fn is_one(&self) -> bool {
        matches!(self.0[..], [(_, 1)])
    }
}

impl Ids {
    /// The owner to show for a file whose owner on disk is `owner`.
    pub(super) fn shown(&self, owner: Owner) -> Owner {
        let owner = match self.squash {
            Squash::All { uid, gid } => return Owner { uid, gid },
            Squash::None | Squash::UnmappedToRoot => Owner {
                uid: to_container(&self.uids, owner.uid, self.unmapped),
                gid: to_container(&self.gids, owner.gid, self.unmapped),
            },
        };
        if self.squash == Squash::UnmappedToRoot {
            let known = |id| if id == OVERFLOW_ID { 0 } else { id };
            return Owner {
                uid: known(owner.uid),
                gid: known(owner.gid),
            };
        }
        owner
    }

    /// The owner to show for a file whose metadata say `owner`.
    pub(super) fn recorded(&self, owner: Owner) -> Owner {
        match self.squash {
            Squash::All { uid, gid } => Owner { uid, gid },
            Squash::UnmappedToRoot => Owner {
                uid: if self.known_uids.has(owner.uid) {
                    owner.uid
                } else {
                    0
                },
                gid: if self.known_gids.has(owner.gid) {
                    owner.gid
                } else {
                    0
                },
            },
            Squash::None => owner,
        }
    }

    /// The mode of a file that belongs to `kept` and is shown as `shown`'s: a setuid program of
    /// somebody who does not exist here must not be root's. Where there is but one id nobody gains
    /// by it, and the mode is what it was.
    pub(super) fn without_rights_of_others(&self, mode: u32, kept: Owner, shown: Owner) -> u32 {
        let lost = |is_kept: bool, known: &IdSet, bit: u32| {
            if is_kept || known.is_one() { 0 } else { bit }
        };
        if mode & libc::S_IFMT == libc::S_IFDIR {
            return mode;
        }
        mode & !lost(kept.uid == shown.uid, &self.known_uids, libc::S_ISUID)
            & !lost(kept.gid == shown.gid, &self.known_gids, libc::S_ISGID)
    }

    /// The user id on disk of a user in the container.
    pub(super) fn uid_on_disk(&self, uid: u32) -> nix::Result<u32> {
        to_host(&self.uids, uid)
    }

    /// The group id on disk of a group in the container.
    pub(super) fn gid_on_disk(&self, gid: u32) -> nix::Result<u32> {
        to_host(&self.gids, gid)
    }

    /// Whether changes of ownership are accepted and forgotten.
    pub(super) fn ignores_owners(&self) -> bool {
        matches!(self.squash, Squash::All { .. })
    }

    /// Whether an id means the same on disk and in the container.
    pub(super) fn is_identity(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty() && !self.ignores_owners()
    }
}

fn to_container(map: &[IdMapping], id: u32, unmapped: Unmapped) -> u32 {
    if map.is_empty() {
        return id;
    }
    map.iter()
        .find_map(|range| shift(id, range.host, range.container, range.len))
        .unwrap_or(match unmapped {
            Unmapped::Overflow => OVERFLOW_ID,
            Unmapped::NoId => u32::MAX,
        })
}

/// EINVAL is what the kernel says of an id without a mapping.
fn to_host(map: &[IdMapping], id: u32) -> nix::Result<u32> {
    if map.is_empty() {
        return Ok(id);
    }
    map.iter()
        .find_map(|range| shift(id, range.container, range.host, range.len))
        .ok_or(Errno::EINVAL)
}

fn shift(id: u32, from: u32, to: u32, len: u32) -> Option<u32> {
    let offset = id.checked_sub(from)?;
    if offset >= len {
        return None;
    }
    to.checked_add(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(squash: Squash) -> Ids {
        let map = vec![
            IdMapping {
                host: 1000,
                container: 0,
                len: 1,
            },
            IdMapping {
                host: 100_000,
                container: 1,
                len: 65535,
            },
        ];
        Ids {
            uids: map.clone(),
            gids: map,
            squash,
            unmapped: Unmapped::Overflow,
            known_uids: IdSet::parse("         0       1000          1\n 1 100000 65536\n"),
            known_gids: IdSet::parse("0 1000 1"),
        }
    }

    #[test]
    fn owners_both_ways() {
        let table = [(1000, 0), (100_000, 1), (165_534, 65535)];
        let ids = ids(Squash::None);
        for (host, container) in table {
            let owner = Owner {
                uid: host,
                gid: host,
            };
            let shown = Owner {
                uid: container,
                gid: container,
            };
            assert_eq!(ids.shown(owner), shown);
            assert_eq!(ids.uid_on_disk(container), Ok(host));
            assert_eq!(ids.gid_on_disk(container), Ok(host));
        }
        assert_eq!(ids.shown(Owner { uid: 0, gid: 999 }).uid, OVERFLOW_ID);
        assert_eq!(ids.uid_on_disk(65536), Err(Errno::EINVAL));
    }

    #[test]
    fn squashed_owners() {
        let stranger = Owner { uid: 7, gid: 1000 };
        let root = Owner { uid: 0, gid: 0 };
        let five = Owner { uid: 5, gid: 6 };
        assert_eq!(ids(Squash::UnmappedToRoot).shown(stranger), root);
        let recorded = [
            ((7, 0), (7, 0)),
            ((65536, 7), (65536, 0)),
            ((65537, 7), (0, 0)),
        ];
        for (owner, expected) in recorded {
            let [owner, expected] = [owner, expected].map(|(uid, gid)| Owner { uid, gid });
            assert_eq!(ids(Squash::UnmappedToRoot).recorded(owner), expected);
        }
        let file = libc::S_IFREG | 0o6755;
        let modes = [
            (stranger, stranger, file),
            (stranger, root, libc::S_IFREG | 0o2755),
            (Owner { uid: 7, gid: 0 }, Owner { uid: 7, gid: 5 }, file),
        ];
        for (kept, shown, expected) in modes {
            // Its groups are one alone.
            let mode = ids(Squash::UnmappedToRoot).without_rights_of_others(file, kept, shown);
            assert_eq!(mode, expected, "{kept:?} {shown:?}");
        }
        let all = ids(Squash::All { uid: 5, gid: 6 });
        assert_eq!(all.shown(stranger), five);
        assert_eq!(all.recorded(root), five);
        assert_eq!(ids(Squash::None).recorded(stranger), stranger);
    }
}
