// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Turns a layer's tar stream into a directory, one member at a time.
//!
//! # Security
//!
//! The stream is untrusted. Every path is opened below the layer's root with openat2(2) and never
//! leaves it, whatever links the stream made before; the last component is created exclusively and
//! never followed. Hard links reach earlier members only. Attributes that mean something to the
//! layer format are never taken from the stream.

mod destination;
mod entries;
mod ids;
mod path;
mod place;
mod tree;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

pub use self::destination::Ownership;
pub(crate) use self::destination::{Destination, RootDirectory, UnpackError};
use self::path::CleanPath;
use self::tree::Tree;
pub(super) use self::tree::set_root_directory;
use super::tar::{Limits, Member, MemberKind, RecipeWriter, TarInput, TarStream, printable};

/// What an unpacked layer needs of the one who serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unpacked {
    /// Bytes of the tar stream.
    pub size_bytes: u64,
    /// Members of the stream.
    pub members: u64,
    /// Owners or modes are kept as metadata: only an overlay that reads it shows the truth.
    pub ids_as_metadata: bool,
    /// Device nodes are kept as metadata; containers have their own /dev, so few care.
    pub devices_as_metadata: bool,
    /// A later member took the place of an earlier one, whose data are gone: the stream cannot be
    /// put together again.
    pub replaced: bool,
    /// The stream says whose the root directory is; otherwise it is as in the layer below.
    pub root_is_member: bool,
}

impl Default for Unpacked {
    /// A record of a coracle that did not keep it says nothing of the root, so that it stays.
    fn default() -> Self {
        Self {
            size_bytes: 0,
            members: 0,
            ids_as_metadata: false,
            devices_as_metadata: false,
            replaced: false,
            root_is_member: true,
        }
    }
}

/// Unpacks the stream to its very end, and notes in `recipe` how it is put together again.
pub(crate) fn unpack(
    input: impl TarInput,
    destination: Destination<'_>,
    recipe: Option<RecipeWriter>,
) -> Result<Unpacked, UnpackError> {
    let mut stream = TarStream::new(input, Limits::default());
    stream.record(recipe);
    let mut tree = Tree::new(destination)?;
    let mut members = 0;
    while let Some(member) = stream.next_member()? {
        members += 1;
        place_member(&mut tree, &member, &mut stream)?;
    }
    stream.drain()?;
    stream
        .finish_recipe()
        .map_err(|source| UnpackError::Recipe { source })?;
    tree.finish()
        .map_err(|source| UnpackError::Finish { source })?;
    Ok(Unpacked {
        size_bytes: stream.position(),
        members,
        ids_as_metadata: tree.ids_as_metadata(),
        devices_as_metadata: tree.devices_as_metadata(),
        replaced: tree.replaced(),
        root_is_member: tree.root_is_member(),
    })
}

fn place_member(
    tree: &mut Tree<'_>,
    member: &Member,
    stream: &mut TarStream<impl TarInput>,
) -> Result<(), UnpackError> {
    let shown = || printable(&member.path);
    let Some(path) = CleanPath::new(&member.path) else {
        return Err(UnpackError::Escapes { path: shown() });
    };
    let placed = match member.kind {
        MemberKind::HardLink => {
            let target = printable(&member.link);
            let Some(link) = CleanPath::new(&member.link) else {
                let path = shown();
                return Err(UnpackError::NoLinkTarget { path, target });
            };
            match tree.hard_link(&path, &link) {
                Err(error) if error.errno == Errno::ENOENT => {
                    let path = shown();
                    return Err(UnpackError::NoLinkTarget { path, target });
                }
                result => result,
            }
        }
        MemberKind::Symlink if member.link.is_empty() => {
            return Err(UnpackError::EmptyLink { path: shown() });
        }
        MemberKind::Symlink if member.link.contains(&0) => {
            let target = printable(&member.link);
            return Err(UnpackError::ImpossibleLink {
                path: shown(),
                target,
            });
        }
        MemberKind::File => tree.file(&path, member, stream)?,
        MemberKind::Symlink
        | MemberKind::CharDevice
        | MemberKind::BlockDevice
        | MemberKind::Directory
        | MemberKind::Fifo => tree.node(&path, member),
    };
    placed.map_err(|source| {
        let path = shown();
        if source.errno == Errno::EPERM && source.call.starts_with("fchown") {
            return UnpackError::KeepsOwners { path };
        }
        UnpackError::Member { path, source }
    })
}

#[cfg(test)]
mod tests;
