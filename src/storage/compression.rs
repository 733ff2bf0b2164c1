// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compressed streams, told by their first bytes: gzip, zstd, xz, or none. bzip2 is refused.
//! What comes out is bounded by what went in, so that a small archive cannot fill the disk.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    Gzip,
    Zstd,
    Xz,
    /// Recognised to be refused by name.
    Bzip2,
}

/// The longest mark in [`Compression::detect`].
pub(crate) const MAGIC_LENGTH: usize = 6;

/// More than gzip and xz reach on anything; zstd and runs of zeros go beyond it.
const MAX_RATIO: u64 = 2_000;

/// Below this nobody is harmed.
const ALWAYS_ALLOWED: u64 = 4 << 30;

const BUFFER: usize = 128 << 10;

/// What a decoder may keep in memory.
const XZ_MEMORY: u64 = 512 << 20;

impl Compression {
    /// Tells the compression by a stream's first bytes.
    pub(crate) fn detect(first: &[u8]) -> Self {
        if first.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Self::Xz
        } else if first.starts_with(b"BZh") {
            Self::Bzip2
        } else {
            Self::None
        }
    }
}

/// Reads up to `buffer.len()` bytes; fewer only at the end.
pub(crate) fn read_fully(mut input: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The plain bytes of `input`, whatever it is compressed with.
///
/// # Errors
///
/// What reading the first bytes says; `Unsupported` for bzip2.
pub(crate) fn decompress<'a>(mut input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut first = [0; MAGIC_LENGTH];
    let length = read_fully(&mut input, &mut first)?;
    let compression = Compression::detect(&first[..length]);
    let whole = Cursor::new(first).take(length as u64).chain(input);
    let taken = Rc::new(Cell::new(0));
    let counted = BufReader::with_capacity(
        BUFFER,
        Counted {
            inner: whole,
            taken: Rc::clone(&taken),
        },
    );
    let decoder: Box<dyn Read + 'a> = match compression {
        Compression::None => return Ok(Box::new(counted)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(counted)?),
        Compression::Xz => {
            const CONCATENATED: u32 = 8;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(counted, stream))
        }
        Compression::Bzip2 => {
            let text = "bzip2 archives are not supported; unpack it with bunzip2 first";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    };
    let bounded = Bounded {
        inner: decoder,
        taken,
        given: 0,
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER, bounded)))
}

/// Counts what a decoder takes.
struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + length as u64);
        Ok(length)
    }
}

/// Ends a stream that grows beyond all reason.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    taken: Rc<Cell<u64>>,
    given: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.given += length as u64;
        let most = self
            .taken
            .get()
            .saturating_mul(MAX_RATIO)
            .max(ALWAYS_ALLOWED);
        if self.given > most {
            let text = format!(
                "{} bytes unpack to more than {most}: refused as a decompression bomb",
                self.taken.get()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn plain(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    #[test]
    fn every_format_reads_in_one_or_several_parts() {
        for encode in [gzip, xz, zstd, <[u8]>::to_vec] {
            let parts = [encode(b"one "), encode(b"two")].concat();
            assert_eq!(plain(&parts).unwrap(), b"one two");
        }
        assert_eq!(plain(b"").unwrap(), b"");
        assert_eq!(plain(b"\x1f").unwrap(), b"\x1f");
    }

    #[test]
    fn layers_that_can_be_read_in_parts_are_read_as_what_they_are() {
        // zstd:chunked keeps its tables in frames that say of themselves: skip me.
        let skipped = |text: &[u8]| {
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            [&0x184d_2a50_u32.to_le_bytes(), &length[..], text].concat()
        };
        let chunked = [
            zstd(b"one "),
            zstd(b"two"),
            skipped(b"tables"),
            skipped(b"footer"),
        ];
        assert_eq!(plain(&chunked.concat()).unwrap(), b"one two");
        // estargz ends with an empty member whose extra field says where its table is.
        let mut footer = flate2::GzBuilder::new()
            .extra(*b"SG\x16\x00000000000000001fSTARGZ")
            .write(Vec::new(), flate2::Compression::none());
        footer.write_all(b"").unwrap();
        let estargz = [gzip(b"one "), gzip(b"two"), footer.finish().unwrap()];
        assert_eq!(plain(&estargz.concat()).unwrap(), b"one two");
    }

    #[test]
    fn damaged_and_unknown_streams_are_refused() {
        for bytes in [gzip(b"some text"), xz(b"some text")] {
            assert!(plain(&bytes[..bytes.len() - 3]).is_err());
        }
        let error = plain(b"BZh91AY").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn a_bomb_ends() {
        let endless = Bounded {
            inner: Box::new(io::repeat(0)),
            taken: Rc::new(Cell::new(1000)),
            given: ALWAYS_ALLOWED - 5,
        };
        let mut out = Vec::new();
        let error = endless.take(1 << 20).read_to_end(&mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
