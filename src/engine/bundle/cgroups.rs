// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cgroups of a container: one in each hierarchy of the host where the caller may make one. On
//! most hosts that is the one v2 tree; old ones have a v1 hierarchy for each controller, and some
//! have both.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};
use oci_spec::runtime::{Linux, LinuxCpu, LinuxNamespaceType, LinuxResources};
use serde::{Deserialize, Serialize};

use super::{BundleError, CgroupManager};
use crate::engine::cgroup;
use crate::engine::limits::LimitError;
use crate::runtime::failure::chain;

/// What the kernel takes as a CPU period; 0 stands for none.
const CPU_PERIODS: std::ops::RangeInclusive<u64> = 1000..=1_000_000;

/// Where a container's cgroups are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Cgroups {
    /// Below the mount of the v2 tree; empty when there is none.
    pub(super) unified: String,
    /// The host's directories in the v1 hierarchies.
    pub(super) legacy: Vec<LegacyCgroup>,
}

/// A cgroup of a v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LegacyCgroup {
    /// As in /proc/self/cgroup: `cpu,cpuacct`.
    pub(super) controllers: String,
    pub(super) directory: PathBuf,
}

/// A hierarchy of the host, seen from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// As in /proc/self/cgroup; empty for the v2 tree.
    pub(super) controllers: String,
    pub(super) mount_point: PathBuf,
    /// Where this process is in it.
    pub(super) own: PathBuf,
}

/// The hierarchies that are mounted.
pub(super) fn hierarchies() -> Vec<Hierarchy> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut found = parse_hierarchies(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
    found.retain(Hierarchy::is_in_sight);
    found.dedup_by(|later, first| later.controllers == first.controllers);
    found
}

fn parse_hierarchies(own: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let lines = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some((controllers, Path::new(path)))
    });
    let found = lines.flat_map(|(controllers, path)| {
        let mounts = mountinfo.lines();
        let mounts = mounts.filter_map(move |line| mounted_at(line, controllers));
        mounts.map(move |(root, mount_point)| Hierarchy {
            controllers: controllers.to_owned(),
            mount_point: mount_point.into(),
            own: Path::new("/").join(path.strip_prefix(root).unwrap_or(Path::new(""))),
        })
    });
    found.collect()
}

/// The root and the place of a mount, if it is the hierarchy of these controllers.
fn mounted_at<'m>(line: &'m str, controllers: &str) -> Option<(&'m str, &'m str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, place) = (mount.next()?, mount.next()?);
    let mut filesystem = filesystem.split(' ');
    let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
    let has = |each: &str| options.split(',').any(|option| option == each);
    let is = match controllers {
        "" => kind == "cgroup2",
        list => kind == "cgroup" && list.split(',').all(has),
    };
    is.then_some((root, place))
}

impl Hierarchy {
    /// Whether nothing is mounted over it.
    fn is_in_sight(&self) -> bool {
        let kind = match self.controllers.as_str() {
            "" => CGROUP2_SUPER_MAGIC,
            _ => CGROUP_SUPER_MAGIC,
        };
        statfs(&self.mount_point).is_ok_and(|found| found.filesystem_type() == kind)
    }

    /// Where the spec wants the container's cgroup: an absolute path from the top, another one
    /// below the caller's.
    fn place(&self, wanted: &Path) -> PathBuf {
        if let Ok(below) = wanted.strip_prefix("/") {
            return below.to_owned();
        }
        let own = self.own.strip_prefix("/").unwrap_or(&self.own);
        own.join(wanted)
    }
}

/// What the spec's cgroupsPath means.
fn wanted_path(linux: &Linux, id: &str, manager: CgroupManager) -> Result<PathBuf, BundleError> {
    let path = linux.cgroups_path().clone().unwrap_or_default();
    let refused = |reason: &str| BundleError::Cgroup {
        id: id.to_owned(),
        reason: format!("cgroupsPath {}: {reason}", path.display()),
    };
    if path
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        return Err(refused("leads upwards"));
    }
    let text = path.to_string_lossy();
    let parts: Vec<&str> = text.split(':').collect();
    match (manager, &parts[..]) {
        (_, [""]) => Ok(PathBuf::from(id)),
        (CgroupManager::Systemd, [slice, prefix, name]) => {
            let scope = match *prefix {
                "" => format!("{name}.scope"),
                prefix => format!("{prefix}-{name}.scope"),
            };
            Ok(slice_path(slice).join(scope))
        }
        (CgroupManager::Systemd, _) => Err(refused("is not SLICE:PREFIX:NAME")),
        (CgroupManager::Cgroupfs | CgroupManager::Disabled, _) => Ok(path.clone()),
    }
}

