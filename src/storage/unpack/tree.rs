// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory a layer is unpacked into: makes files, links and nodes with their owners, modes,
//! attributes and times, by descriptors.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstat, mknodat};
use nix::unistd::{
    Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat,
};

use super::destination::{Destination, Ownership, RootDirectory, UnpackError};
use super::entries::{
    Made, create_file, make_directory, open_directory, remove_directory, set_entry_times,
    set_times, whiteout,
};
use super::ids::KnownIds;
use super::path::CleanPath;
use super::place::{Parents, c_name, stat_entry};
use crate::layer_format::{
    DotWh, FileKind, OverrideStat, XATTR_OVERRIDE_PREFIX, has_ownership_metadata,
    is_reserved_xattr, is_whiteout_device, write_opaque, write_override_stat,
};
use crate::storage::tar::{DataError, FileTime, Member, MemberKind, TarInput, TarStream};
use crate::sys::xattr::{self, Place, SetMode};
use crate::sys::{Called, SysError, SysResult};

/// The group and user of nobody: ids that are no ids at all become theirs.
const NOBODY: u32 = 65534;

/// A layer while it is unpacked.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    parents: Parents<'a>,
    usual_root: RootDirectory,
    /// Whether the stream says whose the root is.
    root_is_member: bool,
    ownership: Ownership,
    known: KnownIds,
    /// Directories get their times last, since filling them changes these.
    directory_times: Vec<(Vec<u8>, FileTime)>,
    ids_as_metadata: bool,
    devices_as_metadata: bool,
    replaced: bool,
}

/// How a member's owner and mode are written down.
#[derive(Debug, Clone, Copy)]
enum Record {
    /// The file really belongs to these ids.
    Real { uid: u32, gid: u32 },
    /// The file is the caller's; the attribute says the rest.
    Metadata { uid: u32, gid: u32 },
}

/// Makes the root of a finished layer what it should be.
pub(in crate::storage) fn set_root_directory(
    root: BorrowedFd<'_>,
    ownership: Ownership,
    wanted: RootDirectory,
) -> SysResult<()> {
    let place = Place::Descriptor(root);
    if ownership == Ownership::Mapped {
        let known = KnownIds::of_self().called(|| "open(/proc/self/uid_map)")?;
        dress_real_root(root, wanted, &known)?;
    }
    if ownership == Ownership::Mapped && !has_ownership_metadata(place) {
        return Ok(());
    }
    note_root(place, wanted)
}

/// Writes down whose the root is, and its mode.
fn note_root(place: Place<'_>, root: RootDirectory) -> SysResult<()> {
    let RootDirectory { uid, gid, mode } = root;
    let stat = OverrideStat {
        uid,
        gid,
        mode,
        kind: Some(FileKind::Directory),
    };
    write_override_stat(place, &stat).called(|| "setxattr(override_stat)")
}

