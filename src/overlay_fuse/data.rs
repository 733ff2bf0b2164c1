// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What acts on the content of a file: read, write, allocate, seek, copy, sync.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, copy_file_range, fallocate};
use nix::sys::statvfs::{Statvfs, fstatvfs};
use nix::sys::uio::pread;
use nix::unistd::{Whence, fdatasync, fsync, lseek};

use super::Durability;
use super::backing::Spot;
use super::content::{Content, write_all};
use super::nodes::{Body, Data};
use super::number::NodeId;
use super::overlay::{Overlay, UPPER};
use super::shortcut::Answer;

/// What an open file is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// The file must be in the upper layer already.
    Write,
}

/// How much of a file must be on the disk when fsync(2) returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncWhat {
    Everything,
    Content,
}

/// What a write does to setuid, setgid and file capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    Kept,
    Taken,
}

/// How much one copy_file_range(2) copies at most: others wait meanwhile.
const COPY_LIMIT: u64 = 64 << 20;

/// Longer targets do not exist.
const PATH_LIMIT: usize = 4096;

impl Overlay {
    /// The open file of a node, opened if it is not.
    pub(super) fn data(&mut self, id: NodeId, access: Access) -> nix::Result<Arc<OwnedFd>> {
        if let Some(data) = self.table.open_file(id)?
            && (data.writable || access == Access::Read)
        {
            return Ok(data.opened);
        }
        let file = self.table.file(id)?;
        if file.kind != libc::S_IFREG {
            return Err(Errno::EINVAL);
        }
        let layer = file.layer;
        let spot = self.table.spot(id)?;
        let (opened, writable) = if self.is_upper(layer) {
            (spot.open(OFlag::O_RDWR)?, true)
        } else {
            (self.open_lower(layer, &spot)?, false)
        };
        if access == Access::Write && !writable {
            return Err(Errno::EROFS);
        }
        let opened = Arc::new(opened);
        let data = Data {
            opened: opened.clone(),
            writable,
        };
        self.table.keep_file(id, data)?;
        Ok(opened)
    }

    /// Answers a large read without reading, where that is possible.
    pub(super) fn send(
        &mut self,
        request: u64,
        id: NodeId,
        offset: u64,
        size: u32,
    ) -> nix::Result<Answer> {
        let opened = self.data(id, Access::Read)?;
        let (Some(shortcut), Ok(size)) = (&mut self.shortcut, usize::try_from(size)) else {
            return Ok(Answer::Owed);
        };
        Ok(shortcut.send(request, &opened, signed(offset)?, size))
    }

    /// Reads into the buffer of replies and returns how much.
    pub(super) fn read(&mut self, id: NodeId, offset: u64, size: u32) -> nix::Result<usize> {
        let opened = self.data(id, Access::Read)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        let offset = signed(offset)?;
        loop {
            // Of a regular file there is less than wanted only at its end.
            match pread(&opened, &mut self.buffer[..size], offset) {
                Err(Errno::EINTR) => {}
                answer => return answer,
            }
        }
    }

    /// Writes and returns how much.
    pub(super) fn write(
        &mut self,
        id: NodeId,
        offset: u64,
        bytes: &[u8],
        rights: Rights,
    ) -> nix::Result<usize> {
        self.copy_up(id, Content::All)?;
        let opened = self.data(id, Access::Write)?;
        let written = write_all(&opened, bytes, signed(offset)?)?;
        match rights {
            Rights::Kept => {}
            Rights::Taken => self.may_take_rights(id)?,
        }
        Ok(written)
    }

    /// Most files have nothing that could be taken, and that is known.
    fn may_take_rights(&mut self, id: NodeId) -> nix::Result<()> {
        let file = self.table.file(id)?;
        if file.setid || file.has_caps != Some(false) {
            self.take_rights(id)?;
            self.table.file(id)?.has_caps = Some(false);
        }
        Ok(())
    }

    /// Allocates or frees space.
    pub(super) fn allocate(
        &mut self,
        id: NodeId,
        offset: u64,
        length: u64,
        mode: i32,
    ) -> nix::Result<()> {
        let mode = FallocateFlags::from_bits(mode).ok_or(Errno::EOPNOTSUPP)?;
        self.copy_up(id, Content::All)?;
        let opened = self.data(id, Access::Write)?;
        fallocate(&opened, mode, signed(offset)?, signed(length)?)?;
        self.may_take_rights(id)
    }

    /// Finds the next data or the next hole.
    pub(super) fn seek(&mut self, id: NodeId, offset: i64, whence: i32) -> nix::Result<i64> {
        let whence = match whence {
            libc::SEEK_DATA => Whence::SeekData,
            libc::SEEK_HOLE => Whence::SeekHole,
            _ => return Err(Errno::EINVAL),
        };
        lseek(self.data(id, Access::Read)?, offset, whence)
    }

    /// Copies from one file to another without the data passing through the kernel's caches.
    pub(super) fn copy(
        &mut self,
        from: (NodeId, u64),
        to: (NodeId, u64),
        length: u64,
    ) -> nix::Result<usize> {
        self.copy_up(to.0, Content::All)?;
        let target = self.data(to.0, Access::Write)?;
        let source = self.data(from.0, Access::Read)?;
        let (mut read_at, mut write_at) = (signed(from.1)?, signed(to.1)?);
        let length = usize::try_from(length.min(COPY_LIMIT)).unwrap_or(usize::MAX);
        let (from_here, to_here) = (Some(&mut read_at), Some(&mut write_at));
        let copied = copy_file_range(&source, from_here, &target, to_here, length)?;
        self.may_take_rights(to.0)?;
        Ok(copied)
    }

    /// Brings a file or directory to the disk, if it is one that can have changed.
    pub(super) fn sync(&mut self, id: NodeId, what: SyncWhat) -> nix::Result<()> {
        if self.durability == Durability::Volatile || self.work.is_none() {
            return Ok(());
        }
        let layer = match &self.table.node(id)?.body {
            Body::Directory(directory) => directory.parts.first().map(|part| part.layer),
            Body::File(file) => Some(file.layer),
        };
        if layer != Some(UPPER) {
            return Ok(());
        }
        if self.table.is_directory(id)? {
            let opened = self
                .table
                .spot(id)?
                .open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            return fsync(opened);
        }
        let opened = self.data(id, Access::Read)?;
        match what {
            SyncWhat::Everything => fsync(&opened),
            SyncWhat::Content => fdatasync(&opened),
        }
    }

    /// The space of the file system that takes changes.
    pub(super) fn space(&self) -> nix::Result<Statvfs> {
        fstatvfs(&self.layers[UPPER].root)
    }
}

/// Where a symbolic link leads, however it is kept.
pub(super) fn link_target(spot: &Spot) -> nix::Result<Vec<u8>> {
    match spot.read_link() {
        // Not a link on disk but a file that says it is one. The kernel says ENOENT of a
        // descriptor that names no link.
        Err(Errno::EINVAL | Errno::ENOENT) => {}
        answer => return answer,
    }
    let opened = spot.open(OFlag::O_RDONLY)?;
    let mut target = vec![0; PATH_LIMIT];
    let size = pread(&opened, &mut target, 0)?;
    target.truncate(size);
    Ok(target)
}

/// Offsets of the protocol are unsigned, those of the kernel's calls are not.
fn signed(offset: u64) -> nix::Result<i64> {
    i64::try_from(offset).map_err(|_too_big| Errno::EINVAL)
}
