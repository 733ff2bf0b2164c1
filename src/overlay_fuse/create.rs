// SPDX-License-Identifier: Apache-2.0 OR MIT
//! New files, directories, links and special files.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat, mknodat, umask};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::Ownership;
use super::attributes::{PERMISSIONS, Shown, Wanted, mode_on_disk, record};
use super::backing::{Name, Spot, open_directory};
use super::content::{Content, write_all};
use super::ids::Owner;
use super::merge::{Entry, is_directory};
use super::nodes::{Body, Data, Directory, File, Group, Link, Part};
use super::number::NodeId;
use super::overlay::{Overlay, UPPER};
use super::rename::Taken;
use super::work::{Replaced, Shape};
use crate::layer_format::{DOT_WH_PREFIX, FileKind, WhiteoutForm, write_opaque};
use crate::sys::xattr::{self, Place, SetMode};

/// The bits of a mode that chown(2) takes.
const SETID: u32 = libc::S_ISUID | libc::S_ISGID;

/// What is made in a directory begins with this list of the directory's.
const DEFAULT_ACL: &CStr = c"system.posix_acl_default";

/// Who asks for something new.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) owner: Owner,
    pub(super) umask: u32,
}

/// Something to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) wanted: Wanted,
    /// Where a symbolic link leads.
    pub(super) target: &'a [u8],
}

/// What was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: NodeId,
    pub(super) shown: Shown,
}

impl Overlay {
    /// Makes something new under a name that is not taken.
    pub(super) fn create(
        &mut self,
        parent: NodeId,
        name: &Name,
        kind: FileKind,
        mode: u32,
        target: &[u8],
        caller: Caller,
    ) -> nix::Result<Made> {
        let is_whiteout = matches!(kind, FileKind::CharDevice { major: 0, minor: 0 });
        if is_whiteout && self.ownership == Ownership::Real {
            // It would hide what is below, as the kernel's overlay says too.
            return Err(Errno::EPERM);
        }
        self.check_new_name(name)?;
        let directory = self.upper_directory(parent)?;
        let group = self.group_for_new(parent)?;
        let new = New {
            wanted: self.wanted(kind, mode, caller, group),
            target,
        };
        // With access control lists the layer's file system decides whether the mask counts.
        let mask = if self.acl { caller.umask } else { 0 };
        let previous = (mask != 0).then(|| umask(Mode::from_bits_truncate(mask)));
        let made = self.make_named(parent, &directory, name, &new, group);
        previous.map(umask);
        let (opened, status) = made?;
        self.changed(parent);
        let id = self.admit_new(parent, name, kind, &status)?;
        if let Some(opened) = opened.filter(|_| kind == FileKind::Regular) {
            let data = Data {
                opened: Arc::new(opened),
                writable: true,
            };
            self.table.keep_file(id, data)?;
        }
        let shown = self.shown_new(&directory, name, &status)?;
        Ok(Made {
            id,
            shown: self.settle(id, shown)?,
        })
    }

    fn shown_new(
        &self,
        directory: &Arc<OwnedFd>,
        name: &Name,
        status: &FileStat,
    ) -> nix::Result<Shown> {
        let spot = Spot::Entry {
            directory: directory.clone(),
            name: name.clone(),
        };
        self.shown(UPPER, status, spot.place())
    }

    /// The owner and mode of something new, with what the directory and the caller's mask say.
    fn wanted(&self, kind: FileKind, mode: u32, caller: Caller, group: Option<u32>) -> Wanted {
        let mut mode = mode & PERMISSIONS;
        if kind == FileKind::Symlink {
            mode = 0o777;
        } else if !self.acl {
            mode &= !caller.umask;
        }
        if kind == FileKind::Directory && group.is_some() {
            mode |= libc::S_ISGID;
        }
        Wanted {
            owner: Owner {
                uid: caller.owner.uid,
                gid: group.unwrap_or(caller.owner.gid),
            },
            mode,
            kind,
        }
    }

    /// Whose group new files of a directory get, if not the caller's.
    fn group_for_new(&mut self, parent: NodeId) -> nix::Result<Option<u32>> {
        let known = self.table.directory(parent)?.group;
        let group = if let Some(known) = known {
            known
        } else {
            let shown = self.node_shown(parent)?;
            if shown.mode & libc::S_ISGID == 0 {
                Group::Callers
            } else {
                Group::Inherited(shown.owner.gid)
            }
        };
        self.table.directory(parent)?.group = Some(group);
        match group {
            Group::Callers => Ok(None),
            Group::Inherited(gid) => Ok(Some(gid)),
        }
    }

