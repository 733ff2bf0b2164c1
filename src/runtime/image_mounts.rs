// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images as mounts of a container (`--mount type=image`): an overlay of their layers, read-only
//! or with a layer of its own on top.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use super::launch::OverlayLayers;
use super::mounts::apply::MountError;
use super::mounts::plan::{MountOp, MountSource};
use super::mounts::sources::{IMAGE, Sources, overlay_name};
use super::mounts::target::{self, Links};
use super::overlay_mount::{kernel_overlay, kernel_overlay_read_only};
use crate::sys::mount::{Depth, MountAttr, attach, set_attr};
use crate::sys::{Called as _, SysResult};

/// Makes those of `plan` before the root is there, which may stand over the same layers.
///
/// # Errors
///
/// [`MountError::Refused`].
pub fn make(plan: &[MountOp], sources: &mut Sources) -> Result<(), MountError> {
    for op in plan {
        let MountSource::New {
            kind, parameters, ..
        } = &op.source
        else {
            continue;
        };
        if kind != IMAGE {
            continue;
        }
        let refused = |source| MountError::Refused {
            what: "image".to_owned(),
            container_path: op.container_path.clone(),
            source,
        };
        let mut made = overlay(parameters, op.set).map_err(refused)?;
        if let Some(beneath) = &op.beneath {
            made = part(&made, beneath).map_err(|error| match error.errno {
                Errno::ENOENT => MountError::NotInImage {
                    beneath: Path::new("/").join(beneath),
                    container_path: op.container_path.clone(),
                },
                _ => refused(error),
            })?;
        }
        sources.add(overlay_name(op), made);
    }
    Ok(())
}

/// A part of a mount; no link in it leads out of that.
fn part(whole: &OwnedFd, beneath: &Path) -> SysResult<OwnedFd> {
    let part = || target::clone_below(whole.as_fd(), beneath, Links::Follow, Depth::One);
    match part() {
        // Linux before 6.15 copies from none that stands nowhere. Nobody sees it here: this mount
        // namespace is not shared, and the container's root is not there yet.
        Err(error) if error.errno == Errno::EINVAL => {
            let root = File::open("/").called(|| "open(\"/\")")?;
            attach(whole.as_fd(), root.as_fd())?;
            let part = part();
            let place = format!("/proc/self/fd/{}", whole.as_raw_fd());
            umount2(&*place, MntFlags::MNT_DETACH).called(|| format!("umount2({place})"))?;
            part
        }
        part => part,
    }
}

fn overlay(parameters: &[(String, Option<String>)], set: MountAttr) -> SysResult<OwnedFd> {
    let named = |name: &str| {
        let of_name = parameters.iter().filter(move |(key, _)| key == name);
        let values = of_name.filter_map(|(_, value)| value.as_ref().map(PathBuf::from));
        values.collect::<Vec<_>>()
    };
    let lower = named("lowerdir+");
    let own = named("upperdir").pop().zip(named("workdir").pop());
    let mount = match own {
        None => kernel_overlay_read_only(&lower)?,
        Some((upper, work)) => kernel_overlay(&OverlayLayers {
            lower,
            upper,
            work,
            // What is written goes with the run.
            volatile: true,
        })?,
    };
    set_attr(mount.as_fd(), set, MountAttr::NONE, 0, Depth::One)?;
    Ok(mount)
}
