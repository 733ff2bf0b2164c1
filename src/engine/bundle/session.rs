// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `exec`: a further program in a container, with the rights of its first one unless the caller
//! says otherwise.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use nix::sys::signal::SIGKILL;
use oci_spec::runtime::{Capability, ContainerState, LinuxCapabilities, Process, Spec};

use super::create::{keep_wired, own_streams, streams};
use super::document::{read_process, ungranted};
use super::foreground::{Ended, Foreground};
use super::records::{START_SOCKET, Status};
use super::verbs::refused;
use super::{BundleError, Runtime, Stay, Wiring, console, launch};
use crate::engine::Report;
use crate::runtime::exec::{Running, Session, start};
use crate::runtime::idmap::Setgroups;
use crate::runtime::launch::{GroupPolicy, UserChoice};
use crate::runtime::lifecycle::{self, with_pid};
use crate::runtime::userns::setgroups_of;
use crate::sys::Ignored as _;
use crate::sys::channel::Channel;
use crate::sys::steps::step;

/// What `exec` is asked for.
#[derive(Debug, Clone)]
pub struct SessionRequest {
    /// The container.
    pub id: String,
    /// What is executed.
    pub process: ProcessSource,
    /// The ends that the caller holds.
    pub wiring: Wiring,
    /// Whether a frozen container is entered: the program stands still, too.
    pub into_paused: bool,
}

/// Where the program of a session is described.
#[derive(Debug, Clone)]
pub enum ProcessSource {
    /// The `process` section of a spec, in a file of its own.
    File(PathBuf),
    /// Words, and changes to the container's own section.
    Words {
        /// Program and arguments.
        args: Vec<String>,
        /// The working directory.
        cwd: Option<PathBuf>,
        /// More environment.
        env: Vec<String>,
        /// A terminal.
        terminal: bool,
        /// `UID[:GID]`.
        user: Option<(u32, Option<u32>)>,
        /// More groups.
        groups: Vec<u32>,
        /// More capabilities, as `CAP_CHOWN`.
        capabilities: Vec<String>,
        /// Whether exec can never give more.
        no_new_privileges: bool,
    },
}

impl Runtime {
    /// Executes a program in a container.
    ///
    /// # Errors
    ///
    /// [`BundleError::State`] when the container does not run; why the program does not.
    pub fn exec(
        &self,
        request: &SessionRequest,
        stay: Stay,
        told: &dyn Report,
    ) -> Result<Ended, BundleError> {
        let (directory, record, status) = self.find(&request.id)?;
        match status {
            Status::Running | Status::Created => {}
            Status::Paused if request.into_paused => {}
            Status::Paused | Status::Creating | Status::Stopped => {
                return Err(refused("exec in", &record, status));
            }
        }
        let mut spec = directory.read_spec()?;
        // A descriptor of the caller's may be named as the file.
        let (mut process, mut warnings) = process(&spec, &request.process)?;
        warnings.extend(ungranted(&spec, &mut process)?);
        for text in &warnings {
            told.warning(text);
        }
        spec.set_process(Some(process));
        let preserved = keep_wired(&request.wiring, 0)?;
        let Some((pid, container)) = record.open()? else {
            return Err(refused("exec in", &record, Status::Stopped));
        };
        let filter = launch::filter(&spec)?;
        let terminal = spec.process().as_ref().and_then(Process::terminal);
        console::check(&request.wiring, terminal == Some(true), stay)?;
        let io = match terminal {
            Some(true) => streams(&spec, &request.wiring)?,
            Some(false) | None => own_streams()?,
        };
        let held = match stay {
            Stay::Foreground => Some(Foreground::hold()?),
            Stay::Detached => None,
        };
        let cgroup = record.cgroups.open();
        let namespaces = match status {
            Status::Created => {
                let stage = Channel::connect_in(&directory.path, START_SOCKET)?;
                Some(lifecycle::namespaces(&stage)?)
            }
            _ => None,
        };
        let linux = spec.linux().as_ref();
        let session = Session {
            personality: linux.and_then(|linux| linux.personality().as_ref()),
            container: container.as_fd(),
            pid,
            process: spec.process().clone().expect("it was just set"),
            user: UserChoice::Spec,
            groups: groups_of(pid),
            namespaces,
            seccomp: &filter,
            cgroup: cgroup.as_ref().map(|fd| fd.as_fd()),
            preserved_fds: &preserved,
        };
        step(|| format!("execute a program in container {}", record.id));
        let mut running = start(&session, io)?;
        let state = with_pid(&record.state(), pid);
        if let Err(error) = hand_out(&request.wiring, &spec, &state, &mut running) {
            let pid = nix::unistd::Pid::from_raw(running.pid);
            nix::sys::signal::kill(pid, SIGKILL).ignored();
            return Err(error);
        }
        match held {
            None => Ok(Ended::Detached),
            Some(held) => Ok(Ended::WithCode(held.carry(running.pid, running.console)?)),
        }
    }
}

