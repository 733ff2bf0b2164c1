// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The files of an archive by name: members of a tar file, or files in a directory.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{ArchiveError, DOCUMENT_MAX, FilePart};
use crate::oci::Digest;
use crate::storage::compression::{Compression, MAGIC_LENGTH, decompress};
use crate::storage::tar::{Limits, MemberKind, SeekableInput, TarStream};

/// Links that are followed from one name to another.
const MAX_LINKS: usize = 8;

/// Bytes that are copied at once.
const PIECE: usize = 1 << 18;

/// Members of an archive: far more than any image has layers.
const MAX_MEMBERS: u64 = 100_000;

/// The files of one archive.
#[derive(Debug)]
pub(super) enum Files {
    Tar(TarFiles),
    Directory(PathBuf),
}

#[derive(Debug)]
pub(super) struct TarFiles {
    file: Arc<File>,
    members: HashMap<String, Place>,
}

/// Where a member's content is.
#[derive(Debug)]
enum Place {
    Part {
        offset: u64,
        size: u64,
    },
    /// Old archives link a layer that several images share.
    Link(String),
}

impl Files {
    pub(super) fn directory(path: &Path) -> Self {
        Self::Directory(path.to_owned())
    }

    /// Reads the table of contents of a tar file.
    pub(super) fn tar(file: File, scratch: &Path) -> Result<Self, ArchiveError> {
        let file = plain_file(file, scratch).map_err(ArchiveError::Read)?;
        let size = file.metadata().map_err(ArchiveError::Read)?.len();
        let again = file.try_clone().map_err(ArchiveError::Read)?;
        let input = SeekableInput::new(again).map_err(ArchiveError::Read)?;
        let limits = Limits {
            members: MAX_MEMBERS,
            ..Limits::default()
        };
        let mut stream = TarStream::new(input, limits);
        let mut members = HashMap::new();
        while let Some(member) = stream.next_member()? {
            let name = clean(&String::from_utf8_lossy(&member.path));
            let link = String::from_utf8_lossy(&member.link);
            let place = match member.kind {
                MemberKind::File => Place::Part {
                    offset: stream.position(),
                    size: member.stored_size,
                },
                MemberKind::Symlink => Place::Link(beside(&name, &link)),
                MemberKind::HardLink => Place::Link(clean(&link)),
                MemberKind::Directory
                | MemberKind::CharDevice
                | MemberKind::BlockDevice
                | MemberKind::Fifo => continue,
            };
            members.insert(name, place);
        }
        // A member whose data are cut off is noticed when the stream is read, not skipped.
        let fits = |place: &Place| match place {
            Place::Part {
                offset,
                size: length,
            } => offset + length <= size,
            Place::Link(_) => true,
        };
        members.retain(|_, place| fits(place));
        let file = Arc::new(file);
        Ok(Self::Tar(TarFiles { file, members }))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.part(name).is_ok()
    }

    /// The content of `name`.
    pub(super) fn part(&self, name: &str) -> Result<FilePart, ArchiveError> {
        let missing = || ArchiveError::Missing {
            name: name.to_owned(),
        };
        match self {
            Self::Tar(files) => files.part(name).ok_or_else(missing),
            Self::Directory(root) => {
                let path = Path::new(name);
                let inside = path
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)));
                if !inside {
                    return Err(missing());
                }
                let file = match File::open(root.join(path)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
                    result => result.map_err(ArchiveError::Read)?,
                };
                let size = file.metadata().map_err(ArchiveError::Read)?.len();
                Ok(FilePart {
                    file: Arc::new(file),
                    offset: 0,
                    size,
                })
            }
        }
    }

    /// A whole document.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let part = self.part(name)?;
        if part.size > DOCUMENT_MAX {
            return Err(ArchiveError::DocumentTooLong {
                name: name.to_owned(),
                size: part.size,
            });
        }
        let mut bytes = vec![0; usize::try_from(part.size).unwrap_or(0)];
        part.file
            .read_exact_at(&mut bytes, part.offset)
            .map_err(ArchiveError::Read)?;
        Ok(bytes)
    }

    /// A document of the type `T`.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<T, ArchiveError> {
        let bytes = self.document(name)?;
        serde_json::from_slice(&bytes).map_err(|source| ArchiveError::Document {
            name: name.to_owned(),
            source,
        })
    }

    /// A document named by its digest, which it must have.
    pub(super) fn blob_document(
        &self,
        digest: &Digest,
        file: fn(&Digest) -> String,
    ) -> Result<Vec<u8>, ArchiveError> {
        let name = file(digest);
        let bytes = self.document(&name)?;
        let mut digester = crate::oci::Digester::new(digest.algorithm());
        digester.update(&bytes);
        let found = digester.finish();
        if found == *digest {
            return Ok(bytes);
        }
        Err(ArchiveError::WrongDigest { name, found })
    }
}

/// Where the image specification puts a blob.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

impl TarFiles {
    fn part(&self, name: &str) -> Option<FilePart> {
        let mut name = clean(name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&name)? {
                Place::Part { offset, size } => {
                    return Some(FilePart {
                        file: Arc::clone(&self.file),
                        offset: *offset,
                        size: *size,
                    });
                }
                Place::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

/// The file itself if it is a plain tar file on a disk, else a copy of its plain content.
fn plain_file(mut file: File, scratch: &Path) -> io::Result<File> {
    if file.metadata()?.is_file() {
        let mut first = [0; MAGIC_LENGTH];
        let position = file.stream_position()?;
        let length = file.read_at(&mut first, position)?;
        if position == 0 && Compression::detect(&first[..length]) == Compression::None {
            return Ok(file);
        }
    }
    let mut copy = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600)
        .open(scratch)?;
    let mut first = Vec::with_capacity(MAGIC_LENGTH);
    io::Read::by_ref(&mut file)
        .take(MAGIC_LENGTH as u64)
        .read_to_end(&mut first)?;
    if Compression::detect(&first) == Compression::None {
        copy.write_all(&first)?;
        // From file to file: the kernel moves what is in the pipe, and nothing comes by here.
        io::copy(&mut file, &mut copy)?;
    } else {
        let whole = io::Cursor::new(first).chain(file);
        let mut plain = BufReader::with_capacity(PIECE, decompress(whole)?);
        io::copy(&mut plain, &mut copy)?;
    }
    copy.rewind()?;
    Ok(copy)
}

/// A member's name without `.`, `..` and leading slashes.
fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// `target` as seen from the directory of `name`.
fn beside(name: &str, target: &str) -> String {
    match name.rsplit_once('/') {
        Some((directory, _)) if !target.starts_with('/') => clean(&format!("{directory}/{target}")),
        _ => clean(target),
    }
}
