// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives of our own: Docker's and the image specification's, as a tar file or a directory.
//!
//! Layers stream from the store into the archive once. Where a blob's name is its compressed
//! content's digest, which nobody knows before the end, its header is written last.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde_json::json;

use super::files::blob_name;
use crate::oci::{Algorithm, Descriptor, Digest, Digester, Index, Manifest, media_type};
use crate::storage::compression::read_fully;
use crate::storage::tar::{END, padding, write_document_header};
use crate::storage::{Layer, LayerCompression, compress};

/// Bytes that are read and written at once, and how many such pieces wait.
const PIECE: usize = 256 << 10;
const AHEAD: usize = 4;

/// The annotation that holds an image's name in an index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image on its way out.
#[derive(Debug)]
pub struct OutgoingImage {
    /// Its configuration, as it is kept.
    pub config: Vec<u8>,
    /// Its manifest, as it is kept.
    pub manifest: Vec<u8>,
    /// The names that it has in the archive.
    pub names: Vec<String>,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
}

/// What kind of archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveForm {
    /// `manifest.json` with plain layers, as `docker load` reads it.
    Docker,
    /// `index.json` and `blobs/`.
    Oci,
    /// One image, blobs by their digests beside `manifest.json`; Docker's documents.
    Directory,
    /// The same with documents of the kind that the image has.
    DirectoryAsIs,
}

/// Whether layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerForm {
    /// Plain tar streams.
    Plain,
    /// gzip.
    Gzip,
}

/// Where an archive is written.
#[derive(Debug)]
pub enum Output {
    /// Into a file or pipe, as a tar stream.
    File(File),
    /// Into a directory, which is made.
    Directory(PathBuf),
}

/// Writes `images`. What has to wait for its size is kept in an unnamed file in `scratch`.
///
/// # Errors
///
/// A layer that cannot be put together again or is damaged; what writing says.
pub fn write(
    images: &[OutgoingImage],
    form: ArchiveForm,
    layers: LayerForm,
    output: &Output,
    scratch: &Path,
) -> io::Result<()> {
    let mut archive = Archive {
        sink: Sink::new(output, scratch)?,
        layers,
        written: HashMap::new(),
    };
    match form {
        ArchiveForm::Docker => archive.docker(images)?,
        ArchiveForm::Oci => archive.oci(images)?,
        ArchiveForm::Directory => {
            for image in images {
                archive.directory(image, Types::DOCKER)?;
            }
        }
        ArchiveForm::DirectoryAsIs => {
            for image in images {
                archive.directory(image, Types::of(image))?;
            }
        }
    }
    archive.sink.finish()
}

struct Archive<'a> {
    sink: Sink<'a>,
    layers: LayerForm,
    /// Blobs by the diff ids of their layers, or by their own digests: images share layers.
    written: HashMap<Digest, (Digest, u64)>,
}

