// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The root of a container inside of its init stage: the root file system, what is mounted in it,
//! and what is covered when all mounts are there.

use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use oci_spec::runtime::{Linux, Process, Spec};

use super::devices::{self, Nodes};
use super::failure::{StageFailure, call};
use super::launch::{Launch, MapWriter, Root, WorkdirPolicy};
use super::mounts::apply::{self, Filled, Shown};
use super::mounts::copy_up::{chown_tree, own_if_empty};
use super::mounts::cover::{self, Mask};
use super::mounts::plan::{self, MountOp, MountSource};
use super::mounts::sources::Sources;
use super::mounts::target;
use super::rootfs::{self, Fallback};
use super::{handshake, image_mounts, localtime, sysctl};
use crate::sys::channel::Channel;
use crate::sys::mount::MountAttr;
use crate::sys::steps::step;
use crate::sys::{SysError, SysResult};

/// Mounts the root file system and everything in it.
pub(super) fn make_root(
    launch: &Launch,
    linux: &Linux,
    (mountpoint, sources): (&Path, &mut Sources),
    line: &Channel,
) -> Result<MadeRoot, StageFailure> {
    let mut serve = |device: OwnedFd| handshake::send_device(line, &device);
    let fallback = if launch.fuse_allowed {
        Fallback::Fuse
    } else {
        Fallback::None
    };
    let mounts = launch.spec.mounts().as_deref().unwrap_or_default();
    let plan = plan::plan(mounts).map_err(|error| StageFailure::setup(error.to_string()))?;
    apply::make_overlays(&plan, sources).map_err(|error| StageFailure::setup(error.to_string()))?;
    image_mounts::make(&plan, sources).map_err(|error| StageFailure::setup(error.to_string()))?;
    step(|| format!("mount the root {:?}", launch.root));
    let root = rootfs::mount_root(&launch.root, fallback, (mountpoint, sources), &mut serve)
        .map_err(|error| root_refused(&error, &launch.root))?;
    if let Some(local) = &launch.local_time {
        localtime::set(local, root.as_fd())?;
    }
    let mut given = Vec::new();
    for op in &plan {
        let op = without_seal(op);
        let op = op.as_ref();
        let copied = apply::copy_link(op, root.as_fd());
        if copied.map_err(|error| StageFailure::setup(error.to_string()))? {
            continue;
        }
        let applied = apply::apply(op, root.as_fd(), sources)
            .map_err(|error| StageFailure::setup(error.to_string()))?;
        if applied.filled == Filled::Copied {
            call(|| handshake::send_filled(line, &op.container_path))?;
        }
        if op.closes_late() {
            given.push(Given {
                op: op.clone(),
                mount: applied.mount,
                filled: applied.filled,
            });
        }
        if applied.shown == Shown::Host {
            handshake::send_warning(line, &host_is_shown(&op.container_path));
        }
        // One that is bound is as its owner wants it, and may be the host's own.
        let is_bound = matches!(op.source, MountSource::Bind { .. });
        if op.container_path == Path::new(DEV) && !is_bound {
            let nodes = match (launch.maps_by, &launch.lifecycle) {
                (MapWriter::Nobody, Some(_)) => Nodes::Made,
                _ => Nodes::Bound,
            };
            call(|| devices::fill(root.as_fd(), linux, nodes))?;
        }
    }
    Ok(MadeRoot { root, given })
}

/// A store on an overlay, as inside of another container, can have none on top, and where there is
/// no FUSE either nothing else is left. Older kernels do not say why they refuse it.
fn root_refused(error: &SysError, root: &Root) -> StageFailure {
    let upper = match root {
        Root::Kernel(layers) => Some(&layers.upper),
        Root::Fuse(_) | Root::Hybrid(_) | Root::Machine(_) | Root::Directory(_) => None,
    };
    let lies_on_overlay = |upper: &PathBuf| {
        let found = statfs(upper.as_path());
        found.is_ok_and(|found| found.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
    };
    let cure = if error.errno == Errno::EINVAL && upper.is_some_and(lies_on_overlay) {
        "; the store lies on a file system that cannot hold the upper layer of an overlay: give it a \
         volume of its own (--root), or this container /dev/fuse (--device /dev/fuse)"
    } else {
        ""
    };
    StageFailure::setup(format!("mount the root file system: {error}{cure}"))
}

/// The container's root with its mounts.
pub(super) struct MadeRoot {
    pub(super) root: OwnedFd,
    pub(super) given: Vec<Given>,
}

/// A mount that may become the property of whoever runs the program.
pub(super) struct Given {
    op: MountOp,
    mount: OwnedFd,
    filled: Filled,
}

impl Given {
    /// Gives all of it (`U`), or a new volume of which the image has nothing.
    pub(super) fn give(&self, owner: (u32, u32)) -> SysResult<()> {
        if self.op.chown {
            chown_tree(self.mount.as_fd(), owner)?;
        } else if self.filled == Filled::ForUser {
            own_if_empty(self.mount.as_fd(), owner)?;
        }
        apply::close(&self.op, self.mount.as_fd())
    }
}

fn host_is_shown(path: &Path) -> String {
    format!(
        "{0} of this host is partly covered by other mounts, so that the kernel gives the container \
         none of its own: it sees the host's {0}",
        path.display()
    )
}

const DEV: &str = "/dev";

/// A /dev that is to be read-only takes nodes, places of mounts and the console first.
fn without_seal(op: &MountOp) -> Cow<'_, MountOp> {
    if op.container_path != Path::new(DEV) {
        return Cow::Borrowed(op);
    }
    Cow::Owned(MountOp {
        set: op.set.without(MountAttr::RDONLY),
        ..op.clone()
    })
}

/// Whether the spec asks for a read-only /dev.
fn seals_dev(spec: &Spec) -> bool {
    let mut mounts = spec.mounts().iter().flatten();
    mounts.any(|mount| {
        let mut options = mount.options().iter().flatten();
        mount.destination() == Path::new(DEV) && options.any(|option| option == "ro")
    })
}

/// What comes after the mounts: sysctls, masked and read-only paths, a read-only root.
pub(super) fn finish_root(
    launch: &Launch,
    linux: &Linux,
    root: &OwnedFd,
) -> Result<(), StageFailure> {
    step(|| "write kernel settings, cover masked and read-only paths");
    sysctl::write_all(linux, root.as_fd())?;
    let mut mask = call(Mask::prepare)?;
    let hide = |path: &str| -> Result<PathBuf, StageFailure> { Ok(PathBuf::from(path)) };
    for path in linux.masked_paths().iter().flatten() {
        let path = hide(path)?;
        call(|| mask.cover(root.as_fd(), &path))?;
    }
    for path in linux.readonly_paths().iter().flatten() {
        call(|| cover::read_only(root.as_fd(), Path::new(path)))?;
    }
    if seals_dev(&launch.spec) {
        call(|| cover::seal(root.as_fd(), Path::new(DEV)))?;
    }
    let read_only = launch
        .spec
        .root()
        .as_ref()
        .and_then(oci_spec::runtime::Root::readonly);
    if read_only == Some(true) {
        let workdir = launch.spec.process().as_ref().map(Process::cwd);
        if let (Some(path), WorkdirPolicy::Make) = (workdir, launch.workdir) {
            // Where that does not work, entering it says why.
            let kind = target::TargetKind::Directory;
            drop(target::open_or_make(
                root.as_fd(),
                path,
                kind,
                target::Links::Follow,
            ));
        }
        call(|| rootfs::make_read_only(root))?;
    }
    Ok(())
}
