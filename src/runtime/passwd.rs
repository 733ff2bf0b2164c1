// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lines for the program's user in /etc/passwd and /etc/group, when the image has none: programs
//! such as ssh and whoami refuse to work for a user without a name.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::fcntl::OFlag;

use super::failure::StageFailure;
use super::launch::{CallerInside, PasswdPolicy};
use super::mounts::target::{self, Links};
use super::user::{Identity, read_database};

/// Appends the host's users, before the program's user is looked up: it may be one of them.
pub fn introduce(policy: &PasswdPolicy, root: BorrowedFd<'_>) {
    let PasswdPolicy::Complete { host_lines, .. } = policy else {
        return;
    };
    for line in host_lines {
        let passwd = read_database(root, "/etc/passwd");
        let name = line.split(':').next().unwrap_or_default();
        let known = passwd
            .lines()
            .any(|known| known.split(':').next() == Some(name));
        if !known {
            append(root, "/etc/passwd", &passwd, line);
        }
    }
}

/// The home of a user whom the databases do not name and [`complete`] is going to.
pub fn home_of(policy: &PasswdPolicy, identity: &Identity, workdir: &str) -> Option<String> {
    let PasswdPolicy::Complete { caller, .. } = policy else {
        return None;
    };
    let is_program = |caller: &&CallerInside| caller.uid == identity.uid;
    let known = caller.as_ref().filter(is_program);
    let home = known.and_then(|caller| caller.home.clone());
    Some(home.unwrap_or_else(|| workdir.to_owned()))
}

/// Appends what is missing; whoever has no other home lives in `workdir`. A root that cannot be written is no failure: the ids still hold.
///
/// # Errors
///
/// None today; the signature leaves room for entries that must exist.
pub fn complete(
    policy: &PasswdPolicy,
    identity: &Identity,
    workdir: &str,
    root: BorrowedFd<'_>,
) -> Result<(), StageFailure> {
    let PasswdPolicy::Complete {
        passwd_entry,
        group_entry,
        caller,
        host_lines: _,
    } = policy
    else {
        return Ok(());
    };
    let passwd = read_database(root, "/etc/passwd");
    let named = |id: u32, text: &str, field: usize| {
        text.lines()
            .any(|line| line.split(':').nth(field).and_then(|f| f.parse().ok()) == Some(id))
    };
    let caller_line = caller
        .as_ref()
        .filter(|caller| !named(caller.uid, &passwd, 2));
    if let Some(caller) = caller_line {
        let CallerInside { name, uid, gid, .. } = caller;
        let home = caller.home.as_deref().unwrap_or(workdir);
        append(
            root,
            "/etc/passwd",
            &passwd,
            &format!("{name}:*:{uid}:{gid}:{name}:{home}:/bin/sh"),
        );
        let group = read_database(root, "/etc/group");
        if !named(*gid, &group, 2) {
            append(root, "/etc/group", &group, &format!("{name}:x:{gid}:"));
        }
    }
    let known = named(identity.uid, &passwd, 2)
        || caller_line.is_some_and(|caller| caller.uid == identity.uid);
    if !known || passwd_entry.is_some() {
        let template = passwd_entry.as_deref();
        let line = template.map_or_else(|| default_line(identity), |text| fill(text, identity));
        append(root, "/etc/passwd", &passwd, &line);
    }
    if let Some(template) = group_entry {
        append(
            root,
            "/etc/group",
            &read_database(root, "/etc/group"),
            &fill(template, identity),
        );
    }
    Ok(())
}

fn default_line(identity: &Identity) -> String {
    let Identity { uid, gid, home, .. } = identity;
    let home = if home.is_empty() { "/" } else { home };
    format!("{uid}:*:{uid}:{gid}:container user:{home}:/bin/sh")
}

fn fill(template: &str, identity: &Identity) -> String {
    let name = identity
        .name
        .clone()
        .unwrap_or_else(|| identity.uid.to_string());
    let pairs = [
        ("$USERNAME", name.clone()),
        ("$GROUPNAME", name.clone()),
        ("$UID", identity.uid.to_string()),
        ("$GID", identity.gid.to_string()),
        ("$NAME", "container user".to_owned()),
        ("$HOME", identity.home.clone()),
    ];
    let filled = pairs
        .iter()
        .fold(template.to_owned(), |text, (key, value)| {
            text.replace(key, value)
        });
    filled.trim_end().to_owned()
}

fn append(root: BorrowedFd<'_>, path: &str, before: &str, line: &str) {
    let open = || -> Option<File> {
        let place = target::open(root, Path::new(path), Links::Follow).ok()?;
        let status = nix::sys::stat::fstat(&place).ok()?;
        let regular = nix::sys::stat::SFlag::S_IFREG.bits();
        if status.st_mode & nix::sys::stat::SFlag::S_IFMT.bits() != regular {
            return None;
        }
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND;
        target::open_with(root, Path::new(path), flags, Links::Follow)
            .ok()
            .map(File::from)
    };
    let create = || -> Option<File> {
        let options = OpenOptions::new().append(true).create_new(true).open(path);
        options.ok()
    };
    let Some(mut file) = open().or_else(create) else {
        return;
    };
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    drop(writeln!(file, "{gap}{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_filled_in() {
        let identity = Identity {
            uid: 1234,
            gid: 5,
            home: "/h".into(),
            ..Identity::default()
        };
        assert_eq!(
            default_line(&identity),
            "1234:*:1234:5:container user:/h:/bin/sh"
        );
        assert_eq!(
            fill("$USERNAME:x:$UID:$GID::$HOME:/x\n", &identity),
            "1234:x:1234:5::/h:/x"
        );
    }
}
