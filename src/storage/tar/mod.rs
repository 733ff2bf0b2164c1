// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads tar streams that nobody vouches for: bounded headers, counted members, no seeking; and
//! writes the headers of our own.
//!
//! The fixed header is the tar crate's; what stands around it is ours, because that crate keeps
//! extension headers of any size in memory and splits PAX records at newlines, which binary
//! attributes such as `security.capability` hold.

mod header;
mod input;
mod pax;
mod recipe;
mod sparse;
mod sparse_map;
mod stream;
mod write;

use std::io;

pub(crate) use input::{SeekableInput, TarInput};
pub(crate) use recipe::{RecipeReader, RecipeWriter};
pub(crate) use stream::{DataError, TarStream};
pub(crate) use write::{END, padding, write_document_header, write_header};

/// What a member of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberKind {
    /// A regular file.
    File,
    /// Another name of an earlier file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileTime {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// One member of an archive, all extension headers applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The path as written, not cleaned.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: MemberKind,
    /// Permission bits, set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) modified: FileTime,
    /// Target of a link; empty otherwise.
    pub(crate) link: Vec<u8>,
    /// Major and minor number of a device.
    pub(crate) device: (u32, u32),
    /// Bytes of data that follow in the stream.
    pub(crate) stored_size: u64,
    /// Where the data of a sparse file belong.
    pub(crate) sparse: Option<SparseMap>,
    /// Extended attributes, by full name.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The pieces of a sparse file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SparseMap {
    /// Size of the whole file, holes included.
    pub(crate) real_size: u64,
    /// Offset and length of each piece, in the order of their data.
    pub(crate) pieces: Vec<(u64, u64)>,
}

/// What a stream may hold before it is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Members in all.
    pub(crate) members: u64,
    /// Bytes of one extension header: a long name, PAX records, a sparse map.
    pub(crate) extension_bytes: u64,
    /// Bytes of one path.
    pub(crate) path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 8_000_000,
            extension_bytes: 1024 * 1024,
            // Longer paths cannot be named to the kernel.
            path_bytes: 4095,
        }
    }
}

/// Why a stream is no tar archive that we take.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    #[error("read the archive")]
    Read(#[from] io::Error),
    #[error("the archive is cut off")]
    Truncated,
    #[error("not a tar archive, or a damaged one: {0}")]
    Header(String),
    #[error("member {name:?} has the unknown type {kind:?}")]
    UnknownKind { name: String, kind: char },
    #[error("extended header of {size} bytes at byte {position} is too long")]
    ExtensionTooLong { size: u64, position: u64 },
    #[error("damaged extended header: {0}")]
    Extension(String),
    #[error("more than {0} members")]
    TooManyMembers(u64),
    #[error("path of more than {0} bytes")]
    PathTooLong(usize),
    #[error("damaged sparse map of {0:?}")]
    Sparse(String),
    #[error("sparse file {name:?} is {size} bytes long; the file system has {room}")]
    SparseTooLong { name: String, size: u64, room: u64 },
}

/// Bytes of a name for a message.
pub(crate) fn printable(name: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(name).into_owned();
    if text.len() > 200 {
        let end = (0..=200).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
