// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two documents of a container: `container.json` (what it is: what the user asked for and
//! what that resolved to) and `state.json` (what it is doing now; worthless after a reboot).
//!
//! Every field has a default, so that a record written by an older coracle still reads.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connection::{Attachment, NetworkRequest, PublishedPort};
use super::health::{HealthRequest, HealthSettings};
use super::id::{ContainerId, PodId};
use super::limits::Limits;

/// A document of which only what says something is written: most of what can be asked for is not,
/// and lists read a thousand of them.
macro_rules! sparse {
    (
        $(#[$about:meta])*
        pub struct $name:ident { $($(#[$field_about:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$about])*
        #[derive(Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_about])* #[serde(skip_serializing_if = "is_default")] pub $field: $type,)*
        }
    };
}

/// Whether a field says nothing.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `container.json`: what a container is. Replaced as a whole, never edited in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// The container's id.
    pub id: ContainerId,
    /// Its unique name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// What the user asked for, as asked.
    pub request: ContainerRequest,
    /// What that resolved to.
    pub resolved: Resolved,
}

impl ContainerRecord {
    /// The mounts that the container has besides those of every container.
    pub fn mounts(&self) -> &[MountRequest] {
        let resolved = self.resolved.mounts.as_ref();
        resolved.unwrap_or(&self.request.mounts)
    }
}

sparse! {
/// What the user asked of a new container: plain data, complete before anything is done.
///
/// Values are kept as typed where their meaning depends on the moment of the start (a user name,
/// a network), so that inspect can show them and a later start can resolve them again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerRequest {
    /// The image as typed; empty with `--rootfs`.
    pub image: String,
    /// `--rootfs PATH[:O]` in place of an image.
    pub rootfs: Option<RootfsRequest>,
    /// The words after the image.
    pub command: Vec<String>,
    /// `--entrypoint`: `Some(vec![])` clears the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `--name`.
    pub name: Option<String>,
    /// `-e` and `--env-file`, in order, already merged with the caller's values.
    pub env: Vec<(String, String)>,
    /// `--unsetenv`.
    pub unset_env: Vec<String>,
    /// `--unsetenv-all`.
    pub unset_env_all: bool,
    /// `-w`.
    pub workdir: Option<String>,
    /// `-u USER[:GROUP]`, as typed.
    pub user: Option<String>,
    /// `--group-add`; may hold `keep-groups`.
    pub group_add: Vec<String>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--label` and `--label-file`.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: BTreeMap<String, String>,
    /// `-t`.
    pub tty: bool,
    /// `-i`.
    pub interactive: bool,
    /// `-a`: of `stdin`, `stdout`, `stderr`; empty is the default of the command.
    pub attach: Vec<String>,
    /// `--detach-keys`; `Some("")` disables them.
    pub detach_keys: Option<String>,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--rmi`.
    pub remove_image: bool,
    /// `--init`.
    pub init: bool,
    /// `--network`, repeated; empty is the default network.
    pub networks: Vec<String>,
    /// Where the container finds the host, where containers.conf says so.
    pub host_address: Option<IpAddr>,
    /// `--ip`.
    pub ip: Option<String>,
    /// `--ip6`.
    pub ip6: Option<String>,
    /// `--mac-address`.
    pub mac_address: Option<String>,
    /// `--network-alias`.
    pub network_alias: Vec<String>,
    /// `-p`, as typed.
    pub publish: Vec<String>,
    /// `-P`.
    pub publish_all: bool,
    /// `--expose`.
    pub expose: Vec<String>,
    /// `--dns`.
    pub dns: Vec<String>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    pub dns_option: Vec<String>,
    /// `--add-host NAME:IP`.
    pub add_host: Vec<String>,
    /// `--no-hosts`.
    pub no_hosts: bool,
    /// `--no-hostname`.
    pub no_hostname: bool,
    /// `-v`, `--mount`, `--tmpfs` and `--device` mounts, in the order typed.
    pub mounts: Vec<MountRequest>,
    /// `--volumes-from CONTAINER[:OPTIONS]`, as typed.
    pub volumes_from: Vec<String>,
    /// `--device`, as typed.
    pub devices: Vec<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--read-only-tmpfs=false` with `--read-only`: no tmpfs on /run, /tmp and /var/tmp.
    pub no_read_only_tmpfs: bool,
    /// `--shm-size` in bytes.
    pub shm_size_bytes: Option<u64>,
    /// `--cap-add`, normalised to `CAP_NAME` or `ALL`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, normalised to `CAP_NAME` or `ALL`.
    pub cap_drop: Vec<String>,
    /// `--privileged`.
    pub privileged: bool,
    /// `--security-opt`, as typed.
    pub security_opt: Vec<String>,
    /// `--ulimit`; a single one called `host` keeps the caller's limits.
    pub ulimits: Vec<Ulimit>,
    /// `--sysctl`.
    pub sysctls: BTreeMap<String, String>,
    /// `--userns` as typed; `None` is the default map.
    pub userns: Option<String>,
    /// `--uidmap`, as typed.
    pub uidmap: Vec<String>,
    /// `--gidmap`, as typed.
    pub gidmap: Vec<String>,
    /// `--pid`: `private`, `host`, `container:ID`, `ns:PATH`.
    pub pid: Option<String>,
    /// `--ipc`: `private`, `shareable`, `none`, `host`, `container:ID`, `ns:PATH`.
    pub ipc: Option<String>,
    /// `--uts`: `private`, `host`, `container:ID`, `ns:PATH`.
    pub uts: Option<String>,
    /// `--cgroupns`: `private`, `host`.
    pub cgroupns: Option<String>,
    /// `--cgroups`: `enabled`, `disabled`, `no-conmon`, `split`.
    pub cgroups: Option<String>,
    /// `--cgroup-parent`: below which cgroup its own is made.
    pub cgroup_parent: Option<String>,
    /// What it may use of the machine.
    pub limits: Limits,
    /// `--stop-signal`, as typed.
    pub stop_signal: Option<String>,
    /// `--stop-timeout` in seconds.
    pub stop_timeout_seconds: Option<u64>,
    /// `--timeout` in seconds: kill the container after this long.
    pub timeout_seconds: Option<u64>,
    /// `--restart`, as typed.
    pub restart: Option<String>,
    /// `--log-driver`.
    pub log_driver: Option<String>,
    /// `--log-opt`; `max-size` in bytes, 0 is never.
    pub log_opts: BTreeMap<String, String>,
    /// `--cidfile`.
    pub cidfile: Option<PathBuf>,
    /// `--pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `--conmon-pidfile`: the monitor's pid.
    pub monitor_pidfile: Option<PathBuf>,
    /// `--preserve-fds`: this many descriptors after 2 are passed.
    pub preserve_fds: u32,
    /// `--preserve-fd`: these descriptors are passed.
    pub preserve_fd: Vec<i32>,
    /// `--tz`.
    pub timezone: Option<String>,
    /// `--sdnotify`.
    pub sdnotify: NotifyMode,
    /// `NOTIFY_SOCKET` of who made it, unless nobody is to be notified.
    pub notify_socket: Option<PathBuf>,
    /// `--umask`.
    pub umask: Option<String>,
    /// `--env-host`: the caller's environment is part of `env` already.
    pub env_host: bool,
    /// `--http-proxy=false`.
    pub no_http_proxy: bool,
    /// `--oom-score-adj`.
    pub oom_score_adj: Option<i32>,
    /// `--passwd=false`: do not add an entry for the user to /etc/passwd.
    pub no_passwd: bool,
    /// `--passwd-entry`.
    pub passwd_entry: Option<String>,
    /// `--group-entry`.
    pub group_entry: Option<String>,
    /// `--runtime`, where it is a path.
    pub runtime: Option<String>,
    /// `--default-mounts-file`: in place of mounts.conf.
    pub default_mounts_file: Option<PathBuf>,
    /// `--hooks-dir`, or what containers.conf names: in place of the usual directories.
    pub hooks_dirs: Vec<PathBuf>,
    /// `--storage-opt engine=…`.
    pub storage_engine: Option<String>,
    /// `--systemd`: `true`, `false`, `always`.
    pub systemd: Option<String>,
    /// `--hostuser`: accounts of the host that get an entry in /etc/passwd.
    pub host_users: Vec<String>,
    /// `--hosts-file`: the base of /etc/hosts: a host path, `image` or `none`.
    pub hosts_file: Option<String>,
    /// `--image-volume`: `anonymous`, `bind`, `tmpfs`, `ignore`.
    pub image_volume: Option<String>,
    /// `--platform`, or `--os`, `--arch` and `--variant` joined: `OS[/ARCH[/VARIANT]]`.
    pub platform: Option<String>,
    /// `--replace`: remove a container of the same name first.
    pub replace: bool,
    /// `--no-healthcheck`: the image's health check is not used.
    pub no_healthcheck: bool,
    /// `--health-*`.
    pub health: Option<HealthRequest>,
    /// The command line that created it, for inspect.
    pub create_command: Vec<String>,
    /// `--pod`, as typed: a name, an id or `new:NAME`.
    pub pod: Option<String>,
    /// `--secret`, without anything secret.
    pub secrets: Vec<SecretRequest>,
}
}

/// One `--secret SOURCE[,…]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRequest {
    /// Its name or id, as typed.
    pub source: String,
    /// How the container has it.
    pub place: SecretPlace,
}

