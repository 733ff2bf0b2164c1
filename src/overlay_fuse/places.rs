// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Places for mounts, made before the first request. The kernel asks nobody for leave here, where
//! the root of a container has no rights over a directory of the image's.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use nix::errno::Errno;

use super::attributes::Shown;
use super::backing::Name;
use super::create::Caller;
use super::data::link_target;
use super::ids::Owner;
use super::number::{NodeId, ROOT};
use super::overlay::Overlay;
use crate::layer_format::FileKind;

/// As the kernel's MAXSYMLINKS.
const MOST_LINKS: usize = 40;

/// New places are root's, as in a container that has one.
const BY_ROOT: Caller = Caller {
    owner: Owner { uid: 0, gid: 0 },
    umask: 0,
};

impl Overlay {
    /// Makes `path`, an empty file or a directory by its `kind`, and the directories above it, where
    /// they are missing. Links lead where they do in the container.
    pub(super) fn make_place(&mut self, path: &Path, kind: FileKind) -> nix::Result<()> {
        let mut todo = Names::default();
        todo.put_first(path)?;
        let mut above: Vec<NodeId> = vec![];
        let mut at = ROOT;
        let mut links = 0;
        while let Some(name) = todo.0.pop_front() {
            if name.to_bytes() == b".." {
                at = above.pop().unwrap_or(ROOT);
                continue;
            }
            let last = todo.0.is_empty();
            let (id, shown) = match self.lookup(at, &name)? {
                Some(found) => found,
                None => self.make_one(at, &name, if last { kind } else { FileKind::Directory })?,
            };
            if shown.kind() != libc::S_IFLNK {
                above.push(at);
                at = id;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP);
            }
            let target = link_target(&self.table.spot(id)?)?;
            let target = Path::new(OsStr::from_bytes(&target));
            if target.is_absolute() {
                above.clear();
                at = ROOT;
            }
            todo.put_first(target)?;
        }
        Ok(())
    }

    fn make_one(
        &mut self,
        parent: NodeId,
        name: &Name,
        kind: FileKind,
    ) -> nix::Result<(NodeId, Shown)> {
        let mode = if kind == FileKind::Directory {
            0o755
        } else {
            0o644
        };
        let made = self.create(parent, name, kind, mode, b"", BY_ROOT)?;
        Ok((made.id, made.shown))
    }
}

/// What is left of a path.
#[derive(Debug, Default)]
struct Names(VecDeque<Name>);

impl Names {
    fn put_first(&mut self, path: &Path) -> nix::Result<()> {
        for part in path.components().rev() {
            if matches!(part, Component::Normal(_) | Component::ParentDir) {
                let name = CString::new(part.as_os_str().as_bytes());
                let name = name.map_err(|_nul| Errno::EINVAL)?;
                self.0.push_front(name.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::overlay_fuse::Options;

    #[test]
    fn missing_places_are_made_where_links_lead() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for name in ["low/usr/lib", "up", "work"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        symlink("usr/lib", at("low/lib")).unwrap();
        symlink("/../usr", at("low/usr/lib/back")).unwrap();
        symlink("loop", at("low/loop")).unwrap();
        fs::File::create(at("low/usr/file")).unwrap();
        let mut overlay = Overlay::open(&Options {
            lower: vec![at("low")],
            upper: Some(at("up")),
            work: Some(at("work")),
            ..Options::default()
        })
        .unwrap();
        let (directory, file) = (FileKind::Directory, FileKind::Regular);
        for (path, kind, made, expected) in [
            ("/new/deep", directory, "up/new/deep", Ok(())),
            ("/lib/mod", directory, "up/usr/lib/mod", Ok(())),
            ("/lib/back/conf", file, "up/usr/conf", Ok(())),
            ("/../top", file, "up/top", Ok(())),
            ("/usr/file", file, "low/usr/file", Ok(())),
            ("/usr/file/x", file, "low/usr/file", Err(Errno::ENOTDIR)),
            ("/loop/x", directory, "low", Err(Errno::ELOOP)),
        ] {
            assert_eq!(
                overlay.make_place(Path::new(path), kind),
                expected,
                "{path}"
            );
            assert_eq!(at(made).is_dir(), kind == directory, "{path}");
        }
        assert!(!at("up/usr/file").exists());
    }
}
