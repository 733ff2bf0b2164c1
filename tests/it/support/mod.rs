// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every end-to-end test stands on: a store of its own, commands with deadlines, a small
//! root file system, and skips that say what the host lacks. Nothing here sleeps: everything
//! waits for an event, up to a deadline.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each part serves some tests, and a subset may be built"
)]

pub(crate) mod archives;
pub(crate) mod bundle;
pub(crate) mod differences;
pub(crate) mod front;
pub(crate) mod host;
pub(crate) mod process;
pub(crate) mod pty;
pub(crate) mod registry;
pub(crate) mod rootfs;
pub(crate) mod sandbox;
pub(crate) mod stage;

pub(crate) use process::Outcome;
pub(crate) use sandbox::Sandbox;

/// Ends the test early, as a skip that says why, unless the host has all of `needs`: names of
/// [`host::Need`] between commas. With the name in the environment's `REQUIRE` the same lack is
/// a failure.
macro_rules! requires {
    ($needs:literal) => {
        if $crate::support::host::skipped($needs) {
            return;
        }
    };
}
pub(crate) use requires;
