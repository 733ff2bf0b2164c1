// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel is told: outcomes of the overlay as replies of the protocol.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use fuser::{
    Generation, INodeNo, ReplyAttr, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyWrite,
};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;

use super::attributes::{Shown, file_type};
use super::ids::Owner;
use super::listing::Listing;
use super::number::NodeId;
use super::overlay::Overlay;
use super::usage::Beginning;

/// Nothing changes but through us, so the kernel may keep what it was told.
pub(super) const FOREVER: Duration = Duration::from_secs(1_000_000_000);

pub(super) fn protocol_errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno as i32)
}

/// A node number of 0 tells the kernel to remember that there is nothing.
pub(super) fn nothing() -> fuser::FileAttr {
    let zero = TimeSpec::new(0, 0);
    let shown = Shown {
        mode: libc::S_IFREG,
        owner: Owner { uid: 0, gid: 0 },
        kept_owner: Owner { uid: 0, gid: 0 },
        rdev: 0,
        nlink: 0,
        size: 0,
        blocks: 0,
        block_size: 4096,
        atime: zero,
        mtime: zero,
        ctime: zero,
    };
    shown.to_attr(0)
}

/// Sends the answer to a request that makes a node known.
pub(super) fn reply_entry(reply: ReplyEntry, outcome: nix::Result<(NodeId, Shown)>) {
    match outcome {
        Ok((id, shown)) => reply.entry(&FOREVER, &shown.to_attr(id), Generation(0)),
        Err(errno) => reply.error(protocol_errno(errno)),
    }
}

pub(super) fn reply_empty(reply: ReplyEmpty, outcome: nix::Result<()>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(protocol_errno(errno)),
    }
}

pub(super) fn reply_attr(reply: ReplyAttr, id: INodeNo, outcome: nix::Result<Shown>) {
    match outcome {
        Ok(shown) => reply.attr(&FOREVER, &shown.to_attr(id.0)),
        Err(errno) => reply.error(protocol_errno(errno)),
    }
}

pub(super) fn reply_written(reply: ReplyWrite, written: nix::Result<usize>) {
    match written {
        Ok(count) => reply.written(u32::try_from(count).unwrap_or(u32::MAX)),
        Err(errno) => reply.error(protocol_errno(errno)),
    }
}

/// Adds `.` and `..` to a listing that begins, unless the directory has lost its name.
pub(super) fn fill_dots(
    overlay: &mut Overlay,
    id: NodeId,
    offset: u64,
    mut add: impl FnMut(NodeId, u64, &OsStr) -> bool,
) -> nix::Result<()> {
    let directory = overlay.table.directory(id)?;
    if directory.removed {
        return Ok(());
    }
    let parent = directory.parent;
    let dots = [(id, 1, "."), (parent, 2, "..")];
    for (id, cookie, name) in dots {
        if offset < cookie && add(id, cookie, OsStr::new(name)) {
            break;
        }
    }
    Ok(())
}

/// Adds names; tells how many.
pub(super) fn fill_names(listing: &Listing, offset: u64, reply: &mut ReplyDirectory) -> usize {
    let mut count = 0;
    for entry in listing.after(offset) {
        let name = OsStr::from_bytes(entry.name.to_bytes());
        let kind = file_type(entry.kind);
        if reply.add(INodeNo(entry.id), entry.cookie, kind, name) {
            break;
        }
        count += 1;
    }
    count
}

/// Adds names with their attributes, each of which counts as a lookup; tells how many.
pub(super) fn fill_plus(
    overlay: &mut Overlay,
    id: NodeId,
    listing: &Listing,
    offset: u64,
    reply: &mut ReplyDirectoryPlus,
) -> nix::Result<usize> {
    let mut count = 0;
    if offset == 0 && overlay.table.directory(id)?.usage.list(listing.len()) == Beginning::Dots {
        return Ok(count);
    }
    for entry in listing.after(offset) {
        let Some((child, shown)) = overlay.lookup_listed(id, entry, listing.stale)? else {
            continue;
        };
        let attr = shown.to_attr(child);
        let name = OsStr::from_bytes(entry.name.to_bytes());
        let number = INodeNo(child);
        if reply.add(number, entry.cookie, name, &FOREVER, &attr, Generation(0)) {
            overlay.table.release(child);
            break;
        }
        overlay.table.count_lookup(child);
        count += 1;
    }
    Ok(count)
}
