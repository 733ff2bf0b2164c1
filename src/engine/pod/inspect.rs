// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `pod inspect` shows. Fields are named as in Go (see `engine::inspect`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::listed::ListedPod;
use super::select::PodSelection;
use crate::engine::Engine;
use crate::engine::cgroup::place_of_pod;
use crate::engine::error::EngineError;
use crate::engine::inspect::{
    Device, Moment, Mount, ThrottleDevice, WeightDevice, devices, mounts, rates, restart_policy,
    weights,
};
use crate::engine::limits::{memory_and_swap, quota_and_period};
use crate::state::record::ContainerRecord;

/// `podman pod inspect`.
#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectPodData", rename_all = "PascalCase")]
pub struct PodDocument {
    #[serde(rename = "ID,Id")]
    id: String,
    name: String,
    #[serde(rename = "Namespace,Namespace,omitempty")]
    namespace: &'static str,
    created: Moment,
    #[serde(rename = "CreateCommand,CreateCommand,omitempty")]
    create_command: Vec<String>,
    #[serde(rename = "ExitPolicy,ExitPolicy,omitempty")]
    exit_policy: &'static str,
    state: &'static str,
    hostname: String,
    #[serde(rename = "Labels,Labels,omitempty")]
    labels: BTreeMap<String, String>,
    create_cgroup: bool,
    #[serde(rename = "CgroupParent,CgroupParent,omitempty")]
    cgroup_parent: String,
    #[serde(rename = "CgroupPath,CgroupPath,omitempty")]
    cgroup_path: String,
    create_infra: bool,
    #[serde(rename = "InfraContainerID,InfraContainerID,omitempty")]
    infra_container_id: String,
    #[serde(rename = "InfraConfig,InfraConfig,omitempty")]
    infra_config: Option<InfraConfig>,
    #[serde(rename = "SharedNamespaces,SharedNamespaces,omitempty")]
    shared_namespaces: Vec<&'static str>,
    num_containers: usize,
    #[serde(rename = "Containers,Containers,omitempty")]
    containers: Vec<Member>,
    #[serde(rename = "CPUPeriod,cpu_period,omitempty")]
    cpu_period: u64,
    #[serde(rename = "CPUQuota,cpu_quota,omitempty")]
    cpu_quota: i64,
    #[serde(rename = "CPUShares,cpu_shares,omitempty")]
    cpu_shares: u64,
    #[serde(rename = "CPUSetCPUs,cpuset_cpus,omitempty")]
    cpuset_cpus: String,
    #[serde(rename = "CPUSetMems,cpuset_mems,omitempty")]
    cpuset_mems: String,
    #[serde(rename = "Mounts,mounts,omitempty")]
    mounts: Vec<Mount>,
    #[serde(rename = "Devices,devices,omitempty")]
    devices: Vec<Device>,
    #[serde(rename = "BlkioDeviceReadBps,device_read_bps,omitempty")]
    device_read_bps: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteBps,device_write_bps,omitempty")]
    device_write_bps: Vec<ThrottleDevice>,
    #[serde(rename = "VolumesFrom,volumes_from,omitempty")]
    volumes_from: Vec<String>,
    #[serde(rename = "SecurityOpts,security_opt,omitempty")]
    security_opt: Vec<String>,
    #[serde(rename = "MemoryLimit,memory_limit,omitempty")]
    memory_limit: i64,
    #[serde(rename = "MemorySwap,memory_swap,omitempty")]
    memory_swap: i64,
    #[serde(rename = "BlkioWeight,blkio_weight,omitempty")]
    blkio_weight: u16,
    #[serde(rename = "BlkioWeightDevice,blkio_weight_device,omitempty")]
    blkio_weight_device: Vec<WeightDevice>,
    #[serde(rename = "RestartPolicy,RestartPolicy,omitempty")]
    restart_policy: String,
    lock_number: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectPodInfraConfig", rename_all = "PascalCase")]
struct InfraConfig {
    port_bindings: BTreeMap<String, Vec<String>>,
    host_network: bool,
    #[serde(rename = "StaticIP")]
    static_ip: &'static str,
    #[serde(rename = "StaticMAC")]
    static_mac: &'static str,
    no_manage_resolv_conf: bool,
    #[serde(rename = "DNSServer")]
    dns_server: Vec<String>,
    #[serde(rename = "DNSSearch")]
    dns_search: Vec<String>,
    #[serde(rename = "DNSOption")]
    dns_option: Vec<String>,
    no_manage_hostname: bool,
    no_manage_hosts: bool,
    host_add: Vec<String>,
    hosts_file: String,
    networks: Vec<String>,
    network_options: BTreeMap<String, Vec<String>>,
    #[serde(rename = "PidNS,pid_ns,omitempty")]
    pid_ns: String,
    #[serde(rename = "UserNS,userns,omitempty")]
    userns: String,
    #[serde(rename = "UtsNS,uts_ns,omitempty")]
    uts_ns: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectPodContainerInfo", rename_all = "PascalCase")]
struct Member {
    #[serde(rename = "ID,Id")]
    id: String,
    name: String,
    state: &'static str,
}

impl Engine {
    /// The document of the pod that `selection` means.
    ///
    /// # Errors
    ///
    /// As [`Engine::pod`].
    pub fn inspect_pod(&self, selection: &PodSelection) -> Result<PodDocument, EngineError> {
        let pod = self.listed_pod(selection)?;
        let infra = pod.record.infra.as_ref();
        let infra = infra.and_then(|id| self.store().ok()?.load(id).ok());
        let place = place_of_pod(&self.dirs.pod_run(&pod.record.id));
        let mut document = document(&pod, infra.as_ref(), place.unwrap_or_default());
        if let Some(infra) = &infra {
            document.mounts = mounts(&self.dirs, infra);
            document.devices = devices(&infra.request.devices);
            document
                .volumes_from
                .clone_from(&infra.request.volumes_from);
        }
        Ok(document)
    }
}

fn document(pod: &ListedPod, infra: Option<&ContainerRecord>, cgroup_path: String) -> PodDocument {
    let record = &pod.record;
    let request = &record.request;
    let limits = &request.limits;
    let (cpu_quota, cpu_period) = quota_and_period(limits);
    let (restart, _) = restart_policy(request.restart.as_deref());
    let created: Timestamp = record.created;
    let mut shared: Vec<&str> = request.shared.iter().map(|one| one.name()).collect();
    shared.sort_unstable();
    PodDocument {
        id: record.id.to_string(),
        name: record.name.clone(),
        namespace: "",
        created: Moment(Some(created)),
        create_command: request.create_command.clone(),
        exit_policy: request.exit_policy.name(),
        state: pod.status.word(),
        hostname: request.hostname.clone().unwrap_or_default(),
        labels: request.labels.clone(),
        create_cgroup: request.cgroup_parent.is_some() || !limits.is_empty(),
        cgroup_parent: request.cgroup_parent.clone().unwrap_or_default(),
        cgroup_path,
        create_infra: record.infra.is_some(),
        infra_container_id: record
            .infra
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        infra_config: infra.map(infra_config),
        shared_namespaces: shared,
        num_containers: pod.members.len(),
        containers: pod
            .members
            .iter()
            .map(|member| Member {
                id: member.id.to_string(),
                name: member.name.clone(),
                state: member.status,
            })
            .collect(),
        cpu_period: cpu_period.unwrap_or_default(),
        cpu_quota: cpu_quota.unwrap_or_default(),
        cpu_shares: limits.cpu_shares.unwrap_or_default(),
        cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
        mounts: Vec::new(),
        devices: Vec::new(),
        device_read_bps: rates(&limits.read_bps),
        device_write_bps: rates(&limits.write_bps),
        volumes_from: Vec::new(),
        security_opt: infra.map_or_else(Vec::new, |one| one.request.security_opt.clone()),
        memory_limit: limits.memory_bytes.unwrap_or_default(),
        memory_swap: memory_and_swap(limits).unwrap_or_default(),
        blkio_weight: limits.io_weight.unwrap_or_default(),
        blkio_weight_device: weights(&limits.io_weight_devices),
        restart_policy: if request.restart.is_some() {
            restart
        } else {
            String::new()
        },
        lock_number: 0,
    }
}

fn infra_config(infra: &ContainerRecord) -> InfraConfig {
    let request = &infra.request;
    let text = |mode: &Option<String>| mode.clone().unwrap_or_default();
    InfraConfig {
        port_bindings: BTreeMap::new(),
        host_network: request.networks.iter().any(|network| network == "host"),
        static_ip: "",
        static_mac: "",
        no_manage_resolv_conf: request.dns.iter().any(|server| server == "none"),
        dns_server: request.dns.clone(),
        dns_search: request.dns_search.clone(),
        dns_option: request.dns_option.clone(),
        no_manage_hostname: request.no_hostname,
        no_manage_hosts: request.no_hosts,
        host_add: request.add_host.clone(),
        hosts_file: text(&request.hosts_file),
        networks: Vec::new(),
        network_options: BTreeMap::new(),
        pid_ns: text(&request.pid),
        userns: text(&request.userns),
        uts_ns: text(&request.uts),
    }
}
