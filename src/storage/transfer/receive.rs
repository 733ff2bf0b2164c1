// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The receiving end: a tar stream becomes files below a directory.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, fstatat, mkdirat, mknodat,
    utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};

use super::TransferError;
use crate::layer_format::is_reserved_xattr;
use crate::state::tree::{RemoveTreeError, remove_entry};
use crate::storage::compression::decompress;
use crate::storage::tar::{DataError, Limits, Member, MemberKind, TarInput, TarStream};
use crate::sys::xattr::{self, Place, SetMode};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// How files are put down.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    /// Whose they become; the archive says where this is `None`.
    pub owner: Option<(u32, u32)>,
    /// Whether owners, devices and file capabilities are anything to the destination.
    pub is_host: bool,
    /// What happens to a directory where a file should be, and to a file where a directory should.
    pub conflict: Conflict,
    /// Whether links that stand in the destination are followed on the way.
    pub links: Links,
}

/// What happens where a directory meets something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The copy fails.
    Refuse,
    /// What was there goes.
    Overwrite,
}

/// Whether links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are, inside the root.
    Follow,
    /// They are not.
    Keep,
}

/// Puts the members of the archive `stream`, compressed or not, into `directory` below `root`.
///
/// # Errors
///
/// [`TransferError`] names the file that could not be made; those before it stay.
pub fn receive(
    root: BorrowedFd<'_>,
    directory: &[u8],
    stream: impl Read,
    placement: Placement,
) -> Result<(), TransferError> {
    let input = decompress(stream).map_err(|_unknown| TransferError::NoArchive)?;
    let mut stream = TarStream::new(Input(std::io::BufReader::new(input)), Limits::default());
    let mut receiver = Receiver {
        root,
        base: directory.strip_prefix(b"/").unwrap_or(directory).to_vec(),
        placement,
        directories: Vec::new(),
    };
    let mut is_first = true;
    loop {
        let member = match stream.next_member() {
            Err(_) if is_first => return Err(TransferError::NoArchive),
            result => result?,
        };
        let Some(member) = member else { break };
        is_first = false;
        receiver.member(&member, &mut stream)?;
    }
    // Whoever writes the stream should not see it closed before its end.
    drop(stream.drain());
    receiver.finish()
}

struct Input<R>(R);

impl<R: std::io::BufRead> TarInput for Input<R> {}

impl<R: std::io::BufRead> std::io::BufRead for Input<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        self.0.consume(length);
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

struct Receiver<'a> {
    root: BorrowedFd<'a>,
    /// The directory below the root, without a slash before it.
    base: Vec<u8>,
    placement: Placement,
    /// Directories get their modes and times last: filling them may need other ones.
    directories: Vec<(Vec<u8>, Member)>,
}

