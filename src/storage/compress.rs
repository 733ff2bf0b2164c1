// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers on their way out: compressed on all cores, hashed on both sides. The same input gives
//! the same bytes each time, on every machine.

use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use libdeflater::{CompressionLvl, Compressor};
use nix::libc;

use super::compression::{decompress, read_fully};
use crate::oci::{Algorithm, Digest, Digester};

/// What one thread compresses at a time: each is a gzip member, or a frame of zstd, of its own,
/// which every reader takes.
const BLOCK: usize = 1 << 20;

/// A block that cannot be compressed becomes a little longer.
const ROOM: usize = BLOCK + BLOCK / 64;

/// Threads for one layer.
const WORKERS_MAX: usize = 8;

/// Layers become 2 % larger than at zlib's level 3, in half the time.
const GZIP_LEVEL: i32 = 1;

const ZSTD_LEVEL: i32 = 3;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LayerCompression {
    /// What everybody reads.
    #[default]
    Gzip,
    /// Faster and smaller.
    Zstd,
}

/// How layers are compressed, and how much work that may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packing {
    /// How.
    pub compression: LayerCompression,
    /// The level, where it is not ours to choose.
    level: Option<i32>,
}

impl Packing {
    /// With a level as the programs gzip and zstd count them.
    ///
    /// # Errors
    ///
    /// The levels that there are, if this is none of them.
    pub fn with_level(
        compression: LayerCompression,
        level: i32,
    ) -> Result<Self, RangeInclusive<i32>> {
        let known = match compression {
            LayerCompression::Gzip => 1..=9,
            LayerCompression::Zstd => 1..=22,
        };
        if !known.contains(&level) {
            return Err(known);
        }
        Ok(Self {
            compression,
            level: Some(level),
        })
    }
}

impl From<LayerCompression> for Packing {
    fn from(compression: LayerCompression) -> Self {
        Self {
            compression,
            level: None,
        }
    }
}

/// What a stream was compressed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compressed {
    /// The digest of the compressed bytes.
    pub digest: Digest,
    /// How many they are.
    pub size_bytes: u64,
    /// The digest of what was compressed.
    pub plain_digest: Digest,
}

/// Compresses `input` and gives `sink` the result, piece by piece. The digest of the plain bytes
/// is made with `algorithm`.
///
/// # Errors
///
/// What reading, writing and compressing say.
pub fn compress(
    input: impl Read + Send,
    packing: impl Into<Packing>,
    algorithm: Algorithm,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Compressed> {
    let mut digester = Digester::new(Algorithm::Sha256);
    let mut size_bytes = 0;
    let take = |block: &[u8]| {
        digester.update(block);
        size_bytes += block.len() as u64;
        sink(block)
    };
    let plain_digest = in_blocks(input, packing.into(), algorithm, take)?;
    Ok(Compressed {
        digest: digester.finish(),
        size_bytes,
        plain_digest,
    })
}

/// Whether the gzip stream `blob` begins as [`compress`] would begin it, so that it need not be
/// kept to be had again.
///
/// # Errors
///
/// What reading says; a stream that does not unpack is not ours.
pub(super) fn begins_as_ours(blob: impl Read, again: impl Read) -> io::Result<bool> {
    let mut block = vec![0; BLOCK];
    let Ok(length) = decompress(blob).and_then(|plain| read_fully(plain, &mut block)) else {
        return Ok(false);
    };
    let mut ours = vec![0; ROOM];
    let packed = Packer::new(LayerCompression::Gzip.into()).pack(&block[..length], &mut ours)?;
    ours.truncate(packed);
    let mut theirs = vec![0; packed];
    let length = read_fully(again, &mut theirs)?;
    Ok(ours == theirs[..length])
}

/// Makes a file that nothing names, in the directory `scratch`: it is gone with its last
/// descriptor.
///
/// # Errors
///
/// What open(2) says.
pub fn unnamed_file(scratch: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    options.custom_flags(libc::O_TMPFILE).open(scratch)
}

/// Bytes in memory that is used again: a fresh page costs more than to fill it.
struct Piece {
    /// Always [`ROOM`] long.
    memory: Vec<u8>,
    length: usize,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

/// Memory that nobody uses just now.
#[derive(Default)]
struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; ROOM])
    }

    fn give(&self, piece: Piece) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(piece.memory);
    }
}

type Finished = io::Result<Piece>;

/// A block, and where its compressed form is waited for.
type Job = (Piece, SyncSender<Finished>);

/// Reads blocks in one thread, compresses them in others, and gives them to `sink` in order; the
/// digest of the plain bytes.
fn in_blocks(
    input: impl Read + Send,
    packing: Packing,
    algorithm: Algorithm,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Digest> {
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(WORKERS_MAX);
    let (jobs, queue) = sync_channel::<Job>(workers);
    let queue = Mutex::new(queue);
    let pool = &Pool::default();
    // Results in the order of the blocks.
    let (order, results) = sync_channel::<Receiver<Finished>>(2 * workers);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&queue, packing, pool));
        }
        let reader = scope.spawn(move || read_blocks(input, algorithm, &jobs, &order, pool));
        for result in results {
            let packed = result.recv().map_err(io::Error::other)??;
            sink(packed.bytes())?;
            pool.give(packed);
        }
        reader.join().expect("the reader returns its errors")
    })
}

fn read_blocks(
    mut input: impl Read,
    algorithm: Algorithm,
    jobs: &SyncSender<Job>,
    order: &SyncSender<Receiver<Finished>>,
    pool: &Pool,
) -> io::Result<Digest> {
    let mut digester = Digester::new(algorithm);
    for number in 0.. {
        let mut memory = pool.take();
        let length = read_fully(&mut input, &mut memory[..BLOCK])?;
        // Nothing at all is an empty block.
        if length == 0 && number > 0 {
            break;
        }
        let block = Piece { memory, length };
        digester.update(block.bytes());
        let (done, result) = sync_channel(1);
        // When writing has failed, nobody waits for more.
        if order.send(result).is_err() || jobs.send((block, done)).is_err() {
            break;
        }
    }
    Ok(digester.finish())
}

