// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives that hold images: Docker's (`manifest.json`) and the image specification's
//! (`index.json` and `blobs/`), as a tar file, compressed or not, or as a directory.
//!
//! Nothing is unpacked here: an archive is a list of images whose layers are parts of files.
//!
//! What comes by a pipe is copied to a file without a name once, decompressed, before any of it is
//! unpacked. It could not be unpacked as it comes: all tools write what names the layers behind
//! them (`manifest.json` and `index.json` are the last members), so that neither which layer lies
//! below another is known, nor whether one is here already and need not be unpacked at all; and
//! from a file all layers are unpacked at once, from a pipe one after the other.

mod docker;
mod files;
mod oci;
mod sink;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

pub use self::sink::Output;
pub use self::write::{ArchiveForm, LayerForm, OutgoingImage, write};

use self::files::Files;
use super::tar::TarError;
use crate::oci::{Digest, Platform};
use crate::sys::fs::read_in_passing;

/// The largest document that is read into memory.
const DOCUMENT_MAX: u64 = 4 << 20;

/// One image of an archive.
#[derive(Debug)]
pub struct ArchivedImage {
    /// Its configuration.
    pub config: Vec<u8>,
    /// Its manifest, from the archive or made up as other tools make it up.
    pub manifest: Vec<u8>,
    /// Its names as the archive has them, short ones among them.
    pub names: Vec<String>,
    /// Its layers' blobs, lowest first.
    pub layers: Vec<ArchivedLayer>,
    /// What kind of archive it stands in.
    pub form: ArchiveForm,
}

/// The blob of a layer: a part of a file.
#[derive(Debug)]
pub struct ArchivedLayer {
    part: FilePart,
    /// The blob's digest, where the archive names it.
    pub blob_digest: Option<Digest>,
    /// What its manifest calls it.
    pub blob_type: Option<String>,
}

/// Why a file is no archive with images.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("read the archive")]
    Read(#[source] io::Error),
    /// It is not a tar file.
    #[error("payload does not match any of the supported image formats: {words}")]
    NotTar {
        /// What is wrong with it.
        words: String,
    },
    /// It is a tar file without images.
    #[error(
        "payload does not match any of the supported image formats: neither manifest.json \
         (docker-archive) nor index.json (oci-archive) is in it; a plain root file system is for \
         `import`"
    )]
    NoImages,
    /// It names a file that it does not hold.
    #[error("the archive names {name:?}, which is not in it")]
    Missing {
        /// The file.
        name: String,
    },
    /// A document does not read.
    #[error("{name} in the archive is damaged")]
    Document {
        /// The document.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A document is larger than any real one.
    #[error("{name} in the archive is too long: {size} bytes")]
    DocumentTooLong {
        /// The document.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A blob is not what its name says.
    #[error("{name} in the archive does not match: its content has the digest {found}")]
    WrongDigest {
        /// The blob.
        name: String,
        /// What the bytes say.
        found: Digest,
    },
    /// The numbers of layers in manifest and configuration differ.
    #[error("an image in the archive has {layers} layers, but {diff_ids} in its configuration")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// No image is for this machine.
    #[error("no image in the archive is for {platform}")]
    NoPlatform {
        /// What was looked for.
        platform: Platform,
    },
}

/// Reads the list of images in the archive at `path`.
///
/// # Errors
///
/// [`ArchiveError`] says why it is none.
pub fn open_path(path: &Path, scratch: &Path) -> Result<Vec<ArchivedImage>, ArchiveError> {
    if path.is_dir() {
        return images(&Files::directory(path));
    }
    let file = File::open(path).map_err(ArchiveError::Read)?;
    open_file(file, scratch)
}

/// Reads the list of images in an open archive, which may be a pipe. What cannot be read in any
/// order is copied to an unnamed file in `scratch` first.
///
/// # Errors
///
/// [`ArchiveError`] says why it is none.
pub fn open_file(file: File, scratch: &Path) -> Result<Vec<ArchivedImage>, ArchiveError> {
    images(&Files::tar(file, scratch)?)
}

fn images(files: &Files) -> Result<Vec<ArchivedImage>, ArchiveError> {
    if files.has("version") && files.has("manifest.json") {
        return oci::directory(files);
    }
    // Docker writes both; its own has the full names.
    if files.has("manifest.json") {
        return docker::images(files);
    }
    if files.has("index.json") {
        return oci::images(files, &Platform::host());
    }
    Err(ArchiveError::NoImages)
}

impl ArchivedLayer {
    /// The length of the blob in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.part.size
    }

    /// The blob, from its beginning.
    pub fn reader(&self) -> impl Read + Send + '_ {
        PartReader {
            part: &self.part,
            taken: 0,
            is_in_passing: true,
        }
    }
}

/// A part of a file.
#[derive(Debug, Clone)]
pub(super) struct FilePart {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Reads a part of a file without moving the file's position, which others may share.
struct PartReader<'a> {
    part: &'a FilePart,
    taken: u64,
    /// An archive is as large as all its layers: what is not in memory should not push out what is.
    /// It costs less, too, than to find memory for it.
    is_in_passing: bool,
}

impl PartReader<'_> {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = &self.part.file;
        if self.is_in_passing {
            match read_in_passing(file.as_fd(), buffer, offset) {
                Err(Errno::EOPNOTSUPP) => self.is_in_passing = false,
                result => return Ok(result?),
            }
        }
        file.read_at(buffer, offset)
    }
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.part.size - self.taken;
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let offset = self.part.offset + self.taken;
        let length = self.read_at(&mut buffer[..most], offset)?;
        if length == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.taken += length as u64;
        Ok(length)
    }
}

impl From<TarError> for ArchiveError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Read(source) => Self::Read(source),
            other => Self::NotTar {
                words: super::error::chain(&other),
            },
        }
    }
}

#[cfg(test)]
mod tests;
