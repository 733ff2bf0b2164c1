// SPDX-License-Identifier: Apache-2.0 OR MIT
//! seccomp(2): loads a BPF program as the calling thread's system call filter.
//!
//! Knows the shape of a program, not its meaning: profiles and their compiler live in
//! `runtime::seccomp`.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{SysError, SysResult};

/// One instruction of classic BPF, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions skipped if a comparison holds.
    pub jt: u8,
    /// Instructions skipped if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// The longest program that the kernel takes.
pub const MAX_INSTRUCTIONS: usize = 4096;

/// How a filter is attached; a set of the kernel's `SECCOMP_FILTER_FLAG_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilterFlags(libc::c_ulong);

impl FilterFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// All threads of the process get the filter.
    pub const TSYNC: Self = Self(libc::SECCOMP_FILTER_FLAG_TSYNC);
    /// Everything but an allowed call is logged.
    pub const LOG: Self = Self(libc::SECCOMP_FILTER_FLAG_LOG);
    /// Leaves the speculative store bypass mitigation as it is.
    pub const SPEC_ALLOW: Self = Self(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    /// Only fatal signals interrupt a wait for the listener's answer (Linux 5.19).
    pub const WAIT_KILLABLE_RECV: Self = Self(libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

    /// Both sets of flags.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Loads `filter` into the calling thread, for good.
///
/// # Errors
///
/// EACCES without no_new_privs and without CAP_SYS_ADMIN in the user namespace; EINVAL for a
/// program that the kernel's checker refuses.
pub fn load_filter(filter: &[Instruction], flags: FilterFlags) -> SysResult<()> {
    attach(filter, flags.0).map(drop)
}

/// Loads `filter` and returns the descriptor on which its `NOTIFY` actions arrive.
///
/// # Errors
///
/// As [`load_filter`]; EBUSY if a filter of the thread has a listener already.
pub fn load_filter_with_listener(filter: &[Instruction], flags: FilterFlags) -> SysResult<OwnedFd> {
    // The result is either a descriptor or a thread's number: the kernel wants to know which.
    let esrch = match flags.0 & libc::SECCOMP_FILTER_FLAG_TSYNC {
        0 => 0,
        _ => libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
    };
    let raw = attach(
        filter,
        flags.0 | esrch | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
    )?;
    // SAFETY: the kernel has just returned `raw` to us, close-on-exec, and no one else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn attach(filter: &[Instruction], flags: libc::c_ulong) -> SysResult<RawFd> {
    let call = || {
        format!(
            "seccomp(SECCOMP_SET_MODE_FILTER, {flags:#x}, [{}])",
            filter.len()
        )
    };
    let Ok(len) = u16::try_from(filter.len()) else {
        return Err(SysError::new(call(), Errno::EINVAL));
    };
    let program = libc::sock_fprog {
        len,
        filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: `program` points at `len` instructions in the kernel's layout, which `filter` keeps
    // alive over the call; the kernel copies them and writes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        -1 => Err(SysError::last(call())),
        0 => Ok(0),
        // With TSYNC and no listener, a positive number is the thread that could not follow.
        thread if flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 => Err(SysError::new(
            format!("{} (thread {thread} has another filter)", call()),
            Errno::ESRCH,
        )),
        fd => Ok(RawFd::try_from(fd).expect("descriptors fit in an int")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_kernels() {
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<Instruction>(), align_of::<libc::sock_filter>());
    }

    #[test]
    fn too_long_a_program_names_the_call() {
        let nop = Instruction {
            code: 6,
            jt: 0,
            jf: 0,
            k: 0,
        };
        let error = load_filter(&vec![nop; 70_000], FilterFlags::LOG).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "seccomp(SECCOMP_SET_MODE_FILTER, 0x2, [70000]): Invalid argument"
        );
    }
}
