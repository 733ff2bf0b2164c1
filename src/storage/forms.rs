// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The compressed forms of a layer. Those that are known spare a registry what it has already;
//! those that came in an archive and that nobody could make again are kept, so that the image
//! leaves under the digest that it came under.
//!
//! ```text
//! layers/<chain id>/  forms.json   blobs that unpack to the layer, beside the one in layer.json
//!                     blob-<hex>   such a blob, kept
//! ```
//!
//! Whoever adds to either has pinned the layer. Both go with it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

use super::compress::{begins_as_ours, unnamed_file};
use super::compression::decompress;
use super::error::StorageError;
use super::layers::{Layer, Layers, list};
use crate::oci::{Descriptor, Digest, Digester};
use crate::state::atomic::{self, Durability};
use crate::sys::{Called, SysResult};

const FORMS: &str = "forms.json";

/// What the names of kept blobs begin with.
const KEPT: &str = "blob-";

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

impl Layer {
    /// The compressed blobs that are known to unpack to this layer.
    pub fn forms(&self) -> Vec<Descriptor> {
        let record = &self.record;
        let own = record.blob_type.as_ref().map(|media_type| Descriptor {
            media_type: media_type.clone(),
            size: record.blob_bytes,
            digest: record.blob_digest.clone(),
            platform: None,
            annotations: std::collections::BTreeMap::new(),
        });
        let own = own.filter(|own| own.digest != record.diff_id);
        // It only saves work: one that a power cut left behind half is as good as none.
        let noted = fs::read(self.beside(FORMS)).unwrap_or_default();
        let noted: Vec<Descriptor> = serde_json::from_slice(&noted).unwrap_or_default();
        own.into_iter().chain(noted).collect()
    }

    /// Notes a blob that unpacks to this layer, which has been verified.
    ///
    /// # Errors
    ///
    /// What writing says; nothing but the knowledge is lost.
    pub fn note_form(&self, form: Descriptor) -> SysResult<()> {
        let mut forms = self.forms();
        if forms.iter().any(|known| known.digest == form.digest) {
            return Ok(());
        }
        forms.push(form);
        forms.retain(|form| form.digest != self.record.blob_digest);
        let bytes = serde_json::to_vec(&forms).expect("descriptors have string keys");
        atomic::replace_file(&self.beside(FORMS), &bytes, Durability::Unsynced)
    }

    /// The kept blob of this digest, from its beginning, and its size in bytes. One that is
    /// damaged is as good as none.
    pub fn kept_blob(&self, digest: &Digest) -> Option<(File, u64)> {
        let mut file = File::open(self.beside(&kept_name(digest))).ok()?;
        let mut digester = Digester::new(digest.algorithm());
        let size_bytes = copy(&file, &mut digester).ok()?;
        file.rewind().ok()?;
        (digester.finish() == *digest).then_some((file, size_bytes))
    }

    /// Bytes of the kept blobs.
    pub fn kept_bytes(&self) -> u64 {
        let Some(Ok(paths)) = self.diff_path.parent().map(list) else {
            return 0;
        };
        let kept = paths.iter().filter(|path| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(KEPT.as_bytes())
        });
        kept.filter_map(|path| Some(path.metadata().ok()?.len()))
            .sum()
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.diff_path.with_file_name(name)
    }
}

impl Layers {
    /// Keeps the blob `digest` of a layer, unless it can be made again from the layer's files.
    /// `open` gives the blob from its beginning.
    ///
    /// # Errors
    ///
    /// [`StorageError::WrongDigest`] for a blob that is another, or of another layer; what writing
    /// says.
    pub fn keep_blob<R: Read>(
        &self,
        layer: &Layer,
        digest: &Digest,
        open: impl Fn() -> R,
    ) -> Result<(), StorageError> {
        let path = layer.beside(&kept_name(digest));
        let is_plain = *digest == layer.record.diff_id;
        // Layers of additional stores are not ours to change.
        if is_plain || !self.owns(layer) || path.exists() {
            return Ok(());
        }
        let reading = || StorageError::file("read", "the archive");
        if begins_as_ours(open(), open()).map_err(reading())? {
            return Ok(());
        }
        if layer.record.blob_digest != *digest {
            let mut plain = Digester::new(layer.record.diff_id.algorithm());
            decompress(open())
                .and_then(|reader| copy(reader, &mut plain))
                .map_err(reading())?;
            check(&layer.record.diff_id, &plain.finish())?;
        }
        let directory = path.parent().expect("it is in a layer's directory");
        let writing = || StorageError::file("write", &path);
        let file = unnamed_file(directory).map_err(writing())?;
        let mut digester = Digester::new(digest.algorithm());
        copy(open(), Both(&file, &mut digester)).map_err(writing())?;
        check(digest, &digester.finish())?;
        file.sync_data().map_err(writing())?;
        name(&file, &path).map_err(StorageError::call("keep a layer's blob"))
    }
}

