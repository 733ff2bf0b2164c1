// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who has a port of the host, if it is one of the user's own containers.

use crate::state::connection::Protocol;
use crate::state::liveness::Observed;
use crate::state::store::Store;

/// The name of the running container that has published `port`.
pub(in crate::engine) fn publisher_of(
    store: &Store,
    protocol: Protocol,
    port: u16,
) -> Option<String> {
    let mut ids = store.list().ok()?.into_iter();
    ids.find_map(|id| {
        let (state, Observed::Running | Observed::Paused) = store.observe(&id).ok()? else {
            return None;
        };
        let mut ports = state.ports.iter();
        ports.find(|one| (one.protocol, one.host_port) == (protocol, port))?;
        Some(store.load(&id).ok()?.name)
    })
}
