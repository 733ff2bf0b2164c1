// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the monitor does while the init stage works: it forks the server of a FUSE root, connects
//! the network, and writes the state that is to be seen once the program runs.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chown, setgroups, setresgid, setresuid};

use super::bridges::{Bridges, Joined, host_of, own_of, resolvers_of};
use super::prepared::{Earlier, Prepared};
use crate::config::containers_conf::ContainersConf;
use crate::engine::connect::{self, Reached};
use crate::engine::roots::{FuseRoot, Server, View};
use crate::engine::{survivors, volume};
use crate::network::addresses;
use crate::network::helper::client::{Client, HelperError};
use crate::network::uplink::{self, Forwards, Program, Request, Target};
use crate::runtime::attendant::{Attendant, RootServer};
use crate::runtime::failure::{StageFailure, chain};
use crate::runtime::hybrid::own_mounts;
use crate::runtime::machine::make_lower;
use crate::state::atomic::StagedFile;
use crate::state::connection::{ConnectionPlan, PublishedPort};
use crate::state::record::{ContainerState, Place, ProcessIdentity, Status};
use crate::state::store::Store;
use crate::state::volumes::Volumes;
use crate::sys::channel::Channel;
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now};
use crate::sys::schedule::Processors;
use crate::sys::steps::step;
use crate::sys::{Called, Ignored, SysError, SysResult};

/// Serves a FUSE root until it is unmounted; the value is the exit code of the server's process.
/// The overlay file system is a role of the binary that the engine does not know: `main` installs
/// it.
pub type OverlayServer = fn(RootDevice, &FuseRoot) -> i32;

/// Where the requests for a FUSE root come from.
#[derive(Debug)]
pub struct RootDevice {
    /// The device.
    pub opened: OwnedFd,
    /// Says with a byte that the root is mounted, and with its end that it never will be; without
    /// it the root is mounted already.
    pub mounted: Option<OwnedFd>,
    /// What the server may use once it has served the start, for which it is kept to one.
    pub processors: Option<Processors>,
}

static OVERLAY_SERVER: OnceLock<OverlayServer> = OnceLock::new();

/// Installs the server of FUSE roots, once.
pub fn install_overlay_server(server: OverlayServer) {
    OVERLAY_SERVER.get_or_init(|| server);
}

/// The attendant of one start.
#[derive(Debug)]
pub(super) struct StartAttendant<'p> {
    pub(super) prepared: &'p Prepared,
    pub(super) store: Store,
    /// The line to the command that starts the container.
    pub(super) command: &'p Channel,
    /// The way to the network helper, if the container needs it.
    pub(super) network: Option<Client>,
    /// The container's network namespace, if it is to be connected with bridges.
    pub(super) namespace: Option<OwnedFd>,
    /// Its connection, once it stands.
    pub(super) bridges: Option<Bridges>,
    /// The running state, written ahead.
    pub(super) ready: Option<ReadyState>,
    /// Processes that must end with the container.
    pub(super) helpers: Vec<(ProcessIdentity, OwnedFd)>,
    /// Closed with the container: what helpers end by.
    pub(super) held: Vec<OwnedFd>,
    /// The process that serves a root of FUSE.
    pub(super) root_server: Option<(ProcessIdentity, OwnedFd)>,
    pub(super) earlier: Earlier,
}

