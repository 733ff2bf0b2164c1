// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System calls that nix lacks or that we want to fail with the call's name: the only room with
//! unsafe code. Wrappers take borrowed descriptors, return owned ones, and set close-on-exec.

#![expect(unsafe_code, reason = "raw system calls live here and nowhere else")]

pub mod account;
pub mod beside;
pub mod caps;
pub mod channel;
pub mod child;
#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
mod copy;
pub mod datagrams;
mod error;
pub mod fdpass;
pub mod fs;
pub mod fuse;
#[cfg(any(test, target_env = "musl"))]
pub mod heap;
pub mod kernel;
pub mod landlock;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod pty;
pub mod random;
pub mod schedule;
pub mod seccomp;
pub mod signals;
pub mod socket;
pub mod steps;
pub mod stream;
pub mod tty;
pub mod vfork;
pub mod xattr;

pub use error::{Called, Ignored, SysError, SysResult};
