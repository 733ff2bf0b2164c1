// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The overlay itself: its layers, its nodes and how it was asked to behave.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use fuser::Notifier;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::fstat;

use super::backing::Spot;
use super::elsewhere::Elsewhere;
use super::ids::{IdMapping, IdSet, Ids, Owner, Unmapped};
use super::layer::Layer;
use super::nodes::{Part, Table};
use super::number::{Key, NodeId};
use super::refresher::Refresher;
use super::shortcut::Shortcut;
use super::work::Work;
use super::{
    Acl, DataSource, DirectoryLinks, Durability, Options, OverlayError, Ownership, WhiteoutForms,
    Xattrs,
};
use crate::layer_format::{
    DOT_WH_PREFIX, FileKind, OPAQUE_XATTRS, OverrideStat, OwnerRange, WhiteoutForm, XATTR_OPAQUE,
    write_override_stat,
};
use crate::sys::xattr::{self, Place};

/// More layers than any image has; the kernel's overlay takes 500.
const LAYER_LIMIT: usize = 4096;

/// The upper layer, where there is one, is the first.
pub(super) const UPPER: usize = 0;

/// All that a served overlay is.
#[derive(Debug)]
pub(super) struct Overlay {
    /// The topmost first.
    pub(super) layers: Vec<Layer>,
    /// The upper layer's work directory; without it everything is read-only.
    pub(super) work: Option<Work>,
    pub(super) table: Table,
    pub(super) ids: Ids,
    pub(super) ownership: Ownership,
    /// Whose a file appears that the server just made.
    pub(super) plain_owner: Owner,
    pub(super) durability: Durability,
    pub(super) acl: bool,
    pub(super) whiteouts: WhiteoutForms,
    pub(super) xattrs: Xattrs,
    pub(super) directory_links: DirectoryLinks,
    /// Where the data of files is, if somebody else reads it.
    pub(super) elsewhere: Option<Elsewhere>,
    /// Attributes that make a directory of our own layers opaque.
    pub(super) opaque_forms: &'static [&'static CStr],
    /// The server is root outside of all user namespaces: its own writes take no rights away.
    pub(super) is_host_root: bool,
    /// Tells the kernel of changes that it did not ask for.
    pub(super) notifier: Arc<OnceLock<Notifier>>,
    /// The way of large answers, where a session has one.
    pub(super) shortcut: Option<Shortcut>,
    /// Started when it has something to do.
    pub(super) refresher: Option<Refresher>,
    /// Read replies.
    pub(super) buffer: Vec<u8>,
    /// `st_dev` of every device seen; its place is [`Key::device`].
    devices: Vec<u64>,
}

impl Overlay {
    /// Opens the layers and empties the work directory.
    pub(super) fn open(options: &Options) -> Result<Self, OverlayError> {
        let descriptor_limit = raise_descriptor_limit();
        let (mut layers, work) = open_layers(options)?;
        let mut devices = Vec::new();
        let (root_key, root_parts) = root(&layers, &mut devices, options)?;
        let (uids, gids) = id_maps(options, &mut layers);
        let ids = Ids {
            uids,
            gids,
            squash: options.squash,
            unmapped: match options.data {
                DataSource::Served => Unmapped::Overflow,
                DataSource::Elsewhere { .. } => Unmapped::NoId,
            },
            known_uids: known_ids("/proc/self/uid_map"),
            known_gids: known_ids("/proc/self/gid_map"),
        };
        let plain_owner = ids.shown(Owner {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
        });
        let is_host_root = is_host_root();
        let acl = options.acl == Acl::IfPossible
            && options.ownership == Ownership::Real
            && ids.is_identity()
            && has_acl(&layers[UPPER]);
        Ok(Self {
            table: Table::new(root_key, root_parts, descriptor_limit),
            layers,
            work,
            ids,
            ownership: options.ownership,
            plain_owner,
            durability: options.durability,
            acl,
            whiteouts: options.whiteouts,
            xattrs: options.xattrs,
            directory_links: options.directory_links,
            elsewhere: Elsewhere::of(options),
            opaque_forms: if is_host_root {
                &OPAQUE_XATTRS
            } else {
                const { &[XATTR_OPAQUE] }
            },
            is_host_root,
            notifier: Arc::new(OnceLock::new()),
            shortcut: None,
            refresher: None,
            buffer: Vec::new(),
            devices,
        })
    }

    /// Whether `layer` takes changes.
    pub(super) fn is_upper(&self, layer: usize) -> bool {
        self.work.is_some() && layer == UPPER
    }

    /// The work directory.
    pub(super) fn work(&mut self) -> nix::Result<&mut Work> {
        self.work.as_mut().ok_or(Errno::EROFS)
    }

    /// The unfinished file of this name.
    pub(super) fn unfinished(&mut self, name: &super::backing::Name) -> nix::Result<Spot> {
        let directory = self.work()?.directory.clone();
        Ok(Spot::Entry {
            directory,
            name: name.clone(),
        })
    }

