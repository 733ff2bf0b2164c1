// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monitor's process, from the fork to its end. It holds none of the caller's descriptors,
//! lives in the holder namespace, and never returns into the caller's code.

use std::cell::RefCell;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::chown;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::prctl;
use nix::unistd::setsid;

use super::attendant::StartAttendant;
use super::bridges::Bridges;
use super::health_clock::ClockProbe;
use super::life::{Life, copies};
use super::prepared::{Prepared, Waiter};
use crate::engine::Dialect;
use crate::engine::cgroup::{ContainerCgroup, of_network_helper};
use crate::engine::events::as_it_is_called_now;
use crate::engine::notify::{self, OwnSocket};
use crate::engine::pipes::{Input, piped};
use crate::engine::{connect, host, secret};
use crate::monitor::protocol::AttachedStreams;
use crate::monitor::{
    ContainerIo, FirstClient, JournalFields, Lifeline, LogDriver, LogSettings, Probe, Run,
    StdinPolicy, Supervision,
};
use crate::network::helper::client::{Client, Listener};
use crate::runtime::failure::StageFailure;
use crate::runtime::failure::chain;
use crate::runtime::holder_ahead::HolderAhead;
use crate::runtime::idmap::IdMapping;
use crate::runtime::launch::{LineEnds, ProgramIo};
use crate::runtime::rights::raise_limits;
use crate::runtime::spawn::{Spawned, spawn};
use crate::runtime::userns::UsernsError;
use crate::state::connection::ConnectionPlan;
use crate::state::events::{Action, Event};
use crate::state::health_log::Health;
use crate::state::record::{ContainerRecord, ContainerState, ProcessIdentity};
use crate::state::store::Store;
use crate::sys::channel::Channel;
use crate::sys::process::{close_all_but, exit_now, show_arguments};
use crate::sys::steps::{self, step};
use crate::sys::stream::drop_standard_streams;
use crate::sys::{Called, Ignored, SysResult};

/// A run of the container's program.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) run: Run,
    /// As it is on record.
    pub(super) state: ContainerState,
    /// How it is connected, as long as it runs.
    pub(super) plan: Option<Rc<RefCell<ConnectionPlan>>>,
}

/// What the runs before this one have left to tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Earlier {
    pub(super) restart_count: u32,
    pub(super) finished_at: Option<Timestamp>,
}

/// Runs the monitor of `prepared` to its end.
pub(super) fn monitor(
    prepared: &mut Prepared,
    holder: &mut HolderAhead,
    line: &Channel,
    client: Option<(OwnedFd, AttachedStreams)>,
) -> ! {
    setsid().ignored();
    prctl::set_name(c"coracle-monitor").ignored();
    // Everybody may read a process's words, and those of the command may hold a secret (`-e`).
    let root = prepared.dirs.data_root.to_string_lossy();
    let id = prepared.record.id.as_str();
    show_arguments(&["coracle", "monitor", "--root", &root, id]);
    let code = match start(prepared, holder, line, client.as_ref()) {
        Ok((store, listeners, started)) => {
            let waiter = match client {
                Some(_) => Waiter::Client,
                None => Waiter::Nobody,
            };
            let mut life = Life::new(prepared, line, store.clone(), listeners, waiter);
            let run = life.take_up(started);
            let supervision = supervision(life.prepared(), run, &store, client);
            let code = crate::monitor::run(supervision, &mut life);
            drop(line.send(format!("x{code}").as_bytes(), None));
            life.monitor_code(code)
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

/// Makes this process the monitor, and starts the first run.
fn start(
    prepared: &Prepared,
    holder: &mut HolderAhead,
    line: &Channel,
    client: Option<&(OwnedFd, AttachedStreams)>,
) -> Result<(Store, Vec<Listener>, Started), StageFailure> {
    let mut kept = vec![0, 1, 2, line.as_fd().as_raw_fd()];
    kept.extend(client.map(|(socket, _)| socket.as_raw_fd()));
    kept.extend(prepared.listener.as_ref().map(AsRawFd::as_raw_fd));
    kept.extend(prepared.cgroup.get().map(|cgroup| cgroup.fd.as_raw_fd()));
    kept.extend(&prepared.launch.preserved_fds);
    kept.extend(prepared.notify.as_ref().map(OwnSocket::number));
    kept.extend(holder.descriptor());
    kept.extend(prepared.listener_numbers());
    kept.extend(steps::number());
    call(|| close_all_but(&kept))?;
    let streams = streams(prepared)?;
    call(drop_standard_streams)?;
    prepared.launch.spec.process().iter().for_each(raise_limits);
    enter_scope(prepared)?;
    step(|| format!("monitor {}: enter the user's namespace", std::process::id()));
    holder
        .enter(&prepared.holder, &prepared.run_root)
        .map_err(|error| refused_namespace(&error))?;
    give_files(prepared);
    secret::give_files(&prepared.secrets, &prepared.launch.maps);
    let store =
        Store::open(prepared.dirs.clone()).map_err(|error| StageFailure::setup(chain(&error)))?;
    // It may be given a restart policy while it runs.
    let listeners = copies(&prepared.listeners.borrow())?;
    let started = start_run(prepared, line, &store, streams, Earlier::default())?;
    let attach = client.map(|_| Action::Attach);
    let actions = [Action::Init, Action::Start].into_iter().chain(attach);
    emit(prepared, &store, actions);
    // Nobody waits where nobody listens: the container runs all the same.
    notify::tell_start(&prepared.record.request).ignored();
    let pid = started.run.pid;
    step(|| format!("the program runs as process {pid}"));
    // This process stays.
    steps::forget();
    call(|| line.send(format!("s{pid}").as_bytes(), None))?;
    Ok((store, listeners, started))
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

/// Systemd is asked before the holder's namespace is entered: there this user has another number.
fn enter_scope(prepared: &Prepared) -> Result<(), StageFailure> {
    let Some(wanted) = &prepared.scope else {
        return Ok(());
    };
    if let Some(made) = wanted.enter_scope()? {
        // Nobody else has filled it: there is one monitor.
        drop(prepared.cgroup.set(made));
    }
    Ok(())
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

fn supervision(
    prepared: &Prepared,
    run: Run,
    store: &Store,
    client: Option<(OwnedFd, AttachedStreams)>,
) -> Supervision {
    let record = &prepared.record;
    Supervision {
        id: record.id.clone(),
        run,
        stdin_policy: match client {
            None => StdinPolicy::KeepOpen,
            Some(_) => StdinPolicy::CloseAfterClient,
        },
        log: log_settings(prepared),
        scratch: store.dirs().container(&record.id),
        listener: prepared
            .listener
            .as_ref()
            .and_then(|fd| fd.try_clone().ok()),
        first_client: client.map(|(socket, streams)| FirstClient { socket, streams }),
        timeout: record.request.timeout_seconds.map(Duration::from_secs),
    }
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
