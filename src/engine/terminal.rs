// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user's own terminal while a container has it: raw mode, size, and the keys that detach.

use std::io::IsTerminal;
use std::os::fd::BorrowedFd;

use crate::monitor::protocol::TerminalSize;
use crate::sys::stream;
use crate::sys::tty::{self, RawMode};
use crate::sys::{SysError, SysResult};

/// The keys that detach when nobody says otherwise.
pub const DEFAULT_DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// The bytes that detach, in their order; none never detach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

/// A sequence of keys that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid detach keys: Unknown character: '{key}'")]
pub struct DetachKeysError {
    /// The part between two commas.
    pub key: String,
}

impl DetachKeys {
    /// Reads a comma-separated list of single characters and `ctrl-X`, where X is a letter or one
    /// of `@ [ \ ] ^ _`. Empty text gives keys that never detach.
    ///
    /// # Errors
    ///
    /// The first part that is neither.
    pub fn parse(text: &str) -> Result<Self, DetachKeysError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        text.split(',')
            .map(key_byte)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self::parse(DEFAULT_DETACH_KEYS).expect("the default keys are valid")
    }
}

fn key_byte(key: &str) -> Result<u8, DetachKeysError> {
    let unknown = || DetachKeysError {
        key: key.to_owned(),
    };
    if let [byte] = key.as_bytes() {
        return Ok(*byte);
    }
    if key == "DEL" {
        return Ok(0x7f);
    }
    match key.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([letter @ b'a'..=b'z']) => Ok(letter - b'a' + 1),
        Some([sign @ (b'@' | b'['..=b'_')]) => Ok(sign - b'@'),
        Some(_) | None => Err(unknown()),
    }
}

/// Looks for the detach keys in what is typed.
#[derive(Debug)]
pub struct DetachMatcher {
    keys: Vec<u8>,
    /// How many of the keys were typed and are held back until the next one decides.
    held: usize,
}

/// What became of some typed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// They go to the container.
    Input,
    /// The user detached; what was typed after the keys is lost with them.
    Detached,
}

impl DetachMatcher {
    /// A matcher at the beginning of the input.
    pub fn new(keys: DetachKeys) -> Self {
        Self {
            keys: keys.0,
            held: 0,
        }
    }

    /// Takes typed bytes and appends to `input` those that go to the container: keys that began
    /// like the sequence go as soon as they turn out not to be it.
    pub fn feed(&mut self, typed: &[u8], input: &mut Vec<u8>) -> Typed {
        if self.keys.is_empty() {
            input.extend_from_slice(typed);
            return Typed::Input;
        }
        for byte in typed {
            self.feed_byte(*byte, input);
            if self.held == self.keys.len() {
                return Typed::Detached;
            }
        }
        Typed::Input
    }

    fn feed_byte(&mut self, byte: u8, input: &mut Vec<u8>) {
        let mut candidate = self.keys[..self.held].to_vec();
        candidate.push(byte);
        // Give up the oldest bytes until what is left begins like the keys.
        while !self.keys.starts_with(&candidate) {
            input.push(candidate.remove(0));
        }
        self.held = candidate.len();
    }
}

/// The user's terminal in raw mode, until this is dropped: at a normal end, an error or a panic.
///
/// Signals that would end the process are held back meanwhile by the pump, which ends in order.
#[derive(Debug)]
pub struct TerminalSession {
    _raw: RawMode,
}

impl TerminalSession {
    /// Takes the terminal; `None` when `input` is none, so that there is nothing to set.
    ///
    /// # Errors
    ///
    /// What tcsetattr(3) says.
    pub fn begin(input: BorrowedFd<'_>) -> Result<Option<Self>, SysError> {
        if !input.is_terminal() {
            return Ok(None);
        }
        let raw = RawMode::enter(input)?;
        Ok(Some(Self { _raw: raw }))
    }
}

/// Whether nobody reads what is written to `output` any more.
pub fn reader_is_gone(output: BorrowedFd<'_>) -> bool {
    stream::reader_is_gone(output)
}

/// The size of the terminal behind `descriptor`; `None` when it is none, or has no size yet.
pub fn size_of(descriptor: BorrowedFd<'_>) -> Option<TerminalSize> {
    let (rows, columns) = tty::size(descriptor).ok()?;
    (rows > 0 && columns > 0).then_some(TerminalSize { rows, columns })
}

