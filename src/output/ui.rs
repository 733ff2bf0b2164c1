// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two streams of a command. A closed pipe on standard output ends the command quietly.

use std::io::{self, Write};

/// Owns the command's standard output and standard error.
#[derive(Debug, Default)]
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

    /// Writes one line to standard error; a closed standard error is no failure.
    pub fn note(&self, text: impl std::fmt::Display) {
        let mut stderr = io::stderr().lock();
        drop(writeln!(stderr, "{text}"));
    }
}
