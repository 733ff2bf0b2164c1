// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Failures of commands on networks.

use crate::cli::{Context, Failure};
use crate::engine::Dialect;
use crate::engine::network::NetworkFailure;
use crate::state::networks::NetworkError;

/// The failure in the words of the dialect.
pub(super) fn in_dialect(context: &Context, error: &NetworkFailure) -> Failure {
    let words = match error {
        _ if context.engine.dialect == Dialect::Podman => None,
        NetworkFailure::Network(NetworkError::Missing { name }) => {
            Some(format!("network {name} not found"))
        }
        NetworkFailure::Network(NetworkError::Exists { name }) => {
            Some(format!("network with name {name} already exists"))
        }
        NetworkFailure::BuiltIn { name } => Some(format!(
            "{name} is a pre-defined network and cannot be removed"
        )),
        NetworkFailure::InUse { name, .. } => Some(format!(
            "error while removing network: network {name} has active endpoints"
        )),
        _ => None,
    };
    match words {
        Some(words) => Failure::engine(1, words),
        None => Failure::from_error(125, error),
    }
}
