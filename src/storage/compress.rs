// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers on their way out: compressed on all cores, hashed on both sides. The same input gives
//! the same bytes each time, on every machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::libc;

use super::compression::read_fully;
use crate::oci::{Algorithm, Digest, Digester};

/// What one thread compresses at a time: each is a gzip member, or a frame of zstd, of its own.
const BLOCK: usize = 1 << 20;

/// Threads for one layer.
const WORKERS_MAX: usize = 8;

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

/// A compressed layer, in a file without a name.
#[derive(Debug)]
pub struct Compressed {
    /// The file, which is gone when it is closed.
    pub file: File,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size_bytes: u64,
    /// The digest of what was compressed.
    pub plain_digest: Digest,
}

/// Compresses `input` into a file without a name in the directory `scratch`. The digest of the
/// plain bytes is made with `algorithm`.
///
/// # Errors
///
/// What reading, writing and compressing say.
pub fn compress(
    input: impl Read,
    compression: LayerCompression,
    algorithm: Algorithm,
    scratch: &Path,
) -> io::Result<Compressed> {
    let mut output = Output {
        file: unnamed_file(scratch)?,
        digester: Digester::new(Algorithm::Sha256),
        size_bytes: 0,
    };
    let plain_digest = in_blocks(input, compression, algorithm, &mut output)?;
    Ok(Compressed {
        file: output.file,
        digest: output.digester.finish(),
        size_bytes: output.size_bytes,
        plain_digest,
    })
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

/// Where compressed blocks go.
struct Output {
    file: File,
    digester: Digester,
    size_bytes: u64,
}

impl Output {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digester.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

type Numbered = (usize, Vec<u8>);

fn in_blocks(
    input: impl Read,
    compression: LayerCompression,
    algorithm: Algorithm,
    output: &mut Output,
) -> io::Result<Digest> {
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(WORKERS_MAX);
    let (to_workers, blocks) = sync_channel::<Numbered>(workers);
    let (to_writer, done) = sync_channel::<(usize, io::Result<Vec<u8>>)>(workers);
    // When the writer has failed, the workers end, and the reader finds nobody listening.
    let blocks = Arc::new(Mutex::new(blocks));
    thread::scope(|scope| {
        for _ in 0..workers {
            let (blocks, to_writer) = (Arc::clone(&blocks), to_writer.clone());
            scope.spawn(move || work(&blocks, &to_writer, compression));
        }
        drop((blocks, to_writer));
        let writer = scope.spawn(move || write_in_order(done, output));
        let read = read_blocks(input, algorithm, to_workers);
        let written = writer.join().expect("the writer returns its errors");
        written.and(read)
    })
}

fn read_blocks(
    mut input: impl Read,
    algorithm: Algorithm,
    to_workers: SyncSender<Numbered>,
) -> io::Result<Digest> {
    let mut digester = Digester::new(algorithm);
    for number in 0.. {
        let mut block = vec![0; BLOCK];
        let length = read_fully(&mut input, &mut block)?;
        if length == 0 && number > 0 {
            break;
        }
        block.truncate(length);
        digester.update(&block);
        if to_workers.send((number, block)).is_err() {
            break;
        }
    }
    drop(to_workers);
    Ok(digester.finish())
}

fn work(
    blocks: &Mutex<Receiver<Numbered>>,
    to_writer: &SyncSender<(usize, io::Result<Vec<u8>>)>,
    compression: LayerCompression,
) {
    loop {
        let next = blocks.lock().expect("receiving does not panic").recv();
        let Ok((number, block)) = next else {
            return;
        };
        if to_writer
            .send((number, one_block(&block, compression)))
            .is_err()
        {
            return;
        }
    }
}

fn one_block(block: &[u8], compression: LayerCompression) -> io::Result<Vec<u8>> {
    match compression {
        LayerCompression::Gzip => {
            let buffer = Vec::with_capacity(block.len() / 2);
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(buffer, level);
            encoder.write_all(block)?;
            encoder.finish()
        }
        LayerCompression::Zstd => zstd::bulk::compress(block, ZSTD_LEVEL),
    }
}

fn write_in_order(
    done: Receiver<(usize, io::Result<Vec<u8>>)>,
    output: &mut Output,
) -> io::Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, block) in done {
        early.insert(number, block?);
        while let Some(block) = early.remove(&next) {
            output.take(&block)?;
            next += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;
    use crate::storage::compression::decompress;

    #[test]
    fn what_comes_back_is_what_went_in() {
        let directory = tempfile::tempdir().unwrap();
        for length in [0, 1, BLOCK, 3 * BLOCK + 17] {
            let plain: Vec<u8> = (0..length)
                .map(|at| u8::try_from(at / 1000 % 251).unwrap())
                .collect();
            for compression in [LayerCompression::Gzip, LayerCompression::Zstd] {
                let again = || {
                    compress(&plain[..], compression, Algorithm::Sha256, directory.path()).unwrap()
                };
                let mut packed = again();
                assert_eq!(packed.plain_digest, Digest::sha256(&plain));
                assert_eq!(packed.digest, again().digest);
                let mut bytes = Vec::new();
                packed.file.seek(SeekFrom::Start(0)).unwrap();
                packed.file.read_to_end(&mut bytes).unwrap();
                assert_eq!(packed.digest, Digest::sha256(&bytes));
                assert_eq!(packed.size_bytes, bytes.len() as u64);
                let mut found = Vec::new();
                decompress(&bytes[..])
                    .unwrap()
                    .read_to_end(&mut found)
                    .unwrap();
                assert_eq!(found, plain);
            }
        }
    }

    #[test]
    fn a_broken_input_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let input = io::repeat(7).take(5_000_000).chain(Broken);
        let packed = compress(
            input,
            LayerCompression::Gzip,
            Algorithm::Sha256,
            directory.path(),
        );
        assert_eq!(packed.unwrap_err().to_string(), "gone");
    }
}
