// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Podman's document of a container.

use std::collections::BTreeMap;

use serde::Serialize;

use super::health::{self, HealthDocument};
use super::host_port::HostPort;
use super::networks::Endpoint;
use super::podman_config::{Config, config};
use super::podman_host::{HostConfig, host_config};
use super::{Moment, Subject, mounts};
use crate::engine::connect;
use crate::engine::exec::sessions;
use crate::engine::filter::exit_code_of;
use crate::engine::oci_runtime;
use crate::engine::spec::bounding_set;
use crate::state::liveness::Observed;
use crate::state::record::PodRole;

/// `podman container inspect`.
#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectContainerData", rename_all = "PascalCase")]
pub(super) struct Container {
    #[serde(rename = "ID,Id")]
    id: String,
    created: Moment,
    path: String,
    args: Vec<String>,
    state: State,
    image: String,
    image_digest: String,
    image_name: String,
    rootfs: String,
    pod: String,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    static_dir: String,
    #[serde(rename = "OCIConfigPath,OCIConfigPath,omitempty")]
    oci_config_path: String,
    #[serde(rename = "OCIRuntime,OCIRuntime,omitempty")]
    oci_runtime: String,
    conmon_pid_file: String,
    pid_file: String,
    name: String,
    restart_count: u32,
    driver: &'static str,
    mount_label: &'static str,
    process_label: &'static str,
    app_armor_profile: &'static str,
    effective_caps: Vec<String>,
    bounding_caps: Vec<String>,
    #[serde(rename = "ExecIDs")]
    exec_ids: Vec<String>,
    graph_driver: GraphDriver,
    #[serde(rename = "SizeRw,SizeRw,omitempty")]
    size_rw: Option<u64>,
    #[serde(rename = "SizeRootFs,SizeRootFs,omitempty")]
    size_root_fs: u64,
    mounts: Vec<mounts::Mount>,
    dependencies: Vec<String>,
    network_settings: NetworkSettings,
    namespace: &'static str,
    is_infra: bool,
    is_service: bool,
    kube_exit_code_propagation: &'static str,
    #[serde(rename = "LockNumber,lockNumber")]
    lock_number: u32,
    config: Config,
    host_config: HostConfig,
    use_image_hosts: bool,
    use_image_hostname: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectContainerState", rename_all = "PascalCase")]
struct State {
    oci_version: &'static str,
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    #[serde(rename = "ConmonPid,ConmonPid,omitempty")]
    conmon_pid: i32,
    exit_code: i32,
    error: String,
    started_at: Moment,
    finished_at: Moment,
    #[serde(rename = "Health,Health,omitempty")]
    health: Option<HealthDocument>,
    #[serde(rename = "Healthcheck,-")]
    healthcheck: Option<HealthDocument>,
    #[serde(rename = "Checkpointed,Checkpointed,omitempty")]
    checkpointed: bool,
    #[serde(rename = "CgroupPath,CgroupPath,omitempty")]
    cgroup_path: String,
    checkpointed_at: Moment,
    restored_at: Moment,
    #[serde(rename = "Restored,Restored,omitempty")]
    restored: bool,
    #[serde(rename = "StoppedByUser,StoppedByUser,omitempty")]
    stopped_by_user: bool,
}

/// Shared with docker's document.
#[derive(Debug, Serialize)]
#[serde(rename = "define.DriverData", rename_all = "PascalCase")]
pub(super) struct GraphDriver {
    name: &'static str,
    data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "define.InspectNetworkSettings", rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(rename = "EndpointID")]
    endpoint_id: &'static str,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u32,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u32,
    mac_address: String,
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u32,
    ports: BTreeMap<String, Option<Vec<HostPort>>>,
    sandbox_key: String,
    #[serde(rename = "Networks,Networks,omitempty")]
    networks: BTreeMap<String, AdditionalNetwork>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "define.InspectAdditionalNetwork", rename_all = "PascalCase")]
struct AdditionalNetwork {
    #[serde(rename = "EndpointID")]
    endpoint_id: &'static str,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u32,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u32,
    mac_address: String,
    #[serde(rename = "NetworkID")]
    network_id: String,
    driver_opts: Option<BTreeMap<String, String>>,
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<BTreeMap<String, String>>,
    links: Option<Vec<String>>,
    #[serde(rename = "Aliases,Aliases,omitempty")]
    aliases: Vec<String>,
}

impl AdditionalNetwork {
    /// Podman puts the name where docker has the id.
    fn of(endpoint: Endpoint) -> (String, Self) {
        let shown = Self {
            gateway: endpoint.v4.gateway,
            ip_address: endpoint.v4.ip,
            ip_prefix_len: endpoint.v4.length,
            ipv6_gateway: endpoint.v6.gateway,
            global_ipv6_address: endpoint.v6.ip,
            global_ipv6_prefix_len: endpoint.v6.length,
            mac_address: endpoint.mac,
            network_id: endpoint.network.clone(),
            aliases: endpoint.aliases,
            ..Self::default()
        };
        (endpoint.network, shown)
    }
}

