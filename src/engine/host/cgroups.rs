// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The layout of cgroups, and what of it was given to this user.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::session::has_systemd;
use super::{Caller, Feature, Finding, Lack};

/// The controllers that containers use.
const CONTROLLERS: &[&str] = &["cpu", "cpuset", "io", "memory", "pids"];

/// Where the cgroup v2 tree is, and whether the controllers are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// The one tree of cgroup v2.
    Unified(PathBuf),
    /// A bare v2 tree beside the controllers of v1.
    Hybrid(PathBuf),
    /// Only v1.
    Legacy,
    /// None at all.
    Absent,
}

pub(super) fn examine(caller: &Caller) -> Finding {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let systemd = has_systemd();
    let lack = match layout(&mounts) {
        Layout::Unified(root) => return delegation(&root, caller, systemd),
        Layout::Hybrid(_) | Layout::Legacy => Lack::CgroupV1Controllers { systemd },
        Layout::Absent => Lack::NoCgroup2,
    };
    Finding::lacking(Feature::Cgroups, lack)
}

/// Why limits that need `controllers` cannot be held.
pub(super) fn lack_of(controllers: &[&str], caller: &Caller) -> Lack {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let systemd = has_systemd();
    let root = match layout(&mounts) {
        Layout::Unified(root) => root,
        Layout::Hybrid(_) | Layout::Legacy => return Lack::CgroupV1Controllers { systemd },
        Layout::Absent => return Lack::NoCgroup2,
    };
    let Some(share) = share(&root, caller) else {
        return Lack::CgroupNotDelegated { systemd };
    };
    let available = fs::read_to_string(share.join("cgroup.controllers")).unwrap_or_default();
    let missing = missing_controllers(&available);
    let missing: Vec<&str> = missing
        .into_iter()
        .filter(|name| controllers.contains(name))
        .collect();
    if missing.is_empty() {
        Lack::CgroupNotDelegated { systemd }
    } else {
        Lack::CgroupControllers { missing, systemd }
    }
}

fn layout(mountinfo: &str) -> Layout {
    let mut unified = None;
    let mut legacy = false;
    for line in mountinfo.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else {
            continue;
        };
        match file_system.split(' ').next() {
            Some("cgroup2") => unified = mount.split(' ').nth(4).map(PathBuf::from),
            // A named hierarchy such as systemd's holds no controller.
            Some("cgroup") if !file_system.contains("name=") => legacy = true,
            _ => {}
        }
    }
    match (unified, legacy) {
        (Some(root), false) => Layout::Unified(root),
        (Some(root), true) => Layout::Hybrid(root),
        (None, true) => Layout::Legacy,
        (None, false) => Layout::Absent,
    }
}

/// The user's share: the cgroup that this process is in, else the one of systemd's user manager,
/// which makes others on request.
fn delegation(root: &Path, caller: &Caller, systemd: bool) -> Finding {
    let Some(share) = share(root, caller) else {
        return Finding::lacking(Feature::Cgroups, Lack::CgroupNotDelegated { systemd });
    };
    let available = fs::read_to_string(share.join("cgroup.controllers")).unwrap_or_default();
    let missing = missing_controllers(&available);
    if missing.is_empty() {
        let found = format!("cgroup v2, {} with all controllers", share.display());
        return Finding::ok(Feature::Cgroups, found);
    }
    Finding::lacking(
        Feature::Cgroups,
        Lack::CgroupControllers { missing, systemd },
    )
}

fn share(root: &Path, caller: &Caller) -> Option<PathBuf> {
    let own = own_cgroup().map(|path| root.join(path));
    let uid = caller.uid;
    let manager = root.join(format!("user.slice/user-{uid}.slice/user@{uid}.service"));
    let shares = own.into_iter().chain([manager]);
    shares.into_iter().find(|path| is_writable(path))
}

fn missing_controllers(available: &str) -> Vec<&'static str> {
    let has = |wanted: &str| available.split_whitespace().any(|name| name == wanted);
    CONTROLLERS
        .iter()
        .copied()
        .filter(|name| !has(name))
        .collect()
}

/// The path of this process's cgroup below the root of the v2 tree, without a leading slash.
fn own_cgroup() -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(line.trim_start_matches('/').to_owned())
}

fn is_writable(cgroup: &Path) -> bool {
    access(cgroup, AccessFlags::W_OK).is_ok()
        && access(&cgroup.join("cgroup.procs"), AccessFlags::W_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_apart() {
        let v2 = "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let bare = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let cpu = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let named = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
        let cases = [
            (v2.to_owned(), Layout::Unified("/sys/fs/cgroup".into())),
            (
                [v2, named].concat(),
                Layout::Unified("/sys/fs/cgroup".into()),
            ),
            (
                [cpu, named, bare].concat(),
                Layout::Hybrid("/sys/fs/cgroup/unified".into()),
            ),
            ([cpu, named].concat(), Layout::Legacy),
            (
                "1 2 0:1 / / rw - ext4 /dev/sda rw\n".to_owned(),
                Layout::Absent,
            ),
        ];
        for (mountinfo, expected) in cases {
            assert_eq!(layout(&mountinfo), expected, "{mountinfo}");
        }
    }

    #[test]
    fn controllers_that_are_missing_are_named() {
        assert_eq!(
            missing_controllers("cpuset cpu io memory pids"),
            Vec::<&str>::new()
        );
        assert_eq!(missing_controllers("memory pids"), ["cpu", "cpuset", "io"]);
    }
}
