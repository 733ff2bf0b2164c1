// SPDX-License-Identifier: Apache-2.0 OR MIT
//! File system calls that nix does not have, or not with every C library.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;

use nix::NixPath;
use nix::errno::Errno;

mod request {
    // `FICLONE` of linux/fs.h: _IOW(0x94, 9, int).
    nix::ioctl_write_int!(ficlone, 0x94, 9);
}

/// Makes `target` share all data blocks of `source` (FICLONE).
///
/// # Errors
///
/// EOPNOTSUPP, EXDEV, EINVAL or ENOTTY where the file system cannot share blocks; the errno is
/// bare since the caller falls back to copying.
pub fn clone_file(target: BorrowedFd<'_>, source: BorrowedFd<'_>) -> nix::Result<()> {
    let source = u64::from(source.as_raw_fd().unsigned_abs());
    // SAFETY: FICLONE takes a descriptor number and touches no memory of ours.
    let result = unsafe { request::ficlone(target.as_raw_fd(), source) };
    result.map(drop).map_err(|errno| match errno {
        Errno::ENOTTY | Errno::ENOSYS => Errno::EOPNOTSUPP,
        other => other,
    })
}

/// Reads what will not be read again soon: what the kernel has to fetch for it is forgotten at once,
/// what it has in memory already stays there (RWF_DONTCACHE of Linux 6.14).
///
/// # Errors
///
/// What preadv2(2) says; EOPNOTSUPP where the kernel or the file system cannot, and an ordinary read
/// will do.
pub fn read_in_passing(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> nix::Result<usize> {
    const RWF_DONTCACHE: libc::c_int = 0x80;
    let part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let offset = libc::off_t::try_from(offset).map_err(|_too_far| Errno::EOVERFLOW)?;
    // SAFETY: one part, which points to `buffer`, borrowed for writing during the call.
    let read =
        unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, RWF_DONTCACHE) };
    match Errno::result(read) {
        Ok(read) => Ok(read.unsigned_abs()),
        Err(Errno::EINVAL | Errno::ENOSYS) => Err(Errno::EOPNOTSUPP),
        Err(errno) => Err(errno),
    }
}

/// Whether somebody can write to a file that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Some process has it open for writing.
    Some,
    /// None has, or the file system cannot tell.
    None,
}

/// Whether some process has `file`, which is open for reading alone and has no name any more,
/// open for writing: the kernel grants a lease to read only where none has (fcntl(F_SETLEASE)).
pub fn writers_of(file: BorrowedFd<'_>) -> Writers {
    let set = |lease: libc::c_int| {
        // SAFETY: F_SETLEASE takes a number and touches no memory of ours.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, lease) };
        Errno::result(result)
    };
    match set(libc::F_RDLCK) {
        Err(Errno::EAGAIN) => Writers::Some,
        Err(_) => Writers::None,
        Ok(_) => {
            // It was only a question; a lease ends with its descriptor at the latest.
            set(libc::F_UNLCK).ok();
            Writers::None
        }
    }
}

/// What becomes of the two names of a rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    /// What had the new name is gone.
    Replace,
    /// Nothing may have the new name.
    KeepTarget,
    /// Each has the other's name.
    Exchange,
    /// As `Replace`; the old name becomes a whiteout of overlay.
    LeaveWhiteout,
}

/// renameat2(2).
///
/// # Errors
///
/// renameat2(2)'s; the errno is bare since callers go another way where a file system cannot do it.
pub fn rename<From, To>(
    from_directory: impl AsFd,
    from: &From,
    to_directory: impl AsFd,
    to: &To,
    renaming: Renaming,
) -> nix::Result<()>
where
    From: NixPath + ?Sized,
    To: NixPath + ?Sized,
{
    let flags = match renaming {
        Renaming::Replace => 0,
        Renaming::KeepTarget => libc::RENAME_NOREPLACE,
        Renaming::Exchange => libc::RENAME_EXCHANGE,
        Renaming::LeaveWhiteout => libc::RENAME_WHITEOUT,
    };
    let from_directory = from_directory.as_fd().as_raw_fd();
    let to_directory = to_directory.as_fd().as_raw_fd();
    let done = from.with_nix_path(|from| {
        to.with_nix_path(|to| {
            // Not every C library has a function for it.
            // SAFETY: both paths end with NUL and are alive during the call.
            unsafe {
                libc::syscall(
                    libc::SYS_renameat2,
                    from_directory,
                    from.as_ptr(),
                    to_directory,
                    to.as_ptr(),
                    flags,
                )
            }
        })
    })??;
    Errno::result(done).map(drop)
}

/// Builds directories, and missing ones above them, with mode 0700.
pub fn private_directories() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700).recursive(true);
    builder
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_read_in_passing_is_what_is_there() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"some text").unwrap();
        let mut buffer = [0; 20];
        match read_in_passing(file.as_fd(), &mut buffer, 5) {
            Ok(length) => assert_eq!(&buffer[..length], b"text"),
            Err(errno) => assert_eq!(errno, Errno::EOPNOTSUPP),
        }
    }
}
