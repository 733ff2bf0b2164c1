// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a container's mounts go that its own root may not make: without root among its ids nobody
//! inside has rights over the image's directories, so the server of the root makes them.

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

use crate::engine::roots::FuseRoot;
use crate::layer_format::FileKind;
use crate::runtime::idmap::is_mapped;
use crate::runtime::launch::Launch;

/// Gives the server of a root its places.
pub(super) fn give(fuse: Option<FuseRoot>, launch: &Launch) -> Option<FuseRoot> {
    let mut fuse = fuse?;
    if !is_mapped(&launch.maps.uids, 0) || !is_mapped(&launch.maps.gids, 0) {
        fuse.places = of(launch.spec.mounts().as_deref().unwrap_or_default());
    }
    Some(fuse)
}

/// Each with its kind; those in another mount are that one's.
fn of(mounts: &[Mount]) -> Vec<(PathBuf, FileKind)> {
    let paths: Vec<&Path> = mounts
        .iter()
        .map(|mount| mount.destination().as_path())
        .collect();
    let is_below = |path: &Path, other: &Path| path != other && path.starts_with(other);
    let on_root = mounts.iter().filter(|mount| {
        let path = mount.destination();
        !paths
            .iter()
            .any(|other| is_below(path, other) && *other != Path::new("/"))
    });
    let place = |mount: &Mount| {
        let source = mount
            .source()
            .as_deref()
            .filter(|source| source.is_absolute());
        let found = source.and_then(|source| fs::metadata(source).ok());
        let kind = match found {
            Some(found) if !found.is_dir() => FileKind::Regular,
            Some(_) | None => FileKind::Directory,
        };
        (mount.destination().clone(), kind)
    };
    on_root.map(place).collect()
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::MountBuilder;

    use super::*;

    #[test]
    fn what_is_mounted_in_the_root_itself_has_a_place_there() {
        let mount = |path: &str, source: &str| {
            let mount = MountBuilder::default().destination(path).source(source);
            mount.build().unwrap()
        };
        let mounts = [
            mount("/proc", "proc"),
            mount("/a/b", "/"),
            mount("/a/b/c", "/"),
            mount("/file", "/proc/self/exe"),
        ];
        let (directory, file) = (FileKind::Directory, FileKind::Regular);
        let expected = [("/proc", directory), ("/a/b", directory), ("/file", file)];
        let expected = expected.map(|(path, kind)| (PathBuf::from(path), kind));
        assert_eq!(of(&mounts), expected);
    }
}