impl Attendant for StartAttendant<'_> {
    fn mapped(&mut self, network: i32) -> Result<(), StageFailure> {
        let connection = &self.prepared.connection;
        if connection.bridges.is_none() && connection.forwarded_to().is_none() {
            return Ok(());
        }
        let path = format!("/proc/{network}/ns/net");
        let opened = File::open(&path).called(|| format!("open({path})"));
        let namespace = opened.map_err(|error| StageFailure::setup(error.to_string()))?;
        self.namespace = Some(namespace.into());
        Ok(())
    }

    fn mounted(&mut self, pid: i32) -> Result<(), StageFailure> {
        self.prepared.run_runtime_hooks(pid)
    }

    fn serve_root(&mut self, device: OwnedFd) -> SysResult<()> {
        let Some(root) = &self.prepared.fuse else {
            return Ok(());
        };
        step(|| "start the server of the FUSE overlay");
        match start_overlay_server(device, root)? {
            Some((pid, pidfd)) => self.root_is_served(pid, pidfd),
            None => Ok(()),
        }
    }

    fn fork_root_server(
        &self,
        device: OwnedFd,
        mounted: OwnedFd,
        processors: Option<Processors>,
    ) -> SysResult<RootServer> {
        let Some(root) = &self.prepared.fuse else {
            return Ok(None);
        };
        step(|| "start the server of the metadata");
        let device = RootDevice {
            opened: device,
            mounted: Some(mounted),
            processors,
        };
        let sibling = CloneRequest {
            sibling: true,
            ..CloneRequest::default()
        };
        fork_overlay_server(device, root, &sibling)
    }

    fn root_is_served(&mut self, pid: i32, pidfd: OwnedFd) -> SysResult<()> {
        self.root_server = Some((ProcessIdentity::of(pid)?, pidfd));
        self.ready = None;
        Ok(())
    }

    fn filled(&mut self, place: &Path) {
        let Some(name) = self.prepared.filling.places().get(place) else {
            return;
        };
        if let Err(error) = volume::mark_filled(&Volumes::open(&self.prepared.dirs), name) {
            self.warn(&chain(&error));
        }
    }

    fn warn(&mut self, words: &str) {
        drop(self.command.send(format!("w{words}").as_bytes(), None));
    }

    fn attach_network(&mut self, pid: i32, network: i32) -> Result<(), StageFailure> {
        let connection = &self.prepared.connection;
        step(|| match (&connection.bridges, &connection.uplink) {
            (Some(_), _) => "connect the networks of the container",
            (None, Some(_)) => "start the network program of the container",
            (None, None) => "no network is to be connected",
        });
        if let Some(plan) = &self.prepared.connection.bridges {
            return self.attach_bridges(plan, pid, network);
        }
        let Some(program) = self.prepared.connection.uplink.clone() else {
            return Ok(());
        };
        let ports = match self.prepared.connection.forwarded_to() {
            Some(address) => self.forward_ports(address, pid)?,
            None => self.prepared.connection.ports.clone(),
        };
        self.attach_program(program, ports, network)
    }

    /// Nobody waits for it here; a file that cannot be written now is tried again, and told, when
    /// the program runs.
    fn make_ready(&mut self, pid: i32) {
        let Ok(state) = self.running_state(pid) else {
            return;
        };
        let staged = self.store.stage_state(&self.prepared.record.id, &state);
        self.ready = staged.ok().map(|file| ReadyState { state, file });
    }
}

