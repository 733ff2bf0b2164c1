// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts of a container: those that every container has, then the user's.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Mount};

use super::mount_entry::mount;
use super::{NamespaceSource, SpecContext, room, systemd};
use crate::config::cdi;
use crate::config::mounts_conf::DefaultMount;
use crate::engine::secret;
use crate::runtime::mounts::sources;
use crate::state::record::{ContainerRecord, MountKind, MountRequest};

const SHM_SIZE_BYTES: u64 = 64 << 20;

const CGROUP: &str = "/sys/fs/cgroup";

/// All mounts in the order in which they are made.
pub(super) fn mounts(record: &ContainerRecord, context: &SpecContext) -> Vec<Mount> {
    let mut list = kernel_filesystems(record, context);
    list.extend(systemd::scratch(record));
    list.extend(etc_files(context));
    if record.request.read_only && !record.request.no_read_only_tmpfs {
        let there: Vec<PathBuf> = list
            .iter()
            .map(|mount| mount.destination().clone())
            .collect();
        list.extend(
            scratch()
                .into_iter()
                .filter(|mount| !there.contains(mount.destination())),
        );
    }
    for DefaultMount {
        host_path,
        container_path,
    } in &context.default_mounts
    {
        let options = ["bind", "rprivate"];
        list.push(bind(host_path, &container_path.to_string_lossy(), &options));
    }
    list.extend(secrets(context));
    for path in &context.host_devices {
        list.push(bind(path, &path.to_string_lossy(), &["bind", "rprivate"]));
    }
    let devices = record.request.devices.iter();
    for device in devices.filter(|device| !cdi::is_name(device)) {
        list.push(device_mount(device));
    }
    let asked: Vec<&MountRequest> = context.mounts.iter().collect();
    // A later mount of the same place replaces what stands there by default, and a /dev of the
    // caller's all that stands in it.
    let is_replaced = |mount: &Mount| {
        let place = mount.destination();
        asked.iter().any(|each| {
            let own = Path::new(&each.container_path);
            let is_dev = own == Path::new("/dev") && each.kind != MountKind::Tmpfs;
            own == place.as_path() || is_dev && place.starts_with(own)
        })
    };
    list.retain(|mount| !is_replaced(mount) && room::is_there(&asked, mount.destination()));
    list.extend(asked.into_iter().map(|mount| user_mount(mount, context)));
    // What lies deeper is mounted later, so that nothing hides it.
    list.sort_by_key(|mount| mount.destination().components().count());
    list
}

fn kernel_filesystems(record: &ContainerRecord, context: &SpecContext) -> Vec<Mount> {
    let mut list = vec![proc(context)];
    let mut dev = vec!["nosuid", "mode=755", "size=65536k"];
    if no_scratch(record) {
        dev.push("ro");
    }
    list.push(mount("/dev", "tmpfs", "tmpfs", &dev));
    list.push(sysfs(record, context));
    list.push(mount("/dev/pts", "devpts", "devpts", &pts_options(context)));
    list.extend(ipc(record, context));
    list.extend(cgroup(record, context));
    list
}

/// Anybody may open a terminal in it.
fn pts_options(context: &SpecContext) -> Vec<&'static str> {
    let mut options = vec![
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    if context.tty_group_mapped {
        options.push("gid=5");
    }
    options
}

fn proc(context: &SpecContext) -> Mount {
    if *context.source(LinuxNamespaceType::Pid) == NamespaceSource::Host {
        return bind(
            Path::new("/proc"),
            "/proc",
            &["rbind", "nosuid", "noexec", "nodev"],
        );
    }
    let mut options = vec!["nosuid", "noexec", "nodev"];
    options.extend(context.security.proc_options.iter().map(String::as_str));
    mount("/proc", "proc", "proc", &options)
}

