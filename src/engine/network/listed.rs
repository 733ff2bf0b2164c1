// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A network, as lists and filters see it.

use crate::state::id::ContainerId;
use crate::state::networks::NetworkRecord;

/// The default network's name, in every record.
pub(in crate::engine) const DEFAULT_NETWORK: &str = "podman";

/// A network in a list.
#[derive(Debug, Clone)]
pub struct ListedNetwork {
    /// What it is.
    pub record: NetworkRecord,
    /// `bridge`; `host` and `null` for those of docker's that are none.
    pub driver: &'static str,
    /// Whether it is always there.
    pub built_in: bool,
    /// The containers that name it.
    pub users: Vec<ContainerId>,
}
