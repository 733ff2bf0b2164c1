// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the monitor does while the init stage works: it forks the server of a FUSE root and
//! connects the network.

use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chown, setgroups, setresgid, setresuid};

use crate::engine::connect::{self, Connection, Reached};
use crate::engine::roots::{FuseRoot, Server, View};
use crate::network::addresses;
use crate::network::uplink::{self, Target};
use crate::runtime::launch::StageFailure;
use crate::runtime::machine::make_lower;
use crate::runtime::spawn::Attendant;
use crate::runtime::userns::chain;
use crate::state::record::{ContainerRecord, ProcessIdentity};
use crate::sys::channel::Channel;
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now};
use crate::sys::{Called, Ignored, SysResult};

/// Serves a FUSE root until it is unmounted; the value is the exit code of the server's process.
/// The overlay file system is a role of the binary that the engine does not know: `main` installs
/// it.
pub type OverlayServer = fn(OwnedFd, &FuseRoot) -> i32;

static OVERLAY_SERVER: OnceLock<OverlayServer> = OnceLock::new();

/// Installs the server of FUSE roots, once.
pub fn install_overlay_server(server: OverlayServer) {
    OVERLAY_SERVER.get_or_init(|| server);
}

/// The attendant of one start.
#[derive(Debug)]
pub(super) struct StartAttendant<'p> {
    pub(super) fuse: Option<&'p FuseRoot>,
    pub(super) record: &'p ContainerRecord,
    pub(super) connection: &'p Connection,
    pub(super) run_directory: &'p Path,
    /// The line to the command that starts the container.
    pub(super) command: &'p Channel,
    /// Processes that must end with the container.
    pub(super) helpers: Vec<(ProcessIdentity, OwnedFd)>,
    /// Whether the root is served by FUSE.
    pub(super) serves_root: bool,
}

impl Attendant for StartAttendant<'_> {
    fn serve_root(&mut self, device: OwnedFd) -> SysResult<()> {
        let Some(root) = self.fuse else {
            return Ok(());
        };
        if let Some((pid, pidfd)) = start_overlay_server(device, root)? {
            self.serves_root = true;
            self.helpers.push((ProcessIdentity::of(pid)?, pidfd));
        }
        Ok(())
    }

    fn warn(&mut self, words: &str) {
        drop(self.command.send(format!("w{words}").as_bytes(), None));
    }

    fn attach_network(&mut self, pid: i32) -> Result<(), StageFailure> {
        let Some((program, request)) = self.connection.uplink.clone() else {
            return Ok(());
        };
        let words = |error: &dyn std::error::Error| StageFailure::setup(chain(error));
        let starting = uplink::start(program, request, &Target::of_process(pid));
        let started = starting.and_then(|starting| starting.ready(READY_WITHIN));
        let uplink = started.map_err(|error| words(&error))?;
        let reached = Reached {
            resolvers: uplink.resolvers.clone(),
            host: uplink.host,
            own: addresses::of_process(pid).unwrap_or_default(),
        };
        connect::write_files(self.run_directory, self.record, self.connection, &reached)
            .map_err(|error| words(&error))?;
        if let Some(exit) = uplink.exit {
            // Open as long as the monitor lives: the program ends when it is closed.
            let _open = exit.into_raw_fd();
        }
        let identity = ProcessIdentity::of(uplink.pid);
        let identity = identity.map_err(|error| StageFailure::setup(error.to_string()))?;
        self.helpers.push((identity, uplink.pidfd.into()));
        Ok(())
    }
}

/// Forks the server of a FUSE root; it ends with this process. `None` without a server installed.
pub(in crate::engine) fn start_overlay_server(
    device: OwnedFd,
    root: &FuseRoot,
) -> SysResult<Option<(i32, OwnedFd)>> {
    let Some(server) = OVERLAY_SERVER.get() else {
        return Ok(None);
    };
    match clone3(&CloneRequest::default())? {
        Forked::Child => {
            // Its parent's end is its own: nothing is left to serve.
            prctl::set_pdeathsig(Signal::SIGKILL).ignored();
            prctl::set_name(c"coracle-overlay").ignored();
            drop(close_all_but(&[0, 1, 2, device.as_raw_fd()]));
            exit_now(serve(*server, device, root))
        }
        Forked::Parent { pid, pidfd } => Ok(Some((pid, pidfd))),
    }
}

/// How long a network program may take.
const READY_WITHIN: Duration = Duration::from_secs(10);

fn serve(server: OverlayServer, device: OwnedFd, root: &FuseRoot) -> i32 {
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
