// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `mount` and `unmount`: the trees of containers and images as directories, inside `unshare`.
//!
//! A mount lives in the mount namespace of the `unshare` that it was made in and vanishes with
//! it; which ones there are the kernel's own list says.

use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};

use super::error::FilesError;
use crate::engine::Engine;
use crate::engine::hybrid::Upper;
use crate::engine::launch::serve_mount;
use crate::engine::roots::{self, FuseRoot};
use crate::engine::unshare::is_initial_root;
use crate::runtime::launch::OverlayLayers;
use crate::runtime::overlay_mount::{
    Access, fuse_device, fuse_mount, kernel_overlay, kernel_overlay_read_only,
};
use crate::state::liveness::Observed;
use crate::state::record::ContainerRecord;
use crate::sys::mount::{Depth, attach, clone_tree, current_dir};
use crate::sys::{Called, SysResult};

/// What kind of trees are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKind {
    /// Of containers.
    Containers,
    /// Of images.
    Images,
}

/// A tree that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedTree {
    /// The container's or image's id.
    pub id: String,
    /// Where.
    pub path: PathBuf,
}

impl TreeKind {
    fn directory(self) -> &'static str {
        match self {
            Self::Containers => "mounts",
            Self::Images => "image-mounts",
        }
    }

    /// The command, for messages.
    fn command(self) -> &'static str {
        match self {
            Self::Containers => "mount",
            Self::Images => "image mount",
        }
    }
}

impl Engine {
    /// Mounts the tree of the container or image that `name` means; where it is mounted already,
    /// it stays.
    ///
    /// # Errors
    ///
    /// [`FilesError::NotUnshared`] outside of `unshare`; what mounting says.
    pub fn mount_tree(&self, kind: TreeKind, name: &str) -> Result<MountedTree, FilesError> {
        if nix::unistd::geteuid().is_root() == is_initial_root() {
            let command = kind.command();
            return Err(FilesError::NotUnshared { command });
        }
        let failed = |words: String| FilesError::Work {
            action: format!("mount {name}"),
            words,
        };
        let id = self.tree_id(kind, name)?;
        let path = self.dirs.run_root.join(kind.directory()).join(&id);
        let mounted = MountedTree { id, path };
        if self.mounted_trees(kind)?.contains(&mounted) {
            return Ok(mounted);
        }
        let mount = match kind {
            TreeKind::Containers => {
                let store = self.store()?;
                let record = store.load(&store.resolve(name)?)?;
                self.container_mount(&record)?
            }
            TreeKind::Images => self.image_mount(name)?,
        };
        let steps = || -> SysResult<()> {
            let mount = mount()?;
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&mounted.path)
                .called(|| format!("mkdir({:?})", mounted.path))?;
            let place = open(&mounted.path)?;
            attach(mount.as_fd(), place.as_fd())
        };
        steps().map_err(|error| failed(error.to_string()))?;
        Ok(mounted)
    }

    /// What is mounted in this namespace.
    ///
    /// # Errors
    ///
    /// What reading the kernel's list says.
    pub fn mounted_trees(&self, kind: TreeKind) -> Result<Vec<MountedTree>, FilesError> {
        let list =
            fs::read_to_string("/proc/self/mountinfo").map_err(|error| FilesError::Work {
                action: "list mounts".to_owned(),
                words: error.to_string(),
            })?;
        let root = self.dirs.run_root.join(kind.directory());
        let place = |line: &str| {
            let path = PathBuf::from(line.split(' ').nth(4)?);
            let name = path.strip_prefix(&root).ok()?.to_str()?.to_owned();
            let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_id.then_some(MountedTree { id: name, path })
        };
        Ok(list.lines().filter_map(place).collect())
    }

    /// Unmounts a tree; `None` if it was not mounted.
    ///
    /// # Errors
    ///
    /// No such container or image; what umount2(2) says.
    pub fn unmount_tree(
        &self,
        kind: TreeKind,
        name: &str,
    ) -> Result<Option<MountedTree>, FilesError> {
        let id = self.tree_id(kind, name)?;
        let mounted = self.mounted_trees(kind)?;
        let Some(mounted) = mounted.into_iter().find(|mounted| mounted.id == id) else {
            return Ok(None);
        };
        umount2(&mounted.path, MntFlags::MNT_DETACH)
            .called(|| format!("umount2({:?})", mounted.path))
            .map_err(|error| FilesError::Work {
                action: format!("unmount {name}"),
                words: error.to_string(),
            })?;
        // Another namespace may have it mounted there, too.
        drop(fs::remove_dir(&mounted.path));
        Ok(Some(mounted))
    }

    fn tree_id(&self, kind: TreeKind, name: &str) -> Result<String, FilesError> {
        Ok(match kind {
            TreeKind::Containers => self.store()?.resolve(name)?.to_string(),
            TreeKind::Images => self.images()?.find(name)?.0.hex().to_owned(),
        })
    }

    /// How the tree of a container is mounted.
    fn container_mount(&self, record: &ContainerRecord) -> Result<Mounter, FilesError> {
        let (state, observed) = self.store()?.observe(&record.id)?;
        if let (Observed::Running | Observed::Paused, Some(process)) = (observed, state.container) {
            let pid = process.pid;
            return Ok(Box::new(move || running_root(pid)));
        }
        let mut layers = self.container_layers(record, "mount")?;
        if layers.len() == 1 {
            let path = layers.remove(0);
            return Ok(Box::new(move || {
                clone_tree(current_dir(), &path, Depth::Recursive)
            }));
        }
        let directory = self.dirs.container(&record.id);
        let layers = OverlayLayers {
            upper: layers.remove(0),
            lower: layers,
            work: directory.join("work"),
            volatile: record.request.auto_remove,
        };
        roots::make_directories(&layers).map_err(|error| FilesError::Work {
            action: format!("prepare the root of container {}", record.name),
            words: error.to_string(),
        })?;
        if Upper::of(&layers.upper).is_mapped() {
            let root = FuseRoot::of_layers(layers);
            return Ok(Box::new(move || {
                let device = fuse_device()?;
                let mount = fuse_mount(&device, Access::Everything)?;
                serve_mount(device, &root)?;
                Ok(mount)
            }));
        }
        Ok(Box::new(move || kernel_overlay(&layers)))
    }

    fn image_mount(&self, name: &str) -> Result<Mounter, FilesError> {
        let image = self.images()?.resolve(name)?;
        let lower = roots::read_only_layers(&image, &self.dirs.places());
        Ok(Box::new(move || kernel_overlay_read_only(&lower)))
    }
}

type Mounter = Box<dyn Fn() -> SysResult<OwnedFd>>;

/// A copy of a running container's root mount, without what is mounted on it.
fn running_root(pid: i32) -> SysResult<OwnedFd> {
    let own = open(Path::new("/proc/self/ns/mnt"))?;
    let current = open(Path::new("."))?;
    let theirs = open(Path::new(&format!("/proc/{pid}/ns/mnt")))?;
    setns(&theirs, CloneFlags::CLONE_NEWNS).called(|| "setns(CLONE_NEWNS)")?;
    let copy = clone_tree(current_dir(), Path::new("/"), Depth::One);
    setns(&own, CloneFlags::CLONE_NEWNS).called(|| "setns(CLONE_NEWNS)")?;
    nix::unistd::fchdir(&current).called(|| "fchdir")?;
    copy
}

fn open(path: &Path) -> SysResult<OwnedFd> {
    File::open(path)
        .map(OwnedFd::from)
        .called(|| format!("open({path:?})"))
}