/// Where a container finds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretPlace {
    /// In a file.
    Mount {
        /// A path, below /run/secrets where it is relative; the secret's name without one.
        target: Option<String>,
        /// Its owner inside.
        uid: u32,
        /// Its group inside.
        gid: u32,
        /// Its permissions.
        mode: u32,
    },
    /// In its environment.
    Env {
        /// The variable.
        target: String,
    },
}

/// Who tells a service manager that the container is ready (`--sdnotify`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyMode {
    /// It does itself.
    #[default]
    Container,
    /// The monitor, as soon as the container runs.
    Conmon,
    /// The monitor, once the container is healthy.
    Healthy,
    /// Nobody.
    Ignore,
}

impl NotifyMode {
    /// The mode of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "container" => Some(Self::Container),
            "conmon" => Some(Self::Conmon),
            "healthy" => Some(Self::Healthy),
            "ignore" => Some(Self::Ignore),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Conmon => "conmon",
            Self::Healthy => "healthy",
            Self::Ignore => "ignore",
        }
    }
}

/// `--rootfs PATH[:O][:idmap]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootfsRequest {
    /// An absolute host path.
    pub host_path: PathBuf,
    /// `:O`: changes go to a throw-away upper layer.
    pub overlay: bool,
}

/// One mount asked for with `-v`, `--mount` or `--tmpfs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MountRequest {
    /// What is mounted.
    pub kind: MountKind,
    /// An absolute host path (bind), a name (volume, image, artifact), empty otherwise.
    pub source: String,
    /// An absolute path in the container.
    pub container_path: String,
    /// Options as typed (`ro`, `rslave`, `size=64m`, `U`, `z`…).
    pub options: Vec<String>,
}

