// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a stage could not go on, and how errors are told.

use serde::{Deserialize, Serialize};

use crate::sys::SysResult;

/// Why a container or a session in it could not start, as it travels from the stage that saw it
/// to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StageFailure {
    /// 125, 126 or 127.
    pub code: u8,
    /// One line: what was attempted, on what, what the kernel said.
    pub message: String,
    /// What the user can do about it, a line each.
    #[serde(default)]
    pub hints: Vec<String>,
}

impl StageFailure {
    /// A failure with the exit code `code`.
    pub fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            ..Self::setup(message)
        }
    }

    /// A failure of the set-up (125).
    pub fn setup(message: impl Into<String>) -> Self {
        Self {
            code: 125,
            message: message.into(),
            hints: Vec::new(),
        }
    }
}

/// Wraps a call's error in the one that travels.
pub(super) fn call<T>(step: impl FnOnce() -> SysResult<T>) -> Result<T, StageFailure> {
    step().map_err(|error| StageFailure::setup(error.to_string()))
}

/// An error and its sources on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
