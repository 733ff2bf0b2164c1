// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pseudo-terminals made inside a container's devpts, and the loopback device: ioctls that nix
//! has no wrapper for.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Called, SysResult};

mod request {
    nix::ioctl_write_ptr_bad!(set_interface_flags, libc::SIOCSIFFLAGS, libc::ifreq);
}

/// Unlocks the pseudo-terminal of `master` and opens its other end by descriptor, never by path:
/// a path below the container's /dev/pts could be anything (CVE-2025-52565).
///
/// # Errors
///
/// ioctl_tty(2)'s.
pub fn open_peer(master: BorrowedFd<'_>) -> SysResult<OwnedFd> {
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int.
    let done = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) };
    Errno::result(done).called(|| "ioctl(TIOCSPTLCK)")?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open(2) flags by value.
    let raw = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let raw = Errno::result(raw).called(|| "ioctl(TIOCGPTPEER)")?;
    // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Makes `terminal` the controlling terminal of this session leader.
///
/// # Errors
///
/// ioctl_tty(2)'s.
pub fn set_controlling(terminal: BorrowedFd<'_>) -> SysResult<()> {
    // SAFETY: TIOCSCTTY takes a number.
    let done = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) };
    Errno::result(done).map(drop).called(|| "ioctl(TIOCSCTTY)")
}

/// Brings the loopback device of this network namespace up.
///
/// # Errors
///
/// netdevice(7)'s.
pub fn loopback_up() -> SysResult<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .called(|| "socket(AF_INET)")?;
    let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("small flags");
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: up },
    };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = (*byte).cast_signed();
    }
    // SAFETY: SIOCSIFFLAGS reads an ifreq, alive during the call.
    let done = unsafe { request::set_interface_flags(socket.as_raw_fd(), &raw const request) };
    done.map(drop).called(|| "ioctl(SIOCSIFFLAGS, lo)")
}
