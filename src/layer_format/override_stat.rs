// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ownership metadata: owner, mode, kind and device number of a file, kept in an attribute where
//! the file itself must belong to the one user who keeps the store.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::str::FromStr;

use nix::errno::Errno;
use thiserror::Error;

use crate::sys::xattr::{self, Place, SetMode};

/// The attribute that is written.
pub const XATTR_OVERRIDE_STAT: &CStr = c"user.containers.override_stat";

/// The attributes that are read, the written one first.
pub const XATTR_OVERRIDE_STAT_FORMS: [&CStr; 3] = [
    XATTR_OVERRIDE_STAT,
    c"user.fuseoverlayfs.override_stat",
    c"security.fuseoverlayfs.override_stat",
];

/// Put before the name of an attribute that the user may not set or that the kernel would act on
/// (`user.containers.override_security.capability`).
pub const XATTR_OVERRIDE_PREFIX: &[u8] = b"user.containers.override_";

/// A longer value than this is not ours: three numbers, a word and a device number.
const VALUE_SIZE_LIMIT: usize = 128;

/// What kind of file the metadata speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link, kept as a regular file that holds the target.
    Symlink,
    /// A named pipe, kept as a regular file.
    Pipe,
    /// A socket, kept as a regular file.
    Socket,
    /// A block device, kept as a regular file.
    BlockDevice {
        /// The device's class.
        major: u32,
        /// The device within its class.
        minor: u32,
    },
    /// A character device, kept as a regular file.
    CharDevice {
        /// The device's class.
        major: u32,
        /// The device within its class.
        minor: u32,
    },
}

/// Owner, permissions and kind of a file as an image or a container says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverrideStat {
    /// The owner, as seen in the container.
    pub uid: u32,
    /// The group, as seen in the container.
    pub gid: u32,
    /// Permission bits with setuid, setgid and sticky (`0o7777`).
    pub mode: u32,
    /// The kind; `None` means that of the file that carries the attribute.
    pub kind: Option<FileKind>,
}

/// An ownership attribute that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideStatError {
    /// The value is not `uid:gid:mode[:kind]`.
    #[error("ownership attribute {value:?} is not of the form uid:gid:mode[:kind]")]
    Syntax {
        /// The value, as text.
        value: String,
    },
    /// The kind is not a known word.
    #[error("ownership attribute {value:?} names no known kind of file")]
    Kind {
        /// The value, as text.
        value: String,
    },
}

impl OverrideStat {
    /// Reads a value as containers-storage and fuse-overlayfs write it.
    ///
    /// Devices are taken as `char-1-3` (containers-storage) and as `char1:3` (fuse-overlayfs).
    ///
    /// # Errors
    ///
    /// [`OverrideStatError`] for everything else; such a file is best shown as it is.
    pub fn parse(value: &[u8]) -> Result<Self, OverrideStatError> {
        let shown = || String::from_utf8_lossy(value).into_owned();
        let syntax = || OverrideStatError::Syntax { value: shown() };
        // Some writers end the value with NUL.
        let trimmed = value.strip_suffix(b"\0").unwrap_or(value);
        let text = std::str::from_utf8(trimmed).map_err(|_not_text| syntax())?;
        let mut parts = text.splitn(4, ':');
        let mut next = || parts.next().ok_or_else(syntax);
        let uid = decimal(next()?).ok_or_else(syntax)?;
        let gid = decimal(next()?).ok_or_else(syntax)?;
        let mode = octal(next()?).ok_or_else(syntax)?;
        let kind = match parts.next() {
            None | Some("") => None,
            Some(word) => Some(
                FileKind::parse(word).ok_or_else(|| OverrideStatError::Kind { value: shown() })?,
            ),
        };
        Ok(Self {
            uid,
            gid,
            mode: mode & 0o7777,
            kind,
        })
    }

    /// The value to write: `1000:1011:0644:file`.
    pub fn to_xattr(&self) -> Vec<u8> {
        let mut text = format!("{}:{}:{:04o}", self.uid, self.gid, self.mode & 0o7777);
        if let Some(kind) = self.kind {
            text.push(':');
            kind.push_to(&mut text);
        }
        text.into_bytes()
    }
}

impl FileKind {
    fn parse(word: &str) -> Option<Self> {
        let kind = match word {
            "file" => Self::Regular,
            "dir" => Self::Directory,
            "symlink" => Self::Symlink,
            "pipe" => Self::Pipe,
            "socket" => Self::Socket,
            _ => {
                if let Some(number) = word.strip_prefix("block") {
                    let (major, minor) = device_number(number)?;
                    Self::BlockDevice { major, minor }
                } else {
                    let (major, minor) = device_number(word.strip_prefix("char")?)?;
                    Self::CharDevice { major, minor }
                }
            }
        };
        Some(kind)
    }

