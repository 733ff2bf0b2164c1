// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers on disk. A layer appears by one rename of its finished directory and is never changed
//! after; it disappears by a rename into `tmp/`.
//!
//! ```text
//! layers/<chain id>/     diff/        the unpacked tree
//!                        layer.json   what it is
//!                        recipe.zst   its tar stream but for the content of files
//!                        .lock        locked shared by whoever has pinned the layer
//! tmp/layer-<chain id>/  the same while it is unpacked; locked by the process that unpacks
//! tmp/<chain id>-<random>.removed/    while it is removed
//! ```
//!
//! Two processes that want the same layer wait for each other at the lock of its unfinished
//! directory. Whoever is about to name a layer in a record holds a [`Pin`] on it until the record
//! is written; a layer that is pinned or named is not removed.

mod check;
mod intake;
mod roots;

pub use intake::Intake;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::unistd::syncfs;
use serde::{Deserialize, Serialize};

use super::error::{StorageError, chain};
use super::pack::LayerRoot;
use super::pipeline::{Algorithms, Passed, WriteBack, unpack_blob};
use super::tar::{RecipeReader, RecipeWriter};
use super::unpack::{Destination, RootDirectory, Unpacked};
use super::workplace::{self, Workplace};
use crate::oci::{Algorithm, Digest};
use crate::state::atomic::{self, Durability, read_document};
use crate::state::dirs::Dirs;
use crate::state::locks::{Contention, DirectoryLock};
use crate::sys::random::random_bytes;
use crate::sys::{Called, SysResult};

/// What is done to a layer that was unpacked.
const KEEP: &str = "keep layer";

/// The file of a layer that pins lock.
const LOCK: &str = ".lock";

/// The file of a layer that says how its tar stream is put together again.
const RECIPE: &str = "recipe.zst";

/// The layers below one data root.
#[derive(Debug, Clone)]
pub struct Layers {
    dirs: Dirs,
    /// Stores whose layers are used and never changed.
    additional: Vec<Self>,
}

/// A finished layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Names the layer together with all that lie below it.
    pub chain_id: Digest,
    /// The unpacked tree.
    pub diff_path: PathBuf,
    /// What `layer.json` says.
    pub record: LayerRecord,
}

/// `layer.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Digest of the tar stream.
    pub diff_id: Digest,
    /// The chain id of the layer below.
    pub parent: Option<Digest>,
    /// The blob that it was unpacked from, as it came.
    pub blob_digest: Digest,
    /// Size of that blob.
    pub blob_bytes: u64,
    /// What its manifest called that blob.
    #[serde(default)]
    pub blob_type: Option<String>,
    /// The id map that its files were written under.
    pub id_map: String,
    /// When it was unpacked.
    pub created: Option<Timestamp>,
    /// What the stream held.
    #[serde(flatten)]
    pub content: Unpacked,
}

/// What is known of a layer before it is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The digest of the tar stream.
    pub diff_id: Option<&'a Digest>,
    /// The digest of the blob as it comes.
    pub blob_digest: Option<&'a Digest>,
    /// What its manifest calls it.
    pub blob_type: Option<&'a str>,
}

/// Keeps a layer from being removed; ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct Pin {
    _lock: File,
}

impl Pin {
    /// Pins the layer whose lock is at `path`; `None` if there is none, or none any more.
    fn take(path: &Path) -> SysResult<Option<Self>> {
        let lock = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.called(|| format!("open({})", path.display()))?,
        };
        // Only a removal holds it exclusively, and for no longer than a rename.
        lock.lock_shared()
            .called(|| format!("flock({})", path.display()))?;
        let is_there = match (path.symlink_metadata(), lock.metadata()) {
            (Ok(named), Ok(locked)) => named.ino() == locked.ino(),
            _ => false,
        };
        Ok(is_there.then_some(Self { _lock: lock }))
    }
}

