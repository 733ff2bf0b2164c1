// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's cgroup v2 directory from outside: freeze, thaw, kill what is left, remove.

mod divide;
mod home;
mod limits;
mod near;
mod pod;
mod systemd;
mod wanted;

pub(super) use home::{Home, change, hold_resources};
pub(super) use near::come_near;
pub(super) use pod::place as place_of_pod;
pub use systemd::SystemdError;
pub(super) use wanted::{PodCgroup, Wanted};

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use crate::network::helper;
use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::state::record::ContainerRecord;
use crate::sys::{Called, SysError, SysResult};

/// A cgroup made for a container, below the caller's own.
#[derive(Debug)]
pub(super) struct ContainerCgroup {
    /// Path below the cgroup2 mount.
    pub(super) path: String,
    /// The directory, for clone3(2).
    pub(super) fd: OwnedFd,
}

impl ContainerCgroup {
    /// Makes a cgroup below the caller's own, where that is delegated to it. Elsewhere there is
    /// none, the container stays in the caller's, and nobody asked for more.
    pub(super) fn make(id: &ContainerId) -> Option<Self> {
        let mounted = mount_point()?;
        let path = path_of(id)?;
        let directory = mounted.join(path.trim_start_matches('/'));
        Self::at(&directory, path).ok()
    }

    fn at(directory: &Path, path: String) -> SysResult<Self> {
        match fs::create_dir(directory) {
            // A start that was killed left it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.called(|| format!("mkdir({})", directory.display()))?,
        }
        let opened = File::open(directory).called(|| format!("open({})", directory.display()));
        if opened.is_err() {
            drop(fs::remove_dir(directory));
        }
        opened.map(|file| Self {
            path,
            fd: file.into(),
        })
    }
}

impl ContainerCgroup {
    /// The file that counts kills by the kernel for want of memory; none without the controller.
    pub(super) fn memory_events(&self) -> Option<OwnedFd> {
        let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC;
        let mode = nix::sys::stat::Mode::empty();
        nix::fcntl::openat(&self.fd, "memory.events", flags, mode).ok()
    }
}

/// Whether a cgroup v2 tree is mounted on this host.
pub(super) fn has_cgroup2() -> bool {
    mount_point().is_some()
}

/// Opens a container's cgroup; `None` where none was made.
pub(super) fn open(cgroup_path: &str) -> Option<OwnedFd> {
    File::open(directory(cgroup_path)?).ok().map(OwnedFd::from)
}

/// Where the cgroup of a container is made that the caller starts.
fn path_of(id: &ContainerId) -> Option<String> {
    let own = own_cgroup()?;
    let own = own.trim_end_matches('/');
    Some(format!("{own}/coracle-{}", id.short()))
}

/// A cgroup for the network helper, which serves all of the user's containers: as high in the tree
/// as it may be made. In that of whoever started it first, it would end with that. None where there
/// is no such place.
pub(super) fn of_network_helper() -> Option<helper::Cgroup> {
    let mounted = mount_point()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = Path::new(own_path(&own)?.trim_start_matches('/'));
    let mut above = own.ancestors().skip(1).collect::<Vec<_>>();
    above.reverse();
    above.into_iter().find_map(|place| {
        let directory = mounted.join(place).join("coracle-network");
        match fs::create_dir(&directory) {
            // The last helper was killed, or is in it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.ok()?,
        }
        // Another user's cannot be joined.
        let procs = directory.join("cgroup.procs");
        OpenOptions::new().write(true).open(procs).ok()?;
        Some(helper::Cgroup {
            directory: File::open(&directory).ok()?.into(),
            path: directory,
            origin: mounted.join(own),
        })
    })
}

/// Removes what a start left that was killed before it could write the cgroup into the record:
/// below the caller's own, or where limits or its pod brought it.
pub(super) fn discard(id: &ContainerId, record: Option<&ContainerRecord>, dirs: &Dirs) {
    drop(path_of(id).map(|path| destroy(&path)));
    let request = record.map(|record| &record.request);
    let elsewhere =
        request.filter(|request| request.cgroup_parent.is_some() || !request.limits.is_empty());
    let mut places = elsewhere.map_or_else(Vec::new, |request| home::places(id, request));
    let pod = record.and_then(|record| record.resolved.pod.as_ref());
    let shared = pod.and_then(|pod| place_of_pod(&dirs.pod_run(pod)));
    places.extend(shared.map(|place| format!("{place}/{}", wanted::name_of(id))));
    for path in places {
        drop(destroy(&path));
    }
}

fn own_cgroup() -> Option<String> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    own_path(&own).map(str::to_owned)
}

