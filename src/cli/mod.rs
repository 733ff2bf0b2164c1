// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line: clap structs and handlers. A handler parses, makes one engine call and one
//! output call; nothing here knows a system call.

mod command;
mod container;
mod context;
mod failure;
mod image;
mod system;

use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) use command::{Entry, Subcommand};
pub(crate) use context::Context;
pub(crate) use failure::{CommandResult, Failure};

/// Every command, in the order in which help shows them.
pub(crate) const COMMANDS: &[&[Entry]] = &[container::COMMANDS, image::COMMANDS, system::COMMANDS];

/// Runs the command line `argv` (the program's name first) and returns the process's exit code.
pub fn main(argv: Vec<OsString>) -> ExitCode {
    command::dispatch(argv)
}
