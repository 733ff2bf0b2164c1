// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What commands say about kinds of objects of which there are none yet: truthful lists without
//! rows, and the words for a name that stands for nothing.

use super::{CommandResult, Context, Failure};

/// Whether a name that stands for nothing is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Exit code 1.
    Report,
    /// `--ignore` or `--force`.
    Ignore,
}

/// `rm`: one line for each name, and exit code 1.
pub(crate) fn remove(
    context: &Context,
    names: &[String],
    missing: Missing,
    words: impl Fn(&str) -> String,
) -> CommandResult {
    match missing {
        Missing::Ignore => Ok(0),
        Missing::Report => fail_each(context, names, 1, words),
    }
}

/// Prints a line for each of `names`; the last becomes the command's own error.
pub(crate) fn fail_each(
    context: &Context,
    names: &[String],
    code: u8,
    words: impl Fn(&str) -> String,
) -> CommandResult {
    let mut failures = names.iter().map(|name| Failure::engine(code, words(name)));
    let Some(last) = failures.next_back() else {
        return Ok(0);
    };
    for failure in failures {
        failure.print(context.ui, context.engine.dialect, &context.call.path);
    }
    Err(last)
}

/// The only format of `exists`: its exit code.
pub(crate) const DOES_NOT_EXIST: u8 = 1;
