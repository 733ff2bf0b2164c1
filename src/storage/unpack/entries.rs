// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Single steps on names in an open directory: make, replace, hide, date. Nothing here follows a
//! link.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::place::{is_directory, stat_entry};
use crate::layer_format::{is_whiteout_device, write_opaque, write_whiteout};
use crate::state::tree::{RemoveTreeError, remove_tree};
use crate::storage::tar::FileTime;
use crate::sys::{Called, SysError, SysResult};

/// What [`make_directory`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Nothing, or a directory that stays.
    Plain,
    /// A whiteout of this layer: what is below stays hidden.
    OverWhiteout,
    /// A file or link, now gone.
    InPlaceOfOther,
}

pub(super) fn make_directory(parent: BorrowedFd<'_>, name: &CStr) -> SysResult<Made> {
    let make = || mkdirat(parent, name, Mode::S_IRWXU).called(|| format!("mkdirat({name:?})"));
    let error = match make() {
        Ok(()) => return Ok(Made::Plain),
        Err(error) if error.errno == Errno::EEXIST => error,
        Err(error) => return Err(error),
    };
    let Some(stat) = stat_entry(parent, name)? else {
        return Err(error);
    };
    if is_directory(&stat) {
        return Ok(Made::Plain);
    }
    unlinkat(parent, name, UnlinkatFlags::NoRemoveDir).called(|| format!("unlinkat({name:?})"))?;
    make()?;
    if is_whiteout_device(stat.st_mode, stat.st_rdev) {
        return Ok(Made::OverWhiteout);
    }
    Ok(Made::InPlaceOfOther)
}

/// A whiteout hides what lower layers have, never what this layer has at the same name: over a
/// directory of this layer it is an opaque mark, over a file it says nothing new.
pub(super) fn whiteout(directory: BorrowedFd<'_>, name: &CStr) -> SysResult<()> {
    match stat_entry(directory, name)? {
        None => write_whiteout(directory, name)
            .map(drop)
            .called(|| format!("mknodat({name:?}, 0:0)")),
        Some(stat) if is_directory(&stat) => {
            let hidden = open_directory(directory, name)?;
            write_opaque(hidden.as_fd()).called(|| "setxattr(opaque)")
        }
        Some(_) => Ok(()),
    }
}

/// Makes a file, with those of the permissions `mode` that the caller's mask lets through.
pub(super) fn create_file(directory: BorrowedFd<'_>, name: &CStr, mode: Mode) -> SysResult<File> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, mode)
        .map(File::from)
        .called(|| format!("openat({name:?}, O_CREAT|O_EXCL)"))
}

pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> SysResult<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty()).called(|| format!("openat({name:?}, O_DIRECTORY)"))
}

pub(super) fn remove_directory(parent: BorrowedFd<'_>, name: &CStr) -> SysResult<()> {
    let path = Path::new("/proc/self/fd")
        .join(parent.as_raw_fd().to_string())
        .join(Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())));
    remove_tree(&path).map_err(|error| match error {
        RemoveTreeError::Refused { source, .. } => source,
        RemoveTreeError::NeedsNamespace { .. } => {
            SysError::new(format!("unlinkat({name:?})"), Errno::EPERM)
        }
    })
}

fn time_spec(time: FileTime) -> TimeSpec {
    TimeSpec::new(time.seconds, i64::from(time.nanoseconds))
}

pub(super) fn set_times(file: BorrowedFd<'_>, time: FileTime) -> SysResult<()> {
    let time = time_spec(time);
    futimens(file, &time, &time).called(|| "futimens")
}

pub(super) fn set_entry_times(
    directory: BorrowedFd<'_>,
    name: &CStr,
    time: FileTime,
) -> SysResult<()> {
    let time = time_spec(time);
    utimensat(
        directory,
        name,
        &time,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )
    .called(|| format!("utimensat({name:?})"))
}
