// SPDX-License-Identifier: Apache-2.0 OR MIT
//! landlock(7): gives up the calling thread's way to files, for good. Knows the kernel's calls,
//! not what a process needs.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{SysError, SysResult};

/// What may be done with files, one bit each: as many as the kernel's version of Landlock knows.
/// What it does not know stays allowed.
const RIGHTS_OF_VERSION: [u32; 5] = [13, 14, 15, 15, 16];
/// `LANDLOCK_ACCESS_FS_READ_FILE`.
const READ_FILE: u64 = 1 << 2;
/// `LANDLOCK_ACCESS_FS_REMOVE_DIR`.
const REMOVE_DIRECTORY: u64 = 1 << 4;
/// From this version on a thread can be kept from processes outside, by two bits.
const SCOPES_SINCE: usize = 6;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL`.
const SCOPES: u64 = 3;

const CREATE_RULESET_VERSION: libc::c_uint = 1;
const RULE_PATH_BENEATH: libc::c_int = 1;

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: RawFd,
}

/// Whether the kernel keeps what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It does.
    Yes,
    /// It has no Landlock, or it is switched off.
    Unknown,
}

/// From now on the calling thread, and those that it starts, open no file but for reading beneath
/// `readable` (files or directories), remove nothing but empty directories beneath `thinned`, and
/// neither signal nor reach by abstract sockets any process that is not so confined, as far as the
/// kernel can do that. The thread has `no_new_privs`.
///
/// # Errors
///
/// EPERM without `no_new_privs`, E2BIG under too many layers.
pub fn read_only_beneath(
    readable: &[BorrowedFd<'_>],
    thinned: Option<BorrowedFd<'_>>,
) -> SysResult<Kept> {
    let Some(version) = version() else {
        return Ok(Kept::Unknown);
    };
    let known = RIGHTS_OF_VERSION.len().min(version);
    let ruleset = Ruleset {
        files: (1 << RIGHTS_OF_VERSION[known - 1]) - 1,
        network: 0,
        scopes: if version >= SCOPES_SINCE { SCOPES } else { 0 },
    };
    // An older kernel takes the part that it knows, and any takes zeroes behind that.
    let made = create(&ruleset)?;
    for place in readable {
        allow(&made, *place, READ_FILE)?;
    }
    if let Some(place) = thinned {
        allow(&made, place, REMOVE_DIRECTORY)?;
    }
    restrict_self(&made)?;
    Ok(Kept::Yes)
}

fn version() -> Option<usize> {
    // SAFETY: asks for a number; no memory of ours is read.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<Ruleset>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    usize::try_from(version).ok().filter(|version| *version > 0)
}

fn create(ruleset: &Ruleset) -> SysResult<OwnedFd> {
    // SAFETY: the kernel reads as much as the size says, all of it initialised.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::from_ref(ruleset),
            size_of::<Ruleset>(),
            0,
        )
    };
    let raw = Errno::result(made).map_err(|errno| error("landlock_create_ruleset()", errno))?;
    let raw = RawFd::try_from(raw).expect("descriptors fit in an int");
    // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn allow(ruleset: &OwnedFd, place: BorrowedFd<'_>, rights: u64) -> SysResult<()> {
    let rule = PathBeneath {
        allowed: rights,
        parent: place.as_raw_fd(),
    };
    // SAFETY: `rule` is alive during the call and has the layout of its kind.
    let done = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| error("landlock_add_rule()", errno))
}

fn restrict_self(ruleset: &OwnedFd) -> SysResult<()> {
    // SAFETY: takes a descriptor and a number.
    let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| error("landlock_restrict_self()", errno))
}

fn error(call: &str, errno: Errno) -> SysError {
    SysError::new(call, errno)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;
    use std::os::unix::process::CommandExt as _;

    use super::*;

    /// Only the calling thread is confined.
    #[test]
    fn only_what_was_named_can_be_read() {
        let room = tempfile::tempdir().unwrap();
        let place = room.path().to_owned();
        let [open, closed, thinned] = ["open", "closed", "thinned"].map(|name| place.join(name));
        for directory in [&open, &closed, &thinned] {
            fs::create_dir_all(directory.join("empty")).unwrap();
            File::create(directory.join("file")).unwrap();
        }
        let (inside, beside) = (thinned.join("empty"), open.join("empty"));
        let confined = std::thread::spawn(move || {
            nix::sys::prctl::set_no_new_privs().unwrap();
            let directory = File::open(&open).unwrap();
            let thinned = File::open(&thinned).unwrap();
            let readable = [directory.as_fd()];
            let kept = read_only_beneath(&readable, Some(thinned.as_fd())).unwrap();
            if kept == Kept::Unknown {
                return;
            }
            let denied = |path: &std::path::Path, write: bool| {
                let opened = File::options().read(!write).write(write).open(path);
                opened.is_err_and(|error| error.raw_os_error() == Some(libc::EACCES))
            };
            assert!(File::open(open.join("file")).is_ok());
            assert!(denied(&open.join("file"), true));
            assert!(denied(&closed.join("file"), false));
            assert!(fs::read_dir(&open).is_err());
            assert!(fs::remove_dir(&inside).is_ok() && fs::remove_dir(&beside).is_err());
            let mut program = std::process::Command::new("/bin/true");
            assert!(program.arg0("x").status().is_err());
        });
        confined.join().unwrap();
    }
}
