// SPDX-License-Identifier: Apache-2.0 OR MIT
//! File system calls that nix does not have.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

mod request {
    // `FICLONE` of linux/fs.h: _IOW(0x94, 9, int).
    nix::ioctl_write_int!(ficlone, 0x94, 9);
    // `FS_IOC_GETFLAGS` of linux/fs.h: _IOR('f', 1, long).
    nix::ioctl_read!(get_flags, b'f', 1, libc::c_long);
}

/// The flags of an inode (ioctl_iflags(2)).
///
/// # Errors
///
/// ENOTTY where the file system has none; the errno is bare since the caller does without.
pub fn inode_flags(file: BorrowedFd<'_>) -> nix::Result<i64> {
    let mut flags: libc::c_long = 0;
    // SAFETY: the kernel writes at most a long into `flags`, which lives through the call.
    unsafe { request::get_flags(file.as_raw_fd(), &raw mut flags) }.map(|_| flags)
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
