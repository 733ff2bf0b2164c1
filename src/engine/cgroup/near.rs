// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a process comes near enough to a cgroup to start another in it: the kernel asks for the
//! right over the nearest cgroup that both are in, and systemd moves whoever lacks it.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::wanted::is_of_pod;
use super::{mount_point, own_cgroup, systemd};

/// Where the monitor is, below its scope.
pub(super) const MONITOR: &str = "/monitor";

/// Sees to it that this process may start another in the cgroup `path`: systemd moves it into the
/// scope or service of that when it is in another part of the tree, such as a login session.
pub(in crate::engine) fn come_near(path: &str) -> Result<(), systemd::SystemdError> {
    let Some((unit, below)) = unit_of(path) else {
        return Ok(());
    };
    let (Some(mounted), Some(own)) = (mount_point(), own_cgroup()) else {
        return Ok(());
    };
    let shared = common(Path::new(&own), Path::new(path));
    let procs = mounted
        .join(shared.strip_prefix("/").unwrap_or(&shared))
        .join("cgroup.procs");
    if access(&procs, AccessFlags::W_OK).is_ok() {
        return Ok(());
    }
    systemd::attach(unit, below, std::process::id())
}

/// As [`come_near`], and into the scope of it in any case: it lives as long as somebody is in it.
pub(super) fn come_in(path: &str) -> Result<(), systemd::SystemdError> {
    match unit_of(path) {
        Some((unit, MONITOR)) => systemd::attach(unit, MONITOR, std::process::id()),
        Some(_) | None => come_near(path),
    }
}

/// The unit of systemd that the container with the cgroup `path` is in, and the place of others
/// there: a scope of ours, or a service that has started it (`--cgroups split`).
fn unit_of(path: &str) -> Option<(&str, &'static str)> {
    let (parent, own) = path.rsplit_once('/')?;
    // The containers of a pod are in one that they share.
    let shared = parent.rsplit_once('/').filter(|(_, last)| is_of_pod(last));
    let above = shared.map_or(parent, |(above, _)| above);
    let unit = above.rsplit('/').next()?;
    match Path::new(unit).extension()?.to_str()? {
        "scope" if unit.starts_with("coracle-") && (shared.is_some() || own == "container") => {
            Some((unit, MONITOR))
        }
        // The service of a pod that is limited is divided.
        "service" if shared.is_some() => Some((unit, "/init")),
        "service" if own.starts_with("coracle-") => Some((unit, "")),
        _ => None,
    }
}

/// The nearest cgroup that both are in.
fn common(one: &Path, other: &Path) -> PathBuf {
    let both = one.components().zip(other.components());
    both.take_while(|(one, other)| one == other)
        .map(|(one, _)| one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_in_a_unit_of_systemd() {
        for (path, unit) in [
            (
                "/u/coracle-1.scope/container",
                Some(("coracle-1.scope", "/monitor")),
            ),
            (
                "/u/app.slice/web.service/coracle-1",
                Some(("web.service", "")),
            ),
            (
                "/u/coracle-pod-1-7.scope/coracle-pod-1/coracle-2",
                Some(("coracle-pod-1-7.scope", "/monitor")),
            ),
            (
                "/u/p-pod.service/coracle-pod-1/coracle-2",
                Some(("p-pod.service", "/init")),
            ),
            ("/u/session-1.scope/coracle-1", None),
            ("/u/session-1.scope/coracle-pod-1/coracle-2", None),
            ("/u/web.service/other", None),
            ("/coracle-1", None),
        ] {
            assert_eq!(unit_of(path), unit, "{path}");
        }
    }

    #[test]
    fn the_nearest_common_cgroup_is_found() {
        let one = Path::new("/user.slice/user-1.slice/session-1.scope");
        let other = Path::new("/user.slice/user-1.slice/user@1.service/x");
        assert_eq!(common(one, other), Path::new("/user.slice/user-1.slice"));
        assert_eq!(common(Path::new("/"), other), Path::new("/"));
    }
}
