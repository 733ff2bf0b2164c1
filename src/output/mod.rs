// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What people and scripts read: streams, tables, Go templates, units.
//!
//! A document is given as any `Serialize` type or built as a [`value::Value`]; both know which
//! parts are structs and which are maps, because Go templates treat the two differently.

pub mod ask;
pub mod listing;
pub mod log_lines;
pub mod progress;
pub mod table;
pub mod template;
pub mod ui;
pub mod units;
pub mod value;
pub mod yaml;
