// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives that are named by a URL: they come into a file without a name first.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use super::error::ImageError;
use crate::engine::Engine;
use crate::registry::{self, Patience};
use crate::runtime::apart::run_apart;
use crate::runtime::failure::chain;
use crate::storage::unnamed_file;

impl Engine {
    /// What `url` leads to, from its beginning.
    ///
    /// The caller must be single-threaded.
    pub(super) fn downloaded(&self, url: &str) -> Result<File, ImageError> {
        let failed = |words: String| ImageError::Download { words };
        self.images()?;
        let scratch = self.dirs.tmp();
        let file = unnamed_file(&scratch);
        let mut file = file.map_err(|error| failed(format!("{}: {error}", scratch.display())))?;
        // Threads and TLS must not be in a process that enters namespaces later.
        let answer = run_apart(|| {
            let outcome = registry::download(url, Patience::default(), &file);
            let words = outcome.map_err(|error| chain(&error));
            serde_json::to_vec(&words).expect("an answer has string keys")
        });
        let answer = answer.map_err(|error| failed(chain(&error)))?;
        let outcome: Result<(), String> =
            serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))?;
        outcome.map_err(failed)?;
        let start = file.seek(SeekFrom::Start(0));
        start.map_err(|error| failed(error.to_string()))?;
        Ok(file)
    }
}
