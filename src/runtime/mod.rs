// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes an OCI runtime spec and forks the container. Knows nothing of images.

pub mod idmap;
pub mod seccomp;
pub mod subid;
pub mod userns;
