// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is done to a container that is there.

use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use oci_spec::runtime::{ContainerState, Spec};

use super::cgroups::Frozen;
use super::records::{Directory, Record, START_SOCKET, Status};
use super::{BundleError, Runtime, processes};
use crate::runtime::hooks;
use crate::runtime::lifecycle::{self, with_pid};
use crate::sys::channel::Channel;
use crate::sys::pidfd::Pidfd;
use crate::sys::steps::step;

/// How long a killed process may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Whether a container that runs is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It is killed first, and it is no error when there is none.
    Yes,
    /// It is refused.
    No,
}

/// Who gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmongOthers {
    /// The first process alone.
    First,
    /// Every process.
    All,
}

impl Runtime {
    /// Starts the program of a created container. One that a poststart hook fails for is ended and
    /// removed, as the specification has it since 1.2.1.
    ///
    /// # Errors
    ///
    /// [`BundleError::State`] when it is not waiting for it; why the program does not run; the
    /// hook.
    pub fn start(&self, id: &str) -> Result<(), BundleError> {
        let directory = self.directory(id)?;
        if !directory.exists() {
            return Err(directory.missing());
        }
        let _lock = directory.lock()?;
        let (_, record, status) = self.find(id)?;
        if status != Status::Created {
            return Err(refused("start", &record, status));
        }
        let spec = directory.read_spec()?;
        let pid = record.process.map_or(0, |process| process.pid);
        step(|| format!("start the program of container {id}, process {pid}"));
        let state = with_pid(&record.state(), pid);
        let starter = Channel::connect_in(&directory.path, START_SOCKET)?;
        let started = lifecycle::start(&starter);
        drop(fs::remove_file(directory.path.join(START_SOCKET)));
        started.inspect_err(|_| end(&record))?;
        let hooks = spec
            .hooks()
            .as_ref()
            .and_then(|hooks| hooks.poststart().as_ref());
        let ran = hooks::run(hooks, "poststart", &state, ContainerState::Running);
        ran.or_else(|failure| {
            clean_up(&directory, &record, Some(&spec))?;
            run_poststop(&spec, &record);
            Err(failure.into())
        })
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// [`BundleError::NotRunning`] when it has ended.
    pub fn kill(&self, id: &str, signal: i32, whom: AmongOthers) -> Result<(), BundleError> {
        let (directory, record, status) = self.find(id)?;
        step(|| {
            format!(
                "signal {signal} for container {id}, which is {}",
                status.name()
            )
        });
        let not_running = || BundleError::NotRunning { id: id.to_owned() };
        if whom == AmongOthers::All {
            // Of none that is left each got it, as with runc.
            let spec = directory.read_spec()?;
            if status == Status::Stopped && processes::end_together(&spec) {
                return Ok(());
            }
            processes::signal_all(&record, &spec, signal);
            return Ok(());
        }
        let Some((_, process)) = record.open()? else {
            return Err(not_running());
        };
        match process.send_signal(signal) {
            Err(error) if error.errno == Errno::ESRCH => Err(not_running()),
            sent => Ok(sent?),
        }
    }

    /// Removes a container; the value is what went wrong with hooks that come after its end.
    ///
    /// # Errors
    ///
    /// [`BundleError::NotStopped`] without force.
    pub fn delete(&self, id: &str, force: Force) -> Result<Vec<String>, BundleError> {
        let directory = self.directory(id)?;
        match (directory.exists(), force) {
            (true, _) => {}
            (false, Force::Yes) => return Ok(Vec::new()),
            (false, Force::No) => return Err(directory.missing()),
        }
        let _lock = directory.lock()?;
        step(|| format!("delete container {id}"));
        let record = match (directory.read(), force) {
            // Its making was cut short before anything was there.
            (Err(_), Force::Yes) => {
                directory.remove()?;
                return Ok(Vec::new());
            }
            (record, _) => record?,
        };
        let status = directory.status(&record);
        match (status, force) {
            (Status::Stopped | Status::Created, _) | (_, Force::Yes) => {}
            (Status::Creating | Status::Running | Status::Paused, Force::No) => {
                let status = status.name();
                let id = id.to_owned();
                return Err(BundleError::NotStopped { id, status });
            }
        }
        let spec = directory.read_spec().ok();
        if status == Status::Paused {
            drop(record.cgroups.set_frozen(Frozen::No));
        }
        clean_up(&directory, &record, spec.as_ref())?;
        Ok(spec.map_or_else(Vec::new, |spec| run_poststop(&spec, &record)))
    }

    /// Stops all processes of a container.
    ///
    /// # Errors
    ///
    /// [`BundleError::State`] when it does not run; where it has no cgroup that can be frozen.
    pub fn pause(&self, id: &str) -> Result<(), BundleError> {
        self.freeze(id, Frozen::Yes)
    }

    /// Lets them go on.
    ///
    /// # Errors
    ///
    /// [`BundleError::State`] when it is not paused.
    pub fn resume(&self, id: &str) -> Result<(), BundleError> {
        self.freeze(id, Frozen::No)
    }

    fn freeze(&self, id: &str, frozen: Frozen) -> Result<(), BundleError> {
        let (_, record, status) = self.find(id)?;
        match (frozen, status) {
            (Frozen::Yes, Status::Running | Status::Created) | (Frozen::No, Status::Paused) => {}
            (Frozen::Yes, _) => return Err(refused("pause", &record, status)),
            (Frozen::No, _) => return Err(refused("resume", &record, status)),
        }
        record
            .cgroups
            .set_frozen(frozen)
            .map_err(|reason| BundleError::Cgroup {
                id: id.to_owned(),
                reason,
            })
    }

    /// The ids of a container's processes.
    ///
    /// # Errors
    ///
    /// [`BundleError::Missing`].
    pub fn processes(&self, id: &str) -> Result<Vec<i32>, BundleError> {
        let (directory, record, status) = self.find(id)?;
        if status == Status::Stopped {
            return Ok(Vec::new());
        }
        let spec = directory.read_spec()?;
        Ok(processes::of(&record, &spec))
    }
}

pub(super) fn refused(verb: &'static str, record: &Record, status: Status) -> BundleError {
    BundleError::State {
        verb,
        id: record.id.clone(),
        status: status.name(),
    }
}

/// Runs the hooks that come after the end; the value is what went wrong with them.
fn run_poststop(spec: &Spec, record: &Record) -> Vec<String> {
    let hooks = spec.hooks().as_ref();
    let hooks = hooks.and_then(|hooks| hooks.poststop().as_ref());
    hooks::run_each(hooks, "poststop", &record.state(), ContainerState::Stopped)
}

/// Ends every process and removes everything.
fn clean_up(
    directory: &Directory,
    record: &Record,
    spec: Option<&Spec>,
) -> Result<(), BundleError> {
    end(record);
    if let Some(spec) = spec.filter(|spec| !processes::end_together(spec)) {
        processes::signal_all(record, spec, libc_sigkill());
    }
    let destroyed = record.cgroups.destroy();
    destroyed.map_err(|reason| BundleError::Cgroup {
        id: record.id.clone(),
        reason,
    })?;
    directory.remove()
}

/// Kills the first process and waits for its end.
fn end(record: &Record) {
    if let Ok(Some((_, process))) = record.open() {
        kill_and_wait(&process);
    }
}

fn kill_and_wait(process: &Pidfd) {
    if process.send_signal(libc_sigkill()).is_ok() {
        drop(process.wait(Some(END_WITHIN)));
    }
}

const fn libc_sigkill() -> i32 {
    nix::sys::signal::SIGKILL as i32
}
