// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Extended attributes of a descriptor or of one name in a directory, never following a link.
//!
//! The errors here are bare [`Errno`]s: the file system server asks for attributes that are
//! mostly not there, and a message for each of them would cost more than the call.
//!
//! The `*xattrat` calls (Linux 6.13) take a directory descriptor and a name. Older kernels have
//! only paths, and an `O_PATH` descriptor refuses `fgetxattr`, so there the way leads through
//! `/proc/self/fd`.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

/// Whose attributes are meant.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The file that the descriptor names, also one that was opened with `O_PATH`, though then
    /// the way is longer.
    Descriptor(BorrowedFd<'a>),
    /// The directory that the descriptor names, at no cost for `O_PATH`.
    Directory(BorrowedFd<'a>),
    /// A name in a directory; a symbolic link is meant itself.
    Entry(BorrowedFd<'a>, &'a CStr),
}

/// What [`set`] does about an attribute that is there already or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetMode {
    /// Creates or replaces.
    Either,
    /// Fails with EEXIST if it is there.
    Create,
    /// Fails with ENODATA if it is not there.
    Replace,
}

impl SetMode {
    fn flags(self) -> libc::c_int {
        match self {
            Self::Either => 0,
            Self::Create => libc::XATTR_CREATE,
            Self::Replace => libc::XATTR_REPLACE,
        }
    }
}

/// The numbers are the same on every architecture that joined the common table.
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_GETXATTRAT: libc::c_long = 464;
const SYS_LISTXATTRAT: libc::c_long = 465;
const SYS_REMOVEXATTRAT: libc::c_long = 466;

/// The largest value that the kernel takes (`XATTR_SIZE_MAX`).
pub const VALUE_SIZE_MAX: usize = 65536;

/// Whether the kernel has the `*xattrat` calls; learned from the first ENOSYS.
static HAS_XATTRAT: AtomicBool = AtomicBool::new(true);

/// `struct xattr_args` of linux/xattr.h.
#[repr(C, align(8))]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

/// Reads an attribute into `buffer` and returns its size; an empty buffer only asks for the size.
///
/// # Errors
///
/// ENODATA if it is not there, ERANGE if the buffer is too small, and what getxattr(2) says.
pub fn get(place: Place<'_>, name: &CStr, buffer: &mut [u8]) -> nix::Result<usize> {
    if has_xattrat() {
        let mut args = XattrArgs {
            value: buffer.as_mut_ptr() as u64,
            size: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
            flags: 0,
        };
        let (directory, path, flags) = at(&place);
        // SAFETY: the strings end with NUL, and `args` names a buffer that lives and is not
        // shared during the call.
        let result = unsafe {
            libc::syscall(
                SYS_GETXATTRAT,
                directory,
                path.as_ptr(),
                flags,
                name.as_ptr(),
                &raw mut args,
                size_of::<XattrArgs>(),
            )
        };
        if let Some(answer) = answer_of(&place, result) {
            return answer;
        }
    }
    let path = proc_path(&place);
    let value = buffer.as_mut_ptr().cast();
    let size = buffer.len();
    let result = if follows(&place) {
        // SAFETY: the strings end with NUL and `value` is a live buffer of `size` bytes.
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value, size) }
    } else {
        // SAFETY: the strings end with NUL and `value` is a live buffer of `size` bytes.
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value, size) }
    };
    Errno::result(result).map(count)
}

