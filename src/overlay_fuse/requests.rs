// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel asks: each request of the protocol becomes one call of the overlay.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, Generation, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use nix::errno::Errno;

use super::attributes::{device_of_protocol, time_of_request_or_now};
use super::backing::Name;
use super::create::Caller;
use super::data::{Rights, SyncWhat, link_target};
use super::ids::Owner;
use super::rename::Taken;
use super::replies::{
    FOREVER, fill_dots, fill_names, fill_plus, nothing, protocol_errno, reply_attr, reply_empty,
    reply_entry, reply_written,
};
use super::session::Server;
use super::setattr::Changes;
use super::shortcut::Answer;
use crate::layer_format::FileKind;
use crate::sys::xattr::{SetMode, VALUE_SIZE_MAX};

/// A larger one the kernel cuts down.
const MAX_WRITE: u32 = 1 << 20;

/// What makes opens free and writes cheap, each if the kernel has it.
const WISHES: [InitFlags; 11] = [
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_DONT_MASK,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
];

impl Filesystem for Server {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let (acl, elsewhere) =
            self.call(|overlay| Ok((overlay.acl, overlay.elsewhere.is_some())))?;
        let mut wishes = WISHES.to_vec();
        if elsewhere {
            // Whoever lists a directory there looks up all that is in it.
            wishes.retain(|wish| *wish != InitFlags::FUSE_READDIRPLUS_AUTO);
        }
        if acl {
            wishes.push(InitFlags::FUSE_POSIX_ACL);
        }
        for wish in wishes {
            // A kernel that lacks one works without it, only slower.
            config.add_capabilities(wish).ok();
        }
        config.set_max_write(MAX_WRITE).ok();
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.call(|overlay| {
            let found = overlay.lookup(parent.0, &c_name(name)?)?;
            if let Some((id, _)) = found {
                overlay.count_found(parent.0, id);
            }
            Ok(found)
        });
        match found {
            Ok(Some(found)) => reply_entry(reply, Ok(found)),
            Ok(None) => reply.entry(&FOREVER, &nothing(), Generation(0)),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
        self.linger();
    }

    fn forget(&self, _request: &Request, id: INodeNo, count: u64) {
        let forgotten = self.call(|overlay| {
            overlay.table.forget(id.0, count);
            Ok(())
        });
        debug_assert_eq!(forgotten, Ok(()));
    }

    fn getattr(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        reply_attr(reply, id, self.call(|overlay| overlay.node_shown(id.0)));
        self.linger();
    }

    fn setattr(
        &self,
        _request: &Request,
        id: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changes = Changes {
            mode,
            uid,
            gid,
            size,
            atime: atime.map(time_of_request_or_now),
            mtime: mtime.map(time_of_request_or_now),
        };
        reply_attr(
            reply,
            id,
            self.call(|overlay| overlay.set_attributes(id.0, &changes)),
        );
        self.linger();
    }