impl Archive<'_> {
    fn docker(&mut self, images: &[OutgoingImage]) -> io::Result<()> {
        let mut manifest = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for image in images {
            let mut paths = Vec::new();
            for layer in &image.layers {
                let name = format!("{}.tar", layer.record.diff_id.hex());
                if !self.written.contains_key(&layer.record.diff_id) {
                    self.sink.plain_layer(&name, layer)?;
                    let known = (layer.record.diff_id.clone(), 0);
                    self.written.insert(layer.record.diff_id.clone(), known);
                }
                paths.push(name);
            }
            let config = format!("{}.json", Digest::sha256(&image.config).hex());
            self.sink.document(&config, &image.config)?;
            let top = image
                .layers
                .last()
                .map(|layer| layer.chain_id.hex().to_owned());
            for name in &image.names {
                if let Some((repository, tag)) = name.rsplit_once(':') {
                    let tags = repositories.entry(repository.to_owned()).or_default();
                    tags.insert(tag.to_owned(), top.clone().unwrap_or_default());
                }
            }
            let names = (!image.names.is_empty()).then_some(&image.names);
            manifest.push(json!({"Config": config, "RepoTags": names, "Layers": paths}));
        }
        self.sink
            .document("repositories", &to_json(&repositories))?;
        self.sink.document("manifest.json", &to_json(&manifest))
    }

    fn oci(&mut self, images: &[OutgoingImage]) -> io::Result<()> {
        self.sink
            .document("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        self.sink.directory("blobs/")?;
        self.sink.directory("blobs/sha256/")?;
        let mut index = Index {
            schema_version: 2,
            media_type: media_type::OCI_INDEX.to_owned(),
            ..Index::default()
        };
        for image in images {
            let types = Types::OCI;
            let (manifest, config) = self.manifest(image, types, blob_name)?;
            self.document_once(&blob_name(&config), &image.config)?;
            let mut descriptor = Descriptor::of(types.manifest, &manifest);
            self.document_once(&blob_name(&descriptor.digest), &manifest)?;
            if image.names.is_empty() {
                index.manifests.push(descriptor.clone());
            }
            for name in &image.names {
                let name = (REF_NAME.to_owned(), name.clone());
                descriptor.annotations = BTreeMap::from([name]);
                index.manifests.push(descriptor.clone());
            }
        }
        self.sink.document("index.json", &to_json(&index))
    }

    /// The layout of the transport `dir:`.
    fn directory(&mut self, image: &OutgoingImage, types: Types) -> io::Result<()> {
        self.sink
            .document("version", b"Directory Transport Version: 1.1\n")?;
        let (manifest, config) = self.manifest(image, types, |digest| digest.hex().to_owned())?;
        self.sink.document(config.hex(), &image.config)?;
        self.sink.document("manifest.json", &manifest)
    }

    /// Writes the layers and returns the manifest that names them: the image's own where it names
    /// just these. With it comes the digest under which it names the configuration.
    fn manifest(
        &mut self,
        image: &OutgoingImage,
        types: Types,
        name: fn(&Digest) -> String,
    ) -> io::Result<(Vec<u8>, Digest)> {
        let own = serde_json::from_slice::<Manifest>(&image.manifest).ok();
        let own = own.filter(|own| own.media_type.is_empty() || own.media_type == types.manifest);
        let mut layers = Vec::new();
        for (at, layer) in image.layers.iter().enumerate() {
            let known = own.as_ref().and_then(|own| own.layers.get(at));
            layers.push(self.described_layer(layer, known, types, name)?);
        }
        if let Some(own) = &own {
            let digests = own.layers.iter().map(|layer| &layer.digest);
            if digests.eq(layers.iter().map(|layer| &layer.digest))
                && own.config.media_type == types.config
            {
                return Ok((image.manifest.clone(), own.config.digest.clone()));
            }
        }
        let config = Descriptor::of(types.config, &image.config);
        let digest = config.digest.clone();
        let manifest = to_json(&Manifest {
            schema_version: 2,
            media_type: types.manifest.to_owned(),
            config,
            layers,
            annotations: own.map(|own| own.annotations).unwrap_or_default(),
        });
        Ok((manifest, digest))
    }

    /// Writes a layer: the blob that its manifest names if it is kept, else one made now.
    fn described_layer(
        &mut self,
        layer: &Layer,
        known: Option<&Descriptor>,
        types: Types,
        name: fn(&Digest) -> String,
    ) -> io::Result<Descriptor> {
        let (media_type, known) = match self.layers {
            LayerForm::Plain => (types.plain, None),
            LayerForm::Gzip => (types.gzip, known),
        };
        if let Some(known) = known
            && self.kept_layer(layer, &known.digest, name)?
        {
            return Ok(known.clone());
        }
        let (digest, size) = self.layer(layer, name)?;
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            size,
            digest,
            platform: None,
            annotations: BTreeMap::new(),
        })
    }

    /// Writes a blob that is kept; whether it is.
    fn kept_layer(
        &mut self,
        layer: &Layer,
        digest: &Digest,
        name: fn(&Digest) -> String,
    ) -> io::Result<bool> {
        if self.written.contains_key(digest) {
            return Ok(true);
        }
        let Some((file, size)) = layer.kept_blob(digest) else {
            return Ok(false);
        };
        self.sink.blob(&name(digest), file, size)?;
        self.written.insert(digest.clone(), (digest.clone(), size));
        Ok(true)
    }

    fn layer(&mut self, layer: &Layer, name: fn(&Digest) -> String) -> io::Result<(Digest, u64)> {
        let diff_id = &layer.record.diff_id;
        if let Some(known) = self.written.get(diff_id) {
            return Ok(known.clone());
        }
        let blob = match self.layers {
            LayerForm::Plain => {
                self.sink.plain_layer(&name(diff_id), layer)?;
                (diff_id.clone(), layer.record.content.size_bytes)
            }
            LayerForm::Gzip => self.sink.packed_layer(layer, name)?,
        };
        self.written.insert(diff_id.clone(), blob.clone());
        Ok(blob)
    }

    fn document_once(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let digest = Digest::sha256(bytes);
        if self.written.contains_key(&digest) {
            return Ok(());
        }
        self.sink.document(name, bytes)?;
        self.written.insert(digest.clone(), (digest, 0));
        Ok(())
    }
}

