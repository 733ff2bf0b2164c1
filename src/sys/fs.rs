// SPDX-License-Identifier: Apache-2.0 OR MIT
//! File system calls that nix does not have.

use std::os::fd::{AsRawFd, BorrowedFd};

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
