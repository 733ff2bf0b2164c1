// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags of `pod create` that `run` has, too: what they ask for is the infra container's, and
//! through it that of all containers of the pod.

use std::path::PathBuf;

use clap::Args;

use super::create::Caller;
use super::environment::EnvironmentArgs;
use super::lifecycle::LifecycleArgs;
use super::mounts::{self, MountArgs};
use super::namespaces::NamespaceArgs;
use super::network::{self, NetworkArgs};
use super::resources::ResourceArgs;
use super::security::SecurityArgs;
use crate::cli::Failure;
use crate::state::limits::Limits;
use crate::state::record::ContainerRequest;

/// Flags of `pod create` that `run` has, too.
#[derive(Debug, Default, Args)]
pub(crate) struct PodCreateArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    resources: ResourceArgs,
    /// Cgroup below which that of the pod is made
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// Add a host device to all containers of the pod
    #[arg(long, value_delimiter = ',')]
    device: Vec<String>,
    /// GID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    gidmap: Vec<String>,
    /// Set the pod's host name
    #[arg(long)]
    hostname: Option<String>,
    /// Set metadata on the pod
    #[arg(long, short)]
    label: Vec<String>,
    /// Read in a file of labels
    #[arg(long)]
    label_file: Vec<PathBuf>,
    /// PID namespace to use
    #[arg(long)]
    pid: Option<String>,
    /// Restart policy of the containers that have none of their own
    #[arg(long)]
    restart: Option<String>,
    /// Security options of the containers that have none of their own
    #[arg(long)]
    security_opt: Vec<String>,
    /// Size of the shared /dev/shm
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,
    /// Sysctl options
    #[arg(long, value_delimiter = ',')]
    sysctl: Vec<String>,
    /// UID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    uidmap: Vec<String>,
    /// User namespace to use
    #[arg(long)]
    userns: Option<String>,
    /// UTS namespace to use
    #[arg(long)]
    uts: Option<String>,
    /// Bind mount a directory or file into all containers of the pod
    #[arg(long, short)]
    volume: Vec<String>,
    /// Mount volumes from the specified container(s) into all containers of the pod
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
}

impl PodCreateArgs {
    /// Refuses what only an infra container can hold.
    pub(crate) fn refuse_network(&self) -> Result<(), Failure> {
        match self.network.asked_for() {
            None => Ok(()),
            Some("publish") => Err(Failure::tool(
                "you must have an infra container to publish port bindings to the host",
            )),
            Some(flag) => Err(Failure::tool(format_args!(
                "cannot specify --{flag} without an infra container"
            ))),
        }
    }

    /// What the containers of the pod may use together, and what the user should be told.
    pub(crate) fn limits(&self) -> Result<(Limits, Vec<String>), Failure> {
        self.resources.limits().map_err(Failure::tool)
    }

    /// Below which cgroup that of the pod is made.
    pub(crate) fn take_cgroup_parent(&mut self) -> Option<String> {
        self.cgroup_parent
            .take()
            .filter(|parent| !parent.is_empty())
    }

    /// The request of the infra container, whose labels and restart policy are the pod's.
    pub(crate) fn into_request(mut self, caller: &Caller) -> Result<ContainerRequest, Failure> {
        let mut request = ContainerRequest {
            storage_engine: caller.storage_engine.clone(),
            runtime: caller.runtime.clone(),
            ..ContainerRequest::default()
        };
        self.network.choose(caller.network_driver.as_deref());
        self.network.default_from(&caller.conf);
        self.network.choose_usual(caller.usual_network_driver);
        self.network.fill(&mut request).map_err(network::failure)?;
        let mut labels = EnvironmentArgs::default();
        labels.label = self.label;
        labels.label_file = self.label_file;
        labels
            .fill(&mut request, &caller.env)
            .map_err(Failure::tool)?;
        let mut lifecycle = LifecycleArgs::default();
        lifecycle.restart = self.restart;
        lifecycle
            .fill(&mut request, caller.dialect, None)
            .map_err(Failure::tool)?;
        let mut namespaces = NamespaceArgs::default();
        namespaces.cgroup_parent = self.cgroup_parent;
        namespaces.gidmap = self.gidmap;
        namespaces.hostname = self.hostname;
        namespaces.pid = self.pid;
        namespaces.uidmap = self.uidmap;
        namespaces.userns = self.userns;
        namespaces.uts = self.uts;
        namespaces
            .fill(&mut request, caller.default_userns())
            .map_err(Failure::tool)?;
        let mut security = SecurityArgs::default();
        security.security_opt = self.security_opt;
        security.sysctl = self.sysctl;
        security.fill(&mut request).map_err(Failure::tool)?;
        let mut mounts = MountArgs::default();
        mounts.device = self.device;
        mounts.shm_size = self.shm_size;
        mounts.volume = self.volume;
        mounts.volumes_from = self.volumes_from;
        mounts
            .fill(&mut request, &caller.current_dir)
            .map_err(Failure::tool)?;
        mounts::check_sources(&request, caller.dialect).map_err(Failure::tool)?;
        Ok(request)
    }
}