/// Media types of one family.
#[derive(Clone, Copy)]
struct Types {
    manifest: &'static str,
    config: &'static str,
    plain: &'static str,
    gzip: &'static str,
}

impl Types {
    /// Those of the image's own manifest.
    fn of(image: &OutgoingImage) -> Self {
        let own = serde_json::from_slice::<Manifest>(&image.manifest);
        match own {
            Ok(own) if own.media_type != media_type::DOCKER_MANIFEST => Self::OCI,
            Ok(_) | Err(_) => Self::DOCKER,
        }
    }

    const OCI: Self = Self {
        manifest: media_type::OCI_MANIFEST,
        config: media_type::OCI_CONFIG,
        plain: media_type::OCI_LAYER,
        gzip: media_type::OCI_LAYER_GZIP,
    };
    const DOCKER: Self = Self {
        manifest: media_type::DOCKER_MANIFEST,
        config: media_type::DOCKER_CONFIG,
        plain: media_type::DOCKER_LAYER_PLAIN,
        gzip: media_type::DOCKER_LAYER,
    };
}

enum Sink<'a> {
    Tar(TarSink<'a>),
    Directory(&'a Path),
}

impl<'a> Sink<'a> {
    fn new(output: &'a Output, scratch: &'a Path) -> io::Result<Self> {
        Ok(match output {
            Output::File(file) => Self::Tar(TarSink::new(file, scratch)),
            Output::Directory(path) => {
                fs::create_dir_all(path)?;
                Self::Directory(path)
            }
        })
    }

    fn document(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tar(tar) => {
                tar.header(name, bytes.len() as u64)?;
                tar.write(bytes)?;
                tar.pad(bytes.len() as u64)
            }
            Self::Directory(root) => create(&root.join(name))?.write_all(bytes),
        }
    }

    fn directory(&mut self, name: &str) -> io::Result<()> {
        match self {
            Self::Tar(tar) => tar.header(name, 0),
            Self::Directory(root) => fs::create_dir_all(root.join(name)),
        }
    }

    /// A blob as it is.
    fn blob(&mut self, name: &str, mut blob: File, size: u64) -> io::Result<()> {
        match self {
            Self::Tar(tar) => {
                tar.header(name, size)?;
                let copied = io::copy(&mut blob, &mut &*tar.file)?;
                tar.passed(copied);
                tar.pad(size)
            }
            Self::Directory(root) => io::copy(&mut blob, &mut create(&root.join(name))?).map(drop),
        }
    }

    /// A layer whose name and size are known.
    fn plain_layer(&mut self, name: &str, layer: &Layer) -> io::Result<()> {
        let size = layer.record.content.size_bytes;
        match self {
            Self::Tar(tar) => {
                tar.header(name, size)?;
                copy_plain(layer, |piece| tar.write(piece))?;
                tar.pad(size)
            }
            Self::Directory(root) => {
                let mut file = create(&root.join(name))?;
                copy_plain(layer, |piece| file.write_all(piece))
            }
        }
    }

    /// A layer that is compressed; its blob's digest and size.
    fn packed_layer(
        &mut self,
        layer: &Layer,
        name: fn(&Digest) -> String,
    ) -> io::Result<(Digest, u64)> {
        match self {
            Self::Tar(tar) => tar.packed_layer(layer, name),
            Self::Directory(root) => {
                let unfinished = root.join(format!("{}.part", layer.record.diff_id.hex()));
                let mut file = create(&unfinished)?;
                let blob = pack(layer, |piece| file.write_all(piece))?;
                fs::rename(&unfinished, root.join(name(&blob.0)))?;
                Ok(blob)
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tar(tar) => {
                tar.write(&END)?;
                tar.file.flush()
            }
            Self::Directory(_) => Ok(()),
        }
    }
}

struct TarSink<'a> {
    file: &'a File,
    scratch: &'a Path,
    /// Where the file stands; `None` for a pipe, and for a file that is appended to.
    position: Option<u64>,
}