    fn push_to(self, text: &mut String) {
        let written = match self {
            Self::Regular => text.write_str("file"),
            Self::Directory => text.write_str("dir"),
            Self::Symlink => text.write_str("symlink"),
            Self::Pipe => text.write_str("pipe"),
            Self::Socket => text.write_str("socket"),
            Self::BlockDevice { major, minor } => write!(text, "block-{major}-{minor}"),
            Self::CharDevice { major, minor } => write!(text, "char-{major}-{minor}"),
        };
        written.expect("writing to a string does not fail");
    }

    /// The kind of a file with this `st_mode` and `st_rdev`; `None` for an unknown type.
    pub fn of_stat(mode: u32, rdev: u64) -> Option<Self> {
        let (major, minor) = (
            device_part(libc::major(rdev)),
            device_part(libc::minor(rdev)),
        );
        match mode & libc::S_IFMT {
            libc::S_IFREG => Some(Self::Regular),
            libc::S_IFDIR => Some(Self::Directory),
            libc::S_IFLNK => Some(Self::Symlink),
            libc::S_IFIFO => Some(Self::Pipe),
            libc::S_IFSOCK => Some(Self::Socket),
            libc::S_IFBLK => Some(Self::BlockDevice { major, minor }),
            libc::S_IFCHR => Some(Self::CharDevice { major, minor }),
            _ => None,
        }
    }

    /// The type bits of `st_mode`.
    pub fn type_bits(self) -> u32 {
        match self {
            Self::Regular => libc::S_IFREG,
            Self::Directory => libc::S_IFDIR,
            Self::Symlink => libc::S_IFLNK,
            Self::Pipe => libc::S_IFIFO,
            Self::Socket => libc::S_IFSOCK,
            Self::BlockDevice { .. } => libc::S_IFBLK,
            Self::CharDevice { .. } => libc::S_IFCHR,
        }
    }

    /// The device number as `st_rdev` has it; 0 for what is not a device.
    pub fn rdev(self) -> u64 {
        match self {
            Self::BlockDevice { major, minor } | Self::CharDevice { major, minor } => {
                libc::makedev(major, minor)
            }
            Self::Regular | Self::Directory | Self::Symlink | Self::Pipe | Self::Socket => 0,
        }
    }
}

