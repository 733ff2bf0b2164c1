// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers with units, as Go programs print and read them.

pub mod duration;
pub mod moment;
pub mod size;