fn work(queue: &Mutex<Receiver<Job>>, packing: Packing, pool: &Pool) {
    let mut packer = Packer::new(packing);
    loop {
        let job = queue.lock().map(|queue| queue.recv());
        let Ok(Ok((block, done))) = job else { return };
        let mut memory = pool.take();
        let packed = packer.pack(block.bytes(), &mut memory);
        pool.give(block);
        // Whoever does not wait any more has an error of its own.
        drop(done.send(packed.map(|length| Piece { memory, length })));
    }
}

/// Compresses one block after the other, each on its own.
enum Packer {
    Gzip(Compressor),
    Zstd { level: i32 },
}

impl Packer {
    fn new(packing: Packing) -> Self {
        match packing.compression {
            LayerCompression::Gzip => {
                let level = packing.level.unwrap_or(GZIP_LEVEL);
                let level = CompressionLvl::new(level).expect("the library knows it");
                Self::Gzip(Compressor::new(level))
            }
            LayerCompression::Zstd => Self::Zstd {
                level: packing.level.unwrap_or(ZSTD_LEVEL),
            },
        }
    }

    /// Compresses `block` into `room`, which is longer; how long that became.
    fn pack(&mut self, block: &[u8], room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(compressor) => compressor
                .gzip_compress(block, room)
                .map_err(io::Error::other),
            Self::Zstd { level } => zstd::bulk::compress_to_buffer(block, room, *level),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(
        input: impl Read + Send,
        packing: impl Into<Packing>,
    ) -> io::Result<(Compressed, Vec<u8>)> {
        let mut bytes = Vec::new();
        let packed = compress(input, packing, Algorithm::Sha256, |block| {
            bytes.extend_from_slice(block);
            Ok(())
        });
        packed.map(|packed| (packed, bytes))
    }

    fn content(length: usize) -> Vec<u8> {
        let byte = |at: usize| u8::try_from(at / 1000 % 251).unwrap();
        (0..length).map(byte).collect()
    }

    #[test]
    fn what_comes_back_is_what_went_in() {
        for length in [0, 1, BLOCK, 3 * BLOCK + 17] {
            let plain = content(length);
            for compression in [LayerCompression::Gzip, LayerCompression::Zstd] {
                let (done, bytes) = packed(&plain[..], compression).unwrap();
                assert_eq!(packed(&plain[..], compression).unwrap().0, done);
                assert_eq!(done.plain_digest, Digest::sha256(&plain));
                assert_eq!(done.digest, Digest::sha256(&bytes));
                assert_eq!(done.size_bytes, bytes.len() as u64);
                let mut found = Vec::new();
                let mut reader = decompress(&bytes[..]).unwrap();
                reader.read_to_end(&mut found).unwrap();
                assert_eq!(found, plain);
            }
        }
    }

    #[test]
    fn higher_levels_make_less_of_it() {
        let text: String = (0..200_000_u32).map(|n| (n % 7919).to_string()).collect();
        for (compression, best) in [(LayerCompression::Gzip, 9), (LayerCompression::Zstd, 19)] {
            let size = |level| {
                let packing = Packing::with_level(compression, level).unwrap();
                packed(text.as_bytes(), packing).unwrap().0.size_bytes
            };
            assert!(size(best) < size(1));
            for level in [-1, 0, 23] {
                assert!(Packing::with_level(compression, level).is_err());
            }
        }
    }

    #[test]
    fn what_does_not_compress_has_room() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(BLOCK + 1)
        .collect();
        for compression in [LayerCompression::Gzip, LayerCompression::Zstd] {
            let (_, bytes) = packed(&noise[..], compression).unwrap();
            assert!(bytes.len() > noise.len());
            let mut found = Vec::new();
            let mut reader = decompress(&bytes[..]).unwrap();
            reader.read_to_end(&mut found).unwrap();
            assert_eq!(found, noise);
        }
    }

    #[test]
    fn what_we_compressed_is_known_again() {
        for length in [0, 1, BLOCK, BLOCK + 17] {
            let plain = content(length);
            let (_, ours) = packed(&plain[..], LayerCompression::Gzip).unwrap();
            assert!(begins_as_ours(&ours[..], &ours[..]).unwrap());
            let level = flate2::Compression::best();
            let mut theirs = flate2::write::GzEncoder::new(Vec::new(), level);
            theirs.write_all(&plain).unwrap();
            let theirs = theirs.finish().unwrap();
            assert!(!begins_as_ours(&theirs[..], &theirs[..]).unwrap());
            let (_, zstd) = packed(&plain[..], LayerCompression::Zstd).unwrap();
            assert!(!begins_as_ours(&zstd[..], &zstd[..]).unwrap());
            assert!(!begins_as_ours(&b"\x1f\x8bx"[..], &b"\x1f\x8bx"[..]).unwrap());
        }
    }

    #[test]
    fn a_broken_input_and_a_full_disk_are_errors() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let input = io::repeat(7).take(5_000_000).chain(Broken);
        let error = packed(input, LayerCompression::Gzip).unwrap_err();
        assert_eq!(error.to_string(), "gone");
        let endless = io::repeat(7).take(1 << 40);
        let full = compress(endless, LayerCompression::Gzip, Algorithm::Sha256, |_| {
            Err(io::Error::other("full"))
        });
        assert_eq!(full.unwrap_err().to_string(), "full");
    }
}
