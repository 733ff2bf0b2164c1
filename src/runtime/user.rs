// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who runs the program: `USER[:GROUP]` by name or number, looked up in the container's own
//! /etc/passwd and /etc/group after the root was entered, so no host path is ever walked.

use std::io::Read;
use std::path::Path;

use nix::fcntl::OFlag;
use oci_spec::runtime::User;

use super::failure::StageFailure;

/// Larger user databases are not read (CVE-2024-9676).
const LARGEST_DATABASE: u64 = 16 << 20;

/// The identity that the program gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All supplementary groups, the primary one among them (CVE-2022-2989).
    pub groups: Vec<u32>,
    /// Home directory of the user, `/` when unknown.
    pub home: String,
    /// Name of the user, when the container knows one.
    pub name: Option<String>,
}

/// Resolves `user` (`USER[:GROUP]`, empty is root) against the text of the databases.
///
/// # Errors
///
/// A sentence that names the unknown user or group, in the words that Podman uses.
pub fn resolve(
    user: &str,
    additional_groups: &[String],
    passwd: &str,
    group: &str,
) -> Result<Identity, StageFailure> {
    let (user_part, group_part) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let mut identity = resolve_user(user_part, passwd)?;
    match group_part {
        Some(named) if !named.is_empty() => {
            identity.gid = resolve_group(named, group)?;
            identity.groups = vec![identity.gid];
        }
        _ => {
            identity.groups = vec![identity.gid];
            if let Some(name) = &identity.name {
                identity.groups.extend(memberships(name, group));
            }
        }
    }
    for additional in additional_groups {
        identity.groups.push(resolve_group(additional, group)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    identity.groups.retain(|id| seen.insert(*id));
    Ok(identity)
}

/// Who a spec states by numbers; the database adds the home alone. The supplementary groups are
/// those of the spec: whether the primary one is among them was up to who wrote it.
pub fn of_numbers(user: &User, passwd: &str) -> Identity {
    let groups = user.additional_gids().clone().unwrap_or_default();
    let mut lines = passwd.lines().filter_map(PasswdLine::parse);
    let home = lines.find(|line| line.uid == user.uid());
    Identity {
        uid: user.uid(),
        gid: user.gid(),
        groups,
        home: home.map_or_else(String::new, |line| line.home.to_owned()),
        ..Identity::default()
    }
}

fn resolve_user(user: &str, passwd: &str) -> Result<Identity, StageFailure> {
    let wanted = if user.is_empty() { "0" } else { user };
    let number = parse_id(wanted);
    let entry = passwd
        .lines()
        .filter_map(PasswdLine::parse)
        .find(|line| line.name == wanted || (number.is_some() && number == Some(line.uid)));
    match (entry, number) {
        (Some(line), _) => Ok(Identity {
            uid: line.uid,
            gid: line.gid,
            groups: Vec::new(),
            home: if line.home.is_empty() {
                "/".to_owned()
            } else {
                line.home.to_owned()
            },
            name: Some(line.name.to_owned()),
        }),
        (None, Some(uid)) => {
            let home = if uid == 0 { "/root" } else { "/" }.to_owned();
            Ok(Identity {
                uid,
                home,
                ..Identity::default()
            })
        }
        (None, None) => Err(StageFailure::with_code(
            126,
            format!("unable to find user {wanted}: no matching entries in passwd file"),
        )),
    }
}

fn resolve_group(named: &str, group: &str) -> Result<u32, StageFailure> {
    if let Some(number) = parse_id(named) {
        return Ok(number);
    }
    let found = group
        .lines()
        .filter_map(GroupLine::parse)
        .find(|line| line.name == named);
    found.map(|line| line.gid).ok_or_else(|| {
        StageFailure::with_code(
            126,
            format!("unable to find group {named}: no matching entries in group file"),
        )
    })
}

/// An id as the kernel takes it: the largest number means "leave it" in setresuid(2) and must
/// never be let through.
fn parse_id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|id| *id < u32::MAX)
}

fn memberships<'t>(name: &'t str, group: &'t str) -> impl Iterator<Item = u32> + 't {
    let member = move |line: &GroupLine<'_>| line.members.split(',').any(|each| each == name);
    group
        .lines()
        .filter_map(GroupLine::parse)
        .filter(member)
        .map(|line| line.gid)
}

struct PasswdLine<'t> {
    name: &'t str,
    uid: u32,
    gid: u32,
    home: &'t str,
}

impl<'t> PasswdLine<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = parse_id(fields.nth(1)?)?;
        let gid = parse_id(fields.next()?)?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Self {
            name,
            uid,
            gid,
            home,
        })
    }
}

struct GroupLine<'t> {
    name: &'t str,
    gid: u32,
    members: &'t str,
}

impl<'t> GroupLine<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = parse_id(fields.nth(1)?)?;
        Some(Self {
            name,
            gid,
            members: fields.next().unwrap_or_default(),
        })
    }
}

/// Reads a database below `root`: a regular file of bounded size, never through a link that
/// leaves the root; empty when there is none.
pub fn read_database(root: std::os::fd::BorrowedFd<'_>, path: &str) -> String {
    let read = || -> Option<String> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let links = super::mounts::target::Links::Follow;
        let fd = super::mounts::target::open_with(root, Path::new(path), flags, links).ok()?;
        let file = std::fs::File::from(fd);
        file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let mut bytes = Vec::new();
        file.take(LARGEST_DATABASE).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n\
                          55:x:77:77::/odd:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nnode:x:1000:\naudio:x:29:node,root\nwheel:x:10:node\n";

    fn ids(user: &str) -> Result<(u32, u32, Vec<u32>), String> {
        let identity = resolve(user, &[], PASSWD, GROUP).map_err(|failure| failure.message)?;
        Ok((identity.uid, identity.gid, identity.groups))
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let cases = [
            ("", (0, 0, vec![0, 29])),
            ("node", (1000, 1000, vec![1000, 29, 10])),
            ("1000", (1000, 1000, vec![1000, 29, 10])),
            ("1000:10", (1000, 10, vec![10])),
            ("node:audio", (1000, 29, vec![29])),
            ("4711", (4711, 0, vec![0])),
            ("4711:4712", (4711, 4712, vec![4712])),
            ("1000:", (1000, 1000, vec![1000, 29, 10])),
            (":5", (0, 5, vec![5])),
            ("55", (77, 77, vec![77])),
        ];
        for (user, wanted) in cases {
            assert_eq!(ids(user), Ok(wanted), "{user:?}");
        }
    }

    #[test]
    fn what_is_no_user_is_refused() {
        for user in [
            "nobody-here",
            "-1",
            "4294967295",
            "99999999999",
            "node:nogroup",
            "0x1",
        ] {
            assert!(ids(user).is_err(), "{user:?}");
        }
    }

    #[test]
    fn a_spec_has_the_groups_that_it_lists() {
        let mut user = User::default();
        user.set_uid(7);
        user.set_gid(8);
        user.set_additional_gids(Some(vec![9, 9]));
        let identity = of_numbers(&user, "seven:x:7:8::/home/seven:/bin/sh\n");
        assert_eq!((identity.uid, identity.gid), (7, 8));
        assert_eq!(identity.groups, [9, 9]);
        assert_eq!(identity.home, "/home/seven");
    }

    #[test]
    fn additional_groups_follow_the_users_own() {
        let identity = resolve(
            "node",
            &["777".to_owned(), "audio".to_owned()],
            PASSWD,
            GROUP,
        )
        .unwrap();
        assert_eq!(identity.groups, [1000, 29, 10, 777]);
        assert_eq!(identity.home, "/home/node");
    }
}
