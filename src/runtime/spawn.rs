// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monitor's side of a start: forks the init stage into its namespaces, writes its maps,
//! serves what it asks for, and learns whether the program runs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::attendant::Attendant;
use super::failure::{StageFailure, chain};
use super::handshake::{self, FromInit, ToInit};
use super::launch::{GroupPolicy, Join, Launch, MapWriter, ProgramIo, Root};
use super::userns;
use super::{hybrid, init};
use crate::runtime::mounts::loan::{Loan, lend_shared_shm};
use crate::sys::channel::{Channel, Message};
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now};
use crate::sys::schedule::Processors;
use crate::sys::steps::step;
use crate::sys::{Called, Ignored, SysResult};

/// A program that runs.
#[derive(Debug)]
pub struct Spawned {
    /// Its first process, as seen from the monitor.
    pub pid: i32,
    /// The same, as a descriptor.
    pub pidfd: OwnedFd,
    /// The master of its terminal.
    pub console: Option<OwnedFd>,
}

/// Forks the container of `launch`. The caller lives in the holder namespace, is single-threaded,
/// and stays the parent.
///
/// # Errors
///
/// The failure of whichever stage saw it.
pub fn spawn(
    launch: &Launch,
    io: ProgramIo,
    mountpoint: &Path,
    cgroup: Option<BorrowedFd<'_>>,
    attendant: &mut dyn Attendant,
) -> Result<Spawned, StageFailure> {
    let (ours, theirs) = setup(Channel::pair)?;
    step(|| {
        let namespaces = i32::try_from(new_namespaces(launch)).unwrap_or_default();
        let namespaces = CloneFlags::from_bits_retain(namespaces);
        format!("fork the first process into {namespaces:?}")
    });
    let processors = hybrid::processors(launch);
    let request = CloneRequest {
        namespaces: new_namespaces(launch),
        sibling: launch.join.is_some(),
        cgroup,
    };
    let forked = match launch.join {
        None => clone3(&request).map_err(|error| refused(&error))?.into(),
        Some(joined) => fork_joined(launch, joined, &request)?,
    };
    let (pid, pidfd, joiner) = match forked {
        Stage::Here { cgroup_namespace } => {
            drop(ours);
            if let Some(Err(failure)) = cgroup_namespace.as_ref().map(Opened::join) {
                handshake::send_failure(&theirs, &failure);
                exit_now(i32::from(failure.code))
            }
            init::run(launch, &io, mountpoint, (&theirs, processors))
        }
        Stage::Child { pid, pidfd, joiner } => (pid, pidfd, joiner),
    };
    drop(theirs);
    drop(io);
    let network = joiner.as_ref().map_or(pid, |joiner| joiner.pid);
    let outcome = attend(
        (launch, processors),
        &ours,
        (pid, network, mountpoint),
        attendant,
    );
    drop(joiner);
    match outcome {
        Ok(console) => Ok(Spawned {
            pid,
            pidfd,
            console,
        }),
        Err(failure) => {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL)
                .ignored();
            nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).ignored();
            Err(failure)
        }
    }
}

fn attend(
    (launch, processors): (&Launch, Option<Processors>),
    line: &Channel,
    (pid, network, mountpoint): (i32, i32, &Path),
    attendant: &mut dyn Attendant,
) -> Result<Option<OwnedFd>, StageFailure> {
    attendant.forked(pid)?;
    step(|| format!("write the id maps of process {pid}"));
    write_maps(launch, pid)?;
    let loan = Loan::of(launch, mountpoint);
    let _lender = match &launch.root {
        Root::Hybrid(root) => Some(hybrid::lend(
            (root, processors),
            &loan,
            (pid, line),
            attendant,
        )?),
        Root::Kernel(_) | Root::Fuse(_) | Root::Directory(_) | Root::Machine(_) => {
            setup(|| loan.lend(pid, line))?;
            None
        }
    };
    setup(|| lend_shared_shm(launch, line))?;
    attendant.mapped(network)?;
    setup(|| ToInit::Mapped.send(line))?;
    let mut console = None;
    // A stage that died early has said why: the line tells.
    match attendant.attach_network(pid, network) {
        Ok(()) => drop(ToInit::Network.send(line)),
        Err(failure) => return Err(early_failure(line).unwrap_or(failure)),
    }
    attendant.make_ready(pid);
    loop {
        match setup(|| handshake::receive(line))? {
            FromInit::Device(device) => setup(|| attendant.serve_root(device))?,
            FromInit::Console(master) => console = Some(master),
            FromInit::Filled(path) => attendant.filled(&path),
            FromInit::Listener(listener) => attendant.asked(pid, &listener)?,
            FromInit::Warning(words) => attendant.warn(&words),
            FromInit::Mounted => {
                attendant.mounted(pid)?;
                setup(|| handshake::send_hooked(line, pid))?;
            }
            FromInit::Failure(failure) => return Err(failure),
            FromInit::Closed if launch.lifecycle.is_some() => {
                return Err(StageFailure::setup("the stage of the start died early"));
            }
            FromInit::Closed | FromInit::Ready => return Ok(console),
        }
    }
}

