// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the helper gives up once it stands. It reads what containers send, so nothing that gets
//! hold of it shall get further: it runs no program, opens no file but the host's list of name
//! servers, has rights over the user's own namespaces alone, and cannot be looked into.

mod filter;

use std::fs::{self, File};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::prctl;

use crate::sys::caps::{self, Known};
use crate::sys::seccomp::{FilterFlags, load_filter};
use crate::sys::{Called, Ignored, SysResult, landlock};

/// Keeps only what serves containers: moving into their network namespaces, interfaces and rules,
/// others' addresses, low ports. It is all over the user's own namespace, none of it over the host.
///
/// # Errors
///
/// What capset(2) and prctl(2) say.
pub(super) fn drop_rights() -> SysResult<()> {
    let kept = [BIND_SERVICE, NET_ADMIN, SYS_ADMIN];
    let mask = kept.iter().fold(0, |mask, number| mask | 1_u64 << number);
    for number in (0..64).filter(|number| !kept.contains(number)) {
        if caps::drop_bounding(number)? == Known::No {
            break;
        }
    }
    caps::set(mask, mask, 0)
}

const BIND_SERVICE: u32 = 10;
const NET_ADMIN: u32 = 12;
/// setns(2) asks for it; the filter leaves nothing else that it is good for.
const SYS_ADMIN: u32 = 21;

/// Lets the calling thread read the host's list of name servers, wherever that may be, and no
/// other file, and remove empty directories of `thinned`. A kernel without Landlock leaves files to
/// their owners and modes.
pub(super) fn leave_files(resolv_conf: &Path, thinned: Option<BorrowedFd<'_>>) {
    let places = places_of(resolv_conf);
    let opened: Vec<OwnedFd> = places.iter().filter_map(|path| place(path)).collect();
    let readable: Vec<_> = opened.iter().map(|place| place.as_fd()).collect();
    // A host that has it and refuses it is like one that has none.
    landlock::read_only_beneath(&readable, thinned).ignored();
}

/// Where programs that change the list put it. The list is replaced by rename, so a rule for the
/// file would hold for the old one alone; and where it is a link, for what the link led to.
const WRITERS: [&str; 5] = [
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/connman",
    "/mnt/wsl",
];

fn places_of(resolv_conf: &Path) -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a file of the host")]
    let real = fs::canonicalize(resolv_conf).ok();
    let parents = [Some(resolv_conf), real.as_deref()].into_iter().flatten();
    let directories = parents.filter_map(Path::parent).map(Path::to_owned);
    // Everything lies beneath the root.
    let directories = directories.filter(|path| path.parent().is_some());
    let mut places: Vec<_> = directories.collect();
    places.extend(real);
    places.extend(WRITERS.iter().map(PathBuf::from));
    places
}

fn place(path: &Path) -> Option<OwnedFd> {
    let mut options = File::options();
    let opened = options.read(true).custom_flags(libc::O_PATH).open(path);
    opened.ok().map(OwnedFd::from)
}

/// Shows the process's memory to nobody, and leaves it the calls that it needs, in all threads.
///
/// # Errors
///
/// What seccomp(2) says, on a kernel that has it.
pub(super) fn close_in() -> SysResult<()> {
    prctl::set_dumpable(false).called(|| "prctl(PR_SET_DUMPABLE)")?;
    match load_filter(filter::PROGRAM, FilterFlags::TSYNC) {
        // Built without filters.
        Err(error) if error.errno == nix::errno::Errno::ENOSYS => Ok(()),
        loaded => loaded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own, which alone is confined.
    #[test]
    fn a_confined_thread_gets_nowhere() {
        let tries = || {
            prctl::set_no_new_privs().unwrap();
            leave_files(Path::new("/etc/resolv.conf"), None);
            load_filter(filter::PROGRAM, FilterFlags::NONE).unwrap();
            let errno = |result: std::io::Result<()>| result.err().and_then(|e| e.raw_os_error());
            let run = std::process::Command::new("/bin/true").status();
            let outcomes = [
                errno(File::open("/proc/self/environ").map(drop)),
                errno(fs::create_dir("/tmp/coracle-confined")),
                errno(run.map(drop)),
                errno(std::thread::Builder::new().spawn(|| ()).map(drop)),
            ];
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").map(drop);
            (outcomes, socket.is_ok())
        };
        let (outcomes, serves) = std::thread::spawn(tries).join().unwrap();
        assert!(outcomes.iter().all(Option::is_some), "{outcomes:?}");
        assert!(serves);
    }

    #[test]
    fn the_list_may_be_a_link_and_never_opens_the_root() {
        let room = tempfile::tempdir().unwrap();
        let (real, link) = (room.path().join("run"), room.path().join("etc"));
        for directory in [&real, &link] {
            fs::create_dir(directory).unwrap();
        }
        File::create(real.join("stub.conf")).unwrap();
        std::os::unix::fs::symlink(real.join("stub.conf"), link.join("resolv.conf")).unwrap();
        let places = places_of(&link.join("resolv.conf"));
        assert!(places.contains(&link) && places.iter().any(|place| place.ends_with("run")));
        assert!(!places_of(Path::new("/resolv.conf")).contains(&PathBuf::from("/")));
    }
}
