// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sending end: a file or a directory becomes a tar stream.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::TransferError;
use super::look::open_in_root;
use crate::layer_format::is_reserved_xattr;
use crate::storage::tar::{END, FileTime, Member, MemberKind, padding, write_header};
use crate::sys::xattr::{self, Place};
use crate::sys::{Called, SysResult};

/// The longest path that an archive can name to the kernel.
const PATH_MAX: usize = 4095;

/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;

/// What the stream's members are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Top {
    /// The file or directory itself, by this name.
    Named(Vec<u8>),
    /// What is in the directory, without the directory.
    Contents,
}

/// Whose the files are on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// The ids that stat(2) shows.
    AsSeen,
    /// The caller's files are root's, others' nobody's: what a namespace of his would show.
    CallerIsRoot,
}

/// Writes what stands at `path`, which holds no links, below `root`.
///
/// # Errors
///
/// [`TransferError`] names the file that could not be read.
pub fn send(
    root: BorrowedFd<'_>,
    path: &[u8],
    top: &Top,
    owners: Owners,
    output: impl Write,
) -> Result<(), TransferError> {
    let mut sender = Sender {
        output: io::BufWriter::with_capacity(PIECE, output),
        owners,
        links: HashMap::new(),
        piece: vec![0; PIECE],
    };
    let failed = |error| TransferError::read(path, &error);
    let relative: &[u8] = path.strip_prefix(b"/").unwrap_or(path);
    match top {
        Top::Contents => {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let directory = open_in_root(root, &c_name(relative), flags)
                .called(|| "openat2")
                .map_err(failed)?;
            sender.contents(&directory, &[])?;
        }
        Top::Named(name) => {
            let slash = relative.iter().rposition(|&byte| byte == b'/');
            let (parent, base) = match slash {
                Some(slash) => (&relative[..slash], &relative[slash + 1..]),
                None => (&b""[..], relative),
            };
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let directory = open_in_root(root, &c_name(parent), flags)
                .called(|| "openat2")
                .map_err(failed)?;
            let base = if base.is_empty() { b"." } else { base };
            sender.entry(directory.as_fd(), &c_name(base), name.clone())?;
        }
    }
    sender.end()
}

struct Sender<W: Write> {
    output: io::BufWriter<W>,
    owners: Owners,
    /// Names of files with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    piece: Vec<u8>,
}

