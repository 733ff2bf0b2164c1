// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ids that exist in this process's user namespace.

use std::fs;
use std::io;

/// The user and group ids that files can really belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownIds {
    uids: Vec<(u32, u32)>,
    gids: Vec<(u32, u32)>,
}

impl KnownIds {
    /// Reads the id maps of this process.
    pub(super) fn of_self() -> io::Result<Self> {
        Ok(Self {
            uids: parse(&fs::read_to_string("/proc/self/uid_map")?),
            gids: parse(&fs::read_to_string("/proc/self/gid_map")?),
        })
    }

    pub(super) fn has(&self, uid: u32, gid: u32) -> bool {
        contains(&self.uids, uid) && contains(&self.gids, gid)
    }
}

/// First inside id and length of each line.
fn parse(text: &str) -> Vec<(u32, u32)> {
    let extent = |line: &str| {
        let mut numbers = line.split_whitespace();
        let inside = numbers.next()?.parse().ok()?;
        let length = numbers.nth(1)?.parse().ok()?;
        Some((inside, length))
    };
    text.lines().filter_map(extent).collect()
}

fn contains(extents: &[(u32, u32)], id: u32) -> bool {
    let inside = |&(first, length): &(u32, u32)| id >= first && id - first < length;
    extents.iter().any(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_inside_and_outside() {
        let map = parse("         0       1001          1\n         1     200000      65536\n");
        for (id, known) in [
            (0, true),
            (1, true),
            (65536, true),
            (65537, false),
            (u32::MAX, false),
        ] {
            assert_eq!(contains(&map, id), known, "{id}");
        }
        assert!(contains(&parse("0 0 4294967295\n"), 4_294_967_294));
        assert!(!contains(&parse("0 0 4294967295\n"), u32::MAX));
    }
}
