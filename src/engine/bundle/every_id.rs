// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The map of all ids, and whether this process has it.

use std::fs;

use crate::runtime::idmap::{IdMapping, IdMaps, parse_map};

/// All ids, as they are.
pub(super) fn every_id() -> IdMaps {
    let all = vec![IdMapping {
        inside: 0,
        outside: 0,
        count: u32::MAX,
    }];
    IdMaps {
        uids: all.clone(),
        gids: all,
    }
}

/// Whether this process lives in a user namespace that was made by somebody.
pub(super) fn is_nested() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    parse_map(&map) != every_id().uids
}
