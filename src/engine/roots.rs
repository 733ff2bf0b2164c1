// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which engine serves a container's root, and the directories that it works on.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::hybrid::{self, HybridError, Upper, Wish};
use super::root_source::RootSource;
use crate::layer_format::{FileKind, LayerOwners};
use crate::runtime::idmap::{HolderMap, IdMaps, Reach, is_mapped};
use crate::runtime::launch::{HybridRoot, OverlayLayers, Root};
use crate::state::dirs::Dirs;
use crate::state::tree::remove_tree;
use crate::storage::Image;

/// An engine asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// Whatever works and is fastest.
    Auto,
    /// `kernel`.
    Kernel,
    /// `hybrid`.
    Hybrid,
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
    /// With whose rights it is served.
    pub server: Server,
    /// What the server is for.
    pub task: Task,
    /// Directories and empty files that the server makes where they are missing.
    pub places: Vec<(PathBuf, FileKind)>,
}

impl FuseRoot {
    /// All of these layers, as their files are owned.
    pub fn of_layers(layers: OverlayLayers) -> Self {
        Self {
            layers,
            owners: Owners::OnFiles,
            view: View::Whole,
            server: Server::Caller,
            task: Task::Everything,
            places: Vec::new(),
        }
    }
}

/// What the server of a FUSE root is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// All that is done in the root.
    Everything,
    /// Showing the layers of an image below an overlay of the kernel's, which reads their data.
    Metadata {
        /// The container's owners.
        owners: LayerOwners,
        /// Where each layer is in the directories with the data.
        paths: Vec<Option<PathBuf>>,
    },
}

/// With whose rights a FUSE root is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The caller's.
    Caller,
    /// A user's without any: real root must not show what only root may read.
    Nobody,
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
    /// The server to start if the root is, has in it, or falls back to, FUSE.
    pub fuse: Option<FuseRoot>,
    /// Why it is this engine.
    pub why: String,
}

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What the user asked for.
    pub choice: EngineChoice,
    /// The container's ids.
    pub ids: &'a IdMaps,
    /// What the user may map.
    pub reach: Reach,
    /// Whether a crash may lose the upper layer.
    pub volatile: bool,
    /// Whether /dev/fuse opens.
    pub fuse: bool,
    /// Where the hybrid engine may be tried.
    pub hybrid: Option<(&'a Dirs, &'a HolderMap)>,
}

/// Decides how the root of a container is made. `directory` is the container's own. The text is
/// what the user should know about it.
///
/// # Errors
///
/// Why the engine that was asked for by name cannot make it.
pub fn plan(
    source: &RootSource,
    directory: &Path,
    given: Circumstances<'_>,
) -> Result<(RootPlan, Option<&'static str>), HybridError> {
    let lower = match source {
        RootSource::Directory(path) => {
            let root = Root::Directory(path.clone());
            return Ok((
                RootPlan::without_server(root, "it is a directory of the host"),
                None,
            ));
        }
        RootSource::Layers { directories, .. } => directories.clone(),
        RootSource::Overlay(path) => vec![path.clone()],
        RootSource::Machine => vec![directory.join("machine")],
    };
    let layers = OverlayLayers {
        lower,
        upper: directory.join("upper"),
        work: directory.join("work"),
        volatile: given.volatile,
    };
    let upper = Upper::of(&layers.upper);
    let machine = *source == RootSource::Machine;
    let fuse = FuseRoot {
        layers: layers.clone(),
        owners: owners(source, &given),
        view: if machine { View::Machine } else { View::Whole },
        server: match given.reach {
            Reach::All if machine => Server::Nobody,
            Reach::All | Reach::Ranges | Reach::Single => Server::Caller,
        },
        task: Task::Everything,
        places: Vec::new(),
    };
    let wish = Wish {
        source,
        layers: &layers,
        upper: &upper,
        ids: given.ids,
        fuse: given.fuse,
        place: given.hybrid,
    };
    let mut refused = None;
    if wants_hybrid(source, &upper, &given) {
        match hybrid::root(wish) {
            Ok(root) => return Ok((hybrid_plan(root, fuse, given.choice), None)),
            Err(error) if given.choice == EngineChoice::Hybrid && error.is_lack() => {
                return Err(error);
            }
            Err(error) => refused = Some(error.to_string()),
        }
    }
    let needs_fuse = match given.choice {
        EngineChoice::Fuse => true,
        EngineChoice::Kernel => machine || upper.is_mapped(),
        EngineChoice::Auto | EngineChoice::Hybrid => {
            machine || upper.is_mapped() || shows_wrong_owners(source, &given)
        }
    };
    let why = refused.unwrap_or_else(|| reason(given.choice, needs_fuse).to_owned());
    Ok(plan_without_hybrid(
        layers,
        fuse,
        needs_fuse,
        (given, machine),
        why,
    ))
}

impl RootPlan {
    fn without_server(root: Root, why: &str) -> Self {
        Self {
            root,
            fuse: None,
            why: why.to_owned(),
        }
    }
}

fn wants_hybrid(source: &RootSource, upper: &Upper, given: &Circumstances<'_>) -> bool {
    let is_image = matches!(source, RootSource::Layers { .. });
    match given.choice {
        EngineChoice::Hybrid => true,
        EngineChoice::Fuse => false,
        EngineChoice::Kernel => upper.is_mapped(),
        EngineChoice::Auto => upper.is_mapped() || (is_image && !given.ids.is_identity()),
    }
}

