// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing names: in the upper layer for good, in the lower ones by a whiteout.

use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::backing::Name;
use super::merge::{Depth, Entry, Probe};
use super::number::NodeId;
use super::overlay::{Overlay, UPPER};

impl Overlay {
    /// Removes a name of something that is no directory.
    pub(super) fn unlink(&mut self, parent: NodeId, name: &Name) -> nix::Result<()> {
        let mut probe = self.probe(parent, name, Depth::Hidden)?;
        let top = probe.top.take().ok_or(Errno::ENOENT)?;
        if top.is_directory() {
            return Err(Errno::EISDIR);
        }
        let links = top.status.st_nlink;
        let (id, _) = self.admit(parent, name, top)?;
        let directory = self.upper_directory(parent)?;
        self.before_unlink(id, parent, name)?;
        match (probe.upper, probe.below) {
            (Entry::Present(_), true) => self.work()?.replace_file(&directory, name)?,
            (Entry::Present(_), false) => {
                unlinkat(&directory, name.as_ref(), UnlinkatFlags::NoRemoveDir)?;
            }
            (Entry::Absent | Entry::Whiteout(_), _) => {
                self.work()?.add_whiteout(&directory, name)?;
            }
        }
        self.changed(parent);
        self.after_unlink(id, parent, name, links)
    }

    /// Makes sure that a file outlives the loss of a name: for those who have it open, and for
    /// the other names that a copied-up file has in a lower layer only.
    pub(super) fn before_unlink(
        &mut self,
        id: NodeId,
        parent: NodeId,
        name: &Name,
    ) -> nix::Result<()> {
        let lookups = self.table.node(id)?.lookups;
        let file = self.table.file(id)?;
        let is_it = |link: &&super::nodes::Link| link.parent == parent && link.name == *name;
        let is_real = file.links.iter().find(is_it).is_some_and(|link| link.real);
        let others = || file.links.iter().filter(|link| !is_it(link));
        if !is_real || others().any(|link| link.real) {
            return Ok(());
        }
        if let Some(other) = others().next().cloned() {
            return self.materialise(id, other.parent, &other.name);
        }
        if lookups > 0 && file.pin.is_none() {
            let pin = self.table.spot(id)?.open(OFlag::O_PATH)?;
            self.table.file(id)?.pin = Some(Arc::new(pin));
        }
        Ok(())
    }

    /// Tells a file's node that it has lost a name; `links` is what the disk counted before.
    pub(super) fn after_unlink(
        &mut self,
        id: NodeId,
        parent: NodeId,
        name: &Name,
        links: u64,
    ) -> nix::Result<()> {
        let file = self.table.file(id)?;
        let is_it = |link: &&super::nodes::Link| link.parent == parent && link.name == *name;
        let is_real = file.links.iter().find(is_it).is_some_and(|link| link.real);
        let has_others = file.links.iter().any(|link| link.real && !is_it(&link));
        if file.layer == UPPER && self.work.is_some() && is_real {
            if links <= 1 && !has_others {
                // The inode's number may be another file's from now on.
                self.table.detach(id);
            }
        } else {
            file.nlink_bias -= 1;
            let has_more_names = file.nlink_bias > 0;
            self.table.node(id)?.held &= has_more_names;
        }
        self.table.drop_link(id, parent, name)?;
        self.table.release(id);
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn rmdir(&mut self, parent: NodeId, name: &Name) -> nix::Result<()> {
        let mut probe = self.probe(parent, name, Depth::Hidden)?;
        let top = probe.top.take().ok_or(Errno::ENOENT)?;
        if !top.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let layer = top.layer;
        let (id, _) = self.admit(parent, name, top)?;
        let directory = self.upper_directory(parent)?;
        // Its first part stays open for those who are in it.
        self.table.directory_fd(id, layer)?;
        self.remove_directory(id, &probe, &directory, name)?;
        self.after_rmdir(id)?;
        self.changed(parent);
        Ok(())
    }

    fn remove_directory(
        &mut self,
        id: NodeId,
        probe: &Probe,
        directory: &std::os::fd::OwnedFd,
        name: &Name,
    ) -> nix::Result<()> {
        let is_upper_only =
            self.table.directory(id)?.parts.len() == 1 && matches!(probe.upper, Entry::Present(_));
        if is_upper_only && !probe.below {
            match unlinkat(directory, name.as_ref(), UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
                answer => return answer,
            }
        }
        if !self.names(id)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        match (probe.upper, probe.below) {
            (Entry::Present(_), true) => self.work()?.replace_directory(directory, name),
            (Entry::Present(_), false) => self.work()?.remove_directory(directory, name),
            (Entry::Absent | Entry::Whiteout(_), _) => self.work()?.add_whiteout(directory, name),
        }
    }

    /// Tells a directory's node that it has lost its name.
    pub(super) fn after_rmdir(&mut self, id: NodeId) -> nix::Result<()> {
        let directory = self.table.directory(id)?;
        directory.removed = true;
        directory.listing = None;
        let parent = directory.parent;
        self.table.count_directories(parent, -1);
        self.table.detach(id);
        self.table.release(id);
        Ok(())
    }
}
