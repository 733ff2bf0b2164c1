// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes an OCI runtime spec and forks the container. Knows nothing of images.

pub mod capability;
pub mod devices;
mod elf;
pub mod entrance;
pub mod exec;
pub mod handshake;
pub mod holder;
pub mod holder_ahead;
pub mod hooks;
pub mod hybrid;
pub mod idmap;
pub mod image_mounts;
pub mod init;
pub mod launch;
pub mod lifecycle;
pub mod localtime;
pub mod machine;
pub mod mounts;
pub mod passwd;
pub mod program;
pub mod reaper;
pub mod resources;
pub mod rights;
mod root_setup;
pub mod rootfs;
mod schedule;
pub mod seccomp;
pub mod session;
pub mod spawn;
pub mod subid;
pub mod sysctl;
mod time;
pub mod user;
pub mod userns;
