// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `coracle` program: picks a hidden role of the binary or runs the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    coracle::cli::main(std::env::args_os().collect())
}
