// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the data of sparse files belong, in the four ways in which GNU tar has said it.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use nix::sys::statvfs::fstatvfs;
use tar::{GnuExtSparseHeader, Header};

use super::header::{self, BLOCK};
use super::pax::{PaxSparse, decimal};
use super::stream::{DataError, TarStream};
use super::{Member, SparseMap, TarError, TarInput, printable};

/// Sparse files up to this length are made without a look at the file system.
const LONG: u64 = 1 << 30;

impl<R: TarInput> TarStream<R> {
    /// GNU's old format: four pieces in the header, more in blocks after it.
    pub(super) fn read_old_sparse(&mut self, header: &Header) -> Result<SparseMap, TarError> {
        let name = || printable(&header.path_bytes());
        let gnu = header.as_gnu().ok_or_else(|| TarError::Sparse(name()))?;
        let mut pieces = Vec::new();
        let mut take = |sparse: &[tar::GnuSparseHeader]| -> io::Result<()> {
            for piece in sparse.iter().filter(|piece| !piece.is_empty()) {
                pieces.push((piece.offset()?, piece.length()?));
            }
            Ok(())
        };
        take(&gnu.sparse).map_err(|error| header::bad(&error))?;
        let mut more = gnu.is_extended();
        let mut read = 0;
        while more {
            let mut block = GnuExtSparseHeader::new();
            read += BLOCK as u64;
            if read > self.limits.extension_bytes {
                let position = self.position;
                return Err(TarError::ExtensionTooLong {
                    size: read,
                    position,
                });
            }
            if !self.read_block(block.as_mut_bytes())? {
                return Err(TarError::Truncated);
            }
            take(block.sparse()).map_err(|error| header::bad(&error))?;
            more = block.is_extended();
        }
        Ok(SparseMap {
            real_size: gnu.real_size().map_err(|error| header::bad(&error))?,
            pieces,
        })
    }

    /// Formats 0.0 and 0.1 hold the map in their records, 1.0 in front of the data.
    pub(super) fn pax_sparse_map(
        &mut self,
        sparse: &PaxSparse,
        name: &[u8],
    ) -> Result<SparseMap, TarError> {
        if sparse.major != Some(1) {
            return Ok(sparse.map());
        }
        let damaged = || TarError::Sparse(printable(name));
        let mut numbers = MapReader::default();
        while !numbers.is_complete() {
            let mut block = [0; BLOCK];
            if self.data_left < BLOCK as u64 || !self.read_block(&mut block)? {
                return Err(damaged());
            }
            self.data_left -= BLOCK as u64;
            numbers.read += BLOCK as u64;
            if numbers.read > self.limits.extension_bytes {
                return Err(damaged());
            }
            numbers.take(&block).ok_or_else(damaged)?;
        }
        Ok(SparseMap {
            real_size: sparse.real_size.unwrap_or(0),
            pieces: numbers.pieces(),
        })
    }
}

/// Reads the map of format 1.0: a count, then offset and length of each piece, one a line.
#[derive(Default)]
struct MapReader {
    line: Vec<u8>,
    count: Option<u64>,
    numbers: Vec<u64>,
    read: u64,
}

impl MapReader {
    fn is_complete(&self) -> bool {
        self.count
            .is_some_and(|count| self.numbers.len() as u64 == count.saturating_mul(2))
    }

    fn take(&mut self, block: &[u8]) -> Option<()> {
        for &byte in block {
            if self.is_complete() {
                break;
            }
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let number = decimal(&self.line)?;
            self.line.clear();
            match self.count {
                None => self.count = Some(number),
                Some(_) => self.numbers.push(number),
            }
        }
        Some(())
    }

    fn pieces(&self) -> Vec<(u64, u64)> {
        let (pairs, _) = self.numbers.as_chunks::<2>();
        pairs.iter().map(|pair| (pair[0], pair[1])).collect()
    }
}

impl Member {
    /// Where the data of this member belong in `file`, as offsets and lengths; one that is sparse
    /// gets its length.
    pub(crate) fn pieces_in(&self, file: &File) -> Result<Cow<'_, [(u64, u64)]>, DataError> {
        let Some(sparse) = &self.sparse else {
            return Ok(Cow::Owned(vec![(0, self.stored_size)]));
        };
        sparse.set_length(file, self)?;
        Ok(Cow::Borrowed(&sparse.pieces))
    }
}

impl<R: TarInput> TarStream<R> {
    /// Writes the data of the current member to these pieces of `file`.
    pub(crate) fn write_pieces(
        &mut self,
        file: &File,
        pieces: &[(u64, u64)],
    ) -> Result<(), DataError> {
        for &(offset, length) in pieces {
            let mut written = 0;
            while written < length {
                let at = offset + written;
                let step =
                    self.read_data(length - written, |bytes| file.write_all_at(bytes, at))?;
                if step == 0 {
                    let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(DataError::Sink(cut));
                }
                written += step;
            }
        }
        Ok(())
    }
}

impl SparseMap {
    /// Makes `file`, which is to hold `member`, as long as it will be.
    ///
    /// A hole takes no room, so that a few bytes could make a file that whoever reads it reads for
    /// years: longer than the whole file system it must not be.
    fn set_length(&self, file: &File, member: &Member) -> Result<(), DataError> {
        if self.real_size > LONG {
            let stat = fstatvfs(file).map_err(|errno| DataError::Sink(errno.into()))?;
            let room = stat.blocks().saturating_mul(stat.fragment_size());
            if self.real_size > room {
                return Err(DataError::Tar(TarError::SparseTooLong {
                    name: printable(&member.path),
                    size: self.real_size,
                    room,
                }));
            }
        }
        file.set_len(self.real_size).map_err(DataError::Sink)
    }
}
