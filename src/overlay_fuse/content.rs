// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is in a regular file, from one file to another: by the kernel's own copy where it has one,
//! through memory otherwise. Holes stay holes.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::sys::stat::FileStat;
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{Whence, ftruncate, lseek};

use super::merge::is_directory;

/// How much is copied at once where the kernel cannot copy by itself.
const CHUNK: usize = 256 * 1024;

/// Up to here two calls are faster than the kernel's own copy, which makes a pipe of pages.
const SMALL: i64 = 64 * 1024;

/// How much of a file's content the copy needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    All,
    /// The rest would be cut off at once.
    First(u64),
}

/// Copies a file's content: by the kernel's own copy, or through memory.
/// Holes stay holes.
pub(super) fn copy_content(
    source: &OwnedFd,
    copy: &OwnedFd,
    status: &FileStat,
    content: Content,
) -> nix::Result<()> {
    debug_assert!(!is_directory(status));
    let size = match content {
        Content::All => status.st_size,
        Content::First(limit) => status.st_size.min(i64::try_from(limit).unwrap_or(i64::MAX)),
    };
    if size == 0 {
        return Ok(());
    }
    // Blocks count 512 bytes, whatever the file system's own are.
    if status.st_blocks.saturating_mul(512) >= status.st_size {
        return if size <= SMALL {
            copy_through_memory(source, copy, 0, size)
        } else {
            copy_range(source, copy, 0, size)
        };
    }
    ftruncate(copy, size)?;
    let mut offset = 0;
    while offset < size {
        let start = match lseek(source, offset, Whence::SeekData) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => break,
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => offset,
            Err(errno) => return Err(errno),
        };
        let end = lseek(source, start, Whence::SeekHole)
            .unwrap_or(size)
            .min(size);
        if start >= end {
            break;
        }
        copy_range(source, copy, start, end)?;
        offset = end;
    }
    Ok(())
}

fn copy_range(source: &OwnedFd, copy: &OwnedFd, start: i64, end: i64) -> nix::Result<()> {
    let (mut from, mut to) = (start, start);
    while from < end {
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        match copy_file_range(source, Some(&mut from), copy, Some(&mut to), length) {
            // The file is shorter than it was.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(
                Errno::EXDEV
                | Errno::EINVAL
                | Errno::ENOSYS
                | Errno::EOPNOTSUPP
                | Errno::EPERM
                | Errno::EIO,
            ) => return copy_through_memory(source, copy, from, end),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn copy_through_memory(source: &OwnedFd, copy: &OwnedFd, start: i64, end: i64) -> nix::Result<()> {
    let length = usize::try_from(end - start).unwrap_or(CHUNK);
    let mut buffer = vec![0; length.min(CHUNK)];
    let mut offset = start;
    while offset < end {
        let wanted = usize::try_from(end - offset)
            .unwrap_or(usize::MAX)
            .min(CHUNK);
        let read = pread(source, &mut buffer[..wanted], offset)?;
        if read == 0 {
            return Ok(());
        }
        write_all(copy, &buffer[..read], offset)?;
        offset += i64::try_from(read).unwrap_or(0);
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`, or says why not if nothing could be written.
pub(super) fn write_all(target: &OwnedFd, bytes: &[u8], offset: i64) -> nix::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        let at = offset + i64::try_from(written).unwrap_or(0);
        match pwrite(target, &bytes[written..], at) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            // What was written counts; the next call will tell the reason.
            Err(_) if written > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom, Write};

    use nix::sys::stat::fstat;

    use super::*;

    fn copied(file: &mut std::fs::File, content: Content) -> (Vec<u8>, i64) {
        let copy = tempfile::tempfile().unwrap();
        let status = fstat(&*file).unwrap();
        let source = OwnedFd::from(file.try_clone().unwrap());
        let target = OwnedFd::from(copy.try_clone().unwrap());
        copy_content(&source, &target, &status, content).unwrap();
        let mut bytes = Vec::new();
        let mut copy = copy;
        copy.rewind().unwrap();
        copy.read_to_end(&mut bytes).unwrap();
        (bytes, fstat(&copy).unwrap().st_blocks)
    }

    #[test]
    fn content_and_holes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"head").unwrap();
        file.seek(SeekFrom::Start(1 << 20)).unwrap();
        file.write_all(b"middle").unwrap();
        file.set_len(3 << 20).unwrap();
        let (bytes, blocks) = copied(&mut file, Content::All);
        assert_eq!(bytes.len(), 3 << 20);
        assert_eq!(&bytes[..4], b"head");
        assert_eq!(&bytes[1 << 20..(1 << 20) + 6], b"middle");
        assert!(bytes[(1 << 20) + 6..].iter().all(|byte| *byte == 0));
        assert!(blocks < (1 << 20) / 512, "{blocks} blocks for two");
        let (bytes, _) = copied(&mut file, Content::First(2));
        assert_eq!(bytes, b"he");
        let (bytes, _) = copied(&mut file, Content::First(0));
        assert_eq!(bytes, b"");
    }

    #[test]
    fn through_memory() {
        let mut file = tempfile::tempfile().unwrap();
        let text: Vec<u8> = (0..CHUNK + 77)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        file.write_all(&text).unwrap();
        let copy = tempfile::tempfile().unwrap();
        let end = i64::try_from(text.len()).unwrap();
        let (source, target) = (
            OwnedFd::from(file),
            OwnedFd::from(copy.try_clone().unwrap()),
        );
        copy_through_memory(&source, &target, 0, end).unwrap();
        let mut bytes = Vec::new();
        let mut copy = copy;
        copy.rewind().unwrap();
        copy.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, text);
    }
}
