// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Small files of web servers, for commands that take an address in the place of a path.

use crate::registry::{self, Patience, RegistryError, WebFile};

/// No file that people write is longer.
const MOST_BYTES: u64 = 1 << 20;

/// Whether a path as typed is the address of a file.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The file at `url`. The process has threads afterwards, and must not become a container's.
///
/// # Errors
///
/// Why it did not come, or not whole.
pub fn small_file(url: &str) -> Result<WebFile, RegistryError> {
    registry::download_small(url, Patience::default(), MOST_BYTES)
}
