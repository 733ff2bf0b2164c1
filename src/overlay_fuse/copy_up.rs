// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copying up: before the first change of a file of a lower layer, the upper layer gets it.
//!
//! A copy is finished in the work directory and then renamed into place. The merged tree looks
//! the same before and after, so a copy that is not followed by a change does no harm.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::time::TimeSpec;

use super::Ownership;
use super::attributes::{PERMISSIONS, Shown, Wanted};
use super::backing::{Name, Spot};
use super::content::{Content, copy_content};
use super::create::New;
use super::data::link_target;
use super::nodes::{Data, Link, Part};
use super::number::NodeId;
use super::overlay::{Overlay, UPPER, UpperDirectory};
use super::work::Replaced;
use crate::layer_format::{FileKind, Opaque, write_opaque};
use crate::sys::fs::clone_file;

/// A copy that has not got its name yet.
struct Draft {
    spot: Spot,
    /// Its name in the work directory; a regular file needs none where the file system can make
    /// files without.
    name: Option<Name>,
    /// A regular file, for reading and writing.
    opened: Option<Arc<OwnedFd>>,
    status: FileStat,
}

/// A file that is about to be copied.
struct Original {
    layer: usize,
    spot: Spot,
    status: FileStat,
    shown: Shown,
    kind: FileKind,
}

impl Overlay {
    /// A directory of the upper layer; it and those above it are copied up if they must be.
    pub(super) fn upper_directory(&mut self, id: NodeId) -> nix::Result<UpperDirectory> {
        if self.work.is_none() {
            return Err(Errno::EROFS);
        }
        let mut missing = Vec::new();
        let mut current = id;
        loop {
            let directory = self.table.directory(current)?;
            if directory.removed {
                return Err(Errno::ENOENT);
            }
            if directory
                .parts
                .first()
                .is_some_and(|part| part.layer == UPPER)
            {
                break;
            }
            missing.push(current);
            current = directory.parent;
        }
        while let Some(directory) = missing.pop() {
            self.copy_up_directory(directory)?;
        }
        self.table.directory_fd(id, UPPER)
    }

    fn copy_up_directory(&mut self, id: NodeId) -> nix::Result<()> {
        let original = self.original(id)?;
        let directory = self.table.directory(id)?;
        let (parent, name) = (directory.parent, directory.name.clone());
        let upper = self.table.directory_fd(parent, UPPER)?;
        let draft = self.make_copy(&original, Content::All)?;
        let published = self.publish_copy(&draft, &upper, &name);
        published.inspect_err(|_errno| self.discard_draft(&draft))?;
        let part = Part::new(UPPER, self.device(draft.status.st_dev));
        let directory = self.table.directory(id)?;
        // Some file systems count no directories.
        if directory.parts.len() == 1 && original.shown.nlink > 1 {
            directory.links = Some(original.shown.nlink);
        }
        directory.parts.insert(0, part);
        Ok(())
    }

    /// Makes sure that a node's file is in the upper layer.
    pub(super) fn copy_up(&mut self, id: NodeId, content: Content) -> nix::Result<()> {
        if self.work.is_none() {
            return Err(Errno::EROFS);
        }
        if self.table.is_directory(id)? {
            return self.upper_directory(id).map(drop);
        }
        let file = self.table.file(id)?;
        if file.layer == UPPER {
            return Ok(());
        }
        let link = file.links.first().cloned();
        let upper = match &link {
            Some(link) => Some(self.upper_directory(link.parent)?),
            None => None,
        };
        let original = self.original(id)?;
        let draft = self.make_copy(&original, content)?;
        let finished = match (&upper, &link) {
            (Some(upper), Some(link)) => self.publish_copy(&draft, upper, &link.name),
            (Some(_) | None, _) => self.pin_copy(id, &draft),
        };
        finished.inspect_err(|_errno| self.discard_draft(&draft))?;
        self.adopt_copy(id, &original, link.as_ref(), &draft.status)?;
        self.copy_up_names(id)?;
        if let Some(opened) = draft.opened {
            let data = Data {
                opened,
                writable: true,
            };
            self.table.keep_file(id, data)?;
        }
        Ok(())
    }

    /// A file that has lost its name is copied to one that never gets any.
    fn pin_copy(&mut self, id: NodeId, draft: &Draft) -> nix::Result<()> {
        let pin = match &draft.spot {
            Spot::Nameless(opened) => opened.clone(),
            spot @ (Spot::Entry { .. } | Spot::Directory(_)) => Arc::new(spot.open(OFlag::O_PATH)?),
        };
        self.discard_draft(draft);
        self.table.file(id)?.pin = Some(pin);
        Ok(())
    }

    /// Gives a copy all names by which the original is known: which of them is meant by the
    /// change that follows, no one can tell.
    fn copy_up_names(&mut self, id: NodeId) -> nix::Result<()> {
        let links = self.table.file(id)?.links.clone();
        for link in links.iter().filter(|link| !link.real) {
            self.materialise(id, link.parent, &link.name)?;
        }
        Ok(())
    }