impl<'a> TarSink<'a> {
    fn new(mut file: &'a File, scratch: &'a Path) -> Self {
        let flags = fcntl(file, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
        let appends = flags.is_ok_and(|flags| flags.contains(OFlag::O_APPEND));
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let position = file.stream_position().ok();
        Self {
            file,
            scratch,
            position: position.filter(|_| is_file && !appends),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.passed(bytes.len() as u64);
        Ok(())
    }

    fn passed(&mut self, count: u64) {
        if let Some(position) = &mut self.position {
            *position += count;
        }
    }

    fn header(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.write(&header(name, size))
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        self.write(&END[..padding(size)])
    }

    fn packed_layer(
        &mut self,
        layer: &Layer,
        name: fn(&Digest) -> String,
    ) -> io::Result<(Digest, u64)> {
        if let Some(start) = self.position {
            self.header("", 0)?;
            let (digest, size) = pack(layer, |piece| self.write(piece))?;
            self.pad(size)?;
            self.file
                .write_all_at(&header(&name(&digest), size), start)?;
            return Ok((digest, size));
        }
        let mut waiting = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_TMPFILE)
            .mode(0o600)
            .open(self.scratch)?;
        let (digest, size) = pack(layer, |piece| waiting.write_all(piece))?;
        waiting.rewind()?;
        self.header(&name(&digest), size)?;
        io::copy(&mut waiting, &mut &*self.file)?;
        self.pad(size)?;
        Ok((digest, size))
    }
}

fn header(name: &str, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mode = if name.ends_with('/') { 0o755 } else { 0o644 };
    write_document_header(name, mode, size, &mut bytes);
    bytes
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has string keys")
}

type Piece = io::Result<Vec<u8>>;

/// Writes a layer's plain stream: one thread reads, one hashes, this one writes.
fn copy_plain(layer: &Layer, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut stream = layer.stream()?;
    let (read, to_hash) = sync_channel(AHEAD);
    let (hashed, to_write) = sync_channel(AHEAD);
    let (used, unused) = channel();
    let diff_id = &layer.record.diff_id;
    thread::scope(|scope| {
        scope.spawn(move || read_pieces(&mut stream, &read, &unused));
        let hasher = scope.spawn(move || hash_pieces(diff_id.algorithm(), &to_hash, &hashed));
        for piece in to_write {
            let piece = piece?;
            write(&piece)?;
            // The reader may have ended already.
            drop(used.send(piece));
        }
        let found = hasher.join().expect("the hasher passes errors on");
        check(diff_id, &found)
    })
}

/// Reads to the end, or until nobody takes pieces any more. Those that were used are used again.
fn read_pieces(stream: &mut impl Read, read: &SyncSender<Piece>, unused: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = unused.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let length = read_fully(&mut *stream, &mut piece);
        let ended = !matches!(length, Ok(PIECE));
        let piece = length.map(|length| {
            piece.truncate(length);
            piece
        });
        if read.send(piece).is_err() || ended {
            return;
        }
    }
}

/// Hashes pieces on their way.
fn hash_pieces(
    algorithm: Algorithm,
    to_hash: &Receiver<Piece>,
    hashed: &SyncSender<Piece>,
) -> Digest {
    let mut digester = Digester::new(algorithm);
    while let Ok(piece) = to_hash.recv() {
        if let Ok(bytes) = &piece {
            digester.update(bytes);
        }
        if hashed.send(piece).is_err() {
            break;
        }
    }
    digester.finish()
}

/// Writes a layer's compressed stream; its digest and size.
fn pack(layer: &Layer, write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(Digest, u64)> {
    let diff_id = &layer.record.diff_id;
    let algorithm = diff_id.algorithm();
    let packed = compress(layer.stream()?, LayerCompression::Gzip, algorithm, write)?;
    check(diff_id, &packed.plain_digest)?;
    Ok((packed.digest, packed.size_bytes))
}

fn check(diff_id: &Digest, found: &Digest) -> io::Result<()> {
    if found == diff_id {
        return Ok(());
    }
    let words = format!("layer {diff_id} is damaged: its content has the digest {found}");
    Err(io::Error::new(io::ErrorKind::InvalidData, words))
}
