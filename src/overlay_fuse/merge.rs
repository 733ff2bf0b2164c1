// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One name of a directory through all layers: what is visible, what hides it, what it hides.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, fstatat};

use super::WhiteoutForms;
use super::attributes::Shown;
use super::backing::Name;
use super::elsewhere::is_large;
use super::ids::Squash;
use super::layer::{NameSet, RawEntry, read_directory};
use super::nodes::{Body, Directory, File, Link, Part};
use super::number::{Key, NodeId};
use super::overlay::Overlay;
use crate::layer_format::{
    DOT_WH_PREFIX, Opaque, WhiteoutForm, is_whiteout_device, is_xattr_whiteout, read_opaque,
    read_opaque_forms,
};
use crate::sys::xattr::Place;

/// One layer's word on a name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Entry {
    #[default]
    Absent,
    /// Hides what is below.
    Whiteout(WhiteoutForm),
    Present(FileStat),
}

/// How much must be known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What is visible.
    Visible,
    /// Also what the upper layer hides.
    Hidden,
}

/// What all layers together say of a name.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// What the upper layer has.
    pub(super) upper: Entry,
    /// What is visible.
    pub(super) top: Option<Top>,
    /// Something would show if the upper layer had nothing; known with [`Depth::Hidden`].
    pub(super) below: bool,
}

/// What is visible under a name.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) layer: usize,
    pub(super) status: FileStat,
    /// The layers of a directory, the topmost first; empty for everything else.
    pub(super) parts: Vec<Part>,
    /// The inode of the lowest part of a directory, which is the one that copying up keeps.
    lowest_ino: u64,
}

impl Top {
    /// Something that is no directory.
    pub(super) fn file(layer: usize, status: FileStat) -> Self {
        Self {
            layer,
            status,
            parts: Vec::new(),
            lowest_ino: 0,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        is_directory(&self.status)
    }
}

pub(super) fn is_directory(status: &FileStat) -> bool {
    status.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// As many names may be looked for in vain in a layer's directory before it is listed.
const ENOUGH_MISSES: u8 = 3;

/// The names of larger directories are not kept.
const NAMES_LIMIT: usize = 8192;

fn has_marks(entries: &[RawEntry]) -> bool {
    let mut names = entries.iter().map(|entry| entry.name.to_bytes());
    names.any(|name| name.starts_with(DOT_WH_PREFIX))
}

impl Overlay {
    /// Finds what is visible under a name, makes its node known and shows it.
    pub(super) fn lookup(
        &mut self,
        parent: NodeId,
        name: &Name,
    ) -> nix::Result<Option<(NodeId, Shown)>> {
        let probe = self.probe(parent, name, Depth::Visible)?;
        match probe.top {
            Some(top) => self.admit(parent, name, top).map(Some),
            None => Ok(None),
        }
    }

    /// Asks the layers of a directory for a name.
    pub(super) fn probe(
        &mut self,
        parent: NodeId,
        name: &CStr,
        depth: Depth,
    ) -> nix::Result<Probe> {
        let directory = self.table.directory(parent)?;
        if directory.removed {
            return Ok(Probe::default());
        }
        let count = directory.parts.len();
        let mut probe = Probe::default();
        let mut is_open = true;
        for index in 0..count {
            let layer = self.table.directory(parent)?.parts[index].layer;
            let entry = self.entry(parent, index, name)?;
            let is_upper = self.is_upper(layer);
            if is_upper {
                probe.upper = entry;
            }
            match entry {
                Entry::Absent => {}
                Entry::Whiteout(_) if is_upper && depth == Depth::Hidden => is_open = false,
                Entry::Whiteout(_) => break,
                Entry::Present(status) => {
                    probe.below |= !is_upper;
                    let has_more = index + 1 < count;
                    is_open =
                        is_open && self.stack(&mut probe, parent, index, name, status, has_more)?;
                    if !is_open && (depth == Depth::Visible || probe.below) {
                        break;
                    }
                }
            }
        }
        Ok(probe)
    }

    /// Puts what one layer has below what the layers above have; tells whether more can follow.
    fn stack(
        &mut self,
        probe: &mut Probe,
        parent: NodeId,
        index: usize,
        name: &CStr,
        status: FileStat,
        has_more: bool,
    ) -> nix::Result<bool> {
        let layer = self.table.directory(parent)?.parts[index].layer;
        if !is_directory(&status) {
            if probe.top.is_none() {
                probe.top = Some(Top::file(layer, status));
            }
            return Ok(false);
        }
        let mut part = Part::new(layer, self.device(status.st_dev));
        let mut is_open = true;
        if has_more {
            let directory = self.table.directory_fd(parent, layer)?;
            let mark = self.opaque_of(layer, Place::Entry(directory.as_fd(), name))?;
            part.opaque = Some(mark);
            is_open = mark != Opaque::Yes;
        }
        match &mut probe.top {
            None => {
                probe.top = Some(Top {
                    layer,
                    status,
                    parts: vec![part],
                    lowest_ino: status.st_ino,
                });
            }
            Some(top) => {
                top.parts.push(part);
                top.lowest_ino = status.st_ino;
            }
        }
        Ok(is_open)
    }

    /// Asks one layer of a directory for a name.
    pub(super) fn entry(
        &mut self,
        parent: NodeId,
        index: usize,
        name: &CStr,
    ) -> nix::Result<Entry> {
        let layer = self.table.directory(parent)?.parts[index].layer;
        let reads_dot_wh = self.layers[layer].dot_wh;
        if reads_dot_wh && name.to_bytes().starts_with(DOT_WH_PREFIX) {
            return Ok(Entry::Absent);
        }
        let names = self.table.directory(parent)?.parts[index].names.as_ref();
        if names.is_some_and(|names| !names.may_have(name)) {
            return self.missing(parent, index, name);
        }
        let directory = self.table.directory_fd(parent, layer)?;
        match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) if is_whiteout_device(status.st_mode, status.st_rdev) => {
                Ok(Entry::Whiteout(WhiteoutForm::Device))
            }
            Ok(status) => {
                let may_be_whiteout =
                    status.st_size == 0 && status.st_mode & libc::S_IFMT == libc::S_IFREG;
                if may_be_whiteout
                    && self.mark(parent, index)? == Opaque::XattrWhiteouts
                    && is_xattr_whiteout(Place::Entry(directory.as_fd(), name))
                {
                    return Ok(Entry::Whiteout(WhiteoutForm::Device));
                }
                Ok(Entry::Present(status))
            }
            Err(Errno::ENOENT) => {
                self.learn_names(parent, index)?;
                self.missing(parent, index, name)
            }
            Err(errno) => Err(errno),
        }
    }

