// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unshare`: a command in the user's namespace, where the files of subordinate ids have owners
//! that the caller may change.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::Engine;
use super::cgroup::of_network_helper;
use super::connect::{self, ConnectError};
use crate::network::helper::client::{Client, HelperError};
pub use crate::network::uplink::Kind;
use crate::network::uplink::{self, Forwards, Program, Request, Target};
use crate::runtime::failure::chain;
use crate::runtime::holder::enter_holder;
use crate::runtime::subid::holder_map;
use crate::runtime::userns::UsernsError;
use crate::state::StateError;
use crate::sys::channel::Channel;
use crate::sys::process::{CloneRequest, Forked, clone3, exit_now};
use crate::sys::stream::drop_standard_streams;
use crate::sys::{Called, Ignored, SysError, SysResult};

/// Why the command does not run.
#[derive(Debug, thiserror::Error)]
pub enum UnshareError {
    /// Root has every right already.
    #[error("please use unshare with rootless: root needs no namespace to change owners")]
    Root,
    /// The way into it.
    #[error("join the rootless network namespace")]
    Network(#[source] SysError),
    /// The network helper.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The program that leads out of it cannot be had.
    #[error(transparent)]
    NoWayOut(#[from] ConnectError),
    /// The program did not do its work.
    #[error("rootless network namespace: {words}")]
    WayOut {
        /// What it said.
        words: String,
    },
    /// There is no way into the user's namespace.
    #[error("enter your user namespace")]
    Userns(#[from] UsernsError),
    /// The run root, which leads to a namespace that is there already, cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The namespace has no mounts of its own.
    #[error("make a mount namespace")]
    Mounts(#[source] SysError),
    /// There is no such program.
    #[error("exec: \"{command}\": executable file not found in $PATH")]
    NotFound {
        /// The first word.
        command: String,
    },
    /// The program cannot be executed.
    #[error("exec: \"{command}\"")]
    NotExecutable {
        /// The first word.
        command: String,
        /// What the kernel said.
        source: SysError,
    },
}

/// Whose network the command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnshareNetwork {
    /// The caller's.
    Caller,
    /// That of the user's network helper (`--rootless-netns`), with this program for a way out.
    Helper(Option<Kind>),
}

impl Engine {
    /// Turns this process into `command` (the caller's shell if it is empty) inside the user's
    /// namespace and a mount namespace of its own; returns only when that fails.
    ///
    /// The process must be single-threaded.
    pub fn unshare(&self, command: &[OsString], network: UnshareNetwork) -> UnshareError {
        match self.enter(network) {
            Ok(()) => self.become_command(command),
            Err(error) => error,
        }
    }

    fn enter(&self, network: UnshareNetwork) -> Result<(), UnshareError> {
        if is_initial_root() {
            return Err(UnshareError::Root);
        }
        self.dirs.open_run_root()?;
        let way_out = match network {
            UnshareNetwork::Helper(Some(kind)) => {
                let program = self.way_out(kind)?;
                Some(WayOut::begin(program).map_err(UnshareError::Network)?)
            }
            UnshareNetwork::Caller | UnshareNetwork::Helper(None) => None,
        };
        enter_holder(&holder_map(), &self.dirs.run_root)?;
        if let UnshareNetwork::Helper(_) = network {
            self.join_bridges(way_out)?;
        }
        unshare(CloneFlags::CLONE_NEWNS)
            .called(|| "unshare(CLONE_NEWNS)")
            .map_err(UnshareError::Mounts)
    }

    /// Goes into the namespace of the bridges, where containers are reached by their addresses. The
    /// helper stays as long as the command, which holds its connection.
    fn join_bridges(&self, way_out: Option<WayOut>) -> Result<(), UnshareError> {
        let run_root = &self.dirs.run_root;
        let helper = Client::start(run_root, None, of_network_helper)?;
        let helper = helper.current(run_root, of_network_helper)?;
        let namespace = helper.namespace()?;
        setns(namespace, CloneFlags::CLONE_NEWNET)
            .called(|| "setns(network)")
            .map_err(UnshareError::Network)?;
        way_out.map_or(Ok(()), WayOut::finish)?;
        // A copy that stays open when the command is executed.
        let copied = fcntl(&helper, FcntlArg::F_DUPFD(3)).called(|| "fcntl(F_DUPFD)");
        copied.map(drop).map_err(UnshareError::Network)
    }

    /// The program by which a command among the bridges reaches the world. It gets addresses that no
    /// network has: with the host's own, containers would not reach the host by them meanwhile.
    fn way_out(&self, kind: Kind) -> Result<(Program, Request), UnshareError> {
        let conf = self.containers_conf().map_err(ConnectError::from)?;
        let (program, mut request) = connect::program_of(kind, &[], conf)?;
        if let Request::Pasta(words) = &mut request
            && !words.iter().any(|word| word == "-a" || word == "--address")
        {
            words.extend(OWN_ADDRESSES.map(str::to_owned));
        }
        Ok((program, request))
    }

    fn become_command(&self, command: &[OsString]) -> UnshareError {
        let shell = || env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let (program, arguments) = match command.split_first() {
            Some((program, arguments)) => (program.clone(), arguments),
            None => (shell(), &[][..]),
        };
        // Inside, the caller looks like root, whose store is elsewhere.
        let refused = Command::new(&program)
            .args(arguments)
            .env("CONTAINERS_GRAPHROOT", &self.dirs.data_root)
            .env("CONTAINERS_RUNROOT", &self.dirs.run_root)
            .exec();
        let command = program.to_string_lossy().into_owned();
        // A directory of the path that is closed to us makes the kernel's answer EACCES.
        if refused.kind() == io::ErrorKind::NotFound || !is_in_path(&program) {
            return UnshareError::NotFound { command };
        }
        let source = Err::<(), _>(refused).called(|| "execve");
        UnshareError::NotExecutable {
            command,
            source: source.expect_err("it was made from an error"),
        }
    }
}

/// Addresses for pasta's interface, and gateways for them.
const OWN_ADDRESSES: [&str; 10] = [
    "-a",
    "169.254.3.1",
    "-n",
    "255.255.255.0",
    "-g",
    "169.254.3.2",
    "-a",
    "fd00:636f:7261::1",
    "-g",
    "fd00:636f:7261::2",
];

/// How long the program may take.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A process that stays where the caller is, in the host's network and the user's own namespace, to
/// start the program there for the one that leaves, and to end with that. A program that was started
/// among the bridges' user namespace could not open ours: an older pasta gives up its rights first.
struct WayOut(Channel);

impl WayOut {
    fn begin((program, request): (Program, Request)) -> SysResult<Self> {
        let (ours, theirs) = Channel::pair()?;
        let caller = i32::try_from(std::process::id()).unwrap_or_default();
        let target = Target::of_process(caller);
        match clone3(&CloneRequest::default())? {
            Forked::Parent { .. } => Ok(Self(ours)),
            Forked::Child => {
                drop(ours);
                prctl::set_pdeathsig(Signal::SIGKILL).ignored();
                prctl::set_name(c"coracle-uplink").ignored();
                drop(theirs.receive());
                let starting = uplink::start(program, request, &target, Forwards::default());
                match starting.and_then(|starting| starting.ready(READY_WITHIN)) {
                    Ok(uplink) => {
                        drop_standard_streams().ignored();
                        theirs.send(b"", None).ignored();
                        drop(theirs);
                        drop(uplink.pidfd.wait(None));
                    }
                    Err(error) => theirs.send(chain(&error).as_bytes(), None).ignored(),
                }
                exit_now(0)
            }
        }
    }

    /// The caller is in the namespace that is to be connected.
    fn finish(self) -> Result<(), UnshareError> {
        // The kernel hides a process that has changed its rights, from its user as well.
        prctl::set_dumpable(true)
            .called(|| "prctl(PR_SET_DUMPABLE)")
            .map_err(UnshareError::Network)?;
        self.0.send(b"", None).map_err(UnshareError::Network)?;
        let answer = self.0.receive().map_err(UnshareError::Network)?;
        if answer.bytes.is_empty() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&answer.bytes).into_owned();
        Err(UnshareError::WayOut { words })
    }
}

/// Whether there is such a file, executable or not.
fn is_in_path(program: &OsStr) -> bool {
    if Path::new(program).components().count() > 1 {
        return Path::new(program).exists();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Root of the first user namespace; root of one that we made may well make another.
pub(super) fn is_initial_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all_ids = map.split_whitespace().eq(["0", "0", "4294967295"]);
    nix::unistd::geteuid().is_root() && all_ids
}