    /// Makes something new with its name, its owner and its mode; returns a regular file open.
    fn make_named(
        &mut self,
        parent: NodeId,
        directory: &Arc<OwnedFd>,
        name: &Name,
        new: &New<'_>,
        group: Option<u32>,
    ) -> nix::Result<(Option<OwnedFd>, FileStat)> {
        let place = Spot::Entry {
            directory: directory.clone(),
            name: name.clone(),
        };
        let opened = match self.make(directory, name, new) {
            Ok(opened) => opened,
            Err(Errno::EEXIST) => return self.make_over_whiteout(parent, &place, new, group),
            Err(errno) => return Err(errno),
        };
        let finished = self
            .put_owner_of_new(&place, new, group)
            .and_then(|()| self.uncover(parent, directory, name, new.wanted.kind))
            .and_then(|()| match &opened {
                // Finds no name.
                Some(opened) => fstat(opened),
                None => place.stat(),
            });
        match finished {
            Ok(status) => Ok((opened, status)),
            Err(errno) => {
                let flag = if new.wanted.kind == FileKind::Directory {
                    UnlinkatFlags::RemoveDir
                } else {
                    UnlinkatFlags::NoRemoveDir
                };
                // The caller learns the first error; this one would only repeat it.
                unlinkat(directory, name.as_ref(), flag).ok();
                Err(errno)
            }
        }
    }

