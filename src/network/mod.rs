// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks of a container: what was asked for, the programs that carry outbound traffic, and the
//! files that tell a container of its network.
//!
//! Knows network namespaces by path and processes by number; whose they are is the engine's
//! matter.

pub mod activation;
pub mod addresses;
pub mod dns;
pub mod files;
pub mod helper;
pub mod listeners;
pub mod mode;
pub mod netlink;
pub mod plan;
pub mod routes;
pub mod uplink;
