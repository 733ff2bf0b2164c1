// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The section `HostConfig` of podman's document: what the container was given of the host.

use std::collections::BTreeMap;

use nix::sys::resource::{Resource, getrlimit};
use oci_spec::runtime::{PosixRlimit, PosixRlimitType};
use serde::Serialize;

use super::host_port::HostPort;
use super::{Subject, mounts, podman_config, restart_policy};
use crate::config::cdi;
use crate::engine::limits::{memory_and_swap, quota_and_period};
use crate::engine::spec::{SecurityOptions, bounding_set, session_process};
use crate::runtime::capability::PODMAN_DEFAULT;
use crate::state::limits::{DeviceLimit, Limits};

#[derive(Debug, Default, Serialize)]
#[serde(
    rename = "define.InspectContainerHostConfig",
    rename_all = "PascalCase"
)]
pub(super) struct HostConfig {
    binds: Vec<String>,
    #[serde(rename = "CgroupManager,CgroupManager,omitempty")]
    cgroup_manager: &'static str,
    cgroup_mode: String,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: LogConfig,
    network_mode: String,
    port_bindings: BTreeMap<String, Vec<HostPort>>,
    restart_policy: RestartPolicy,
    auto_remove: bool,
    auto_remove_image: bool,
    annotations: BTreeMap<String, String>,
    volume_driver: &'static str,
    #[serde(rename = "VolumesFrom,VolumesFrom,nullempty")]
    volumes_from: Vec<String>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    extra_hosts: Vec<String>,
    hosts_file: &'static str,
    group_add: Vec<String>,
    ipc_mode: String,
    cgroup: &'static str,
    cgroups: String,
    #[serde(rename = "Links,Links,nullempty")]
    links: Vec<String>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Vec<String>,
    tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    #[serde(rename = "IDMappings,IDMappings,omitempty")]
    id_mappings: Option<IdMappings>,
    shm_size: u64,
    runtime: &'static str,
    console_size: [u32; 2],
    isolation: &'static str,
    cpu_shares: u64,
    memory: i64,
    nano_cpus: i64,
    cgroup_parent: String,
    blkio_weight: u16,
    #[serde(rename = "BlkioWeightDevice,BlkioWeightDevice,nullempty")]
    blkio_weight_device: Vec<WeightDevice>,
    #[serde(rename = "BlkioDeviceReadBps,BlkioDeviceReadBps,nullempty")]
    blkio_device_read_bps: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteBps,BlkioDeviceWriteBps,nullempty")]
    blkio_device_write_bps: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceReadIOps,BlkioDeviceReadIOps,nullempty")]
    blkio_device_read_iops: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteIOps,BlkioDeviceWriteIOps,nullempty")]
    blkio_device_write_iops: Vec<ThrottleDevice>,
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: u64,
    cpu_realtime_runtime: i64,
    cpuset_cpus: String,
    cpuset_mems: String,
    devices: Vec<Device>,
    disk_quota: u64,
    kernel_memory: i64,
    memory_reservation: i64,
    memory_swap: i64,
    memory_swappiness: i64,
    oom_kill_disable: bool,
    #[serde(rename = "Init,Init,omitempty")]
    init: bool,
    pids_limit: i64,
    ulimits: Vec<Ulimit>,
    cpu_count: u64,
    cpu_percent: u64,
    #[serde(rename = "IOMaximumIOps")]
    io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    io_maximum_bandwidth: u64,
    #[serde(rename = "CgroupConf,CgroupConf,nullempty")]
    cgroup_conf: BTreeMap<String, String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "define.InspectLogConfig", rename_all = "PascalCase")]
struct LogConfig {
    r#type: String,
    #[serde(rename = "Config,Config,nullempty")]
    config: BTreeMap<String, String>,
    path: String,
    tag: String,
    size: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "define.InspectRestartPolicy", rename_all = "PascalCase")]