/// The chain id of a layer on top of `parent`.
pub fn chain_id(parent: Option<&Digest>, diff_id: &Digest) -> Digest {
    match parent {
        None => diff_id.clone(),
        Some(parent) => Digest::sha256(format!("{parent} {diff_id}").as_bytes()),
    }
}

/// The chain ids of the layers with these diff ids, lowest first.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(chain_id(chain.last(), diff_id));
    }
    chain
}

impl Layer {
    /// The layer's tar stream, byte for byte as it came. To be called, and read, in a
    /// [`Workplace`]: nobody else may read all of its files.
    ///
    /// # Errors
    ///
    /// A layer whose stream cannot be put together again: its archive held two files of one name,
    /// or it was unpacked by a coracle that did not keep how.
    pub fn stream(&self) -> io::Result<impl Read + Send + use<>> {
        let path = self.diff_path.with_file_name(RECIPE);
        let recipe = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let words = format!(
                    "the archive of layer {} cannot be put together again: get its image anew",
                    self.record.diff_id
                );
                return Err(io::Error::new(io::ErrorKind::Unsupported, words));
            }
            result => result?,
        };
        if self.record.content.replaced {
            let words = format!(
                "the archive of layer {} held several files of one name, and only the last is kept",
                self.record.diff_id
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, words));
        }
        RecipeReader::new(recipe, File::open(&self.diff_path)?.into())
    }
}

impl Layers {
    /// The layers below the image root of `dirs`, and of its additional stores. Touches nothing.
    pub fn new(dirs: &Dirs) -> Self {
        let additional = dirs.of_additional_images();
        Self {
            dirs: dirs.of_images(),
            additional: additional.map(|dirs| Self::new(&dirs)).collect(),
        }
    }

