// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capability sets of this thread, as bit masks (bit n is capability number n).

use nix::errno::Errno;

use super::{SysError, SysResult};

const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Sets the effective, permitted and inheritable sets.
///
/// # Errors
///
/// capset(2)'s.
pub fn set(effective: u64, permitted: u64, inheritable: u64) -> SysResult<()> {
    let half = |mask: u64, word: u32| u32::try_from((mask >> (32 * word)) & 0xffff_ffff);
    let word = |index: u32| Data {
        effective: half(effective, index).expect("masked to 32 bits"),
        permitted: half(permitted, index).expect("masked to 32 bits"),
        inheritable: half(inheritable, index).expect("masked to 32 bits"),
    };
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let data = [word(0), word(1)];
    // SAFETY: version 3 reads a header and two data words, both alive during the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new(format!("capset({effective:#x})"), errno))
}

/// The permitted set.
///
/// # Errors
///
/// capget(2)'s.
pub fn permitted() -> SysResult<u64> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: the header says version 3, for which the kernel writes two data structures.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    Errno::result(done).map_err(|errno| SysError::new("capget", errno))?;
    Ok(u64::from(data[0].permitted) | u64::from(data[1].permitted) << 32)
}

/// Whether the kernel knows a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It does.
    Yes,
    /// It does not, nor any with a higher number.
    No,
}

/// Drops capability `number` from the bounding set.
///
/// # Errors
///
/// prctl(2)'s.
pub fn drop_bounding(number: u32) -> SysResult<Known> {
    // SAFETY: PR_CAPBSET_DROP takes a number.
    let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
    match Errno::result(done) {
        Ok(_) => Ok(Known::Yes),
        Err(Errno::EINVAL) => Ok(Known::No),
        Err(errno) => Err(SysError::new(
            format!("prctl(PR_CAPBSET_DROP, {number})"),
            errno,
        )),
    }
}

/// Whether this kernel's bounding set holds capability `number`.
pub fn in_bounding(number: u32) -> bool {
    // SAFETY: PR_CAPBSET_READ takes a number.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0) == 1 }
}

/// Adds capability `number`, which is permitted and inheritable, to the ambient set.
///
/// # Errors
///
/// prctl(2)'s.
pub fn raise_ambient(number: u32) -> SysResult<()> {
    // SAFETY: PR_CAP_AMBIENT takes numbers.
    let done = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
            libc::c_ulong::from(number),
            0,
            0,
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new(format!("prctl(PR_CAP_AMBIENT_RAISE, {number})"), errno))
}