/// Reads a whole attribute; `None` if it is not there or the file system has no attributes.
///
/// # Errors
///
/// What getxattr(2) says beside ENODATA and EOPNOTSUPP.
pub fn get_vec(place: Place<'_>, name: &CStr) -> nix::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 256];
    loop {
        match get(place, name, &mut buffer) {
            Ok(size) => {
                buffer.truncate(size);
                return Ok(Some(buffer));
            }
            Err(Errno::ERANGE) if buffer.len() < VALUE_SIZE_MAX => {
                buffer.resize(VALUE_SIZE_MAX, 0);
            }
            Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    }
}

/// Writes an attribute.
///
/// # Errors
///
/// What setxattr(2) says.
pub fn set(place: Place<'_>, name: &CStr, value: &[u8], mode: SetMode) -> nix::Result<()> {
    if has_xattrat() {
        let args = XattrArgs {
            value: value.as_ptr() as u64,
            size: u32::try_from(value.len()).unwrap_or(u32::MAX),
            flags: mode.flags().unsigned_abs(),
        };
        let (directory, path, flags) = at(&place);
        // SAFETY: the strings end with NUL, and `args` names a buffer that lives through the call.
        let result = unsafe {
            libc::syscall(
                SYS_SETXATTRAT,
                directory,
                path.as_ptr(),
                flags,
                name.as_ptr(),
                &raw const args,
                size_of::<XattrArgs>(),
            )
        };
        if let Some(answer) = answer_of(&place, result) {
            return answer.map(drop);
        }
    }
    let path = proc_path(&place);
    let bytes = value.as_ptr().cast();
    let (size, flags) = (value.len(), mode.flags());
    let result = if follows(&place) {
        // SAFETY: the strings end with NUL and `bytes` is a live buffer of `size` bytes.
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), bytes, size, flags) }
    } else {
        // SAFETY: the strings end with NUL and `bytes` is a live buffer of `size` bytes.
        unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), bytes, size, flags) }
    };
    Errno::result(result).map(drop)
}

