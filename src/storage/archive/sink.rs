// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the parts of an archive go: members of a tar stream, or files of a directory. Knows
//! nothing of what an archive consists of.
//!
//! Layers stream from the store into the archive once. Where a blob's name is its compressed
//! content's digest, which nobody knows before the end, its header is written last.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};

use crate::oci::{Algorithm, Digest, Digester};
use crate::storage::compression::read_fully;
use crate::storage::tar::{END, padding, write_document_header};
use crate::storage::{Layer, LayerCompression, compress, unnamed_file};
use crate::sys::Ignored;

/// Bytes that are read and written at once, and how many such pieces wait.
const PIECE: usize = 256 << 10;
const AHEAD: usize = 4;

/// After so many bytes of a file the disk is told to write them, and so many bytes later it should
/// have done so.
const WINDOW: u64 = 16 << 20;
const LAG: u64 = 4 * WINDOW;

/// Where an archive is written.
#[derive(Debug)]
pub enum Output {
    /// Into a file or pipe, as a tar stream.
    File(File),
    /// Into a directory, which is made.
    Directory(PathBuf),
}

/// One archive while it is written.
pub(super) enum Sink<'a> {
    /// As the members of a tar stream.
    Tar(TarSink<'a>),
    /// As files below a directory.
    Directory(&'a Path),
}

impl<'a> Sink<'a> {
    /// Nothing is in it yet.
    pub(super) fn new(output: &'a Output, scratch: &'a Path) -> io::Result<Self> {
        Ok(match output {
            Output::File(file) => Self::Tar(TarSink::new(file, scratch)),
            Output::Directory(path) => {
                fs::create_dir_all(path)?;
                Self::Directory(path)
            }
        })
    }

    /// A file with these bytes.
    pub(super) fn document(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tar(tar) => {
                tar.header(name, bytes.len() as u64)?;
                tar.write(bytes)?;
                tar.pad(bytes.len() as u64)
            }
            Self::Directory(root) => create(&root.join(name))?.write_all(bytes),
        }
    }

    /// A directory.
    pub(super) fn directory(&mut self, name: &str) -> io::Result<()> {
        match self {
            Self::Tar(tar) => tar.header(name, 0),
            Self::Directory(root) => fs::create_dir_all(root.join(name)),
        }
    }

    /// A blob as it is.
    pub(super) fn blob(&mut self, name: &str, mut blob: File, size: u64) -> io::Result<()> {
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
    pub(super) fn plain_layer(&mut self, name: &str, layer: &Layer) -> io::Result<()> {
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
    pub(super) fn packed_layer(
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

    /// Writes the end; a file is on the disk then.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tar(tar) => {
                tar.write(&END)?;
                tar.finish()
            }
            Self::Directory(_) => Ok(()),
        }
    }
}

pub(super) struct TarSink<'a> {
    file: &'a File,
    scratch: &'a Path,
    /// Where the file stands; `None` for a pipe, and for a file that is appended to.
    position: Option<u64>,
    /// What is before this is on its way to the disk.
    sent: u64,
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
            sent: position.unwrap_or(0),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.passed(bytes.len() as u64);
        Ok(())
    }

    fn passed(&mut self, count: u64) {
        let Some(position) = &mut self.position else {
            return;
        };
        *position += count;
        let position = *position;
        while position - self.sent >= WINDOW {
            self.send(self.sent);
            if let Some(earlier) = self.sent.checked_sub(LAG) {
                self.send(earlier);
            }
            self.sent += WINDOW;
        }
    }

    /// Has the disk write a window of the file, and what it has written forgotten: nobody waits for
    /// that. An archive is as large as all its layers and not read again soon; kept in memory it
    /// would push out what is. It costs less, too: the next window goes where the last one was,
    /// instead of into memory that has yet to be found.
    fn send(&self, window: u64) {
        let (Ok(start), Ok(length)) = (i64::try_from(window), i64::try_from(WINDOW)) else {
            return;
        };
        let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        posix_fadvise(self.file, start, length, advice).ignored();
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        match self.position {
            Some(_) => self.file.sync_all(),
            None => Ok(()),
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
        let mut waiting = unnamed_file(self.scratch)?;
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
