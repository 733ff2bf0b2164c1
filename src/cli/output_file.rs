// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file of `-o`, which `export` and `save` write.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Failure;

/// The file to write, or standard output unless it is a terminal.
pub(super) fn open_output(path: Option<&Path>, terminal_words: &str) -> Result<File, Failure> {
    let Some(path) = path else {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Failure::tool(terminal_words));
        }
        return Ok(stdout.as_fd().try_clone_to_owned()?.into());
    };
    check_file_name(path)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
        .map_err(|error| Failure::tool(format_args!("open {}: {error}", path.display())))
}

/// Podman keeps the colon for other things than files.
pub(super) fn check_file_name(path: &Path) -> Result<(), Failure> {
    if path.to_string_lossy().contains(':') {
        return Err(Failure::tool(format_args!(
            "invalid filename (should not contain ':') {path:?}"
        )));
    }
    Ok(())
}
