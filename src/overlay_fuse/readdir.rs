// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One directory through all layers.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

use super::attributes::Shown;
use super::backing::Name;
use super::layer::{RawEntry, read_directory};
use super::listing::{Listed, Listing, Merged, Word};
use super::merge::Top;
use super::number::{Key, NodeId};
use super::overlay::Overlay;
use crate::layer_format::{
    DotWh, Opaque, WhiteoutForm, is_whiteout_device, is_xattr_whiteout, read_override_stat,
};
use crate::sys::xattr::Place;

impl Overlay {
    /// Takes a directory's listing out of its node, for a reader that wants what comes after
    /// `cookie`. To be given back with [`Self::return_listing`].
    pub(super) fn take_listing(&mut self, id: NodeId, cookie: u64) -> nix::Result<Box<Listing>> {
        let directory = self.table.directory(id)?;
        if directory.removed {
            return Ok(Box::default());
        }
        if cookie == 0 {
            directory.usage.begin();
        }
        let old = directory.listing.take();
        match old {
            // In the middle of a listing its reader wants to see it through.
            Some(listing) if cookie > 0 || !listing.stale => Ok(listing),
            old => {
                let merged = self.merge_directory(id)?;
                Ok(Box::new(Listing::renew(merged, old.as_deref())))
            }
        }
    }

    /// Gives a listing back to its directory.
    pub(super) fn return_listing(&mut self, id: NodeId, listing: Box<Listing>) {
        self.table.keep_listing(id, listing);
    }

    /// A directory's names have changed.
    pub(super) fn changed(&mut self, id: NodeId) {
        let form = self.work.as_ref().map(|work| work.form);
        let Ok(directory) = self.table.directory(id) else {
            return;
        };
        directory.usage.change();
        if let Some(listing) = &mut directory.listing {
            listing.stale = true;
        }
        if form == Some(WhiteoutForm::DotWh)
            && let Some(part) = directory.parts.first_mut()
        {
            // The change may have been a whiteout in the form of a file.
            part.has_dot_wh = None;
        }
    }

    /// Finds a listed name, makes its node known and shows it; `None` if it is gone by now.
    pub(super) fn lookup_listed(
        &mut self,
        parent: NodeId,
        listed: &Listed,
        is_stale: bool,
    ) -> nix::Result<Option<(NodeId, Shown)>> {
        if is_stale || listed.kind == libc::S_IFDIR {
            return self.lookup(parent, &listed.name);
        }
        // Only one layer can have what is shown, and it is known which.
        let directory = self.table.directory_fd(parent, listed.layer)?;
        let no_follow = AtFlags::AT_SYMLINK_NOFOLLOW;
        match fstatat(&directory, listed.name.as_ref(), no_follow) {
            Ok(status) => {
                let top = Top::file(listed.layer, status);
                self.admit(parent, &listed.name, top).map(Some)
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The names of a directory, of all kinds, for those who need no cookies.
    pub(super) fn names(&mut self, id: NodeId) -> nix::Result<Vec<Name>> {
        let merged = self.merge_directory(id)?;
        Ok(merged.into_names())
    }

    fn merge_directory(&mut self, id: NodeId) -> nix::Result<Merged> {
        let count = self.table.directory(id)?.parts.len();
        let mut merged = Merged::default();
        for index in 0..count {
            let part = &self.table.directory(id)?.parts[index];
            let (layer, device) = (part.layer, part.device);
            let directory = self.table.directory_fd(id, layer)?;
            let mark = self.mark(id, index)?;
            let mut words = Vec::new();
            let entries = read_directory(&directory)?;
            self.keep_names(id, index, &entries)?;
            for raw in entries {
                if let Some(word) = self.word(layer, device, mark, &directory, raw)? {
                    words.push(word);
                }
            }
            merged.add_layer(layer, words, index + 1 == count);
        }
        Ok(merged)
    }

    /// What a name in a layer's directory says; `None` if it says nothing.
    fn word(
        &self,
        layer: usize,
        device: u16,
        mark: Opaque,
        directory: &OwnedFd,
        raw: RawEntry,
    ) -> nix::Result<Option<(Name, Word)>> {
        if self.layers[layer].dot_wh {
            match DotWh::of(raw.name.to_bytes()) {
                DotWh::Plain => {}
                DotWh::Whiteout(hidden) => {
                    let hidden = CString::new(hidden).expect("part of a C string holds no NUL");
                    return Ok(Some((Name::from(hidden), Word::Whiteout)));
                }
                DotWh::Opaque | DotWh::Reserved => return Ok(None),
            }
        }
        let Some(kind) = self.listed_kind(layer, mark, directory, &raw)? else {
            return Ok(Some((Name::from(raw.name), Word::Whiteout)));
        };
        let id = self.table.number(Key {
            device,
            ino: raw.ino,
        });
        Ok(Some((Name::from(raw.name), Word::Entry { id, kind })))
    }

    /// The type that a name shows; `None` if it is a whiteout. The directory itself tells the
    /// type of most files, and only what may be a mark must be looked at.
    fn listed_kind(
        &self,
        layer: usize,
        mark: Opaque,
        directory: &OwnedFd,
        raw: &RawEntry,
    ) -> nix::Result<Option<u32>> {
        let place = Place::Entry(directory.as_fd(), &raw.name);
        let mut kind = raw.kind.map_or(0, type_bits);
        if kind == 0 || kind == libc::S_IFCHR {
            let no_follow = AtFlags::AT_SYMLINK_NOFOLLOW;
            match fstatat(directory, raw.name.as_c_str(), no_follow) {
                Ok(status) if is_whiteout_device(status.st_mode, status.st_rdev) => {
                    return Ok(None);
                }
                Ok(status) => kind = status.st_mode & libc::S_IFMT,
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        if kind == libc::S_IFREG {
            if mark == Opaque::XattrWhiteouts && is_xattr_whiteout(place) {
                return Ok(None);
            }
            if self.layers[layer].metadata
                && let Ok(Some(stat)) = read_override_stat(place)
                && let Some(recorded) = stat.kind
            {
                kind = recorded.type_bits();
            }
        }
        Ok(Some(kind))
    }
}

fn type_bits(kind: Type) -> u32 {
    match kind {
        Type::Fifo => libc::S_IFIFO,
        Type::CharacterDevice => libc::S_IFCHR,
        Type::Directory => libc::S_IFDIR,
        Type::BlockDevice => libc::S_IFBLK,
        Type::File => libc::S_IFREG,
        Type::Symlink => libc::S_IFLNK,
        Type::Socket => libc::S_IFSOCK,
    }
}
