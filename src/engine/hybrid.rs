// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the hybrid engine can make a container's root, and of what: for the layers of an image
//! that are shown with other owners, where the kernel can (see [`crate::runtime::hybrid`]).
//!
//! What the kernel can is tried in the user's namespace on the store's file system, once per boot.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::root_source::RootSource;
use crate::layer_format::{LayerOwners, OwnerRange, read_layer_owners};
use crate::runtime::apart::run_mapped;
use crate::runtime::failure::chain;
use crate::runtime::hybrid::probe;
use crate::runtime::idmap::{HolderMap, IdMapping, IdMaps, Reach};
use crate::runtime::launch::{HybridRoot, OverlayLayers};
use crate::runtime::subid::holder_map;
use crate::state::atomic::{Durability, replace_file};
use crate::state::dirs::Dirs;
use crate::state::tree::remove_tree;
use crate::sys::random::random_bytes;
use crate::sys::xattr::Place;
use crate::sys::{fuse, kernel};

/// Why the hybrid engine cannot make a root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HybridError {
    /// There are no layers of an image.
    #[error("the hybrid engine shows the layers of images alone")]
    NoImage,
    /// There is one id.
    #[error("the hybrid engine needs a range of subordinate ids")]
    OneId,
    /// The kernel cannot change what is no file of its own.
    #[error(
        "the hybrid engine cannot show owners and devices that the image's layers have as metadata"
    )]
    Metadata,
    /// Another engine has written to the container's layer, or another map.
    #[error(
        "the hybrid engine cannot go on with what this container has changed under another engine"
    )]
    OtherOwners,
    /// No FUSE.
    #[error("the hybrid engine needs /dev/fuse, which cannot be used; `coracle doctor` says why")]
    NoFuse,
    /// What trying it said.
    #[error("the hybrid engine does not work here: {reason}")]
    Refused {
        /// The call and the kernel's answer.
        reason: String,
    },
    /// It is not for this use.
    #[error("the hybrid engine mounts the roots of containers that run")]
    NotRunning,
}

impl HybridError {
    /// Whether the host or the image lacks what it takes; else the root is another engine's.
    pub(super) fn is_lack(&self) -> bool {
        match self {
            Self::OneId | Self::Metadata | Self::NoFuse | Self::Refused { .. } => true,
            Self::NoImage | Self::OtherOwners | Self::NotRunning => false,
        }
    }
}

/// What an upper layer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Upper {
    /// Nothing yet.
    Fresh,
    /// Files that are owned as the image says.
    Plain,
    /// Files that are owned by a map.
    Owned(LayerOwners),
    /// It belongs to somebody else, as only one that is owned by a map does.
    Closed,
}

impl Upper {
    /// Looks at the directory.
    pub(super) fn of(path: &Path) -> Self {
        let opened = match File::open(path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Self::Closed,
            Err(_) => return Self::Fresh,
        };
        match read_layer_owners(Place::Descriptor(opened.as_fd())) {
            Ok(Some(owners)) => Self::Owned(owners),
            Ok(None) | Err(_)
                if fs::read_dir(path).is_ok_and(|mut names| names.next().is_none()) =>
            {
                Self::Fresh
            }
            Ok(None) | Err(_) => Self::Plain,
        }
    }

    /// Whether its files are owned by a map.
    pub(super) fn is_mapped(&self) -> bool {
        matches!(self, Self::Owned(_) | Self::Closed)
    }
}

/// The map of a container as a layer keeps it.
pub(super) fn layer_owners(maps: &IdMaps) -> LayerOwners {
    let list = |extents: &[IdMapping]| -> Vec<OwnerRange> {
        let range = |extent: &IdMapping| OwnerRange {
            inside: extent.inside,
            outside: extent.outside,
            count: extent.count,
        };
        extents.iter().map(range).collect()
    };
    LayerOwners {
        uids: list(&maps.uids),
        gids: list(&maps.gids),
    }
}

/// What a root of the hybrid engine depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// What is shown.
    pub(super) source: &'a RootSource,
    /// The same as directories.
    pub(super) layers: &'a OverlayLayers,
    /// What the upper layer holds.
    pub(super) upper: &'a Upper,
    /// The container's ids.
    pub(super) ids: &'a IdMaps,
    /// Whether /dev/fuse opens.
    pub(super) fuse: bool,
    /// Where to try it; nowhere for what does not run.
    pub(super) place: Option<(&'a Dirs, &'a HolderMap)>,
}

/// A root of the hybrid engine.
///
/// # Errors
///
/// [`HybridError`] says why there can be none.
pub(super) fn root(wish: Wish<'_>) -> Result<HybridRoot, HybridError> {
    let (dirs, holder) = wish.place.ok_or(HybridError::NotRunning)?;
    let RootSource::Layers {
        directories,
        ids_as_metadata,
    } = wish.source
    else {
        return Err(HybridError::NoImage);
    };
    let data = data_directories(directories);
    let owners = layer_owners(wish.ids);
    if data.is_empty() {
        return Err(HybridError::NoImage);
    }
    if holder.reach == Reach::Single {
        return Err(HybridError::OneId);
    }
    if *ids_as_metadata {
        return Err(HybridError::Metadata);
    }
    match wish.upper {
        Upper::Plain => return Err(HybridError::OtherOwners),
        Upper::Owned(other) if *other != owners => return Err(HybridError::OtherOwners),
        Upper::Fresh | Upper::Owned(_) | Upper::Closed => {}
    }
    if !wish.fuse {
        return Err(HybridError::NoFuse);
    }
    works(dirs, holder).map_err(|reason| HybridError::Refused { reason })?;
    Ok(HybridRoot {
        layers: wish.layers.clone(),
        data,
        owners,
    })
}

