// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Artifacts: files that are no images, kept as they came under the digest of a manifest.
//!
//! ```text
//! artifacts/<hex>          manifests, and the blobs that they name
//! names/artifacts/<name>   which manifest has the name
//! ```
//!
//! A manifest is kept by a name or by a manifest list; a blob by a manifest. Blobs come into a
//! directory of their own in `tmp/`, for as long as that takes, and move to their places together
//! with the name that keeps them, under the lock of `artifacts/`. What was there before is linked
//! into that directory, so that nobody's removal can take it away meanwhile. Readers take no lock.

mod intake;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

pub use self::intake::ArtifactIntake;
use super::error::{StorageError, chain};
use super::images::Images;
use super::layers::{list, make_private};
use super::names;
use crate::oci::{Digest, Digester, Manifest};
use crate::state::atomic::{self, is_half_written, read_document};
use crate::state::dirs::Dirs;
use crate::state::locks::{Contention, DirectoryLock};

/// The artifacts below one image root. Holds no descriptor.
#[derive(Debug, Clone)]
pub struct Artifacts {
    dirs: Dirs,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name as it was given.
    pub name: String,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// Whether a name may be another artifact's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming<'a> {
    /// It must be free.
    New,
    /// Whoever has it loses it.
    Replace,
    /// It must be that of this manifest still.
    Change(&'a Digest),
}

impl Artifacts {
    /// The artifacts beside the images of `dirs`. Touches nothing.
    pub fn open(dirs: &Dirs) -> Self {
        Self::of(&dirs.of_images())
    }

    pub(super) fn of(dirs: &Dirs) -> Self {
        Self { dirs: dirs.clone() }
    }

    /// Finds an artifact by its name, or by the first digits of its manifest's digest.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchArtifact`].
    pub fn find(&self, text: &str) -> Result<Artifact, StorageError> {
        if let Some(digest) = self.named(text)? {
            let name = text.to_owned();
            return Ok(Artifact { name, digest });
        }
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let mut all = self.list()?.into_iter();
        let found = all.find(|one| !prefix.is_empty() && one.digest.hex().starts_with(prefix));
        found.ok_or_else(|| no_such(text))
    }

    /// All artifacts, in the order in which they got their names; one manifest of several names is
    /// there several times.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list(&self) -> Result<Vec<Artifact>, StorageError> {
        let mut listed = Vec::new();
        for (digest, names) in names::all(&self.names_directory())? {
            listed.extend(names.into_iter().map(|name| Artifact {
                name,
                digest: digest.clone(),
            }));
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// The bytes of a manifest.
    ///
    /// # Errors
    ///
    /// [`StorageError::MissingBlob`].
    pub fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, StorageError> {
        let path = self.path(digest);
        read_document(&path).map_err(|error| missing_or_unreadable(digest, path, error))
    }

    /// A blob, and where it is.
    ///
    /// # Errors
    ///
    /// [`StorageError::MissingBlob`].
    pub fn blob(&self, digest: &Digest) -> Result<(File, PathBuf), StorageError> {
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok((file, path)),
            Err(error) => Err(missing_or_unreadable(digest, path, error)),
        }
    }

    /// Bytes of all blobs and manifests, and of those that no name and no list keeps.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn disk_bytes(&self) -> Result<(u64, u64), StorageError> {
        let kept = self.kept()?;
        let (mut all, mut superfluous) = (0, 0);
        for path in list(&self.dirs.artifacts()).map_err(StorageError::call("list artifacts"))? {
            let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            all += length;
            if kept.as_ref().is_some_and(|kept| !kept.contains(&*name)) {
                superfluous += length;
            }
        }
        Ok((all, superfluous))
    }

    /// Gives the manifest that `intake` brought a name.
    ///
    /// # Errors
    ///
    /// [`StorageError::ArtifactExists`], [`StorageError::ArtifactChanged`], what writing says.
    pub fn add(
        &self,
        intake: &ArtifactIntake,
        manifest: &[u8],
        name: &str,
        naming: Naming<'_>,
    ) -> Result<Digest, StorageError> {
        let _lock = self.lock()?;
        let known = self.named(name)?;
        match naming {
            Naming::New if known.is_some() => {
                let name = name.to_owned();
                return Err(StorageError::ArtifactExists { name });
            }
            Naming::Change(digest) if known.as_ref() != Some(digest) => {
                let name = name.to_owned();
                return Err(StorageError::ArtifactChanged { name });
            }
            Naming::New | Naming::Change(_) | Naming::Replace => {}
        }
        let digest = intake.settle(manifest)?;
        names::set(&self.names_directory(), name, &digest)?;
        self.collect_locked()?;
        Ok(digest)
    }

    /// Keeps the manifest that `intake` brought for a list that `change` writes it into.
    ///
    /// # Errors
    ///
    /// What writing says, and `change`.
    pub fn add_to_list(
        &self,
        intake: &ArtifactIntake,
        manifest: &[u8],
        change: impl FnOnce(Digest) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        change(intake.settle(manifest)?)
    }

    /// Removes an artifact's name, and what nothing else keeps.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchArtifact`] if the name has gone or is another's.
    pub fn remove(&self, artifact: &Artifact) -> Result<(), StorageError> {
        let _lock = self.lock()?;
        if self.named(&artifact.name)?.as_ref() != Some(&artifact.digest) {
            return Err(no_such(&artifact.name));
        }
        names::remove(&self.names_directory(), &artifact.name)?;
        atomic::sync_directory(&self.names_directory())
            .map_err(StorageError::call("remove artifact"))?;
        self.collect_locked()
    }

