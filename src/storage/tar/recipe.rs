// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a layer's tar stream is put together again, byte for byte: everything of the stream but the
//! content of files, which the unpacked tree has.
//!
//! ```text
//! R length bytes                          bytes of the stream
//! F length path count (offset length)*    pieces of the file at `path`
//! ```
//!
//! Numbers are little-endian, 64 bits; the whole is compressed with zstd.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// Raw bytes kept together before they are written.
const GATHERED: usize = 64 << 10;

/// The longest path and the most pieces that a reader takes.
const PATH_MAX: u64 = 4096;
const RAW_MAX: u64 = 64 << 20;

/// Writes a recipe while a stream is unpacked.
pub(crate) struct RecipeWriter {
    output: zstd::stream::write::Encoder<'static, File>,
    gathered: Vec<u8>,
}

impl fmt::Debug for RecipeWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RecipeWriter")
            .finish_non_exhaustive()
    }
}

impl RecipeWriter {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            output: zstd::stream::write::Encoder::new(file, 1)?,
            gathered: Vec::with_capacity(GATHERED),
        })
    }

    /// The next bytes of the stream are these.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED {
            self.flush()?;
        }
        Ok(())
    }

    /// The next bytes of the stream are these pieces, offset and length, of the file at `path`.
    pub(crate) fn file(&mut self, path: &[u8], pieces: &[(u64, u64)]) -> io::Result<()> {
        self.flush()?;
        let mut record = vec![b'F'];
        push(&mut record, path.len() as u64);
        record.extend_from_slice(path);
        push(&mut record, pieces.len() as u64);
        for &(offset, length) in pieces {
            push(&mut record, offset);
            push(&mut record, length);
        }
        self.output.write_all(&record)
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.output.finish().map(drop)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut head = vec![b'R'];
        push(&mut head, self.gathered.len() as u64);
        self.output.write_all(&head)?;
        self.output.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }
}

fn push(record: &mut Vec<u8>, number: u64) {
    record.extend_from_slice(&number.to_le_bytes());
}

/// The stream of a layer, put together from its recipe and its tree.
pub(crate) struct RecipeReader {
    recipe: BufReader<zstd::stream::read::Decoder<'static, BufReader<File>>>,
    root: OwnedFd,
    /// Raw bytes that are left before the next record.
    raw_left: u64,
    file: Option<File>,
    /// The pieces of `file` that are left, the next one last.
    pieces: Vec<(u64, u64)>,
}

impl fmt::Debug for RecipeReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RecipeReader")
            .finish_non_exhaustive()
    }
}

impl RecipeReader {
    pub(crate) fn new(recipe: File, root: OwnedFd) -> io::Result<Self> {
        let recipe = zstd::stream::read::Decoder::new(recipe)?;
        Ok(Self {
            recipe: BufReader::with_capacity(GATHERED, recipe),
            root,
            raw_left: 0,
            file: None,
            pieces: Vec::new(),
        })
    }

    /// Goes on to the next record; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let mut kind = [0];
        if self.recipe.read(&mut kind)? == 0 {
            return Ok(false);
        }
        match kind[0] {
            b'R' => self.raw_left = self.number(RAW_MAX)?,
            b'F' => {
                let length = self.number(PATH_MAX)?;
                let mut path = Vec::new();
                Read::by_ref(&mut self.recipe)
                    .take(length)
                    .read_to_end(&mut path)?;
                let count = self.number(RAW_MAX)?;
                self.pieces.clear();
                for _ in 0..count {
                    let piece = (self.number(u64::MAX)?, self.number(u64::MAX)?);
                    self.pieces.push(piece);
                }
                self.pieces.reverse();
                self.file = Some(open_below(&self.root, path)?);
            }
            _ => return Err(damaged()),
        }
        Ok(true)
    }

    fn number(&mut self, most: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.recipe.read_exact(&mut bytes)?;
        let number = u64::from_le_bytes(bytes);
        if number > most {
            return Err(damaged());
        }
        Ok(number)
    }

    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (Some(file), Some(piece)) = (&self.file, self.pieces.last_mut()) else {
            return Ok(0);
        };
        let most = usize::try_from(piece.1).map_or(buffer.len(), |left| left.min(buffer.len()));
        let length = file.read_at(&mut buffer[..most], piece.0)?;
        if length == 0 && most > 0 {
            return Err(damaged());
        }
        piece.0 += length as u64;
        piece.1 -= length as u64;
        if piece.1 == 0 {
            self.pieces.pop();
        }
        Ok(length)
    }
}

impl Read for RecipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.raw_left > 0 {
                let left = usize::try_from(self.raw_left).unwrap_or(usize::MAX);
                let most = left.min(buffer.len());
                let length = self.recipe.read(&mut buffer[..most])?;
                if length == 0 {
                    return Err(damaged());
                }
                self.raw_left -= length as u64;
                return Ok(length);
            }
            if !self.pieces.is_empty() {
                match self.read_piece(buffer)? {
                    0 => continue,
                    length => return Ok(length),
                }
            }
            self.file = None;
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

fn damaged() -> io::Error {
    let words = "the layer's files or its recipe are damaged";
    io::Error::new(io::ErrorKind::InvalidData, words)
}

/// Opens the file at `path`. A link on the way was followed inside the root when it was unpacked.
fn open_below(root: &OwnedFd, path: Vec<u8>) -> io::Result<File> {
    let name = CString::new(path).map_err(|_nul| damaged())?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    loop {
        match openat2(root, name.as_c_str(), how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Err(damaged()),
            result => return Ok(result?.into()),
        }
    }
}
