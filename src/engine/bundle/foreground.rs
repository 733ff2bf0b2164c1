// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Staying with a program: its terminal is pumped, signals go to it, and its exit code is ours.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::BundleError;
use crate::engine::attach::{
    AttachError, Ending, Endpoint, LocalStreams, ProcessControl, Pump, SignalGate, SignalProxy,
    pump,
};
use crate::engine::terminal::DetachKeys;
use crate::monitor::protocol::AttachedStreams;
use crate::sys::Called as _;
use crate::sys::pidfd::Pidfd;

/// How a command that started a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The program runs on.
    Detached,
    /// It has ended.
    WithCode(u8),
}

/// The signals of this process, held until there is a program to send them to.
pub(super) struct Foreground {
    signals: SignalGate,
}

impl Foreground {
    pub(super) fn hold() -> Result<Self, BundleError> {
        let signals = SignalGate::hold(SignalProxy::Forward).map_err(AttachError::Signals)?;
        Ok(Self { signals })
    }

    /// Carries the child `pid` to its end.
    pub(super) fn carry(self, pid: i32, console: Option<OwnedFd>) -> Result<u8, BundleError> {
        let process = Pidfd::open(pid)?;
        let (endpoint, master) = if let Some(master) = console {
            let copy = master.try_clone().called(|| "dup(terminal)")?;
            (Endpoint::Terminal { master }, Some(copy))
        } else {
            // The program has our own streams: nothing passes through here.
            let nothing = Endpoint::Pipes {
                stdin: None,
                stdout: None,
                stderr: None,
            };
            (nothing, None)
        };
        let carried = master.is_some();
        let streams = AttachedStreams {
            stdin: carried,
            stdout: carried,
            stderr: carried,
        };
        let control = ProcessControl { process, master };
        let ending = pump(Pump {
            endpoint,
            local: LocalStreams::of_process(streams).map_err(AttachError::Streams)?,
            control: &control,
            signals: &self.signals,
            detach_keys: DetachKeys::parse("").unwrap_or_default(),
            process: Some(control.process.as_fd()),
        })?;
        match ending {
            Ending::Ended | Ending::Detached | Ending::OutputClosed | Ending::Interrupted(_) => {
                Ok(reap(pid))
            }
        }
    }
}

fn reap(pid: i32) -> u8 {
    loop {
        match waitpid(Pid::from_raw(pid), None) {
            Ok(WaitStatus::Exited(_, code)) => return u8::try_from(code).unwrap_or(u8::MAX),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return u8::try_from(128 + signal as i32).unwrap_or(u8::MAX);
            }
            Err(nix::errno::Errno::EINTR) | Ok(_) => {}
            Err(_) => return u8::MAX,
        }
    }
}
