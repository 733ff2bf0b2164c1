// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opaque marks: a directory that hides everything that the layers below have in it.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};

use super::DOT_WH_OPAQUE;
use crate::sys::xattr::{self, Place, SetMode};

/// The attribute that is written: what the kernel uses inside a user namespace.
pub const XATTR_OPAQUE: &CStr = c"user.overlay.opaque";

/// Every attribute that makes a directory opaque.
pub const OPAQUE_XATTRS: [&CStr; 3] = [
    XATTR_OPAQUE,
    c"trusted.overlay.opaque",
    c"user.fuseoverlayfs.opaque",
];

/// What a directory's opaque mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opaque {
    /// The layers below show through.
    No,
    /// Nothing of the layers below shows.
    Yes,
    /// The layers below show through, and empty files here may be whiteouts by attribute.
    XattrWhiteouts,
}

impl Opaque {
    /// Reads an attribute's value.
    pub fn parse(value: &[u8]) -> Self {
        match value {
            b"y" => Self::Yes,
            b"x" => Self::XattrWhiteouts,
            _ => Self::No,
        }
    }
}

/// Reads a directory's opaque mark in every form, the plain file included.
///
/// # Errors
///
/// What getxattr(2) says of an attribute that is there but cannot be read.
pub fn read_opaque(directory: Place<'_>) -> nix::Result<Opaque> {
    let by_attribute = read_opaque_forms(directory, &OPAQUE_XATTRS)?;
    if by_attribute == Opaque::Yes || !has_opaque_file(directory) {
        return Ok(by_attribute);
    }
    Ok(Opaque::Yes)
}

/// Reads a directory's opaque mark in the given attributes only.
///
/// # Errors
///
/// What getxattr(2) says of an attribute that is there but cannot be read.
pub fn read_opaque_forms(directory: Place<'_>, forms: &[&CStr]) -> nix::Result<Opaque> {
    let mut found = Opaque::No;
    for name in forms {
        let mut value = [0; 4];
        let mark = match xattr::get(directory, name, &mut value) {
            Ok(size) => Opaque::parse(&value[..size]),
            // ERANGE is a value that no one writes; EPERM is how some file systems refuse
            // `trusted.` attributes instead of leaving them out.
            Err(Errno::ENODATA | Errno::EOPNOTSUPP | Errno::ERANGE | Errno::EPERM) => continue,
            Err(errno) => return Err(errno),
        };
        match mark {
            Opaque::Yes => return Ok(Opaque::Yes),
            Opaque::XattrWhiteouts => found = Opaque::XattrWhiteouts,
            Opaque::No => {}
        }
    }
    Ok(found)
}

/// Makes a directory opaque: by attribute, or by the plain file where the file system has no
/// `user.` attributes.
///
/// # Errors
///
/// What setxattr(2) and openat(2) say.
pub fn write_opaque(directory: BorrowedFd<'_>) -> nix::Result<()> {
    let place = Place::Directory(directory);
    match xattr::set(place, XATTR_OPAQUE, b"y", SetMode::Either) {
        Err(Errno::EOPNOTSUPP | Errno::EPERM) => {}
        answer => return answer,
    }
    let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, DOT_WH_OPAQUE, flags, Mode::empty()).map(drop)
}

fn has_opaque_file(directory: Place<'_>) -> bool {
    let status = |directory: BorrowedFd<'_>| {
        fstatat(directory, DOT_WH_OPAQUE, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    };
    match directory {
        Place::Descriptor(opened) | Place::Directory(opened) => status(opened),
        Place::Entry(parent, name) => {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(parent, name, flags, Mode::empty())
                .is_ok_and(|opened| status(std::os::fd::AsFd::as_fd(&opened)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn values() {
        let table: [(&[u8], Opaque); 5] = [
            (b"y", Opaque::Yes),
            (b"x", Opaque::XattrWhiteouts),
            (b"n", Opaque::No),
            (b"", Opaque::No),
            (b"yes", Opaque::No),
        ];
        for (value, expected) in table {
            assert_eq!(Opaque::parse(value), expected, "{value:?}");
        }
    }

    #[test]
    fn marks_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let opened = File::open(directory.path()).unwrap();
        let place = Place::Directory(opened.as_fd());
        assert_eq!(read_opaque(place), Ok(Opaque::No));
        write_opaque(opened.as_fd()).unwrap();
        assert_eq!(read_opaque(place), Ok(Opaque::Yes));
        for name in [XATTR_OPAQUE, c"user.fuseoverlayfs.opaque"] {
            for (value, expected) in [(b"y", Opaque::Yes), (b"x", Opaque::XattrWhiteouts)] {
                let inner = tempfile::tempdir_in(directory.path()).unwrap();
                let inner = File::open(inner.path()).unwrap();
                let place = Place::Directory(inner.as_fd());
                if xattr::set(place, name, value, SetMode::Either) == Err(Errno::EOPNOTSUPP) {
                    println!("skip: the temporary directory has no user attributes");
                    return;
                }
                assert_eq!(read_opaque(place), Ok(expected));
            }
        }
    }

    #[test]
    fn the_plain_file_is_a_mark() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        File::create(inner.join(".wh..wh..opq")).unwrap();
        let opened = File::open(directory.path()).unwrap();
        let place = Place::Entry(opened.as_fd(), c"inner");
        assert_eq!(read_opaque(place), Ok(Opaque::Yes));
    }
}