    /// Reads a layer's record.
    ///
    /// # Errors
    ///
    /// [`StorageError::MissingLayer`] if it is not there.
    pub fn read(&self, chain_id: &Digest) -> Result<Layer, StorageError> {
        let directory = self.path(chain_id);
        let path = directory.join("layer.json");
        let bytes = match read_document(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut elsewhere = self.additional.iter();
                let found = elsewhere.find_map(|layers| layers.read(chain_id).ok());
                let chain_id = chain_id.clone();
                return found.ok_or(StorageError::MissingLayer { chain_id });
            }
            result => result.map_err(StorageError::file("read", &path))?,
        };
        let record = serde_json::from_slice(&bytes)
            .map_err(|source| StorageError::Damaged { path, source })?;
        Ok(Layer {
            chain_id: chain_id.clone(),
            diff_path: directory.join("diff"),
            record,
        })
    }

    /// Keeps a layer from being removed; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// What open(2) and flock(2) say.
    pub fn pin(&self, chain_id: &Digest) -> Result<Option<Pin>, StorageError> {
        let stores = std::iter::once(self).chain(&self.additional);
        for layers in stores {
            let pin = Pin::take(&layers.path(chain_id).join(LOCK));
            if let Some(pin) = pin.map_err(StorageError::call("pin layer"))? {
                return Ok(Some(pin));
            }
        }
        Ok(None)
    }

    /// Unpacks the blob `source` on top of `parent`, unless the layer is there already.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unpack`] for a damaged or hostile blob, [`StorageError::WrongDigest`] for
    /// one that is not what was expected. Nothing is left behind.
    pub fn add(
        &self,
        parent: Option<&Digest>,
        expected: Expected<'_>,
        source: impl Read + Send,
        workplace: &dyn Workplace,
    ) -> Result<(Layer, Pin), StorageError> {
        let directory = self.directory()?;
        match self.unpack(parent, expected, source, workplace, None)? {
            Arrived::Here(layer, pin) => Ok((*layer, pin)),
            Arrived::Unpacked(unpacked) => {
                let chain_id = unpacked.chain_id.clone();
                let mut pins = self.keep(vec![unpacked], &directory, workplace)?;
                let pin = pins.pop().expect("each layer has a pin");
                Ok((self.read(&chain_id)?, pin))
            }
        }
    }

    /// Unpacks the blob `source`; what is new has yet to be brought to its place.
    fn unpack(
        &self,
        parent: Option<&Digest>,
        expected: Expected<'_>,
        source: impl Read + Send,
        workplace: &dyn Workplace,
        write_back: Option<&WriteBack>,
    ) -> Result<Arrived, StorageError> {
        let known = expected.diff_id.map(|diff_id| chain_id(parent, diff_id));
        let found = || known.as_ref().map_or(Ok(None), |id| self.pinned(id));
        if let Some((layer, pin)) = found()? {
            return Ok(Arrived::Here(Box::new(layer), pin));
        }
        let stage = self.stage(known.as_ref(), workplace)?;
        if let Some((layer, pin)) = found()? {
            // Another process was faster; we waited for it at the lock.
            stage.discard(workplace);
            return Ok(Arrived::Here(Box::new(layer), pin));
        }
        match self.fill(&stage, parent, expected, source, workplace, write_back) {
            Ok((chain_id, pin)) => Ok(Arrived::Unpacked(UnpackedLayer {
                stage,
                chain_id,
                pin,
            })),
            Err(error) => {
                stage.discard(workplace);
                Err(error)
            }
        }
    }

    fn fill(
        &self,
        stage: &Stage,
        parent: Option<&Digest>,
        expected: Expected<'_>,
        source: impl Read + Send,
        workplace: &dyn Workplace,
        write_back: Option<&WriteBack>,
    ) -> Result<(Digest, Pin), StorageError> {
        let algorithm =
            |digest: Option<&Digest>| digest.map_or(Algorithm::Sha256, Digest::algorithm);
        let algorithms = Algorithms {
            diff_id: algorithm(expected.diff_id),
            blob: algorithm(expected.blob_digest),
        };
        let below = parent.map(|parent| self.path(parent).join("diff"));
        let passed = stage.unpack(source, algorithms, below.as_deref(), workplace, write_back)?;
        check(expected.diff_id, &passed.diff_id)?;
        check(expected.blob_digest, &passed.blob_digest)?;
        let chain_id = chain_id(parent, &passed.diff_id);
        let record = LayerRecord {
            diff_id: passed.diff_id,
            parent: parent.cloned(),
            blob_digest: passed.blob_digest,
            blob_bytes: passed.blob_bytes,
            blob_type: expected.blob_type.map(str::to_owned),
            id_map: workplace.id_map(),
            created: Some(Timestamp::now()),
            content: passed.unpacked,
        };
        let bytes = serde_json::to_vec(&record).expect("a record has string keys");
        let pin = stage.record(&bytes).map_err(StorageError::call(KEEP))?;
        Ok((chain_id, pin))
    }

    /// Brings all that was unpacked to the disk, then each layer to its place, and their names to
    /// the disk: nobody sees a layer whose files a power cut could take. `directory` was opened
    /// before they were unpacked, for what fails to be written is told to older descriptors only.
    fn keep(
        &self,
        unpacked: Vec<UnpackedLayer>,
        directory: &File,
        workplace: &dyn Workplace,
    ) -> Result<Vec<Pin>, StorageError> {
        let path = self.dirs.layers();
        if let Err(error) = syncfs(directory).called(|| format!("syncfs({})", path.display())) {
            for unpacked in &unpacked {
                unpacked.stage.discard(workplace);
            }
            return Err(StorageError::call(KEEP)(error));
        }
        let pins: Result<Vec<Pin>, StorageError> = unpacked
            .into_iter()
            .map(|unpacked| self.place(unpacked, workplace))
            .collect();
        directory
            .sync_all()
            .map_err(StorageError::file("sync", &path))?;
        pins
    }

    /// The directory of all layers.
    fn directory(&self) -> Result<File, StorageError> {
        let path = self.dirs.layers();
        make_private(&path).map_err(StorageError::call(KEEP))?;
        File::open(&path).map_err(StorageError::file("open", &path))
    }

    /// Puts a finished layer in its place.
    fn place(
        &self,
        unpacked: UnpackedLayer,
        workplace: &dyn Workplace,
    ) -> Result<Pin, StorageError> {
        let UnpackedLayer {
            stage,
            chain_id,
            pin,
        } = unpacked;
        match atomic::rename(&stage.path, &self.path(&chain_id)) {
            Ok(()) => Ok(pin),
            // A stream whose digest nobody knew before turned out to be a layer that is there.
            Err(_) if self.path(&chain_id).exists() => {
                stage.discard(workplace);
                self.pin(&chain_id)?
                    .ok_or(StorageError::MissingLayer { chain_id })
            }
            Err(error) => Err(StorageError::call(KEEP)(error)),
        }
    }

    /// The layer with a pin, if it is there.
    fn pinned(&self, chain_id: &Digest) -> Result<Option<(Layer, Pin)>, StorageError> {
        match self.pin(chain_id)? {
            Some(pin) => Ok(Some((self.read(chain_id)?, pin))),
            None => Ok(None),
        }
    }

    /// Whether a layer is of this store, not of an additional one.
    pub(super) fn owns(&self, layer: &Layer) -> bool {
        layer.diff_path.starts_with(self.path(&layer.chain_id))
    }

    fn path(&self, chain_id: &Digest) -> PathBuf {
        self.dirs.layers().join(chain_id.hex())
    }

    /// Makes and locks the directory that a layer is unpacked into. What a killed process left in
    /// it is removed.
    fn stage(
        &self,
        chain_id: Option<&Digest>,
        workplace: &dyn Workplace,
    ) -> Result<Stage, StorageError> {
        const ACTION: &str = "make room for layer";
        let failed = || StorageError::call(ACTION);
        let name = match chain_id {
            Some(chain_id) => format!("layer-{}", chain_id.hex()),
            None => format!("layer-{:032x}", random_number().map_err(failed())?),
        };
        let path = self.dirs.tmp().join(name);
        make_private(&self.dirs.tmp()).map_err(failed())?;
        loop {
            match make_private(&path) {
                // It was there, and is not any more: whoever held it has moved it to its place.
                Err(error) if error.errno == Errno::EEXIST && !path.exists() => continue,
                made => made.map_err(failed())?,
            }
            let lock = DirectoryLock::take(&path, Contention::Wait).map_err(failed())?;
            // Whoever held it may have renamed it to its place.
            let Some(lock) = lock else {
                continue;
            };
            for left in list(&path).map_err(failed())? {
                workplace::remove(left, workplace)?;
            }
            let diff_path = path.join("diff");
            make_diff(&diff_path).map_err(failed())?;
            return Ok(Stage { path, _lock: lock });
        }
    }

    /// Takes every layer that `is_named` does not claim, and that nobody has pinned, out of the
    /// store. What is returned is to be given to [`Layers::discard`].
    pub(super) fn take_out(
        &self,
        is_named: impl Fn(&str) -> bool,
    ) -> Result<Vec<PathBuf>, StorageError> {
        let failed = || StorageError::call("collect layers");
        let mut taken = Vec::new();
        for path in list(&self.dirs.layers()).map_err(failed())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if is_named(&name) {
                continue;
            }
            let lock = DirectoryLock::take(&path.join(LOCK), Contention::GiveUp);
            let Some(_lock) = lock.map_err(failed())? else {
                continue;
            };
            let random = random_number().map_err(failed())?;
            let removed = format!("{name}-{random:032x}.removed");
            let removed = self.dirs.tmp().join(removed);
            make_private(&self.dirs.tmp()).map_err(failed())?;
            atomic::rename(&path, &removed).map_err(failed())?;
            taken.push(removed);
        }
        Ok(taken)
    }

    /// Removes trees that [`Layers::take_out`] took; what cannot be removed is returned.
    pub(super) fn discard(taken: &[PathBuf], workplace: &dyn Workplace) -> Vec<StorageError> {
        workplace::remove_all(taken, workplace)
    }
}

