// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stat(2) shows of a file: what the disk says, what its metadata say, and whose it appears.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use nix::sys::stat::FileStat;
use nix::sys::time::TimeSpec;

use super::backing::Spot;
use super::ids::Owner;
use super::nodes::Body;
use super::number::NodeId;
use super::overlay::Overlay;
use super::{DirectoryLinks, Ownership};
use crate::layer_format::{FileKind, OverrideStat, read_override_stat, write_override_stat};
use crate::sys::xattr::Place;

/// Permission bits with setuid, setgid and sticky.
pub(super) const PERMISSIONS: u32 = 0o7777;

/// A file's attributes as they are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Type and permissions.
    pub(super) mode: u32,
    pub(super) owner: Owner,
    /// The owner that the metadata name, which may be one that cannot be shown.
    pub(super) kept_owner: Owner,
    pub(super) rdev: u64,
    pub(super) nlink: i64,
    pub(super) size: i64,
    pub(super) blocks: i64,
    pub(super) block_size: i64,
    pub(super) atime: TimeSpec,
    pub(super) mtime: TimeSpec,
    pub(super) ctime: TimeSpec,
}

impl Shown {
    /// The type bits.
    pub(super) fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    /// The attributes as the protocol wants them.
    pub(super) fn to_attr(self, id: NodeId) -> FileAttr {
        FileAttr {
            ino: INodeNo(id),
            size: u64::try_from(self.size).unwrap_or(0),
            blocks: u64::try_from(self.blocks).unwrap_or(0),
            atime: system_time(self.atime),
            mtime: system_time(self.mtime),
            ctime: system_time(self.ctime),
            crtime: UNIX_EPOCH,
            kind: file_type(self.mode),
            perm: u16::try_from(self.mode & PERMISSIONS).unwrap_or(0),
            nlink: u32::try_from(self.nlink.max(0)).unwrap_or(u32::MAX),
            uid: self.owner.uid,
            gid: self.owner.gid,
            rdev: protocol_device(self.rdev),
            blksize: u32::try_from(self.block_size).unwrap_or(4096),
            flags: 0,
        }
    }
}

/// The protocol has the kernel's 32-bit encoding of device numbers.
fn protocol_device(rdev: u64) -> u32 {
    let (major, minor) = (libc::major(rdev), libc::minor(rdev));
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// A device number of the protocol as `st_rdev` has it.
pub(super) fn device_of_protocol(rdev: u32) -> u64 {
    libc::makedev(
        (rdev >> 8) & 0xfff,
        (rdev & 0xff) | ((rdev >> 12) & 0xfff00),
    )
}

/// The kind of a directory entry for the protocol.
pub(super) fn file_type(mode: u32) -> FileType {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFIFO => FileType::NamedPipe,
        libc::S_IFSOCK => FileType::Socket,
        libc::S_IFBLK => FileType::BlockDevice,
        libc::S_IFCHR => FileType::CharDevice,
        _ => FileType::RegularFile,
    }
}

fn system_time(time: TimeSpec) -> SystemTime {
    let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or(0);
    let seconds = Duration::from_secs(time.tv_sec().unsigned_abs());
    let whole = if time.tv_sec() >= 0 {
        UNIX_EPOCH.checked_add(seconds)
    } else {
        UNIX_EPOCH.checked_sub(seconds)
    };
    whole.unwrap_or(UNIX_EPOCH) + Duration::from_nanos(nanoseconds)
}

/// A time that is to be set.
pub(super) fn time_of_request_or_now(time: TimeOrNow) -> TimeSpec {
    match time {
        TimeOrNow::Now => TimeSpec::UTIME_NOW,
        TimeOrNow::SpecificTime(time) => time_of_request(time),
    }
}