    fn readlink(&self, _request: &Request, id: INodeNo, reply: ReplyData) {
        let target = self.call(|overlay| {
            let spot = overlay.table.spot(id.0)?;
            link_target(&spot)
        });
        match target {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let kind = FileKind::of_stat(mode, device_of_protocol(rdev));
        self.make(request, parent, name, kind, mode, umask, &[], reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let kind = Some(FileKind::Directory);
        self.make(request, parent, name, kind, mode, umask, &[], reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let target = target.as_os_str().as_bytes();
        let kind = Some(FileKind::Symlink);
        self.make(request, parent, name, kind, 0o777, 0, target, reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.call(|overlay| overlay.unlink(parent.0, &c_name(name)?));
        reply_empty(reply, removed);
        self.linger();
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.call(|overlay| overlay.rmdir(parent.0, &c_name(name)?));
        reply_empty(reply, removed);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.call(|overlay| {
            let (name, new_name) = (c_name(name)?, c_name(new_name)?);
            let (from, to) = ((parent.0, &name), (new_parent.0, &new_name));
            let taken = Taken::of_request(flags)?;
            if flags.contains(RenameFlags::RENAME_WHITEOUT) {
                overlay.rename_leaving_whiteout(from, to, taken, caller(request, 0))
            } else {
                overlay.rename(from, to, taken)
            }
        });
        reply_empty(reply, renamed);
        self.linger();
    }

    fn link(
        &self,
        _request: &Request,
        id: INodeNo,
        parent: INodeNo,
        name: &OsStr,
        reply: ReplyEntry,
    ) {
        let linked = self.call(|overlay| {
            let shown = overlay.link(id.0, parent.0, &c_name(name)?)?;
            overlay.table.count_lookup(id.0);
            Ok((id.0, shown))
        });
        reply_entry(reply, linked);
    }

    fn open(&self, _request: &Request, _id: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // From now on the kernel opens without asking.
        reply.error(fuser::Errno::ENOSYS);
    }

    fn opendir(&self, _request: &Request, _id: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn read(
        &self,
        request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut reply = Some(reply);
        let read = self.call(|overlay| {
            overlay.keep_in_mind(id.0, flags);
            if overlay.send(request.unique().0, id.0, offset, size)? == Answer::Sent {
                // Dropped, it would send another answer. What it holds is the device.
                let _sent = ManuallyDrop::new(reply.take());
            } else {
                let count = overlay.read(id.0, offset, size)?;
                if let Some(reply) = reply.take() {
                    reply.data(&overlay.buffer[..count]);
                }
            }
            if offset == 0 {
                overlay.count_read(id.0);
            }
            Ok(())
        });
        if let (Err(errno), Some(reply)) = (read, reply) {
            reply.error(protocol_errno(errno));
        }
        self.linger();
    }

    fn write(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let rights = if write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
            Rights::Taken
        } else {
            Rights::Kept
        };
        let written = self.call(|overlay| overlay.write(id.0, offset, data, rights));
        self.answer_write((id.0, offset), flags, written, reply);
        self.linger();
    }

    fn flush(
        &self,
        _request: &Request,
        _id: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fsync(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        content_only: bool,
        reply: ReplyEmpty,
    ) {
        let what = if content_only {
            SyncWhat::Content
        } else {
            SyncWhat::Everything
        };
        reply_empty(reply, self.call(|overlay| overlay.sync(id.0, what)));
    }

    fn readdir(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let filled = self.call(|overlay| {
            fill_dots(overlay, id.0, offset, |id, cookie, name| {
                reply.add(INodeNo(id), cookie, fuser::FileType::Directory, name)
            })?;
            let listing = overlay.take_listing(id.0, offset)?;
            let count = fill_names(&listing, offset, &mut reply);
            overlay.return_listing(id.0, listing);
            Ok(overlay.is_torn_end(id.0, offset, count))
        });
        match filled {
            Ok(false) => reply.ok(),
            Ok(true) => self.refresh_before((id.0, 0, 0), move || reply.ok()),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
        self.linger();
    }

    fn readdirplus(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let filled = self.call(|overlay| {
            fill_dots(overlay, id.0, offset, |id, cookie, name| {
                let attr = fuser::FileAttr {
                    ino: INodeNo(id),
                    kind: fuser::FileType::Directory,
                    ..nothing()
                };
                reply.add(INodeNo(id), cookie, name, &FOREVER, &attr, Generation(0))
            })?;
            let listing = overlay.take_listing(id.0, offset)?;
            let filled = fill_plus(overlay, id.0, &listing, offset, &mut reply);
            overlay.return_listing(id.0, listing);
            Ok(overlay.is_torn_end(id.0, offset, filled?))
        });
        match filled {
            Ok(false) => reply.ok(),
            Ok(true) => self.refresh_before((id.0, 0, 0), move || reply.ok()),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
        self.linger();
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        _content_only: bool,
        reply: ReplyEmpty,
    ) {
        let synced = self.call(|overlay| overlay.sync(id.0, SyncWhat::Everything));
        reply_empty(reply, synced);
    }

    fn statfs(&self, _request: &Request, _id: INodeNo, reply: ReplyStatfs) {
        match self.call(|overlay| overlay.space()) {
            Ok(space) => {
                let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
                reply.statfs(
                    space.blocks(),
                    space.blocks_free(),
                    space.blocks_available(),
                    space.files(),
                    space.files_free(),
                    small(space.block_size()),
                    small(space.name_max()),
                    small(space.fragment_size()),
                );
            }
            Err(errno) => reply.error(protocol_errno(errno)),
        }
    }

    fn setxattr(
        &self,
        _request: &Request,
        id: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let mode = match flags {
            libc::XATTR_CREATE => SetMode::Create,
            libc::XATTR_REPLACE => SetMode::Replace,
            _ => SetMode::Either,
        };
        let name = name.as_bytes();
        let set = self.call(|overlay| overlay.set_xattr(id.0, name, value, mode));
        reply_empty(reply, set);
    }

    fn getxattr(
        &self,
        _request: &Request,
        id: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let capacity = usize::try_from(size).unwrap_or(0).min(VALUE_SIZE_MAX);
        let mut buffer = vec![0; capacity];
        let found = self.call(|overlay| overlay.get_xattr(id.0, name.as_bytes(), &mut buffer));
        match found {
            Ok(found) if size == 0 => reply.size(u32::try_from(found).unwrap_or(u32::MAX)),
            Ok(found) => reply.data(&buffer[..found]),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
        self.linger();
    }

    fn listxattr(&self, _request: &Request, id: INodeNo, size: u32, reply: ReplyXattr) {
        let capacity = usize::try_from(size).unwrap_or(0);
        match self.call(|overlay| overlay.list_xattrs(id.0)) {
            Ok(names) if size == 0 => reply.size(u32::try_from(names.len()).unwrap_or(u32::MAX)),
            Ok(names) if names.len() > capacity => reply.error(fuser::Errno::ERANGE),
            Ok(names) => reply.data(&names),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
    }

    fn removexattr(&self, _request: &Request, id: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.call(|overlay| overlay.remove_xattr(id.0, name.as_bytes()));
        reply_empty(reply, removed);
    }

    fn create(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        // From now on the kernel makes files by MKNOD and opens them without asking, where after
        // CREATE it would also tell of their closing.
        reply.error(fuser::Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _request: &Request,
        _id: INodeNo,
        _handle: FileHandle,
        _flags: IoctlFlags,
        _command: u32,
        _input: &[u8],
        _output_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(fuser::Errno::ENOTTY);
    }

    fn fallocate(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let allocated = self.call(|overlay| overlay.allocate(id.0, offset, length, mode));
        reply_empty(reply, allocated);
    }

    fn lseek(
        &self,
        _request: &Request,
        id: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let found = self.call(|overlay| {
            // The kernel takes it that nothing here has holes, and asks no more.
            let is_small = overlay.elsewhere.is_some();
            let known = if is_small { Err(Errno::ENOSYS) } else { Ok(()) };
            known.and_then(|()| overlay.seek(id.0, offset, whence))
        });
        match found {
            Ok(found) => reply.offset(found),
            Err(errno) => reply.error(protocol_errno(errno)),
        }
    }

    fn copy_file_range(
        &self,
        _request: &Request,
        from: INodeNo,
        _from_handle: FileHandle,
        from_offset: u64,
        to: INodeNo,
        _to_handle: FileHandle,
        to_offset: u64,
        length: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let copied =
            self.call(|overlay| overlay.copy((from.0, from_offset), (to.0, to_offset), length));
        reply_written(reply, copied);
    }
}

impl Server {
    #[expect(clippy::too_many_arguments, reason = "they are those of the protocol")]
    fn make(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        kind: Option<FileKind>,
        mode: u32,
        umask: u32,
        target: &[u8],
        reply: ReplyEntry,
    ) {
        let made = self.call(|overlay| {
            let kind = kind.ok_or(Errno::EINVAL)?;
            let name = c_name(name)?;
            let caller = caller(request, umask);
            let made = overlay.create(parent.0, &name, kind, mode, target, caller)?;
            overlay.table.count_lookup(made.id);
            Ok((made.id, made.shown))
        });
        reply_entry(reply, made);
        self.linger();
    }
}

fn c_name(name: &OsStr) -> nix::Result<Name> {
    let name = CString::new(name.as_bytes()).map_err(|_has_nul| Errno::EINVAL)?;
    Ok(Name::from(name))
}

fn caller(request: &Request, umask: u32) -> Caller {
    let (uid, gid) = (request.uid(), request.gid());
    let owner = Owner { uid, gid };
    Caller { owner, umask }
}
