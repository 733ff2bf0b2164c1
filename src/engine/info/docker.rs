// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The facts of `info` under the flat names that Docker gives them.

use serde::Serialize;

use super::Info;
use super::version::VERSION;

/// Docker's document.
#[derive(Debug, Serialize)]
#[serde(rename = "system.Info", rename_all = "PascalCase")]
pub struct DockerInfo {
    #[serde(rename = "ID")]
    id: String,
    containers: u64,
    containers_running: u64,
    containers_paused: u64,
    containers_stopped: u64,
    images: u64,
    driver: &'static str,
    driver_status: Vec<[String; 2]>,
    logging_driver: String,
    cgroup_driver: &'static str,
    cgroup_version: &'static str,
    kernel_version: String,
    operating_system: String,
    #[serde(rename = "OSVersion")]
    os_version: String,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    architecture: &'static str,
    #[serde(rename = "NCPU")]
    cpus: u64,
    mem_total: u64,
    docker_root_dir: String,
    name: String,
    labels: Vec<String>,
    experimental_build: bool,
    server_version: &'static str,
    default_runtime: &'static str,
    live_restore_enabled: bool,
    init_binary: &'static str,
    security_options: Vec<&'static str>,
    swarm: Swarm,
    warnings: Vec<String>,
    client_info: Client,
}

#[derive(Debug, Serialize)]
#[serde(rename = "swarm.Info", rename_all = "PascalCase")]
struct Swarm {
    #[serde(rename = "NodeID")]
    node_id: &'static str,
    local_node_state: &'static str,
    control_available: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename = "system.clientInfo", rename_all = "PascalCase")]
struct Client {
    debug: bool,
    version: &'static str,
    context: &'static str,
    plugins: Vec<String>,
}

/// Docker's words for the facts of `info`.
pub(super) fn document(info: &Info) -> DockerInfo {
    let (host, store) = (&info.host, &info.store);
    let mut security_options = Vec::new();
    for (on, name) in [
        (host.security.apparmor, "name=apparmor"),
        (host.security.seccomp, "name=seccomp,profile=builtin"),
        (host.security.rootless, "name=rootless"),
        (true, "name=cgroupns"),
    ] {
        if on {
            security_options.push(name);
        }
    }
    let status = |(key, value): (&&'static str, &String)| [(*key).to_owned(), value.clone()];
    DockerInfo {
        id: String::new(),
        containers: store.containers.number,
        containers_running: store.containers.running,
        containers_paused: store.containers.paused,
        containers_stopped: store.containers.stopped,
        images: store.images.number,
        driver: "overlay2",
        driver_status: store.status.iter().map(status).collect(),
        logging_driver: host.log_driver.clone(),
        cgroup_driver: "cgroupfs",
        cgroup_version: host.cgroups_version.trim_start_matches('v'),
        kernel_version: host.kernel.clone(),
        operating_system: host.distribution.pretty_name.clone(),
        os_version: host.distribution.version().to_owned(),
        os_type: "linux",
        architecture: std::env::consts::ARCH,
        cpus: host.cpus,
        mem_total: host.mem_total,
        docker_root_dir: store.graph_root.clone(),
        name: host.hostname.clone(),
        labels: Vec::new(),
        experimental_build: false,
        server_version: VERSION,
        default_runtime: "coracle",
        live_restore_enabled: false,
        init_binary: "",
        security_options,
        swarm: Swarm {
            node_id: "",
            local_node_state: "inactive",
            control_available: false,
        },
        warnings: Vec::new(),
        client_info: Client {
            debug: false,
            version: VERSION,
            context: "default",
            plugins: Vec::new(),
        },
    }
}