/// The kinds of a [`MountRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind,
    /// A named or anonymous volume.
    Volume,
    /// A file system in memory.
    Tmpfs,
    /// A throw-away overlay over a directory of the host (`-v src:dst:O`).
    Overlay,
    /// A pseudo-terminal file system.
    Devpts,
    /// A ramfs.
    Ramfs,
    /// An image's root file system.
    Image,
    /// The files of an artifact.
    Artifact,
}

/// One `--ulimit NAME=SOFT:HARD`; `u64::MAX` is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Lower-case name without `RLIMIT_`, such as `nofile`.
    pub name: String,
    /// The soft limit.
    pub soft: u64,
    /// The hard limit.
    pub hard: u64,
}

sparse! {
/// What a request resolved to when the container was created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// The image's id: 64 hexadecimal digits of its configuration; empty with `--rootfs`.
    pub image_id: String,
    /// The image's full name, such as `docker.io/library/busybox:latest`.
    pub image_name: String,
    /// The manifest's digest, with its algorithm.
    pub image_digest: String,
    /// Chain ids of the layers, lowest first.
    pub layers: Vec<String>,
    /// Entry point of the image or of the request.
    pub entrypoint: Vec<String>,
    /// Command of the image or of the request.
    pub command: Vec<String>,
    /// The container's environment, without what depends on the moment of a start.
    pub env: Vec<(String, String)>,
    /// Working directory; `/` when nothing names one.
    pub workdir: String,
    /// `USER[:GROUP]` of the request or of the image; empty is root.
    pub user: String,
    /// Host name inside.
    pub hostname: String,
    /// Labels of the image and of the request.
    pub labels: BTreeMap<String, String>,
    /// The capabilities that additions and removals start from, where containers.conf names
    /// them; empty: the usual ones.
    pub default_capabilities: Vec<String>,
    /// Whether it has what systemd needs.
    pub systemd: bool,
    /// Number of the stop signal.
    pub stop_signal: i32,
    /// Seconds between the stop signal and SIGKILL.
    pub stop_timeout_seconds: u64,
    /// `k8s-file`, `json-file`, `journald`, `none`, `passthrough` or `passthrough-tty`.
    pub log_driver: String,
    /// Where the log is written.
    pub log_path: PathBuf,
    /// Rotation size of the log in bytes; 0 is never.
    pub log_size_max_bytes: u64,
    /// `VOLUME`s of the image.
    pub volumes: Vec<String>,
    /// `EXPOSE`d ports of the image and of the request.
    pub exposed_ports: Vec<String>,
    /// All mounts, where they are more than what was asked for: with those of the image and of
    /// other containers, and with names for volumes that had none.
    pub mounts: Option<Vec<MountRequest>>,
    /// With `--userns auto`: the ids that are this container's alone.
    pub id_maps: Option<RecordedMaps>,
    /// The networks that it is in, the one with the default route first; `None` where it has no
    /// bridge.
    pub networks: Option<Vec<NetworkRequest>>,
    /// The pod that it belongs to.
    pub pod: Option<PodId>,
    /// What it is in its pod.
    pub role: PodRole,
    /// How its health is told, if it is.
    pub health: Option<HealthSettings>,
    /// What the names of the request's secrets meant, in their order.
    pub secrets: Vec<ResolvedSecret>,
}
}