    /// Tells the node that its file is the copy from now on.
    fn adopt_copy(
        &mut self,
        id: NodeId,
        original: &Original,
        link: Option<&Link>,
        status: &FileStat,
    ) -> nix::Result<()> {
        let key = self.key(status);
        let file = self.table.file(id)?;
        file.layer = UPPER;
        file.data = None;
        for other in &mut file.links {
            other.real =
                link.is_some_and(|link| link.parent == other.parent && link.name == other.name);
        }
        let copied_links = i64::from(link.is_some());
        let links = i64::try_from(original.status.st_nlink).unwrap_or(i64::MAX);
        file.nlink_bias = file.nlink_bias.saturating_add(links) - copied_links;
        let has_more_names = file.nlink_bias > 0;
        let parents: Vec<NodeId> = file.links.iter().map(|link| link.parent).collect();
        self.table.node(id)?.held |= has_more_names && link.is_some();
        self.table.add_key(id, key);
        for parent in parents {
            // The listing says in which layer a name is.
            self.changed(parent);
        }
        Ok(())
    }

    fn original(&mut self, id: NodeId) -> nix::Result<Original> {
        let layer = if self.table.is_directory(id)? {
            let directory = self.table.directory(id)?;
            directory.parts.first().ok_or(Errno::ESTALE)?.layer
        } else {
            self.table.file(id)?.layer
        };
        let spot = self.table.spot(id)?;
        let status = spot.stat()?;
        let shown = self.shown(layer, &status, spot.place())?;
        let kind = FileKind::of_stat(shown.mode, shown.rdev).ok_or(Errno::EINVAL)?;
        Ok(Original {
            layer,
            spot,
            status,
            shown,
            kind,
        })
    }

    /// Copies everything of a file but its name.
    fn make_copy(&mut self, original: &Original, content: Content) -> nix::Result<Draft> {
        let wanted = Wanted {
            owner: match self.ownership {
                Ownership::Real => original.shown.owner,
                Ownership::Metadata => original.shown.kept_owner,
            },
            mode: original.shown.mode & PERMISSIONS,
            kind: original.kind,
        };
        let target = if original.kind == FileKind::Symlink {
            link_target(&original.spot)?
        } else {
            Vec::new()
        };
        let new = New {
            wanted,
            target: &target,
        };
        let draft = self.draft(&new)?;
        let filled = self.fill_copy(&draft, original, content, &new);
        filled.inspect_err(|_errno| self.discard_draft(&draft))?;
        Ok(draft)
    }

    /// Makes the file that a copy becomes.
    fn draft(&mut self, new: &New<'_>) -> nix::Result<Draft> {
        let work = self.work()?.directory.clone();
        if let Some(opened) = self.make_nameless(&work, new)? {
            let opened = Arc::new(opened);
            return Ok(Draft {
                status: fstat(&opened)?,
                spot: Spot::Nameless(opened.clone()),
                name: None,
                opened: Some(opened),
            });
        }
        let name = self.work()?.fresh_name();
        let opened = self.make(&work, &name, new)?;
        let spot = self.unfinished(&name)?;
        let status = spot.stat().inspect_err(|_errno| self.discard(&name))?;
        Ok(Draft {
            spot,
            name: Some(name),
            opened: opened.map(Arc::new),
            status,
        })
    }

    fn fill_copy(
        &mut self,
        draft: &Draft,
        original: &Original,
        content: Content,
        new: &New<'_>,
    ) -> nix::Result<()> {
        if let (FileKind::Regular, Some(copy)) = (original.kind, &draft.opened)
            && original.status.st_size > 0
            && content != Content::First(0)
        {
            let source = self.open_lower(original.layer, &original.spot)?;
            let is_whole = content == Content::All;
            if !(is_whole && self.clone_content(original.layer, &source, copy)?) {
                copy_content(&source, copy, &original.status, content)?;
            }
        }
        if self.keeps_owner(new) {
            self.put_owner_and_mode(&draft.spot, &draft.status, &new.wanted)?;
        }
        let (from, to) = (original.spot.place(), draft.spot.place());
        self.copy_xattrs(original.layer, from, to)?;
        let shown = &original.shown;
        draft.spot.set_times(&shown.atime, &shown.mtime)
    }

    /// Shares the blocks of the original, where the file systems can; tells whether they did.
    fn clone_content(
        &mut self,
        layer: usize,
        source: &OwnedFd,
        copy: &OwnedFd,
    ) -> nix::Result<bool> {
        if self.layers[layer].refuses_clones {
            return Ok(false);
        }
        match clone_file(copy.as_fd(), source.as_fd()) {
            Ok(()) => Ok(true),
            Err(Errno::ENOSPC | Errno::EDQUOT) => Err(Errno::ENOSPC),
            Err(errno) => {
                let never = matches!(errno, Errno::EOPNOTSUPP | Errno::EXDEV | Errno::ENOTTY);
                self.layers[layer].refuses_clones = never;
                Ok(false)
            }
        }
    }

