// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blobs on their way into the store: a directory of their own in `tmp/`, locked as long as its
//! maker lives, which a sweep takes afterwards.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Artifacts;
use crate::oci::{Algorithm, Descriptor, Digest, Digester};
use crate::state::atomic;
use crate::state::dirs::Dirs;
use crate::state::locks::{Contention, DirectoryLock};
use crate::storage::error::StorageError;
use crate::storage::layers::{make_private, random_number};

/// Whoever is in a container may read what is mounted there; nobody changes it.
const MODE: u32 = 0o444;

/// Bytes that are read at once.
const PIECE: usize = 1 << 18;

/// Blobs that are not in their places yet. Dropped, it takes what is left away.
#[derive(Debug)]
pub struct ArtifactIntake {
    dirs: Dirs,
    path: PathBuf,
    _lock: DirectoryLock,
}

impl Artifacts {
    /// Begins to take blobs in.
    ///
    /// # Errors
    ///
    /// What mkdir(2) says.
    pub fn intake(&self) -> Result<ArtifactIntake, StorageError> {
        let failed = || StorageError::call("make room for an artifact");
        loop {
            let random = random_number().map_err(failed())?;
            let path = self.dirs.tmp().join(format!("artifact-{random:032x}"));
            make_private(&path).map_err(failed())?;
            // A sweep may have taken it before we could lock it.
            let lock = DirectoryLock::take(&path, Contention::Wait).map_err(failed())?;
            if let Some(lock) = lock {
                return Ok(ArtifactIntake {
                    dirs: self.dirs.clone(),
                    path,
                    _lock: lock,
                });
            }
        }
    }
}

impl ArtifactIntake {
    /// Keeps a blob that is in the store already from being removed; whether it is.
    pub fn hold(&self, digest: &Digest) -> bool {
        let there = self.dirs.artifacts().join(digest.hex());
        match fs::hard_link(there, self.path.join(digest.hex())) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::AlreadyExists,
        }
    }

    /// Takes a file in, of which nothing is known before; its digest and length.
    ///
    /// # Errors
    ///
    /// What reading and writing say.
    pub fn add(&self, reader: impl Read) -> Result<(Digest, u64), StorageError> {
        let (digest, length, unfinished) = self.write(reader, Algorithm::Sha256)?;
        self.finish(&unfinished, &digest)?;
        Ok((digest, length))
    }

    /// Takes a blob in that must be what `descriptor` says.
    ///
    /// # Errors
    ///
    /// [`StorageError::WrongBlob`], what reading and writing say.
    pub fn receive(&self, descriptor: &Descriptor, reader: impl Read) -> Result<(), StorageError> {
        let expected = &descriptor.digest;
        let (found, _, unfinished) = self.write(reader, expected.algorithm())?;
        if found == *expected {
            return self.finish(&unfinished, expected);
        }
        drop(fs::remove_file(&unfinished));
        let expected = expected.clone();
        Err(StorageError::WrongBlob { expected, found })
    }

    fn write(
        &self,
        mut reader: impl Read,
        algorithm: Algorithm,
    ) -> Result<(Digest, u64, PathBuf), StorageError> {
        const ACTION: &str = "keep a blob of an artifact in";
        let random = random_number().map_err(StorageError::call(ACTION))?;
        let path = self.path.join(format!("{random:032x}.unfinished"));
        let failed = |error: io::Error| StorageError::file(ACTION, &path)(error);
        let mut file = create(&path).map_err(failed)?;
        let mut digester = Digester::new(algorithm);
        let (mut piece, mut length) = (vec![0; PIECE], 0);
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    digester.update(&piece[..count]);
                    file.write_all(&piece[..count]).map_err(failed)?;
                    length += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StorageError::Input(error)),
            }
        }
        file.sync_all().map_err(failed)?;
        Ok((digester.finish(), length, path))
    }

    fn finish(&self, unfinished: &Path, digest: &Digest) -> Result<(), StorageError> {
        let path = self.path.join(digest.hex());
        atomic::rename(unfinished, &path).map_err(StorageError::call("keep a blob"))
    }

    /// Moves everything to its place, the manifest last; the caller holds the lock.
    pub(super) fn settle(&self, manifest: &[u8]) -> Result<Digest, StorageError> {
        let (digest, _) = self.add(manifest)?;
        let failed = || StorageError::call("keep an artifact");
        let blobs = crate::storage::layers::list(&self.path).map_err(failed())?;
        for from in blobs {
            let name = from.file_name().unwrap_or_default();
            let to = self.dirs.artifacts().join(name);
            // What is there already is the same, and may be mounted somewhere.
            if !to.exists() {
                atomic::rename(&from, &to).map_err(failed())?;
            }
        }
        atomic::sync_directory(&self.dirs.artifacts()).map_err(failed())?;
        Ok(digest)
    }
}

impl Drop for ArtifactIntake {
    fn drop(&mut self) {
        // What stays is swept.
        drop(fs::remove_dir_all(&self.path));
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(MODE).open(path)
}
