// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The small process beside each running container: reaps it, keeps its logs, serves attach.
//!
//! It is forked by the command before any thread exists and lives as long as the container, over
//! all the runs that a restart policy gives it. It
//! must stay small: no threads, no runtime, fixed buffers that are given back when all is quiet.
//! It knows neither the engine nor the store: what must be written, removed or started again at
//! the turns of the container's life is done by a `Conduct`.

mod backlog;
mod checks;
mod client;
mod end;
mod event_loop;
mod journal;
mod log;
mod outcome;
pub mod protocol;
mod screen;
mod streams;
mod supervise;
mod supervision;

pub use checks::Probe;
pub use supervise::run;
pub use supervision::{
    Conduct, ContainerIo, ExitReport, FirstClient, JournalFields, Lifeline, LogDriver, LogSettings,
    Next, Pause, Run, StdinPolicy, Supervision,
};

#[cfg(test)]
mod tests;
