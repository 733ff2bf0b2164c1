// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Content digests: `sha256:` or `sha512:` and lower-case hexadecimal digits.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of some bytes, such as `sha256:e3b0c442…`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// The hash of a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, which everything uses.
    Sha256,
    /// SHA-512, which the image specification also allows.
    Sha512,
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    #[error("digest {text:?} has no algorithm, such as sha256:")]
    NoAlgorithm {
        /// What was read.
        text: String,
    },
    /// The algorithm is neither sha256 nor sha512.
    #[error("digest algorithm {algorithm:?} is not supported; sha256 and sha512 are")]
    UnknownAlgorithm {
        /// The word before the colon.
        algorithm: String,
    },
    /// The digits are too many, too few, or not lower-case hexadecimal.
    #[error("digest {text:?} does not have {expected} lower-case hexadecimal digits")]
    BadDigits {
        /// What was read.
        text: String,
        /// How many digits the algorithm has.
        expected: usize,
    },
}

impl Algorithm {
    /// The name in front of the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a digest of this algorithm has.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Digest {
    /// Reads `algorithm:hex`.
    ///
    /// # Errors
    ///
    /// [`DigestError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let Some((name, hex)) = text.split_once(':') else {
            return Err(DigestError::NoAlgorithm { text: text.into() });
        };
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => {
                let algorithm = other.into();
                return Err(DigestError::UnknownAlgorithm { algorithm });
            }
        };
        let expected = algorithm.hex_len();
        if hex.len() != expected || !is_lower_hex(hex) {
            let text = text.into();
            return Err(DigestError::BadDigits { text, expected });
        }
        let hex = hex.to_owned();
        Ok(Self { algorithm, hex })
    }

    /// The SHA-256 digest whose digits are `hex`; `None` unless there are 64 lower-case ones.
    pub fn from_sha256_hex(hex: &str) -> Option<Self> {
        Self::parse(&format!("sha256:{hex}")).ok()
    }

    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut digester = Digester::new(Algorithm::Sha256);
        digester.update(bytes);
        digester.finish()
    }

    /// The hash it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits after the colon.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first 12 digits, as tables show them.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

/// Whether `text` is made of lower-case hexadecimal digits only.
fn is_lower_hex(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.bytes().all(hex)
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Computes a [`Digest`] over bytes that pass by.
#[derive(Debug, Clone)]
pub struct Digester {
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Digester {
    /// A digester that has seen nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        };
        Self { state }
    }

    /// Takes `bytes` in.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        match self.state {
            State::Sha256(hasher) => Digest {
                algorithm: Algorithm::Sha256,
                hex: to_hex(&hasher.finalize()),
            },
            State::Sha512(hasher) => Digest {
                algorithm: Algorithm::Sha512,
                hex: to_hex(&hasher.finalize()),
            },
        }
    }
}

impl io::Write for Digester {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_of_nothing() {
        assert_eq!(Digest::sha256(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY).unwrap().short(), "e3b0c44298fc");
        let long = Digester::new(Algorithm::Sha512).finish();
        assert!(long.hex().starts_with("cf83e1357eefb8bd"));
        assert_eq!(Digest::parse(&long.to_string()).unwrap(), long);
    }

    #[test]
    fn bad_digests_are_refused() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let long = format!("{EMPTY}0");
        for text in [
            "",
            ":",
            "sha256",
            "sha256:",
            "md5:00",
            "sha256:é",
            &upper,
            &long,
            &EMPTY[..70],
            &EMPTY.replace("e3", "ée"),
        ] {
            assert!(Digest::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn digest_is_a_string_in_json() {
        let json = format!("\"{EMPTY}\"");
        let digest: Digest = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), json);
        assert!(serde_json::from_str::<Digest>("\"sha1:0\"").is_err());
    }
}
