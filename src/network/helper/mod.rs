// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The network helper: one process per user, alive only while a container needs it. It holds the
//! network namespace with the bridges, carries what leaves them, and serves published ports.
//!
//! ```text
//! host's network          the helper                 its own namespace         a container's
//!   real sockets  ── splice(2), one process ──  caught by TPROXY  ── bridge ── veth ── eth0
//!   listeners of published ports ─────────────  sockets with the client's address
//! ```
//!
//! The kernel speaks TCP on both sides; there is no tap device, and no packet is parsed but the
//! first of a connection. It cannot simply route the packets: it does so between interfaces of one
//! network namespace, and an interface in the host's, with a route and an address to hide behind,
//! takes CAP_NET_ADMIN over that namespace, which belongs to root. All that a user may have there is
//! sockets, so every byte passes through two of them, by reference where splice(2) can. Nothing is written to a disk: who is attached is the set of process
//! descriptors that the helper watches, and when the last of these ends, so does it.

mod cgroup;
pub mod client;
mod confinement;
mod datagrams;
mod echoes;
mod events;
mod firewall;
mod host;
mod names;
mod policy;
pub mod protocol;
mod queue;
mod relay;
mod remembered;
mod server;
mod shares;
mod slab;
mod topology;
mod version;

pub use cgroup::Cgroup;
pub use server::main;
pub use topology::probe;

/// The word that makes the binary the helper, as `argv[1]`.
pub const ROLE: &str = "network-helper";

/// The word that says that standard output is the namespace of a helper that has died.
const INHERIT: &str = "--inherit";

/// The words before the cgroup that the helper has for itself, and the one it was started from.
const CGROUP: [&str; 2] = ["--cgroup", "--from-cgroup"];

/// A packet of a container.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_packet(bytes: &[u8]) {
    queue::fuzz(bytes);
    echoes::fuzz(bytes);
}

/// What a client says on the control socket.
///
/// # Panics
///
/// When what is written is read as something else.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_request(bytes: &[u8]) {
    use protocol::{Reply, Request};

    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        let again = serde_json::to_vec(&request).expect("it holds texts and numbers");
        let again: Request = serde_json::from_slice(&again).expect("what is written reads");
        assert_eq!(again, request);
    }
    drop(serde_json::from_slice::<Reply>(bytes));
}