/// The secret that a name meant when the container was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedSecret {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What a container is in its pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodRole {
    /// One that the user put there.
    #[default]
    Member,
    /// The one that holds what the others share.
    Infra,
}

/// The id maps of a container, in terms of the user's own namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedMaps {
    /// The user ids.
    pub uids: Vec<IdExtent>,
    /// The group ids.
    pub gids: Vec<IdExtent>,
}

/// One extent of a map: the first id inside, the first outside, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdExtent(pub u32, pub u32, pub u32);

sparse! {
/// `state.json`: what a container is doing now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerState {
    /// What the last writer knew; [`super::liveness`] says what is true now.
    pub status: Status,
    /// The machine, boot and pid namespace that the pids below belong to.
    pub place: Place,
    /// The monitor.
    pub monitor: Option<ProcessIdentity>,
    /// The container's first process, as seen from the caller's pid namespace.
    pub container: Option<ProcessIdentity>,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
    /// Its exit code (128+n after signal n).
    pub exit_code: Option<i32>,
    /// Whether the kernel's memory killer ended it.
    pub oom_killed: bool,
    /// Why it could not start or how it was lost, in words.
    pub error: String,
    /// Whether `stop` or `kill` ended it.
    pub stopped_by_user: bool,
    /// The `stop` that waits for its end: while that process lives, the container is stopping.
    pub stopping: Option<ProcessIdentity>,
    /// Whether `restart` ends it: `--rm` does not apply to that end.
    pub restarting: bool,
    /// Whether its monitor is to start it again after this end, whatever its restart policy.
    pub revived: bool,
    /// How often a restart policy started it again.
    pub restart_count: u32,
    /// The cgroup made for it, as a path below the cgroup2 mount; empty when none was made.
    pub cgroup_path: String,
    /// The engine that serves its root: `kernel`, `hybrid`, `fuse`, `bind`.
    pub storage_engine: String,
    /// Why it is that one.
    pub storage_reason: String,
    /// Children that outlive nothing but must end with it (network helpers, FUSE servers).
    pub helpers: Vec<ProcessIdentity>,
    /// What tells its processes, where no pid namespace of its own ends them.
    pub mounts: Option<MountNamespace>,
    /// What it has in its networks.
    pub attachments: Vec<Attachment>,
    /// Its published ports, with the numbers that they have on the host.
    pub ports: Vec<PublishedPort>,
}
}

/// A mount namespace that no other container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountNamespace {
    /// Its name in /proc/PID/ns; another one may get the same when it is gone.
    pub name: PathBuf,
    /// Its file handle, which no later one has; none on older kernels.
    pub handle: Option<String>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Created, never started.
    #[default]
    Created,
    /// Its first process runs.
    Running,
    /// Frozen.
    Paused,
    /// Ended.
    Exited,
    /// Ended, and its monitor waits to start it again.
    Restarting,
}

/// A boot of a machine, seen from one pid namespace: pids of another place say nothing here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// /etc/machine-id, or the host name where there is none.
    pub machine: String,
    /// /proc/sys/kernel/random/boot_id.
    pub boot_id: String,
    /// Inode of /proc/self/ns/pid.
    pub pid_namespace: u64,
}

/// A process that cannot be confused with a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: i32,
    /// Field 22 of /proc/PID/stat, in clock ticks since boot.
    pub start_time: u64,
}

#[cfg(test)]
mod tests;
