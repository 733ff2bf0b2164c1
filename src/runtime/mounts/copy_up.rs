// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is below a mount point copied into a fresh file system (`tmpcopyup`) or a new volume, and
//! owners changed for `:U`. Both read directories that other containers may change meanwhile: everything is done
//! on descriptors and never through a link, which would lead into the host's tree.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstat, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

use super::plan::FirstUse;
use crate::sys::{Called, SysResult};

/// Copies directories, files and links below `from` into the root of the detached mount `to`.
///
/// # Errors
///
/// What reading or writing says.
pub fn copy_tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> SysResult<()> {
    copy_directory(from, to).called(|| "copy into the tmpfs")
}

fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    for entry in fs::read_dir(location(from))? {
        copy_entry(from, to, &entry?.file_name())?;
    }
    Ok(())
}

/// `to` is nobody else's, so its names are safe; those of `from` are looked up once.
fn copy_entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let Some((place, status)) = look_up(from, name)? else {
        return Ok(());
    };
    let kind = kind_of(&status);
    match kind {
        SFlag::S_IFLNK => symlinkat(readlinkat(&place, "")?.as_os_str(), to, name)?,
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU)?;
            copy_directory(
                place.as_fd(),
                openat(to, name, LOCATION, Mode::empty())?.as_fd(),
            )?;
        }
        SFlag::S_IFREG => {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let target = openat(to, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
            let mut source = fs::File::open(location(place.as_fd()))?;
            io::copy(&mut source, &mut fs::File::from(target))?;
        }
        _ => return Ok(()),
    }
    let copy = openat(to, name, LOCATION, Mode::empty())?;
    set_owner(copy.as_fd(), &status)?;
    if kind != SFlag::S_IFLNK {
        let mode = Mode::from_bits_truncate(status.st_mode);
        fchmodat(to, name, mode, FchmodatFlags::FollowSymlink)?;
    }
    let time = |seconds, nanoseconds| TimeSpec::new(seconds, nanoseconds);
    let accessed = time(status.st_atime, status.st_atime_nsec);
    let modified = time(status.st_mtime, status.st_mtime_nsec);
    Ok(utimensat(
        to,
        name,
        &accessed,
        &modified,
        UtimensatFlags::NoFollowSymlink,
    )?)
}

/// Who owns the root of the mount `tree`.
///
/// # Errors
///
/// fstat(2)'s.
pub fn owner_of(tree: BorrowedFd<'_>) -> SysResult<(u32, u32)> {
    let status = fstat(tree).called(|| "fstat(mount)")?;
    Ok((status.st_uid, status.st_gid))
}

/// Gives the root of the mount `tree` to `owner`, unless there is something in it.
///
/// # Errors
///
/// What fchownat(2) says.
pub fn own_if_empty(tree: BorrowedFd<'_>, (uid, gid): (u32, u32)) -> SysResult<()> {
    if !is_empty(tree).called(|| "readdir(volume)")? {
        return Ok(());
    }
    chown(tree, (Uid::from_raw(uid), Gid::from_raw(gid))).called(|| "change the owner")
}

/// The first use of the empty volume `volume`: it gets owner and mode of the directory `place`,
/// and with [`FirstUse::Fill`] what is in it. Whether something was copied.
///
/// # Errors
///
/// What reading or writing says.
pub fn first_use(
    place: BorrowedFd<'_>,
    volume: BorrowedFd<'_>,
    first_use: FirstUse,
) -> SysResult<bool> {
    let use_it = || -> io::Result<bool> {
        let status = fstat(place)?;
        // A second mount of the same volume finds what the first has copied.
        if kind_of(&status) != SFlag::S_IFDIR || !is_empty(volume)? {
            return Ok(false);
        }
        let fills = first_use == FirstUse::Fill && !is_empty(place)?;
        if fills {
            copy_directory(place, volume)?;
        }
        set_owner(volume, &status)?;
        let mode = Mode::from_bits_truncate(status.st_mode);
        fchmodat(volume, ".", mode, FchmodatFlags::FollowSymlink)?;
        Ok(fills)
    };
    use_it().called(|| "fill the volume")
}

fn is_empty(directory: BorrowedFd<'_>) -> io::Result<bool> {
    for entry in open_directory(directory)?.iter() {
        if !is_dot(entry?.file_name().to_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Not by a path: the container's /proc may be any other when its root is entered.
fn open_directory(directory: BorrowedFd<'_>) -> io::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(Dir::openat(directory, ".", flags, Mode::empty())?)
}

fn is_dot(name: &[u8]) -> bool {
    name == b"." || name == b".."
}

/// Where one id alone is mapped an image shows owners that no file can have.
fn set_owner(place: BorrowedFd<'_>, status: &FileStat) -> io::Result<()> {
    match chown(
        place,
        (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid)),
    ) {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
        result => result,
    }
}

/// Gives the root of the mount `tree` and everything below it to `owner`.
///
/// # Errors
///
/// What fchownat(2) says.
pub fn chown_tree(tree: BorrowedFd<'_>, owner: (u32, u32)) -> SysResult<()> {
    let owner = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
    let change = || -> io::Result<()> {
        let status = fstat(tree)?;
        // Whose root is right was given before: what was changed since then stays as it is.
        if (status.st_uid, status.st_gid) == (owner.0.as_raw(), owner.1.as_raw()) {
            return Ok(());
        }
        if kind_of(&status) == SFlag::S_IFDIR {
            chown_below(tree, owner)?;
        }
        chown(tree, owner)
    };
    change().called(|| "change the owner")
}

fn chown_below(directory: BorrowedFd<'_>, owner: (Uid, Gid)) -> io::Result<()> {
    for entry in open_directory(directory)?.iter() {
        let entry = entry?;
        if is_dot(entry.file_name().to_bytes()) {
            continue;
        }
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        let Some((place, status)) = look_up(directory, name)? else {
            continue;
        };
        if kind_of(&status) == SFlag::S_IFDIR {
            chown_below(place.as_fd(), owner)?;
        }
        chown(place.as_fd(), owner)?;
    }
    Ok(())
}

fn chown(place: BorrowedFd<'_>, (uid, gid): (Uid, Gid)) -> io::Result<()> {
    let itself = AtFlags::AT_EMPTY_PATH;
    let changed = fchownat(place, Path::new(""), Some(uid), Some(gid), itself);
    let is_right =
        |status: FileStat| (status.st_uid, status.st_gid) == (uid.as_raw(), gid.as_raw());
    match changed {
        // Some file systems change no owners, not even into what they are.
        Err(Errno::EPERM) if fstat(place).is_ok_and(is_right) => Ok(()),
        changed => Ok(changed?),
    }
}

const LOCATION: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What stands under `name` at this moment; nothing when somebody has just removed it.
fn look_up(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<(OwnedFd, FileStat)>> {
    match openat(directory, name, LOCATION, Mode::empty()) {
        Ok(place) => {
            let status = fstat(&place)?;
            Ok(Some((place, status)))
        }
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn kind_of(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits())
}

/// A path to the very file that is open as `fd`.
fn location(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}
