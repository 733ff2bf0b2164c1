// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading and writing streams without waiting for them.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::{Called, SysResult};

/// What a pipe or terminal takes for sure once poll(2) has said that there is room.
const ROOM_AFTER_POLL_BYTES: usize = 4096;

/// Whether reads and writes on a descriptor wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// They wait for data or room.
    Yes,
    /// They fail with EAGAIN.
    No,
}

/// Whether nobody reads the pipe or socket that `descriptor` writes to any more.
pub fn reader_is_gone(descriptor: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    poll(&mut polled, PollTimeout::ZERO).is_ok()
        && polled[0]
            .revents()
            .is_some_and(|found| found.intersects(gone))
}

/// Sets whether reads and writes on `descriptor` wait. It holds for everybody who shares the open
/// file, so it is for descriptors of our own making only.
///
/// # Errors
///
/// What fcntl(2) says.
pub fn set_blocking(descriptor: impl AsFd, blocking: Blocking) -> SysResult<()> {
    let flags = fcntl(&descriptor, FcntlArg::F_GETFL).called(|| "fcntl(F_GETFL)")?;
    let mut flags = OFlag::from_bits_retain(flags);
    flags.set(OFlag::O_NONBLOCK, blocking == Blocking::No);
    fcntl(&descriptor, FcntlArg::F_SETFL(flags))
        .map(drop)
        .called(|| "fcntl(F_SETFL)")
}

/// `/dev/null`, for reading and writing.
///
/// # Errors
///
/// What open(2) says.
pub fn open_null() -> SysResult<OwnedFd> {
    let null = File::options().read(true).write(true).open("/dev/null");
    null.map(OwnedFd::from).called(|| "open(\"/dev/null\")")
}

/// Lets go of this process's own standard streams: whoever reads them would wait for a process
/// that kept them.
///
/// # Errors
///
/// What open(2) or dup2(2) says.
pub fn drop_standard_streams() -> SysResult<()> {
    let null = open_null()?;
    dup2_stdin(&null).called(|| "dup2(stdin)")?;
    dup2_stdout(&null).called(|| "dup2(stdout)")?;
    dup2_stderr(&null).called(|| "dup2(stderr)")
}

/// Writes as much of `bytes` as goes without waiting, once poll(2) has said that there is room; for
/// streams that we share with others, whose flags are not ours to change.
///
/// # Errors
///
/// EAGAIN when nothing went, EPIPE when nobody reads any more.
pub fn write_after_poll(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> SysResult<usize> {
    let part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let raw = descriptor.as_raw_fd();
    // SAFETY: one part, which points to `bytes`; the call only reads from it.
    let written = unsafe { libc::pwritev2(raw, &raw const part, 1, -1, libc::RWF_NOWAIT) };
    match Errno::result(written) {
        Ok(written) => Ok(written.unsigned_abs()),
        // Terminals, most files, and the pipes of older kernels do not know the flag.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::ESPIPE) => {
            let part = &bytes[..bytes.len().min(ROOM_AFTER_POLL_BYTES)];
            nix::unistd::write(descriptor, part).called(|| "write()")
        }
        Err(errno) => Err(errno).called(|| "pwritev2(RWF_NOWAIT)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_is_not_waited_for() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let block = vec![b'x'; 1 << 16];
        let mut total = 0;
        while total < block.len() {
            match write_after_poll(write.as_fd(), &block[total..]) {
                Ok(written) => total += written,
                Err(error) => panic!("{error} after {total} bytes"),
            }
        }
        assert_eq!(total, 1 << 16);
        let mut back = vec![0; 1 << 16];
        let read_bytes = nix::unistd::read(&read, &mut back).unwrap();
        assert_eq!(read_bytes, total);
        drop(read);
    }

    #[test]
    fn non_blocking_reads_say_so() {
        let (read, _write) = nix::unistd::pipe().unwrap();
        set_blocking(&read, Blocking::No).unwrap();
        assert_eq!(nix::unistd::read(&read, &mut [0; 1]), Err(Errno::EAGAIN));
        set_blocking(&read, Blocking::Yes).unwrap();
    }
}
