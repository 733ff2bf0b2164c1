// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts that the user asked for, as inspect shows them: binds and volumes, not what every
//! container has, and no memory of their own (`HostConfig.Tmpfs` has those).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::state::dirs::Dirs;
use crate::state::record::{ContainerRecord, MountKind, MountRequest};
use crate::state::volumes::Volumes;

/// One mount.
#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectMount", rename_all = "PascalCase")]
pub(in crate::engine) struct Mount {
    r#type: &'static str,
    #[serde(rename = "Name,Name,omitempty")]
    name: String,
    source: String,
    destination: String,
    driver: &'static str,
    mode: String,
    options: Vec<String>,
    #[serde(rename = "RW")]
    rw: bool,
    propagation: String,
    #[serde(rename = "SubPath,SubPath,omitempty")]
    sub_path: String,
}

const PROPAGATIONS: [&str; 8] = [
    "shared",
    "slave",
    "private",
    "rshared",
    "rslave",
    "rprivate",
    "unbindable",
    "runbindable",
];

/// The mounts of a container.
pub(in crate::engine) fn mounts(dirs: &Dirs, record: &ContainerRecord) -> Vec<Mount> {
    let volumes = Volumes::open(dirs);
    let asked = record.mounts().iter();
    asked
        .filter(|mount| !is_memory(mount))
        .map(|mount| of(&volumes, mount))
        .collect()
}

/// `SOURCE:PATH:OPTIONS` of each.
pub(super) fn binds(record: &ContainerRecord) -> Vec<String> {
    let asked = record.mounts().iter();
    let text = |mount: &MountRequest| {
        let options = with_defaults(mount).join(",");
        format!("{}:{}:{options}", mount.source, mount.container_path)
    };
    asked.filter(|mount| !is_memory(mount)).map(text).collect()
}

/// The file systems in memory with their options.
pub(super) fn tmpfs(record: &ContainerRecord) -> BTreeMap<String, String> {
    let asked = record.mounts().iter();
    let pair = |mount: &MountRequest| (mount.container_path.clone(), mount.options.join(","));
    asked
        .filter(|mount| mount.kind == MountKind::Tmpfs)
        .map(pair)
        .collect()
}

fn is_memory(mount: &MountRequest) -> bool {
    match mount.kind {
        MountKind::Tmpfs | MountKind::Ramfs | MountKind::Devpts => true,
        MountKind::Bind
        | MountKind::Volume
        | MountKind::Overlay
        | MountKind::Image
        | MountKind::Artifact => false,
    }
}

/// A bind goes with everything below it, and what is mounted later on the host stays outside.
fn with_defaults(mount: &MountRequest) -> Vec<String> {
    let mut options = mount.options.clone();
    match mount.kind {
        MountKind::Bind => {}
        MountKind::Volume => {
            let is_undone = |flag: &&str| options.iter().any(|one| one == &flag[2..]);
            let flags = ["nosuid", "nodev"]
                .into_iter()
                .filter(|flag| !is_undone(flag));
            let flags: Vec<String> = flags.map(str::to_owned).collect();
            options.extend(flags);
        }
        MountKind::Tmpfs
        | MountKind::Overlay
        | MountKind::Devpts
        | MountKind::Ramfs
        | MountKind::Image
        | MountKind::Artifact => return options,
    }
    if mount.kind == MountKind::Bind
        && !options
            .iter()
            .any(|one| matches!(one.as_str(), "ro" | "rw"))
    {
        options.push("rw".to_owned());
    }
    if !options
        .iter()
        .any(|one| PROPAGATIONS.contains(&one.as_str()))
    {
        options.push("rprivate".to_owned());
    }
    if !options
        .iter()
        .any(|one| matches!(one.as_str(), "bind" | "rbind"))
    {
        options.push("rbind".to_owned());
    }
    options
}

fn of(volumes: &Volumes, mount: &MountRequest) -> Mount {
    let mut shown = Mount {
        r#type: "bind",
        name: String::new(),
        source: mount.source.clone(),
        destination: mount.container_path.clone(),
        driver: "",
        mode: String::new(),
        options: Vec::new(),
        rw: true,
        propagation: String::new(),
        sub_path: String::new(),
    };
    match mount.kind {
        MountKind::Volume => {
            shown.r#type = "volume";
            shown.driver = "local";
            shown.name.clone_from(&mount.source);
            shown.source = volumes.data(&mount.source).to_string_lossy().into_owned();
        }
        MountKind::Image => {
            shown.r#type = "image";
            shown.rw = mount.options.iter().any(|option| option == "rw");
        }
        MountKind::Artifact => {
            shown.r#type = "artifact";
            shown.rw = false;
        }
        MountKind::Bind
        | MountKind::Overlay
        | MountKind::Tmpfs
        | MountKind::Devpts
        | MountKind::Ramfs => {}
    }
    for option in with_defaults(mount) {
        match option.as_str() {
            "ro" => shown.rw = false,
            "rw" => {}
            "z" | "Z" => shown.mode = option,
            propagation if PROPAGATIONS.contains(&propagation) => shown.propagation = option,
            other => match other.strip_prefix("subpath=") {
                Some(path) => path.clone_into(&mut shown.sub_path),
                None => shown.options.push(option),
            },
        }
    }
    shown
}