/// Whether containers with other ids get this engine here.
///
/// # Errors
///
/// Why not.
pub(super) fn usable(dirs: &Dirs) -> Result<(), HybridError> {
    let holder = holder_map();
    if holder.reach == Reach::Single {
        return Err(HybridError::OneId);
    }
    if !fuse::opens() {
        return Err(HybridError::NoFuse);
    }
    works(dirs, &holder).map_err(|reason| HybridError::Refused { reason })
}

/// How the directory of a layer's files is called, in a directory of the layer, in that of all.
const LAYER: &str = "diff";

/// The directories that have those of all layers. The one with the places of mounts has no data.
fn data_directories(layers: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for layer in layers.iter().filter(|layer| layer.ends_with(LAYER)) {
        if let Some(all) = layer.ancestors().nth(2)
            && !found.iter().any(|known| known == all)
        {
            found.push(all.to_owned());
        }
    }
    found
}

/// Where each layer is in those directories.
pub(super) fn paths_in_data(layers: &[PathBuf]) -> Vec<Option<PathBuf>> {
    let path = |layer: &PathBuf| {
        let (all, is_layer) = (layer.ancestors().nth(2)?, layer.ends_with(LAYER));
        let path = layer.strip_prefix(all).ok().filter(|_| is_layer)?;
        Some(Path::new("/").join(path))
    };
    layers.iter().map(path).collect()
}

/// Whether the kernel can: the answer of trying it, which holds until the next boot, another kernel, another store.
fn works(dirs: &Dirs, holder: &HolderMap) -> Result<(), String> {
    let path = dirs.run_root.join("hybrid");
    let device = fs::metadata(&dirs.data_root).map_or(0, |status| status.dev());
    let key = format!("{} {device} {}", kernel::release(), holder.fingerprint());
    let known = fs::read(&path).unwrap_or_default();
    if let Ok((of, answer)) = serde_json::from_slice::<(String, Result<(), String>)>(&known)
        && of == key
    {
        return answer;
    }
    let answer = try_it(dirs, holder);
    let text = serde_json::to_vec(&(key, &answer)).expect("two texts");
    // Without it the next start tries again.
    if dirs.open_run_root().is_ok() {
        drop(replace_file(&path, &text, Durability::Unsynced));
    }
    answer
}

fn try_it(dirs: &Dirs, holder: &HolderMap) -> Result<(), String> {
    let random = random_bytes().map(u64::from_ne_bytes);
    let random = random.map_err(|error| error.to_string())?;
    let scratch = dirs.tmp().join(format!("trial-{random:016x}"));
    fs::create_dir(&scratch).map_err(|error| format!("mkdir({}): {error}", scratch.display()))?;
    let answer = run_mapped(holder, &dirs.run_root, || {
        let words = probe(&scratch).map_or_else(|error| error.to_string(), |()| String::new());
        drop(remove_tree(&scratch));
        words.into_bytes()
    });
    drop(remove_tree(&scratch));
    match answer {
        Ok(words) if words.is_empty() => Ok(()),
        Ok(words) => Err(String::from_utf8_lossy(&words).into_owned()),
        Err(error) => Err(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer_format::write_layer_owners;

    #[test]
    fn layers_lie_in_the_directory_of_all() {
        let layers = [
            "/s/layers/b/diff",
            "/t/layers/a/diff",
            "/s/layers/c/diff",
            "/s/places",
        ];
        let layers = layers.map(PathBuf::from);
        let data = ["/s/layers", "/t/layers"].map(PathBuf::from);
        assert_eq!(data_directories(&layers), data);
        let paths = paths_in_data(&layers);
        let paths: Vec<_> = paths.iter().map(|path| path.as_deref()).collect();
        let [b, a, c] = ["/b/diff", "/a/diff", "/c/diff"].map(|path| Some(Path::new(path)));
        assert_eq!(paths, [b, a, c, None]);
    }

    #[test]
    fn what_an_upper_layer_holds() {
        let room = tempfile::tempdir().unwrap();
        let upper = room.path().join("upper");
        assert_eq!(Upper::of(&upper), Upper::Fresh);
        fs::create_dir(&upper).unwrap();
        assert_eq!(Upper::of(&upper), Upper::Fresh);
        File::create(upper.join("file")).unwrap();
        assert_eq!(Upper::of(&upper), Upper::Plain);
        let owners = layer_owners(&IdMaps::single(5, 6));
        let opened = File::open(&upper).unwrap();
        write_layer_owners(Place::Descriptor(opened.as_fd()), &owners).unwrap();
        assert_eq!(Upper::of(&upper), Upper::Owned(owners));
    }
}