impl<W: Write> Sender<W> {
    fn contents(&mut self, directory: &OwnedFd, path: &[u8]) -> Result<(), TransferError> {
        let names = names(directory.as_fd());
        for name in names.map_err(|error| TransferError::read(path, &error))? {
            let member = [path, name.to_bytes()].concat();
            self.entry(directory.as_fd(), &name, member)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        mut path: Vec<u8>,
    ) -> Result<(), TransferError> {
        if path.len() >= PATH_MAX {
            let path = crate::storage::tar::printable(&path);
            return Err(TransferError::PathTooLong { path });
        }
        let failed = |error| TransferError::read(&path, &error);
        let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .called(|| "fstatat")
            .map_err(failed)?;
        let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => MemberKind::File,
            SFlag::S_IFDIR => MemberKind::Directory,
            SFlag::S_IFLNK => MemberKind::Symlink,
            SFlag::S_IFCHR => MemberKind::CharDevice,
            SFlag::S_IFBLK => MemberKind::BlockDevice,
            SFlag::S_IFIFO => MemberKind::Fifo,
            // Archives have no word for a socket.
            _ => return Ok(()),
        };
        let mut member = self.member(path.clone(), kind, &stat);
        match kind {
            MemberKind::Directory => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
                let opened = open(directory, name, flags).map_err(failed)?;
                member.xattrs = xattrs(opened.as_fd());
                path.push(b'/');
                member.path.clone_from(&path);
                self.header(&member)?;
                return self.contents(&opened, &path);
            }
            MemberKind::File => return self.file(directory, name, member),
            MemberKind::Symlink => {
                let target = readlinkat(directory, name).called(|| "readlinkat");
                member.link = target.map_err(failed)?.into_vec();
            }
            MemberKind::CharDevice
            | MemberKind::BlockDevice
            | MemberKind::Fifo
            | MemberKind::HardLink => {}
        }
        self.header(&member)
    }

    fn file(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        mut member: Member,
    ) -> Result<(), TransferError> {
        let path = member.path.clone();
        let failed = |error| TransferError::read(&path, &error);
        // Without O_NONBLOCK a pipe that took the file's place would hold us up.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mut file = File::from(open(directory, name, flags).map_err(failed)?);
        let stat = fstat(&file).called(|| "fstat").map_err(failed)?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Ok(());
        }
        if stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&identity) {
                member.kind = MemberKind::HardLink;
                member.link.clone_from(first);
                return self.header(&member);
            }
            self.links.insert(identity, path.clone());
        }
        member.xattrs = xattrs(file.as_fd());
        member.stored_size = u64::try_from(stat.st_size).unwrap_or(0);
        self.header(&member)?;
        self.data(&mut file, member.stored_size, &path)
    }

    /// A file that became shorter meanwhile is filled up with zeros: its header is written.
    fn data(&mut self, file: &mut File, size: u64, path: &[u8]) -> Result<(), TransferError> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let read = file.read(&mut self.piece[..most]).called(|| "read");
            let mut length = read.map_err(|error| TransferError::read(path, &error))?;
            if length == 0 {
                self.piece[..most].fill(0);
                length = most;
            }
            let written = self.output.write_all(&self.piece[..length]);
            written.map_err(|source| TransferError::Write { source })?;
            left -= length as u64;
        }
        let padded = self.output.write_all(&END[..padding(size)]);
        padded.map_err(|source| TransferError::Write { source })
    }

    fn header(&mut self, member: &Member) -> Result<(), TransferError> {
        let mut bytes = Vec::new();
        write_header(member, &mut bytes);
        let written = self.output.write_all(&bytes);
        written.map_err(|source| TransferError::Write { source })
    }

    fn end(mut self) -> Result<(), TransferError> {
        let written = self
            .output
            .write_all(&END)
            .and_then(|()| self.output.flush());
        written.map_err(|source| TransferError::Write { source })
    }

    fn member(&self, path: Vec<u8>, kind: MemberKind, stat: &FileStat) -> Member {
        let (uid, gid) = match self.owners {
            Owners::AsSeen => (stat.st_uid, stat.st_gid),
            Owners::CallerIsRoot => {
                let shown = |id: u32, own: u32| if id == own { 0 } else { 65534 };
                let own = (nix::unistd::geteuid(), nix::unistd::getegid());
                (
                    shown(stat.st_uid, own.0.as_raw()),
                    shown(stat.st_gid, own.1.as_raw()),
                )
            }
        };
        Member {
            path,
            kind,
            mode: stat.st_mode & 0o7777,
            uid: u64::from(uid),
            gid: u64::from(gid),
            modified: FileTime {
                seconds: stat.st_mtime,
                nanoseconds: 0,
            },
            link: Vec::new(),
            device: device(stat),
            stored_size: 0,
            sparse: None,
            xattrs: Vec::new(),
        }
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "the type is c_int in one libc and c_uint in another"
)]
fn device(stat: &FileStat) -> (u32, u32) {
    let number = stat.st_rdev;
    (libc::major(number).into(), libc::minor(number).into())
}

/// Those that mean something outside of this tree.
fn xattrs(file: BorrowedFd<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let place = Place::Descriptor(file);
    let mut kept = Vec::new();
    for name in xattr::list_vec(place).unwrap_or_default() {
        let bytes = name.to_bytes();
        let belongs = bytes.starts_with(b"user.") && !is_reserved_xattr(bytes);
        if (belongs || bytes == b"security.capability")
            && let Ok(Some(value)) = xattr::get_vec(place, &name)
        {
            kept.push((bytes.to_vec(), value));
        }
    }
    kept.sort();
    kept
}

fn open(directory: BorrowedFd<'_>, name: &CStr, flags: OFlag) -> SysResult<OwnedFd> {
    openat(directory, name, flags | OFlag::O_CLOEXEC, Mode::empty()).called(|| "openat")
}

fn names(directory: BorrowedFd<'_>) -> SysResult<Vec<CString>> {
    let again = open(directory, c".", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let mut stream = Dir::from_fd(again).called(|| "fdopendir")?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let name = entry.called(|| "readdir")?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn c_name(name: &[u8]) -> CString {
    CString::new(name).expect("a path that was found holds no NUL")
}
