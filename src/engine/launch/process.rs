// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monitor's process, from the fork to its end. It holds none of the caller's descriptors,
//! lives in the holder namespace, and never returns into the caller's code.

use std::cell::Cell;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::chown;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::prctl;
use nix::unistd::setsid;

use super::attendant::StartAttendant;
use super::prepared::{Prepared, Waiter};
use crate::engine::Dialect;
use crate::engine::cgroup::ContainerCgroup;
use crate::engine::events::as_it_is_called_now;
use crate::engine::pipes::{Input, piped};
use crate::engine::{connect, host, secret, survivors};
use crate::monitor::protocol::AttachedStreams;
use crate::monitor::{
    ContainerIo, ExitReport, FirstClient, JournalFields, Lifeline, LogDriver, LogSettings,
    StdinPolicy, Supervision,
};
use crate::network::helper::client::Client;
use crate::runtime::holder_ahead::HolderAhead;
use crate::runtime::idmap::IdMapping;
use crate::runtime::launch::{ProgramIo, StageFailure};
use crate::runtime::rights::raise_limits;
use crate::runtime::spawn::{Spawned, spawn};
use crate::runtime::userns::{UsernsError, chain};
use crate::state::events::{Action, Event};
use crate::state::record::{ContainerRecord, ContainerState, Status};
use crate::state::store::{ContainerLock, Store};
use crate::sys::channel::Channel;
use crate::sys::process::{close_all_but, exit_now};
use crate::sys::stream::drop_standard_streams;
use crate::sys::{Called, Ignored, SysResult};

/// Runs the monitor of `prepared` to its end.
pub(super) fn monitor(
    prepared: &Prepared,
    holder: &mut HolderAhead,
    line: &Channel,
    client: Option<(OwnedFd, AttachedStreams)>,
) -> ! {
    setsid().ignored();
    prctl::set_name(c"coracle-monitor").ignored();
    let code = match start(prepared, holder, line, client) {
        Ok(supervision) => {
            let code = crate::monitor::run(supervision);
            drop(line.send(format!("x{code}").as_bytes(), None));
            0
        }
        Err(failure) => {
            prepared.undo();
            let mut bytes = vec![b'f'];
            bytes.extend(serde_json::to_vec(&failure).unwrap_or_default());
            drop(line.send(&bytes, None));
            1
        }
    };
    exit_now(code)
}

fn start(
    prepared: &Prepared,
    holder: &mut HolderAhead,
    line: &Channel,
    client: Option<(OwnedFd, AttachedStreams)>,
) -> Result<Supervision, StageFailure> {
    let mut kept = vec![0, 1, 2, line.as_fd().as_raw_fd()];
    kept.extend(client.iter().map(|(socket, _)| socket.as_raw_fd()));
    kept.extend(prepared.listener.as_ref().map(AsRawFd::as_raw_fd));
    kept.extend(prepared.cgroup.as_ref().map(|cgroup| cgroup.fd.as_raw_fd()));
    kept.extend(&prepared.launch.preserved_fds);
    kept.extend(holder.descriptor());
    kept.extend(prepared.listener_numbers());
    call(|| close_all_but(&kept))?;
    let (program_io, io) = call(|| streams(prepared))?;
    call(drop_standard_streams)?;
    prepared.launch.spec.process().iter().for_each(raise_limits);
    holder
        .enter(&prepared.holder, &prepared.run_root)
        .map_err(|error| refused_namespace(&error))?;
    give_files(prepared);
    secret::give_files(&prepared.secrets, &prepared.launch.maps);
    let store =
        Store::open(prepared.dirs.clone()).map_err(|error| StageFailure::setup(chain(&error)))?;
    // The helper gets ready while the container does.
    let wanted = prepared.connection.bridges.is_some();
    let network = wanted.then(|| Client::start(&prepared.run_root, None));
    let mut attendant = StartAttendant {
        prepared,
        network: network.and_then(Result::ok),
        namespace: None,
        bridges: None,
        store: store.clone(),
        command: line,
        ready: None,
        helpers: Vec::new(),
        serves_root: false,
    };
    let cgroup = prepared.cgroup.as_ref().map(|cgroup| cgroup.fd.as_fd());
    let launch = &prepared.launch;
    let spawned = spawn(
        launch,
        program_io,
        &prepared.mountpoint,
        cgroup,
        &mut attendant,
    )?;
    let state = attendant.record_running(spawned.pid)?;
    write_pid_files(prepared, spawned.pid)?;
    emit_start(prepared, client.is_some());
    call(|| line.send(format!("s{}", spawned.pid).as_bytes(), None))?;
    Ok(supervision(
        prepared, spawned, io, client, attendant, store, state,
    ))
}

