// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel's random source.

use nix::errno::Errno;

use super::{SysError, SysResult};

/// Fills an array with random bytes, by getrandom(2).
///
/// # Errors
///
/// ENOSYS where a seccomp filter forbids the call.
pub fn random_bytes<const LENGTH: usize>() -> SysResult<[u8; LENGTH]> {
    let mut bytes = [0_u8; LENGTH];
    let mut filled = 0;
    while filled < LENGTH {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is writable for its whole length and outlives the call.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match Errno::result(count) {
            Ok(count) => {
                filled += usize::try_from(count).expect("a count of bytes is not negative");
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("getrandom()", errno)),
        }
    }
    Ok(bytes)
}
