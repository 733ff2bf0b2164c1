// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Our overlay file system over FUSE: a hidden role of the binary.
//!
//! It shows a stack of directories as one, writes only to the topmost, and shows owners that the
//! files on disk need not have. It speaks the FUSE protocol on a descriptor that somebody else
//! mounted ([`serve`]), or mounts itself with the command line of fuse-overlayfs
//! ([`command_line`]). It knows nothing of images and containers.
//!
//! ```text
//! session       the server's life; linger: between two requests; requests: what the kernel asks; replies: what it is told
//! nodes         what the kernel knows: nodes, their names, their descriptors; number: what it calls them
//! elsewhere     where a file's data is, for an overlay of the kernel's above us
//! merge         one name through all layers; readdir: one directory through all layers; listing: its names
//! refresh       when the kernel is to list a directory anew; usage: what it asked of its files
//! attributes    what stat(2) shows; ids: whose a file is; xattrs
//! data          read, write and what else acts on an open file; shortcut: large reads
//! copy_up       from a lower layer to the upper one, before the first change
//! create remove rename setattr     changes, always in the upper layer
//! ```
//!
//! # How it differs from a plain implementation
//!
//! - Every access to a layer is one system call on a directory descriptor and one name, never a
//!   path. No link is followed, so nothing in a layer leads out of it.
//! - OPEN and OPENDIR are answered with ENOSYS once, after which the kernel opens files, reads
//!   cached pages and lists directories without asking. A descriptor therefore belongs to a node
//!   and not to an open file; a file that is unlinked while it may be open keeps one.
//! - The node number is the inode number that programs see: that of the file on disk, with the
//!   device in its upper bits, so it outlives the kernel's caches. Only a number that is still
//!   taken is replaced by one from a private range. A copied-up file keeps its number.
//! - The directories of a renamed tree are copied up with all that is in them and made opaque, so
//!   a rename never fails with EXDEV and the upper layer holds nothing that the kernel's overlay
//!   could not read.
//!
//! # Ownership
//!
//! With [`Ownership::Real`] the owner, mode and kind of a file are those of the file on disk. With
//! [`Ownership::Metadata`] every file on disk belongs to the server's user and is readable and
//! writable for it; what differs is kept in the `user.containers.override_stat` attribute, and
//! kinds that carry no such attribute (links of others than root, pipes, sockets, devices) are
//! kept as regular files. Permissions are enforced by the kernel: the mount must have
//! `default_permissions`.
//!
//! The kernel knows only owners that the mount's user namespace has ids for; chown(2) to any other
//! never arrives here, and a file shown with any other is nobody's and cannot be written. With
//! one id everything is therefore root's to look at ([`Squash::UnmappedToRoot`]), while the
//! metadata keep what the image says. mknod(2) of devices never arrives from a user namespace
//! either.
//!
//! # Limits
//!
//! Hard links of a lower layer stay together over copy-up while the mount lasts, but not over a
//! new mount, as in the kernel's overlay without an index. Metadata changes copy a file's data.
//! Ioctls are refused.

mod attributes;
mod backing;
pub mod command_line;
mod content;
mod copy_up;
mod create;
mod data;
mod elsewhere;
mod ids;
mod layer;
mod linger;
mod listing;
mod merge;
mod mounts;
mod nodes;
mod number;
mod overlay;
mod places;
mod readdir;
mod refresh;
mod refresher;
mod remove;
mod rename;
mod replies;
mod requests;
mod session;
mod setattr;
mod shortcut;
mod usage;
mod work;
mod xattrs;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use crate::layer_format::{FileKind, LayerOwners, OwnerRange};
use crate::sys::schedule::Processors;
use crate::sys::{Ignored as _, SysError};

pub use ids::{IdMapping, Squash};

/// Where owner, mode and kind of a file are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ownership {
    /// On the files themselves; the server may change owners.
    #[default]
    Real,
    /// In attributes of files that all belong to the server's user.
    Metadata,
}

/// Which forms of whiteouts and opaque marks the layers may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhiteoutForms {
    /// Those of the kernel's overlay: what our own layers have.
    #[default]
    Kernel,
    /// Also `.wh.` files, and opaque marks of fuse-overlayfs and of a privileged overlay. Costs a
    /// listing of each directory in which a name is looked up, and such names cannot be made.
    All,
}

/// Whether POSIX access control lists are shown and enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acl {
    /// Where the layers have them and owners are real and untranslated.
    #[default]
    IfPossible,
    /// Never.
    Off,
}

/// Whether extended attributes can be read and set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Xattrs {
    /// Those that a layer can keep.
    #[default]
    Shown,
    /// None.
    Off,
}

/// What fsync(2) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Writes to the disk.
    #[default]
    OnRequest,
    /// Nothing: the upper layer is thrown away anyway.
    Volatile,
}

/// The link count of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DirectoryLinks {
    /// That of the directory where one layer alone has it, else 1.
    #[default]
    Counted,
    /// Always 1, which says nothing of what is in it.
    One,
}

