// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ids of containers and pods: 64 hexadecimal digits, shown as 12.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sys::SysResult;
use crate::sys::random::random_bytes;

/// The id of a container: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(String);

/// The id of a pod, of the same form.
pub type PodId = ContainerId;

impl ContainerId {
    /// Makes an id that nobody has had before.
    ///
    /// # Errors
    ///
    /// What getrandom(2) says.
    pub fn random() -> SysResult<Self> {
        random_bytes().map(|bytes| Self::from_random(&bytes))
    }

    /// A new id from what `random` gives. Its beginning is not all decimal digits: as the name of a
    /// host that would be taken for a number, and nobody could look it up.
    pub fn generate(mut random: impl FnMut() -> [u8; 32]) -> Self {
        loop {
            let id = Self::from_random(&random());
            if !id.as_str()[..12].bytes().all(|byte| byte.is_ascii_digit()) {
                return id;
            }
        }
    }

    /// Makes an id of 32 bytes from the kernel's random source.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self(text)
    }

    /// Reads a full id; `None` unless it is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The bytes of [`ContainerId::from_random`].
    pub fn to_bytes(&self) -> [u8; 32] {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => byte - b'0',
            _ => byte - b'a' + 10,
        };
        let text = self.0.as_bytes();
        std::array::from_fn(|index| digit(text[2 * index]) << 4 | digit(text[2 * index + 1]))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, as tables show them.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl AsRef<str> for ContainerId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_container_is_called_like_a_number() {
        let mut bytes = [0x12, 0x1a].into_iter();
        let id = ContainerId::generate(|| [bytes.next().unwrap(); 32]);
        assert_eq!(id.as_str(), "1a".repeat(32));
    }
}