/// A failure that the stage has sent already, without waiting for one.
fn early_failure(line: &Channel) -> Option<StageFailure> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    loop {
        let mut fds = [PollFd::new(line.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
            return None;
        }
        match handshake::receive(line).ok()? {
            FromInit::Failure(failure) => return Some(failure),
            FromInit::Closed => return None,
            FromInit::Device(_)
            | FromInit::Console(_)
            | FromInit::Filled(_)
            | FromInit::Listener(_)
            | FromInit::Mounted
            | FromInit::Ready
            | FromInit::Warning(_) => {}
        }
    }
}

fn write_maps(launch: &Launch, pid: i32) -> Result<(), StageFailure> {
    match launch.maps_by {
        MapWriter::Caller => {
            let process = pid.to_string();
            if launch.groups == GroupPolicy::Denied {
                setup(|| userns::deny_setgroups(&process))?;
            }
            setup(|| userns::write_maps(&process, &launch.maps))
        }
        MapWriter::Helpers => userns::write_maps_with_helpers(pid, &launch.maps)
            .map_err(|error| StageFailure::setup(chain(&error))),
        MapWriter::Nobody => Ok(()),
    }
}

fn setup<T>(step: impl FnOnce() -> SysResult<T>) -> Result<T, StageFailure> {
    step().map_err(|error| StageFailure::setup(error.to_string()))
}

fn refused(error: &crate::sys::SysError) -> StageFailure {
    StageFailure::setup(format!("make the container's namespaces: {error}"))
}

/// The init stage after its fork.
enum Stage {
    /// This process is it.
    Here {
        /// Another's, which it has yet to join.
        cgroup_namespace: Option<Opened>,
    },
    /// It is our child.
    Child {
        pid: i32,
        pidfd: OwnedFd,
        joiner: Option<Joiner>,
    },
}

impl From<Forked> for Stage {
    fn from(forked: Forked) -> Self {
        match forked {
            Forked::Child => Self::Here {
                cgroup_namespace: None,
            },
            Forked::Parent { pid, pidfd } => Self::Child {
                pid,
                pidfd,
                joiner: None,
            },
        }
    }
}

/// The process that joined another container to fork the stage. It stays in the stage's network
/// namespace for programs that find that by a process: the stage itself hides at once from those
/// of the other container, and this one they do not see.
struct Joiner {
    pid: i32,
    line: Option<Channel>,
}

impl Drop for Joiner {
    fn drop(&mut self) {
        drop(self.line.take());
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(self.pid), None).ignored();
    }
}

/// Forks the stage as our child from a process that joins the namespaces of `joined`: the caller
/// itself stays where it is.
fn fork_joined(
    launch: &Launch,
    joined: Join,
    request: &CloneRequest<'_>,
) -> Result<Stage, StageFailure> {
    let (ours, theirs) = setup(Channel::pair)?;
    let joiner = match setup(|| clone3(&CloneRequest::default()))? {
        Forked::Parent { pid, .. } => Joiner {
            pid,
            line: Some(ours),
        },
        Forked::Child => {
            drop(ours);
            let forked = join_namespaces(&launch.spec, joined).and_then(|left| {
                let forked = clone3(request).map_err(|error| refused(&error))?;
                Ok((forked, left))
            });
            match forked {
                Ok((Forked::Child, cgroup_namespace)) => {
                    return Ok(Stage::Here { cgroup_namespace });
                }
                Ok((Forked::Parent { pid, pidfd }, _)) => stay_beside(pid, &pidfd, &theirs),
                Err(failure) => handshake::send_failure(&theirs, &failure),
            }
            exit_now(0)
        }
    };
    drop(theirs);
    let line = joiner.line.as_ref().expect("it is open until the drop");
    let message = setup(|| line.receive())?;
    let pid = std::str::from_utf8(&message.bytes).ok();
    match (pid.and_then(|pid| pid.parse().ok()), message.fd) {
        (Some(pid), Some(pidfd)) => Ok(Stage::Child {
            pid,
            pidfd,
            joiner: Some(joiner),
        }),
        (_, fd) => match handshake::decode(Message { fd, ..message }) {
            FromInit::Failure(failure) => Err(failure),
            _ => Err(StageFailure::setup("the stage of the start died early")),
        },
    }
}

