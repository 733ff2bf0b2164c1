// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a path means in a tree: links resolved inside it, as chroot(2) would.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{SFlag, fstat};
use serde::{Deserialize, Serialize};

/// Links that are followed in one path, as in the kernel.
const MAX_LINKS: usize = 40;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// Something.
    Found {
        /// Its path without links, absolute in the tree.
        path: Vec<u8>,
        /// What it is.
        kind: LookedKind,
    },
    /// Nothing, but a link leads there.
    Dangling {
        /// The path that the link leads to.
        path: Vec<u8>,
    },
    /// Nothing.
    Missing {
        /// What the kernel says of it, as scripts know it.
        reason: String,
    },
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LookedKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A link that was not to be followed.
    Link,
    /// A device, pipe or socket.
    Special,
}

/// Finds what `path` means below `root`; a link at its end is followed only with `follow_last`.
pub fn look(root: BorrowedFd<'_>, path: &[u8], last: super::Links) -> Look {
    match Walk::default().run(root, path, last) {
        Ok(look) => look,
        Err(errno) => Look::Missing {
            reason: errno.desc().to_lowercase(),
        },
    }
}

#[derive(Default)]
struct Walk {
    resolved: Vec<Vec<u8>>,
    /// What is left, the next component last.
    pending: Vec<Vec<u8>>,
    links: usize,
}

impl Walk {
    fn run(mut self, root: BorrowedFd<'_>, path: &[u8], last: super::Links) -> nix::Result<Look> {
        self.push(path);
        let mut kind = LookedKind::Directory;
        while let Some(component) = self.pending.pop() {
            if component == b".." {
                self.resolved.pop();
                kind = LookedKind::Directory;
                continue;
            }
            if kind != LookedKind::Directory {
                return Err(Errno::ENOTDIR);
            }
            self.resolved.push(component);
            let opened = match open(root, &self.joined()) {
                Err(Errno::ENOENT) if self.pending.is_empty() && self.links > 0 => {
                    let path = self.path();
                    return Ok(Look::Dangling { path });
                }
                result => result?,
            };
            kind = kind_of(opened.as_fd())?;
            let is_last = self.pending.is_empty();
            if kind == LookedKind::Link && !(is_last && last == super::Links::Keep) {
                self.follow(opened.as_fd())?;
                kind = LookedKind::Directory;
            }
        }
        let path = self.path();
        Ok(Look::Found { path, kind })
    }

    fn push(&mut self, path: &[u8]) {
        let components = path.split(|&byte| byte == b'/');
        let named = components.filter(|part| !matches!(*part, b"" | b"."));
        self.pending.extend(named.rev().map(<[u8]>::to_vec));
    }

    fn follow(&mut self, link: BorrowedFd<'_>) -> nix::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        let target = readlinkat(link, "")?.into_vec();
        self.resolved.pop();
        if target.first() == Some(&b'/') {
            self.resolved.clear();
        }
        self.push(&target);
        Ok(())
    }

    fn joined(&self) -> Vec<u8> {
        self.resolved.join(&b'/')
    }

    fn path(&self) -> Vec<u8> {
        [b"/", &self.joined()[..]].concat()
    }
}

fn kind_of(opened: BorrowedFd<'_>) -> nix::Result<LookedKind> {
    let stat = fstat(opened)?;
    Ok(
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => LookedKind::Directory,
            SFlag::S_IFREG => LookedKind::File,
            SFlag::S_IFLNK => LookedKind::Link,
            _ => LookedKind::Special,
        },
    )
}

fn open(root: BorrowedFd<'_>, path: &[u8]) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let name = CString::new(path).map_err(|_nul| Errno::EINVAL)?;
    open_in_root(root, &name, flags)
}

/// Opens `path` below `root`: links in it end inside, and magic links are refused.
pub(super) fn open_in_root(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlag,
) -> nix::Result<OwnedFd> {
    let path = if path.is_empty() { c"." } else { path };
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    loop {
        match openat2(root, path, how) {
            // The kernel gives up when a directory was moved meanwhile.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
}
