// SPDX-License-Identifier: Apache-2.0 OR MIT
//! coracle: containers for one person on one Linux machine, without a daemon and without root.
//!
//! # The rooms of the house
//!
//! Each module may use what stands below it, never what stands above it; siblings in one row do
//! not know each other. `tests/it/architecture.rs` enforces the table.
//!
//! ```text
//! main
//!  └─ cli ── output                      parse, one engine call, one output call
//!      └─ engine                         the life of containers and images; never prints
//!          ├─ runtime  storage  network  registry  monitor     (siblings)
//!          ├─ state    config   layer_format         (siblings)
//!          ├─ oci                        names, digests, image documents
//!          └─ sys                        the only unsafe code
//! overlay_fuse ── layer_format ── sys    our FUSE overlay, a hidden role of the binary
//! quadlet                                files become services, as a generator of systemd; the
//!                                         command line writes services by it, too
//! ```
//!
//! # The processes of `coracle run`
//!
//! ```text
//! coracle run          the caller's process: parses, resolves the image, writes the record
//!  └─ monitor          forked before any thread exists: pty or pipes, log, attach socket
//!      └─ init stage   clone3 with the container's namespaces: mounts, rights, seccomp, exec
//! ```
//!
//! Nothing lives when nothing runs: there is no daemon, no pause process and no lock pool.

#![warn(clippy::all)]

pub mod cli;
pub mod config;
pub mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod layer_format;
pub mod monitor;
pub mod network;
pub mod oci;
pub mod output;
pub mod overlay_fuse;
pub mod quadlet;
pub mod registry;
pub mod runtime;
pub mod state;
pub mod storage;
pub mod sys;
