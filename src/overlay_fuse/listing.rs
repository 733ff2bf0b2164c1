// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One directory through all layers: its names, each with a cookie by which a reader goes on.
//!
//! There is no message when a directory is opened or closed, so a listing belongs to the
//! directory and is shared by all readers. A name keeps its cookie over every change, and a new
//! name gets a higher one: a reader that goes on after files were removed or added misses
//! nothing and sees nothing twice.
//!
//! That is lost where a listing is dropped, so it stays while readers are in its middle, unless
//! there are very many (`nodes::opened`). What the kernel keeps of a listing is [`super::refresh`]'s.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

use super::attributes::Shown;
use super::backing::Name;
use super::layer::{RawEntry, read_directory};
use super::merge::Top;
use super::nodes::{Key, NodeId};
use super::overlay::Overlay;
use crate::layer_format::{
    DotWh, Opaque, WhiteoutForm, is_whiteout_device, is_xattr_whiteout, read_override_stat,
};
use crate::sys::xattr::Place;

/// `.` and `..` have the cookies up to this one.
pub(super) const DOTS: u64 = 2;

/// The names of a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order of their cookies.
    entries: Vec<Listed>,
    next_cookie: u64,
    /// The directory has changed since.
    pub(super) stale: bool,
}

/// A name of a directory.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) cookie: u64,
    pub(super) name: Name,
    /// The number to show.
    pub(super) id: NodeId,
    /// The type bits.
    pub(super) kind: u32,
    /// The topmost layer that has it.
    pub(super) layer: usize,
}

/// What one layer says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Entry { id: NodeId, kind: u32 },
    Whiteout,
}

impl Listing {
    /// The names after the one with this cookie.
    pub(super) fn after(&self, cookie: u64) -> &[Listed] {
        let start = self.entries.partition_point(|entry| entry.cookie <= cookie);
        &self.entries[start..]
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A listing of `merged` in which the names of `old` keep their cookies.
    fn renew(merged: Merged, old: Option<&Self>) -> Self {
        let mut entries = merged.entries;
        let mut next_cookie = DOTS + 1;
        if let Some(old) = old {
            next_cookie = old.next_cookie;
            let known: HashMap<&CStr, u64> = old
                .entries
                .iter()
                .map(|entry| (entry.name.as_ref(), entry.cookie))
                .collect();
            for entry in &mut entries {
                entry.cookie = known.get(entry.name.as_ref()).copied().unwrap_or(0);
            }
        }
        for entry in entries.iter_mut().filter(|entry| entry.cookie == 0) {
            entry.cookie = next_cookie;
            next_cookie += 1;
        }
        if old.is_some() {
            entries.sort_unstable_by_key(|entry| entry.cookie);
        }
        Self {
            entries,
            next_cookie,
            stale: false,
        }
    }
}

/// Names of several layers on top of each other.
#[derive(Debug, Default)]
struct Merged {
    entries: Vec<Listed>,
    /// Where a name is in `entries`; `None` for one that is hidden.
    seen: HashMap<Name, Option<usize>>,
}

impl Merged {
    /// Puts a layer below those that are there. `is_last` saves remembering its names.
    fn add_layer(&mut self, layer: usize, words: Vec<(Name, Word)>, is_last: bool) {
        let is_first = self.seen.is_empty();
        let mut hidden = Vec::new();
        for (name, word) in words {
            let known = if is_first { None } else { self.seen.get(&name) };
            match (known, word) {
                (None, Word::Whiteout) => hidden.push(name),
                (None, Word::Entry { id, kind }) => {
                    if !is_last {
                        self.seen.insert(name.clone(), Some(self.entries.len()));
                    }
                    self.entries.push(Listed {
                        cookie: 0,
                        name,
                        id,
                        kind,
                        layer,
                    });
                }
                // A directory is shown with the number of its lowest part, unless something else
                // lies between.
                (Some(Some(position)), word) => {
                    let entry = &mut self.entries[*position];
                    match word {
                        Word::Entry { id, kind }
                            if kind == libc::S_IFDIR && entry.kind == libc::S_IFDIR =>
                        {
                            entry.id = id;
                        }
                        Word::Entry { .. } | Word::Whiteout => {}
                    }
                }
                (Some(None), _) => {}
            }
        }
        // A `.wh.` file may stand beside the name that it hides below.
        for name in hidden {
            self.seen.entry(name).or_insert(None);
        }
    }
}

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
        Ok(merged.entries.into_iter().map(|entry| entry.name).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &CStr, id: NodeId, kind: u32) -> (Name, Word) {
        (Name::from(name), Word::Entry { id, kind })
    }