impl Receiver<'_> {
    fn member(
        &mut self,
        member: &Member,
        stream: &mut TarStream<impl TarInput>,
    ) -> Result<(), TransferError> {
        let Some(path) = self.path(&member.path) else {
            return Ok(());
        };
        let result = match member.kind {
            MemberKind::Directory => self.directory(path.clone(), member),
            MemberKind::File => self.file(&path, member, stream)?,
            MemberKind::HardLink => self.hard_link(&path, member),
            MemberKind::Symlink => self.symlink(&path, member),
            MemberKind::CharDevice | MemberKind::BlockDevice if self.placement.is_host => Ok(()),
            MemberKind::CharDevice | MemberKind::BlockDevice | MemberKind::Fifo => {
                self.node(&path, member)
            }
        };
        result.map_err(|error| failed(&path, &error))
    }

    /// The member's path below the root; `..` ends at the directory. `None` for the directory
    /// itself, which stays as it is.
    fn path(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in name.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part if part.contains(&0) => return None,
                part => parts.push(part),
            }
        }
        if parts.is_empty() {
            return None;
        }
        let base = self.base.split(|&byte| byte == b'/');
        let base = base.filter(|part| !matches!(*part, b"" | b"."));
        let all: Vec<&[u8]> = base.chain(parts).collect();
        Some(all.join(&b'/'))
    }

    /// The directory that holds `path`, and the last name.
    fn parent(&self, path: &[u8]) -> SysResult<(OwnedFd, CString)> {
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path),
        };
        let name = CString::new(name).expect("it holds no NUL");
        match self.open_directory(parent) {
            Err(error) if error.errno == Errno::ENOENT => {
                let (above, name) = self.parent(parent)?;
                mkdirat(&above, name.as_c_str(), Mode::from_bits_truncate(0o755))
                    .called(|| "mkdirat")?;
                self.own(above.as_fd(), &name, None)?;
            }
            Err(error) => return Err(error),
            Ok(opened) => return Ok((opened, name)),
        }
        Ok((self.open_directory(parent)?, name))
    }

    fn open_directory(&self, path: &[u8]) -> SysResult<OwnedFd> {
        let resolve = match self.placement.links {
            Links::Follow => ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS,
            Links::Keep => ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS,
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let how = OpenHow::new().flags(flags).resolve(resolve);
        let path = if path.is_empty() { b"." } else { path };
        let name = CString::new(path).expect("it holds no NUL");
        loop {
            match openat2(self.root, name.as_c_str(), how) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                result => return result.called(|| "openat2"),
            }
        }
    }

    fn directory(&mut self, path: Vec<u8>, member: &Member) -> SysResult<()> {
        let (parent, name) = self.parent(&path)?;
        let make = || mkdirat(&parent, name.as_c_str(), Mode::S_IRWXU).called(|| "mkdirat");
        match make() {
            Err(error) if error.errno == Errno::EEXIST => {
                if !is_directory(parent.as_fd(), &name, self.placement.links)? {
                    if self.placement.conflict == Conflict::Refuse {
                        return Err(error);
                    }
                    unlinkat(&parent, name.as_c_str(), UnlinkatFlags::NoRemoveDir)
                        .called(|| "unlinkat")?;
                    make()?;
                }
            }
            result => result?,
        }
        self.own(parent.as_fd(), &name, Some(member))?;
        let member = Member {
            path: Vec::new(),
            link: Vec::new(),
            ..member.clone()
        };
        self.directories.push((path, member));
        Ok(())
    }

    /// The outer error is the stream's.
    fn file(
        &self,
        path: &[u8],
        member: &Member,
        stream: &mut TarStream<impl TarInput>,
    ) -> Result<SysResult<()>, TransferError> {
        let made = self.parent(path).and_then(|(parent, name)| {
            let file = self.create(parent.as_fd(), &name)?;
            Ok((parent, name, file))
        });
        let (parent, name, file) = match made {
            Ok(made) => made,
            Err(error) => return Ok(Err(error)),
        };
        let pieces = member.pieces_in(&file);
        match pieces.and_then(|pieces| stream.write_pieces(&file, &pieces)) {
            Ok(()) => {}
            Err(DataError::Tar(error)) => return Err(error.into()),
            Err(DataError::Sink(error)) => return Ok(Err(error).called(|| "write")),
        }
        let dress = || {
            self.own(parent.as_fd(), &name, Some(member))?;
            fchmod(&file, self.mode(member)).called(|| "fchmod")?;
            self.set_xattrs(&file, member);
            set_times(parent.as_fd(), &name, member)
        };
        Ok(dress())
    }

    fn create(&self, parent: BorrowedFd<'_>, name: &CStr) -> SysResult<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = |more: OFlag| {
            openat(parent, name, flags | more, Mode::from_bits_truncate(0o600))
                .map(File::from)
                .called(|| "openat")
        };
        let exclusive = OFlag::O_CREAT | OFlag::O_EXCL;
        match open(exclusive) {
            Err(error) if error.errno == Errno::EEXIST => {}
            result => return result,
        }
        match self.make_room(parent, name) {
            // Something is mounted there: its content is what can be replaced.
            Err(error) if error.errno == Errno::EBUSY => open(OFlag::O_TRUNC | OFlag::O_NONBLOCK),
            result => {
                result?;
                open(exclusive)
            }
        }
    }

    /// Removes what stands at `name`; a directory only where that is wanted.
    fn make_room(&self, parent: BorrowedFd<'_>, name: &CStr) -> SysResult<()> {
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR) if self.placement.conflict == Conflict::Refuse => {
                Err(SysError::new("openat", Errno::EEXIST))
            }
            Err(Errno::EISDIR) => remove_directory(parent, name),
            Err(errno) => Err(errno).called(|| "unlinkat"),
        }
    }

    fn hard_link(&self, path: &[u8], member: &Member) -> SysResult<()> {
        let missing = || SysError::new("linkat", Errno::ENOENT);
        let target = self.path(&member.link).ok_or_else(missing)?;
        let (from, from_name) = self.parent(&target)?;
        let (parent, name) = self.parent(path)?;
        if target == path {
            return Ok(());
        }
        self.make_room(parent.as_fd(), &name)?;
        linkat(
            &from,
            from_name.as_c_str(),
            &parent,
            name.as_c_str(),
            LinkatFlags::empty(),
        )
        .called(|| "linkat")
    }

    fn symlink(&self, path: &[u8], member: &Member) -> SysResult<()> {
        let (parent, name) = self.parent(path)?;
        self.make_room(parent.as_fd(), &name)?;
        let invalid = |_nul| SysError::new("symlinkat", Errno::EINVAL);
        let target = CString::new(&member.link[..]).map_err(invalid)?;
        symlinkat(target.as_c_str(), &parent, name.as_c_str()).called(|| "symlinkat")?;
        self.own(parent.as_fd(), &name, Some(member))?;
        set_times(parent.as_fd(), &name, member)
    }

    fn node(&self, path: &[u8], member: &Member) -> SysResult<()> {
        let (parent, name) = self.parent(path)?;
        self.make_room(parent.as_fd(), &name)?;
        let kind = match member.kind {
            MemberKind::CharDevice => SFlag::S_IFCHR,
            MemberKind::BlockDevice => SFlag::S_IFBLK,
            MemberKind::Fifo
            | MemberKind::File
            | MemberKind::HardLink
            | MemberKind::Symlink
            | MemberKind::Directory => SFlag::S_IFIFO,
        };
        let number = libc::makedev(member.device.0, member.device.1);
        let mode = Mode::from_bits_truncate(member.mode);
        mknodat(&parent, name.as_c_str(), kind, Mode::empty(), number).called(|| "mknodat")?;
        self.own(parent.as_fd(), &name, Some(member))?;
        fchmodat(&parent, name.as_c_str(), mode, FchmodatFlags::FollowSymlink)
            .called(|| "fchmodat")?;
        set_times(parent.as_fd(), &name, member)
    }

    /// Gives `name` its owner. An id that does not exist here is left alone, as in a namespace of
    /// one id.
    fn own(&self, parent: BorrowedFd<'_>, name: &CStr, member: Option<&Member>) -> SysResult<()> {
        if self.placement.is_host {
            return Ok(());
        }
        let said = member.and_then(|member| {
            let id = |number: u64| u32::try_from(number).ok();
            Some((id(member.uid)?, id(member.gid)?))
        });
        let Some((uid, gid)) = self.placement.owner.or(said) else {
            return Ok(());
        };
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match fchownat(parent, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(()) | Err(Errno::EINVAL) => Ok(()),
            Err(errno) => Err(errno).called(|| "fchownat"),
        }
    }

    /// Security: a set-id file of a container's would give the caller's rights to everyone.
    fn mode(&self, member: &Member) -> Mode {
        let kept = if self.placement.is_host {
            0o1777
        } else {
            0o7777
        };
        Mode::from_bits_truncate(member.mode & kept)
    }

    /// What the file system or the namespace refuses is left away, as other tools do.
    fn set_xattrs(&self, file: &File, member: &Member) {
        for (name, value) in &member.xattrs {
            let foreign = self.placement.is_host && !name.starts_with(b"user.");
            if foreign || is_reserved_xattr(name) {
                continue;
            }
            if let Ok(name) = CString::new(&name[..]) {
                let place = Place::Descriptor(file.as_fd());
                xattr::set(place, &name, value, SetMode::Either).ignored();
            }
        }
    }

    fn finish(mut self) -> Result<(), TransferError> {
        while let Some((path, member)) = self.directories.pop() {
            let dress = || -> SysResult<()> {
                let directory = self.open_directory(&path)?;
                fchmod(&directory, self.mode(&member)).called(|| "fchmod")?;
                let (parent, name) = self.parent(&path)?;
                set_times(parent.as_fd(), &name, &member)
            };
            dress().map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

fn failed(path: &[u8], error: &SysError) -> TransferError {
    let shown = [b"/", path].concat();
    TransferError::create(&shown, error)
}

/// Whether there is a directory; a link to one counts where links are followed.
fn is_directory(parent: BorrowedFd<'_>, name: &CStr, links: Links) -> SysResult<bool> {
    let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).called(|| "fstatat")?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    // Whether it leads to a directory shows when that is opened, inside the root.
    Ok(kind == SFlag::S_IFDIR || (kind == SFlag::S_IFLNK && links == Links::Follow))
}

fn remove_directory(parent: BorrowedFd<'_>, name: &CStr) -> SysResult<()> {
    remove_entry(parent, name).map_err(|error| match error {
        RemoveTreeError::Refused { source, .. } => source,
        RemoveTreeError::NeedsNamespace { .. } => SysError::new("unlinkat", Errno::EPERM),
    })
}

fn set_times(parent: BorrowedFd<'_>, name: &CStr, member: &Member) -> SysResult<()> {
    let time = TimeSpec::new(
        member.modified.seconds,
        i64::from(member.modified.nanoseconds),
    );
    let flags = UtimensatFlags::NoFollowSymlink;
    utimensat(parent, name, &time, &time, flags).called(|| "utimensat")
}