/// Reads a file's ownership metadata; `None` if it has none, or none that can be understood.
///
/// # Errors
///
/// What getxattr(2) says of a file that cannot be asked.
pub fn read_override_stat(file: Place<'_>) -> nix::Result<Option<OverrideStat>> {
    for name in XATTR_OVERRIDE_STAT_FORMS {
        let mut value = [0; VALUE_SIZE_LIMIT];
        match xattr::get(file, name, &mut value) {
            Ok(size) => return Ok(OverrideStat::parse(&value[..size]).ok()),
            Err(Errno::ENODATA | Errno::EOPNOTSUPP | Errno::ERANGE | Errno::EPERM) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(None)
}

/// Writes a file's ownership metadata.
///
/// # Errors
///
/// EPERM for a symbolic link or a special file (they carry no `user.` attributes), EOPNOTSUPP on
/// a file system without them, and what setxattr(2) says.
pub fn write_override_stat(file: Place<'_>, stat: &OverrideStat) -> nix::Result<()> {
    xattr::set(file, XATTR_OVERRIDE_STAT, &stat.to_xattr(), SetMode::Either)
}

/// Whether the files of a layer carry ownership metadata, told by the layer's root directory.
pub fn has_ownership_metadata(layer_root: Place<'_>) -> bool {
    XATTR_OVERRIDE_STAT_FORMS
        .iter()
        .any(|name| xattr::get(layer_root, name, &mut []).is_ok())
}

fn decimal(text: &str) -> Option<u32> {
    // u32::from_str takes a plus sign, which no writer means.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    u32::from_str(text).ok()
}

fn octal(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    u32::from_str_radix(text, 8).ok()
}

/// `-1-3` or `1:3`.
fn device_number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = match text.strip_prefix('-') {
        Some(numbers) => numbers.split_once('-')?,
        None => text.split_once(':')?,
    };
    Some((decimal(major)?, decimal(minor)?))
}

/// libc's type of a device's parts differs between its versions and targets.
#[allow(
    clippy::useless_conversion,
    reason = "the type is c_int in one libc and c_uint in another"
)]
fn device_part(number: libc::c_uint) -> u32 {
    number.into()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    fn stat(uid: u32, gid: u32, mode: u32, kind: Option<FileKind>) -> OverrideStat {
        OverrideStat {
            uid,
            gid,
            mode,
            kind,
        }
    }

    #[test]
    fn values_that_others_write() {
        let device = |major, minor| Some(FileKind::CharDevice { major, minor });
        let block = |major, minor| Some(FileKind::BlockDevice { major, minor });
        let table = [
            ("0:0:0755", stat(0, 0, 0o755, None)),
            ("0:0:755:", stat(0, 0, 0o755, None)),
            (
                "1000:1011:0644:file",
                stat(1000, 1011, 0o644, Some(FileKind::Regular)),
            ),
            ("1:2:0755:dir", stat(1, 2, 0o755, Some(FileKind::Directory))),
            (
                "1:2:0777:symlink",
                stat(1, 2, 0o777, Some(FileKind::Symlink)),
            ),
            ("1:2:0666:pipe", stat(1, 2, 0o666, Some(FileKind::Pipe))),
            ("1:2:0700:socket", stat(1, 2, 0o700, Some(FileKind::Socket))),
            ("1:2:0600:block-8-0", stat(1, 2, 0o600, block(8, 0))),
            ("1:2:0600:char-1-3", stat(1, 2, 0o600, device(1, 3))),
            ("1:2:0600:char1:3", stat(1, 2, 0o600, device(1, 3))),
            ("1:2:0600:block8:16", stat(1, 2, 0o600, block(8, 16))),
            ("0:0:4755:file", stat(0, 0, 0o4755, Some(FileKind::Regular))),
            ("0:0:0104755", stat(0, 0, 0o4755, None)),
            ("4294967295:7:00644\0", stat(u32::MAX, 7, 0o644, None)),
        ];
        for (value, expected) in table {
            assert_eq!(
                OverrideStat::parse(value.as_bytes()),
                Ok(expected),
                "{value}"
            );
        }
    }

    #[test]
    fn values_that_say_nothing() {
        let table: [&[u8]; 14] = [
            b"",
            b"0",
            b"0:0",
            b"0:0:",
            b"0:0:0899",
            b"-1:0:0644",
            b"+1:0:0644",
            b"0:4294967296:0644",
            b"0:0:0644:door",
            b"0:0:0644:char",
            b"0:0:0644:char-1",
            b"0:0:0644:char-1-x",
            b"0:0:0644:block--1-2",
            b"\xff:0:0644",
        ];
        for value in table {
            let shown = String::from_utf8_lossy(value);
            assert!(OverrideStat::parse(value).is_err(), "{shown}");
        }
    }

    #[test]
    fn values_that_are_written() {
        let table = [
            (stat(0, 0, 0o755, None), "0:0:0755"),
            (stat(5, 6, 0o4711, Some(FileKind::Regular)), "5:6:4711:file"),
            (
                stat(
                    0,
                    6,
                    0o600,
                    Some(FileKind::CharDevice { major: 1, minor: 3 }),
                ),
                "0:6:0600:char-1-3",
            ),
            (
                stat(
                    0,
                    6,
                    0,
                    Some(FileKind::BlockDevice {
                        major: 259,
                        minor: 1,
                    }),
                ),
                "0:6:0000:block-259-1",
            ),
        ];
        for (value, expected) in table {
            assert_eq!(value.to_xattr(), expected.as_bytes());
            assert_eq!(OverrideStat::parse(expected.as_bytes()), Ok(value));
        }
    }

    #[test]
    fn kinds_and_modes_agree() {
        let kinds = [
            FileKind::Regular,
            FileKind::Directory,
            FileKind::Symlink,
            FileKind::Pipe,
            FileKind::Socket,
            FileKind::BlockDevice { major: 8, minor: 1 },
            FileKind::CharDevice {
                major: 300,
                minor: 70000,
            },
        ];
        for kind in kinds {
            assert_eq!(
                FileKind::of_stat(kind.type_bits() | 0o644, kind.rdev()),
                Some(kind)
            );
        }
    }

    #[test]
    fn metadata_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let opened = File::open(directory.path()).unwrap();
        let place = Place::Descriptor(opened.as_fd());
        assert_eq!(read_override_stat(place), Ok(None));
        assert!(!has_ownership_metadata(place));
        let written = stat(12, 34, 0o1777, Some(FileKind::Directory));
        if write_override_stat(place, &written) == Err(Errno::EOPNOTSUPP) {
            println!("skip: the temporary directory has no user attributes");
            return;
        }
        assert_eq!(read_override_stat(place), Ok(Some(written)));
        assert!(has_ownership_metadata(place));
    }
}