    /// A layer has not a name, unless in the form that hides it below.
    fn missing(&mut self, parent: NodeId, index: usize, name: &CStr) -> nix::Result<Entry> {
        let layer = self.table.directory(parent)?.parts[index].layer;
        if self.layers[layer].dot_wh && self.has_dot_wh(parent, index, name)? {
            return Ok(Entry::Whiteout(WhiteoutForm::DotWh));
        }
        Ok(Entry::Absent)
    }

    /// Programs look for many names in directories that do not have them, and so in each of many
    /// layers: where that begins, one listing saves all further questions. Lower layers of an
    /// image do not change; the system of a machine does.
    fn learn_names(&mut self, parent: NodeId, index: usize) -> nix::Result<()> {
        let part = &mut self.table.directory(parent)?.parts[index];
        let layer = part.layer;
        part.misses = part.misses.saturating_add(1);
        if part.misses != ENOUGH_MISSES || !self.is_fixed(layer) {
            return Ok(());
        }
        let directory = self.table.directory_fd(parent, layer)?;
        let entries = read_directory(&directory)?;
        self.keep_names(parent, index, &entries)
    }

    fn is_fixed(&self, layer: usize) -> bool {
        self.ids.squash != Squash::UnmappedToRoot && !self.is_upper(layer)
    }

    /// Remembers what a listing of one layer of a directory has said, if it stays true.
    pub(super) fn keep_names(
        &mut self,
        id: NodeId,
        index: usize,
        entries: &[RawEntry],
    ) -> nix::Result<()> {
        let layer = self.table.directory(id)?.parts[index].layer;
        if self.is_fixed(layer) {
            let part = &mut self.table.directory(id)?.parts[index];
            part.has_dot_wh = Some(has_marks(entries));
            let keeps = part.names.is_none() && entries.len() <= NAMES_LIMIT;
            part.names = part.names.take().or(keeps.then(|| NameSet::of(entries)));
        }
        Ok(())
    }

