// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Docker's document of a container: names with a slash, moments as text, digests with their
//! algorithm, and nil where docker has nil.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::health::{self, HealthDocument};
use super::host_port::HostPort;
use super::networks::Endpoint;
use super::podman::{GraphDriver, graph_driver};
use super::{Empty, Keys, Subject, mounts, port_keys, restart_policy};
use crate::engine::exec::sessions;
use crate::engine::filter::exit_code_of;
use crate::engine::image::HealthcheckDocument;
use crate::engine::limits::memory_and_swap;
use crate::engine::signal;
use crate::state::liveness::Observed;

/// `docker container inspect`.
#[derive(Debug, Serialize)]
#[serde(rename = "container.InspectResponse", rename_all = "PascalCase")]
pub(super) struct Container {
    #[serde(rename = "ID,Id")]
    id: String,
    created: String,
    path: String,
    args: Vec<String>,
    state: State,
    image: String,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    log_path: String,
    name: String,
    restart_count: u32,
    driver: &'static str,
    platform: &'static str,
    mount_label: &'static str,
    process_label: &'static str,
    app_armor_profile: &'static str,
    #[serde(rename = "ExecIDs,ExecIDs,nullempty")]
    exec_ids: Vec<String>,
    host_config: HostConfig,
    graph_driver: GraphDriver,
    #[serde(rename = "SizeRw,SizeRw,omitempty")]
    size_rw: Option<u64>,
    #[serde(rename = "SizeRootFs,SizeRootFs,omitempty")]
    size_root_fs: Option<u64>,
    mounts: Vec<mounts::Mount>,
    config: Config,
    network_settings: NetworkSettings,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.State", rename_all = "PascalCase")]
struct State {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    exit_code: i32,
    error: String,
    started_at: String,
    finished_at: String,
    #[serde(rename = "Health,Health,omitempty")]
    health: Option<HealthDocument>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.HostConfig", rename_all = "PascalCase")]
struct HostConfig {
    #[serde(rename = "Binds,Binds,nullempty")]
    binds: Vec<String>,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: LogConfig,
    network_mode: String,
    port_bindings: BTreeMap<String, Vec<HostPort>>,
    restart_policy: RestartPolicy,
    auto_remove: bool,
    volume_driver: &'static str,
    #[serde(rename = "VolumesFrom,VolumesFrom,nullempty")]
    volumes_from: Vec<String>,
    console_size: [u32; 2],
    #[serde(rename = "CapAdd,CapAdd,nullempty")]
    cap_add: Vec<String>,
    #[serde(rename = "CapDrop,CapDrop,nullempty")]
    cap_drop: Vec<String>,
    cgroupns_mode: String,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    #[serde(rename = "ExtraHosts,ExtraHosts,nullempty")]
    extra_hosts: Vec<String>,
    #[serde(rename = "GroupAdd,GroupAdd,nullempty")]
    group_add: Vec<String>,
    ipc_mode: String,
    cgroup: &'static str,
    #[serde(rename = "Links,Links,nullempty")]
    links: Vec<String>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    #[serde(rename = "SecurityOpt,SecurityOpt,nullempty")]
    security_opt: Vec<String>,
    #[serde(rename = "Tmpfs,Tmpfs,omitempty")]
    tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    shm_size: u64,
    runtime: &'static str,
    isolation: &'static str,
    cpu_shares: u64,
    memory: i64,
    nano_cpus: i64,
    cgroup_parent: String,
    cpu_period: u64,
    cpu_quota: i64,
    cpuset_cpus: String,
    cpuset_mems: String,
    devices: Vec<Empty>,
    memory_reservation: i64,
    memory_swap: i64,
    pids_limit: Option<i64>,
    ulimits: Vec<Ulimit>,
    #[serde(rename = "Init,Init,omitempty")]
    init: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.LogConfig", rename_all = "PascalCase")]
struct LogConfig {
    r#type: String,
    config: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.RestartPolicy", rename_all = "PascalCase")]
struct RestartPolicy {
    name: String,
    maximum_retry_count: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.Ulimit", rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    hard: i64,
    soft: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "container.Config", rename_all = "PascalCase")]
struct Config {
    hostname: String,
    domainname: &'static str,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    #[serde(rename = "ExposedPorts,ExposedPorts,omitempty")]
    exposed_ports: Keys,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Vec<String>,
    #[serde(rename = "Cmd,Cmd,nullempty")]
    cmd: Vec<String>,
    image: String,
    #[serde(rename = "Volumes,Volumes,nullempty")]
    volumes: Keys,
    working_dir: String,
    #[serde(rename = "Entrypoint,Entrypoint,nullempty")]
    entrypoint: Vec<String>,
    on_build: Option<String>,
    labels: BTreeMap<String, String>,
    #[serde(rename = "StopSignal,StopSignal,omitempty")]
    stop_signal: String,
    #[serde(rename = "StopTimeout,StopTimeout,omitempty")]
    stop_timeout: Option<u64>,
    #[serde(rename = "Healthcheck,Healthcheck,omitempty")]
    healthcheck: Option<HealthcheckDocument>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "container.NetworkSettings", rename_all = "PascalCase")]
struct NetworkSettings {
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    sandbox_key: String,
    ports: BTreeMap<String, Option<Vec<HostPort>>>,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u32,
    mac_address: String,
    networks: BTreeMap<String, Attachment>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "network.EndpointSettings", rename_all = "PascalCase")]
struct Attachment {
    #[serde(rename = "Aliases,Aliases,nullempty")]
    aliases: Vec<String>,
    mac_address: String,
    #[serde(rename = "NetworkID")]
    network_id: String,
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
}

impl Attachment {
    fn of(endpoint: Endpoint) -> (String, Self) {
        let shown = Self {
            aliases: endpoint.aliases,
            mac_address: endpoint.mac,
            network_id: endpoint.network_id,
            gateway: endpoint.v4.gateway,
            ip_address: endpoint.v4.ip,
            ip_prefix_len: endpoint.v4.length,
            ipv6_gateway: endpoint.v6.gateway,
            global_ipv6_address: endpoint.v6.ip,
            global_ipv6_prefix_len: endpoint.v6.length,
            ..Self::default()
        };
        (endpoint.network, shown)
    }
}

/// The document of `subject`.
pub(super) fn document(subject: &Subject<'_>) -> Container {
    let record = subject.record;
    let resolved = &record.resolved;
    let mut words = subject.words().into_iter();
    let keeps_file = matches!(resolved.log_driver.as_str(), "k8s-file" | "json-file");
    let log_path = resolved.log_path.to_string_lossy();
    Container {
        id: record.id.to_string(),
        created: moment(Some(record.created)),
        path: words.next().unwrap_or_default(),
        args: words.collect(),
        state: state(subject),
        image: match resolved.image_id.as_str() {
            "" => String::new(),
            id => format!("sha256:{id}"),
        },
        resolv_conf_path: subject.run_file("resolv.conf"),
        hostname_path: subject.run_file("hostname"),
        hosts_path: subject.run_file("hosts"),
        log_path: if keeps_file {
            log_path.into_owned()
        } else {
            String::new()
        },
        name: format!("/{}", record.name),
        restart_count: subject.state.restart_count,
        driver: "overlay2",
        platform: "linux",
        mount_label: "",
        process_label: "",
        app_armor_profile: "",
        exec_ids: sessions::running(subject.dirs, &subject.record.id),
        host_config: host_config(subject),
        graph_driver: graph_driver(subject),
        size_rw: subject.sizes.map(|sizes| sizes.own_bytes),
        size_root_fs: subject.sizes.map(|sizes| sizes.root_bytes),
        mounts: mounts::mounts(subject.dirs, record),
        config: config(subject),
        network_settings: network_settings(subject),
    }
}

/// RFC 3339; what never happened is the first moment of the year 1.
fn moment(moment: Option<Timestamp>) -> String {
    moment.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |moment| moment.to_string(),
    )
}

