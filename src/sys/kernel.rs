// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which kernel this is.

use nix::sys::utsname::uname;

/// The release as `uname -r` prints it (uname(2)); empty if there is none to be had.
pub fn release() -> String {
    uname().map_or_else(
        |_| String::new(),
        |name| name.release().to_string_lossy().into_owned(),
    )
}
