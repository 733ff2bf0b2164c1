// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End-to-end tests: they drive the real binary as the user who runs them. `tests/run` runs them
//! as a user with a subuid range, as one without, and as root; `TOOL_UNDER_TEST=podman` runs the
//! same behaviour tests against another tool.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test ends by panicking, tells its skips, and its files survive no crash"
)]

mod architecture;
mod artifacts;
mod attach;
mod callers;
mod cdi;
mod command_line;
mod crash;
mod debian;
mod deps;
mod elsewhere;
mod events;
mod exec;
mod files;
mod foreign;
mod generated;
mod health;
mod hooks;
mod hybrid;
mod ids;
mod images;
mod lifecycle;
mod limits;
mod login;
mod logs;
mod look;
mod manifest;
mod network;
mod network_world;
mod notify;
mod oci;
mod overlay_fuse;
mod packaging;
mod peers;
mod pods;
mod ps;
mod pull;
mod quadlet;
mod registry;
mod restart;
mod rm;
mod run;
mod secrets;
mod stop;
mod support;
mod system;
mod threats_files;
mod threats_host;
mod threats_paths;
mod threats_rights;
mod tty;
mod volumes;