    fn whiteout(name: &CStr) -> (Name, Word) {
        (Name::from(name), Word::Whiteout)
    }

    fn names(listing: &[Listed]) -> Vec<(&str, NodeId, u64)> {
        let text = |entry: &'_ Listed| (entry.id, entry.cookie);
        listing
            .iter()
            .map(|entry| (entry.name.to_str().unwrap(), text(entry).0, text(entry).1))
            .collect()
    }

    const FILE: u32 = libc::S_IFREG;
    const DIR: u32 = libc::S_IFDIR;

    #[test]
    fn layers_on_top_of_each_other() {
        let mut merged = Merged::default();
        let top = vec![
            entry(c"file", 1, FILE),
            entry(c"dir", 2, DIR),
            whiteout(c"gone"),
            // As fuse-overlayfs writes it: the name is new here and hides what is below.
            entry(c"both", 3, FILE),
            whiteout(c"both"),
            entry(c"was-dir", 4, FILE),
        ];
        merged.add_layer(0, top, false);
        merged.add_layer(
            1,
            vec![whiteout(c"lower-gone"), entry(c"dir", 12, DIR)],
            false,
        );
        let bottom = vec![
            entry(c"file", 21, FILE),
            entry(c"dir", 22, DIR),
            entry(c"gone", 23, FILE),
            entry(c"both", 24, FILE),
            entry(c"was-dir", 25, DIR),
            entry(c"lower-gone", 26, FILE),
            entry(c"only", 27, FILE),
        ];
        merged.add_layer(2, bottom, true);
        let listing = Listing::renew(merged, None);
        let expected = [
            ("file", 1, 3),
            ("dir", 22, 4),
            ("both", 3, 5),
            ("was-dir", 4, 6),
            ("only", 27, 7),
        ];
        assert_eq!(names(listing.after(0)), expected);
        assert_eq!(names(listing.after(5)), expected[3..]);
        assert_eq!(names(listing.after(7)), []);
    }

    #[test]
    fn cookies_outlive_changes() {
        let words = |names: &[&CStr]| names.iter().map(|name| entry(name, 1, FILE)).collect();
        let mut first = Merged::default();
        first.add_layer(0, words(&[c"a", c"b", c"c", c"d"]), true);
        let first = Listing::renew(first, None);
        let mut second = Merged::default();
        second.add_layer(0, words(&[c"new", c"d", c"b"]), true);
        let second = Listing::renew(second, Some(&first));
        assert_eq!(
            names(second.after(0)),
            [("b", 1, 4), ("d", 1, 6), ("new", 1, 7)]
        );
        // A reader that had seen "b" goes on with "d".
        assert_eq!(second.after(4)[0].name.as_ref(), c"d");
        let mut third = Merged::default();
        third.add_layer(0, words(&[c"d"]), true);
        let third = Listing::renew(third, Some(&second));
        let mut fourth = Merged::default();
        fourth.add_layer(0, words(&[c"d", c"new"]), true);
        let fourth = Listing::renew(fourth, Some(&third));
        assert_eq!(names(fourth.after(0)), [("d", 1, 6), ("new", 1, 8)]);
    }
}