struct RestartPolicy {
    name: String,
    maximum_retry_count: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectIDMappings")]
struct IdMappings {
    #[serde(rename = "UIDMap,UidMap")]
    uid_map: Vec<String>,
    #[serde(rename = "GIDMap,GidMap")]
    gid_map: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectDevice", rename_all = "PascalCase")]
pub(in crate::engine) struct Device {
    path_on_host: String,
    path_in_container: String,
    cgroup_permissions: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectBlkioWeightDevice", rename_all = "PascalCase")]
pub(in crate::engine) struct WeightDevice {
    path: String,
    weight: u64,
}

#[derive(Debug, Serialize)]
#[serde(
    rename = "define.InspectBlkioThrottleDevice",
    rename_all = "PascalCase"
)]
pub(in crate::engine) struct ThrottleDevice {
    path: String,
    rate: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectUlimit", rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    /// -1 is unlimited.
    soft: i64,
    hard: i64,
}

/// The section of `subject`.
pub(super) fn host_config(subject: &Subject<'_>) -> HostConfig {
    let record = subject.record;
    let request = &record.request;
    let (cap_add, cap_drop) = capabilities(subject);
    let (policy, tries) = restart_policy(request.restart.as_deref());
    HostConfig {
        binds: mounts::binds(record),
        cgroup_manager: "cgroupfs",
        cgroup_mode: private_or(request.cgroupns.as_deref()),
        container_id_file: request
            .cidfile
            .as_ref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        log_config: log_config(subject),
        network_mode: subject.network_mode(),
        port_bindings: HostPort::by_port(subject)
            .into_iter()
            .filter_map(|(key, ports)| Some((key, ports?)))
            .collect(),
        publish_all_ports: request.publish_all,
        restart_policy: RestartPolicy {
            name: policy,
            maximum_retry_count: tries,
        },
        auto_remove: request.auto_remove,
        auto_remove_image: request.remove_image,
        annotations: podman_config::annotations(subject),
        cap_add,
        cap_drop,
        dns: request.dns.clone(),
        dns_options: request.dns_option.clone(),
        dns_search: request.dns_search.clone(),
        extra_hosts: request.add_host.clone(),
        group_add: request.group_add.clone(),
        ipc_mode: request
            .ipc
            .clone()
            .unwrap_or_else(|| "shareable".to_owned()),
        cgroups: match request.cgroups.as_deref() {
            None | Some("enabled") => "default".to_owned(),
            Some(other) => other.to_owned(),
        },
        oom_score_adj: request.oom_score_adj.unwrap_or(0),
        pid_mode: private_or(request.pid.as_deref()),
        privileged: request.privileged,
        readonly_rootfs: request.read_only,
        security_opt: security_options(&request.security_opt),
        tmpfs: mounts::tmpfs(record),
        uts_mode: private_or(request.uts.as_deref()),
        userns_mode: userns_mode(request.userns.as_deref()),
        id_mappings: (!request.uidmap.is_empty()).then(|| IdMappings {
            uid_map: request.uidmap.clone(),
            gid_map: request.gidmap.clone(),
        }),
        runtime: "oci",
        shm_size: request.shm_size_bytes.unwrap_or(SHM_SIZE_BYTES),
        devices: devices(&request.devices),
        init: request.init,
        ulimits: ulimits(subject),
        cgroup_parent: request.cgroup_parent.clone().unwrap_or_default(),
        ..limits(&request.limits)
    }
}

/// What it may use of the machine; all else is as nobody asked for it.
fn limits(limits: &Limits) -> HostConfig {
    let (quota, period) = quota_and_period(limits);
    let bytes = |limit: Option<i64>| limit.unwrap_or(0);
    HostConfig {
        cpu_shares: limits.cpu_shares.unwrap_or(0),
        memory: bytes(limits.memory_bytes),
        memory_reservation: bytes(limits.memory_reservation_bytes),
        memory_swap: bytes(memory_and_swap(limits)),
        // As podman shows that nobody asked, where it shows limits of memory.
        memory_swappiness: if limits.memory_bytes.is_some() { -1 } else { 0 },
        nano_cpus: i64::try_from(limits.nano_cpus.unwrap_or(0)).unwrap_or(i64::MAX),
        cpu_period: period.unwrap_or(0),
        cpu_quota: quota.unwrap_or(0),
        cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
        pids_limit: limits.pids.unwrap_or(0),
        blkio_weight: limits.io_weight.unwrap_or(0),
        blkio_weight_device: weights(&limits.io_weight_devices),
        blkio_device_read_bps: rates(&limits.read_bps),
        blkio_device_write_bps: rates(&limits.write_bps),
        blkio_device_read_iops: rates(&limits.read_iops),
        blkio_device_write_iops: rates(&limits.write_iops),
        cgroup_conf: limits.cgroup_files.clone(),
        ..HostConfig::default()
    }
}

/// Weights of devices.
pub(in crate::engine) fn weights(limits: &[DeviceLimit]) -> Vec<WeightDevice> {
    let device = |limit: &DeviceLimit| WeightDevice {
        path: limit.host_path.to_string_lossy().into_owned(),
        weight: limit.value,
    };
    limits.iter().map(device).collect()
}

/// Rates of devices.
pub(in crate::engine) fn rates(limits: &[DeviceLimit]) -> Vec<ThrottleDevice> {
    let device = |limit: &DeviceLimit| ThrottleDevice {
        path: limit.host_path.to_string_lossy().into_owned(),
        rate: limit.value,
    };
    limits.iter().map(device).collect()
}

/// 64 MiB, unless `--shm-size` says otherwise.
const SHM_SIZE_BYTES: u64 = 64 << 20;

fn private_or(mode: Option<&str>) -> String {
    match mode {
        None | Some("") => "private".to_owned(),
        Some(mode) => mode.to_owned(),
    }
}

/// Podman says nothing of the default map and of the host's, and `private` of any other.
fn userns_mode(mode: Option<&str>) -> String {
    match mode {
        None | Some("" | "host") => String::new(),
        Some(mode) if mode.starts_with("container:") || mode.starts_with("ns:") => mode.to_owned(),
        Some(_) => "private".to_owned(),
    }
}

fn log_config(subject: &Subject<'_>) -> LogConfig {
    let resolved = &subject.record.resolved;
    let keeps_file = matches!(resolved.log_driver.as_str(), "k8s-file" | "json-file");
    let path = resolved.log_path.to_string_lossy();
    let tag = subject.record.request.log_opts.get("tag");
    LogConfig {
        r#type: resolved.log_driver.clone(),
        config: BTreeMap::new(),
        path: if keeps_file {
            path.into_owned()
        } else {
            String::new()
        },
        tag: tag.cloned().unwrap_or_default(),
        size: go_size(resolved.log_size_max_bytes),
    }
}

/// Bytes in powers of 1000 with up to four digits, as Go's units print them.
fn go_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 1000.0 {
        number /= 1000.0;
        unit += 1;
    }
    let decimals = match number {
        _ if number < 10.0 => 3,
        _ if number < 100.0 => 2,
        _ => 1,
    };
    let text = format!("{number:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{}", UNITS[unit])
}

