// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The last output of a terminal, for who attaches later: what was written while nobody looked,
//! from the beginning of the line on that was last seen, such as a shell's prompt.

/// How much is remembered.
const SCREEN_BYTES: usize = 16 * 1024;

/// The last output of a terminal.
#[derive(Debug)]
pub(super) struct Screen {
    /// A ring once it is full; pages that were never written cost nothing.
    bytes: Vec<u8>,
    /// Where the next byte goes in a full ring.
    next: usize,
    /// How many of the newest bytes nobody has seen.
    unseen: usize,
}

/// Whether somebody is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Somebody,
    Nobody,
}

impl Screen {
    /// An empty screen.
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(SCREEN_BYTES),
            next: 0,
            unseen: 0,
        }
    }

    /// Remembers some output.
    pub(super) fn push(&mut self, output: &[u8], audience: Audience) {
        match audience {
            Audience::Somebody => self.unseen = 0,
            Audience::Nobody => {
                self.unseen = self.unseen.saturating_add(output.len()).min(SCREEN_BYTES);
            }
        }
        let newest = &output[output.len().saturating_sub(SCREEN_BYTES)..];
        let growing = newest.len().min(SCREEN_BYTES - self.bytes.len());
        self.bytes.extend_from_slice(&newest[..growing]);
        for byte in &newest[growing..] {
            self.bytes[self.next] = *byte;
            self.next = (self.next + 1) % SCREEN_BYTES;
        }
    }

    /// What somebody who attaches now should see first; it counts as seen.
    pub(super) fn replay(&mut self) -> Vec<u8> {
        let (newer, older) = self.bytes.split_at(self.next);
        let mut all = [older, newer].concat();
        let seen_end = all.len() - self.unseen.min(all.len());
        let line_end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
        let start = match line_end(&all[..seen_end]) {
            Some(position) => position + 1,
            // The ring may begin in the middle of a line, or of a control sequence.
            None if all.len() == SCREEN_BYTES => {
                let next_line = all[seen_end..].iter().position(|byte| *byte == b'\n');
                next_line.map_or(seen_end, |position| seen_end + position + 1)
            }
            None => 0,
        };
        self.unseen = 0;
        all.split_off(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen_of(parts: &[(&[u8], Audience)]) -> Screen {
        let mut screen = Screen::new();
        for (output, audience) in parts {
            screen.push(output, *audience);
        }
        screen
    }

    #[test]
    fn shows_the_line_that_was_last_seen_and_what_was_missed() {
        use Audience::{Nobody, Somebody};
        type Case<'a> = (&'a [(&'a [u8], Audience)], &'a [u8]);
        let cases: &[Case<'_>] = &[
            (&[], b""),
            (&[(b"all of it", Nobody)], b"all of it"),
            (&[(b"old\r\n$ ", Somebody)], b"$ "),
            (
                &[(b"old\r\n$ ", Somebody), (b"new\r\n$ ", Nobody)],
                b"$ new\r\n$ ",
            ),
            (&[(b"old\r\n", Somebody)], b""),
            (
                &[(b"one\n", Nobody), (b"two\n", Somebody), (b"three", Nobody)],
                b"three",
            ),
        ];
        for (parts, expected) in cases {
            let mut screen = screen_of(parts);
            assert_eq!(screen.replay(), *expected, "{parts:?}");
        }
    }

    #[test]
    fn what_was_replayed_is_seen() {
        let mut screen = screen_of(&[(b"one\ntwo", Audience::Nobody)]);
        assert_eq!(screen.replay(), b"one\ntwo");
        assert_eq!(screen.replay(), b"two");
    }

    #[test]
    fn a_full_ring_begins_with_a_whole_line() {
        let mut screen = Screen::new();
        let lines: Vec<u8> = (0..10_000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        for chunk in lines.chunks(777) {
            screen.push(chunk, Audience::Nobody);
        }
        let replay = screen.replay();
        assert!(replay.len() <= SCREEN_BYTES && replay.len() > SCREEN_BYTES - 10);
        assert!(lines.ends_with(&replay));
        assert_eq!(lines[lines.len() - replay.len() - 1], b'\n');
        assert_eq!(screen.bytes.capacity(), SCREEN_BYTES);
    }

    #[test]
    fn a_screen_without_lines_shows_what_was_missed() {
        let mut screen = Screen::new();
        screen.push(&[b'x'; SCREEN_BYTES], Audience::Somebody);
        screen.push(b"yz", Audience::Nobody);
        assert_eq!(screen.replay(), b"yz");
    }
}
