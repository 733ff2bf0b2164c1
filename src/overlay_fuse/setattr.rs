// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes of a file's owner, mode, size and times, and what they take away: setuid, setgid and
//! file capabilities.

use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::time::TimeSpec;
use nix::unistd::ftruncate;

use super::Ownership;
use super::attributes::{PERMISSIONS, Shown, Wanted, mode_on_disk, record};
use super::backing::Spot;
use super::content::Content;
use super::create::New;
use super::data::{Access, link_target};
use super::ids::Owner;
use super::number::NodeId;
use super::overlay::{Overlay, UPPER};
use super::work::Replaced;
use super::xattrs::{CAPABILITY, RECORDED_CAPABILITY};
use crate::layer_format::FileKind;
use crate::sys::xattr;

/// What is to be changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) atime: Option<TimeSpec>,
    pub(super) mtime: Option<TimeSpec>,
}

impl Changes {
    fn owner(&self) -> bool {
        self.uid.is_some() || self.gid.is_some()
    }

    fn is_empty(&self) -> bool {
        let has_times = self.atime.is_some() || self.mtime.is_some();
        self.mode.is_none() && !self.owner() && self.size.is_none() && !has_times
    }
}

impl Overlay {
    /// Changes attributes and shows the result.
    pub(super) fn set_attributes(&mut self, id: NodeId, changes: &Changes) -> nix::Result<Shown> {
        if changes.is_empty() {
            return self.node_shown(id);
        }
        let content = changes.size.map_or(Content::All, Content::First);
        self.copy_up(id, content)?;
        if let Some(size) = changes.size {
            let opened = self.data(id, Access::Write)?;
            ftruncate(
                &opened,
                i64::try_from(size).map_err(|_too_big| Errno::EFBIG)?,
            )?;
        }
        match self.ownership {
            Ownership::Real => self.change_real(id, changes)?,
            Ownership::Metadata => self.change_recorded(id, changes)?,
        }
        if changes.atime.is_some() || changes.mtime.is_some() {
            let keep = TimeSpec::UTIME_OMIT;
            let (atime, mtime) = (changes.atime.unwrap_or(keep), changes.mtime.unwrap_or(keep));
            self.table.open_spot(id)?.set_times(&atime, &mtime)?;
        }
        if let Ok(directory) = self.table.directory(id) {
            directory.group = None;
        }
        self.node_shown(id)
    }

    fn change_real(&mut self, id: NodeId, changes: &Changes) -> nix::Result<()> {
        if changes.size.is_some() {
            self.take_rights(id)?;
        }
        let spot = self.table.open_spot(id)?;
        if changes.owner() && !self.ids.ignores_owners() {
            let on_disk = |map: fn(&super::ids::Ids, u32) -> nix::Result<u32>, new| match new {
                Some(new) => map(&self.ids, new).map(Some),
                None => Ok(None),
            };
            let uid = on_disk(super::ids::Ids::uid_on_disk, changes.uid)?;
            let gid = on_disk(super::ids::Ids::gid_on_disk, changes.gid)?;
            spot.chown(uid, gid)?;
        }
        match changes.mode {
            Some(mode) => spot.chmod(mode & PERMISSIONS),
            None => Ok(()),
        }
    }

    fn change_recorded(&mut self, id: NodeId, changes: &Changes) -> nix::Result<()> {
        let takes_rights = changes.size.is_some();
        if !changes.owner() && changes.mode.is_none() && !takes_rights {
            return Ok(());
        }
        let spot = self.table.spot(id)?;
        let shown = self.shown(UPPER, &spot.stat()?, spot.place())?;
        let kind = FileKind::of_stat(shown.mode, shown.rdev).ok_or(Errno::EINVAL)?;
        let before = Wanted {
            owner: shown.kept_owner,
            mode: shown.mode & PERMISSIONS,
            kind,
        };
        let mut after = before;
        if !self.ids.ignores_owners() {
            after.owner = Owner {
                uid: changes.uid.unwrap_or(before.owner.uid),
                gid: changes.gid.unwrap_or(before.owner.gid),
            };
        }
        if (changes.owner() || takes_rights) && kind != FileKind::Directory {
            after.mode = without_setid(after.mode);
            self.drop_capabilities(id, &spot)?;
        }
        if let Some(mode) = changes.mode {
            after.mode = mode & PERMISSIONS;
        }
        // The time of change must move even if nothing else does, but for a mere truncation.
        if after == before && !changes.owner() && changes.mode.is_none() {
            return Ok(());
        }
        if kind == FileKind::Symlink {
            return self.record_link(id, &spot, &before, &after);
        }
        let (old, new) = (
            mode_on_disk(kind, before.mode),
            mode_on_disk(kind, after.mode),
        );
        if old != new {
            spot.chmod(new)?;
        }
        record(&spot, &after)
    }

