// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The small process beside each running container: reaps it, keeps its logs, serves attach.
//!
//! It is forked by the command before any thread exists and lives as long as the container. It
//! must stay small: no threads, no runtime, fixed buffers that are given back when all is quiet.
//! It knows neither the engine nor the store: what must be written or removed at the end comes as
//! closures.

mod backlog;
mod client;
mod end;
mod event_loop;
mod journal;
mod log;
pub mod protocol;
mod screen;
mod streams;
mod supervise;

pub use supervise::{
    ContainerIo, ExitReport, FirstClient, JournalFields, Lifeline, LogDriver, LogSettings,
    StdinPolicy, Supervision, run,
};

#[cfg(test)]
mod tests;