/// A time of a request.
///
/// The library turns seconds and nanoseconds before 1970 into the wrong instant: it takes the
/// nanoseconds away instead of adding them. That is undone here.
fn time_of_request(time: SystemTime) -> TimeSpec {
    let parts = |duration: Duration| {
        (
            i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            i64::from(duration.subsec_nanos()),
        )
    };
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => {
            let (seconds, nanoseconds) = parts(after);
            TimeSpec::new(seconds, nanoseconds)
        }
        Err(before) => {
            let (seconds, nanoseconds) = parts(before.duration());
            TimeSpec::new(-seconds, nanoseconds)
        }
    }
}

/// The owner and mode that a new file or a changed one is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) owner: Owner,
    /// Without the type.
    pub(super) mode: u32,
    pub(super) kind: FileKind,
}

/// Permissions on disk that let the server always in, never with bits that mean something to the
/// host: a setuid file in the store would be setuid to the user who keeps the store.
pub(super) fn mode_on_disk(kind: FileKind, mode: u32) -> u32 {
    match kind {
        FileKind::Directory => (mode & 0o777) | 0o700,
        FileKind::Regular
        | FileKind::Symlink
        | FileKind::Pipe
        | FileKind::Socket
        | FileKind::BlockDevice { .. }
        | FileKind::CharDevice { .. } => (mode & 0o777) | 0o600,
    }
}

impl Overlay {
    /// What a file of `layer` shows.
    pub(super) fn shown(
        &self,
        layer: usize,
        status: &FileStat,
        place: Place<'_>,
    ) -> nix::Result<Shown> {
        let on_disk = Owner {
            uid: status.st_uid,
            gid: status.st_gid,
        };
        let owner = if self.layers[layer].mapped {
            self.ids.shown(on_disk)
        } else {
            on_disk
        };
        let mut shown = Shown {
            mode: status.st_mode,
            owner,
            kept_owner: owner,
            rdev: status.st_rdev,
            nlink: i64::try_from(status.st_nlink).unwrap_or(i64::MAX),
            size: status.st_size,
            blocks: status.st_blocks,
            block_size: status.st_blksize,
            atime: TimeSpec::new(status.st_atime, status.st_atime_nsec),
            mtime: TimeSpec::new(status.st_mtime, status.st_mtime_nsec),
            ctime: TimeSpec::new(status.st_ctime, status.st_ctime_nsec),
        };
        if let Some(recorded) = self.metadata(layer, shown.mode, place)? {
            shown.kept_owner = Owner {
                uid: recorded.uid,
                gid: recorded.gid,
            };
            shown.owner = self.ids.recorded(shown.kept_owner);
            let kind = match recorded.kind {
                // What is a directory on disk is one, and nothing else is.
                Some(kind)
                    if shown.kind() == libc::S_IFREG && kind.type_bits() != libc::S_IFDIR =>
                {
                    shown.rdev = kind.rdev();
                    kind.type_bits()
                }
                Some(_) | None => shown.kind(),
            };
            let mode = kind | recorded.mode;
            let (kept, owner) = (shown.kept_owner, shown.owner);
            shown.mode = self.ids.without_rights_of_others(mode, kept, owner);
        }
        Ok(shown)
    }

    /// The ownership metadata of a file, where there can be any.
    fn metadata(
        &self,
        layer: usize,
        mode: u32,
        place: Place<'_>,
    ) -> nix::Result<Option<OverrideStat>> {
        let can_carry = matches!(mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR);
        if !can_carry || !self.layers[layer].metadata {
            return Ok(None);
        }
        read_override_stat(place)
    }

    /// What a node shows.
    pub(super) fn node_shown(&mut self, id: NodeId) -> nix::Result<Shown> {
        let spot = self.table.open_spot(id)?;
        let layer = match &self.table.node(id)?.body {
            Body::Directory(directory) => directory.parts.first().map_or(0, |part| part.layer),
            Body::File(file) => file.layer,
        };
        let shown = self.shown(layer, &spot.stat()?, spot.place())?;
        self.settle(id, shown)
    }