    /// Refuses names that would not be found again, where they are whiteouts.
    pub(super) fn check_new_name(&self, name: &CStr) -> nix::Result<()> {
        let is_mark = name.to_bytes().starts_with(DOT_WH_PREFIX);
        if is_mark && self.work.is_some() && self.layers[UPPER].dot_wh {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// The place of a device in the list of devices.
    pub(super) fn device(&mut self, st_dev: u64) -> u16 {
        device_of(&mut self.devices, st_dev)
    }

    /// The identity of a file on disk.
    pub(super) fn key(&mut self, status: &nix::sys::stat::FileStat) -> Key {
        Key {
            device: self.device(status.st_dev),
            ino: status.st_ino,
        }
    }

    /// Lets the kernel ask again for a node's attributes.
    pub(super) fn invalidate(&self, id: NodeId) {
        if let Some(notifier) = self.notifier.get() {
            // An offset below zero means attributes only. The answer can only be that the kernel
            // does not know the node any more.
            drop(notifier.inval_inode(fuser::INodeNo(id), -1, 0));
        }
    }
}

/// The translation of owners. An upper layer that was written by a map has its own, and then the
/// layers below are owned as they are shown.
fn id_maps(options: &Options, layers: &mut [Layer]) -> (Vec<IdMapping>, Vec<IdMapping>) {
    let owners = options
        .upper
        .as_ref()
        .and_then(|_| layers[UPPER].owners.clone());
    let Some(owners) = owners else {
        return (options.uid_map.clone(), options.gid_map.clone());
    };
    for lower in layers.iter_mut().skip(1) {
        lower.mapped = false;
    }
    let map = |ranges: &[OwnerRange]| {
        let ranges = ranges.iter().map(|range| IdMapping {
            host: range.outside,
            container: range.inside,
            len: range.count,
        });
        ranges.collect()
    };
    (map(&owners.uids), map(&owners.gids))
}

fn device_of(devices: &mut Vec<u64>, st_dev: u64) -> u16 {
    let position = devices.iter().position(|device| *device == st_dev);
    let position = position.unwrap_or_else(|| {
        devices.push(st_dev);
        devices.len() - 1
    });
    u16::try_from(position).unwrap_or(u16::MAX)
}

fn open_layers(options: &Options) -> Result<(Vec<Layer>, Option<Work>), OverlayError> {
    let count = options.lower.len() + usize::from(options.upper.is_some());
    if count == 0 {
        return Err(OverlayError::NoLayers);
    }
    if count > LAYER_LIMIT {
        return Err(OverlayError::TooManyLayers {
            count,
            limit: LAYER_LIMIT,
        });
    }
    let mut layers = Vec::with_capacity(count);
    let mut work = None;
    if let Some(path) = &options.upper {
        let mut upper = Layer::open(path)?;
        let Some(work_path) = &options.work else {
            return Err(OverlayError::NoWork {
                upper: path.clone(),
            });
        };
        let prepared = Work::prepare(work_path, &upper.root)?;
        upper.dot_wh =
            prepared.form == WhiteoutForm::DotWh || options.whiteouts == WhiteoutForms::All;
        if options.ownership == Ownership::Metadata && !upper.metadata {
            mark_root(&upper).map_err(|source| OverlayError::OpenLayer {
                path: path.clone(),
                source,
            })?;
            upper.metadata = true;
        }
        layers.push(upper);
        work = Some(prepared);
    }
    for path in &options.lower {
        let mut lower = Layer::open(path)?;
        lower.dot_wh = options.whiteouts == WhiteoutForms::All;
        layers.push(lower);
    }
    Ok((layers, work))
}

/// Says on the root of a layer that its files carry ownership metadata.
fn mark_root(layer: &Layer) -> nix::Result<()> {
    let status = fstat(&layer.root)?;
    let stat = OverrideStat {
        uid: 0,
        gid: 0,
        mode: status.st_mode,
        kind: Some(FileKind::Directory),
    };
    write_override_stat(Place::Directory(layer.root.as_fd()), &stat)
}

fn root(
    layers: &[Layer],
    devices: &mut Vec<u64>,
    options: &Options,
) -> Result<(Key, Vec<Part>), OverlayError> {
    let mut parts = Vec::with_capacity(layers.len());
    let mut key = Key { device: 0, ino: 0 };
    for (layer, opened) in layers.iter().enumerate() {
        let status = fstat(&opened.root).map_err(|source| OverlayError::OpenLayer {
            path: layer_path(options, layer),
            source,
        })?;
        let device = device_of(devices, status.st_dev);
        let mut part = Part::new(layer, device);
        part.opened = Some(opened.root.clone());
        parts.push(part);
        key = Key {
            device,
            ino: status.st_ino,
        };
    }
    Ok((key, parts))
}

fn layer_path(options: &Options, layer: usize) -> std::path::PathBuf {
    let mut paths = options.upper.iter().chain(&options.lower);
    paths.nth(layer).cloned().unwrap_or_default()
}

/// Whether a layer's file system has access control lists.
fn has_acl(layer: &Layer) -> bool {
    let name = c"system.posix_acl_access";
    let answer = xattr::get(Place::Directory(layer.root.as_fd()), name, &mut []);
    matches!(answer, Ok(_) | Err(Errno::ENODATA))
}

fn known_ids(map: &str) -> IdSet {
    IdSet::parse(&std::fs::read_to_string(map).unwrap_or_default())
}

/// Whether we have rights over the whole machine and not only over a user namespace.
fn is_host_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    is_root && map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Takes as many descriptors as we may have, and returns how many.
fn raise_descriptor_limit() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 256;
    };
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    let limit = if raised { hard } else { soft };
    // More would only keep directories open that no one looks at.
    usize::try_from(limit).unwrap_or(usize::MAX).min(65536)
}

/// A directory of the upper layer, for those who change it.
pub(super) type UpperDirectory = Arc<OwnedFd>;