fn own_path(proc_self_cgroup: &str) -> Option<&str> {
    proc_self_cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
}

/// Stops all processes of the cgroup; returns when they stand still.
pub(super) fn freeze(cgroup_path: &str) -> SysResult<()> {
    set_frozen(cgroup_path, "1")
}

/// Lets them go on.
pub(super) fn thaw(cgroup_path: &str) -> SysResult<()> {
    set_frozen(cgroup_path, "0")
}

/// Kills whatever still runs in the cgroup and removes it, with what was made below it; that of its
/// pod goes with the last. Nothing happens where there is none.
pub(super) fn destroy(cgroup_path: &str) -> SysResult<()> {
    destroy_one(cgroup_path)?;
    if let Some((above, _)) = cgroup_path.rsplit_once('/')
        && above.rsplit('/').next().is_some_and(wanted::is_of_pod)
    {
        // As long as there are others in it, it stays.
        drop(directory(above).map(fs::remove_dir));
    }
    Ok(())
}

fn destroy_one(cgroup_path: &str) -> SysResult<()> {
    let Some(directory) = directory(cgroup_path) else {
        return Ok(());
    };
    // Usually the last process has ended, and nobody made a cgroup below: no file of it is needed.
    if fs::remove_dir(&directory).is_ok() {
        return Ok(());
    }
    let kill = directory.join("cgroup.kill");
    if kill.exists() {
        write(&kill, "1")?;
        wait_for_event(&directory, "populated 0")?;
    }
    remove_below(&directory)
}

/// The host's directory of a cgroup; `None` where none was made or it has gone.
pub(super) fn directory(cgroup_path: &str) -> Option<PathBuf> {
    let below = cgroup_path.trim_matches('/');
    if below.is_empty() {
        return None;
    }
    let directory = mount_point()?.join(below);
    directory.is_dir().then_some(directory)
}

/// Where the cgroup v2 tree is mounted: beside the v1 trees on a hybrid host. The usual places are
/// asked first: the table of mounts is long on some hosts, and the kernel writes it line by line.
fn mount_point() -> Option<PathBuf> {
    let usual = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let is_cgroup2 =
        |path: &str| statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    if let Some(path) = usual.into_iter().find(|path| is_cgroup2(path)) {
        return Some(PathBuf::from(path));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // Another file system may have been mounted over it.
    let found = mount_points_in(&mounts).find(|path| is_cgroup2(path));
    found.map(PathBuf::from)
}

fn mount_points_in(mountinfo: &str) -> impl Iterator<Item = &str> {
    mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_cgroup2 = filesystem.split(' ').next() == Some("cgroup2");
        is_cgroup2.then(|| mount.split(' ').nth(4)).flatten()
    })
}

fn set_frozen(cgroup_path: &str, value: &str) -> SysResult<()> {
    let Some(directory) = directory(cgroup_path) else {
        let call = format!("open(\"{cgroup_path}/cgroup.freeze\")");
        return Err(SysError::new(call, Errno::ENOENT));
    };
    write(&directory.join("cgroup.freeze"), value)?;
    wait_for_event(&directory, &format!("frozen {value}"))
}

/// Waits until `cgroup.events` holds the line `wanted`.
fn wait_for_event(directory: &Path, wanted: &str) -> SysResult<()> {
    let path = directory.join("cgroup.events");
    let called = |call: &str| format!("{call}({})", path.display());
    let mut events = File::open(&path).called(|| called("open"))?;
    loop {
        let mut text = String::new();
        events.rewind().called(|| called("lseek"))?;
        events.read_to_string(&mut text).called(|| called("read"))?;
        if text.lines().any(|line| line == wanted) {
            return Ok(());
        }
        let mut descriptors = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        match poll(&mut descriptors, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new(called("poll"), errno)),
        }
    }
}

/// rmdir from the leaves up: a container may have made cgroups of its own.
fn remove_below(directory: &Path) -> SysResult<()> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path())?;
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).called(|| format!("rmdir({})", directory.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write(path: &Path, value: &str) -> SysResult<()> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .called(|| format!("write({}, \"{value}\")", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_tree_is_found_on_pure_and_hybrid_hosts() {
        let pure = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
        let hybrid = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 24 0:28 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        let cases = [
            (pure, Some("/sys/fs/cgroup")),
            (hybrid, Some("/sys/fs/cgroup/unified")),
            ("31 24 0:27 / /sys rw - sysfs sysfs rw", None),
        ];
        for (mountinfo, expected) in cases {
            assert_eq!(mount_points_in(mountinfo).next(), expected);
        }
    }
}