fn state(subject: &Subject<'_>) -> State {
    let state = subject.state;
    State {
        status: match subject.status() {
            "stopping" => "running",
            other => other,
        },
        // As docker: one that is about to run again counts as running.
        running: subject.observed.is_attended(),
        paused: subject.observed == Observed::Paused,
        restarting: subject.observed == Observed::Restarting,
        oom_killed: state.oom_killed,
        dead: false,
        pid: subject.pid(),
        exit_code: exit_code_of(state, subject.observed),
        error: subject.error(),
        started_at: moment(state.started_at),
        finished_at: moment(state.finished_at),
        health: health::found(subject),
    }
}

fn host_config(subject: &Subject<'_>) -> HostConfig {
    let record = subject.record;
    let request = &record.request;
    let limits = &request.limits;
    let (policy, tries) = restart_policy(request.restart.as_deref());
    let mode = |mode: &Option<String>| mode.clone().unwrap_or_default();
    let limit = |limit: u64| i64::try_from(limit).unwrap_or(-1);
    HostConfig {
        binds: mounts::binds(record),
        container_id_file: request
            .cidfile
            .as_ref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        log_config: LogConfig {
            r#type: record.resolved.log_driver.clone(),
            config: request.log_opts.clone(),
        },
        network_mode: subject.network_mode(),
        port_bindings: BTreeMap::new(),
        restart_policy: RestartPolicy {
            name: policy,
            maximum_retry_count: tries,
        },
        auto_remove: request.auto_remove,
        volume_driver: "",
        volumes_from: Vec::new(),
        console_size: [0, 0],
        cap_add: request.cap_add.clone(),
        cap_drop: request.cap_drop.clone(),
        cgroupns_mode: request
            .cgroupns
            .clone()
            .unwrap_or_else(|| "private".to_owned()),
        dns: request.dns.clone(),
        dns_options: request.dns_option.clone(),
        dns_search: request.dns_search.clone(),
        extra_hosts: request.add_host.clone(),
        group_add: request.group_add.clone(),
        ipc_mode: request.ipc.clone().unwrap_or_else(|| "private".to_owned()),
        cgroup: "",
        links: Vec::new(),
        oom_score_adj: request.oom_score_adj.unwrap_or(0),
        pid_mode: mode(&request.pid),
        privileged: request.privileged,
        publish_all_ports: false,
        readonly_rootfs: request.read_only,
        security_opt: request.security_opt.clone(),
        tmpfs: mounts::tmpfs(record),
        uts_mode: mode(&request.uts),
        userns_mode: mode(&request.userns),
        shm_size: request.shm_size_bytes.unwrap_or(64 << 20),
        runtime: "coracle",
        isolation: "",
        cpu_shares: limits.cpu_shares.unwrap_or(0),
        memory: limits.memory_bytes.unwrap_or(0),
        nano_cpus: i64::try_from(limits.nano_cpus.unwrap_or(0)).unwrap_or(i64::MAX),
        cgroup_parent: request.cgroup_parent.clone().unwrap_or_default(),
        cpu_period: limits.cpu_period_usec.unwrap_or(0),
        cpu_quota: limits.cpu_quota_usec.unwrap_or(0),
        cpuset_cpus: mode(&limits.cpuset_cpus),
        cpuset_mems: mode(&limits.cpuset_mems),
        devices: Vec::new(),
        memory_reservation: limits.memory_reservation_bytes.unwrap_or(0),
        memory_swap: memory_and_swap(limits).unwrap_or(0),
        pids_limit: limits.pids,
        ulimits: request
            .ulimits
            .iter()
            .map(|one| Ulimit {
                name: one.name.clone(),
                hard: limit(one.hard),
                soft: limit(one.soft),
            })
            .collect(),
        init: request.init,
    }
}

