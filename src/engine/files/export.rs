// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `export`: a container's tree as a tar stream.

use std::fs::File;
use std::io::{self, Read, Write};

use super::error::FilesError;
use crate::engine::Engine;
use crate::state::events::{Action, Event};
use crate::storage::pack::{Scope, TreeStream};

/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;

impl Engine {
    /// Writes the tree of the container that `name` means to `output`, without what is mounted
    /// over it.
    ///
    /// # Errors
    ///
    /// See [`FilesError`].
    pub fn export(&self, name: &str, output: &File) -> Result<(), FilesError> {
        let store = self.store()?;
        let record = store.load(&store.resolve(name)?)?;
        let layers = self.container_layers(&record, "export")?;
        let mut work = || {
            let stream = TreeStream::new(layers.clone(), Scope::Whole);
            match copy(stream, output) {
                Ok(()) => Vec::new(),
                Err(error) => error.to_string().into_bytes(),
            }
        };
        let failed = |words| FilesError::Work {
            action: format!("export container {name}"),
            words,
        };
        let words = self.workplace()?.run(&mut work).map_err(failed)?;
        if words.is_empty() {
            self.emit(&[Event::of_container(&record, Action::Export)]);
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&words).into_owned()))
    }
}

pub(super) fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        // Small members are gathered, so that a pipe gets large writes.
        let mut filled = 0;
        while filled < PIECE {
            match from.read(&mut piece[filled..])? {
                0 => break,
                length => filled += length,
            }
        }
        if filled == 0 {
            return Ok(());
        }
        to.write_all(&piece[..filled])?;
    }
}
