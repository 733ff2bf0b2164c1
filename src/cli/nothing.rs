// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What commands say about names that stand for nothing.

use super::{CommandResult, Context, Failure};

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
