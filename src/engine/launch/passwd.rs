// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the container's passwd and group files are given: plain data for the stage that writes
//! them.

use std::fs;
use std::path::Path;

use crate::engine::maps::{Caller, ContainerIds};
use crate::runtime::failure::StageFailure;
use crate::runtime::launch::{CallerInside, PasswdPolicy};
use crate::state::record::ContainerRecord;

/// What the container's passwd and group files are given.
///
/// # Errors
///
/// A `--hostuser` that the host does not have.
pub(super) fn passwd_policy(
    record: &ContainerRecord,
    ids: &ContainerIds,
    caller: &Caller,
) -> Result<PasswdPolicy, StageFailure> {
    let request = &record.request;
    if request.no_passwd || (request.read_only && request.passwd_entry.is_none()) {
        return Ok(PasswdPolicy::Keep);
    }
    let needed = ids.kept.is_some()
        || !record.resolved.user.is_empty()
        || request.passwd_entry.is_some()
        || request.group_entry.is_some()
        || !request.host_users.is_empty();
    if !needed {
        return Ok(PasswdPolicy::Keep);
    }
    Ok(PasswdPolicy::Complete {
        passwd_entry: request.passwd_entry.clone(),
        group_entry: request.group_entry.clone(),
        host_lines: host_lines(&request.host_users)?,
        caller: ids.kept.map(|(uid, gid)| CallerInside {
            name: caller.name.clone(),
            uid,
            gid,
            home: shows(record, &caller.home).then(|| caller.home.clone()),
        }),
    })
}

/// Whether a mount of the user's shows `directory`.
fn shows(record: &ContainerRecord, directory: &str) -> bool {
    let mut mounts = record.mounts().iter();
    mounts.any(|mount| {
        let place = Path::new(&mount.container_path);
        place.parent().is_some() && Path::new(directory).starts_with(place)
    })
}

/// The host's lines for `--hostuser`, by name or number.
fn host_lines(users: &[String]) -> Result<Vec<String>, StageFailure> {
    let passwd = match users {
        [] => String::new(),
        _ => fs::read_to_string("/etc/passwd").unwrap_or_default(),
    };
    let find = |user: &String| {
        let names = |line: &&str| {
            let mut fields = line.split(':');
            let name = fields.next();
            name == Some(user) || fields.nth(1) == Some(user)
        };
        passwd
            .lines()
            .find(names)
            .map(str::to_owned)
            .ok_or_else(|| {
                let message = format!("--hostuser {user}: the host has no such user");
                StageFailure::with_code(126, message)
            })
    };
    users.iter().map(find).collect()
}