    /// Gives a copy its name, without a trace in the times of its directory.
    fn publish_copy(
        &mut self,
        draft: &Draft,
        directory: &Arc<OwnedFd>,
        name: &CStr,
    ) -> nix::Result<()> {
        let before = fstat(directory)?;
        match &draft.name {
            Some(unfinished) => {
                let work = self.work()?;
                work.publish(unfinished, directory, name, Replaced::Nothing)?;
            }
            None => draft.spot.link(directory, name)?,
        }
        let atime = TimeSpec::new(before.st_atime, before.st_atime_nsec);
        let mtime = TimeSpec::new(before.st_mtime, before.st_mtime_nsec);
        Spot::Directory(directory.clone()).set_times(&atime, &mtime)
    }

    fn discard_draft(&mut self, draft: &Draft) {
        if let Some(name) = &draft.name {
            self.discard(name);
        }
    }

    /// Gives the upper layer a name of a copied-up file that only its original has.
    pub(super) fn materialise(
        &mut self,
        id: NodeId,
        parent: NodeId,
        name: &Name,
    ) -> nix::Result<()> {
        let is_it = |link: &&mut Link| link.parent == parent && link.name == *name;
        let file = self.table.file(id)?;
        if file
            .links
            .iter_mut()
            .find(is_it)
            .is_none_or(|link| link.real)
        {
            return Ok(());
        }
        let directory = self.upper_directory(parent)?;
        let before = fstat(&directory)?;
        let spot = self.table.spot(id)?;
        spot.link(&directory, name)?;
        let atime = TimeSpec::new(before.st_atime, before.st_atime_nsec);
        let mtime = TimeSpec::new(before.st_mtime, before.st_mtime_nsec);
        Spot::Directory(directory).set_times(&atime, &mtime)?;
        let file = self.table.file(id)?;
        file.nlink_bias -= 1;
        let has_more_names = file.nlink_bias > 0;
        if let Some(link) = file.links.iter_mut().find(is_it) {
            link.real = true;
        }
        self.table.node(id)?.held = has_more_names;
        self.changed(parent);
        Ok(())
    }

    /// Copies up a directory with everything in it, so that it needs nothing below and can be
    /// renamed.
    pub(super) fn copy_up_tree(&mut self, id: NodeId) -> nix::Result<()> {
        let mut directories = Vec::new();
        let copied = self.copy_up_all(id, &mut directories);
        let closed = copied.and_then(|()| {
            let deepest_first = directories.iter().rev();
            deepest_first
                .copied()
                .try_for_each(|directory| self.close_below(directory))
        });
        for directory in directories {
            self.table.forget(directory, 1);
        }
        closed
    }

    /// Copies everything of a tree; lists its directories, the upper first. Each listed one
    /// counts as looked up, so that it stays until the work is done.
    fn copy_up_all(&mut self, id: NodeId, directories: &mut Vec<NodeId>) -> nix::Result<()> {
        self.table.count_lookup(id);
        directories.push(id);
        let mut next = directories.len() - 1;
        while let Some(directory) = directories.get(next).copied() {
            next += 1;
            self.upper_directory(directory)?;
            if self.table.directory(directory)?.parts.len() == 1 {
                continue;
            }
            for name in self.names(directory)? {
                let Some((child, _)) = self.lookup(directory, &name)? else {
                    continue;
                };
                if self.table.is_directory(child)? {
                    self.table.count_lookup(child);
                    directories.push(child);
                    continue;
                }
                let copied = self
                    .copy_up(child, Content::All)
                    .and_then(|()| self.materialise(child, directory, &name));
                self.table.release(child);
                copied?;
            }
        }
        Ok(())
    }

    /// Makes a directory opaque that has everything in its upper part.
    fn close_below(&mut self, id: NodeId) -> nix::Result<()> {
        if self.table.directory(id)?.parts.len() == 1 {
            return Ok(());
        }
        let upper = self.table.directory_fd(id, UPPER)?;
        self.make_opaque(id)?;
        let key = self.key(&fstat(&upper)?);
        self.table.directory(id)?.parts.truncate(1);
        self.table.add_key(id, key);
        self.changed(id);
        Ok(())
    }

    /// Marks a directory of the upper layer opaque.
    pub(super) fn make_opaque(&mut self, id: NodeId) -> nix::Result<()> {
        let upper = self.table.directory_fd(id, UPPER)?;
        write_opaque(upper.as_fd())?;
        if let Some(part) = self.table.directory(id)?.parts.first_mut() {
            part.opaque = Some(Opaque::Yes);
        }
        Ok(())
    }

    /// Removes something unfinished.
    pub(super) fn discard(&mut self, unfinished: &CStr) {
        if let Some(work) = &self.work {
            work.discard(unfinished);
        }
    }

    /// Opens a file of a lower layer, if possible without a trace in its access time.
    pub(super) fn open_lower(&mut self, layer: usize, spot: &Spot) -> nix::Result<OwnedFd> {
        if !self.layers[layer].refuses_noatime {
            match spot.open(OFlag::O_RDONLY | OFlag::O_NOATIME) {
                Err(Errno::EPERM) => self.layers[layer].refuses_noatime = true,
                answer => return answer,
            }
        }
        spot.open(OFlag::O_RDONLY)
    }
}