fn hybrid_plan(root: HybridRoot, fuse: FuseRoot, choice: EngineChoice) -> RootPlan {
    let task = Task::Metadata {
        owners: root.owners.clone(),
        paths: hybrid::paths_in_data(&root.layers.lower),
    };
    RootPlan {
        root: Root::Hybrid(root),
        fuse: Some(FuseRoot { task, ..fuse }),
        why: match choice {
            EngineChoice::Hybrid => ASKED,
            EngineChoice::Auto | EngineChoice::Kernel | EngineChoice::Fuse => {
                "the container's ids are not those of the image's files"
            }
        }
        .to_owned(),
    }
}

const ASKED: &str = "it was asked for";

fn reason(choice: EngineChoice, needs_fuse: bool) -> &'static str {
    match (choice, needs_fuse) {
        (EngineChoice::Fuse, _) | (EngineChoice::Kernel, false) => ASKED,
        (EngineChoice::Auto | EngineChoice::Hybrid, false) => {
            "the files are shown with the owners that they have"
        }
        (EngineChoice::Auto | EngineChoice::Kernel | EngineChoice::Hybrid, true) => {
            "owners are shown that the files do not have"
        }
    }
}

fn plan_without_hybrid(
    layers: OverlayLayers,
    fuse: FuseRoot,
    needs_fuse: bool,
    (given, machine): (Circumstances<'_>, bool),
    why: String,
) -> (RootPlan, Option<&'static str>) {
    match (needs_fuse, given.fuse) {
        (true, true) => (
            RootPlan {
                root: Root::Fuse(layers),
                fuse: Some(fuse),
                why,
            },
            None,
        ),
        (true, false) if machine => {
            let plan = RootPlan::without_server(Root::Machine(layers), NO_FUSE);
            (plan, Some(SYSTEM_READ_ONLY))
        }
        (true, false) => {
            let plan = RootPlan::without_server(Root::Kernel(layers), NO_FUSE);
            (plan, Some(OWNERS_LOST))
        }
        (false, available) => {
            let may_fall_back = available && given.choice != EngineChoice::Kernel;
            let plan = RootPlan {
                root: Root::Kernel(layers),
                fuse: may_fall_back.then_some(fuse),
                why,
            };
            (plan, None)
        }
    }
}

const NO_FUSE: &str = "/dev/fuse cannot be used";

const SYSTEM_READ_ONLY: &str = "/dev/fuse cannot be used: what the machine's root owns (/usr, \
     /etc, /var) stays read-only in the container; `coracle doctor` says what mends it";

const OWNERS_LOST: &str = "/dev/fuse cannot be used: files of the image are shown with the \
     owners that they have on disk; `coracle doctor` says what mends it";

/// Whether the kernel's overlay would show other owners than the image has.
fn shows_wrong_owners(source: &RootSource, given: &Circumstances<'_>) -> bool {
    let metadata = matches!(
        source,
        RootSource::Layers {
            ids_as_metadata: true,
            ..
        }
    );
    metadata || !given.ids.is_identity() || owners(source, given) != Owners::OnFiles
}

fn owners(source: &RootSource, given: &Circumstances<'_>) -> Owners {
    match given.reach {
        _ if is_foreign(source, given.ids) => Owners::HostIsRoot,
        // A directory that the user made for himself has his files and no metadata.
        Reach::Single if matches!(source, RootSource::Overlay(_)) => Owners::OnFiles,
        Reach::Single => Owners::AsMetadata,
        Reach::Ranges | Reach::All => Owners::OnFiles,
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
    if layers.volatile {
        // The kernel refuses a work directory that was used without syncing once, lest data were
        // lost in a crash; what a container of `--rm` lost is of no interest to its next run.
        for entry in fs::read_dir(&layers.work).into_iter().flatten().flatten() {
            drop(remove_tree(&entry.path()));
        }
    }
    // The root directory inside is the upper layer's, with the mode that the image gives it.
    let top = layers.lower.first().and_then(|top| fs::metadata(top).ok());
    let mode = top.map_or(0o755, |metadata| metadata.mode() & 0o7777);
    make_directory(&layers.upper, mode)?;
    make_directory(&layers.work, 0o700)
}

/// The caller's umask has no say: the upper directory is the root that the container sees.
fn make_directory(path: &Path, mode: u32) -> std::io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
    }
}

/// The layers of an image that is mounted by itself, topmost first. An overlay has two at least:
/// below the image's own is an empty one, a directory of `places`.
pub fn read_only_layers(image: &Image, places: &Path) -> Vec<PathBuf> {
    let layers = image.layers.iter().rev();
    let mut layers: Vec<PathBuf> = layers.map(|layer| layer.diff_path.clone()).collect();
    if ensure_places(places).is_ok() {
        layers.push(places.join("proc"));
    }
    layers
}

/// The bottom layer of every image's root: empty files and directories in the places that mounts
/// cover. With it no start has to make them in the upper layer, where each costs a copy-up and
/// shows as a change.
///
/// # Errors
///
/// What making them says.
pub fn ensure_places(places: &Path) -> std::io::Result<()> {
    if places.join("run/.containerenv").exists() {
        return Ok(());
    }
    for directory in ["proc", "dev", "sys", "etc", "run"] {
        fs::create_dir_all(places)?;
        make_directory(&places.join(directory), 0o755)?;
    }
    // The last one is the sign that all are there.
    for file in [
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "run/.containerenv",
    ] {
        let mut options = fs::OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(places.join(file))?;
    }
    Ok(())
}