    /// The opaque mark of a directory in one of its layers.
    pub(super) fn mark(&mut self, id: NodeId, index: usize) -> nix::Result<Opaque> {
        let part = &self.table.directory(id)?.parts[index];
        if let Some(mark) = part.opaque {
            return Ok(mark);
        }
        let layer = part.layer;
        let directory = self.table.directory_fd(id, layer)?;
        let mark = self.opaque_of(layer, Place::Directory(directory.as_fd()))?;
        self.table.directory(id)?.parts[index].opaque = Some(mark);
        Ok(mark)
    }

    fn opaque_of(&self, layer: usize, place: Place<'_>) -> nix::Result<Opaque> {
        let is_foreign = self.whiteouts == WhiteoutForms::All || self.layers[layer].dot_wh;
        if is_foreign {
            read_opaque(place)
        } else {
            read_opaque_forms(place, self.opaque_forms)
        }
    }

    /// Whether a layer hides a name by a plain file. Most directories have no such file at all,
    /// which one listing tells for all names.
    fn has_dot_wh(&mut self, parent: NodeId, index: usize, name: &CStr) -> nix::Result<bool> {
        let part = &self.table.directory(parent)?.parts[index];
        let (layer, known) = (part.layer, part.has_dot_wh);
        let directory = self.table.directory_fd(parent, layer)?;
        let has_any = match known {
            Some(known) => known,
            None => has_marks(&read_directory(&directory)?),
        };
        self.table.directory(parent)?.parts[index].has_dot_wh = Some(has_any);
        if !has_any {
            return Ok(false);
        }
        let mut hidden = DOT_WH_PREFIX.to_vec();
        hidden.extend_from_slice(name.to_bytes());
        let hidden = CString::new(hidden).map_err(|_has_nul| Errno::EINVAL)?;
        match fstatat(&directory, hidden.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT | Errno::ENAMETOOLONG) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Makes the node of what is visible under a name known, and shows it.
    pub(super) fn admit(
        &mut self,
        parent: NodeId,
        name: &Name,
        top: Top,
    ) -> nix::Result<(NodeId, Shown)> {
        let directory = self.table.directory_fd(parent, top.layer)?;
        let place = Place::Entry(directory.as_fd(), name);
        let shown = self.shown(top.layer, &top.status, place)?;
        if top.is_directory() {
            let id = self.admit_directory(parent, name, top);
            return Ok((id, self.settle(id, shown)?));
        }
        let (id, is_shown) = self.admit_file(parent, name, &top, shown.kind())?;
        if is_shown {
            Ok((id, self.settle(id, shown)?))
        } else {
            Ok((id, self.node_shown(id)?))
        }
    }

    fn admit_directory(&mut self, parent: NodeId, name: &Name, top: Top) -> NodeId {
        let device = top.parts.last().map_or(0, |part| part.device);
        let key = Key {
            device,
            ino: top.lowest_ino,
        };
        if let Some(id) = self.table.find_directory(key, parent, name) {
            return id;
        }
        let body = Directory::new(parent, name.clone(), top.parts);
        self.table.insert(key, Body::directory(body))
    }

    /// Tells also whether the node's file is the one that was found, and not a copy of it.
    fn admit_file(
        &mut self,
        parent: NodeId,
        name: &Name,
        top: &Top,
        kind: u32,
    ) -> nix::Result<(NodeId, bool)> {
        let key = self.key(&top.status);
        let known = self.table.find(key).filter(|id| {
            let file = self.table.file(*id);
            file.is_ok_and(|file| file.kind == kind)
        });
        let id = known.unwrap_or_else(|| {
            self.table
                .insert(key, Body::File(File::new(kind, top.layer)))
        });
        let file = self.table.file(id)?;
        file.is_large = is_large(kind, &top.status);
        let is_shown = file.layer == top.layer;
        let link = Link {
            parent,
            name: name.clone(),
            real: is_shown,
        };
        self.table.add_link(id, link)?;
        if !is_shown {
            // The name belongs to a copied-up file. If it cannot have it in the upper layer now,
            // it is as good as before until the mount ends.
            self.materialise(id, parent, name).ok();
        }
        Ok((id, is_shown))
    }
}