/// A new sysfs shows the container's own network devices; without an own network namespace the
/// kernel refuses one, and the host's is shown.
fn sysfs(record: &ContainerRecord, context: &SpecContext) -> Mount {
    let access = if record.request.privileged {
        "rw"
    } else {
        "ro"
    };
    match context.source(LinuxNamespaceType::Network) {
        NamespaceSource::Private => mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", access],
        ),
        NamespaceSource::Host | NamespaceSource::Path(_) => {
            let options = ["rbind", "rnosuid", "rnoexec", "rnodev", "rro"];
            bind(Path::new("/sys"), "/sys", &options)
        }
    }
}

fn ipc(record: &ContainerRecord, context: &SpecContext) -> Vec<Mount> {
    let mut list = Vec::new();
    let flags = ["nosuid", "noexec", "nodev"];
    let host = context.is_host(LinuxNamespaceType::Ipc);
    if !host {
        list.push(mount("/dev/mqueue", "mqueue", "mqueue", &flags));
    } else if Path::new("/dev/mqueue").is_dir() {
        let options = ["rbind", "rprivate"];
        list.push(bind(Path::new("/dev/mqueue"), "/dev/mqueue", &options));
    }
    let options = ["bind", "rprivate", "nosuid", "noexec", "nodev"];
    if host {
        list.push(bind(Path::new("/dev/shm"), "/dev/shm", &options));
    } else if let Some(path) = &context.shared_shm {
        list.push(bind(path, "/dev/shm", &options));
    } else if record.request.ipc.as_deref() != Some("none") {
        let size = record.request.shm_size_bytes.unwrap_or(SHM_SIZE_BYTES);
        let size = format!("size={size}");
        let mut options = vec!["nosuid", "noexec", "nodev", "mode=1777", &size];
        if no_scratch(record) {
            options.push("ro");
        }
        list.push(mount("/dev/shm", "tmpfs", "shm", &options));
    }
    list
}

fn cgroup(record: &ContainerRecord, context: &SpecContext) -> Option<Mount> {
    let own = !context.is_host(LinuxNamespaceType::Cgroup);
    if !context.cgroup2 {
        return None;
    }
    let access = if own && (record.request.privileged || record.resolved.systemd) {
        "rw"
    } else {
        "ro"
    };
    let options = ["nosuid", "noexec", "nodev", access];
    if own {
        return Some(mount(CGROUP, "cgroup2", "cgroup2", &options));
    }
    // Without an own namespace the host's tree is shown by the bind of /sys, or not at all.
    None
}

/// hosts, hostname and resolv.conf of the container, and the mark that it is one.
fn etc_files(context: &SpecContext) -> Vec<Mount> {
    let file = |name: &str, container_path: &str| {
        bind(
            &context.files.join(name),
            container_path,
            &["bind", "rprivate"],
        )
    };
    let etc = context
        .etc_files
        .iter()
        .map(|name| file(name, &format!("/etc/{name}")));
    let mut list: Vec<Mount> = etc.collect();
    list.push(file(".containerenv", "/run/.containerenv"));
    list
}

/// Each secret is a file of its own; those without a path of their own are in memory together,
/// where no commit finds the empty files that they are bound over.
fn secrets(context: &SpecContext) -> Vec<Mount> {
    let files = &context.secrets;
    let mut defaults = context.default_mounts.iter();
    let taken = defaults.any(|one| one.container_path == Path::new(secret::DIRECTORY));
    let mut list = Vec::new();
    if secret::use_directory(files) && !taken {
        let options = ["nosuid", "nodev", "noexec", "mode=755"];
        list.push(mount(secret::DIRECTORY, "tmpfs", "tmpfs", &options));
    }
    let options = ["bind", "rprivate", "nosuid", "nodev", "noexec"];
    list.extend(files.iter().map(|file| {
        let path = file.container_path.to_string_lossy();
        bind(&file.host_path, &path, &options)
    }));
    list
}

/// A read-only container without any place in memory to write to.
fn no_scratch(record: &ContainerRecord) -> bool {
    record.request.read_only && record.request.no_read_only_tmpfs
}

