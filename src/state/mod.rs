// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is on disk about containers: records, live state, names, locks.

pub mod ahead;
pub mod atomic;
pub mod check;
pub mod connection;
pub mod dirs;
mod error;
pub mod events;
pub mod health;
pub mod health_log;
pub mod id;
pub mod leases;
pub mod limits;
pub mod liveness;
pub mod locks;
pub mod names;
pub mod networks;
pub mod place;
pub mod pod;
pub mod record;
pub mod secrets;
mod spare;
pub mod store;
pub mod summary;
pub mod sweep;
pub mod tree;
pub mod volume_check;
pub mod volumes;

pub use error::{NoXattrs, StateError};
