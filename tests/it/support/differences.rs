// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where another tool under test is known to behave otherwise: the tests that are skipped for
//! it, each with the reason. Whatever is not listed must hold for both.

use super::sandbox::{Tool, tool};

/// Test, and why Debian's podman 4.3 does not pass it.
const PODMAN: &[(&str, &str)] = &[];

/// Why the running test is not for the tool under test, if it is not.
pub(crate) fn of_this_test() -> Option<String> {
    let list = match tool() {
        Tool::Coracle => return None,
        Tool::Podman => PODMAN,
    };
    let thread = std::thread::current();
    let name = thread.name()?;
    let (_, reason) = list.iter().find(|(test, _)| *test == name)?;
    Some(format!("known difference: {reason}"))
}
