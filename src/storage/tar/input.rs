// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a tar stream comes from: something to read, or a file whose parts can be skipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// A buffered stream that can pass over bytes.
pub(crate) trait TarInput: BufRead {
    /// Passes over `length` bytes and returns how many there were: fewer only at the end.
    fn skip(&mut self, length: u64) -> io::Result<u64> {
        let mut left = length;
        while left > 0 {
            let available = self.fill_buf()?.len();
            if available == 0 {
                break;
            }
            let step = usize::try_from(left).map_or(available, |left| left.min(available));
            self.consume(step);
            left -= step as u64;
        }
        Ok(length - left)
    }
}

impl TarInput for &[u8] {}

/// A regular file: what is passed over is not read.
#[derive(Debug)]
pub(crate) struct SeekableInput {
    file: BufReader<File>,
    position: u64,
    size: u64,
}

impl SeekableInput {
    /// The file from where it stands.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let position = io::Seek::stream_position(&mut file)?;
        Ok(Self {
            file,
            position,
            size,
        })
    }
}

impl TarInput for SeekableInput {
    fn skip(&mut self, length: u64) -> io::Result<u64> {
        let step = length.min(self.size.saturating_sub(self.position));
        let offset = i64::try_from(step).map_err(io::Error::other)?;
        self.file.seek_relative(offset)?;
        self.position += step;
        Ok(step)
    }
}

impl BufRead for SeekableInput {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        self.file.consume(length);
        self.position += length as u64;
    }
}

impl Read for SeekableInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.position += length as u64;
        Ok(length)
    }
}
