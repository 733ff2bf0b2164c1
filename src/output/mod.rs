// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What people and scripts read: streams, tables, Go templates, units.

pub mod ui;
