// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `coracle` program: picks a hidden role of the binary or runs the command line.

use std::ffi::OsString;
use std::process::ExitCode;

/// Roles of the binary that no help shows, by their name in `argv[1]`.
const ROLES: &[(&str, Role)] = &[("overlay-fuse", coracle::overlay_fuse::command_line::main)];

/// Takes argv, the program's name first.
type Role = fn(&[OsString]) -> ExitCode;

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let role = argv
        .get(1)
        .and_then(|word| ROLES.iter().find(|(name, _)| word == name));
    match role {
        Some((_, main)) => main(&argv),
        None => coracle::cli::main(&argv),
    }
}