    /// Removes what neither a name nor a list keeps.
    ///
    /// # Errors
    ///
    /// What readdir(3) and unlink(2) say.
    pub fn collect(&self) -> Result<(), StorageError> {
        if !self.dirs.artifacts().exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.collect_locked()
    }

    /// What is wrong, in words, and with which artifact. With [`Content::Read`] every byte is read.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn check(&self, content: Content) -> Result<Vec<Wrong>, StorageError> {
        let mut damaged = match content {
            Content::Named => BTreeMap::new(),
            Content::Read => self.damaged_blobs()?,
        };
        let (mut wrong, mut told) = (Vec::new(), Vec::new());
        for artifact in self.list()? {
            let about = |words: &str| {
                let words = format!("artifact {}: {words}", artifact.name);
                (words, Some(artifact.clone()))
            };
            let blobs = match self.blobs_of(&artifact.digest) {
                Ok(blobs) => blobs,
                Err(error) => {
                    wrong.push(about(&chain(&error)));
                    continue;
                }
            };
            for digest in blobs {
                if let Some(words) = damaged.get(&digest) {
                    wrong.push(about(words));
                    told.push(digest);
                } else if !self.path(&digest).is_file() {
                    wrong.push(about(&StorageError::MissingBlob { digest }.to_string()));
                }
            }
        }
        // What nothing names is swept, whatever is in it.
        let kept = self.kept()?;
        let is_kept =
            |digest: &Digest| kept.as_ref().is_none_or(|kept| kept.contains(digest.hex()));
        damaged.retain(|digest, _| !told.contains(digest) && is_kept(digest));
        wrong.extend(damaged.into_values().map(|words| (words, None)));
        Ok(wrong)
    }

    /// Files that are not what their names say, and why.
    fn damaged_blobs(&self) -> Result<BTreeMap<Digest, String>, StorageError> {
        let paths = list(&self.dirs.artifacts()).map_err(StorageError::call("list artifacts"))?;
        let mut wrong = BTreeMap::new();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let digests = ["sha256", "sha512"].map(|hash| Digest::parse(&format!("{hash}:{name}")));
            // Half-written ones have other names.
            let Some(digest) = digests.into_iter().find_map(Result::ok) else {
                continue;
            };
            let mut digester = Digester::new(digest.algorithm());
            let read = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut digester));
            let reason = match read {
                Ok(_) if digester.finish() == digest => continue,
                Ok(_) => "its digest is not its name".to_owned(),
                // Somebody has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => error.to_string(),
            };
            wrong.insert(digest, format!("{}: {reason}", path.display()));
        }
        Ok(wrong)
    }

    /// Every digest that a manifest names, and its own.
    fn blobs_of(&self, digest: &Digest) -> Result<Vec<Digest>, StorageError> {
        let bytes = self.manifest(digest)?;
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|source| {
            let path = self.path(digest);
            StorageError::Damaged { path, source }
        })?;
        let blobs = manifest.layers.into_iter().chain([manifest.config]);
        let blobs = blobs.map(|blob| blob.digest).chain([digest.clone()]);
        Ok(blobs.collect())
    }

    /// The names of the files that something keeps; `None` if that cannot be told, since a manifest
    /// does not read.
    fn kept(&self) -> Result<Option<HashSet<String>>, StorageError> {
        let named = names::all(&self.names_directory())?.into_keys();
        let listed = Images::open(&self.dirs).listed_artifacts()?;
        let mut kept = HashSet::new();
        for digest in named.chain(listed) {
            let Ok(blobs) = self.blobs_of(&digest) else {
                return Ok(None);
            };
            kept.extend(blobs.into_iter().map(|blob| blob.hex().to_owned()));
        }
        Ok(Some(kept))
    }

    fn collect_locked(&self) -> Result<(), StorageError> {
        let Some(kept) = self.kept()? else {
            return Ok(());
        };
        for path in list(&self.dirs.artifacts()).map_err(StorageError::call("list artifacts"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if kept.contains(&*name) {
                continue;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        for path in list(&self.names_directory()).map_err(StorageError::call("list names"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if is_half_written(&name) {
                fs::remove_file(&path).map_err(StorageError::file("remove", &path))?;
            }
        }
        Ok(())
    }

    fn named(&self, name: &str) -> Result<Option<Digest>, StorageError> {
        names::get(&self.names_directory(), name)
    }

    fn names_directory(&self) -> PathBuf {
        names::of_artifacts(&self.dirs)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dirs.artifacts().join(digest.hex())
    }

    fn lock(&self) -> Result<DirectoryLock, StorageError> {
        let path = self.dirs.artifacts();
        let failed = || StorageError::call("lock the artifacts");
        loop {
            make_private(&path).map_err(failed())?;
            let lock = DirectoryLock::take(&path, Contention::Wait).map_err(failed())?;
            if let Some(lock) = lock {
                return Ok(lock);
            }
        }
    }
}

/// What is wrong, in words, and the artifact that cannot be used.
pub type Wrong = (String, Option<Artifact>);

/// How closely is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Whether everything is there.
    Named,
    /// Whether it is what it was, too.
    Read,
}

fn no_such(name: &str) -> StorageError {
    StorageError::NoSuchArtifact {
        name: name.to_owned(),
    }
}

fn missing_or_unreadable(digest: &Digest, path: PathBuf, error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::NotFound {
        let digest = digest.clone();
        return StorageError::MissingBlob { digest };
    }
    StorageError::file("read", path)(error)
}

#[cfg(test)]
mod tests;
