// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The holder found again: by its file handle, which stands in `<run root>/holder`. Kernels before
//! Linux 6.18 have none for namespaces; there the file has the holder's inode number, and each
//! process that enters the holder leaves its own number in `<run root>/holders`, so that any that
//! is still there can be followed. Commands that come to the run root in another user namespace
//! than others have all that in a directory of their own ([`meeting_place`]).
//!
//! Whoever makes a holder does it in turn: containers of two holders cannot share the network
//! helper, which has rights in one of them only.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::fstat;

use super::idmap::HolderMap;
use super::userns::{Entered, UsernsError, make_holder, open_of, open_own};
use crate::sys::namespace::{NamespaceHandle, meeting_place};

/// The file, the directory of those who live in the holder, and the lock.
const FILE: &str = "holder";
const DWELLERS: &str = "holders";
const LOCK: &str = "holder.lock";

/// What stands before the inode number.
const INODE: &str = "inode:";

/// Moves this single-threaded process into the user's holder namespace, making it if need be.
///
/// # Errors
///
/// See [`UsernsError`]; the process must end then, since it may be half way.
pub fn enter_holder(map: &HolderMap, run_root: &Path) -> Result<Entered, UsernsError> {
    if find(map, run_root).is_some_and(|holder| holder.join(run_root)) {
        return Ok(Entered::Joined);
    }
    enter_or_make(map, run_root, || make_holder(map))
}

/// What a holder is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    Handle(NamespaceHandle),
    Inode(u64),
}

impl Mark {
    fn of_own() -> std::io::Result<Self> {
        let own = open_own()?;
        // A handle that cannot be opened again is of no use.
        let handle = NamespaceHandle::of(own.as_fd()).ok();
        let handle = handle.filter(|handle| handle.open().is_ok());
        Ok(match handle {
            Some(handle) => Self::Handle(handle),
            None => Self::Inode(fstat(&own)?.st_ino),
        })
    }

    fn to_text(&self) -> String {
        match self {
            Self::Handle(handle) => handle.to_text(),
            Self::Inode(number) => format!("{INODE}{number}"),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.strip_prefix(INODE) {
            Some(number) => number.parse().ok().map(Self::Inode),
            None => NamespaceHandle::from_text(text).map(Self::Handle),
        }
    }
}

/// A holder that lives; the descriptor keeps it alive.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) namespace: OwnedFd,
    /// Whether those who enter it must say so.
    census: Census,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Census {
    Needless,
    PerhapsNeeded,
}

impl Holder {
    /// The one that the process `dweller` lives in.
    pub(super) fn of(dweller: i32) -> Option<Self> {
        let namespace = open_of(dweller).ok()?;
        let census = Census::PerhapsNeeded;
        Some(Self { namespace, census })
    }

    /// Moves this single-threaded process into it; whether that was possible.
    pub(super) fn join(&self, run_root: &Path) -> bool {
        if setns(&self.namespace, CloneFlags::CLONE_NEWUSER).is_err() {
            return false;
        }
        if self.census == Census::PerhapsNeeded {
            dwell(&meeting_place(run_root));
        }
        true
    }
}

/// The holder that was published, if it lives and has the map that is wanted now.
pub(super) fn find(map: &HolderMap, run_root: &Path) -> Option<Holder> {
    let place = meeting_place(run_root);
    let text = fs::read_to_string(place.join(FILE)).ok()?;
    let (mark, fingerprint) = text.trim_end().split_once('\n')?;
    if fingerprint != map.fingerprint() {
        return None;
    }
    match Mark::from_text(mark)? {
        Mark::Handle(handle) => Some(Holder {
            namespace: handle.open().ok()?,
            census: Census::Needless,
        }),
        Mark::Inode(number) => follow(&place.join(DWELLERS), number),
    }
}

/// The namespace with this inode number, by one of those who live in it; the words of those who do
/// not any more are removed.
fn follow(dwellers: &Path, number: u64) -> Option<Holder> {
    let mut found = None;
    for entry in fs::read_dir(dwellers).ok()?.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.parse().ok());
        let holder = process
            .and_then(Holder::of)
            .filter(|holder| fstat(&holder.namespace).is_ok_and(|stat| stat.st_ino == number));
        if holder.is_none() {
            drop(fs::remove_file(entry.path()));
        }
        found = found.or(holder);
    }
    found
}

/// Says in a meeting place that this process lives in the holder, where it can be found by nothing
/// else.
pub fn dwell(place: &Path) {
    let text = fs::read_to_string(place.join(FILE)).unwrap_or_default();
    if !text.starts_with(INODE) {
        return;
    }
    let dwellers = place.join(DWELLERS);
    drop(fs::DirBuilder::new().mode(0o700).create(&dwellers));
    // Without it later commands may make a holder of their own.
    drop(fs::File::create(
        dwellers.join(std::process::id().to_string()),
    ));
}

/// Enters the holder that somebody has made meanwhile, or the new one that `make` enters.
///
/// # Errors
///
/// What `make` says.
pub(super) fn enter_or_make(
    map: &HolderMap,
    run_root: &Path,
    make: impl FnOnce() -> Result<(), UsernsError>,
) -> Result<Entered, UsernsError> {
    let _turn = turn(run_root);
    if find(map, run_root).is_some_and(|holder| holder.join(run_root)) {
        return Ok(Entered::Joined);
    }
    make()?;
    publish(map, run_root);
    Ok(Entered::Made)
}

/// The right to make a holder, until it is dropped: where no word can be left of it nobody waits.
fn turn(run_root: &Path) -> Option<Flock<fs::File>> {
    if !is_private(run_root) {
        return None;
    }
    let place = meeting_place(run_root);
    if place != run_root {
        let mut directories = fs::DirBuilder::new();
        directories
            .recursive(true)
            .mode(0o700)
            .create(&place)
            .ok()?;
    }
    let file = fs::File::create(place.join(LOCK)).ok()?;
    Flock::lock(file, FlockArg::LockExclusive).ok()
}

/// Whether files may be left there. A directory that others may enter gets none: who makes it a run
/// root closes it only while it is empty.
fn is_private(run_root: &Path) -> bool {
    let others = |mode: u32| mode & 0o077;
    fs::metadata(run_root).is_ok_and(|metadata| others(metadata.mode()) == 0)
}

/// Leaves word of the holder that this process lives in where later commands look. A failure costs
/// them a new holder.
fn publish(map: &HolderMap, run_root: &Path) {
    let publish = || -> std::io::Result<()> {
        if !is_private(run_root) {
            return Ok(());
        }
        let mark = Mark::of_own()?;
        let place = meeting_place(run_root);
        let unfinished = place.join(format!("{FILE}.{}", std::process::id()));
        let mut file = fs::File::create(&unfinished)?;
        writeln!(file, "{}\n{}", mark.to_text(), map.fingerprint())?;
        fs::rename(&unfinished, place.join(FILE))?;
        dwell(&place);
        Ok(())
    };
    drop(publish());
}