impl StartAttendant<'_> {
    /// Has the network helper serve the ports; the value is those that are left to the program,
    /// which are all where there is no helper.
    fn forward_ports(
        &mut self,
        address: IpAddr,
        process: i32,
    ) -> Result<Vec<PublishedPort>, StageFailure> {
        let ports = self.prepared.connection.ports.clone();
        let plan = ConnectionPlan {
            ports: ports.clone(),
            inside: Some(address),
            ..ConnectionPlan::default()
        };
        match self.join_helper(&plan, process)? {
            Ok(bridges) => {
                self.bridges = Some(bridges);
                Ok(Vec::new())
            }
            Err(HelperError::Unsupported { .. }) => Ok(ports),
            Err(error) => Err(StageFailure::setup(chain(&error))),
        }
    }

    /// Connects the container with the helper, which gets the listeners.
    fn join_helper(
        &mut self,
        plan: &ConnectionPlan,
        process: i32,
    ) -> Result<Result<Bridges, HelperError>, StageFailure> {
        let missing = || StageFailure::setup("the network namespace was not opened");
        let joined = Joined {
            run_root: &self.prepared.run_root,
            id: &self.prepared.record.id,
            process,
            namespace: self.namespace.take().ok_or_else(missing)?,
        };
        let listeners = self.prepared.listeners.take();
        Ok(Bridges::connect(
            joined,
            plan,
            listeners,
            self.network.take(),
        ))
    }

    fn attach_program(
        &mut self,
        (program, request): (Program, Request),
        ports: Vec<PublishedPort>,
        network: i32,
    ) -> Result<(), StageFailure> {
        let words = |error: &dyn std::error::Error| StageFailure::setup(chain(error));
        let forwards = Forwards {
            ports,
            directory: self.prepared.run_directory.clone(),
        };
        let target = Target::of_process(network);
        let starting = uplink::start(program, request, &target, forwards);
        let started = starting.and_then(|starting| starting.ready(READY_WITHIN));
        let uplink = started.map_err(|error| words(&error))?;
        let mut own = addresses::of_process(network).unwrap_or_default();
        let host = uplink.host.or_else(|| addresses::of_host(&own));
        // One, as podman writes down: the host's others may come and go.
        own.truncate(1);
        let reached = Reached {
            resolvers: uplink.resolvers.clone(),
            host,
            own,
        };
        connect::link_namespace(&self.prepared.run_directory, &self.prepared.record, network);
        self.write_files(&reached)?;
        // The program ends when it is closed.
        self.held.extend(uplink.exit);
        let identity = ProcessIdentity::of(uplink.pid);
        let identity = identity.map_err(|error| StageFailure::setup(error.to_string()))?;
        self.helpers.push((identity, uplink.pidfd.into()));
        Ok(())
    }

    fn attach_bridges(
        &mut self,
        plan: &ConnectionPlan,
        process: i32,
        network: i32,
    ) -> Result<(), StageFailure> {
        let bridges = match (self.join_helper(plan, process)?, self.prepared.otherwise) {
            (Err(HelperError::Unsupported { words }), Some(conf)) => {
                return self.attach_otherwise(&words, conf, network);
            }
            (bridges, _) => bridges.map_err(|error| StageFailure::setup(chain(&error)))?,
        };
        self.bridges = Some(bridges);
        connect::link_namespace(&self.prepared.run_directory, &self.prepared.record, network);
        self.write_files(&Reached {
            resolvers: resolvers_of(plan, self.prepared.dialect),
            host: host_of(plan, self.prepared.dialect),
            own: own_of(plan),
        })
    }

    /// On a host that cannot have bridges.
    fn attach_otherwise(
        &mut self,
        words: &str,
        conf: &ContainersConf,
        network: i32,
    ) -> Result<(), StageFailure> {
        match connect::uplink_of(conf) {
            Ok(program) => self.attach_program(program, Vec::new(), network),
            Err(reasons) => {
                self.warn(&connect::unreachable(&format!("{words}; {reasons}")));
                Ok(())
            }
        }
    }

    /// In place, now that the connection stands.
    fn write_files(&self, reached: &Reached) -> Result<(), StageFailure> {
        let Prepared {
            run_directory,
            record,
            connection,
            ..
        } = self.prepared;
        connect::write_files(run_directory, record, connection, reached)
            .map_err(|error| StageFailure::setup(chain(&error)))
    }
}

/// A running state, and the file that holds it.
#[derive(Debug)]
pub(super) struct ReadyState {
    state: ContainerState,
    file: StagedFile,
}

impl StartAttendant<'_> {
    /// Lets everyone see that the program runs, as process `pid`.
    pub(super) fn record_running(&mut self, pid: i32) -> Result<ContainerState, StageFailure> {
        let mounts = survivors::mounts_of(&self.prepared.launch.spec, pid);
        if let (None, Some(ReadyState { state, file })) = (&mounts, self.ready.take())
            && file.put().is_ok()
        {
            return Ok(state);
        }
        let failure = |error: &dyn std::error::Error| StageFailure::setup(chain(error));
        let state = self.running_state(pid).map_err(|error| failure(&error))?;
        let state = ContainerState { mounts, ..state };
        let written = self.store.write_state(&self.prepared.record.id, &state);
        written.map(|()| state).map_err(|error| failure(&error))
    }

    fn running_state(&self, pid: i32) -> SysResult<ContainerState> {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let (engine, why) = match (self.prepared.storage_engine(), &self.root_server) {
            ("kernel", Some(_)) => ("fuse", "the kernel's overlay cannot be mounted"),
            (engine, _) => (engine, &*self.prepared.why),
        };
        let cgroup = self.prepared.cgroup.get();
        Ok(ContainerState {
            status: Status::Running,
            place: Place::here().clone(),
            monitor: Some(ProcessIdentity::of(own)?),
            container: Some(ProcessIdentity::of(pid)?),
            started_at: Some(Timestamp::now()),
            cgroup_path: cgroup.map(|cgroup| cgroup.path.clone()).unwrap_or_default(),
            storage_engine: engine.to_owned(),
            storage_reason: why.to_owned(),
            helpers: self
                .root_server
                .iter()
                .chain(&self.helpers)
                .map(|(identity, _)| *identity)
                .collect(),
            finished_at: self.earlier.finished_at,
            restart_count: self.earlier.restart_count,
            attachments: self.prepared.attachments(),
            ports: self.prepared.ports(),
            ..ContainerState::default()
        })
    }
}

