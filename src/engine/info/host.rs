// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `info` tells of the machine, read from /proc, /sys and /etc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::Uid;
use serde::Serialize;

use super::version::VERSION;
use crate::network::uplink::Kind;
use crate::oci::Platform;
use crate::runtime::capability::PODMAN_DEFAULT;
use crate::runtime::idmap::IdMapping;
use crate::runtime::subid::holder_map;
use crate::state::dirs::Dirs;
use crate::sys::kernel;

/// Podman's document of a host.
#[derive(Debug, Serialize)]
#[serde(rename = "define.HostInfo")]
pub(super) struct Host {
    #[serde(rename = "Arch,arch")]
    arch: String,
    #[serde(rename = "BuildahVersion,buildahVersion")]
    buildah_version: &'static str,
    #[serde(rename = "CgroupManager,cgroupManager")]
    cgroup_manager: &'static str,
    #[serde(rename = "CgroupsVersion,cgroupVersion")]
    pub(super) cgroups_version: &'static str,
    #[serde(rename = "CgroupControllers,cgroupControllers")]
    cgroup_controllers: Vec<String>,
    #[serde(rename = "Conmon,conmon")]
    conmon: Packaged,
    #[serde(rename = "CPUs,cpus")]
    pub(super) cpus: u64,
    #[serde(rename = "CPUUtilization,cpuUtilization")]
    cpu_utilization: CpuUsage,
    #[serde(rename = "DatabaseBackend,databaseBackend")]
    database_backend: &'static str,
    #[serde(rename = "Distribution,distribution")]
    pub(super) distribution: Distribution,
    #[serde(rename = "EventLogger,eventLogger")]
    event_logger: &'static str,
    #[serde(rename = "Hostname,hostname")]
    pub(super) hostname: String,
    #[serde(rename = "IDMappings,idMappings")]
    id_mappings: IdMappings,
    #[serde(rename = "Kernel,kernel")]
    pub(super) kernel: String,
    #[serde(rename = "LogDriver,logDriver")]
    pub(super) log_driver: String,
    #[serde(rename = "MemFree,memFree")]
    mem_free: u64,
    #[serde(rename = "MemTotal,memTotal")]
    pub(super) mem_total: u64,
    #[serde(rename = "NetworkBackend,networkBackend")]
    network_backend: &'static str,
    #[serde(rename = "NetworkBackendInfo,networkBackendInfo")]
    network_backend_info: NetworkInfo,
    #[serde(rename = "OCIRuntime,ociRuntime")]
    oci_runtime: Runtime,
    #[serde(rename = "OS,os")]
    os: &'static str,
    #[serde(rename = "RemoteSocket,remoteSocket")]
    remote_socket: Socket,
    #[serde(rename = "RootlessNetworkCmd,rootlessNetworkCmd")]
    rootless_network_cmd: &'static str,
    #[serde(rename = "ServiceIsRemote,serviceIsRemote")]
    service_is_remote: bool,
    #[serde(rename = "Security,security")]
    pub(super) security: Security,
    #[serde(rename = "Slirp4NetNS,slirp4netns")]
    slirp4netns: NetworkProgram,
    #[serde(rename = "Pasta,pasta")]
    pasta: NetworkProgram,
    #[serde(rename = "SwapFree,swapFree")]
    swap_free: u64,
    #[serde(rename = "SwapTotal,swapTotal")]
    swap_total: u64,
    #[serde(rename = "Uptime,uptime")]
    uptime: String,
    #[serde(rename = "Variant,variant")]
    variant: String,
    #[serde(rename = "Linkmode,linkmode")]
    linkmode: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.ConmonInfo")]
struct Packaged {
    #[serde(rename = "Package,package")]
    package: String,
    #[serde(rename = "Path,path")]
    path: String,
    #[serde(rename = "Version,version")]
    version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.OCIRuntimeInfo")]
struct Runtime {
    #[serde(rename = "Name,name")]
    name: &'static str,
    #[serde(rename = "Package,package")]
    package: String,
    #[serde(rename = "Path,path")]
    path: String,
    #[serde(rename = "Version,version")]
    version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "types.NetworkInfo")]
struct NetworkInfo {
    #[serde(rename = "Backend,backend")]
    backend: &'static str,
    #[serde(rename = "Version,version")]
    version: String,
    #[serde(rename = "Package,package")]
    package: String,
    #[serde(rename = "Path,path")]
    path: String,
    #[serde(rename = "DNS,dns")]
    dns: Packaged,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.PastaInfo")]
struct NetworkProgram {
    #[serde(rename = "Executable,executable")]
    executable: String,
    #[serde(rename = "Package,package")]
    package: String,
    #[serde(rename = "Version,version")]
    version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.RemoteSocket")]
struct Socket {
    #[serde(rename = "Path,path,omitempty")]
    path: String,
    #[serde(rename = "Exists,exists")]
    exists: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.CPUUsage")]
struct CpuUsage {
    #[serde(rename = "UserPercent,userPercent")]
    user: f64,
    #[serde(rename = "SystemPercent,systemPercent")]
    system: f64,
    #[serde(rename = "IdlePercent,idlePercent")]
    idle: f64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename = "define.DistributionInfo")]
pub(super) struct Distribution {
    #[serde(rename = "Distribution,distribution")]
    id: String,
    #[serde(rename = "Variant,variant,omitempty")]
    variant: String,
    #[serde(rename = "Version,version")]
    version: String,
    #[serde(rename = "Codename,codename,omitempty")]
    codename: String,
    #[serde(rename = "PrettyName,-")]
    pub(super) pretty_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.IDMappings")]
struct IdMappings {
    #[serde(rename = "GIDMap,gidmap")]
    gids: Vec<Extent>,
    #[serde(rename = "UIDMap,uidmap")]
    uids: Vec<Extent>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "idtools.IDMap")]
struct Extent {
    #[serde(rename = "ContainerID,container_id")]
    inside: u32,
    #[serde(rename = "HostID,host_id")]
    outside: u32,
    #[serde(rename = "Size,size")]
    count: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename = "define.SecurityInfo")]
pub(super) struct Security {
    #[serde(rename = "AppArmorEnabled,apparmorEnabled")]
    pub(super) apparmor: bool,
    #[serde(rename = "DefaultCapabilities,capabilities")]
    capabilities: String,
    #[serde(rename = "Rootless,rootless")]
    pub(super) rootless: bool,
    #[serde(rename = "SECCOMPEnabled,seccompEnabled")]
    pub(super) seccomp: bool,
    #[serde(rename = "SECCOMPProfilePath,seccompProfilePath")]
    seccomp_profile: &'static str,
    #[serde(rename = "SELinuxEnabled,selinuxEnabled")]
    selinux: bool,
}

impl Distribution {
    /// Its version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

/// What `info` tells of the host.
pub(super) fn host(dirs: &Dirs, log_driver: String) -> Host {
    let own = own_path();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let platform = Platform::host();
    Host {
        arch: platform.architecture,
        // The level of the builder's language; there is no builder yet.
        buildah_version: "0.0.0",
        cgroup_manager: "cgroupfs",
        cgroups_version: if is_unified() { "v2" } else { "v1" },
        cgroup_controllers: controllers(),
        conmon: Packaged {
            package: format!("coracle {VERSION} (its own monitor stands in for conmon)"),
            path: own.clone(),
            version: format!("coracle version {VERSION}"),
        },
        cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        cpu_utilization: cpu_usage(&fs::read_to_string("/proc/stat").unwrap_or_default()),
        database_backend: "files",
        distribution: distribution(),
        event_logger: if dirs.events.is_none() {
            "none"
        } else {
            "file"
        },
        hostname: first_line("/proc/sys/kernel/hostname"),
        id_mappings: id_mappings(),
        kernel: kernel::release(),
        log_driver,
        mem_free: kilobytes(&memory, "MemFree"),
        mem_total: kilobytes(&memory, "MemTotal"),
        // Whose documents and commands are answered: scripts branch on this name.
        network_backend: "netavark",
        network_backend_info: NetworkInfo {
            backend: "netavark",
            version: format!("coracle {VERSION}"),
            package: format!("coracle {VERSION}"),
            path: own.clone(),
            dns: Packaged {
                package: format!("coracle {VERSION} (its network helper answers)"),
                path: own.clone(),
                version: format!("coracle {VERSION}"),
            },
        },
        oci_runtime: Runtime {
            name: "coracle",
            package: format!("coracle {VERSION}"),
            path: own.clone(),
            version: format!("coracle version {VERSION}\nspec: 1.3.0"),
        },
        os: "linux",
        remote_socket: remote_socket(dirs),
        rootless_network_cmd: rootless_network_cmd(),
        service_is_remote: false,
        security: security(),
        slirp4netns: executable(Kind::Slirp4netns),
        pasta: executable(Kind::Pasta),
        swap_free: kilobytes(&memory, "SwapFree"),
        swap_total: kilobytes(&memory, "SwapTotal"),
        uptime: uptime(&first_line("/proc/uptime")),
        variant: platform.variant,
        linkmode: if cfg!(target_feature = "crt-static") {
            "static"
        } else {
            "dynamic"
        },
    }
}

fn own_path() -> String {
    let path = fs::read_link("/proc/self/exe").unwrap_or_default();
    path.to_string_lossy().into_owned()
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Whether /sys/fs/cgroup itself is the tree of cgroup v2.
fn is_unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The controllers that this user can hand on to containers.
fn controllers() -> Vec<String> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Vec::new();
    };
    let text = first_line(&format!("/sys/fs/cgroup{path}/cgroup.controllers"));
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// `Key:   123 kB` in bytes.
fn kilobytes(meminfo: &str, key: &str) -> u64 {
    let mut lines = meminfo.lines();
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = value.and_then(|value| value.split_ascii_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Shares of the time since boot, of all processors together.
fn cpu_usage(stat: &str) -> CpuUsage {
    let numbers: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(1)
        .filter_map(|number| number.parse().ok())
        .collect();
    let total: f64 = numbers.iter().sum();
    let share = |index: usize| {
        let part = numbers.get(index).copied().unwrap_or(0.0);
        let percent = if total > 0.0 {
            part * 100.0 / total
        } else {
            0.0
        };
        (percent * 100.0).round() / 100.0
    };
    CpuUsage {
        user: share(0),
        system: share(2),
        idle: share(3),
    }
}

fn distribution() -> Distribution {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let value = |key: &str| {
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().trim_matches('"').to_owned()
    };
    let or_unknown = |text: String| {
        if text.is_empty() {
            "unknown".to_owned()
        } else {
            text
        }
    };
    Distribution {
        id: or_unknown(value("ID")),
        variant: value("VARIANT_ID"),
        version: or_unknown(value("VERSION_ID")),
        codename: value("VERSION_CODENAME"),
        pretty_name: value("PRETTY_NAME"),
    }
}

fn id_mappings() -> IdMappings {
    let maps = holder_map().maps;
    let extents = |map: &[IdMapping]| {
        let extent = |one: &IdMapping| Extent {
            inside: one.inside,
            outside: one.outside,
            count: one.count,
        };
        map.iter().map(extent).collect()
    };
    IdMappings {
        gids: extents(&maps.gids),
        uids: extents(&maps.uids),
    }
}

fn remote_socket(dirs: &Dirs) -> Socket {
    let path = dirs.run_root.join("podman.sock");
    Socket {
        exists: path.exists(),
        path: path.to_string_lossy().into_owned(),
    }
}

fn security() -> Security {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Security {
        apparmor: first_line("/sys/module/apparmor/parameters/enabled") == "Y",
        capabilities: PODMAN_DEFAULT.join(","),
        rootless: !Uid::effective().is_root(),
        seccomp: status.lines().any(|line| line.starts_with("Seccomp:")),
        seccomp_profile: "built in",
        selinux: Path::new("/sys/fs/selinux/enforce").exists(),
    }
}

/// What connects a container for which no network was named.
fn rootless_network_cmd() -> &'static str {
    let found = Kind::ALL.into_iter().find(|kind| find(*kind).is_some());
    found.unwrap_or(Kind::Pasta).name()
}

fn find(kind: Kind) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(kind.name()));
    candidates.find(|candidate| candidate.is_file())
}

fn executable(kind: Kind) -> NetworkProgram {
    let Some(path) = find(kind) else {
        return NetworkProgram {
            executable: String::new(),
            package: String::new(),
            version: String::new(),
        };
    };
    let output = Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    NetworkProgram {
        executable: path.to_string_lossy().into_owned(),
        package: "Unknown".to_owned(),
        version: String::from_utf8_lossy(&text).trim_end().to_owned(),
    }
}

/// Seconds since boot as `0h 47m 31.00s`, with the days behind it once there is one.
fn uptime(proc_uptime: &str) -> String {
    let whole = proc_uptime.split(['.', ' ']).next().unwrap_or_default();
    let seconds: u64 = whole.parse().unwrap_or(0);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let clock = format!("{hours}h {minutes}m {}.00s", seconds % 60);
    match hours / 24 {
        0 => clock,
        // Podman's words, which count hours as parts of days.
        days => {
            let hundredths = hours % 24 * 100 / 24;
            format!("{clock} (Approximately {days}.{hundredths:02} days)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(
            kilobytes("MemTotal:  12 kB\nMemFree: 3 kB\n", "MemFree"),
            3072
        );
        assert_eq!(kilobytes("", "MemFree"), 0);
        let usage = cpu_usage("cpu  10 0 30 60 0 0 0 0 0 0\ncpu0 1 2 3\n");
        assert!((usage.user - 10.0).abs() < 0.001 && (usage.idle - 60.0).abs() < 0.001);
        assert_eq!(uptime("2851.77 5000.1"), "0h 47m 31.00s");
        assert_eq!(
            uptime("180000.0 1"),
            "50h 0m 0.00s (Approximately 2.08 days)"
        );
        assert_eq!(uptime(""), "0h 0m 0.00s");
    }
}
