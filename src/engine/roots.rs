// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which engine serves a container's root, and the directories that it works on.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::runtime::idmap::{IdMaps, Reach, is_mapped};
use crate::runtime::launch::{OverlayLayers, Root};

/// What a root is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootSource {
    /// Layers of an image, topmost first.
    Layers {
        /// Their `diff` directories.
        directories: Vec<PathBuf>,
        /// Whether some owner is kept as metadata, which the FUSE overlay alone shows.
        ids_as_metadata: bool,
    },
    /// A directory of the host, as it is.
    Directory(PathBuf),
    /// A directory of the host below a throw-away upper layer.
    Overlay(PathBuf),
    /// The machine's own system below a throw-away upper layer (`--rootfs /:O`).
    Machine,
}

/// An engine asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// Whatever works and is fastest.
    Auto,
    /// `kernel`.
    Kernel,
    /// `fuse`.
    Fuse,
}

/// How a FUSE root is served.
#[derive(Debug, Clone)]
pub struct FuseRoot {
    /// The directories.
    pub layers: OverlayLayers,
    /// Where owners are kept.
    pub owners: Owners,
    /// What of the machine is shown.
    pub view: View,
}

/// Where the owners of a FUSE root's files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// On the files themselves.
    OnFiles,
    /// As metadata, since one id alone is mapped.
    AsMetadata,
    /// As metadata; what the host owns appears as root's.
    HostIsRoot,
}

/// Which part of its lower directories a FUSE root shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All of it.
    Whole,
    /// The machine's system directories, and of them what everyone may read.
    Machine,
}

/// A root that was decided on.
#[derive(Debug, Clone)]
pub struct RootPlan {
    /// For the runtime.
    pub root: Root,
    /// The server to start if the root is, or falls back to, FUSE.
    pub fuse: Option<FuseRoot>,
}

/// Decides how the root of a container is made. `directory` is the container's own.
pub fn plan(
    source: &RootSource,
    choice: EngineChoice,
    ids: &IdMaps,
    reach: Reach,
    directory: &Path,
    volatile: bool,
) -> RootPlan {
    let lower = match source {
        RootSource::Directory(path) => {
            return RootPlan {
                root: Root::Directory(path.clone()),
                fuse: None,
            };
        }
        RootSource::Layers { directories, .. } => directories.clone(),
        RootSource::Overlay(path) => vec![path.clone()],
        RootSource::Machine => vec![PathBuf::from("/")],
    };
    let (upper, work) = (directory.join("upper"), directory.join("work"));
    let layers = OverlayLayers {
        lower,
        upper,
        work,
        volatile,
    };
    let foreign = is_foreign(source, ids);
    let owners = match (foreign, reach) {
        (true, _) => Owners::HostIsRoot,
        (false, Reach::Single) => Owners::AsMetadata,
        (false, Reach::Ranges | Reach::All) => Owners::OnFiles,
    };
    let view = if *source == RootSource::Machine {
        View::Machine
    } else {
        View::Whole
    };
    let fuse = FuseRoot {
        layers: layers.clone(),
        owners,
        view,
    };
    let translated = !ids.is_identity() || owners != Owners::OnFiles;
    let metadata = matches!(
        source,
        RootSource::Layers {
            ids_as_metadata: true,
            ..
        }
    );
    let machine = view == View::Machine;
    let kernel = match choice {
        EngineChoice::Fuse => false,
        EngineChoice::Kernel => true,
        EngineChoice::Auto => !translated && !metadata && !machine,
    };
    let root = match (kernel, machine) {
        (true, false) => Root::Kernel(layers),
        (true, true) | (false, _) => Root::Fuse(layers),
    };
    let fallback = choice != EngineChoice::Kernel || machine;
    RootPlan {
        root,
        fuse: fallback.then_some(fuse),
    }
}

/// Whether a directory's files belong to somebody whom the container does not map.
fn is_foreign(source: &RootSource, ids: &IdMaps) -> bool {
    let path = match source {
        RootSource::Machine => return true,
        RootSource::Overlay(path) => path,
        RootSource::Layers { .. } | RootSource::Directory(_) => return false,
    };
    let own = nix::unistd::geteuid().as_raw();
    let owner = fs::metadata(path.join("usr")).or_else(|_| fs::metadata(path));
    owner.is_ok_and(|owner| {
        let mapped = own == 0 && is_mapped(&ids.uids, owner.uid());
        owner.uid() != own && !mapped
    })
}

/// Makes the upper and work directories of a container.
///
/// # Errors
///
/// mkdir(2)'s.
pub fn make_directories(layers: &OverlayLayers) -> std::io::Result<()> {
    for (path, mode) in [(&layers.upper, 0o755), (&layers.work, 0o700)] {
        match fs::DirBuilder::new().mode(mode).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
