// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets of a start: those of published ports, bound before anything runs, those that the
//! command was passed for the container, and who may make some of the more special ones inside.

use super::error::PrepareError;
use super::variables::add_variables;
use crate::engine::connect::Connection;
use crate::engine::{Dialect, Engine, network};
use crate::network::activation::Activation;
use crate::network::helper::client::Listener;
use crate::network::listeners::{self, ListenError};
use crate::runtime::failure::chain;
use crate::runtime::idmap::IdMapping;
use crate::runtime::launch::Launch;
use crate::state::record::{ContainerRecord, PodRole};
use crate::state::store::Store;

impl Engine {
    /// Binds the published ports, which gives those a number that the kernel chooses.
    pub(super) fn bind_ports(
        &self,
        store: &Store,
        record: &ContainerRecord,
        connection: &mut Connection,
        activation: &mut Activation,
    ) -> Result<Vec<Listener>, PrepareError> {
        let (ports, attachments) = match &mut connection.bridges {
            Some(plan) => (&mut plan.ports, &plan.attachments[..]),
            None => (&mut connection.ports, &[][..]),
        };
        listeners::bind(ports, activation).map_err(|source| {
            network::give_back(&self.dirs, &record.id, attachments);
            let holder = match &source {
                ListenError::InUse { protocol, address } => {
                    network::publisher_of(store, *protocol, address.port())
                }
                ListenError::Privileged { .. }
                | ListenError::NotOurs { .. }
                | ListenError::Call { .. } => None,
            };
            match (self.dialect, holder) {
                (Dialect::Docker, holder) => endpoint_failure(record, &source, holder),
                (Dialect::Podman, Some(container)) => {
                    PrepareError::PortOfContainer { container, source }
                }
                (Dialect::Podman, None) => source.into(),
            }
        })
    }
}

/// The groups of the container from one to another, where these are a range for the kernel, too:
/// it compares the numbers outside, and turns pings off where they run backwards. Otherwise the
/// first one alone, which is root's.
pub(super) fn ping_groups(inside: &[IdMapping], holder: &[IdMapping]) -> (u32, u32) {
    let outside = |id: u32| {
        let mut extents = holder.iter();
        extents.find_map(|extent| {
            let offset = id.checked_sub(extent.inside)?;
            (offset < extent.count).then(|| extent.outside + offset)
        })
    };
    let ends = inside.iter().flat_map(|extent| {
        let last = extent.count.saturating_sub(1);
        [0, last].map(|offset| (outside(extent.outside + offset), extent.inside + offset))
    });
    let ends = ends.filter_map(|(real, inside)| Some((real?, inside)));
    let first = inside.first().map_or(0, |extent| extent.inside);
    match (ends.clone().min(), ends.max()) {
        (Some((_, low)), Some((_, high))) if low <= high => (low, high),
        _ => (first, first),
    }
}

/// A failure in docker's words, which scripts look for.
fn endpoint_failure(
    record: &ContainerRecord,
    source: &ListenError,
    holder: Option<String>,
) -> PrepareError {
    let words = match (source, holder) {
        (ListenError::InUse { address, .. }, Some(holder)) => format!(
            "Bind for {address} failed: port is already allocated (container {holder} has it)"
        ),
        (ListenError::InUse { protocol, address }, None) => {
            format!("failed to bind host port {address}/{protocol}: address already in use")
        }
        (source, _) => chain(source),
    };
    PrepareError::Endpoint {
        container: record.name.clone(),
        words,
    }
}

/// Sockets that the caller was given and that serve no published port are the container's; not
/// that of a pod, which only holds its namespaces.
pub(super) fn give_sockets(
    launch: &mut Launch,
    record: &ContainerRecord,
    activation: &Activation,
) -> Result<(), PrepareError> {
    if record.resolved.role == PodRole::Infra {
        return Ok(());
    }
    let given = activation.give().map_err(PrepareError::Activation)?;
    add_variables(&mut launch.spec, &given.variables);
    let also = usize::try_from(record.request.preserve_fds).unwrap_or_default();
    if also > 0 && !given.numbers.is_empty() {
        // Behind them, as they came.
        launch.preserved_fds = (3..).take(given.numbers.len() + also).collect();
    } else {
        launch.preserved_fds.extend(given.numbers);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_are_for_all_groups_that_are_a_range() {
        let extent = |(inside, outside, count)| IdMapping {
            inside,
            outside,
            count,
        };
        let cases = [
            (
                vec![(0, 0, 65537)],
                vec![(0, 1000, 1), (1, 100_000, 65536)],
                (0, 65536),
            ),
            // Root's own number is above all others.
            (
                vec![(0, 0, 65537)],
                vec![(0, 900_000, 1), (1, 100_000, 65536)],
                (0, 0),
            ),
            (vec![(1000, 0, 1)], vec![(0, 1000, 1)], (1000, 1000)),
        ];
        for (inside, holder, expected) in cases {
            let all = |extents: Vec<_>| extents.into_iter().map(extent).collect::<Vec<_>>();
            assert_eq!(ping_groups(&all(inside), &all(holder)), expected);
        }
    }
}
