// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of commands and the way from argv to a handler.
//!
//! A command's flags are only built when that command is called: the whole tree would cost every
//! call a millisecond.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{CommandResult, Context, Failure};

/// One command: a clap struct with its handler.
pub(crate) trait Subcommand: clap::Args {
    /// Every path that names it, the canonical one first: `&["ps", "container ps", "container ls"]`.
    const PATHS: &'static [&'static str];
    /// One line for the list of commands.
    const ABOUT: &'static str;

    /// Runs the command; the value is the exit code of the process.
    fn run(self, context: &Context) -> CommandResult;
}

/// A row of the table of commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) paths: &'static [&'static str],
    pub(crate) about: &'static str,
    pub(crate) define: fn(clap::Command) -> clap::Command,
    pub(crate) run: fn(&clap::ArgMatches, &Context) -> CommandResult,
}

impl Entry {
    /// The row of the command `C`.
    pub(crate) const fn of<C: Subcommand>() -> Self {
        Self {
            paths: C::PATHS,
            about: C::ABOUT,
            define: C::augment_args,
            run: run::<C>,
        }
    }
}

fn run<C: Subcommand>(matches: &clap::ArgMatches, context: &Context) -> CommandResult {
    C::from_arg_matches(matches)
        .map_err(Failure::tool)?
        .run(context)
}

/// Finds the command that `argv` names, parses its flags, runs it.
pub(crate) fn dispatch(_argv: Vec<OsString>) -> ExitCode {
    ExitCode::from(125)
}
