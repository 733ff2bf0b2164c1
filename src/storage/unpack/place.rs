// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories below the layer's root, opened without ever leaving it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};

use crate::sys::{Called, SysResult};

/// Opens parents of members; the last one is kept, since members of one directory follow each
/// other.
#[derive(Debug)]
pub(super) struct Parents<'a> {
    root: BorrowedFd<'a>,
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self { root, last: None }
    }

    pub(super) fn root(&self) -> BorrowedFd<'a> {
        self.root
    }

    /// Forgets what is open: a directory was replaced.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// The directory `path`, made with mode 0755 where the stream did not name it.
    pub(super) fn open_or_make(&mut self, path: &[u8]) -> SysResult<BorrowedFd<'_>> {
        if path.is_empty() {
            return Ok(self.root);
        }
        if self.last.as_ref().is_none_or(|(known, _)| known != path) {
            let opened = match open_directory(self.root, path) {
                Err(error) if error.errno == Errno::ENOENT => self.make(path)?,
                other => other?,
            };
            self.last = Some((path.to_vec(), opened));
        }
        let (_, opened) = self.last.as_ref().expect("it was just put there");
        Ok(opened.as_fd())
    }

    /// The directory `path`, which must be there.
    pub(super) fn open(&self, path: &[u8]) -> SysResult<OwnedFd> {
        if path.is_empty() {
            return open_directory(self.root, b".");
        }
        open_directory(self.root, path)
    }

    fn make(&self, path: &[u8]) -> SysResult<OwnedFd> {
        let mut directory = open_directory(self.root, b".")?;
        let mut walked = Vec::new();
        for component in path.split(|&byte| byte == b'/') {
            if !walked.is_empty() {
                walked.push(b'/');
            }
            walked.extend_from_slice(component);
            let next = match open_directory(self.root, &walked) {
                Err(error) if error.errno == Errno::ENOENT => {
                    let name = c_name(component);
                    mkdirat(&directory, name.as_c_str(), Mode::from_bits_truncate(0o755))
                        .called(|| format!("mkdirat({name:?})"))?;
                    open_directory(directory.as_fd(), component)?
                }
                other => other?,
            };
            directory = next;
        }
        Ok(directory)
    }
}

/// Opens a directory below `root`. A link on the way (as `lib` is where /usr was merged) is
/// followed inside `root` only.
fn open_directory(root: BorrowedFd<'_>, path: &[u8]) -> SysResult<OwnedFd> {
    let strict = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let in_root = ResolveFlag::RESOLVE_IN_ROOT
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let name = c_name(path);
    match open_with(root, &name, strict) {
        Err(Errno::ELOOP) => open_with(root, &name, in_root),
        result => result,
    }
    .called(|| format!("openat2({name:?})"))
}

fn open_with(root: BorrowedFd<'_>, name: &CStr, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    loop {
        // The kernel gives up when a directory was moved meanwhile.
        match openat2(root, name, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// What stands at `name`; `None` if nothing does.
pub(super) fn stat_entry(directory: BorrowedFd<'_>, name: &CStr) -> SysResult<Option<FileStat>> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno).called(|| format!("fstatat({name:?})")),
    }
}

pub(super) fn is_directory(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// A component for the kernel; cleaned paths hold no NUL.
pub(super) fn c_name(name: &[u8]) -> CString {
    CString::new(name).expect("cleaned paths hold no NUL")
}
