// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes an attached connection's frames apart, in whatever pieces they come.

use crate::monitor::protocol::{FRAME_HEADER_BYTES, Framing, OutputStream};

/// Where in the stream of frames the reader is.
#[derive(Debug)]
pub(super) struct FrameReader {
    framing: Framing,
    header: [u8; FRAME_HEADER_BYTES],
    header_filled: usize,
    payload_left: usize,
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// This many bytes of that stream.
    Payload(OutputStream, usize),
    /// This many bytes of a header, or of a stream that is not known.
    Skip(usize),
}

impl FrameReader {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            header: [0; FRAME_HEADER_BYTES],
            header_filled: 0,
            payload_left: 0,
        }
    }

    /// Says what `bytes`, which must not be empty, begin with. Part of a header is taken at once;
    /// payload counts only once [`FrameReader::consume`] is told of it.
    pub(super) fn next_piece(&mut self, bytes: &[u8]) -> Piece {
        if self.framing == Framing::Raw {
            return Piece::Payload(OutputStream::Stdout, bytes.len());
        }
        if self.payload_left == 0 {
            return Piece::Skip(self.take_header(bytes));
        }
        let length = self.payload_left.min(bytes.len());
        if let Some(stream) = OutputStream::from_number(self.header[0]) {
            Piece::Payload(stream, length)
        } else {
            self.consume(length);
            Piece::Skip(length)
        }
    }

    /// Counts `length` bytes of payload as delivered.
    pub(super) fn consume(&mut self, length: usize) {
        self.payload_left = self.payload_left.saturating_sub(length);
    }

    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let wanted = FRAME_HEADER_BYTES - self.header_filled;
        let taken = wanted.min(bytes.len());
        self.header[self.header_filled..][..taken].copy_from_slice(&bytes[..taken]);
        self.header_filled += taken;
        if self.header_filled == FRAME_HEADER_BYTES {
            let [_, _, _, _, length @ ..] = self.header;
            self.payload_left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            self.header_filled = 0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::protocol::frame_header;

    fn read_all(wire: &[u8], step: usize, framing: Framing) -> (Vec<u8>, Vec<u8>) {
        let mut reader = FrameReader::new(framing);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        for chunk in wire.chunks(step) {
            let mut rest = chunk;
            while !rest.is_empty() {
                match reader.next_piece(rest) {
                    Piece::Skip(length) => rest = &rest[length..],
                    Piece::Payload(stream, length) => {
                        let target = match stream {
                            OutputStream::Stdout => &mut stdout,
                            OutputStream::Stderr => &mut stderr,
                        };
                        // One byte at a time, as a slow reader takes them.
                        let length = length.min(1);
                        target.extend_from_slice(&rest[..length]);
                        reader.consume(length);
                        rest = &rest[length..];
                    }
                }
            }
        }
        (stdout, stderr)
    }

    #[test]
    fn frames_come_apart_however_they_are_cut() {
        let mut wire = Vec::new();
        for (stream, text) in [
            (OutputStream::Stdout, &b"one"[..]),
            (OutputStream::Stderr, b"two"),
            (OutputStream::Stdout, b""),
            (OutputStream::Stdout, b"three"),
        ] {
            let length = u32::try_from(text.len()).unwrap();
            wire.extend_from_slice(&frame_header(stream, length));
            wire.extend_from_slice(text);
        }
        for step in 1..=wire.len() {
            let (stdout, stderr) = read_all(&wire, step, Framing::Multiplexed);
            assert_eq!((&stdout[..], &stderr[..]), (&b"onethree"[..], &b"two"[..]));
        }
        assert_eq!(read_all(&wire, 7, Framing::Raw), (wire, Vec::new()));
    }

    #[test]
    fn a_stream_that_is_not_known_is_passed_over() {
        let wire = [
            9, 0, 0, 0, 0, 0, 0, 2, b'x', b'y', 1, 0, 0, 0, 0, 0, 0, 1, b'z',
        ];
        let (stdout, stderr) = read_all(&wire, 3, Framing::Multiplexed);
        assert_eq!((stdout, stderr), (b"z".to_vec(), Vec::new()));
    }
}
