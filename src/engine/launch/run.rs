// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run of a container's program, from the fork to the record that it runs.

use std::cell::RefCell;
use std::fs;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::attendant::StartAttendant;
use super::bridges::Bridges;
use super::health_clock::ClockProbe;
use super::prepared::{Earlier, Prepared};
use crate::engine::cgroup::{ContainerCgroup, of_network_helper};
use crate::engine::events::as_it_is_called_now;
use crate::engine::pipes::{Input, piped};
use crate::monitor::{ContainerIo, Lifeline, Probe, Run};
use crate::network::helper::client::Client;
use crate::runtime::failure::StageFailure;
use crate::runtime::launch::{LineEnds, ProgramIo};
use crate::runtime::spawn::{Spawned, spawn};
use crate::state::connection::ConnectionPlan;
use crate::state::events::{Action, Event};
use crate::state::health_log::Health;
use crate::state::record::{ContainerState, ProcessIdentity};
use crate::state::store::Store;
use crate::sys::channel::Channel;
use crate::sys::{Called, SysResult};

/// A run of the container's program.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) run: Run,
    /// As it is on record.
    pub(super) state: ContainerState,
    /// How it is connected, as long as it runs.
    pub(super) plan: Option<Rc<RefCell<ConnectionPlan>>>,
}

/// Starts the program, and lets everyone see that it runs.
pub(super) fn start_run(
    prepared: &Prepared,
    line: &Channel,
    store: &Store,
    (program_io, io): (ProgramIo, ContainerIo),
    earlier: Earlier,
) -> Result<Started, StageFailure> {
    // The helper gets ready while the container does.
    let connection = &prepared.connection;
    let wanted = connection.bridges.is_some() || connection.forwarded_to().is_some();
    let network = wanted.then(|| Client::start(&prepared.run_root, None, of_network_helper));
    let mut attendant = StartAttendant {
        prepared,
        network: network.and_then(Result::ok),
        namespace: None,
        bridges: None,
        store: store.clone(),
        command: line,
        ready: None,
        helpers: Vec::new(),
        held: Vec::new(),
        root_server: None,
        earlier,
    };
    if let Some(socket) = &prepared.notify {
        let (pid, pidfd) = call(|| socket.start_relay())?;
        let identity = call(|| ProcessIdentity::of(pid))?;
        attendant.helpers.push((identity, pidfd));
    }
    prepared
        .overlays
        .iter()
        .try_for_each(|overlay| call(|| overlay.renew()))?;
    let spawned = spawn(
        &prepared.launch,
        program_io,
        &prepared.mountpoint,
        prepared.cgroup.get().map(|cgroup| cgroup.fd.as_fd()),
        &mut attendant,
    )?;
    let mut probe = ClockProbe::of(&prepared.record, &prepared.dirs, prepared.dialect);
    if earlier.restart_count > 0 {
        // It may have been given another check since.
        probe.reload();
    }
    if probe.has_check() {
        // One that cannot be written reads as if nothing were known, which is so.
        drop(store.write_health(&prepared.record.id, &Health::starting()));
    }
    let state = attendant.record_running(spawned.pid)?;
    write_pid_files(prepared, spawned.pid)?;
    for words in prepared.run_poststart_hooks(spawned.pid) {
        drop(line.send(format!("w{words}").as_bytes(), None));
    }
    Ok(started(prepared, spawned, io, (attendant, probe), state))
}

fn started(
    prepared: &Prepared,
    spawned: Spawned,
    io: ContainerIo,
    (attendant, probe): (StartAttendant<'_>, ClockProbe),
    state: ContainerState,
) -> Started {
    let plan = attendant.bridges.as_ref().map(Bridges::plan);
    let cgroup = prepared.cgroup.get();
    let helpers = attendant.helpers.into_iter();
    let run = Run {
        container: spawned.pidfd,
        pid: spawned.pid,
        io: match spawned.console {
            Some(master) => ContainerIo::Terminal { master },
            None => io,
        },
        helpers: helpers.map(|(_, pidfd)| pidfd).collect(),
        root_server: attendant.root_server.map(|(_, pidfd)| pidfd),
        held: attendant.held,
        lifeline: attendant
            .bridges
            .map(|bridges| Box::new(bridges) as Box<dyn Lifeline>),
        memory_events: cgroup.and_then(ContainerCgroup::memory_events),
        probe: Some(Box::new(probe)),
    };
    Started { run, state, plan }
}

/// Writes down what happens to the container: a start before anybody hears of it, and before the
/// program's end can be written down.
pub(super) fn emit(prepared: &Prepared, store: &Store, actions: impl Iterator<Item = Action>) {
    let record = &as_it_is_called_now(store, &prepared.record);
    let events: Vec<Event> = actions
        .map(|action| Event::of_container(record, action))
        .collect();
    prepared.dirs.events.write(&events);
}

/// The program's streams and our ends of them.
pub(super) fn streams(prepared: &Prepared) -> Result<(ProgramIo, ContainerIo), StageFailure> {
    call(|| open_streams(prepared))
}

fn open_streams(prepared: &Prepared) -> SysResult<(ProgramIo, ContainerIo)> {
    let request = &prepared.record.request;
    if request.tty {
        let nothing = ContainerIo::Inherited;
        return Ok((
            ProgramIo::Terminal {
                size: prepared.terminal_size,
                lines: LineEnds::Screen,
            },
            nothing,
        ));
    }
    if prepared.is_passthrough() {
        let duplicate = |fd: std::os::fd::BorrowedFd<'_>| {
            fd.try_clone_to_owned().called(|| "fcntl(F_DUPFD_CLOEXEC)")
        };
        let io = ProgramIo::Streams {
            stdin: duplicate(std::io::stdin().as_fd())?,
            stdout: duplicate(std::io::stdout().as_fd())?,
            stderr: duplicate(std::io::stderr().as_fd())?,
        };
        return Ok((io, ContainerIo::Inherited));
    }
    let (program, ours) = piped(Input::of(request.interactive))?;
    let ours = ContainerIo::Pipes {
        stdin: ours.stdin,
        stdout: Some(ours.stdout),
        stderr: Some(ours.stderr),
    };
    Ok((program, ours))
}

fn write_pid_files(prepared: &Prepared, pid: i32) -> Result<(), StageFailure> {
    use std::io::Write as _;
    let request = &prepared.record.request;
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    // Of those that `generate systemd` writes.
    let for_service = std::env::var_os("PODMAN_SYSTEMD_UNIT")
        .map(|_name| prepared.dirs.monitor_pid_file(&prepared.record.id));
    for (path, pid) in [
        (&request.pidfile, pid),
        (&request.monitor_pidfile, own),
        (&for_service, own),
    ] {
        let Some(path) = path else { continue };
        let written = fs::File::create(path).and_then(|mut file| write!(file, "{pid}"));
        written.map_err(|error| {
            StageFailure::setup(format!("write the pid file {}: {error}", path.display()))
        })?;
    }
    Ok(())
}

fn call<T>(step: impl FnOnce() -> SysResult<T>) -> Result<T, StageFailure> {
    step().map_err(|error| StageFailure::setup(error.to_string()))
}
