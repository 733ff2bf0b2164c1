// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs of the system that do what takes more rights than we have.

use std::fs;

/// Where setuid helpers are looked for; never in $PATH, which the caller's caller may have set.
pub const HELPER_DIRECTORIES: &[&str] = &[
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
    "/usr/local/bin",
    "/run/wrappers/bin",
];

/// The path of a setuid helper such as `newuidmap`, if it is installed.
pub fn find_helper(name: &str) -> Option<String> {
    let candidates = HELPER_DIRECTORIES
        .iter()
        .map(|directory| format!("{directory}/{name}"));
    candidates
        .into_iter()
        .find(|path| fs::metadata(path).is_ok())
}
