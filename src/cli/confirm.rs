// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The question before something is removed.

use std::io::{self, BufRead as _};

use super::{Context, Failure};

/// What the user said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `y` or `yes`.
    Yes,
    /// Anything else.
    No,
}

/// Prints `warning` and asks; an input that ends is an error, so that a script notices.
pub(crate) fn confirm(context: &Context, warning: &str) -> Result<Answer, Failure> {
    context.ui.raw(warning.as_bytes())?;
    context
        .ui
        .raw(b"Are you sure you want to continue? [y/N] ")?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(Failure::tool("EOF"));
    }
    Ok(answer(&line))
}

fn answer(line: &str) -> Answer {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        _ => Answer::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for line in ["y\n", "Y", " yes \n", "YES"] {
            assert_eq!(answer(line), Answer::Yes, "{line}");
        }
        for line in ["", "\n", "n", "yeah", "no\n"] {
            assert_eq!(answer(line), Answer::No, "{line}");
        }
    }
}
