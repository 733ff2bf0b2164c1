// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line: clap structs and handlers. A handler parses, makes one engine call and one
//! output call; nothing here knows a system call.

mod absent;
mod args;
mod artifact;
mod command;
mod complete;
mod confirm;
mod container;
mod context;
mod description;
mod failure;
mod generate;
mod globals;
mod help;
mod image;
mod inspect;
mod manifest;
mod network;
mod nothing;
mod output_file;
mod pflag;
mod pod;
mod quadlet;
mod registry;
mod runtime;
mod secret;
mod shell;
mod suggest;
mod system;
mod tree;
mod volume;

use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) use command::{Entry, Subcommand};
pub(crate) use context::Context;
pub(crate) use failure::{CommandResult, Failure};

/// Every command, in the order in which help shows them.
pub(crate) const COMMANDS: &[&[Entry]] = &[
    artifact::COMMANDS,
    container::COMMANDS,
    generate::COMMANDS,
    image::COMMANDS,
    inspect::COMMANDS,
    manifest::COMMANDS,
    network::COMMANDS,
    pod::COMMANDS,
    quadlet::COMMANDS,
    registry::COMMANDS,
    runtime::COMMANDS,
    secret::COMMANDS,
    system::COMMANDS,
    volume::COMMANDS,
];

/// Runs the command line `argv` (the program's name first) and returns the process's exit code.
pub fn main(argv: &[OsString]) -> ExitCode {
    shell::dispatch(argv)
}

/// The whole tree of commands and flags: what man pages are made from.
pub fn definition() -> clap::Command {
    tree::tree()
}

/// The canonical path of the command that is also called `path`: `stop` for `container stop`.
pub fn canonical_path(path: &str) -> Option<&'static str> {
    command::lookup(path).map(|entry| entry.paths[0])
}
