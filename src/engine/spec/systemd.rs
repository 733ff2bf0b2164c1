// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container whose program is systemd: what it looks for when it starts, as Podman gives it
//! (<https://systemd.io/CONTAINER_INTERFACE>).

use std::path::Path;

use oci_spec::runtime::Mount;

use super::mount_entry::mount;
use crate::engine::Dialect;
use crate::state::record::{ContainerRecord, ContainerRequest};

/// SIGRTMIN+3, by which systemd shuts down; with SIGTERM it executes itself again.
pub(crate) const STOP_SIGNAL: i32 = 37;

const PROGRAMS: [&str; 3] = ["/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init"];

/// Whether a container of these words is one: by `--systemd`, or by its program.
pub(crate) fn is_asked(request: &ContainerRequest, words: &[String], dialect: Dialect) -> bool {
    match (request.systemd.as_deref(), dialect) {
        (Some("always"), _) => true,
        (Some("false"), _) | (None, Dialect::Docker) => false,
        (Some(_), _) | (None, Dialect::Podman) => is_systemd(words),
    }
}

fn is_systemd(words: &[String]) -> bool {
    let words = match words {
        [shell, flag, rest @ ..] if shell == "/bin/sh" && flag == "-c" => rest,
        words => words,
    };
    words.first().is_some_and(|program| {
        PROGRAMS.contains(&program.as_str())
            || Path::new(program)
                .file_name()
                .is_some_and(|name| name == "systemd")
    })
}

/// File systems in memory, where nothing is left of the last start.
pub(super) fn scratch(record: &ContainerRecord) -> Vec<Mount> {
    if !record.resolved.systemd {
        return Vec::new();
    }
    let places = [
        ("/run", "mode=755"),
        ("/run/lock", "mode=1777"),
        ("/tmp", "mode=1777"),
        ("/var/log/journal", "mode=755"),
    ];
    let options = |mode| ["rw", "nosuid", "nodev", mode, "tmpcopyup"];
    let mounts = places.map(|(path, mode)| mount(path, "tmpfs", "tmpfs", &options(mode)));
    mounts.into()
}

/// The machine's id, unless the user gave one.
pub(super) fn add_variable(record: &ContainerRecord, environment: &mut Vec<String>) {
    let given = environment
        .iter()
        .any(|line| line.starts_with("container_uuid="));
    if record.resolved.systemd && !given {
        let id = record.id.to_string();
        environment.push(format!("container_uuid={}", &id[..32]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_known_by_its_name() {
        let asked = |flag: Option<&str>, line: &str, dialect| {
            let request = ContainerRequest {
                systemd: flag.map(str::to_owned),
                ..ContainerRequest::default()
            };
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            is_asked(&request, &words, dialect)
        };
        for line in [
            "/sbin/init",
            "/usr/lib/systemd/systemd --user",
            "systemd",
            "/bin/sh -c /sbin/init",
        ] {
            assert!(asked(None, line, Dialect::Podman), "{line}");
            assert!(asked(Some("true"), line, Dialect::Docker), "{line}");
            assert!(!asked(None, line, Dialect::Docker), "{line}");
            assert!(!asked(Some("false"), line, Dialect::Podman), "{line}");
        }
        for line in ["", "sh", "init", "/bin/sh -c", "sh -c systemd"] {
            assert!(!asked(None, line, Dialect::Podman), "{line}");
            assert!(asked(Some("always"), line, Dialect::Docker), "{line}");
        }
    }
}
