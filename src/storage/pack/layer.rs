// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One layer's directory, and what its files really are.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{getegid, geteuid};

use crate::layer_format::{
    FileKind, LayerOwners, XATTR_OVERRIDE_PREFIX, capabilities_of_any_root, has_ownership_metadata,
    is_reserved_xattr, is_whiteout_device, read_layer_owners, read_override_stat,
};
use crate::storage::unpack::RootDirectory;
use crate::sys::xattr::{self, Place};
use crate::sys::{Called, SysResult};

const CAPABILITY: &[u8] = b"security.capability";

/// The directory of one layer, open.
#[derive(Debug)]
pub(crate) struct LayerRoot {
    pub(super) directory: OwnedFd,
    /// Whether its files carry ownership metadata.
    pub(super) has_metadata: bool,
    /// The map by which its files are owned.
    owners: Option<LayerOwners>,
}

/// What a file is, metadata applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) kind: FileKind,
    /// Permission, set-id and sticky bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
    pub(super) links: u64,
    pub(super) identity: (u64, u64),
    /// A regular file stands for it.
    pub(super) is_stand_in: bool,
}

impl LayerRoot {
    /// Opens the layer at `path`.
    ///
    /// # Errors
    ///
    /// What open(2) says.
    pub(crate) fn open(path: &Path) -> SysResult<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory =
            open(path, flags, Mode::empty()).called(|| format!("open({})", path.display()))?;
        let has_metadata = has_ownership_metadata(Place::Descriptor(directory.as_fd()));
        let owners = read_layer_owners(Place::Descriptor(directory.as_fd()))
            .called(|| format!("getxattr({})", path.display()))?;
        Ok(Self {
            directory,
            has_metadata,
            owners,
        })
    }

    /// Whose the root directory is.
    pub(in crate::storage) fn root_directory(&self) -> SysResult<RootDirectory> {
        let found = self.attributes(self.directory.as_fd(), c".")?;
        let usual = RootDirectory::default();
        Ok(found.map_or(usual, |found| RootDirectory {
            uid: found.uid,
            gid: found.gid,
            mode: found.mode,
        }))
    }

    /// A second descriptor of the root.
    pub(super) fn root(&self) -> SysResult<OwnedFd> {
        open_directory(self.directory.as_fd(), c".")
    }

    /// What `name` is; `None` if nothing is there.
    pub(super) fn attributes(
        &self,
        directory: BorrowedFd<'_>,
        name: &CStr,
    ) -> SysResult<Option<Attributes>> {
        let stat = match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno).called(|| format!("fstatat({name:?})")),
        };
        let Some(kind) = FileKind::of_stat(stat.st_mode, stat.st_rdev) else {
            return Ok(None);
        };
        let mut found = plain(kind, &stat);
        if let Some(owners) = &self.owners {
            (found.uid, found.gid) = owners.inside(stat.st_uid, stat.st_gid);
        }
        if self.has_metadata && matches!(kind, FileKind::Regular | FileKind::Directory) {
            let metadata = read_override_stat(Place::Entry(directory, name))
                .called(|| format!("getxattr({name:?})"))?;
            if let Some(metadata) = metadata {
                found.uid = metadata.uid;
                found.gid = metadata.gid;
                found.mode = metadata.mode & 0o7777;
                if let (FileKind::Regular, Some(meant)) = (kind, metadata.kind)
                    && !matches!(meant, FileKind::Regular | FileKind::Directory)
                {
                    found.kind = meant;
                    found.is_stand_in = true;
                }
            }
        }
        Ok(Some(found))
    }

    /// The attributes that an image may carry, by their real names.
    pub(super) fn xattrs(&self, place: Place<'_>) -> SysResult<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut kept = Vec::new();
        for name in xattr::list_vec(place).called(|| "listxattr")? {
            let Some(meant) = self.meant_xattr(&name) else {
                continue;
            };
            // It may have gone since, or not be ours to read.
            if let Ok(Some(value)) = xattr::get_vec(place, &name) {
                let value = match &self.owners {
                    Some(owners) if meant == CAPABILITY => {
                        capabilities_of_any_root(value, owners.root_outside().0)
                    }
                    Some(_) | None => value,
                };
                kept.push((meant, value));
            }
        }
        kept.sort();
        Ok(kept)
    }

    fn meant_xattr(&self, name: &CStr) -> Option<Vec<u8>> {
        let bytes = name.to_bytes();
        let bytes = match bytes.strip_prefix(XATTR_OVERRIDE_PREFIX) {
            Some(meant) if self.has_metadata => meant,
            _ => bytes,
        };
        let belongs = (bytes.starts_with(b"user.") && !is_reserved_xattr(bytes))
            || bytes == CAPABILITY
            || bytes.starts_with(b"system.posix_acl_");
        belongs.then(|| bytes.to_vec())
    }
}

impl Attributes {
    pub(super) fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Whether it is the kernel's form of a whiteout.
    pub(super) fn is_whiteout(&self) -> bool {
        !self.is_stand_in && is_whiteout_device(self.kind.type_bits(), self.kind.rdev())
    }
}

fn plain(kind: FileKind, stat: &FileStat) -> Attributes {
    // Where one id alone is mapped and owners are metadata, what has none is root's.
    let owned = |id: u32, own: u32| if id == own { 0 } else { id };
    Attributes {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: owned(stat.st_uid, geteuid().as_raw()),
        gid: owned(stat.st_gid, getegid().as_raw()),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        seconds: stat.st_mtime,
        nanoseconds: stat.st_mtime_nsec,
        links: stat.st_nlink,
        identity: (stat.st_dev, stat.st_ino),
        is_stand_in: false,
    }
}

pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> SysResult<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty()).called(|| format!("openat({name:?}, O_DIRECTORY)"))
}

/// The names in a directory, sorted.
pub(super) fn names(directory: BorrowedFd<'_>) -> SysResult<Vec<CString>> {
    let again = open_directory(directory, c".")?;
    let mut stream = Dir::from_fd(again).called(|| "fdopendir")?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let entry = entry.called(|| "readdir")?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}