/// Before anybody hears of the start, and before the program's end can be written down.
fn emit_start(prepared: &Prepared, attached: bool) {
    let attach = attached.then_some(Action::Attach);
    let actions = [Action::Init, Action::Start].into_iter().chain(attach);
    let events: Vec<Event> = actions
        .map(|action| Event::of_container(&prepared.record, action))
        .collect();
    prepared.dirs.events.write(&events);
}

/// Gives hosts, hostname and resolv.conf to the container's root, when that is not the caller.
fn give_files(prepared: &Prepared) {
    let outside = |extents: &[IdMapping]| {
        let root = extents.iter().find(|extent| extent.inside == 0)?;
        Some(root.outside)
    };
    let maps = &prepared.launch.maps;
    let (Some(uid), Some(gid)) = (outside(&maps.uids), outside(&maps.gids)) else {
        return;
    };
    if (uid, gid) == (0, 0) {
        return;
    }
    for name in connect::etc_files(&prepared.record, &prepared.connection) {
        // They can be read by everyone all the same.
        chown(prepared.run_directory.join(name), Some(uid), Some(gid)).ignored();
    }
}

/// Without the user's namespace there is no container: what mends that goes with the refusal.
fn refused_namespace(error: &UsernsError) -> StageFailure {
    StageFailure {
        hints: host::explain_userns(error).hints(),
        ..StageFailure::setup(chain(error))
    }
}

fn call<T>(step: impl FnOnce() -> SysResult<T>) -> Result<T, StageFailure> {
    step().map_err(|error| StageFailure::setup(error.to_string()))
}

