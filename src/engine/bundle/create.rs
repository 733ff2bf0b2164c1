// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `create` and `run`: everything up to the program, in the caller's own process.

use std::fs;
use std::io::IsTerminal as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use nix::sys::prctl;
use nix::unistd::geteuid;
use oci_spec::runtime::{ContainerState, Process, Spec};

use super::cgroup_mounts;
use super::cgroups::{Cgroups, hierarchies, limit, scattered};
use super::document::Document;
use super::foreground::{Ended, Foreground};
use super::launch::launch;
use super::records::{Directory, Record, START_SOCKET};
use super::{BundleError, CreateRequest, Force, Runtime, Stay, Wiring, console};
use crate::engine::Report;
use crate::runtime::attendant::Attendant;
use crate::runtime::failure::StageFailure;
use crate::runtime::hooks;
use crate::runtime::launch::{Lifecycle, LineEnds, ProgramIo};
use crate::runtime::lifecycle::{MAKING_NAME, with_pid};
use crate::runtime::rights::raise_limits;
use crate::runtime::spawn::{Spawned, spawn};
use crate::state::locks::DirectoryLock;
use crate::state::record::{Place, ProcessIdentity};
use crate::sys::channel::Channel;
use crate::sys::process::close_all_but;
use crate::sys::steps::{self, step};
use crate::sys::{Called, Ignored, SysResult};

/// A container whose init stage waits for its start.
pub(super) struct Created {
    pub(super) spawned: Spawned,
    pub(super) lock: DirectoryLock,
}

/// What the caller gives.
struct Asked {
    document: Document,
    /// The descriptors that the program gets.
    preserved: Vec<i32>,
}

impl Asked {
    /// Reads the spec, then lets go of the caller's descriptors: one of them may be its file.
    fn read(request: &CreateRequest) -> Result<Self, BundleError> {
        let document = Document::read(&request.bundle, request.config.as_deref())?;
        let preserved = keep_wired(&request.wiring, sockets_of_caller())?;
        Ok(Self {
            document,
            preserved,
        })
    }
}

impl Runtime {
    /// Makes a container and leaves its init stage behind, waiting for `start`.
    ///
    /// The caller must be single-threaded and have no descriptors of its own open.
    ///
    /// # Errors
    ///
    /// See [`BundleError`]; nothing of the container is left then.
    pub fn create(&self, request: &CreateRequest, told: &dyn Report) -> Result<(), BundleError> {
        let asked = Asked::read(request)?;
        let created = self.create_for(request, asked, Stay::Detached, told);
        created.map(drop)
    }

    /// Makes a container, starts it, and stays with it if asked.
    ///
    /// # Errors
    ///
    /// See [`BundleError`].
    pub fn run(
        &self,
        request: &CreateRequest,
        stay: Stay,
        told: &dyn Report,
    ) -> Result<Ended, BundleError> {
        let asked = Asked::read(request)?;
        let held = match stay {
            Stay::Foreground => Some(Foreground::hold()?),
            Stay::Detached => None,
        };
        let Created { spawned, lock } = self.create_for(request, asked, stay, told)?;
        drop(lock);
        let started = self.start(&request.id);
        started.inspect_err(|_| drop(self.delete(&request.id, Force::Yes)))?;
        let Some(held) = held else {
            return Ok(Ended::Detached);
        };
        let code = held.carry(spawned.pid, spawned.console)?;
        Ok(Ended::WithCode(code))
    }

    fn create_for(
        &self,
        request: &CreateRequest,
        asked: Asked,
        stay: Stay,
        told: &dyn Report,
    ) -> Result<Created, BundleError> {
        let directory = self.directory(&request.id)?;
        let Asked {
            mut document,
            preserved,
        } = asked;
        if !geteuid().is_root() {
            document.add_user_namespace();
        }
        document.drop_ungranted()?;
        for text in &document.warnings {
            told.warning(text);
        }
        document.hand_over(sockets_of_caller());
        let terminal = document.spec.process().as_ref().and_then(Process::terminal);
        console::check(&request.wiring, terminal == Some(true), stay)?;
        let lock = directory.make()?;
        let made = self.make(request, &document, &directory, preserved, told);
        match made {
            Ok(spawned) => Ok(Created { spawned, lock }),
            Err(error) => {
                if let Ok(record) = directory.read() {
                    drop(record.cgroups.destroy());
                }
                drop(directory.remove());
                Err(error)
            }
        }
    }

