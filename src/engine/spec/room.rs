// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a mount that every container has finds its place in what the user mounts above it.

use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::engine::volume::beneath;
use crate::state::record::{MountKind, MountRequest};

/// Whether `place` exists, or can be made, in the lowest mount above it. Podman makes an empty file
/// even in what it mounts read-only; here a container has it as it was given then, and neither
/// a mark that is a container.
pub(super) fn is_there(asked: &[&MountRequest], place: &Path) -> bool {
    let above = asked.iter().filter(|mount| {
        let path = Path::new(&mount.container_path);
        place.starts_with(path) && place != path
    });
    let depth = |mount: &&&MountRequest| Path::new(&mount.container_path).components().count();
    let Some(above) = above.max_by_key(depth) else {
        return true;
    };
    match above.kind {
        MountKind::Tmpfs | MountKind::Ramfs | MountKind::Overlay => true,
        MountKind::Devpts | MountKind::Image => false,
        MountKind::Bind | MountKind::Volume | MountKind::Artifact => in_bind(above, place),
    }
}

fn in_bind(mount: &MountRequest, place: &Path) -> bool {
    let Ok(rest) = place.strip_prefix(&mount.container_path) else {
        return true;
    };
    let source = Path::new(&mount.source).join(beneath(mount).unwrap_or_default());
    if source.join(rest).symlink_metadata().is_ok() {
        return true;
    }
    let read_only = mount
        .options
        .iter()
        .any(|option| matches!(option.as_str(), "ro" | "rro"));
    let is_mark = place == Path::new("/run/.containerenv");
    !read_only && !is_mark && access(&source, AccessFlags::W_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_what_the_user_mounts() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("hosts")).unwrap();
        let mount = |kind, options: &[&str]| MountRequest {
            kind,
            source: directory.path().to_string_lossy().into_owned(),
            container_path: "/etc".to_owned(),
            options: options.iter().map(ToString::to_string).collect(),
        };
        let cases = [
            (MountKind::Bind, &[][..], "/etc/hostname", true),
            (MountKind::Bind, &["ro"], "/etc/hostname", false),
            (MountKind::Bind, &["ro"], "/etc/hosts", true),
            (MountKind::Tmpfs, &["ro"], "/etc/hostname", true),
            (MountKind::Image, &[], "/etc/hosts", false),
            (MountKind::Image, &[], "/run/.containerenv", true),
        ];
        for (kind, options, place, expected) in cases {
            let asked = mount(kind, options);
            assert_eq!(
                is_there(&[&asked], Path::new(place)),
                expected,
                "{kind:?} {place}"
            );
        }
    }
}