/// Says who was forked, and waits in its network namespace until the line is closed.
fn stay_beside(pid: i32, pidfd: &OwnedFd, line: &Channel) -> ! {
    // The host's, or the other container's: nobody asks for it then.
    if let Ok(network) = std::fs::File::open(format!("/proc/{pid}/ns/net")) {
        setns(&network, CloneFlags::CLONE_NEWNET).ignored();
    }
    line.send(pid.to_string().as_bytes(), Some(pidfd.as_fd()))
        .ignored();
    // The stage's own line among them: its end must be seen.
    close_all_but(&[line.as_fd().as_raw_fd()]).ignored();
    drop(line.receive());
    exit_now(0)
}

/// Its user namespace comes first: the rights over the others are only had in it. That of cgroups
/// is left to the process that is in its own cgroup: from inside of another's the kernel lets none
/// enter a cgroup that is not below that one's, where the tree is mounted with `nsdelegate`.
fn join_namespaces(spec: &Spec, joined: Join) -> Result<Option<Opened>, StageFailure> {
    let mut opened = open_paths(spec)?;
    let cgroup = opened
        .iter()
        .position(|namespace| namespace.kind == LinuxNamespaceType::Cgroup)
        .map(|index| opened.remove(index));
    match joined {
        Join::Process(pid) => {
            opened.retain(|namespace| namespace.kind != LinuxNamespaceType::User);
            let namespace = setup(|| userns::open_of(pid))?;
            let call = "setns(CLONE_NEWUSER)";
            setup(|| setns(&namespace, CloneFlags::CLONE_NEWUSER).called(|| call))?;
        }
        Join::Paths => {
            // The mount namespace last: the others' paths are open by then, and /proc may change.
            opened.sort_by_key(|namespace| match namespace.kind {
                LinuxNamespaceType::User => 0,
                LinuxNamespaceType::Mount => 2,
                _ => 1,
            });
        }
    }
    opened.iter().try_for_each(Opened::join)?;
    Ok(cgroup)
}

/// A namespace of the spec that is there already.
struct Opened {
    kind: LinuxNamespaceType,
    path: PathBuf,
    file: std::fs::File,
}

impl Opened {
    fn join(&self) -> Result<(), StageFailure> {
        let flag = CloneFlags::from_bits_retain(self.kind as i32);
        let call = || format!("setns({})", self.path.display());
        setup(|| setns(&self.file, flag).called(call))
    }
}

fn open_paths(spec: &Spec) -> Result<Vec<Opened>, StageFailure> {
    let namespaces = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.namespaces().as_ref());
    let with_path = namespaces.into_iter().flatten().filter_map(|namespace| {
        let path = namespace.path().as_deref()?;
        Some((namespace.typ(), path))
    });
    with_path
        .map(|(kind, path)| {
            let file = std::fs::File::open(path).map_err(|error| {
                StageFailure::setup(format!("open the namespace {}: {error}", path.display()))
            })?;
            Ok(Opened {
                kind,
                path: path.to_owned(),
                file,
            })
        })
        .collect()
}

/// Flags for clone3: every new namespace but the cgroup one, which must be made after the process
/// is in its cgroup, and that of time, whose clocks are set first.
fn new_namespaces(launch: &Launch) -> u64 {
    let namespaces = launch
        .spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.namespaces().as_ref());
    let fresh = namespaces
        .into_iter()
        .flatten()
        .filter(|namespace| namespace.path().is_none());
    let flags = fresh
        .map(oci_spec::runtime::LinuxNamespace::typ)
        .filter(|kind| match kind {
            LinuxNamespaceType::Cgroup | LinuxNamespaceType::Time => false,
            LinuxNamespaceType::User => launch.maps_by != MapWriter::Nobody,
            _ => true,
        });
    flags.fold(0, |flags, kind| flags | kind as u64)
}
