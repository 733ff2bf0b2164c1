// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The default filter in the kernel, on a thread of its own.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use super::{PODMAN, set};
use crate::runtime::seccomp::{FilterFlags, default_filter};
use crate::sys::seccomp::load_filter;

#[test]
fn default_filter_loads_and_holds() {
    let thread = std::thread::spawn(|| {
        let open =
            |family, kind, protocol| socket(family, kind, SockFlag::empty(), protocol).map(drop);
        let audit = || {
            open(
                AddressFamily::Netlink,
                SockType::Raw,
                Some(SockProtocol::NetlinkAudit),
            )
        };
        audit().expect("no filter forbids it yet");
        prctl::set_no_new_privs().expect("no_new_privs can be set");
        load_filter(&default_filter(&set(PODMAN)), FilterFlags::NONE).expect("the filter loads");
        assert_eq!(audit(), Err(Errno::EINVAL));
        let vsock = open(AddressFamily::Vsock, SockType::Stream, None);
        assert_eq!(vsock, Err(Errno::EPERM));
        let unix = open(AddressFamily::Unix, SockType::Stream, None);
        assert_eq!(unix, Ok(()));
        std::fs::read_to_string("/proc/thread-self/status").expect("proc is mounted")
    });
    let status = thread.join().expect("the thread ends well");
    assert!(status.contains("Seccomp:\t2\n"), "{status}");
}
