// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who has a port of the host, if it is one of the user's own containers.

use crate::state::connection::Protocol;
use crate::state::store::Store;

/// The name of the container that has published `port`.
pub(in crate::engine) fn publisher_of(
    store: &Store,
    protocol: Protocol,
    port: u16,
) -> Option<String> {
    let mut ids = store.list().ok()?.into_iter();
    ids.find_map(|id| {
        let (state, observed) = store.observe(&id).ok()?;
        if !observed.is_attended() {
            return None;
        }
        let mut ports = state.ports.iter();
        ports.find(|one| (one.protocol, one.host_port) == (protocol, port))?;
        Some(store.load(&id).ok()?.name)
    })
}