/// Writable places of a container whose root is read-only.
fn scratch() -> Vec<Mount> {
    let place = |path: &str, mode: &str| {
        mount(
            path,
            "tmpfs",
            "tmpfs",
            &["rw", "nosuid", "nodev", mode, "tmpcopyup"],
        )
    };
    vec![
        place("/run", "mode=755"),
        place("/tmp", "mode=1777"),
        place("/var/tmp", "mode=1777"),
    ]
}

/// `--device HOST[:CONTAINER[:rwm]]`: a bind of the node, since nobody makes one in a user
/// namespace.
fn device_mount(device: &str) -> Mount {
    let mut parts = device.split(':');
    let host = parts.next().unwrap_or_default();
    let second = parts.next().filter(|part| part.starts_with('/'));
    bind(
        Path::new(host),
        second.unwrap_or(host),
        &["rbind", "rprivate"],
    )
}

fn user_mount(request: &MountRequest, context: &SpecContext) -> Mount {
    let mut options: Vec<&str> = request.options.iter().map(String::as_str).collect();
    match request.kind {
        MountKind::Bind => {
            if !options
                .iter()
                .any(|option| matches!(*option, "bind" | "rbind"))
            {
                options.insert(0, "rbind");
            }
            let propagation = ["private", "slave", "shared", "unbindable"];
            let is_propagation = |option: &str| {
                propagation
                    .iter()
                    .any(|word| option.trim_start_matches('r') == *word)
            };
            if !options.iter().any(|option| is_propagation(option)) {
                options.push("rprivate");
            }
            // `ro` on a tree leaves the mounts below writable, which nobody means.
            let recursive = options.contains(&"rbind");
            for option in &mut options {
                if recursive && *option == "ro" {
                    *option = "rro";
                }
            }
            bind(
                Path::new(&request.source),
                &request.container_path,
                &options,
            )
        }
        MountKind::Tmpfs => {
            let mut all = vec!["nosuid", "nodev"];
            all.retain(|flag| !options.contains(&&flag[2..]));
            if !options.contains(&"notmpcopyup") {
                all.push("tmpcopyup");
            }
            all.extend(options);
            mount(&request.container_path, "tmpfs", "tmpfs", &all)
        }
        MountKind::Devpts if options.is_empty() => {
            let options = pts_options(context);
            mount(&request.container_path, "devpts", "devpts", &options)
        }
        MountKind::Devpts => mount(&request.container_path, "devpts", "devpts", &options),
        MountKind::Ramfs => mount(&request.container_path, "ramfs", "ramfs", &options),
        MountKind::Overlay => {
            let source = request.source.replace('\\', "\\\\").replace(':', "\\:");
            let source = format!("lowerdir={source}");
            let mut all = vec!["userxattr", &source];
            all.extend(options.into_iter().filter(|option| *option != "O"));
            mount(&request.container_path, "overlay", "overlay", &all)
        }
        MountKind::Image => {
            let read_only = if options.contains(&"rw") { "rw" } else { "ro" };
            let mut all = vec!["nosuid", "nodev", read_only];
            all.extend(options.into_iter().filter(|option| option.contains('=')));
            mount(&request.container_path, sources::IMAGE, "overlay", &all)
        }
        // A volume or an artifact is what it shows by now.
        MountKind::Volume | MountKind::Artifact => {
            mount(&request.container_path, "tmpfs", "tmpfs", &[])
        }
    }
}

/// Mounts that travel need a root on which they do, as Podman sets it: `None` keeps it private.
pub(super) fn root_propagation(mounts: &[MountRequest]) -> Option<String> {
    let asks = |words: [&str; 2]| {
        let mut options = mounts.iter().flat_map(|mount| &mount.options);
        options.any(|option| words.contains(&option.as_str()))
    };
    let word = if asks(["shared", "rshared"]) {
        "shared"
    } else if asks(["slave", "rslave"]) {
        "rslave"
    } else {
        return None;
    };
    Some(word.to_owned())
}

pub(in crate::engine) fn bind(host_path: &Path, container_path: &str, options: &[&str]) -> Mount {
    mount(
        container_path,
        "bind",
        &host_path.to_string_lossy(),
        options,
    )
}
