// SPDX-License-Identifier: Apache-2.0 OR MIT
//! /etc/localtime of a container that was given a time zone: a link to the image's own zone file
//! where it has one, as localtime(5) wants it, else a copy of the machine's mounted there.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::failure::StageFailure;
use super::launch::LocalTime;
use super::mounts::apply;
use super::mounts::plan::{LastLink, MountOp, MountSource};
use super::mounts::sources::Sources;
use super::mounts::target::{self, Links, TargetKind};
use crate::sys::mount::{Depth, MountAttr};
use crate::sys::{Called, SysResult};

/// Where zone files are, here and inside.
pub const ZONES: &str = "/usr/share/zoneinfo";

/// Sets the time zone below `root`.
///
/// # Errors
///
/// A zone that neither the image nor the machine has; a root that cannot be written.
pub fn set(local: &LocalTime, root: BorrowedFd<'_>) -> Result<(), StageFailure> {
    let refused = |reason: String| StageFailure::setup(format!("set the time zone: {reason}"));
    let own_file = local.zone.as_ref().map(|zone| Path::new(ZONES).join(zone));
    let own_file = own_file.filter(|path| target::open(root, path, Links::Follow).is_ok());
    if own_file.is_none() && local.copy.is_none() {
        let zone = local.zone.as_deref().unwrap_or("local");
        return Err(refused(format!(
            "neither the image nor this machine has {zone} below {ZONES}"
        )));
    }
    replace(root, own_file.as_deref()).map_err(|error| refused(error.to_string()))?;
    match (own_file, &local.copy) {
        (None, Some(copy)) => apply::apply(&mount_of(copy), root, &mut Sources::default())
            .map(drop)
            .map_err(|error| refused(error.to_string())),
        (Some(_), _) | (None, None) => Ok(()),
    }
}

/// Takes what is there away: a link to the zone of the image would lead the mount to that file.
fn replace(root: BorrowedFd<'_>, own_file: Option<&Path>) -> SysResult<()> {
    const NAME: &str = "localtime";
    let directory = Path::new("/etc");
    let etc = target::open_or_make(root, directory, TargetKind::Directory, Links::Follow)?;
    match unlinkat(etc.as_fd(), NAME, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno).called(|| "unlinkat(/etc/localtime)"),
    }
    let Some(path) = own_file else {
        return Ok(());
    };
    let link = format!("..{}", path.display());
    symlinkat(link.as_str(), etc.as_fd(), NAME).called(|| "symlinkat(/etc/localtime)")
}

fn mount_of(copy: &Path) -> MountOp {
    MountOp {
        container_path: PathBuf::from("/etc/localtime"),
        source: MountSource::Bind {
            host_path: copy.to_owned(),
            depth: Depth::One,
        },
        set: MountAttr::NONE,
        clear: MountAttr::NONE,
        attr_depth: Depth::One,
        propagation: nix::mount::MsFlags::MS_PRIVATE.bits(),
        propagation_depth: Depth::One,
        copy_up: false,
        chown: false,
        copy_link: false,
        source_link: LastLink::Followed,
        place_link: LastLink::Followed,
        beneath: None,
        into: None,
        idmap: None,
        first_use: None,
    }
}