/// Forks the server of a FUSE root; it ends with this process. `None` without a server installed.
pub(in crate::engine) fn start_overlay_server(
    device: OwnedFd,
    root: &FuseRoot,
) -> SysResult<RootServer> {
    let device = RootDevice {
        opened: device,
        mounted: None,
        processors: None,
    };
    fork_overlay_server(device, root, &CloneRequest::default())
}

/// The same, with whose child it is.
fn fork_overlay_server(
    device: RootDevice,
    root: &FuseRoot,
    request: &CloneRequest<'_>,
) -> SysResult<RootServer> {
    let Some(server) = OVERLAY_SERVER.get() else {
        return Ok(None);
    };
    match clone3(request)? {
        Forked::Child => {
            // Its parent's end is its own: nothing is left to serve.
            prctl::set_pdeathsig(Signal::SIGKILL).ignored();
            prctl::set_name(c"coracle-overlay").ignored();
            let mut kept = vec![0, 1, 2, device.opened.as_raw_fd()];
            kept.extend(device.mounted.as_ref().map(AsRawFd::as_raw_fd));
            drop(close_all_but(&kept));
            exit_now(serve(*server, device, root))
        }
        Forked::Parent { pid, pidfd } => Ok(Some((pid, pidfd))),
    }
}

/// Forks the server of a FUSE mount that outlives this process: it ends when the mount does. Before
/// that is attached anywhere it has left for a mount namespace of its own, since it would keep alive
/// the one that it is in, and every mount there.
pub(in crate::engine) fn serve_mount(device: OwnedFd, root: &FuseRoot) -> SysResult<()> {
    let Some(server) = OVERLAY_SERVER.get() else {
        return Ok(());
    };
    let (ours, theirs) = Channel::pair()?;
    match clone3(&CloneRequest::default())? {
        Forked::Child => {
            drop(ours);
            prctl::set_name(c"coracle-overlay").ignored();
            let left = own_mounts();
            let words = left
                .as_ref()
                .map_or_else(ToString::to_string, |()| String::new());
            theirs.send(format!("!{words}").as_bytes(), None).ignored();
            drop(close_all_but(&[0, 1, 2, device.as_raw_fd()]));
            let device = RootDevice {
                opened: device,
                mounted: None,
                processors: None,
            };
            exit_now(left.map_or(1, |()| serve(*server, device, root)))
        }
        Forked::Parent { .. } => {
            drop(theirs);
            match &ours.receive()?.bytes[..] {
                b"!" => Ok(()),
                words => Err(SysError::new(String::from_utf8_lossy(words), Errno::ECHILD)),
            }
        }
    }
}

/// How long a network program may take.
const READY_WITHIN: Duration = Duration::from_secs(10);

fn serve(server: OverlayServer, device: RootDevice, root: &FuseRoot) -> i32 {
    match prepare_server(root) {
        Ok(root) => server(device, &root),
        Err(_) => 1,
    }
}

/// Collects the machine's directories, and gives up the rights of real root: what is not readable
/// by everyone is not for the container.
fn prepare_server(root: &FuseRoot) -> SysResult<FuseRoot> {
    let mut root = root.clone();
    if let (View::Machine, Some(place)) = (root.view, root.layers.lower.first()) {
        make_lower(place)?;
    }
    if root.server == Server::Nobody {
        become_nobody(&mut root)?;
    }
    Ok(root)
}

/// The user that nobody is.
const NOBODY: u32 = 65534;

/// Opens the layers while that is still possible, and goes on as a user without rights who owns
/// the upper layer. The layers are reached by their descriptors from then on.
fn become_nobody(root: &mut FuseRoot) -> SysResult<()> {
    let layers = &mut root.layers;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    for path in [&layers.upper, &layers.work] {
        chown(path, Some(uid), Some(gid)).called(|| format!("chown({path:?}, {NOBODY})"))?;
    }
    let every = layers
        .lower
        .iter_mut()
        .chain([&mut layers.upper, &mut layers.work]);
    for path in every {
        let directory = File::open(&*path).called(|| format!("open({path:?})"))?;
        // Open as long as the server runs.
        *path = PathBuf::from(format!("/proc/self/fd/{}", directory.into_raw_fd()));
    }
    setgroups(&[gid]).called(|| "setgroups")?;
    setresgid(gid, gid, gid).called(|| "setresgid")?;
    setresuid(uid, uid, uid).called(|| "setresuid")
}