/// A layer that is to be had.
enum Arrived {
    /// It was in its place already.
    Here(Box<Layer>, Pin),
    /// It has yet to be brought there.
    Unpacked(UnpackedLayer),
}

/// A finished layer that is not in its place.
struct UnpackedLayer {
    stage: Stage,
    chain_id: Digest,
    /// Taken before others can see the layer.
    pin: Pin,
}

/// An unfinished layer, locked.
struct Stage {
    path: PathBuf,
    _lock: DirectoryLock,
}

impl Stage {
    /// Writes what belongs to the layer beside its files.
    fn record(&self, record: &[u8]) -> SysResult<Pin> {
        let lock_path = self.path.join(LOCK);
        atomic::write_new_file(&lock_path, b"", Durability::Unsynced)?;
        let pin = Pin::take(&lock_path)?.expect("it was just made, where nobody else looks");
        let record_path = self.path.join("layer.json");
        atomic::write_new_file(&record_path, record, Durability::Unsynced)?;
        Ok(pin)
    }

    fn unpack(
        &self,
        source: impl Read + Send,
        algorithms: Algorithms,
        below: Option<&Path>,
        workplace: &dyn Workplace,
        write_back: Option<&WriteBack>,
    ) -> Result<Passed, StorageError> {
        let diff_path = self.path.join("diff");
        let root = File::open(&diff_path).map_err(StorageError::file("open", &diff_path))?;
        let recipe_path = self.path.join(RECIPE);
        let recipe = File::create_new(&recipe_path)
            .and_then(RecipeWriter::new)
            .map_err(StorageError::file("write", &recipe_path))?;
        let ownership = workplace.ownership();
        let mut once = Some((source, recipe));
        let mut work = || {
            let (source, recipe) = once.take().expect("the work is done once");
            let destination = Destination {
                root: root.as_fd(),
                ownership,
                usual_root: below.map_or_else(RootDirectory::default, root_directory),
            };
            let unpack = |write_back: &WriteBack| {
                unpack_blob(source, destination, algorithms, Some(recipe), write_back)
            };
            let result = match write_back {
                Some(write_back) => unpack(write_back),
                None => WriteBack::beside(root.as_fd(), unpack),
            };
            let result = result.map_err(|error| chain(&error));
            serde_json::to_vec(&result).expect("a result has string keys")
        };
        let answer = workplace.run(&mut work);
        let words = match answer {
            Ok(answer) => match serde_json::from_slice::<Result<Passed, String>>(&answer) {
                Ok(Ok(passed)) => return Ok(passed),
                Ok(Err(words)) => words,
                Err(error) => error.to_string(),
            },
            Err(words) => words,
        };
        Err(StorageError::Unpack { words })
    }

