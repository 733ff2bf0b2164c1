// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which of two binaries has the newer helper. After an upgrade the helper of the old binary still
//! runs, and knows less than the commands of the new one.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

/// To be raised, between two releases, with everything that a helper does from now on and did not
/// before: a newer command takes the work over from an older helper. Only additions are allowed to
/// the messages of `protocol`, since monitors of older binaries speak with newer helpers.
macro_rules! revision {
    () => {
        "8"
    };
}

/// The release and the revision, in a form that is found in the binary.
static MARK: &str = concat!(
    "coracle-network-helper=",
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR"),
    ".",
    env!("CARGO_PKG_VERSION_PATCH"),
    ".",
    revision!()
);

/// The release of a helper and its revision, the later the greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(Vec<u32>);

impl Version {
    /// That of this binary.
    pub fn own() -> Self {
        // Read from the mark itself, whatever the compiler knows of it.
        Self::of(black_box(MARK))
    }

    fn of(mark: &str) -> Self {
        let numbers = mark.rsplit('=').next().unwrap_or_default().split('.');
        Self(numbers.filter_map(|number| number.parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ones_are_greater() {
        let versions = ["x=0.1.9.9", "x=0.2.0.1", "x=0.10.0.1", "x=1.0.0.1"].map(Version::of);
        assert!(versions.is_sorted());
        assert_eq!(Version::own().0.len(), 4);
    }
}