fn kept_name(digest: &Digest) -> String {
    format!("{KEPT}{}", digest.hex())
}

fn check(expected: &Digest, found: &Digest) -> Result<(), StorageError> {
    if expected == found {
        return Ok(());
    }
    Err(StorageError::WrongDigest {
        expected: expected.clone(),
        found: found.clone(),
    })
}

/// Gives an unnamed file its name; another process may have been faster.
fn name(file: &File, path: &std::path::Path) -> SysResult<()> {
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(
        AT_FDCWD,
        itself.as_str(),
        AT_FDCWD,
        path,
        AtFlags::AT_SYMLINK_FOLLOW,
    ) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(io::Error::from(errno)).called(|| format!("linkat({})", path.display())),
    }
}

/// Copies all of `from`; how many bytes that were.
fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut copied = 0;
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(copied),
            Ok(length) => {
                to.write_all(&piece[..length])?;
                copied += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes to a file what it hashes.
struct Both<'a>(&'a File, &'a mut Digester);

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.0.write(bytes)?;
        self.1.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::store_tests::{ONE_ID, layer_tar, store};
    use crate::storage::{Expected, LayerCompression, compress};

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn kept(layer: &Layer, digest: &Digest) -> Option<Vec<u8>> {
        let (mut file, size) = layer.kept_blob(digest)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, size);
        Some(bytes)
    }

    fn damage(path: &std::path::Path) {
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(b"[{damaged").unwrap();
    }

    #[test]
    fn a_blob_of_others_is_kept_with_its_layer_and_ours_is_not() {
        let store = store();
        let layers = store.images.layers();
        let tar = layer_tar("x");
        let (layer, pin) = layers
            .add(None, Expected::default(), &tar[..], &ONE_ID)
            .unwrap();
        let theirs = gzip(&tar);
        let zstd = zstd::encode_all(&tar[..], 1).unwrap();
        for blob in [&theirs, &zstd] {
            let digest = Digest::sha256(blob);
            layers.keep_blob(&layer, &digest, || &blob[..]).unwrap();
            layers.keep_blob(&layer, &digest, || &b""[..]).unwrap();
            assert_eq!(kept(&layer, &digest).as_ref(), Some(blob));
        }
        assert_eq!(layer.kept_bytes(), (theirs.len() + zstd.len()) as u64);
        let mut ours = Vec::new();
        let algorithm = layer.record.diff_id.algorithm();
        compress(&tar[..], LayerCompression::Gzip, algorithm, |block| {
            ours.extend_from_slice(block);
            Ok(())
        })
        .unwrap();
        for blob in [&ours, &tar] {
            let digest = Digest::sha256(blob);
            layers.keep_blob(&layer, &digest, || &blob[..]).unwrap();
            assert_eq!(kept(&layer, &digest), None);
        }
        drop(pin);
        store.images.collect(&ONE_ID).unwrap();
        assert!(!layer.diff_path.parent().unwrap().exists());
    }

    #[test]
    fn a_blob_of_another_layer_or_digest_is_refused_and_a_damaged_one_is_none() {
        let store = store();
        let layers = store.images.layers();
        let (tar, other) = (layer_tar("x"), gzip(&layer_tar("y")));
        let (layer, _pin) = layers
            .add(None, Expected::default(), &tar[..], &ONE_ID)
            .unwrap();
        let (right, wrong) = (gzip(&tar), Digest::sha256(b"wrong"));
        for (digest, blob) in [(&Digest::sha256(&other), &other), (&wrong, &right)] {
            let error = layers.keep_blob(&layer, digest, || &blob[..]).unwrap_err();
            assert!(matches!(error, StorageError::WrongDigest { .. }), "{error}");
        }
        assert_eq!(layer.kept_bytes(), 0);
        let digest = Digest::sha256(&right);
        layers.keep_blob(&layer, &digest, || &right[..]).unwrap();
        damage(&layer.beside(&kept_name(&digest)));
        assert_eq!(kept(&layer, &digest), None);
    }

    #[test]
    fn forms_are_noted_once_and_the_first_is_of_the_record() {
        let store = store();
        let tar = layer_tar("x");
        let blob = gzip(&tar);
        let kind = crate::oci::media_type::OCI_LAYER_GZIP;
        let expected = Expected {
            blob_type: Some(kind),
            ..Expected::default()
        };
        let layers = store.images.layers();
        let (layer, _pin) = layers.add(None, expected, &blob[..], &ONE_ID).unwrap();
        let own = Descriptor::of(kind, &blob);
        assert_eq!(layer.forms(), std::slice::from_ref(&own));
        let more = Descriptor::of(kind, b"more");
        for form in [&more, &own, &more] {
            layer.note_form(form.clone()).unwrap();
        }
        assert_eq!(layer.forms(), [own.clone(), more]);
        damage(&layer.beside(FORMS));
        assert_eq!(layer.forms(), [own]);
    }
}
