// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file system that the store is on.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs::statfs;

use super::{Feature, Finding, Lack};
use crate::runtime::failure::chain;
use crate::state::dirs::Dirs;
use crate::state::store::Store;
use crate::state::{NoXattrs, StateError};
use crate::sys::random::random_bytes;
use crate::sys::xattr;

/// What a kind of file system means for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    Network,
    Memory,
}

/// Numbers of statfs(2) with the names that people know.
const FILE_SYSTEMS: &[(u32, &str, Kind)] = &[
    (0xEF53, "ext4", Kind::Local),
    (0x9123_683E, "btrfs", Kind::Local),
    (0x5846_5342, "xfs", Kind::Local),
    (0xF2F5_2010, "f2fs", Kind::Local),
    (0xCA45_1A4E, "bcachefs", Kind::Local),
    (0x2FC1_2FC1, "zfs", Kind::Local),
    (0x794C_7630, "overlay", Kind::Local),
    (0x6573_5546, "fuse", Kind::Local),
    (0xF15F, "ecryptfs", Kind::Local),
    (0x0102_1994, "tmpfs", Kind::Memory),
    (0x8584_58F6, "ramfs", Kind::Memory),
    (0x6969, "nfs", Kind::Network),
    (0xFF53_4D42, "cifs", Kind::Network),
    (0xFE53_4D42, "smb", Kind::Network),
    (0x0BD0_0BD0, "lustre", Kind::Network),
    (0x0102_1997, "9p", Kind::Network),
    (0x00C3_6400, "ceph", Kind::Network),
    (0x4750_4653, "gpfs", Kind::Network),
    (0x5346_414F, "afs", Kind::Network),
];

/// Looks at the store, making it where there is none; the path is a directory to try things in.
pub(super) fn examine(dirs: &Dirs) -> (Finding, Option<PathBuf>) {
    let scratch = match Store::open(dirs.clone()) {
        Ok(_) => make_scratch(dirs),
        Err(error) => Err(chain(&error)),
    };
    match scratch {
        Ok(scratch) => (judge(dirs, &scratch), Some(scratch)),
        Err(reason) => {
            let lack = Lack::StoreUnusable { reason };
            (Finding::fatal(Feature::Store, lack), None)
        }
    }
}

fn make_scratch(dirs: &Dirs) -> Result<PathBuf, String> {
    let random = random_bytes()
        .map(u64::from_ne_bytes)
        .map_err(|error| error.to_string())?;
    let scratch = dirs.tmp().join(format!("trial-{random:016x}"));
    fs::create_dir(&scratch)
        .map(|()| scratch.clone())
        .map_err(|error| format!("mkdir({}): {error}", scratch.display()))
}

fn judge(dirs: &Dirs, scratch: &Path) -> Finding {
    let data_root = dirs.data_root.clone();
    let (name, kind) = file_system(scratch);
    let lack = match kind {
        Kind::Network => Lack::StoreOnNetwork {
            kind: name,
            data_root,
        },
        Kind::Memory => Lack::StoreInMemory { data_root },
        Kind::Local if keeps_xattrs(scratch) => {
            let found = format!("{} on {name}", data_root.display());
            return Finding::ok(Feature::Store, found);
        }
        Kind::Local => Lack::StoreWithoutXattrs {
            data_root,
            kind: name,
        },
    };
    Finding::lacking(Feature::Store, lack)
}

fn file_system(path: &Path) -> (&'static str, Kind) {
    // C libraries differ in the type of the number; all numbers fit into 32 bits.
    let number = statfs(path).map_or(0, |stat| stat.filesystem_type().0);
    let number = u32::try_from(number).unwrap_or_default();
    FILE_SYSTEMS
        .iter()
        .find(|(known, _, _)| *known == number)
        .map_or(
            ("an unknown file system", Kind::Local),
            |(_, name, kind)| (name, *kind),
        )
}

/// Whether the owners of files can be noted in the store, which a user with one id needs.
///
/// # Errors
///
/// [`StateError::Owners`].
pub(in crate::engine) fn check_xattrs(data_root: &Path) -> Result<(), StateError> {
    // One that is not there yet will be on the file system of what is.
    let nearest = data_root.ancestors().find_map(|path| File::open(path).ok());
    let refused = nearest.is_some_and(|directory| {
        let place = xattr::Place::Descriptor(directory.as_fd());
        xattr::get(place, c"user.coracle.trial", &mut []) == Err(Errno::EOPNOTSUPP)
    });
    if refused {
        let data_root = data_root.to_owned();
        return Err(NoXattrs { data_root }.into());
    }
    Ok(())
}

fn keeps_xattrs(scratch: &Path) -> bool {
    File::open(scratch).is_ok_and(|directory| {
        let place = xattr::Place::Descriptor(directory.as_fd());
        xattr::set(place, c"user.coracle.trial", b"1", xattr::SetMode::Either).is_ok()
    })
}