/// Who reads the data of files.
#[derive(Debug, Clone, Default)]
pub enum DataSource {
    /// The kernel asks us.
    #[default]
    Served,
    /// An overlay of the kernel's above us, which must be all that uses the mount: it is told where
    /// in its data-only layers the data of each larger file is. Owners that no id is mapped for
    /// are nobody at all.
    Elsewhere {
        /// The absolute path of each lower layer in those; `None` for one that is not in them.
        paths: Vec<Option<PathBuf>>,
    },
}

/// What to show, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The read-only layers, the topmost first.
    pub lower: Vec<PathBuf>,
    /// The layer that takes all changes; without it the mount is read-only.
    pub upper: Option<PathBuf>,
    /// A directory on the upper layer's file system for unfinished files.
    pub work: Option<PathBuf>,
    /// Where owners are kept.
    pub ownership: Ownership,
    /// Translation of user ids on disk; empty means none.
    pub uid_map: Vec<IdMapping>,
    /// Translation of group ids on disk; empty means none.
    pub gid_map: Vec<IdMapping>,
    /// Whose files appear as somebody else's.
    pub squash: Squash,
    /// Which marks the layers may have.
    pub whiteouts: WhiteoutForms,
    /// Access control lists.
    pub acl: Acl,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// What fsync(2) does.
    pub durability: Durability,
    /// The link count of directories.
    pub directory_links: DirectoryLinks,
    /// Who reads the data of files.
    pub data: DataSource,
    /// Directories and empty files that are made where they are missing.
    pub places: Vec<(PathBuf, FileKind)>,
}

impl Options {
    /// Layers whose data another reads, topmost first, with the ids that `owners` has for them;
    /// `paths` names their directories for that one.
    pub fn of_metadata(
        lower: Vec<PathBuf>,
        owners: &LayerOwners,
        paths: Vec<Option<PathBuf>>,
    ) -> Self {
        let map = |ranges: &[OwnerRange]| {
            let ranges = ranges.iter().map(|range| IdMapping {
                host: range.inside,
                container: range.outside,
                len: range.count,
            });
            ranges.collect()
        };
        Self {
            lower,
            uid_map: map(&owners.uids),
            gid_map: map(&owners.gids),
            data: DataSource::Elsewhere { paths },
            ..Self::default()
        }
    }
}

/// Why an overlay cannot be served.
#[derive(Debug, Error)]
pub enum OverlayError {
    /// There is nothing to show.
    #[error("an overlay needs at least one directory to show")]
    NoLayers,
    /// More layers than can be numbered.
    #[error("an overlay of {count} layers has more than the {limit} that are possible")]
    TooManyLayers {
        /// How many were given.
        count: usize,
        /// How many can be.
        limit: usize,
    },
    /// A layer's directory.
    #[error("open overlay layer {}", path.display())]
    OpenLayer {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// An upper layer without a work directory.
    #[error("overlay upper layer {} needs a work directory", upper.display())]
    NoWork {
        /// The upper layer.
        upper: PathBuf,
    },
    /// A rename from the work directory would fail.
    #[error("overlay work directory {} is not on the file system of its upper layer", path.display())]
    WorkElsewhere {
        /// The work directory.
        path: PathBuf,
    },
    /// The work directory.
    #[error("prepare overlay work directory {}", path.display())]
    Work {
        /// The work directory.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// The server's own surroundings.
    #[error("detach the overlay server from its caller")]
    Detach {
        /// The kernel's answer.
        source: SysError,
    },
    /// The conversation with the kernel.
    #[error("serve the overlay file system")]
    Session {
        /// What the kernel or the protocol said.
        source: std::io::Error,
    },
}

/// The start of a server whose file system is mounted only while the layers are opened.
#[derive(Debug)]
pub struct Start {
    /// Has a byte when it is mounted, and its end if it cannot be.
    pub mounted: OwnedFd,
    /// Whoever mounts it may keep the server to one processor: these are taken back when that has
    /// no more use.
    pub processors: Option<Processors>,
}

/// Serves an overlay on a mounted FUSE device until it is unmounted.
///
/// To be called in a process made for it, with one thread, in the user namespace whose ids the
/// layers carry and in a mount namespace where the layers' paths lead to them. The process gets a
/// session of its own and lets go of the caller's terminal, streams and working directory.
///
/// The mount must have `default_permissions` and `allow_other`, and `rootmode=40000`. It may be made
/// only while the layers are opened, as `start` says.
///
/// # Errors
///
/// [`OverlayError`], before the first request is answered for everything but
/// [`OverlayError::Session`].
pub fn serve(device: OwnedFd, start: Option<Start>, options: &Options) -> Result<(), OverlayError> {
    let mut overlay = overlay::Overlay::open(options)?;
    for (path, kind) in &options.places {
        // Whoever mounts there is told what is wrong with it.
        overlay.make_place(path, *kind).ignored();
    }
    session::detach().map_err(|source| OverlayError::Detach { source })?;
    let mut processors = None;
    if let Some(start) = start {
        let mut byte = [0];
        let read = File::from(start.mounted).read_exact(&mut byte);
        read.map_err(|source| OverlayError::Session { source })?;
        processors = start.processors;
    }
    session::run(device, (overlay, processors), || Ok(()))
}
