// SPDX-License-Identifier: Apache-2.0 OR MIT
//! /dev/fuse: opening it, and what is wrong where that fails. Containers and broken hosts have
//! files, empty nodes and closed ones in its place.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use nix::errno::Errno;
use nix::sys::stat::makedev;
use thiserror::Error;

const PATH: &str = "/dev/fuse";
/// The kernel's Documentation/admin-guide/devices.txt.
const NUMBER: (u64, u64) = (10, 229);

/// Why /dev/fuse is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FuseDeviceError {
    /// There is nothing of the name.
    #[error("/dev/fuse does not exist")]
    Missing,
    /// Another file has the name.
    #[error("/dev/fuse is not the FUSE device")]
    Other,
    /// The kernel has no driver for the node.
    #[error("/dev/fuse has no driver behind it")]
    NoDriver,
    /// The node's mode is against it.
    #[error("/dev/fuse is closed to this user")]
    Closed,
    /// The control group may not open it.
    #[error(
        "/dev/fuse is kept from this user by a filter of devices: a container around it needs \
         `--device /dev/fuse`, a service of systemd `DeviceAllow=/dev/fuse rw`"
    )]
    Filtered,
    /// Anything else.
    #[error("open /dev/fuse: {}", .0.desc())]
    Refused(Errno),
}

impl FuseDeviceError {
    fn of_open(error: &io::Error) -> Self {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => Self::Missing,
            Errno::ENODEV | Errno::ENXIO => Self::NoDriver,
            Errno::EACCES => Self::Closed,
            Errno::EPERM => Self::Filtered,
            Errno::EISDIR => Self::Other,
            errno => Self::Refused(errno),
        }
    }

    /// The command of root's that mends it, if there is one.
    pub fn cure(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::NoDriver => Some("modprobe fuse"),
            Self::Other => Some("rm -r /dev/fuse && mknod -m 666 /dev/fuse c 10 229"),
            Self::Closed => Some("chmod 666 /dev/fuse"),
            Self::Filtered | Self::Refused(_) => None,
        }
    }

    /// The kernel's answer, or the one that fits.
    pub fn errno(self) -> Errno {
        match self {
            Self::Missing => Errno::ENOENT,
            Self::Other | Self::NoDriver => Errno::ENODEV,
            Self::Closed => Errno::EACCES,
            Self::Filtered => Errno::EPERM,
            Self::Refused(errno) => errno,
        }
    }
}

/// A new descriptor for the requests of a FUSE file system.
///
/// # Errors
///
/// See [`FuseDeviceError`].
pub fn open_device() -> Result<OwnedFd, FuseDeviceError> {
    open_at(PATH)
}

fn open_at(path: &str) -> Result<OwnedFd, FuseDeviceError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    let file = opened.map_err(|error| FuseDeviceError::of_open(&error))?;
    let status = file
        .metadata()
        .map_err(|error| FuseDeviceError::of_open(&error))?;
    let number = makedev(NUMBER.0, NUMBER.1);
    if !status.file_type().is_char_device() || status.rdev() != number {
        return Err(FuseDeviceError::Other);
    }
    Ok(file.into())
}

/// Whether /dev/fuse opens for this user.
pub fn opens() -> bool {
    open_device().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_the_device_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::File::create(path("file")).unwrap();
        for (path, expected) in [
            (path("nothing"), FuseDeviceError::Missing),
            (path("file"), FuseDeviceError::Other),
            (path(""), FuseDeviceError::Other),
            ("/dev/null".to_owned(), FuseDeviceError::Other),
        ] {
            assert_eq!(open_at(&path).unwrap_err(), expected, "{path}");
        }
    }

    #[test]
    fn the_kernels_answers_are_told_apart() {
        for (errno, expected) in [
            (Errno::ENOENT, FuseDeviceError::Missing),
            (Errno::ENXIO, FuseDeviceError::NoDriver),
            (Errno::ENODEV, FuseDeviceError::NoDriver),
            (Errno::EACCES, FuseDeviceError::Closed),
            (Errno::EPERM, FuseDeviceError::Filtered),
            (Errno::EMFILE, FuseDeviceError::Refused(Errno::EMFILE)),
        ] {
            let error = io::Error::from_raw_os_error(errno as i32);
            assert_eq!(FuseDeviceError::of_open(&error), expected);
        }
    }
}
