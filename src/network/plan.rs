// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container's connection to networks is, as the helper and the engine speak of it. The
//! types stand in the room of records, since a container's state holds them.

pub use crate::state::connection::{
    Attachment, ConnectionPlan, Mac, NetworkPlan, NetworkRequest, Prefix, PrefixError, Protocol,
    PublishedPort, Subnet,
};
