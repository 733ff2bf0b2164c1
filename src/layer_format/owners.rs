// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose the files of an upper layer are, where the kernel's overlay wrote it for a container with
//! an id map of its own: on disk they belong to the ids that the map leads to, while those of an
//! image's layers are as the image says. The map is kept on the root of the layer.

use std::ffi::CStr;
use std::fmt::Write as _;

use nix::errno::Errno;

use crate::sys::xattr::{self, Place, SetMode};

/// The kernel's overlay lets nobody in a container read or set attributes of this beginning.
pub const XATTR_OWNERS: &CStr = c"user.overlay.coracle.owners";

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerRange {
    /// The first id in the container.
    pub inside: u32,
    /// The first id on disk.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The map of an upper layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerOwners {
    /// Of users.
    pub uids: Vec<OwnerRange>,
    /// Of groups.
    pub gids: Vec<OwnerRange>,
}

/// Who owns a file on disk whose owner a container has no id for.
const NOBODY: u32 = 65534;

impl LayerOwners {
    /// The user and the group that a file of these on disk belongs to.
    pub fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let find = |ranges: &[OwnerRange], id: u32| {
            let inside = |range: &OwnerRange| shift(id, range.outside, range.inside, range.count);
            ranges.iter().find_map(inside).unwrap_or(NOBODY)
        };
        (find(&self.uids, uid), find(&self.gids, gid))
    }

    /// The user and the group on disk of the container's root; where it has none, those of the
    /// first ids that are mapped.
    pub fn root_outside(&self) -> (u32, u32) {
        let find = |ranges: &[OwnerRange]| {
            let root = ranges.iter().find(|range| range.inside == 0);
            root.or(ranges.first()).map_or(0, |range| range.outside)
        };
        (find(&self.uids), find(&self.gids))
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for (word, ranges) in [("u", &self.uids), ("g", &self.gids)] {
            for OwnerRange {
                inside,
                outside,
                count,
            } in ranges
            {
                writeln!(text, "{word} {inside} {outside} {count}").expect("a string takes it");
            }
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut owners = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let ranges = match words.next()? {
                "u" => &mut owners.uids,
                "g" => &mut owners.gids,
                _ => return None,
            };
            let mut number = || words.next()?.parse().ok();
            ranges.push(OwnerRange {
                inside: number()?,
                outside: number()?,
                count: number()?,
            });
        }
        Some(owners)
    }
}

fn shift(id: u32, from: u32, to: u32, count: u32) -> Option<u32> {
    let offset = id.checked_sub(from).filter(|offset| *offset < count)?;
    to.checked_add(offset)
}

/// The map on the root of a layer; `None` if its files are owned as the image says.
///
/// # Errors
///
/// getxattr(2)'s; EINVAL for a map that makes no sense.
pub fn read_layer_owners(root: Place<'_>) -> nix::Result<Option<LayerOwners>> {
    let value = match xattr::get_vec(root, XATTR_OWNERS) {
        Ok(value) => value,
        Err(Errno::EOPNOTSUPP) => None,
        Err(errno) => return Err(errno),
    };
    let Some(value) = value else {
        return Ok(None);
    };
    let owners = std::str::from_utf8(&value)
        .ok()
        .and_then(LayerOwners::parse);
    owners.map(Some).ok_or(Errno::EINVAL)
}

/// Writes the map on the root of a layer.
///
/// # Errors
///
/// setxattr(2)'s.
pub fn write_layer_owners(root: Place<'_>, owners: &LayerOwners) -> nix::Result<()> {
    let text = owners.to_text();
    xattr::set(root, XATTR_OWNERS, text.as_bytes(), SetMode::Either)
}

/// The parts of `security.capability` (linux/capability.h): a revision and flags, the sets, and in
/// revision 3 the user who is root where the capabilities count.
const REVISION_MASK: u32 = 0xFF00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const SIZE_2: usize = 20;
const SIZE_3: usize = 24;

/// File capabilities of revision 3 that count for `root`, in the form that counts for whoever is
/// root; others as they are.
pub fn capabilities_of_any_root(value: Vec<u8>, root: u32) -> Vec<u8> {
    let (Some(magic), Some(owner)) = (word(&value, 0), word(&value, SIZE_2)) else {
        return value;
    };
    if magic & REVISION_MASK != REVISION_3 || owner != root || value.len() != SIZE_3 {
        return value;
    }
    let magic = REVISION_2 | (magic & !REVISION_MASK);
    [&magic.to_le_bytes(), &value[4..SIZE_2]].concat()
}

/// File capabilities of revision 2 in the form that counts for `root` alone; others as they are.
pub fn capabilities_of_root(value: Vec<u8>, root: u32) -> Vec<u8> {
    let Some(magic) = word(&value, 0) else {
        return value;
    };
    if magic & REVISION_MASK != REVISION_2 || value.len() != SIZE_2 {
        return value;
    }
    let magic = REVISION_3 | (magic & !REVISION_MASK);
    [&magic.to_le_bytes(), &value[4..], &root.to_le_bytes()].concat()
}

fn word(value: &[u8], at: usize) -> Option<u32> {
    let bytes = value.get(at..at + 4)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(inside: u32, outside: u32, count: u32) -> OwnerRange {
        OwnerRange {
            inside,
            outside,
            count,
        }
    }

    #[test]
    fn maps_there_and_back() {
        let owners = LayerOwners {
            uids: vec![range(0, 1, 1000), range(1000, 0, 1), range(1001, 1001, 9)],
            gids: vec![range(5, 7, 2)],
        };
        assert_eq!(LayerOwners::parse(&owners.to_text()), Some(owners.clone()));
        let table = [
            ((1, 7), (0, 5)),
            ((0, 8), (1000, 6)),
            ((1009, 9), (1009, NOBODY)),
            ((1010, 0), (NOBODY, NOBODY)),
        ];
        for ((uid, gid), expected) in table {
            assert_eq!(owners.inside(uid, gid), expected, "{uid}:{gid}");
        }
        assert_eq!(owners.root_outside(), (1, 7));
        for text in ["x 0 0 1\n", "u 0 0\n", "u 0 0 -1\n", "u a 0 1\n"] {
            assert_eq!(LayerOwners::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn capabilities_change_their_root() {
        let plain: Vec<u8> = [
            &0x0200_0001_u32.to_le_bytes()[..],
            &[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        let owned = capabilities_of_root(plain.clone(), 7);
        assert_eq!(owned.len(), SIZE_3);
        assert_eq!(word(&owned, 0), Some(0x0300_0001));
        assert_eq!(capabilities_of_any_root(owned.clone(), 7), plain);
        assert_eq!(capabilities_of_any_root(owned.clone(), 8), owned);
        assert_eq!(capabilities_of_any_root(plain.clone(), 7), plain);
        assert_eq!(capabilities_of_root(owned.clone(), 9), owned);
        assert_eq!(capabilities_of_root(vec![1], 9), vec![1]);
    }
}