    /// A failure to remove leaves a directory in `tmp/`, which the next sweep takes.
    fn discard(&self, workplace: &dyn Workplace) {
        drop(workplace::remove(self.path.clone(), workplace));
    }
}

/// A layer's root is as the one below it, unless it says otherwise.
fn root_directory(below: &Path) -> RootDirectory {
    LayerRoot::open(below)
        .and_then(|layer| layer.root_directory())
        .unwrap_or_default()
}

fn check(expected: Option<&Digest>, found: &Digest) -> Result<(), StorageError> {
    match expected {
        Some(expected) if expected != found => Err(StorageError::WrongDigest {
            expected: expected.clone(),
            found: found.clone(),
        }),
        _ => Ok(()),
    }
}

pub(super) fn random_number() -> SysResult<u128> {
    Ok(u128::from_ne_bytes(random_bytes()?))
}

pub(super) fn make_private(path: &Path) -> SysResult<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .called(|| format!("mkdir({})", path.display()))
}

/// The root of a layer whose archive does not name it.
fn make_diff(path: &Path) -> SysResult<()> {
    make_private(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .called(|| format!("chmod({})", path.display()))
}

/// The paths in a directory; none if it is not there.
pub(super) fn list(path: &Path) -> SysResult<Vec<PathBuf>> {
    let called = || format!("readdir({})", path.display());
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.called(called)?,
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()).called(called))
        .collect()
}
