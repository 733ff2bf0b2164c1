// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monitor's process, from the fork to its end. It holds none of the caller's descriptors,
//! lives in the holder namespace, and never returns into the caller's code.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::chown;
use std::time::Duration;

use nix::sys::prctl;
use nix::unistd::setsid;

use super::life::{Life, copies};
use super::prepared::{Earlier, Prepared, Waiter};
use super::run::{Started, emit, start_run, streams};
use crate::engine::Dialect;
use crate::engine::notify::{self, OwnSocket};
use crate::engine::{connect, host, secret};
use crate::monitor::protocol::AttachedStreams;
use crate::monitor::{
    FirstClient, JournalFields, LogDriver, LogSettings, Run, StdinPolicy, Supervision,
};
use crate::network::helper::client::Listener;
use crate::runtime::failure::{StageFailure, chain};
use crate::runtime::holder_ahead::HolderAhead;
use crate::runtime::idmap::IdMapping;
use crate::runtime::rights::raise_limits;
use crate::runtime::userns::UsernsError;
use crate::state::events::Action;
use crate::state::record::ContainerRecord;
use crate::state::store::Store;
use crate::sys::channel::Channel;
use crate::sys::process::{close_all_but, exit_now, show_arguments};
use crate::sys::steps::{self, step};
use crate::sys::stream::drop_standard_streams;
use crate::sys::{Ignored, SysResult};

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
