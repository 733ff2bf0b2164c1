// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Kernel parameters of the container's own namespaces, written through its own /proc.

use std::io::Write;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::unistd::sethostname;
use oci_spec::runtime::{Linux, LinuxNamespaceType};

use super::failure::StageFailure;
use super::mounts::target::{self, Links};
use crate::sys::process::set_domain_name;
use crate::sys::{Called as _, SysResult};

/// The kind of namespace that a parameter belongs to; nothing for those of the whole host.
fn namespace_of(name: &str) -> Option<LinuxNamespaceType> {
    let ipc = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    match name {
        "kernel.domainname" | "kernel.hostname" => Some(LinuxNamespaceType::Uts),
        _ if ipc.contains(&name) || name.starts_with("fs.mqueue.") => Some(LinuxNamespaceType::Ipc),
        _ if name.starts_with("net.") => Some(LinuxNamespaceType::Network),
        _ => None,
    }
}

/// Whether the container has that kind of namespace, its own or one that it joined: without it
/// the host's parameter would be written.
fn is_containers(name: &str, linux: &Linux) -> bool {
    let Some(kind) = namespace_of(name).filter(|_| !name.contains("..")) else {
        return false;
    };
    let mut namespaces = linux.namespaces().iter().flatten();
    namespaces.any(|namespace| namespace.typ() == kind)
}

/// What the engine asks for on its own, groups that may ping, low ports and the pace of TCP: where
/// the container has no /proc of its own to write it in, inside of another container, only that is
/// missing.
fn is_engines(name: &str, value: &str) -> bool {
    match name {
        "net.ipv4.ping_group_range" => value.starts_with("0 "),
        "net.ipv4.ip_unprivileged_port_start" => value == "0",
        "net.ipv4.tcp_congestion_control" => value == "reno",
        _ => false,
    }
}

/// Writes every parameter of the spec below the /proc of `root`.
///
/// # Errors
///
/// The parameter that is not a container's, or that the kernel refused.
pub fn write_all(linux: &Linux, root: BorrowedFd<'_>) -> Result<(), StageFailure> {
    for (name, value) in linux.sysctl().iter().flatten() {
        if !is_containers(name, linux) {
            return Err(StageFailure::setup(format!(
                "sysctl {name} belongs to the host and not to a namespace of the container"
            )));
        }
        if let Some(set) = own_call(name) {
            set(value).map_err(|error| StageFailure::setup(format!("sysctl {name}: {error}")))?;
            continue;
        }
        let path = PathBuf::from(format!("/proc/sys/{}", name.replace('.', "/")));
        let written = target::open_with(root, &path, OFlag::O_WRONLY, Links::Refuse)
            .map_err(|error| error.to_string())
            .and_then(|fd| {
                let mut file = std::fs::File::from(fd);
                file.write_all(value.as_bytes())
                    .map_err(|error| error.to_string())
            });
        if is_engines(name, value) && written.is_err() {
            continue;
        }
        written.map_err(|why| StageFailure::setup(format!("sysctl {name}={value}: {why}")))?;
    }
    Ok(())
}

/// The call for a parameter whose file belongs to the host's root, as the kernel sees it.
fn own_call(name: &str) -> Option<fn(&str) -> SysResult<()>> {
    match name {
        "kernel.domainname" => Some(set_domain_name),
        "kernel.hostname" => {
            Some(|name| sethostname(name).called(|| format!("sethostname({name:?})")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_of_the_containers_namespaces_are_a_containers() {
        // Every kind of namespace.
        let all = Linux::default();
        for name in [
            "net.ipv4.ip_forward",
            "kernel.shmmax",
            "fs.mqueue.msg_max",
            "kernel.sem",
        ] {
            assert!(is_containers(name, &all), "{name}");
        }
        for name in [
            "kernel.core_pattern",
            "vm.swappiness",
            "fs.file-max",
            "net.ipv4/../../kernel/core_pattern",
        ] {
            assert!(!is_containers(name, &all), "{name}");
        }
        let mut none = Linux::default();
        none.set_namespaces(None);
        for name in ["net.ipv4.ip_forward", "kernel.shmmax", "kernel.domainname"] {
            assert!(!is_containers(name, &none), "{name}");
        }
    }
}