/// What the container has beyond the default, and what it lacks of it.
fn capabilities(subject: &Subject<'_>) -> (Vec<String>, Vec<String>) {
    let has = bounding_set(subject.record, subject.dialect);
    if subject.record.request.privileged {
        return (Vec::new(), Vec::new());
    }
    let default = |name: &String| PODMAN_DEFAULT.contains(&name.as_str());
    let added = has.iter().filter(|name| !default(name)).cloned().collect();
    let dropped = PODMAN_DEFAULT.iter().filter(|name| !has.contains(**name));
    let mut dropped: Vec<String> = dropped.map(|name| (*name).to_owned()).collect();
    dropped.sort();
    (added, dropped)
}

/// Podman leaves out the value of a switch that is on.
fn security_options(typed: &[String]) -> Vec<String> {
    let plain = |option: &String| match option.as_str() {
        "no-new-privileges:true" | "no-new-privileges=true" => "no-new-privileges".to_owned(),
        _ => option.clone(),
    };
    typed.iter().map(plain).collect()
}

/// Those of `--device`.
pub(in crate::engine) fn devices(typed: &[String]) -> Vec<Device> {
    let device = |text: &String| {
        let mut parts = text.split(':');
        let host = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.collect();
        let inside = rest.iter().find(|part| part.starts_with('/'));
        let rights = rest.iter().find(|part| !part.starts_with('/'));
        Device {
            path_on_host: host.to_owned(),
            path_in_container: (*inside.unwrap_or(&host)).to_owned(),
            cgroup_permissions: rights.map_or_else(String::new, |rights| (*rights).to_owned()),
        }
    };
    let typed = typed.iter().filter(|text| !cdi::is_name(text));
    typed.map(device).collect()
}

/// The limits of its first process. Those that nobody asked for are there once it was started, as
/// high as its caller may set them.
fn ulimits(subject: &Subject<'_>) -> Vec<Ulimit> {
    let security = SecurityOptions::default();
    let process = session_process(subject.record, subject.dialect, &security, false);
    let asked = |limit: &PosixRlimit| {
        let name = limit.typ().to_string();
        let typed = &subject.record.request.ulimits;
        let is_it = |typed: &str| name == format!("RLIMIT_{}", typed.to_uppercase());
        typed.iter().any(|limit| is_it(&limit.name))
    };
    let started = subject.state.started_at.is_some();
    let limits = process.rlimits().iter().flatten();
    limits
        .filter(|limit| started || asked(limit))
        .map(|limit| {
            let most = caller_limit(limit.typ());
            let number = |value: u64| i64::try_from(value.min(most)).unwrap_or(-1);
            Ulimit {
                name: limit.typ().to_string(),
                soft: number(limit.soft()),
                hard: number(limit.hard()),
            }
        })
        .collect()
}

/// What the kernel lets an ordinary caller set at most.
fn caller_limit(kind: PosixRlimitType) -> u64 {
    let resource = match kind {
        PosixRlimitType::RlimitNproc => Resource::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => Resource::RLIMIT_NOFILE,
        _ => return u64::MAX,
    };
    getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_modes_are_podmans() {
        let sizes = [
            (0, "0B"),
            (10_000_000, "10MB"),
            (3511, "3.511kB"),
            (123_456, "123.5kB"),
        ];
        for (bytes, expected) in sizes {
            assert_eq!(go_size(bytes), expected);
        }
        assert_eq!(userns_mode(Some("keep-id:uid=1")), "private");
        assert_eq!(userns_mode(Some("host")), "");
        let devices = devices(&["/dev/fuse:/dev/x:rw".to_owned(), "/dev/kvm".to_owned()]);
        assert_eq!(devices[0].path_in_container, "/dev/x");
        assert_eq!(devices[0].cgroup_permissions, "rw");
        assert_eq!(devices[1].path_in_container, "/dev/kvm");
    }
}