    /// Makes something new in the place of a whiteout: finished first, then put there.
    fn make_over_whiteout(
        &mut self,
        parent: NodeId,
        place: &Spot,
        new: &New<'_>,
        group: Option<u32>,
    ) -> nix::Result<(Option<OwnedFd>, FileStat)> {
        let Spot::Entry { directory, name } = place else {
            return Err(Errno::EINVAL);
        };
        match self.entry(parent, 0, name)? {
            Entry::Whiteout(_) => {}
            Entry::Absent | Entry::Present(_) => return Err(Errno::EEXIST),
        }
        let shape = shape_of(new.wanted.kind);
        let unfinished = self.work()?.fresh_name();
        let copy = self.unfinished(&unfinished)?;
        let mut wanted = *new;
        if let (Some(gid), Ownership::Real) = (group, self.ownership) {
            // The work directory has not the bit that gives away the group.
            wanted.wanted.owner.gid = gid;
        }
        let made = self.make_unfinished(directory, &unfinished, &wanted);
        let finished = made.and_then(|opened| {
            self.put_owner_of_new(&copy, &wanted, None)?;
            if shape == Shape::Directory {
                write_opaque(copy.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)?.as_fd())?;
            }
            let status = copy.stat()?;
            let replaced = Replaced::WhiteoutBy(shape);
            self.work()?
                .publish(&unfinished, directory, name, replaced)?;
            Ok((opened, status))
        });
        finished.inspect_err(|_errno| self.discard(&unfinished))
    }

    /// Makes something in the work directory as it would come to be in `directory`, whose default
    /// access control list it inherits.
    fn make_unfinished(
        &mut self,
        directory: &OwnedFd,
        name: &Name,
        new: &New<'_>,
    ) -> nix::Result<Option<OwnedFd>> {
        let work = self.work()?.directory.clone();
        let list = if self.acl {
            xattr::get_vec(Place::Directory(directory.as_fd()), DEFAULT_ACL)?
        } else {
            None
        };
        let Some(list) = list else {
            return self.make(&work, name, new);
        };
        // Not the work directory itself: it would keep the list if we died.
        let cradle = self.work()?.fresh_name();
        mkdirat(&*work, cradle.as_ref(), Mode::S_IRWXU)?;
        let made = open_directory(&work, &cradle).and_then(|inside| {
            let place = Place::Directory(inside.as_fd());
            xattr::set(place, DEFAULT_ACL, &list, SetMode::Either)?;
            let opened = self.make(&inside, name, new)?;
            renameat(&inside, name.as_ref(), &*work, name.as_ref())?;
            Ok(opened)
        });
        self.discard(&cradle);
        made
    }

    /// Removes a whiteout in the form of a plain file that hides a name that is new now.
    fn uncover(
        &mut self,
        parent: NodeId,
        directory: &Arc<OwnedFd>,
        name: &CStr,
        kind: FileKind,
    ) -> nix::Result<()> {
        if self.work()?.form != WhiteoutForm::DotWh {
            return Ok(());
        }
        let mut hidden = DOT_WH_PREFIX.to_vec();
        hidden.extend_from_slice(name.to_bytes());
        if kind == FileKind::Directory && self.table.directory(parent)?.parts.len() > 1 {
            let made = open_directory(directory, name)?;
            write_opaque(made.as_fd())?;
        }
        let hidden = std::ffi::OsStr::from_bytes(&hidden);
        match unlinkat(directory, hidden, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENAMETOOLONG) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Makes something in a directory of the upper layer's file system, in the form in which the
    /// layer keeps it; a regular file is returned open for reading and writing.
    pub(super) fn make(
        &self,
        directory: &OwnedFd,
        name: &CStr,
        new: &New<'_>,
    ) -> nix::Result<Option<OwnedFd>> {
        let Wanted { mode, kind, .. } = new.wanted;
        let mode = Mode::from_bits_truncate(self.mode_of_new(kind, mode));
        let flags =
            OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        if self.needs_placeholder(&new.wanted) {
            let opened = openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
            write_all(&opened, new.target, 0)?;
            return Ok(Some(opened));
        }
        match kind {
            FileKind::Regular => openat(directory, name, flags, mode).map(Some),
            FileKind::Directory => mkdirat(directory, name, mode).map(|()| None),
            FileKind::Symlink => {
                let target = std::ffi::OsStr::from_bytes(new.target);
                symlinkat(target, directory, name).map(|()| None)
            }
            FileKind::Pipe
            | FileKind::Socket
            | FileKind::BlockDevice { .. }
            | FileKind::CharDevice { .. } => {
                let flag = SFlag::from_bits_truncate(kind.type_bits());
                mknodat(directory, name, flag, mode, kind.rdev()).map(|()| None)
            }
        }
    }

    /// Makes a regular file without a name that can get one later; `None` where that cannot be.
    pub(super) fn make_nameless(
        &self,
        directory: &OwnedFd,
        new: &New<'_>,
    ) -> nix::Result<Option<OwnedFd>> {
        let Wanted { mode, kind, .. } = new.wanted;
        if kind != FileKind::Regular {
            return Ok(None);
        }
        let mode = Mode::from_bits_truncate(self.mode_of_new(kind, mode));
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        match openat(directory, c".", flags, mode) {
            // The file system has none, or the kernel knows none.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The permissions with which something is made.
    fn mode_of_new(&self, kind: FileKind, mode: u32) -> u32 {
        match self.ownership {
            Ownership::Real => mode,
            Ownership::Metadata => mode_on_disk(kind, mode),
        }
    }

    /// Whether something must be kept as a regular file that says what it is.
    fn needs_placeholder(&self, wanted: &Wanted) -> bool {
        if self.ownership == Ownership::Real {
            return false;
        }
        match wanted.kind {
            FileKind::Regular | FileKind::Directory => false,
            FileKind::Symlink => wanted.owner != self.plain_owner,
            FileKind::Pipe
            | FileKind::Socket
            | FileKind::BlockDevice { .. }
            | FileKind::CharDevice { .. } => true,
        }
    }

    /// Whether something that was made has a place for its owner and mode: a symbolic link in
    /// the metadata form has none, and needs none.
    pub(super) fn keeps_owner(&self, new: &New<'_>) -> bool {
        self.ownership == Ownership::Real
            || new.wanted.kind != FileKind::Symlink
            || self.needs_placeholder(&new.wanted)
    }

    /// Gives something that was just made its owner, where it does not have it by itself.
    fn put_owner_of_new(&self, place: &Spot, new: &New<'_>, group: Option<u32>) -> nix::Result<()> {
        let wanted = &new.wanted;
        match self.ownership {
            Ownership::Real => {
                let own = Owner {
                    uid: self.plain_owner.uid,
                    gid: group.unwrap_or(self.plain_owner.gid),
                };
                let is_given_away = wanted.owner != own && !self.ids.ignores_owners();
                if is_given_away {
                    let uid = self.ids.uid_on_disk(wanted.owner.uid)?;
                    let gid = self.ids.gid_on_disk(wanted.owner.gid)?;
                    place.chown(Some(uid), Some(gid))?;
                }
                // chown(2) clears setuid, and mkdir(2) takes no setgid but from the directory.
                // Without need the mode must not be set again: with access control lists it says
                // something else than the caller's.
                let is_lost =
                    is_given_away || wanted.kind == FileKind::Directory && group.is_none();
                if wanted.mode & SETID != 0 && is_lost && wanted.kind != FileKind::Symlink {
                    let mode = if self.acl {
                        // What the mask or the directory's list took stays taken.
                        place.stat()?.st_mode & PERMISSIONS | wanted.mode & SETID
                    } else {
                        wanted.mode
                    };
                    place.chmod(mode)?;
                }
                Ok(())
            }
            Ownership::Metadata => {
                let is_plain = wanted.owner == self.plain_owner
                    && mode_on_disk(wanted.kind, wanted.mode) == wanted.mode
                    && !self.needs_placeholder(wanted);
                if is_plain || !self.keeps_owner(new) {
                    return Ok(());
                }
                record(place, wanted)
            }
        }
    }

    /// Makes the node of something that was just made.
    fn admit_new(
        &mut self,
        parent: NodeId,
        name: &Name,
        kind: FileKind,
        status: &FileStat,
    ) -> nix::Result<NodeId> {
        let key = self.key(status);
        if is_directory(status) {
            let part = Part::new(UPPER, key.device);
            let body = Directory::new(parent, name.clone(), vec![part]);
            self.table.count_directories(parent, 1);
            return Ok(self.table.insert(key, Body::directory(body)));
        }
        let mut file = File::new(kind.type_bits(), UPPER);
        file.has_caps = Some(false);
        let id = self.table.insert(key, Body::File(file));
        let link = Link {
            parent,
            name: name.clone(),
            real: true,
        };
        self.table.add_link(id, link)?;
        Ok(id)
    }

    /// Renames, and leaves a whiteout under the old name: what an overlay of the kernel's asks of
    /// the file system that has its upper layer. Where kinds are those on disk it would hide what
    /// is below from ourselves.
    pub(super) fn rename_leaving_whiteout(
        &mut self,
        from: (NodeId, &Name),
        to: (NodeId, &Name),
        taken: Taken,
        caller: Caller,
    ) -> nix::Result<()> {
        if self.ownership == Ownership::Real {
            return Err(Errno::EINVAL);
        }
        let kind = FileKind::CharDevice { major: 0, minor: 0 };
        let new = New {
            wanted: self.wanted(kind, 0, caller, None),
            target: &[],
        };
        let unfinished = self.work()?.fresh_name();
        let copy = self.unfinished(&unfinished)?;
        let work = self.work()?.directory.clone();
        self.make(&work, &unfinished, &new)?;
        let left = self
            .put_owner_of_new(&copy, &new, None)
            .and_then(|()| self.rename(from, to, taken))
            .and_then(|()| {
                let directory = self.upper_directory(from.0)?;
                let replaced = Replaced::WhiteoutBy(Shape::Other);
                self.work()?
                    .publish(&unfinished, &directory, from.1, replaced)?;
                self.uncover(from.0, &directory, from.1, kind)
            });
        self.changed(from.0);
        left.inspect_err(|_errno| self.discard(&unfinished))
    }

    /// Gives a file another name.
    pub(super) fn link(&mut self, id: NodeId, parent: NodeId, name: &Name) -> nix::Result<Shown> {
        self.check_new_name(name)?;
        self.copy_up(id, Content::All)?;
        let directory = self.upper_directory(parent)?;
        let spot = self.table.spot(id)?;
        match spot.link(&directory, name) {
            Ok(()) => self.uncover(parent, &directory, name, FileKind::Regular)?,
            Err(Errno::EEXIST) => {
                let Entry::Whiteout(_) = self.entry(parent, 0, name)? else {
                    return Err(Errno::EEXIST);
                };
                let unfinished = self.work()?.fresh_name();
                let work = self.work()?;
                spot.link(&work.directory, &unfinished)?;
                let replaced = Replaced::WhiteoutBy(Shape::Other);
                let published = work.publish(&unfinished, &directory, name, replaced);
                published.inspect_err(|_errno| self.discard(&unfinished))?;
            }
            Err(errno) => return Err(errno),
        }
        let link = Link {
            parent,
            name: name.clone(),
            real: true,
        };
        self.table.add_link(id, link)?;
        self.changed(parent);
        self.node_shown(id)
    }
}

fn shape_of(kind: FileKind) -> Shape {
    match kind {
        FileKind::Directory => Shape::Directory,
        FileKind::Regular
        | FileKind::Symlink
        | FileKind::Pipe
        | FileKind::Socket
        | FileKind::BlockDevice { .. }
        | FileKind::CharDevice { .. } => Shape::Other,
    }
}