    /// A symbolic link carries no metadata: one that is given away becomes a regular file that
    /// says it is a link.
    fn record_link(
        &mut self,
        id: NodeId,
        spot: &Spot,
        before: &Wanted,
        after: &Wanted,
    ) -> nix::Result<()> {
        let is_real = spot.stat()?.st_mode & libc::S_IFMT == libc::S_IFLNK;
        if !is_real {
            return record(spot, after);
        }
        if before.owner == after.owner {
            return Ok(());
        }
        let target = link_target(spot)?;
        let new = New {
            wanted: *after,
            target: &target,
        };
        let unfinished = self.work()?.fresh_name();
        let work = self.work()?.directory.clone();
        self.make(&work, &unfinished, &new)?;
        let copy = self.unfinished(&unfinished)?;
        let replaced = record(&copy, after).and_then(|()| self.replace_everywhere(id, &copy));
        self.discard(&unfinished);
        replaced
    }

    /// Puts an unfinished file in the place of all names that a node has in the upper layer.
    fn replace_everywhere(&mut self, id: NodeId, finished: &Spot) -> nix::Result<()> {
        let key = self.key(&finished.stat()?);
        let links = self.table.file(id)?.links.clone();
        for link in links.iter().filter(|link| link.real) {
            let directory = self.table.directory_fd(link.parent, UPPER)?;
            let name = self.work()?.fresh_name();
            let work = self.work()?;
            finished.link(&work.directory, &name)?;
            work.publish(&name, &directory, &link.name, Replaced::Nothing)?;
        }
        if links.iter().all(|link| !link.real) {
            let pin = finished.open(OFlag::O_PATH)?;
            self.table.file(id)?.pin = Some(Arc::new(pin));
        }
        self.table.detach(id);
        self.table.add_key(id, key);
        Ok(())
    }

    /// What a write takes away from a file when the writer has not the right to keep it.
    pub(super) fn take_rights(&mut self, id: NodeId) -> nix::Result<()> {
        let had_setid = std::mem::take(&mut self.table.file(id)?.setid);
        // Otherwise the layer's file system has done it: the server has not the right either.
        if self.ownership == Ownership::Metadata || self.is_host_root {
            let spot = self.table.spot(id)?;
            self.drop_capabilities(id, &spot)?;
            if had_setid {
                let shown = self.shown(UPPER, &spot.stat()?, spot.place())?;
                let wanted = Wanted {
                    owner: shown.kept_owner,
                    mode: without_setid(shown.mode & PERMISSIONS),
                    kind: FileKind::Regular,
                };
                match self.ownership {
                    Ownership::Real => spot.chmod(wanted.mode)?,
                    Ownership::Metadata => record(&spot, &wanted)?,
                }
            }
        }
        if had_setid {
            // The kernel leaves this to us, and its copy of the mode is wrong now.
            self.invalidate(id);
        }
        Ok(())
    }

    /// Removes file capabilities.
    fn drop_capabilities(&mut self, id: NodeId, spot: &Spot) -> nix::Result<()> {
        let Ok(file) = self.table.file(id) else {
            return Ok(());
        };
        if file.has_caps == Some(false) {
            return Ok(());
        }
        file.has_caps = Some(false);
        let name = match self.ownership {
            Ownership::Real => CAPABILITY,
            Ownership::Metadata => RECORDED_CAPABILITY,
        };
        match xattr::remove(spot.place(), name) {
            // A symbolic link has none.
            Ok(()) | Err(Errno::ENODATA | Errno::EOPNOTSUPP | Errno::EPERM) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

/// A mode without setuid, and without setgid where that gives a right to those who execute.
fn without_setid(mode: u32) -> u32 {
    let setgid = if mode & libc::S_IXGRP != 0 {
        libc::S_ISGID
    } else {
        0
    };
    mode & !(libc::S_ISUID | setgid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_go() {
        let table = [
            (0o4755, 0o755),
            (0o6755, 0o755),
            (0o2755, 0o755),
            (0o2745, 0o2745),
            (0o7645, 0o3645),
            (0o1777, 0o1777),
        ];
        for (mode, expected) in table {
            assert_eq!(without_setid(mode), expected, "{mode:o}");
        }
    }
}
