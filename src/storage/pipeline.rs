// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a compressed blob to an unpacked layer in one pass: one thread reads, decompresses and
//! hashes, another makes files, and a third, for all layers that come together, has the disk write
//! them meanwhile, so that little is left for the end. Both digests are known when the last byte
//! was written.

use std::io::{self, BufRead, Read};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use nix::unistd::syncfs;
use serde::{Deserialize, Serialize};

use super::compression::{Compression, MAGIC_LENGTH, decompress, read_fully};
use super::tar::{RecipeWriter, TarInput};
use super::unpack::{Destination, UnpackError, Unpacked, unpack};
use crate::oci::{Algorithm, Digest, Digester};
use crate::sys::Ignored;

const CHUNK: usize = 256 << 10;

/// Chunks between the two threads.
const AHEAD: usize = 8;

/// After so many bytes of plain streams what was made is sent to the disk.
const WRITE_BACK: usize = 32 << 20;

/// What came through a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passed {
    /// Digest of the tar stream.
    pub(crate) diff_id: Digest,
    /// Digest of the blob as it came, compressed or not.
    pub(crate) blob_digest: Digest,
    /// Size of the blob as it came, in bytes.
    pub(crate) blob_bytes: u64,
    pub(crate) unpacked: Unpacked,
}

/// With what the two digests are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Algorithms {
    /// Of the plain stream.
    pub(crate) diff_id: Algorithm,
    /// Of the blob as it comes.
    pub(crate) blob: Algorithm,
}

/// Unpacks the blob `source`.
pub(crate) fn unpack_blob(
    source: impl Read + Send,
    destination: Destination<'_>,
    algorithms: Algorithms,
    recipe: Option<RecipeWriter>,
    write_back: &WriteBack,
) -> Result<Passed, UnpackError> {
    let (sender, receiver) = sync_channel(AHEAD);
    let (used, unused) = channel();
    thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(source, &Chain { sender, unused }, algorithms));
        let chunks = Chunks {
            receiver,
            used,
            chunk: Vec::new(),
            taken: 0,
            write_back,
        };
        let unpacked = unpack(chunks, destination, recipe);
        // The reader ends with the stream, or when nobody takes its chunks any more.
        let digests = reader.join().expect("the reader returns its errors");
        let unpacked = unpacked?;
        let (diff_id, blob_digest, blob_bytes) = digests;
        Ok(Passed {
            diff_id,
            blob_digest,
            blob_bytes,
            unpacked,
        })
    })
}

/// Has the disk write what was made so far, each time that there is enough of it. No layer waits
/// for that: whoever keeps the layers sees to the rest, and meets whatever error there was by a
/// descriptor of its own that is older.
#[derive(Debug)]
pub(crate) struct WriteBack {
    /// Bytes since the disk was woken.
    made: AtomicUsize,
    wake: SyncSender<()>,
}

impl WriteBack {
    /// Does `work` while the file system of `root` is written.
    pub(crate) fn beside<T>(root: BorrowedFd<'_>, work: impl FnOnce(&Self) -> T) -> T {
        let (wake, woken) = sync_channel(1);
        thread::scope(|scope| {
            scope.spawn(move || {
                while woken.recv().is_ok() {
                    syncfs(root).ignored();
                }
            });
            let made = AtomicUsize::new(0);
            work(&Self { made, wake })
        })
    }

    fn note(&self, bytes: usize) {
        let made = self.made.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if made >= WRITE_BACK && self.wake.try_send(()).is_ok() {
            self.made.store(0, Ordering::Relaxed);
        }
    }
}

type Chunk = io::Result<Vec<u8>>;

/// The way of chunks to the other thread and back.
struct Chain {
    sender: SyncSender<Chunk>,
    /// Chunks that were taken: their memory is there already.
    unused: Receiver<Vec<u8>>,
}

/// Digest of the plain stream, digest and size of the blob.
fn read_all(mut source: impl Read, chain: &Chain, algorithms: Algorithms) -> (Digest, Digest, u64) {
    let mut first = [0; MAGIC_LENGTH];
    let (length, failed) = match read_fully(&mut source, &mut first) {
        Ok(length) => (length, None),
        Err(error) => (0, Some(error)),
    };
    // A blob that is its plain stream has one digest.
    let is_plain = Compression::detect(&first[..length]) == Compression::None
        && algorithms.blob == algorithms.diff_id;
    let mut blob = Hashed {
        inner: first[..length].chain(source),
        digester: (!is_plain).then(|| Digester::new(algorithms.blob)),
        bytes: 0,
    };
    let mut plain = Digester::new(algorithms.diff_id);
    let sent = match failed {
        None => send_plain(&mut blob, chain, &mut plain),
        Some(error) => Err(error),
    };
    if let Err(error) = sent {
        // Whoever does not listen any more has an error of its own.
        drop(chain.sender.send(Err(error)));
    }
    let plain = plain.finish();
    let digest = blob
        .digester
        .map_or_else(|| plain.clone(), Digester::finish);
    (plain, digest, blob.bytes)
}

fn send_plain(blob: &mut Hashed<impl Read>, chain: &Chain, plain: &mut Digester) -> io::Result<()> {
    let mut input = decompress(&mut *blob)?;
    loop {
        let mut chunk = chain.unused.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let length = read_fully(&mut input, &mut chunk)?;
        if length == 0 {
            break;
        }
        chunk.truncate(length);
        plain.update(&chunk);
        if chain.sender.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
    drop(input);
    // A decoder stops at its own end mark; the blob's digest covers what stands behind it too.
    io::copy(blob, &mut io::sink()).map(drop)
}

struct Hashed<R> {
    inner: R,
    digester: Option<Digester>,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if let Some(digester) = &mut self.digester {
            digester.update(&buffer[..length]);
        }
        self.bytes += length as u64;
        Ok(length)
    }
}

/// The reading end, as a stream.
struct Chunks<'a> {
    receiver: Receiver<Chunk>,
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    taken: usize,
    write_back: &'a WriteBack,
}

impl Chunks<'_> {
    fn next(&mut self) -> io::Result<()> {
        self.write_back.note(self.chunk.len());
        self.taken = 0;
        let next = match self.receiver.recv() {
            Ok(chunk) => chunk?,
            // The sender is gone: that was all.
            Err(_) => Vec::new(),
        };
        let used = std::mem::replace(&mut self.chunk, next);
        // The reader may have ended already.
        drop(self.used.send(used));
        Ok(())
    }
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.chunk.len() {
            self.next()?;
        }
        Ok(&self.chunk[self.taken..])
    }

    fn consume(&mut self, length: usize) {
        self.taken = (self.taken + length).min(self.chunk.len());
    }
}

impl TarInput for Chunks<'_> {}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}