fn config(subject: &Subject<'_>) -> Config {
    let (request, resolved) = (&subject.record.request, &subject.record.resolved);
    let attached = |stream: &str| {
        request
            .attach
            .iter()
            .any(|one| one.eq_ignore_ascii_case(stream))
    };
    let pair = |(key, value): &(String, String)| format!("{key}={value}");
    Config {
        hostname: resolved.hostname.clone(),
        domainname: "",
        user: resolved.user.clone(),
        attach_stdin: attached("stdin"),
        attach_stdout: attached("stdout"),
        attach_stderr: attached("stderr"),
        exposed_ports: Keys::of(port_keys(&resolved.exposed_ports)),
        tty: request.tty,
        open_stdin: request.interactive,
        stdin_once: false,
        env: resolved.env.iter().map(pair).collect(),
        cmd: resolved.command.clone(),
        image: request.image.clone(),
        volumes: Keys::of(resolved.volumes.iter().cloned()),
        working_dir: resolved.workdir.clone(),
        entrypoint: resolved.entrypoint.clone(),
        on_build: None,
        labels: resolved.labels.clone(),
        stop_signal: request
            .stop_signal
            .as_ref()
            .map_or_else(String::new, |_| signal::name(resolved.stop_signal)),
        stop_timeout: request.stop_timeout_seconds,
        healthcheck: health::check(subject),
    }
}

fn network_settings(subject: &Subject<'_>) -> NetworkSettings {
    let mode = subject.network_mode();
    let joined = mode.starts_with("container:");
    let networks = match subject.endpoints() {
        Some(endpoints) => endpoints.into_iter().map(Attachment::of).collect(),
        None if joined => BTreeMap::new(),
        None => BTreeMap::from([(mode, Attachment::default())]),
    };
    let main = subject.main_endpoint().unwrap_or_default();
    NetworkSettings {
        sandbox_key: match subject.pid() {
            0 => String::new(),
            pid => format!("/proc/{pid}/ns/net"),
        },
        ports: HostPort::by_port(subject),
        gateway: main.v4.gateway,
        ip_address: main.v4.ip,
        ip_prefix_len: main.v4.length,
        mac_address: main.mac,
        networks,
        ..NetworkSettings::default()
    }
}
