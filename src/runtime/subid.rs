// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Subordinate id ranges: subuid(5) by name and by number, else what NSS knows (`getsubids`).

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::unistd::{Gid, Uid};

use super::idmap::{HolderMap, parse_map};

/// Where setuid helpers are looked for; never in $PATH, which the caller's caller may have set.
pub const HELPER_DIRECTORIES: &[&str] = &[
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
    "/usr/local/bin",
    "/run/wrappers/bin",
];

/// The map that the caller's holder namespace gets, looked up once in a process and its children.
pub fn holder_map() -> HolderMap {
    static MAP: OnceLock<HolderMap> = OnceLock::new();
    MAP.get_or_init(look_up_map).clone()
}

fn look_up_map() -> HolderMap {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    if uid.is_root() {
        let own = |file| parse_map(&fs::read_to_string(file).unwrap_or_default());
        return HolderMap::of_root(&own("/proc/self/uid_map"), &own("/proc/self/gid_map"));
    }
    // Distributions give new users a range and do not install what writes it: one id is better
    // than no container.
    if !has_helpers() {
        return HolderMap::of_user(uid.as_raw(), gid.as_raw(), &[], &[]);
    }
    let name = user_name(uid);
    let uids = ranges("/etc/subuid", "-u", name.as_deref(), uid.as_raw());
    let gids = ranges("/etc/subgid", "-g", name.as_deref(), uid.as_raw());
    HolderMap::of_user(uid.as_raw(), gid.as_raw(), &uids, &gids)
}

/// Whether both programs are there that write the map of a range.
pub fn has_helpers() -> bool {
    ["newuidmap", "newgidmap"]
        .iter()
        .all(|program| find_helper(program).is_some())
}

/// The path of a setuid helper such as `newuidmap`, if it is installed.
pub fn find_helper(name: &str) -> Option<String> {
    let candidates = HELPER_DIRECTORIES
        .iter()
        .map(|directory| format!("{directory}/{name}"));
    candidates
        .into_iter()
        .find(|path| fs::metadata(path).is_ok())
}

/// Finds a user's name without NSS: a static binary must not load its modules.
fn user_name(uid: Uid) -> Option<String> {
    name_of(&fs::read_to_string("/etc/passwd").ok()?, uid.as_raw()).map(str::to_owned)
}

fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

fn ranges(file: &str, kind: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = parse_ranges(&text, name, uid);
    if found.is_empty() {
        ranges_from_nss(kind, name).unwrap_or_default()
    } else {
        found
    }
}

/// The ranges of the user with this name or number in a subuid(5) file.
pub fn parse_ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if Some(owner) != name && owner.parse() != Ok(uid) {
            return None;
        }
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some((first, count))
    };
    text.lines().filter_map(range).collect()
}

/// Asks `getsubids`, which knows what `subid: sss` in nsswitch.conf(5) provides. Only when that
/// file says so: a child process costs more than the whole start of a container.
fn ranges_from_nss(kind: &str, name: Option<&str>) -> io::Result<Vec<(u32, u32)>> {
    let switch = fs::read_to_string("/etc/nsswitch.conf")?;
    let provided = switch
        .lines()
        .any(|line| line.trim_start().starts_with("subid:"));
    let (Some(name), Some(program), true) = (name, find_helper("getsubids"), provided) else {
        return Ok(Vec::new());
    };
    let mut command = Command::new(program);
    if kind == "-g" {
        command.arg(kind);
    }
    let output = command
        .arg(name)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    Ok(parse_getsubids(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads lines such as `0: ana 100000 65536`.
fn parse_getsubids(text: &str) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, first, count] = words[..] else {
            return None;
        };
        Some((first.parse().ok()?, count.parse().ok()?))
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let file = "ana:100000:65536\n1000:300000:10\nbob:1:1\nana:x:1\nana:5:0\n";
        assert_eq!(
            parse_ranges(file, Some("ana"), 1000),
            [(100_000, 65536), (300_000, 10)]
        );
        assert_eq!(parse_ranges(file, None, 7), []);
    }

    #[test]
    fn getsubids_lines_are_read() {
        assert_eq!(
            parse_getsubids("0: ana 100000 65536\nError\n"),
            [(100_000, 65536)]
        );
    }

    #[test]
    fn a_user_is_found_in_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000), Some("ana"));
        assert_eq!(name_of(passwd, 5), None);
    }
}