/// Gives a container's terminal a size, by its master side.
///
/// # Errors
///
/// ENOTTY when it is no terminal.
pub fn set_size(master: BorrowedFd<'_>, size: TerminalSize) -> SysResult<()> {
    tty::set_size(master, size.rows, size.columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_read_as_docker_and_podman_read_them() {
        let cases: &[(&str, Result<&[u8], &str>)] = &[
            ("", Ok(b"")),
            ("ctrl-p,ctrl-q", Ok(&[16, 17])),
            ("a", Ok(b"a")),
            ("a,Z,7", Ok(b"aZ7")),
            ("ctrl-@", Ok(&[0])),
            ("ctrl-a", Ok(&[1])),
            ("ctrl-z", Ok(&[26])),
            ("ctrl-[", Ok(&[27])),
            ("ctrl-\\", Ok(&[28])),
            ("ctrl-]", Ok(&[29])),
            ("ctrl-^", Ok(&[30])),
            ("ctrl-_", Ok(&[31])),
            ("DEL", Ok(&[127])),
            ("ctrl-P", Err("ctrl-P")),
            ("ctrl-1", Err("ctrl-1")),
            ("ctrl-", Err("ctrl-")),
            ("ctrl-pp", Err("ctrl-pp")),
            ("a,,b", Err("")),
            ("ab", Err("ab")),
            ("\u{e9}", Err("\u{e9}")),
        ];
        for (text, expected) in cases {
            let expected = expected
                .map(|bytes| DetachKeys(bytes.to_vec()))
                .map_err(|key| DetachKeysError {
                    key: key.to_owned(),
                });
            assert_eq!(DetachKeys::parse(text), expected, "{text}");
        }
    }

    /// Keys, what is typed read by read, what arrives, what becomes of it.
    type Case<'a> = (&'a str, &'a [&'a [u8]], &'a [u8], Typed);

    #[test]
    fn what_is_not_the_sequence_arrives_whole() {
        let detached = Typed::Detached;
        let input = Typed::Input;
        let cases: &[Case<'_>] = &[
            ("ctrl-p,ctrl-q", &[b"ls\n"], b"ls\n", input),
            ("ctrl-p,ctrl-q", &[&[16]], b"", input),
            ("ctrl-p,ctrl-q", &[&[16], b"x"], &[16, b'x'], input),
            ("ctrl-p,ctrl-q", &[&[16], &[17]], b"", detached),
            ("ctrl-p,ctrl-q", &[&[16, 16, 17]], &[16], detached),
            ("ctrl-p,ctrl-q", &[b"ab", &[16, 17], b"cd"], b"ab", detached),
            ("ctrl-p,ctrl-q", &[&[17, 16]], &[17], input),
            ("a,a,b", &[b"aaab"], b"a", detached),
            ("a,b,a,c", &[b"ababac"], b"ab", detached),
            ("a,b,a,c", &[b"abad"], b"abad", input),
            ("x", &[b"x"], b"", detached),
            ("", &[&[16, 17]], &[16, 17], input),
        ];
        for (keys, typed, arrives, result) in cases {
            let mut matcher = DetachMatcher::new(DetachKeys::parse(keys).unwrap());
            let mut forwarded = Vec::new();
            let mut last = Typed::Input;
            for bytes in *typed {
                last = matcher.feed(bytes, &mut forwarded);
                if last == Typed::Detached {
                    break;
                }
            }
            assert_eq!(
                (forwarded.as_slice(), last),
                (*arrives, *result),
                "{keys} {typed:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_or_invented(typed: Vec<u8>, cut in 0usize..64) {
            let mut matcher = DetachMatcher::new(DetachKeys::default());
            let mut forwarded = Vec::new();
            let (first, second) = typed.split_at(cut.min(typed.len()));
            let detached = matcher.feed(first, &mut forwarded) == Typed::Detached
                || matcher.feed(second, &mut forwarded) == Typed::Detached;
            let end = typed.windows(2).position(|pair| pair == [16, 17]);
            proptest::prop_assert_eq!(detached, end.is_some());
            let mut expected = typed[..end.unwrap_or(typed.len())].to_vec();
            if !detached {
                expected.truncate(typed.len() - matcher.held);
            }
            proptest::prop_assert_eq!(forwarded, expected);
        }
    }
}
