// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns container:NAME` and the namespace side of
//! `--network`, resolved to what exists at this moment.

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxNamespaceType;

use super::spec::NamespaceSource;
use crate::runtime::entrance::below_reaper;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::ContainerRequest;
use crate::state::store::Store;
use crate::sys::SysError;

/// A namespace that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// Not a mode.
    #[error("invalid {kind} mode {mode:?}: it is private, host, container:ID or ns:PATH")]
    Mode {
        /// `pid`, `ipc`, `uts`, `cgroupns`, `network`.
        kind: &'static str,
        /// As typed.
        mode: String,
    },
    /// The container to be joined does not run.
    #[error("cannot join the {kind} namespace of container {name}: it is not running")]
    NotRunning {
        /// The kind.
        kind: &'static str,
        /// As typed.
        name: String,
    },
    /// `--ipc private` keeps others out.
    #[error(
        "joining IPC of container {id} is not allowed: non-shareable IPC \
         (hint: use IpcMode:shareable for the donor container)"
    )]
    NotShareable {
        /// Whose it is.
        id: ContainerId,
    },
    /// Namespaces of two containers at once.
    #[error(
        "cannot join namespaces of two different containers: \
         each has a user namespace of its own"
    )]
    TwoContainers,
    /// The ids of the container to be joined.
    #[error("look at the ids of container {id}")]
    Maps {
        /// Whose they are.
        id: ContainerId,
        /// What the kernel said.
        source: SysError,
    },
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Where each kind of namespace comes from.
#[derive(Debug, Clone, Default)]
pub struct Namespaces {
    /// The kinds with their sources.
    pub sources: Vec<(LinuxNamespaceType, NamespaceSource)>,
    /// The container that is joined, and its first process.
    pub joined: Option<(ContainerId, i32)>,
    /// Its monitor, which lives in the holder that it is below.
    pub monitor: Option<i32>,
    /// Whether its /dev/shm is shared with its IPC namespace.
    pub shares_shm: bool,
}

/// Resolves the modes of `request`. `network` is the source of the network namespace, when it is
/// not another container's.
///
/// # Errors
///
/// See [`NamespaceError`].
pub fn resolve(request: &ContainerRequest, store: &Store) -> Result<Namespaces, NamespaceError> {
    let mut namespaces = Namespaces::default();
    let network = request.networks.first().map(String::as_str);
    let network = network.filter(|mode| {
        *mode == "host" || mode.starts_with("container:") || mode.starts_with("ns:")
    });
    let kinds = [
        ("pid", LinuxNamespaceType::Pid, request.pid.as_deref()),
        ("ipc", LinuxNamespaceType::Ipc, request.ipc.as_deref()),
        ("uts", LinuxNamespaceType::Uts, request.uts.as_deref()),
        (
            "cgroupns",
            LinuxNamespaceType::Cgroup,
            request.cgroupns.as_deref(),
        ),
        ("network", LinuxNamespaceType::Network, network),
    ];
    for (kind, typ, mode) in kinds {
        let source = namespaces.source_of(kind, typ, mode.unwrap_or("private"), store)?;
        namespaces.sources.push((typ, source));
    }
    let users = request.userns.as_deref();
    if let Some(name) = users.and_then(|mode| mode.strip_prefix("container:")) {
        let process = running("user", name, store)?;
        namespaces.join(process)?;
    }
    Ok(namespaces)
}

impl Namespaces {
    fn source_of(
        &mut self,
        kind: &'static str,
        typ: LinuxNamespaceType,
        mode: &str,
        store: &Store,
    ) -> Result<NamespaceSource, NamespaceError> {
        match mode {
            "" | "private" | "shareable" | "none" => return Ok(NamespaceSource::Private),
            "host" => return Ok(NamespaceSource::Host),
            _ => {}
        }
        if let Some(path) = mode.strip_prefix("ns:") {
            return Ok(NamespaceSource::Path(PathBuf::from(path)));
        }
        let Some(name) = mode.strip_prefix("container:") else {
            return Err(NamespaceError::Mode {
                kind,
                mode: mode.to_owned(),
            });
        };
        let (id, pid, monitor) = running(kind, name, store)?;
        let path = PathBuf::from(format!("/proc/{pid}/ns/{typ}"));
        // The host's is not joined: that takes rights which nobody has, and it is ours already.
        if is_own(&path, typ) {
            return Ok(NamespaceSource::Host);
        }
        if kind == "ipc" {
            let ipc = store.load(&id)?.request.ipc;
            if ipc.as_deref() == Some("private") {
                return Err(NamespaceError::NotShareable { id });
            }
            self.shares_shm = ipc.as_deref() != Some("none");
        }
        self.join((id, pid, monitor))?;
        Ok(NamespaceSource::Path(path))
    }

    /// Whoever joins a namespace of a container lives in that one's user namespace.
    fn join(
        &mut self,
        (id, pid, monitor): (ContainerId, i32, Option<i32>),
    ) -> Result<(), NamespaceError> {
        match &self.joined {
            Some((other, _)) if *other != id => return Err(NamespaceError::TwoContainers),
            _ => self.joined = Some((id, pid)),
        }
        self.monitor = monitor;
        Ok(())
    }
}

/// The container whose network `request` has.
pub fn network_donor(request: &ContainerRequest, store: &Store) -> Option<ContainerId> {
    let name = request.networks.first()?.strip_prefix("container:")?;
    store.resolve(name).ok()
}

/// The container `name`, the process by which it is entered, and its monitor.
fn running(
    kind: &'static str,
    name: &str,
    store: &Store,
) -> Result<(ContainerId, i32, Option<i32>), NamespaceError> {
    let id = store.resolve(name)?;
    let (state, observed) = store.observe(&id)?;
    let running = matches!(observed, Observed::Running | Observed::Paused);
    let process = state.container.filter(|_| running);
    let process = process.ok_or(NamespaceError::NotRunning {
        kind,
        name: name.to_owned(),
    })?;
    let pid = below_reaper(process.pid).map_or(process.pid, |(pid, _)| pid);
    Ok((id, pid, state.monitor.map(|monitor| monitor.pid)))
}

fn is_own(path: &Path, typ: LinuxNamespaceType) -> bool {
    let own = fs::read_link(format!("/proc/self/ns/{typ}"));
    own.is_ok_and(|own| fs::read_link(path).is_ok_and(|theirs| own == theirs))
}