/// `a-b.slice` is below `a.slice`, as systemd.slice(5) has it.
fn slice_path(slice: &str) -> PathBuf {
    let slice = if slice.is_empty() {
        "system.slice"
    } else {
        slice
    };
    let name = slice.strip_suffix(".slice").unwrap_or(slice);
    let mut path = PathBuf::from("/");
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    for length in 1..=parts.len() {
        path.push(format!("{}.slice", parts[..length].join("-")));
    }
    path
}

impl Cgroups {
    /// Makes the cgroups that a spec asks for, where the caller may. Elsewhere the container stays
    /// in the caller's. One in which others live already is refused, since to pause, limit or
    /// remove the container would be to do so to them; one that a killed container left is empty.
    pub(super) fn make(
        linux: &Linux,
        id: &str,
        manager: CgroupManager,
    ) -> Result<Self, BundleError> {
        let mut made = Self::default();
        if manager == CgroupManager::Disabled {
            return Ok(made);
        }
        let wanted = wanted_path(linux, id, manager)?;
        let hierarchies = hierarchies();
        for hierarchy in &hierarchies {
            check_free(&hierarchy.mount_point.join(hierarchy.place(&wanted)), id)?;
        }
        for hierarchy in hierarchies {
            let below = hierarchy.place(&wanted);
            let directory = hierarchy.mount_point.join(&below);
            if make_all(&hierarchy, &directory).is_err() {
                continue;
            }
            if hierarchy.controllers.is_empty() {
                made.unified = format!("/{}", below.display());
            } else {
                made.legacy.push(LegacyCgroup {
                    controllers: hierarchy.controllers,
                    directory,
                });
            }
        }
        Ok(made)
    }

    /// The directory in the v2 tree, for clone3(2).
    pub(super) fn open(&self) -> Option<OwnedFd> {
        cgroup::open(&self.unified)
    }

    /// Moves the process into the v1 cgroups.
    pub(super) fn join(&self, pid: i32) -> io::Result<()> {
        for LegacyCgroup { directory, .. } in &self.legacy {
            write(&directory.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(())
    }

    /// The processes in the container's cgroups; nothing when it has none of its own.
    pub(super) fn processes(&self) -> Option<Vec<i32>> {
        let directory = match cgroup::directory(&self.unified) {
            Some(directory) => directory,
            None => self.legacy.first()?.directory.clone(),
        };
        let mut pids = Vec::new();
        collect(&directory, &mut pids);
        Some(pids)
    }

    pub(super) fn is_frozen(&self) -> bool {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        match self.freezer() {
            Some(freezer) => read(freezer.join("freezer.state")).trim() != "THAWED",
            None => cgroup::directory(&self.unified)
                .is_some_and(|directory| read(directory.join("cgroup.freeze")).trim() == "1"),
        }
    }

    /// Stops all processes, or lets them go on.
    pub(super) fn set_frozen(&self, frozen: Frozen) -> Result<(), String> {
        let Some(freezer) = self.freezer() else {
            let done = match frozen {
                Frozen::Yes => cgroup::freeze(&self.unified),
                Frozen::No => cgroup::thaw(&self.unified),
            };
            return done.map_err(|error| error.to_string());
        };
        let word = match frozen {
            Frozen::Yes => "FROZEN",
            Frozen::No => "THAWED",
        };
        let path = freezer.join("freezer.state");
        write(&path, word).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn freezer(&self) -> Option<&Path> {
        let found = self.legacy.iter().find(|each| each.has("freezer"))?;
        Some(&found.directory)
    }

    /// Kills what is left in them and removes them.
    pub(super) fn destroy(&self) -> Result<(), String> {
        cgroup::destroy(&self.unified).map_err(|error| error.to_string())?;
        for LegacyCgroup { directory, .. } in &self.legacy {
            remove_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        Ok(())
    }
}

/// Sets the limits of `resources`. Where the caller has cgroups of v1 they are not set, as those
/// are another's to divide; the value says so then.
pub(super) fn limit(
    cgroups: &Cgroups,
    id: &str,
    resources: &LinuxResources,
) -> Result<Option<String>, BundleError> {
    let refused = |reason: String| BundleError::Cgroup {
        id: id.to_owned(),
        reason,
    };
    let period = resources.cpu().as_ref().and_then(LinuxCpu::period);
    if let Some(period) = period.filter(|period| *period != 0 && !CPU_PERIODS.contains(period)) {
        return Err(refused(format!(
            "a CPU period of {period} microseconds: the kernel takes 1000 to 1000000"
        )));
    }
    match cgroup::hold_resources(&cgroups.unified, resources) {
        Err(LimitError::Lacking { .. }) if !cgroups.legacy.is_empty() => {
            let why = "those of cgroup v1 are not set by this runtime";
            Ok(Some(format!("limits of container {id} are ignored: {why}")))
        }
        Err(error) => Err(refused(chain(&error))),
        Ok(()) => Ok(None),
    }
}

/// What to tell the user of a container whose processes nothing holds together.
pub(super) fn scattered(cgroups: &Cgroups, linux: &Linux) -> Option<String> {
    let mut namespaces = linux.namespaces().iter().flatten();
    let own_ids = namespaces
        .any(|namespace| namespace.typ() == LinuxNamespaceType::Pid && namespace.path().is_none());
    (!own_ids && *cgroups == Cgroups::default()).then(|| {
        "a container with neither a cgroup nor a pid namespace of its own: not all of its \
         processes can be found to be killed. Such configuration is strongly discouraged"
            .to_owned()
    })
}

/// Whether processes stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frozen {
    Yes,
    No,
}

impl LegacyCgroup {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|each| each == controller)
    }
}

/// A cpuset begins empty, and takes no process until it has processors and memory.
fn make_all(hierarchy: &Hierarchy, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    if !hierarchy
        .controllers
        .split(',')
        .any(|each| each == "cpuset")
    {
        return Ok(());
    }
    let below = directory
        .strip_prefix(&hierarchy.mount_point)
        .unwrap_or(directory);
    let mut path = hierarchy.mount_point.clone();
    for part in below.components() {
        let parent = path.clone();
        path.push(part);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if fs::read_to_string(path.join(file))?.trim().is_empty() {
                write(&path.join(file), &fs::read_to_string(parent.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// In runc's words: nobody lives there, and nothing that comes would stand still.
fn check_free(directory: &Path, id: &str) -> Result<(), BundleError> {
    let mut pids = Vec::new();
    collect(directory, &mut pids);
    let frozen = fs::read_to_string(directory.join("cgroup.freeze")).unwrap_or_default();
    let what = match pids.len() {
        0 if frozen.trim() != "1" => return Ok(()),
        0 => "unexpectedly frozen".to_owned(),
        count => format!("not empty: {count} process(es) found"),
    };
    Err(BundleError::Cgroup {
        id: id.to_owned(),
        reason: format!("container's cgroup {} is {what}", directory.display()),
    })
}

fn collect(directory: &Path, pids: &mut Vec<i32>) {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), pids);
        }
    }
}

fn remove_all(directory: &Path) -> io::Result<()> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_all(&entry.path())?;
        }
    }
    // The last process is still being taken out of it for a moment after its end.
    for _ in 0..100 {
        match fs::remove_dir(directory) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => return removed,
        }
    }
    fs::remove_dir(directory)
}

pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_where_they_are_mounted() {
        let own = "2:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/user\n";
        let mounts = "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      31 24 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        let found = parse_hierarchies(own, mounts);
        let shown: Vec<_> = found
            .iter()
            .map(|each| format!("{} {}", each.mount_point.display(), each.own.display()))
            .collect();
        assert_eq!(
            shown,
            ["/sys/fs/cgroup/cpu /a/b", "/sys/fs/cgroup/unified /user"]
        );
        assert_eq!(found[0].place(Path::new("/x")), Path::new("x"));
        assert_eq!(found[0].place(Path::new("x")), Path::new("a/b/x"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "stands for the kernel's files")]
    fn a_cgroup_in_which_others_live_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let checked = || check_free(&directory.path().join("web"), "web");
        assert!(checked().is_ok(), "there is none");
        let inner = directory.path().join("web/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("cgroup.procs"), "").unwrap();
        assert!(checked().is_ok(), "a killed container left it");
        let freeze = directory.path().join("web/cgroup.freeze");
        fs::write(&freeze, "1\n").unwrap();
        let told = checked().unwrap_err().to_string();
        assert!(told.ends_with("web is unexpectedly frozen"), "{told}");
        fs::write(inner.join("cgroup.procs"), "7\n8\n").unwrap();
        let told = checked().unwrap_err().to_string();
        assert!(
            told.ends_with("is not empty: 2 process(es) found"),
            "{told}"
        );
    }

    #[test]
    fn paths_are_read_as_the_manager_has_them() {
        let read = |path: &str, manager| {
            let mut linux = Linux::default();
            linux.set_cgroups_path(Some(path.into()));
            wanted_path(&linux, "web", manager).map_err(|error| error.to_string())
        };
        let cases = [
            ("/x/y", CgroupManager::Cgroupfs, "/x/y"),
            ("", CgroupManager::Cgroupfs, "web"),
            (
                "user-1.slice:libpod:abc",
                CgroupManager::Systemd,
                "/user.slice/user-1.slice/libpod-abc.scope",
            ),
        ];
        for (path, manager, wanted) in cases {
            assert_eq!(read(path, manager), Ok(PathBuf::from(wanted)));
        }
        assert!(read("/a/../b", CgroupManager::Cgroupfs).is_err());
        assert!(read("/a", CgroupManager::Systemd).is_err());
    }
}