fn hand_out(
    wiring: &Wiring,
    spec: &Spec,
    state: &oci_spec::runtime::State,
    running: &mut Running,
) -> Result<(), BundleError> {
    if let (Some(path), Some(master)) = (&wiring.console_socket, &running.console) {
        console::send_master(path, master)?;
    }
    // Kept here, it would make the program wait for an agent that is gone.
    if let Some(listener) = running.listener.take() {
        let status = ContainerState::Running;
        console::send_listener(spec, state, (running.pid, status), &listener)?;
    }
    console::write_pid(wiring, running.pid)
}

/// The process section of a session, with what of it is not as it was asked for.
fn process(spec: &Spec, source: &ProcessSource) -> Result<(Process, Vec<String>), BundleError> {
    let ProcessSource::Words {
        args,
        cwd,
        env,
        terminal,
        user,
        groups,
        capabilities,
        no_new_privileges,
    } = source
    else {
        let ProcessSource::File(path) = source else {
            unreachable!("there are two sources");
        };
        return read_process(path);
    };
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(args.clone()));
    process.set_terminal(Some(*terminal));
    process.set_console_size(None);
    if let Some(cwd) = cwd {
        process.set_cwd(cwd.clone());
    }
    let mut environment = process.env().clone().unwrap_or_default();
    for pair in env {
        let name = pair.split_once('=').map_or(pair.as_str(), |(name, _)| name);
        environment.retain(|known| known.split_once('=').is_none_or(|(known, _)| known != name));
        environment.push(pair.clone());
    }
    process.set_env(Some(environment));
    let mut identity = process.user().clone();
    if let Some((uid, gid)) = user {
        identity.set_uid(*uid);
        identity.set_gid(gid.unwrap_or(0));
    }
    if !groups.is_empty() {
        let mut all = identity.additional_gids().clone().unwrap_or_default();
        all.extend(groups);
        identity.set_additional_gids(Some(all));
    }
    process.set_user(identity);
    if *no_new_privileges {
        process.set_no_new_privileges(Some(true));
    }
    add_capabilities(&mut process, capabilities)?;
    Ok((process, Vec::new()))
}

fn add_capabilities(process: &mut Process, names: &[String]) -> Result<(), BundleError> {
    if names.is_empty() {
        return Ok(());
    }
    let mut sets = process
        .capabilities()
        .clone()
        .unwrap_or_else(no_capabilities);
    for name in names {
        let bare = name.strip_prefix("CAP_").unwrap_or(name);
        let capability: Capability = bare.parse().map_err(|_unknown| BundleError::Spec {
            reason: format!("unknown capability {name:?}"),
        })?;
        let with = |set: &Option<oci_spec::runtime::Capabilities>| {
            let mut set = set.clone().unwrap_or_default();
            set.insert(capability);
            Some(set)
        };
        sets.set_bounding(with(sets.bounding()));
        sets.set_effective(with(sets.effective()));
        sets.set_permitted(with(sets.permitted()));
        // What is inheritable already may be ambient, too; nothing else (CVE-2022-29162).
        if sets
            .inheritable()
            .as_ref()
            .is_some_and(|set| !set.is_empty())
        {
            sets.set_inheritable(with(sets.inheritable()));
            sets.set_ambient(with(sets.ambient()));
        }
    }
    process.set_capabilities(Some(sets));
    Ok(())
}

fn no_capabilities() -> LinuxCapabilities {
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(None);
    sets.set_effective(None);
    sets.set_permitted(None);
    sets.set_inheritable(None);
    sets.set_ambient(None);
    sets
}

/// setgroups(2) is denied in a container that maps one id alone.
fn groups_of(pid: i32) -> GroupPolicy {
    match setgroups_of(&pid.to_string()) {
        Setgroups::Denied => GroupPolicy::Denied,
        Setgroups::Allowed => GroupPolicy::Settable,
    }
}
