// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The small process beside each running container: reaps it, keeps its logs, serves attach.
pub mod protocol;
