// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a command ends badly: exit code, one line, hints. The only place that turns errors of the
//! rooms below into exit codes.

use std::fmt::Display;

/// What a handler returns: the exit code of the process.
pub(crate) type CommandResult = Result<u8, Failure>;

/// The exit code of the tool's own errors.
pub(crate) const TOOL_ERROR: u8 = 125;

/// An error with its exit code and what the user can do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// 125 for the tool's own errors, 126 and 127 for a command that cannot run.
    pub(crate) code: u8,
    /// One line, without `Error: `; empty prints nothing.
    pub(crate) message: String,
    /// Lines printed after it, each as `hint: …`.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// A tool error (125) that says `message`.
    pub(crate) fn tool(message: impl Display) -> Self {
        Self {
            code: TOOL_ERROR,
            message: message.to_string(),
            hints: Vec::new(),
        }
    }

    /// An error with the exit code `code`.
    pub(crate) fn with_code(code: u8, message: impl Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            hints: Vec::new(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::tool(error)
    }
}
