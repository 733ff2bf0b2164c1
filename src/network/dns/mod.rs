// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The name server of containers: it knows those of the user's networks and forwards everything
//! else to the servers that the host has at that moment, and to nobody else.
//!
//! What a query means is computed from its bytes and a table ([`answer`]); [`NameServer`] moves
//! packets, never waits, and fits into any loop that polls one descriptor.

pub mod answer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod message;
mod server;
mod stream;
pub mod table;
mod upstream;

pub use server::{Asker, NameServer};