    /// Puts into `shown` what only the node knows, and into the node what it must remember.
    pub(super) fn settle(&mut self, id: NodeId, mut shown: Shown) -> nix::Result<Shown> {
        match &mut self.table.node(id)?.body {
            Body::Directory(directory) => {
                if directory.removed {
                    shown.nlink = 0;
                } else if self.directory_links == DirectoryLinks::One {
                    shown.nlink = 1;
                } else if directory.parts.len() > 1 {
                    // As the kernel's overlay: counting would mean reading every layer.
                    shown.nlink = directory.links.unwrap_or(1);
                }
            }
            Body::File(file) => {
                file.setid = shown.kind() == libc::S_IFREG && shown.mode & 0o6000 != 0;
                shown.nlink = shown.nlink.saturating_add(file.nlink_bias).max(0);
            }
        }
        Ok(shown)
    }

    /// Gives a copy in the upper layer its owner and mode, where they are kept; `made` is what it
    /// was made with.
    pub(super) fn put_owner_and_mode(
        &self,
        spot: &Spot,
        made: &FileStat,
        wanted: &Wanted,
    ) -> nix::Result<()> {
        let put_mode = |mode: u32, is_lost: bool| {
            if wanted.kind == FileKind::Symlink && made.st_mode & libc::S_IFMT == libc::S_IFLNK
                || !is_lost && made.st_mode & PERMISSIONS == mode
            {
                return Ok(());
            }
            spot.chmod(mode)
        };
        match self.ownership {
            Ownership::Real => {
                let mut is_lost = false;
                if !self.ids.ignores_owners() {
                    let uid = self.ids.uid_on_disk(wanted.owner.uid)?;
                    let gid = self.ids.gid_on_disk(wanted.owner.gid)?;
                    if (uid, gid) != (made.st_uid, made.st_gid) {
                        spot.chown(Some(uid), Some(gid))?;
                        // chown(2) clears setuid.
                        is_lost = wanted.mode & 0o6000 != 0;
                    }
                }
                put_mode(wanted.mode, is_lost)
            }
            Ownership::Metadata => {
                put_mode(mode_on_disk(wanted.kind, wanted.mode), false)?;
                record(spot, wanted)
            }
        }
    }
}

/// Writes ownership metadata.
pub(super) fn record(spot: &Spot, wanted: &Wanted) -> nix::Result<()> {
    let stat = OverrideStat {
        uid: wanted.owner.uid,
        gid: wanted.owner.gid,
        mode: wanted.mode & PERMISSIONS,
        kind: Some(wanted.kind),
    };
    write_override_stat(spot.place(), &stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch() {
        let table = [
            (0, 0),
            (1, 999_999_999),
            (-1, 0),
            (-1, 500_000_000),
            (-86_400, 1),
        ];
        for (seconds, nanoseconds) in table {
            let time = system_time(TimeSpec::new(seconds, nanoseconds));
            let expected = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
            let found = match time.duration_since(UNIX_EPOCH) {
                Ok(after) => i128::try_from(after.as_nanos()).unwrap(),
                Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap(),
            };
            assert_eq!(found, expected);
        }
        // What the library makes of -1 s and 500 ms.
        let mistaken = UNIX_EPOCH - Duration::new(1, 500_000_000);
        assert_eq!(time_of_request(mistaken), TimeSpec::new(-1, 500_000_000));
    }

    #[test]
    fn device_numbers() {
        for (major, minor) in [(0, 0), (1, 3), (8, 255), (259, 300), (4095, 0xf_ffff)] {
            let rdev = libc::makedev(major, minor);
            assert_eq!(
                device_of_protocol(protocol_device(rdev)),
                rdev,
                "{major}:{minor}"
            );
        }
    }

    #[test]
    fn modes_on_disk() {
        let table = [
            (FileKind::Regular, 0o4755, 0o755),
            (FileKind::Regular, 0o000, 0o600),
            (FileKind::Directory, 0o1555, 0o755),
            (FileKind::Directory, 0o000, 0o700),
            (FileKind::Pipe, 0o222, 0o622),
        ];
        for (kind, mode, expected) in table {
            assert_eq!(mode_on_disk(kind, mode), expected);
        }
    }
}
