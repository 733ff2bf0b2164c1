// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's mounts: a pure plan from the spec, and the thin part that applies it.

pub mod apply;
pub mod copy_up;
pub mod cover;
pub mod loan;
pub mod plan;
pub mod sources;
pub mod target;
