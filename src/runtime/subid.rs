// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Subordinate id ranges: what NSS provides where it is asked to (`getsubids`), else subuid(5) by
//! name and by number.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::unistd::{Gid, Uid};

use super::helpers::find_helper;
use super::idmap::{HolderMap, IdMaps, Reach, parse_map};
use super::userns;

/// The map that the caller's holder namespace gets, looked up once in a process and its children.
pub fn holder_map() -> HolderMap {
    static MAP: OnceLock<HolderMap> = OnceLock::new();
    MAP.get_or_init(look_up_map).clone()
}

fn look_up_map() -> HolderMap {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    if uid.is_root() {
        let own = |file| parse_map(&fs::read_to_string(file).unwrap_or_default());
        let (uids, gids) = (own("/proc/self/uid_map"), own("/proc/self/gid_map"));
        return HolderMap::of_root(&uids, &gids, userns::setgroups_of("self"));
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

/// The holder's map in the numbers of the namespace around root's own: `unshare` takes its user into
/// the holder, where the layers of the store have the owners that they have outside. `None` for
/// other users, and after the process went into another namespace.
pub fn map_around() -> Option<IdMaps> {
    let own = |file| parse_map(&fs::read_to_string(file).unwrap_or_default());
    (holder_map().reach == Reach::All).then(|| IdMaps {
        uids: own("/proc/self/uid_map"),
        gids: own("/proc/self/gid_map"),
    })
}

/// The first id of a range, and how many.
pub type Range = (u32, u32);

/// The ranges of user and group ids of an account by its name.
pub fn ranges_of(name: &str) -> (Vec<Range>, Vec<Range>) {
    // No account has the number of those who have none.
    let of = |file, kind| ranges(file, kind, Some(name), u32::MAX);
    (of("/etc/subuid", "-u"), of("/etc/subgid", "-g"))
}

/// Whether both programs are there that write the map of a range.
pub fn has_helpers() -> bool {
    ["newuidmap", "newgidmap"]
        .iter()
        .all(|program| find_helper(program).is_some())
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
    let switch = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let provided = if has_own_source(&switch) {
        ranges_from_nss(kind, name, uid).unwrap_or_default()
    } else {
        Vec::new()
    };
    if !provided.is_empty() {
        return provided;
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    parse_ranges(&text, name, uid)
}

/// Whether nsswitch.conf(5) names a source of ranges besides the files, such as `subid: sss`. It
/// stands in their place then, and newuidmap knows no other.
fn has_own_source(switch: &str) -> bool {
    let sources = switch
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("subid:"));
    let mut words = sources.unwrap_or_default().split_whitespace();
    words
        .next()
        .is_some_and(|first| first != "files" && !first.starts_with('#'))
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

/// Asks `getsubids`, which knows what the sources of nsswitch.conf(5) provide. A child process
/// costs more than the whole start of a container: only where there is such a source.
fn ranges_from_nss(kind: &str, name: Option<&str>, uid: u32) -> io::Result<Vec<(u32, u32)>> {
    let name = name.map(str::to_owned).or_else(|| name_from_nss(uid));
    let (Some(name), Some(program)) = (name, find_helper("getsubids")) else {
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

/// Who has such a range need not stand in /etc/passwd either.
fn name_from_nss(uid: u32) -> Option<String> {
    let mut getent = Command::new(find_helper("getent")?);
    getent
        .args(["passwd", &uid.to_string()])
        .stdin(Stdio::null());
    let output = getent.stderr(Stdio::null()).output().ok()?;
    name_of(&String::from_utf8_lossy(&output.stdout), uid).map(str::to_owned)
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
    fn a_source_of_ranges_is_one_besides_the_files() {
        let cases = [
            ("passwd: files sss\nsubid: sss\n", true),
            ("  subid:\tmy_module\n", true),
            ("subid: files\n", false),
            ("subid:\n", false),
            ("#subid: sss\npasswd: files\n", false),
            ("", false),
        ];
        for (text, wanted) in cases {
            assert_eq!(has_own_source(text), wanted, "{text}");
        }
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
