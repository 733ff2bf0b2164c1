// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers with units, as Go programs print them. `engine::quantity` reads
//! spans and moments.

pub mod duration;
pub mod size;
