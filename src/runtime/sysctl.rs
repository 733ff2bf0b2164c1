// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Kernel parameters of the container's own namespaces, written through its own /proc.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::fcntl::OFlag;

use super::launch::StageFailure;
use super::mounts::target::{self, Links};

/// Whether a parameter belongs to a namespace that a container can have of its own.
pub fn is_namespaced(name: &str) -> bool {
    let ipc = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
    ];
    let more = [
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.domainname",
    ];
    let prefix = name.starts_with("net.") || name.starts_with("fs.mqueue.");
    prefix || ipc.contains(&name) || more.contains(&name)
}

/// Writes every parameter below the /proc of `root`.
///
/// # Errors
///
/// The parameter that is not a container's, or that the kernel refused.
pub fn write_all<S: BuildHasher>(
    values: &HashMap<String, String, S>,
    root: BorrowedFd<'_>,
) -> Result<(), StageFailure> {
    for (name, value) in values {
        if !is_namespaced(name) || name.contains("..") {
            return Err(StageFailure::setup(format!(
                "sysctl {name} belongs to the host and not to a namespace of the container"
            )));
        }
        let path = PathBuf::from(format!("/proc/sys/{}", name.replace('.', "/")));
        let written = target::open_with(root, &path, OFlag::O_WRONLY, Links::Refuse)
            .map_err(|error| error.to_string())
            .and_then(|fd| {
                let mut file = std::fs::File::from(fd);
                file.write_all(value.as_bytes())
                    .map_err(|error| error.to_string())
            });
        written.map_err(|why| StageFailure::setup(format!("sysctl {name}={value}: {why}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaced_parameters_are_a_containers() {
        for name in [
            "net.ipv4.ip_forward",
            "kernel.shmmax",
            "fs.mqueue.msg_max",
            "kernel.sem",
        ] {
            assert!(is_namespaced(name), "{name}");
        }
        for name in [
            "kernel.core_pattern",
            "vm.swappiness",
            "kernel.hostname",
            "fs.file-max",
        ] {
            assert!(!is_namespaced(name), "{name}");
        }
    }
}