/// The program's streams and our ends of them.
fn streams(prepared: &Prepared) -> SysResult<(ProgramIo, ContainerIo)> {
    let request = &prepared.record.request;
    if request.tty {
        let nothing = ContainerIo::Inherited;
        return Ok((
            ProgramIo::Terminal {
                size: prepared.terminal_size,
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
    for (path, pid) in [(&request.pidfile, pid), (&request.monitor_pidfile, own)] {
        let Some(path) = path else { continue };
        let written = fs::File::create(path).and_then(|mut file| write!(file, "{pid}"));
        written.map_err(|error| {
            StageFailure::setup(format!("write the pid file {}: {error}", path.display()))
        })?;
    }
    Ok(())
}

fn supervision(
    prepared: &Prepared,
    spawned: Spawned,
    io: ContainerIo,
    client: Option<(OwnedFd, AttachedStreams)>,
    attendant: StartAttendant<'_>,
    store: Store,
    state: ContainerState,
) -> Supervision {
    let record = &prepared.record;
    let id = record.id.clone();
    let io = match spawned.console {
        Some(master) => ContainerIo::Terminal { master },
        None => io,
    };
    let detached = client.is_none();
    let survivors = state.mounts.clone();
    let ended = id.clone();
    let recorded = (store.clone(), record.clone());
    let scratch = store.dirs().container(&id);
    let waiter = if detached {
        Waiter::Nobody
    } else {
        Waiter::Client
    };
    let clean = prepared.cleaning(store, waiter);
    let (held, freed) = ending_lock();
    let after = if record.request.auto_remove {
        AfterEnd::Removed
    } else {
        AfterEnd::Kept
    };
    Supervision {
        id: id.clone(),
        container: spawned.pidfd,
        pid: spawned.pid,
        io,
        stdin_policy: if detached {
            StdinPolicy::KeepOpen
        } else {
            StdinPolicy::CloseAfterClient
        },
        log: log_settings(prepared),
        scratch,
        listener: prepared
            .listener
            .as_ref()
            .and_then(|fd| fd.try_clone().ok()),
        first_client: client.map(|(socket, streams)| FirstClient { socket, streams }),
        timeout: record.request.timeout_seconds.map(Duration::from_secs),
        helpers: attendant
            .helpers
            .into_iter()
            .map(|(_, pidfd)| pidfd)
            .collect(),
        lifeline: attendant
            .bridges
            .map(|bridges| Box::new(bridges) as Box<dyn Lifeline>),
        memory_events: prepared
            .cgroup
            .as_ref()
            .and_then(ContainerCgroup::memory_events),
        record_exit: Box::new(move |report| {
            // A lock that cannot be had is that of a container that is gone.
            held.set(recorded.0.lock(&recorded.1.id).ok());
            emit_exit(&recorded.0, &recorded.1, report);
            record_exit(&recorded.0, &recorded.1.id, &state, (report, after));
        }),
        clean_up: Box::new(move || {
            if let Some(mounts) = survivors {
                survivors::end(&mounts, &ended);
            }
            let after = clean.run();
            drop(freed.take());
            after();
        }),
    }
}

fn emit_exit(store: &Store, record: &ContainerRecord, report: &ExitReport) {
    let record = &as_it_is_called_now(store, record);
    let died = Event::of_container(record, Action::Died).with_exit_code(report.recorded_code());
    let oom = report.oom_killed.then_some(Action::Oom);
    let oom = oom.map(|action| Event::of_container(record, action));
    let events: Vec<Event> = oom.into_iter().chain([died]).collect();
    store.dirs().events.write(&events);
}

/// A lock that one closure takes and another gives back.
type HeldLock = Rc<Cell<Option<ContainerLock>>>;

/// The container's lock from the exit record to the end of the clean-up: a new start in between
/// would lose its sockets to the clean-up of the old run, and a `stop` that has just looked would
/// write its mark over the exit.
fn ending_lock() -> (HeldLock, HeldLock) {
    let lock = Rc::new(Cell::new(None));
    (Rc::clone(&lock), lock)
}

/// What becomes of a container when its program has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterEnd {
    Kept,
    /// `--rm`: under the lock that is held now. What cuts that short leaves a container that was
    /// lost, as it is; clients are told the exit code by the monitor.
    Removed,
}

/// The user may have asked for the end meanwhile: what others wrote into the state is kept. The
/// caller holds the container's lock; a second one would wait for the first for ever.
fn record_exit(
    store: &Store,
    id: &crate::state::id::ContainerId,
    running: &ContainerState,
    (report, after): (&ExitReport, AfterEnd),
) {
    let now = store.read_state(id).unwrap_or_else(|_| running.clone());
    if after == AfterEnd::Removed && !now.restarting {
        return;
    }
    let state = ContainerState {
        status: Status::Exited,
        exit_code: Some(report.recorded_code()),
        oom_killed: report.oom_killed,
        finished_at: Some(report.finished_at),
        stopped_by_user: now.stopped_by_user || report.stopped_by_user,
        monitor: None,
        container: None,
        helpers: Vec::new(),
        ..now
    };
    // Nobody can be told here: a state that cannot be written reads as lost, which it is.
    drop(store.write_state(id, &state));
}

fn journal_fields(record: &ContainerRecord) -> JournalFields {
    let tag = record.request.log_opts.get("tag");
    JournalFields {
        id: record.id.to_string(),
        name: record.name.clone(),
        tag: tag.cloned().unwrap_or_default(),
        image: record.resolved.image_name.clone(),
    }
}

fn log_settings(prepared: &Prepared) -> LogSettings {
    let resolved = &prepared.record.resolved;
    let driver = match resolved.log_driver.as_str() {
        // Podman's json-file is a name for its own format.
        "json-file" if prepared.dialect == Dialect::Docker => LogDriver::JsonFile,
        "none" => LogDriver::None,
        "passthrough" | "passthrough-tty" => LogDriver::Passthrough,
        _ => LogDriver::K8sFile,
    };
    let files = prepared.record.request.log_opts.get("max-file");
    LogSettings {
        driver,
        path: resolved.log_path.clone(),
        size_max_bytes: resolved.log_size_max_bytes,
        files_max: files.and_then(|text| text.parse().ok()).unwrap_or(1),
        journal: (resolved.log_driver == "journald").then(|| journal_fields(&prepared.record)),
    }
}
