// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a compressed blob to an unpacked layer in one pass: one thread reads, decompresses and
//! hashes, the other makes files. Both digests are known when the last byte was written.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::{Deserialize, Serialize};

use super::compression::decompress;
use super::tar::{RecipeWriter, TarInput};
use super::unpack::{Destination, UnpackError, Unpacked, unpack};
use crate::oci::{Algorithm, Digest, Digester};

const CHUNK: usize = 256 << 10;

/// Chunks between the two threads.
const AHEAD: usize = 8;

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
) -> Result<Passed, UnpackError> {
    let (sender, receiver) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(source, &sender, algorithms));
        let unpacked = unpack(Chunks::new(receiver), destination, recipe);
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

type Chunk = io::Result<Vec<u8>>;

/// Digest of the plain stream, digest and size of the blob.
fn read_all(
    source: impl Read,
    sender: &SyncSender<Chunk>,
    algorithms: Algorithms,
) -> (Digest, Digest, u64) {
    let mut blob = Hashed {
        inner: source,
        digester: Digester::new(algorithms.blob),
        bytes: 0,
    };
    let mut plain = Digester::new(algorithms.diff_id);
    if let Err(error) = send_plain(&mut blob, sender, &mut plain) {
        // Whoever does not listen any more has an error of its own.
        drop(sender.send(Err(error)));
    }
    (plain.finish(), blob.digester.finish(), blob.bytes)
}

fn send_plain(
    blob: &mut Hashed<impl Read>,
    sender: &SyncSender<Chunk>,
    plain: &mut Digester,
) -> io::Result<()> {
    let mut input = decompress(&mut *blob)?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let length = Read::by_ref(&mut input)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)?;
        if length == 0 {
            break;
        }
        plain.update(&chunk);
        if sender.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
    drop(input);
    // A decoder stops at its own end mark; the blob's digest covers what stands behind it too.
    io::copy(blob, &mut io::sink()).map(drop)
}

struct Hashed<R> {
    inner: R,
    digester: Digester,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.digester.update(&buffer[..length]);
        self.bytes += length as u64;
        Ok(length)
    }
}

/// The reading end, as a stream.
struct Chunks {
    receiver: Receiver<Chunk>,
    chunk: Vec<u8>,
    taken: usize,
}

impl Chunks {
    fn new(receiver: Receiver<Chunk>) -> Self {
        Self {
            receiver,
            chunk: Vec::new(),
            taken: 0,
        }
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.chunk.len() {
            self.taken = 0;
            self.chunk = match self.receiver.recv() {
                Ok(chunk) => chunk?,
                // The sender is gone: that was all.
                Err(_) => Vec::new(),
            };
        }
        Ok(&self.chunk[self.taken..])
    }

    fn consume(&mut self, length: usize) {
        self.taken = (self.taken + length).min(self.chunk.len());
    }
}

impl TarInput for Chunks {}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}