    fn make(
        &self,
        request: &CreateRequest,
        document: &Document,
        directory: &Directory,
        preserved: Vec<i32>,
        told: &dyn Report,
    ) -> Result<Spawned, BundleError> {
        let spec = &document.spec;
        let linux = spec.linux().as_ref().expect("the document was checked");
        step(|| {
            format!(
                "make container {} of {}",
                request.id,
                document.bundle.display()
            )
        });
        directory.write_spec(spec)?;
        let mut record = Record {
            oci_version: spec.version().clone(),
            id: request.id.clone(),
            bundle: document.bundle.clone(),
            rootfs: document.rootfs.clone(),
            annotations: spec.annotations().clone().unwrap_or_default(),
            created: Timestamp::now(),
            place: Place::here().clone(),
            process: None,
            cgroups: Cgroups::default(),
        };
        directory.write(&record)?;
        let listener = Channel::listen_in(&directory.path, START_SOCKET)?;
        let lifecycle = Lifecycle {
            listener,
            pivot: request.pivot,
            keyring: request.keyring,
        };
        let mut launch = launch(document, (lifecycle, record.state()), preserved)?;
        record.cgroups = Cgroups::make(linux, &request.id, self.cgroups)?;
        step(|| format!("its cgroups: {:?}", record.cgroups));
        directory.write(&record)?;
        if let Some(resources) = linux.resources() {
            let ignored = limit(&record.cgroups, &request.id, resources)?;
            if let Some(text) = &ignored {
                told.warning(text);
            }
        }
        let scattered = scattered(&record.cgroups, linux);
        if let Some(text) = &scattered {
            told.warning(text);
        }
        cgroup_mounts::resolve(&mut launch.spec, &record.cgroups, &hierarchies());
        let io = streams(spec, &request.wiring)?;
        spec.process().iter().for_each(raise_limits);
        let cgroup = record.cgroups.open();
        let mut attendant = Creation {
            record,
            directory,
            spec,
        };
        let cgroup = cgroup.as_ref().map(|fd| fd.as_fd());
        // The stage has its name from its first moment on.
        let name = prctl::get_name().called(|| "prctl(PR_GET_NAME)")?;
        prctl::set_name(MAKING_NAME).called(|| "prctl(PR_SET_NAME)")?;
        let spawned = spawn(&launch, io, &document.rootfs, cgroup, &mut attendant);
        prctl::set_name(&name).called(|| "prctl(PR_SET_NAME)")?;
        let spawned = spawned?;
        hand_out(request, &spawned)?;
        Ok(spawned)
    }
}

/// How many sockets the caller hands on, by the protocol of sd_listen_fds(3).
fn sockets_of_caller() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let is_ours = number("LISTEN_PID").is_none_or(|pid| pid == std::process::id());
    number("LISTEN_FDS").filter(|_| is_ours).unwrap_or(0)
}

/// Lets go of what the caller has open besides what the program gets: the stage outlives this
/// command, and would keep it open. Returns what the program gets: of the numbers that it may have
/// those that are open, for those that are not may soon be our own.
pub(super) fn keep_wired(wiring: &Wiring, sockets: u32) -> SysResult<Vec<i32>> {
    let count = wiring.preserved_fds.saturating_add(sockets);
    let end = i32::try_from(count).unwrap_or(i32::MAX).saturating_add(3);
    let listed = fs::read_dir("/proc/self/fd").called(|| "open(/proc/self/fd)")?;
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut preserved: Vec<i32> = numbers.filter(|number| (3..end).contains(number)).collect();
    // The list was open itself.
    let is_open = |number: &i32| fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    preserved.retain(is_open);
    preserved.sort_unstable();
    let kept = (0..3).chain(preserved.iter().copied());
    let kept: Vec<i32> = kept.chain(steps::number()).collect();
    close_all_but(&kept)?;
    Ok(preserved)
}

