// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attaching the user's own streams to a running container.

mod frames;
mod pump;
mod sides;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub use pump::{Ending, Pump, pump};
pub use sides::{Control, Endpoint, LocalStreams, SignalGate, SignalProxy};

use super::Engine;
use super::events::emit_of;
use super::terminal::{DetachKeys, DetachKeysError, set_size};
use crate::config::ConfigError;
pub use crate::monitor::protocol::AttachedStreams;
use crate::monitor::protocol::{
    self, Connection, Framing, ProtocolError, Request, SignalIntent, TerminalSize,
};
use crate::state::StateError;
use crate::state::events::Action;
use crate::state::id::ContainerId;
use crate::state::store::Store;
use crate::sys::SysError;
use crate::sys::pidfd::Pidfd;
use crate::sys::signals::die_of;

/// What can go wrong while attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The container is not running.
    #[error("you can only attach to running containers")]
    NotRunning,
    /// Its streams do not pass through its monitor.
    #[error("attach to container {container}: {reason}")]
    Refused {
        /// Its short id.
        container: String,
        /// The monitor's words.
        reason: String,
    },
    /// This side did not read, until no more could be kept for it.
    #[error(
        "more output came than can be kept for an attached command that has stopped reading; \
         container {container} goes on, and its log has the rest"
    )]
    StoppedReading {
        /// Its short id.
        container: String,
    },
    /// The detach keys cannot be understood.
    #[error(transparent)]
    DetachKeys(#[from] DetachKeysError),
    /// The configuration, which may name detach keys, cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The monitor could not be asked.
    #[error(transparent)]
    Monitor(#[from] ProtocolError),
    /// The record could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The user's terminal cannot be set.
    #[error("set the terminal to raw mode")]
    Terminal(#[source] SysError),
    /// Signals cannot be held back.
    #[error("hold signals back for the container")]
    Signals(#[source] SysError),
    /// The user's standard input cannot be read.
    #[error("read standard input")]
    Input(#[source] SysError),
    /// The user's standard output cannot be written.
    #[error("write the container's output")]
    Output(#[source] SysError),
    /// The container's streams cannot be read or written.
    #[error("carry the container's streams")]
    Streams(#[source] SysError),
}

/// What `attach` is asked for.
#[derive(Debug, Clone)]
pub struct AttachRequest {
    /// Which of the user's streams take part.
    pub streams: AttachedStreams,
    /// What the user types to leave.
    pub detach_keys: DetachKeys,
    /// Whether signals go to the container.
    pub signal_proxy: SignalProxy,
}

/// How an attachment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachOutcome {
    /// The container ended with that code.
    Exited(i32),
    /// The user left, and the container goes on.
    Detached,
    /// Nobody reads our standard output any more, and the container goes on.
    OutputClosed,
    /// A signal came that was not passed on: the caller dies of it.
    Interrupted(i32),
}

impl AttachOutcome {
    /// The exit code of the command, in the words of a shell: 0 after detaching, 141 when nobody
    /// reads the output. A signal that was not passed on ends this process first.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Exited(code) => u8::try_from(code & 0xff).expect("it has eight bits"),
            Self::Detached => 0,
            Self::OutputClosed => BY_SIGNAL + 13,
            Self::Interrupted(signal) => {
                // It comes back when the signal is one that ends nothing.
                die_of(signal).ok();
                BY_SIGNAL.saturating_add(u8::try_from(signal).unwrap_or(0))
            }
        }
    }
}

/// What a shell adds to the number of a signal.
const BY_SIGNAL: u8 = 128;

impl Engine {
    /// The keys that detach: those asked for, else those of the configuration, else the usual ones.
    ///
    /// # Errors
    ///
    /// [`AttachError::DetachKeys`] and [`AttachError::Config`].
    pub fn detach_keys(&self, asked: Option<&str>) -> Result<DetachKeys, AttachError> {
        if let Some(keys) = asked {
            return Ok(DetachKeys::parse(keys)?);
        }
        match &self.containers_conf()?.engine.detach_keys {
            Some(keys) => Ok(DetachKeys::parse(keys)?),
            None => Ok(DetachKeys::default()),
        }
    }

    /// Attaches this process's streams to a running container until it ends or the user leaves.
    ///
    /// # Errors
    ///
    /// [`AttachError::NotRunning`]; [`AttachError::StoppedReading`] while the container goes on; the
    /// others name what failed.
    pub fn attach(
        &self,
        id: &ContainerId,
        request: AttachRequest,
    ) -> Result<AttachOutcome, AttachError> {
        let run_directory = self.dirs.container_run(id);
        let signals = SignalGate::hold(request.signal_proxy).map_err(AttachError::Signals)?;
        // Asked first, so that the answer is on its way whenever the stream ends.
        let end = ask_for_the_end(&run_directory)?;
        let (stream, framing) = protocol::attach(&run_directory, request.streams)
            .map_err(|error| refused(id, error))?;
        emit_of(&self.store()?, id, Action::Attach);
        let local = LocalStreams::of_process(request.streams).map_err(AttachError::Streams)?;
        let control = MonitorControl { run_directory };
        if framing == Framing::Raw {
            ask_for_a_redraw(&control, &local);
        }
        let ending = pump(Pump {
            endpoint: Endpoint::Socket { stream, framing },
            local,
            control: &control,
            signals: &signals,
            detach_keys: request.detach_keys,
            process: None,
        })?;
        match ending {
            // The end is told before the stream is closed.
            Ending::Ended if !protocol::has_answered(&end) => Err(AttachError::StoppedReading {
                container: id.short().to_owned(),
            }),
            Ending::Ended => self.exit_code_of(id, &end).map(AttachOutcome::Exited),
            Ending::Detached => Ok(AttachOutcome::Detached),
            Ending::OutputClosed => Ok(AttachOutcome::OutputClosed),
            Ending::Interrupted(signal) => Ok(AttachOutcome::Interrupted(signal)),
        }
    }

    /// What the monitor says, or the record if the monitor was killed.
    fn exit_code_of(&self, id: &ContainerId, end: &Connection) -> Result<i32, AttachError> {
        match protocol::exit_code(end) {
            Ok(code) => Ok(code),
            Err(ProtocolError::Ended) => {
                let store = Store::open(self.dirs.clone())?;
                let (state, _) = store.observe(id)?;
                Ok(state.exit_code.unwrap_or(LOST_EXIT_CODE))
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// The exit code of a container whose monitor was killed: it died with it, by SIGKILL.
const LOST_EXIT_CODE: i32 = 137;

/// Programs that fill the screen draw it anew when its size changes: the pump sets the true size
/// after this one.
fn ask_for_a_redraw(control: &dyn Control, local: &LocalStreams) {
    if let Some(size) = local.terminal_size() {
        let rows = size.rows.saturating_add(1);
        control.resize(TerminalSize { rows, ..size });
    }
}

fn ask_for_the_end(run_directory: &std::path::Path) -> Result<Connection, AttachError> {
    let connection = match Connection::open(run_directory) {
        Err(ProtocolError::NoMonitor { .. }) => return Err(AttachError::NotRunning),
        other => other?,
    };
    connection.send(&Request::Wait)?;
    Ok(connection)
}

fn refused(id: &ContainerId, error: ProtocolError) -> AttachError {
    match error {
        ProtocolError::NoMonitor { .. } | ProtocolError::Ended => AttachError::NotRunning,
        ProtocolError::Refused { reason } => AttachError::Refused {
            container: id.short().to_owned(),
            reason,
        },
        other @ (ProtocolError::Unexpected { .. } | ProtocolError::Connection(_)) => other.into(),
    }
}

/// Sizes and signals by way of a container's monitor.
#[derive(Debug)]
pub struct MonitorControl {
    /// The container's run directory.
    pub run_directory: PathBuf,
}

impl Control for MonitorControl {
    fn resize(&self, size: TerminalSize) {
        // A monitor that does not answer is about to end the stream.
        drop(protocol::command(
            &self.run_directory,
            &Request::Resize(size),
        ));
    }

    fn signal(&self, signal: i32) {
        drop(protocol::signal(
            &self.run_directory,
            signal,
            SignalIntent::Forward,
        ));
    }
}

/// Sizes and signals of a process that we started ourselves.
#[derive(Debug)]
pub struct ProcessControl {
    /// The process.
    pub process: Pidfd,
    /// The master side of its pseudo-terminal.
    pub master: Option<OwnedFd>,
}

impl Control for ProcessControl {
    fn resize(&self, size: TerminalSize) {
        if let Some(master) = &self.master {
            // Its size is a courtesy: a program that has ended needs none.
            drop(set_size(std::os::fd::AsFd::as_fd(master), size));
        }
    }

    fn signal(&self, signal: i32) {
        // ESRCH: it has ended, and the pump is about to see that.
        drop(self.process.send_signal(signal));
    }
}
