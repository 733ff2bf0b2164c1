// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is on disk about containers: records, live state, names, locks.

pub mod dirs;
pub mod id;
pub mod place;
pub mod record;
