// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The OCI runtime spec of a container, computed from its record and from what the host offers
//! at this moment. Nothing here touches the host; all that it asks is the caller's own limits, and
//! whether what the user mounts has room for other mounts.

mod mount_entry;
mod mounts;
mod room;
mod security;
pub(super) mod systemd;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxCapabilities, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, Root, Spec,
    User,
};

pub(in crate::engine) use mounts::bind;
pub use security::{SecurityError, SecurityOptions};

use super::Dialect;
use super::secret::SecretFile;
use crate::config::mounts_conf::DefaultMount;
use crate::runtime::capability::{self, DOCKER_ADDS, PODMAN_DEFAULT};
use crate::state::record::{ContainerRecord, MountRequest};
use crate::sys::process::{Resource, rlimit};

/// What a spec needs to know besides the record.
#[derive(Debug, Clone)]
pub struct SpecContext {
    /// Whose defaults apply.
    pub dialect: Dialect,
    /// The namespaces, resolved: where each kind comes from.
    pub namespaces: Vec<(LinuxNamespaceType, NamespaceSource)>,
    /// Directory of the container's own hosts, hostname and resolv.conf files.
    pub files: PathBuf,
    /// Which of them are mounted: names below /etc.
    pub etc_files: Vec<&'static str>,
    /// Whether group 5 (tty) is mapped.
    pub tty_group_mapped: bool,
    /// The groups that may send pings, from one to another: all that are mapped, where these are
    /// a range outside, too.
    pub ping_groups: (u32, u32),
    /// Whether a cgroup2 tree can be shown.
    pub cgroup2: bool,
    /// Device nodes of the host to show, for `--privileged`.
    pub host_devices: Vec<PathBuf>,
    /// Copies of what mounts.conf names.
    pub default_mounts: Vec<DefaultMount>,
    /// Files of secrets, on the host and inside.
    pub secrets: Vec<SecretFile>,
    /// Where a shared /dev/shm comes from, with `--ipc host` or `container:ID`.
    pub shared_shm: Option<PathBuf>,
    /// The user's mounts, volumes among them as binds of their directories.
    pub mounts: Vec<MountRequest>,
    /// Parsed `--security-opt`.
    pub security: SecurityOptions,
}

/// Where a namespace comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceSource {
    /// A new one.
    Private,
    /// The caller's.
    Host,
    /// The one at this path.
    Path(PathBuf),
}

impl SpecContext {
    /// Where namespaces of this kind come from.
    pub fn source(&self, kind: LinuxNamespaceType) -> &NamespaceSource {
        let found = self.namespaces.iter().find(|(each, _)| *each == kind);
        found.map_or(&NamespaceSource::Private, |(_, source)| source)
    }

    fn is_host(&self, kind: LinuxNamespaceType) -> bool {
        *self.source(kind) == NamespaceSource::Host
    }
}

/// The spec of `record` on this host.
pub fn runtime_spec(record: &ContainerRecord, context: &SpecContext) -> Spec {
    let mut spec = Spec::default();
    let mut root = Root::default();
    root.set_readonly(Some(record.request.read_only));
    spec.set_root(Some(root));
    spec.set_process(Some(process(record, context)));
    spec.set_mounts(Some(mounts::mounts(record, context)));
    spec.set_hostname(Some(record.resolved.hostname.clone()));
    spec.set_linux(Some(linux(record, context)));
    spec.set_annotations(Some(
        record
            .request
            .annotations
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    ));
    spec
}

fn process(record: &ContainerRecord, context: &SpecContext) -> Process {
    let tty = record.request.tty;
    let mut process = session_process(record, context.dialect, &context.security, tty);
    let resolved = &record.resolved;
    let words = resolved.entrypoint.iter().chain(&resolved.command);
    process.set_args(Some(words.cloned().collect()));
    let mut environment = process.env().clone().unwrap_or_default();
    systemd::add_variable(record, &mut environment);
    process.set_env(Some(environment));
    process
}

/// The process section without its program: what every program in the container has in common.
pub fn session_process(
    record: &ContainerRecord,
    dialect: Dialect,
    security: &SecurityOptions,
    tty: bool,
) -> Process {
    let request = &record.request;
    let mut process = Process::default();
    // A session without a terminal sees the TERM of a container that has one, as with podman.
    process.set_env(Some(environment(record, tty || request.tty)));
    process.set_cwd(PathBuf::from(&record.resolved.workdir));
    process.set_terminal(Some(tty));
    process.set_no_new_privileges(Some(security.no_new_privileges));
    process.set_capabilities(Some(capabilities(record, dialect)));
    process.set_rlimits(Some(rlimits(record)));
    process.set_oom_score_adj(request.oom_score_adj);
    let mut user = User::default();
    user.set_umask(
        request
            .umask
            .as_deref()
            .and_then(|text| u32::from_str_radix(text, 8).ok()),
    );
    process.set_user(user);
    process
}