fn dress_real_root(root: BorrowedFd<'_>, wanted: RootDirectory, known: &KnownIds) -> SysResult<()> {
    let RootDirectory { uid, gid, mode } = wanted;
    if !known.has(uid, gid) {
        return Ok(());
    }
    fchown(root, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .called(|| format!("fchown({uid}, {gid})"))?;
    fchmod(root, Mode::from_bits_truncate(mode)).called(|| format!("fchmod({mode:o})"))
}

impl<'a> Tree<'a> {
    pub(super) fn new(destination: Destination<'a>) -> Result<Self, UnpackError> {
        let known = KnownIds::of_self().map_err(|source| UnpackError::IdMap { source })?;
        let Destination {
            root, ownership, ..
        } = destination;
        Ok(Self {
            parents: Parents::new(root),
            usual_root: destination.usual_root,
            root_is_member: false,
            ownership,
            known,
            directory_times: Vec::new(),
            ids_as_metadata: ownership == Ownership::Metadata,
            devices_as_metadata: false,
            replaced: false,
        })
    }

    pub(super) fn ids_as_metadata(&self) -> bool {
        self.ids_as_metadata
    }

    pub(super) fn devices_as_metadata(&self) -> bool {
        self.devices_as_metadata
    }

    pub(super) fn replaced(&self) -> bool {
        self.replaced
    }

    pub(super) fn root_is_member(&self) -> bool {
        self.root_is_member
    }

    /// Makes a regular file with the data that follow in `stream`. The outer error is the stream's.
    pub(super) fn file(
        &mut self,
        path: &CleanPath,
        member: &Member,
        stream: &mut TarStream<impl TarInput>,
    ) -> Result<SysResult<()>, UnpackError> {
        let file = match self.begin_file(path, member) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        match write_data(path, &file, member, stream) {
            Ok(()) => {}
            Err(DataError::Tar(error)) => return Err(error.into()),
            Err(DataError::Sink(error)) => {
                return Ok(Err(error).called(|| "write"));
            }
        }
        Ok(self.dress_file(&file, member, FileKind::Regular))
    }

    /// Makes a directory, symbolic link, device or pipe.
    pub(super) fn node(&mut self, path: &CleanPath, member: &Member) -> SysResult<()> {
        if member.kind == MemberKind::Directory {
            return self.directory(path, member);
        }
        let Some(name) = self.begin(path)? else {
            return Ok(());
        };
        match member.kind {
            MemberKind::Symlink => self.symlink(path, &name, member),
            MemberKind::Fifo if self.is_real(member) => {
                self.real_node(path, &name, member, SFlag::S_IFIFO)
            }
            MemberKind::Fifo => self.stand_in(path, &name, member, FileKind::Pipe, b""),
            MemberKind::CharDevice => self.device(path, &name, member, SFlag::S_IFCHR),
            MemberKind::BlockDevice => self.device(path, &name, member, SFlag::S_IFBLK),
            MemberKind::File | MemberKind::HardLink | MemberKind::Directory => Ok(()),
        }
    }

    /// Gives the earlier member `target` a second name.
    pub(super) fn hard_link(&mut self, path: &CleanPath, target: &CleanPath) -> SysResult<()> {
        if path == target {
            return Ok(());
        }
        let (Some((target_parent, target_name)), true) = (target.split(), path.split().is_some())
        else {
            return Err(SysError::new("linkat(\"/\")", Errno::EPERM));
        };
        let target_directory = self.parents.open(target_parent)?;
        let target_name = c_name(target_name);
        if stat_entry(target_directory.as_fd(), &target_name)?.is_none() {
            return Err(SysError::new(
                format!("linkat({target_name:?})"),
                Errno::ENOENT,
            ));
        }
        let Some(name) = self.begin(path)? else {
            return Ok(());
        };
        let directory = self.parent(path)?;
        linkat(
            &target_directory,
            target_name.as_c_str(),
            directory,
            name.as_c_str(),
            LinkatFlags::empty(),
        )
        .called(|| format!("linkat({target_name:?}, {name:?})"))
    }

    /// Sets the directories' times.
    pub(super) fn finish(&mut self) -> SysResult<()> {
        if !self.root_is_member {
            self.dress_root()?;
        }
        if self.ids_as_metadata || self.devices_as_metadata {
            self.mark_root()?;
        }
        for (path, time) in std::mem::take(&mut self.directory_times) {
            // It may have been replaced by something else since.
            let opened = match self.parents.open(&path) {
                Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => continue,
                other => other?,
            };
            set_times(opened.as_fd(), time)?;
        }
        Ok(())
    }

    /// Makes the root what it usually is. Where owners are metadata, [`Tree::mark_root`] does.
    fn dress_root(&self) -> SysResult<()> {
        match self.ownership {
            Ownership::Metadata => Ok(()),
            Ownership::Mapped => dress_real_root(self.parents.root(), self.usual_root, &self.known),
        }
    }

    /// A reader of ownership metadata looks for it on the root first.
    fn mark_root(&self) -> SysResult<()> {
        let root = self.parents.root();
        let place = Place::Descriptor(root);
        if has_ownership_metadata(place) {
            return Ok(());
        }
        let wanted = match self.ownership {
            Ownership::Metadata => self.usual_root,
            Ownership::Mapped => {
                let stat = fstat(root).called(|| "fstat")?;
                RootDirectory {
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                    mode: stat.st_mode & 0o7777,
                }
            }
        };
        note_root(place, wanted)
    }

    fn parent(&mut self, path: &CleanPath) -> SysResult<BorrowedFd<'_>> {
        let (parent, _) = path.split().unwrap_or_default();
        self.parents.open_or_make(parent)
    }

    /// Makes room for a member that is no directory: its parents are there, its name is free.
    /// `None` if the name is a whiteout, which was written, or means nothing.
    fn begin(&mut self, path: &CleanPath) -> SysResult<Option<CString>> {
        let Some((parent, name)) = path.split() else {
            return Err(SysError::new("open(\"/\")", Errno::EISDIR));
        };
        let directory = self.parents.open_or_make(parent)?;
        match DotWh::of(name) {
            DotWh::Plain => {}
            DotWh::Reserved => return Ok(None),
            DotWh::Opaque => {
                write_opaque(directory).called(|| "setxattr(opaque)")?;
                return Ok(None);
            }
            DotWh::Whiteout(hidden) => {
                whiteout(directory, &c_name(hidden))?;
                return Ok(None);
            }
        }
        let name = c_name(name);
        match unlinkat(directory, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => {}
            Ok(()) => self.replaced = true,
            Err(Errno::EISDIR) => {
                remove_directory(directory, &name)?;
                self.replaced = true;
                self.parents.forget();
            }
            Err(errno) => return Err(errno).called(|| format!("unlinkat({name:?})")),
        }
        Ok(Some(name))
    }

    fn begin_file(&mut self, path: &CleanPath, member: &Member) -> SysResult<Option<File>> {
        // What is the caller's own gets attributes next, and those need leave to write.
        let mode = if self.is_real(member) {
            Mode::from_bits_truncate(member.mode & 0o777)
        } else {
            Mode::S_IRUSR | Mode::S_IWUSR
        };
        // The common case first: a new name in an open directory costs one call.
        if let Some((parent, name)) = path.split()
            && DotWh::of(name) == DotWh::Plain
        {
            let name = c_name(name);
            let directory = self.parents.open_or_make(parent)?;
            match create_file(directory, &name, mode) {
                Err(error) if error.errno == Errno::EEXIST => {}
                result => return result.map(Some),
            }
        }
        let Some(name) = self.begin(path)? else {
            return Ok(None);
        };
        let directory = self.parent(path)?;
        create_file(directory, &name, mode).map(Some)
    }

    fn directory(&mut self, path: &CleanPath, member: &Member) -> SysResult<()> {
        let Some((parent, name)) = path.split() else {
            return self.root_directory(member);
        };
        if DotWh::of(name) != DotWh::Plain {
            return Ok(());
        }
        let name = c_name(name);
        let parent = self.parents.open_or_make(parent)?;
        let made = make_directory(parent, &name)?;
        let directory = open_directory(parent, &name)?;
        if made == Made::OverWhiteout {
            write_opaque(directory.as_fd()).called(|| "setxattr(opaque)")?;
        }
        if made == Made::InPlaceOfOther {
            self.replaced = true;
            self.parents.forget();
        }
        self.directory_times
            .push((path.bytes().to_vec(), member.modified));
        self.dress(directory.as_fd(), member, FileKind::Directory)
    }

    fn root_directory(&mut self, member: &Member) -> SysResult<()> {
        self.directory_times.push((Vec::new(), member.modified));
        self.root_is_member = true;
        let root = self.parents.root();
        self.dress(root, member, FileKind::Directory)
    }

    fn symlink(&mut self, path: &CleanPath, name: &CStr, member: &Member) -> SysResult<()> {
        let (uid, gid) = ids(member);
        // Links carry no attributes. Root's need none: the caller is root in a container.
        if self.ownership == Ownership::Metadata && (uid, gid) != (0, 0) {
            return self.stand_in(path, name, member, FileKind::Symlink, &member.link);
        }
        let target = c_name(&member.link);
        let is_real = self.is_real(member) && self.ownership == Ownership::Mapped;
        let directory = self.parent(path)?;
        symlinkat(target.as_c_str(), directory, name).called(|| format!("symlinkat({name:?})"))?;
        if is_real {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            fchownat(
                directory,
                name,
                Some(uid),
                Some(gid),
                AtFlags::AT_SYMLINK_NOFOLLOW,
            )
            .called(|| format!("fchownat({name:?})"))?;
        }
        set_entry_times(directory, name, member.modified)
    }

    /// A device node where the kernel lets us make one (real root), its metadata elsewhere.
    fn device(
        &mut self,
        path: &CleanPath,
        name: &CStr,
        member: &Member,
        kind: SFlag,
    ) -> SysResult<()> {
        let (major, minor) = member.device;
        let is_whiteout = is_whiteout_device(kind.bits(), libc::makedev(major, minor));
        // Security: a device 0:0 would hide a name of the layers below.
        if self.is_real(member) && !is_whiteout && self.ownership == Ownership::Mapped {
            match self.real_node(path, name, member, kind) {
                Err(error) if error.errno == Errno::EPERM => {}
                result => return result,
            }
        }
        self.devices_as_metadata = true;
        let kind = if kind == SFlag::S_IFCHR {
            FileKind::CharDevice { major, minor }
        } else {
            FileKind::BlockDevice { major, minor }
        };
        self.stand_in(path, name, member, kind, b"")
    }

    fn real_node(
        &mut self,
        path: &CleanPath,
        name: &CStr,
        member: &Member,
        kind: SFlag,
    ) -> SysResult<()> {
        let (major, minor) = member.device;
        let number = libc::makedev(major, minor);
        let (uid, gid) = ids(member);
        let directory = self.parent(path)?;
        mknodat(directory, name, kind, Mode::empty(), number)
            .called(|| format!("mknodat({name:?})"))?;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchownat(
            directory,
            name,
            owner.0,
            owner.1,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .called(|| format!("fchownat({name:?})"))?;
        let mode = Mode::from_bits_truncate(member.mode);
        fchmodat(directory, name, mode, FchmodatFlags::FollowSymlink)
            .called(|| format!("fchmodat({name:?})"))?;
        set_entry_times(directory, name, member.modified)
    }

    /// A regular file whose metadata says that it stands for something else.
    fn stand_in(
        &mut self,
        path: &CleanPath,
        name: &CStr,
        member: &Member,
        kind: FileKind,
        content: &[u8],
    ) -> SysResult<()> {
        let directory = self.parent(path)?;
        let file = create_file(directory, name, Mode::S_IRUSR | Mode::S_IWUSR)?;
        file.write_all_at(content, 0).called(|| "write")?;
        let (uid, gid) = ids(member);
        let mode = member.mode;
        let stat = OverrideStat {
            uid,
            gid,
            mode,
            kind: Some(kind),
        };
        write_override_stat(Place::Descriptor(file.as_fd()), &stat)
            .called(|| "setxattr(override_stat)")?;
        if !matches!(
            kind,
            FileKind::CharDevice { .. } | FileKind::BlockDevice { .. }
        ) {
            self.ids_as_metadata = true;
        }
        set_times(file.as_fd(), member.modified)
    }

    fn dress_file(&mut self, file: &File, member: &Member, kind: FileKind) -> SysResult<()> {
        self.dress(file.as_fd(), member, kind)?;
        set_times(file.as_fd(), member.modified)
    }

    /// Whether the file may be what the member says: its ids exist here.
    fn is_real(&self, member: &Member) -> bool {
        let (uid, gid) = ids(member);
        self.ownership == Ownership::Mapped && self.known.has(uid, gid)
    }

    fn record(&self, member: &Member) -> Record {
        let (uid, gid) = ids(member);
        if self.is_real(member) {
            Record::Real { uid, gid }
        } else {
            Record::Metadata { uid, gid }
        }
    }

    /// Owner, mode and attributes of an open file or directory, in the order in which none undoes
    /// another: chown clears set-id bits and capabilities. What is right already is left alone:
    /// most files are made as root's, and to look costs a third of a change.
    fn dress(&mut self, file: BorrowedFd<'_>, member: &Member, kind: FileKind) -> SysResult<()> {
        match self.record(member) {
            Record::Real { uid, gid } => {
                let made = fstat(file).called(|| "fstat")?;
                let is_theirs = (made.st_uid, made.st_gid) == (uid, gid);
                if !is_theirs {
                    fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                        .called(|| format!("fchown({uid}, {gid})"))?;
                }
                if !is_theirs || made.st_mode & 0o7777 != member.mode {
                    let mode = Mode::from_bits_truncate(member.mode);
                    fchmod(file, mode).called(|| format!("fchmod({:o})", member.mode))?;
                }
            }
            Record::Metadata { uid, gid } => {
                let stat = OverrideStat {
                    uid,
                    gid,
                    mode: member.mode,
                    kind: Some(kind),
                };
                write_override_stat(Place::Descriptor(file), &stat)
                    .called(|| "setxattr(override_stat)")?;
                self.ids_as_metadata = true;
                let mode = Mode::from_bits_truncate(self.caller_mode(member, kind));
                fchmod(file, mode).called(|| format!("fchmod({mode:?})"))?;
            }
        }
        self.set_xattrs(file, member)
    }

    /// The real mode of a file whose mode is metadata: the caller can always read and change it.
    /// Security: set-id bits would give the caller's rights away, so they are metadata only.
    fn caller_mode(&self, member: &Member, kind: FileKind) -> u32 {
        let always = match kind {
            FileKind::Directory => 0o700,
            FileKind::Regular
            | FileKind::Symlink
            | FileKind::Pipe
            | FileKind::Socket
            | FileKind::BlockDevice { .. }
            | FileKind::CharDevice { .. } => 0o600,
        };
        match self.ownership {
            Ownership::Metadata => (member.mode & 0o777) | always,
            // Root of the namespace needs no permission, and a plain overlay shows this mode.
            Ownership::Mapped => member.mode & 0o777,
        }
    }

    fn set_xattrs(&self, file: BorrowedFd<'_>, member: &Member) -> SysResult<()> {
        for (name, value) in &member.xattrs {
            let Some(name) = self.xattr_name(name) else {
                continue;
            };
            match xattr::set(Place::Descriptor(file), &name, value, SetMode::Either) {
                // A file system without attributes, an ACL that names ids we lack: as in other
                // tools the file stays usable without it.
                Ok(()) | Err(Errno::EOPNOTSUPP | Errno::EPERM | Errno::EINVAL) => {}
                Err(errno) => return Err(errno).called(|| format!("setxattr({name:?})")),
            }
        }
        Ok(())
    }

    /// The name that an attribute of an image is kept under; `None` for those of another machine
    /// (labels, signatures) and those that belong to the layer format.
    fn xattr_name(&self, name: &[u8]) -> Option<CString> {
        let kept = if is_reserved_xattr(name) {
            return None;
        } else if name.starts_with(b"user.") {
            name.to_vec()
        } else if name == b"security.capability" || name.starts_with(b"system.posix_acl_") {
            match self.ownership {
                Ownership::Mapped => name.to_vec(),
                Ownership::Metadata => [XATTR_OVERRIDE_PREFIX, name].concat(),
            }
        } else {
            return None;
        };
        CString::new(kept).ok()
    }
}

/// The owner, with what is no id at all made nobody's.
fn ids(member: &Member) -> (u32, u32) {
    let id = |number: u64| match u32::try_from(number) {
        Ok(u32::MAX) | Err(_) => NOBODY,
        Ok(id) => id,
    };
    (id(member.uid), id(member.gid))
}

fn write_data(
    path: &CleanPath,
    file: &File,
    member: &Member,
    stream: &mut TarStream<impl TarInput>,
) -> Result<(), DataError> {
    let pieces = member.pieces_in(file)?;
    if member.stored_size > 0 {
        let kept = stream.keep_data_at(path.bytes(), &pieces);
        kept.map_err(DataError::Sink)?;
    }
    stream.write_pieces(file, &pieces)
}
