// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two streams of a command. A closed pipe on standard output ends the command quietly.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::table::push_visible;

/// Owns the command's standard output and standard error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ui;

impl Ui {
    /// Writes `text` and a newline to standard output.
    ///
    /// # Errors
    ///
    /// What write(2) says; a broken pipe among it.
    pub fn line(&self, text: impl std::fmt::Display) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")
    }

    /// Writes `text` to standard output as it is.
    ///
    /// # Errors
    ///
    /// What write(2) says; a broken pipe among it.
    pub fn raw(&self, text: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text)?;
        stdout.flush()
    }

    /// Sends standard output to the file at `path` from now on, also that of programs run later.
    ///
    /// # Errors
    ///
    /// What open(2) or dup2(2) says.
    pub fn divert(&self, path: &Path) -> io::Result<()> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(nix::unistd::dup2_stdout(file)?)
    }

    /// Writes one line to standard error; a closed standard error is no failure. An error may
    /// quote an image: its control characters are shown as escapes, not sent to the terminal.
    pub fn note(&self, text: impl std::fmt::Display) {
        let mut visible = String::new();
        for (number, line) in text.to_string().split('\n').enumerate() {
            if number > 0 {
                visible.push('\n');
            }
            // Indents are meant.
            let indent = line.len() - line.trim_start_matches('\t').len();
            visible.push_str(&line[..indent]);
            push_visible(&line[indent..], &mut visible);
        }
        let mut stderr = io::stderr().lock();
        drop(writeln!(stderr, "{visible}"));
    }
}
