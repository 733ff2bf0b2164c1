// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images as mounts of a container (`--mount type=image`): an overlay of their layers, read-only
//! or with a layer of its own on top.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use super::launch::OverlayLayers;
use super::mounts::apply::{MountError, overlay_name};
use super::mounts::plan::{MountOp, MountSource};
use super::mounts::sources::Sources;
use super::rootfs::{kernel_overlay, kernel_overlay_read_only};
use crate::sys::SysResult;
use crate::sys::mount::{Depth, MountAttr, set_attr};

/// The type of such a mount in the plan. Its parameters are `lowerdir+` for each layer, topmost
/// first, and `upperdir` and `workdir` if it can be written.
pub const KIND: &str = "x-coracle.image";

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
        if kind != KIND {
            continue;
        }
        let made = overlay(parameters, op.set).map_err(|source| MountError::Refused {
            what: "image".to_owned(),
            container_path: op.container_path.clone(),
            source,
        })?;
        sources.add(overlay_name(op), made);
    }
    Ok(())
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