/// The document of `subject`.
pub(super) fn document(subject: &Subject<'_>) -> Container {
    let record = subject.record;
    let (request, resolved) = (&record.request, &record.resolved);
    let mut words = subject.words().into_iter();
    let caps: Vec<String> = bounding_set(record, subject.dialect).into_iter().collect();
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let optional = |path: Option<&std::path::PathBuf>| path.map_or_else(String::new, |p| text(p));
    Container {
        id: record.id.to_string(),
        created: Moment(Some(record.created)),
        path: words.next().unwrap_or_default(),
        args: words.collect(),
        state: state(subject),
        image: resolved.image_id.clone(),
        image_digest: resolved.image_digest.clone(),
        image_name: resolved.image_name.clone(),
        rootfs: request
            .rootfs
            .as_ref()
            .map_or_else(String::new, |rootfs| text(&rootfs.host_path)),
        pod: resolved
            .pod
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        resolv_conf_path: subject.run_file("resolv.conf"),
        hostname_path: subject.run_file("hostname"),
        hosts_path: subject.run_file("hosts"),
        static_dir: text(&subject.dirs.container(&record.id)),
        oci_config_path: subject.run_file("config.json"),
        oci_runtime: request
            .runtime
            .clone()
            .unwrap_or_else(|| oci_runtime::NAME.to_owned()),
        conmon_pid_file: optional(request.monitor_pidfile.as_ref()),
        pid_file: optional(request.pidfile.as_ref()),
        name: record.name.clone(),
        restart_count: subject.state.restart_count,
        driver: "overlay",
        mount_label: "",
        process_label: "",
        app_armor_profile: "",
        effective_caps: effective(subject, &caps),
        bounding_caps: caps,
        exec_ids: sessions::running(subject.dirs, &subject.record.id),
        graph_driver: graph_driver(subject),
        size_rw: subject.sizes.map(|sizes| sizes.own_bytes),
        size_root_fs: subject.sizes.map_or(0, |sizes| sizes.root_bytes),
        mounts: mounts::mounts(subject.dirs, record),
        dependencies: dependencies(subject),
        network_settings: network_settings(subject),
        namespace: "",
        is_infra: resolved.role == PodRole::Infra,
        is_service: false,
        kube_exit_code_propagation: "invalid",
        lock_number: 0,
        config: config(subject),
        host_config: host_config(subject),
        use_image_hosts: false,
        use_image_hostname: false,
    }
}

/// A program of another user than root starts with what was added by name, and nothing else.
fn effective(subject: &Subject<'_>, bounding: &[String]) -> Vec<String> {
    let record = subject.record;
    let user = record.resolved.user.split(':').next().unwrap_or_default();
    if matches!(user, "" | "0" | "root") {
        return bounding.to_vec();
    }
    let added = |name: &&String| record.request.cap_add.contains(name);
    bounding.iter().filter(added).cloned().collect()
}

fn state(subject: &Subject<'_>) -> State {
    let state = subject.state;
    let up = subject.observed.is_up();
    let monitor = state.monitor.filter(|_| subject.observed.is_attended());
    State {
        oci_version: "1.3.0",
        status: subject.status(),
        running: subject.observed == Observed::Running,
        paused: subject.observed == Observed::Paused,
        restarting: subject.observed == Observed::Restarting,
        oom_killed: state.oom_killed,
        dead: false,
        pid: subject.pid(),
        conmon_pid: monitor.map_or(0, |monitor| monitor.pid),
        exit_code: exit_code_of(state, subject.observed),
        error: subject.error(),
        started_at: Moment(state.started_at),
        finished_at: Moment(state.finished_at),
        health: health::found(subject),
        healthcheck: health::found(subject),
        checkpointed: false,
        cgroup_path: if up {
            state.cgroup_path.clone()
        } else {
            String::new()
        },
        checkpointed_at: Moment(None),
        restored_at: Moment(None),
        restored: false,
        stopped_by_user: state.stopped_by_user,
    }
}

/// The directories of the container's root.
pub(super) fn graph_driver(subject: &Subject<'_>) -> GraphDriver {
    GraphDriver {
        name: "overlay",
        data: subject.graph_data().into_iter().collect(),
    }
}

/// The containers whose namespaces it joins, as typed.
fn dependencies(subject: &Subject<'_>) -> Vec<String> {
    let request = &subject.record.request;
    let modes = [&request.pid, &request.ipc, &request.uts];
    let network = request.networks.first();
    let modes = modes.into_iter().flatten().chain(network);
    let mut names: Vec<String> = modes
        .filter_map(|mode| mode.strip_prefix("container:"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn network_settings(subject: &Subject<'_>) -> NetworkSettings {
    let mode = subject.network_mode();
    let shares = mode == "host" || mode.starts_with("container:");
    let pid = subject.pid();
    let main = subject.main_endpoint().unwrap_or_default();
    NetworkSettings {
        gateway: main.v4.gateway,
        ip_address: main.v4.ip,
        ip_prefix_len: main.v4.length,
        ipv6_gateway: main.v6.gateway,
        global_ipv6_address: main.v6.ip,
        global_ipv6_prefix_len: main.v6.length,
        mac_address: main.mac,
        ports: HostPort::by_port(subject),
        sandbox_key: if pid == 0 || shares {
            String::new()
        } else {
            let link = subject.run_file(&connect::namespace_link(subject.record));
            let named = Some(link).filter(|link| !link.is_empty());
            named.unwrap_or_else(|| format!("/proc/{pid}/ns/net"))
        },
        networks: networks(subject, &mode),
        ..NetworkSettings::default()
    }
}

/// What connects a container without a bridge is a network of its own kind.
fn networks(subject: &Subject<'_>, mode: &str) -> BTreeMap<String, AdditionalNetwork> {
    if let Some(endpoints) = subject.endpoints() {
        return endpoints.into_iter().map(AdditionalNetwork::of).collect();
    }
    let kind = mode.split(':').next().unwrap_or_default();
    if !["host", "none", "pasta", "slirp4netns"].contains(&kind) {
        return BTreeMap::new();
    }
    let only = AdditionalNetwork {
        network_id: kind.to_owned(),
        ..AdditionalNetwork::default()
    };
    BTreeMap::from([(kind.to_owned(), only)])
}