/// Reads the names, each ended by NUL, into `buffer` and returns their size; an empty buffer only
/// asks for the size.
///
/// # Errors
///
/// ERANGE if the buffer is too small, and what listxattr(2) says.
pub fn list(place: Place<'_>, buffer: &mut [u8]) -> nix::Result<usize> {
    if has_xattrat() {
        let (directory, path, flags) = at(&place);
        // SAFETY: the path ends with NUL and the buffer lives, unshared, through the call.
        let result = unsafe {
            libc::syscall(
                SYS_LISTXATTRAT,
                directory,
                path.as_ptr(),
                flags,
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        if let Some(answer) = answer_of(&place, result) {
            return answer;
        }
    }
    let path = proc_path(&place);
    let names = buffer.as_mut_ptr().cast();
    let size = buffer.len();
    let result = if follows(&place) {
        // SAFETY: the path ends with NUL and `names` is a live buffer of `size` bytes.
        unsafe { libc::listxattr(path.as_ptr(), names, size) }
    } else {
        // SAFETY: the path ends with NUL and `names` is a live buffer of `size` bytes.
        unsafe { libc::llistxattr(path.as_ptr(), names, size) }
    };
    Errno::result(result).map(count)
}

/// Reads all names; an empty list if the file system has no attributes.
///
/// # Errors
///
/// What listxattr(2) says beside EOPNOTSUPP.
pub fn list_vec(place: Place<'_>) -> nix::Result<Vec<CString>> {
    let mut buffer = vec![0; 1024];
    let size = loop {
        match list(place, &mut buffer) {
            Ok(size) => break size,
            Err(Errno::ERANGE) if buffer.len() < VALUE_SIZE_MAX => {
                buffer.resize(VALUE_SIZE_MAX, 0);
            }
            Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        }
    };
    Ok(buffer[..size]
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}

/// Removes an attribute.
///
/// # Errors
///
/// ENODATA if it is not there, and what removexattr(2) says.
pub fn remove(place: Place<'_>, name: &CStr) -> nix::Result<()> {
    if has_xattrat() {
        let (directory, path, flags) = at(&place);
        // SAFETY: the strings end with NUL and live through the call.
        let result = unsafe {
            libc::syscall(
                SYS_REMOVEXATTRAT,
                directory,
                path.as_ptr(),
                flags,
                name.as_ptr(),
            )
        };
        if let Some(answer) = answer_of(&place, result) {
            return answer.map(drop);
        }
    }
    let path = proc_path(&place);
    let result = if follows(&place) {
        // SAFETY: the strings end with NUL and live through the call.
        unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }
    } else {
        // SAFETY: the strings end with NUL and live through the call.
        unsafe { libc::lremovexattr(path.as_ptr(), name.as_ptr()) }
    };
    Errno::result(result).map(drop)
}

fn has_xattrat() -> bool {
    HAS_XATTRAT.load(Ordering::Relaxed)
}

/// The answer of a `*xattrat` call; `None` if the kernel does not have it, or does not take a
/// descriptor of `O_PATH` without a name.
fn answer_of(place: &Place<'_>, result: libc::c_long) -> Option<nix::Result<usize>> {
    if result >= 0 {
        return Some(Ok(usize::try_from(result).unwrap_or(0)));
    }
    match Errno::last() {
        Errno::ENOSYS => {
            HAS_XATTRAT.store(false, Ordering::Relaxed);
            None
        }
        Errno::EBADF if matches!(place, Place::Descriptor(_)) => None,
        errno => Some(Err(errno)),
    }
}

fn at<'a>(place: &Place<'a>) -> (libc::c_int, &'a CStr, libc::c_int) {
    match place {
        Place::Descriptor(file) => (file.as_raw_fd(), c"", libc::AT_EMPTY_PATH),
        Place::Directory(directory) => (directory.as_raw_fd(), c".", 0),
        Place::Entry(directory, name) => (directory.as_raw_fd(), name, libc::AT_SYMLINK_NOFOLLOW),
    }
}

/// A descriptor's path is a magic link that must be followed; an entry's last part must not be.
fn follows(place: &Place<'_>) -> bool {
    !matches!(place, Place::Entry(..))
}

fn proc_path(place: &Place<'_>) -> CString {
    let bytes = match place {
        Place::Descriptor(opened) | Place::Directory(opened) => {
            format!("/proc/self/fd/{}", opened.as_raw_fd()).into_bytes()
        }
        Place::Entry(directory, name) => {
            let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
            path.extend_from_slice(name.to_bytes());
            path
        }
    };
    CString::new(bytes).expect("digits and a C string hold no NUL")
}

fn count(size: isize) -> usize {
    usize::try_from(size).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::Mode;

    use super::*;

    /// Both ways, the new calls and the paths, must behave alike.
    #[test]
    fn attributes_of_entries_and_descriptors() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("file")).unwrap();
        let opened = File::open(directory.path()).unwrap();
        let path = |name: &str| {
            let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
            open(&directory.path().join(name), flags, Mode::empty()).unwrap()
        };
        let (file_path, directory_path) = (path("file"), path("."));
        for has_calls in [true, false] {
            HAS_XATTRAT.store(has_calls, Ordering::Relaxed);
            for place in [
                Place::Descriptor(file.as_fd()),
                Place::Descriptor(file_path.as_fd()),
                Place::Descriptor(directory_path.as_fd()),
                Place::Directory(directory_path.as_fd()),
                Place::Entry(opened.as_fd(), c"file"),
                Place::Entry(directory_path.as_fd(), c"file"),
            ] {
                let name = c"user.coracle.test";
                if set(place, name, b"one", SetMode::Create) == Err(Errno::EOPNOTSUPP) {
                    println!("skip: the temporary directory has no user attributes");
                    return;
                }
                assert_eq!(set(place, name, b"x", SetMode::Create), Err(Errno::EEXIST));
                assert_eq!(get_vec(place, name), Ok(Some(b"one".to_vec())));
                assert_eq!(get(place, name, &mut []), Ok(3));
                assert_eq!(get(place, name, &mut [0; 2]), Err(Errno::ERANGE));
                let names = list_vec(place).unwrap();
                assert!(names.contains(&name.to_owned()), "{names:?}");
                assert_eq!(remove(place, name), Ok(()));
                assert_eq!(remove(place, name), Err(Errno::ENODATA));
                assert_eq!(get_vec(place, name), Ok(None));
                assert_eq!(
                    set(place, name, b"x", SetMode::Replace),
                    Err(Errno::ENODATA)
                );
            }
        }
        HAS_XATTRAT.store(true, Ordering::Relaxed);
    }
}