/// The environment without HOME, which depends on the user's entry inside.
pub fn environment(record: &ContainerRecord, tty: bool) -> Vec<String> {
    let mut pairs = record.resolved.env.clone();
    let has = |pairs: &[(String, String)], key: &str| pairs.iter().any(|(each, _)| each == key);
    if tty && !has(&pairs, "TERM") {
        pairs.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    if !has(&pairs, "HOSTNAME") && !record.request.unset_env.iter().any(|key| key == "HOSTNAME") {
        pairs.push(("HOSTNAME".to_owned(), record.resolved.hostname.clone()));
    }
    pairs
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

/// The names of the capabilities in the bounding set.
pub fn bounding_set(record: &ContainerRecord, dialect: Dialect) -> BTreeSet<String> {
    let request = &record.request;
    if request.privileged {
        let all = ["ALL".to_owned()];
        return capability::resolve(&[], &all, &request.cap_drop);
    }
    let configured = &record.resolved.default_capabilities;
    let mut default = if configured.is_empty() {
        PODMAN_DEFAULT.to_vec()
    } else {
        configured.iter().map(String::as_str).collect()
    };
    match dialect {
        Dialect::Podman => {}
        Dialect::Docker => default.extend(DOCKER_ADDS),
    }
    capability::resolve(&default, &request.cap_add, &request.cap_drop)
}

fn capabilities(record: &ContainerRecord, dialect: Dialect) -> LinuxCapabilities {
    let bounding = to_set(bounding_set(record, dialect).iter().map(String::as_str));
    // What the user added by name reaches a program of another user than root as well.
    let added = record.request.cap_add.iter().map(String::as_str);
    let ambient: Capabilities = to_set(added).intersection(&bounding).copied().collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(bounding.clone()));
    sets.set_effective(Some(bounding.clone()));
    sets.set_permitted(Some(bounding));
    sets.set_inheritable(Some(Capabilities::new()));
    sets.set_ambient(Some(ambient));
    sets
}

fn to_set<'n>(names: impl Iterator<Item = &'n str>) -> Capabilities {
    names
        .filter_map(|name| name.strip_prefix("CAP_"))
        .filter_map(|name| name.parse::<Capability>().ok())
        .collect()
}

/// Limits that a container has as high as they go, with the kernel's numbers.
const OPEN_ENDED: [(&str, Resource); 2] = [
    ("nofile", nix::libc::RLIMIT_NOFILE),
    ("nproc", nix::libc::RLIMIT_NPROC),
];

/// The limits asked for, and Podman's defaults.
fn rlimits(record: &ContainerRecord) -> Vec<PosixRlimit> {
    const GENEROUS: u64 = 1 << 20;
    let asked = |name: &str| {
        record
            .request
            .ulimits
            .iter()
            .any(|limit| limit.name == name)
    };
    let host = asked("host");
    let mut limits: Vec<(String, u64, u64)> = OPEN_ENDED
        .into_iter()
        .filter(|(name, _)| !host && !asked(name))
        .map(|(name, resource)| {
            // As much of it as this user has: nobody asked for more.
            let most = rlimit(resource).map_or(GENEROUS, |(_, hard)| hard);
            (name.to_owned(), GENEROUS.min(most), GENEROUS.min(most))
        })
        .collect();
    let typed = record
        .request
        .ulimits
        .iter()
        .filter(|limit| limit.name != "host");
    limits.extend(typed.map(|limit| (limit.name.clone(), limit.soft, limit.hard)));
    let build = |(name, soft, hard): (String, u64, u64)| {
        let typ = format!("RLIMIT_{}", name.to_uppercase())
            .parse::<PosixRlimitType>()
            .ok()?;
        PosixRlimitBuilder::default()
            .typ(typ)
            .soft(soft)
            .hard(hard)
            .build()
            .ok()
    };
    limits.into_iter().filter_map(build).collect()
}

fn linux(record: &ContainerRecord, context: &SpecContext) -> Linux {
    let mut linux = Linux::default();
    linux.set_resources(None);
    linux.set_namespaces(Some(namespaces(context)));
    linux.set_sysctl(Some(sysctls(record, context)));
    let (masked, read_only) = security::hidden_paths(record, context);
    linux.set_masked_paths(Some(masked));
    linux.set_readonly_paths(Some(read_only));
    linux.set_devices(None);
    linux.set_rootfs_propagation(mounts::root_propagation(&context.mounts));
    linux
}

fn namespaces(context: &SpecContext) -> Vec<LinuxNamespace> {
    let kinds = [
        LinuxNamespaceType::User,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Network,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Cgroup,
    ];
    let build = |kind: LinuxNamespaceType| {
        let builder = LinuxNamespaceBuilder::default().typ(kind);
        match context.source(kind) {
            NamespaceSource::Host => None,
            NamespaceSource::Private => builder.build().ok(),
            NamespaceSource::Path(path) => builder.path(path.clone()).build().ok(),
        }
    };
    kinds.into_iter().filter_map(build).collect()
}

/// Which groups may open the sockets of ping(8).
const PING_GROUPS: &str = "net.ipv4.ping_group_range";

/// From which port on everybody may listen.
const LOW_PORTS: &str = "net.ipv4.ip_unprivileged_port_start";

/// How TCP finds out how much the network takes. Whom a container speaks with is on this machine,
/// and speaks with the world as the host does: to send at a measured pace would only cost time.
const CONGESTION: &str = "net.ipv4.tcp_congestion_control";

/// ping works for everyone and low ports bind for everyone inside, as people expect of a
/// container that is a machine of its own.
fn sysctls(record: &ContainerRecord, context: &SpecContext) -> HashMap<String, String> {
    let mut values = HashMap::new();
    let (first, last) = context.ping_groups;
    if *context.source(LinuxNamespaceType::Network) == NamespaceSource::Private {
        values.insert(PING_GROUPS.to_owned(), format!("{first} {last}"));
        values.insert(LOW_PORTS.to_owned(), "0".to_owned());
        values.insert(CONGESTION.to_owned(), "reno".to_owned());
    }
    values.extend(
        record
            .request
            .sysctls
            .iter()
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    // What a configuration says for a container whose root group is mapped.
    if let Some(range) = values.get_mut(PING_GROUPS).filter(|range| *range == "0 0") {
        *range = format!("{first} {last}");
    }
    values
}