/// A terminal made inside, or the caller's own streams.
pub(super) fn streams(spec: &Spec, wiring: &Wiring) -> SysResult<ProgramIo> {
    let process = spec.process().as_ref();
    if process.and_then(Process::terminal) == Some(true) {
        let wanted = process.and_then(Process::console_size);
        let cells = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        let size = wanted.map(|size| (cells(size.height()), cells(size.width())));
        // Who reads a pipe of ours wants lines; who gets the master sets what it likes.
        let carried = wiring.console_socket.is_none() && !std::io::stdout().is_terminal();
        let lines = if carried {
            LineEnds::Plain
        } else {
            LineEnds::Screen
        };
        return Ok(ProgramIo::Terminal { size, lines });
    }
    own_streams()
}

/// The caller's own streams.
pub(super) fn own_streams() -> SysResult<ProgramIo> {
    let copy = |stream: std::os::fd::BorrowedFd<'_>| {
        let copied = stream.try_clone_to_owned();
        copied.called(|| "fcntl(F_DUPFD_CLOEXEC)")
    };
    Ok(ProgramIo::Streams {
        stdin: copy(std::io::stdin().as_fd())?,
        stdout: copy(std::io::stdout().as_fd())?,
        stderr: copy(std::io::stderr().as_fd())?,
    })
}

/// Gives the caller what belongs to it. A stage that cannot be handed out is not kept.
fn hand_out(request: &CreateRequest, spawned: &Spawned) -> Result<(), BundleError> {
    let wiring = &request.wiring;
    let sent = match (&wiring.console_socket, &spawned.console) {
        (Some(path), Some(master)) => console::send_master(path, master).map_err(Into::into),
        _ => Ok(()),
    };
    let handed = sent.and_then(|()| console::write_pid(wiring, spawned.pid));
    handed.inspect_err(|_| kill(spawned.pid))
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).ignored();
    nix::sys::wait::waitpid(pid, None).ignored();
}

/// What the command does while the init stage works.
struct Creation<'c> {
    record: Record,
    directory: &'c Directory,
    spec: &'c Spec,
}

impl Attendant for Creation<'_> {
    fn forked(&mut self, pid: i32) -> Result<(), StageFailure> {
        let failure = |error: &dyn std::fmt::Display| StageFailure::setup(error.to_string());
        let identity = ProcessIdentity::of(pid).map_err(|error| failure(&error))?;
        self.record.process = Some(identity);
        let written = self.directory.write(&self.record);
        written.map_err(|error| failure(&error))?;
        let joined = self.record.cgroups.join(pid);
        joined
            .map_err(|error| StageFailure::setup(format!("join the container's cgroups: {error}")))
    }

    fn mounted(&mut self, pid: i32) -> Result<(), StageFailure> {
        hooks::run_at_creation(self.spec, &with_pid(&self.record.state(), pid))
    }

    fn asked(&mut self, pid: i32, listener: &OwnedFd) -> Result<(), StageFailure> {
        let state = with_pid(&self.record.state(), pid);
        console::send_listener(self.spec, &state, (pid, ContainerState::Creating), listener)
    }

    fn serve_root(&mut self, device: OwnedFd) -> SysResult<()> {
        drop(device);
        Ok(())
    }

    fn filled(&mut self, _container_path: &Path) {}

    fn warn(&mut self, _words: &str) {}

    fn attach_network(&mut self, _pid: i32, _network: i32) -> Result<(), StageFailure> {
        Ok(())
    }

    fn make_ready(&mut self, _pid: i32) {}
}
