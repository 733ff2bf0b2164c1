// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers to large READs that the kernel copies from page cache to page cache, through a pipe and
//! not through our memory: one copy in place of two. Measured with a file of 512 MiB on one
//! processor: 223 -> 199 ms.
//!
//! A user's pipes share a number of pages (`fs.pipe-user-pages-soft` of proc_sys_fs(5), enough for
//! 128 pipes of 512 KiB), and beyond it all his programs get small ones. So there is a pipe only
//! while a file is read that goes on, which has more than one such answer; it is left to the next
//! reader where one stops in the middle.
//!
//! The library has no such answers. What it would send is a header of 16 bytes with the request's
//! number and the data, in one write to the device (`struct fuse_out_header` of
//! `include/uapi/linux/fuse.h`).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::sys::stat::fstat;
use nix::unistd::{pipe2, write};

/// For less the calls cost more than the copy.
const LEAST: usize = 32 * 1024;

/// What the kernel reads ahead is 128 KiB, and twice that for a program that says that it reads all.
const PIPE: usize = 512 * 1024;

/// A page of the pipe holds a page of the file, or a part of one, or the header.
const MOST: usize = PIPE - 3 * 4096;

/// The length of `struct fuse_out_header`.
const HEADER: usize = 16;

/// The way from a file to the device of a session.
#[derive(Debug)]
pub(super) struct Shortcut {
    device: Arc<OwnedFd>,
    /// There is one while a file is read that goes on after the last answer.
    pipe: Option<Pipe>,
    /// A file system or the kernel does not have it: it is not tried again.
    is_closed: bool,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Sent,
    /// Nothing has been sent.
    Owed,
}

impl Shortcut {
    /// To a device that is served.
    pub(super) fn to(device: Arc<OwnedFd>) -> Self {
        Self {
            device,
            pipe: None,
            is_closed: false,
        }
    }

    /// Sends what a file has from `offset` on, at most `size` bytes, as the answer to the request
    /// of this number.
    pub(super) fn send(
        &mut self,
        request: u64,
        file: &OwnedFd,
        offset: i64,
        size: usize,
    ) -> Answer {
        let pipe = self.pipe.take();
        if size < LEAST || self.is_closed {
            return Answer::Owed;
        }
        // The header, which goes first, says how much follows.
        let left = fstat(file).map_or(0, |status| status.st_size.saturating_sub(offset));
        let left = usize::try_from(left).unwrap_or(0);
        let count = left.min(size);
        // For one answer alone a pipe does not pay.
        if !(LEAST..=MOST).contains(&count) || (pipe.is_none() && left <= size) {
            return Answer::Owed;
        }
        let Ok(pipe) = pipe.map_or_else(Pipe::open, Ok) else {
            self.is_closed = true;
            return Answer::Owed;
        };
        // What is in the pipe of a failed answer goes with it.
        match pipe.fill(request, file, offset, count) {
            Ok(()) => {}
            // The file has become shorter.
            Err(Errno::ENODATA) => return Answer::Owed,
            Err(_no_way) => {
                self.is_closed = true;
                return Answer::Owed;
            }
        }
        match splice(
            &pipe.reader,
            None,
            &self.device,
            None,
            HEADER + count,
            SpliceFFlags::empty(),
        ) {
            // Nobody waits for the answer any more.
            Ok(_) | Err(Errno::ENOENT) => {
                self.pipe = (count < left).then_some(pipe);
                Answer::Sent
            }
            Err(_other) => {
                self.is_closed = true;
                Answer::Owed
            }
        }
    }
}

impl Pipe {
    fn open() -> nix::Result<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let size = i32::try_from(PIPE).map_err(|_too_big| Errno::EINVAL)?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(size))?;
        Ok(Self { reader, writer })
    }

    /// Puts a whole answer into the pipe, which is empty.
    fn fill(&self, request: u64, file: &OwnedFd, mut offset: i64, count: usize) -> nix::Result<()> {
        let length = u32::try_from(HEADER + count).map_err(|_too_big| Errno::EFBIG)?;
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&length.to_ne_bytes());
        header[8..].copy_from_slice(&request.to_ne_bytes());
        if write(&self.writer, &header)? != HEADER {
            return Err(Errno::EAGAIN);
        }
        let mut left = count;
        while left > 0 {
            let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
            match splice(file, Some(&mut offset), &self.writer, None, left, flags)? {
                0 => return Err(Errno::ENODATA),
                more => left -= more,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

    use super::*;

    fn file_of(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn an_answer_is_a_header_and_the_data() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let file = OwnedFd::from(file_of(&bytes));
        let mut device = tempfile::tempfile().unwrap();
        let mut shortcut = Shortcut::to(Arc::new(device.try_clone().unwrap().into()));
        let table = [(0, 131_072), (131_072, 131_072), (5, 40_000)];
        for (offset, size) in table {
            let end = bytes.len().min(offset + size);
            device.set_len(0).unwrap();
            device.seek(SeekFrom::Start(0)).unwrap();
            let answer = shortcut.send(77, &file, i64::try_from(offset).unwrap(), size);
            assert_eq!(answer, Answer::Sent, "{offset} {size}");
            device.seek(SeekFrom::Start(0)).unwrap();
            let mut sent = Vec::new();
            device.read_to_end(&mut sent).unwrap();
            let length = u32::try_from(HEADER + end - offset).unwrap();
            assert_eq!(sent[..4], length.to_ne_bytes());
            assert_eq!(sent[4..8], [0; 4]);
            assert_eq!(sent[8..16], 77_u64.to_ne_bytes());
            assert_eq!(sent[16..], bytes[offset..end], "{offset} {size}");
        }
        for (offset, size) in [(0, LEAST - 1), (199_000, 131_072), (300_000, 131_072)] {
            let answer = shortcut.send(1, &file, offset, size);
            assert_eq!(answer, Answer::Owed, "{offset} {size}");
        }
    }

    #[test]
    fn there_is_a_pipe_only_while_a_file_goes_on() {
        let file = OwnedFd::from(file_of(&vec![1; 600_000]));
        let short = OwnedFd::from(file_of(&vec![1; 100_000]));
        let mut shortcut = Shortcut::to(Arc::new(tempfile::tempfile().unwrap().into()));
        let step = 131_072;
        let table = [
            (&file, 0, step, Answer::Sent, true),
            (&file, step, step, Answer::Sent, true),
            (&file, 2 * step, 3 * step, Answer::Sent, false),
            // One answer is all.
            (&short, 0, step, Answer::Owed, false),
            // Its reader goes elsewhere.
            (&file, 0, step, Answer::Sent, true),
            (&file, 0, 4096, Answer::Owed, false),
            (&file, 0, step, Answer::Sent, true),
            (&file, 0, 1 << 20, Answer::Owed, false),
        ];
        for (row, (file, offset, size, expected, has_pipe)) in table.into_iter().enumerate() {
            let answer = shortcut.send(1, file, i64::try_from(offset).unwrap(), size);
            assert_eq!(answer, expected, "row {row}");
            assert_eq!(shortcut.pipe.is_some(), has_pipe, "row {row}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_owed() {
        let file = OwnedFd::from(file_of(&vec![1; 100_000]));
        let read_only = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let mut shortcut = Shortcut::to(Arc::new(read_only));
        assert_eq!(shortcut.send(1, &file, 0, 65_536), Answer::Owed);
        assert!(shortcut.is_closed);
        assert_eq!(shortcut.send(1, &file, 0, 65_536), Answer::Owed);
    }
}
