// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whiteouts: marks in a layer that hide a name of the layers below.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, mknodat};

use crate::sys::xattr::{self, Place};

/// The prefix of a whiteout that is a plain file (`.wh.NAME` hides `NAME`), as archives have it.
pub const DOT_WH_PREFIX: &[u8] = b".wh.";

/// The plain file that makes its directory opaque.
pub const DOT_WH_OPAQUE: &CStr = c".wh..wh..opq";

/// The attributes that make an empty regular file a whiteout, where the directory's opaque mark
/// is `x` (Linux 6.7).
pub const XATTR_WHITEOUT_FORMS: [&CStr; 2] =
    [c"user.overlay.whiteout", c"trusted.overlay.whiteout"];

/// What a name says in the `.wh.` language of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DotWh<'a> {
    /// An ordinary name.
    Plain,
    /// Hides this name of the layers below.
    Whiteout(&'a [u8]),
    /// Hides all that the layers below have in this directory.
    Opaque,
    /// A name that AUFS kept for itself, or one that hides nothing that can exist.
    Reserved,
}

impl<'a> DotWh<'a> {
    /// Reads one name (not a path).
    pub fn of(name: &'a [u8]) -> Self {
        let Some(hidden) = name.strip_prefix(DOT_WH_PREFIX) else {
            return Self::Plain;
        };
        if name == DOT_WH_OPAQUE.to_bytes() {
            return Self::Opaque;
        }
        if hidden.starts_with(DOT_WH_PREFIX) || matches!(hidden, b"" | b"." | b"..") {
            return Self::Reserved;
        }
        Self::Whiteout(hidden)
    }
}

/// Which form a whiteout was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhiteoutForm {
    /// A character device with the number 0:0.
    Device,
    /// An empty regular file `.wh.NAME`.
    DotWh,
}

/// Whether a file with this `st_mode` and `st_rdev` is a whiteout in the kernel's form.
pub fn is_whiteout_device(mode: u32, rdev: u64) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFCHR && rdev == 0
}

/// Whether an empty regular file carries a whiteout attribute. To be asked only in a directory
/// whose opaque mark is [`super::Opaque::XattrWhiteouts`].
pub fn is_xattr_whiteout(file: Place<'_>) -> bool {
    XATTR_WHITEOUT_FORMS
        .iter()
        .any(|name| xattr::get(file, name, &mut []).is_ok())
}

/// Hides `name` in the layer that `directory` belongs to.
///
/// A device node 0:0 needs no privilege since Linux 5.8; where it is refused, the plain file form
/// is written.
///
/// # Errors
///
/// EEXIST if the name is there, and what mknodat(2) and openat(2) say.
pub fn write_whiteout(directory: BorrowedFd<'_>, name: &CStr) -> nix::Result<WhiteoutForm> {
    match mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0) {
        Ok(()) => Ok(WhiteoutForm::Device),
        Err(Errno::EPERM | Errno::EOPNOTSUPP) => {
            let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = dot_wh_name(name);
            openat(directory, file.as_c_str(), flags, Mode::empty()).map(drop)?;
            Ok(WhiteoutForm::DotWh)
        }
        Err(errno) => Err(errno),
    }
}

fn dot_wh_name(name: &CStr) -> CString {
    let mut bytes = DOT_WH_PREFIX.to_vec();
    bytes.extend_from_slice(name.to_bytes());
    CString::new(bytes).expect("a C string holds no NUL")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn dot_wh_names() {
        let table: [(&str, DotWh<'_>); 10] = [
            ("file", DotWh::Plain),
            (".wh", DotWh::Plain),
            ("x.wh.y", DotWh::Plain),
            (".wh.file", DotWh::Whiteout(b"file")),
            (".wh..hidden", DotWh::Whiteout(b".hidden")),
            (".wh..wh..opq", DotWh::Opaque),
            (".wh..wh.plnk", DotWh::Reserved),
            (".wh.", DotWh::Reserved),
            (".wh..", DotWh::Reserved),
            (".wh...", DotWh::Reserved),
        ];
        for (name, expected) in table {
            assert_eq!(DotWh::of(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn whiteout_devices() {
        let table = [
            (0o020_000, 0, true),
            (0o020_600, 0, true),
            (0o020_600, 0x0103, false),
            (0o060_000, 0, false),
            (0o100_000, 0, false),
            (0o140_000, 0, false),
        ];
        for (mode, rdev, expected) in table {
            assert_eq!(is_whiteout_device(mode, rdev), expected, "{mode:o} {rdev}");
        }
    }

    #[test]
    fn a_written_whiteout_is_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let opened = File::open(directory.path()).unwrap();
        match write_whiteout(opened.as_fd(), c"gone").unwrap() {
            WhiteoutForm::Device => {
                let status = directory.path().join("gone").symlink_metadata().unwrap();
                assert!(is_whiteout_device(status.mode(), status.rdev()));
            }
            WhiteoutForm::DotWh => assert!(directory.path().join(".wh.gone").exists()),
        }
    }
}
