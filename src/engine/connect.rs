// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a container is connected: what `--network` means on this host, and the files below /etc
//! that follow from it.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Report;
use crate::config::ConfigError;
use crate::config::containers_conf::ContainersConf;
use crate::network::files::{
    self, HostEntry, Hosts, HostsError, Ipv6, Namespace, Resolver, host_resolv_conf,
};
use crate::network::mode::{ModeError, NetworkMode};
use crate::network::uplink::{self, Kind, NoUplink, Program, Request, Search, slirp4netns};
use crate::state::connection::{ConnectionPlan, PublishedPort};
use crate::state::record::ContainerRecord;
use crate::sys::{Called, SysError};

/// A network that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a mode.
    #[error(transparent)]
    Mode(#[from] ModeError),
    /// The program that was asked for cannot run.
    #[error("--network {mode}")]
    NoUplink {
        /// As typed.
        mode: &'static str,
        /// Why.
        source: NoUplink,
    },
    /// No program can run, and none was asked for.
    #[error(transparent)]
    NothingFound(NoUplink),
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `--add-host`.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// `--hosts-file`.
    #[error("base hosts file {}", path.display())]
    BaseHosts {
        /// As typed.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file of the container's own.
    #[error("write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
}

/// How a container reaches others.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The program that carries its traffic.
    pub uplink: Option<(Program, Request)>,
    /// Whose network it has.
    pub namespace: Namespace,
    /// Whether it has a resolv.conf.
    pub resolves: bool,
    /// The run directory of the container whose network it has.
    pub files_of: Option<PathBuf>,
    /// Its bridge networks, with the addresses that are leased for it.
    pub bridges: Option<ConnectionPlan>,
    /// What the program publishes.
    pub ports: Vec<PublishedPort>,
}

impl Connection {
    /// That of a container whose bridges stand.
    pub fn of_bridges(plan: ConnectionPlan) -> Self {
        Self {
            bridges: Some(plan),
            ..Self::without_program(Namespace::Own, true)
        }
    }

    const fn without_program(namespace: Namespace, resolves: bool) -> Self {
        Self {
            uplink: None,
            namespace,
            resolves,
            files_of: None,
            bridges: None,
            ports: Vec::new(),
        }
    }

    /// Where the network helper reaches the container to serve its ports, where it has a program
    /// for the rest.
    pub fn forwarded_to(&self) -> Option<IpAddr> {
        match &self.uplink {
            Some((_, Request::Slirp4netns(options))) if !self.ports.is_empty() => {
                options.forwarded_to()
            }
            Some((_, Request::Slirp4netns(_) | Request::Pasta(_))) | None => None,
        }
    }

    /// The published ports, whoever serves them.
    pub fn ports(&self) -> &[PublishedPort] {
        let bridges = self.bridges.as_ref();
        bridges.map_or(&self.ports, |plan| &plan.ports)
    }
}

/// What the network of `record` is on this host at this moment. The configuration is only read
/// for what the command line leaves open.
///
/// # Errors
///
/// See [`ConnectError`]; nothing is refused that nobody asked for.
pub fn plan(
    record: &ContainerRecord,
    configuration: &dyn Fn() -> Result<&'static ContainersConf, ConfigError>,
    report: &dyn Report,
) -> Result<Connection, ConnectError> {
    let asked = &record.request.networks;
    if record.resolved.networks.is_some() {
        return Ok(Connection::without_program(Namespace::Own, true));
    }
    let mode = if asked.is_empty() {
        let netns = configuration()?.containers.netns.clone();
        NetworkMode::parse(&netns.into_iter().collect::<Vec<_>>())?
    } else {
        NetworkMode::parse(asked)?
    };
    match mode {
        NetworkMode::None => Ok(Connection::without_program(Namespace::Own, false)),
        NetworkMode::Host => Ok(Connection::without_program(Namespace::Host, true)),
        NetworkMode::Container(_) | NetworkMode::Namespace(_) => {
            Ok(Connection::without_program(Namespace::Own, true))
        }
        NetworkMode::Pasta(words) => {
            let (program, request) = program_of(Kind::Pasta, &words, configuration()?)?;
            Ok(connected(program, request))
        }
        NetworkMode::Slirp4netns(words) => {
            let (program, request) = program_of(Kind::Slirp4netns, &words, configuration()?)?;
            Ok(connected(program, request))
        }
        // A stage in another container's user namespace hides from network programs.
        NetworkMode::Private if joins_container(record) => {
            Ok(Connection::without_program(Namespace::Own, true))
        }
        NetworkMode::Private => Ok(default_connection(configuration()?, report)),
        NetworkMode::Named(_) => Ok(Connection::without_program(Namespace::Own, true)),
    }
}

fn joins_container(record: &ContainerRecord) -> bool {
    let request = &record.request;
    let modes = [&request.pid, &request.ipc, &request.uts];
    modes
        .into_iter()
        .flatten()
        .any(|mode| mode.starts_with("container:"))
}

fn connected(program: Program, request: Request) -> Connection {
    Connection {
        uplink: Some((program, request)),
        ..Connection::without_program(Namespace::Own, true)
    }
}

/// Whether pasta can connect a container here.
pub fn has_pasta() -> bool {
    find(&[Kind::Pasta]).is_ok()
}

/// The program `kind` and what it is asked for: `words` come after those of the configuration, and
/// win.
///
/// # Errors
///
/// [`ConnectError::NoUplink`] with every reason; an option that the configuration has wrong.
pub fn program_of(
    kind: Kind,
    words: &[String],
    conf: &ContainersConf,
) -> Result<(Program, Request), ConnectError> {
    let program = find(&[kind]).map_err(|source| ConnectError::NoUplink {
        mode: kind.name(),
        source,
    })?;
    Ok((program, request_of(kind, words, conf)?))
}

fn request_of(
    kind: Kind,
    words: &[String],
    conf: &ContainersConf,
) -> Result<Request, ConnectError> {
    let configured = match kind {
        Kind::Pasta => &conf.network.pasta_options,
        Kind::Slirp4netns => &conf.engine.network_cmd_options,
    };
    let mut all = configured.clone().unwrap_or_default();
    all.extend_from_slice(words);
    match kind {
        Kind::Pasta => Ok(Request::Pasta(all)),
        Kind::Slirp4netns => {
            let options = slirp4netns::Options::parse(all.iter().map(String::as_str));
            Ok(Request::Slirp4netns(options.map_err(ModeError::from)?))
        }
    }
}

/// The best that there is beside the bridges.
///
/// # Errors
///
/// [`ConnectError::NoUplink`] with every reason.
pub fn uplink_of(conf: &ContainersConf) -> Result<(Program, Request), ConnectError> {
    let preferred = conf.network.default_rootless_network_cmd.as_deref();
    let kinds = match preferred {
        Some("slirp4netns") => [Kind::Slirp4netns, Kind::Pasta],
        _ => Kind::ALL,
    };
    let program = find(&kinds).map_err(ConnectError::NothingFound)?;
    let request = request_of(program.kind, &[], conf)?;
    Ok((program, request))
}

/// Nobody asked for more than there is, so its lack is told and not refused.
fn default_connection(conf: &ContainersConf, report: &dyn Report) -> Connection {
    match uplink_of(conf) {
        Ok((program, request)) => connected(program, request),
        Err(reasons) => {
            report.warning(&unreachable(&reasons));
            Connection::without_program(Namespace::Own, true)
        }
    }
}

/// What the user is told of a container without a way out.
pub fn unreachable(reasons: &dyn std::fmt::Display) -> String {
    format!(
        "the container reaches no network: {reasons}; `coracle doctor` says what mends it, and \
         --network none says that it is meant"
    )
}

fn find(kinds: &[Kind]) -> Result<Program, NoUplink> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Podman's variable, by which one program of another place is tried.
    let first = std::env::var_os("CONTAINERS_HELPER_BINARY_DIR").map(PathBuf::from);
    let mut directories: Vec<PathBuf> = first.into_iter().collect();
    directories.extend(std::env::split_paths(&path));
    directories.extend(["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from));
    let tun = Path::new(uplink::TUN);
    uplink::choose(&Search {
        directories: &directories,
        kinds,
        tun,
    })
}

/// Names of the files below /etc that a container of this kind has of its own.
pub fn etc_files(record: &ContainerRecord, connection: &Connection) -> Vec<&'static str> {
    let mut names = Vec::new();
    if !record.request.no_hostname {
        names.push("hostname");
    }
    if !record.request.no_hosts {
        names.push("hosts");
    }
    let keeps_image_file = record
        .request
        .dns
        .first()
        .is_some_and(|server| server == "none");
    if connection.resolves && !keeps_image_file {
        names.push("resolv.conf");
    }
    names
}

/// What is known of a connection that stands.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    /// Resolvers of the program.
    pub resolvers: Vec<IpAddr>,
    /// Where the container finds the host.
    pub host: Option<IpAddr>,
    /// Its own addresses.
    pub own: Vec<IpAddr>,
}

/// Where programs find the network namespace of a container with bridges, below its run directory.
pub fn namespace_link(record: &ContainerRecord) -> String {
    format!("netns/netns-{}", &record.id.as_str()[..12])
}

/// Lets the namespace be found there. It is a courtesy: nothing of ours looks for it.
pub fn link_namespace(directory: &Path, record: &ContainerRecord, pid: i32) {
    let link = directory.join(namespace_link(record));
    if let Some(parent) = link.parent() {
        drop(fs::create_dir_all(parent));
    }
    drop(std::os::unix::fs::symlink(
        format!("/proc/{pid}/ns/net"),
        link,
    ));
}

/// Writes the files into `directory`: anew at each start, and in place once the connection
/// stands, since the container sees the same inodes.
///
/// # Errors
///
/// See [`ConnectError`].
pub fn write_files(
    directory: &Path,
    record: &ContainerRecord,
    connection: &Connection,
    reached: &Reached,
) -> Result<(), ConnectError> {
    for name in etc_files(record, connection) {
        let shared = connection.files_of.as_ref().filter(|_| name != "hostname");
        if let Some(mut text) = shared.and_then(|donor| fs::read(donor.join(name)).ok()) {
            if name == "hosts" {
                // Its own name is at home where the donor is.
                text.extend_from_slice(format!("127.0.0.1\t{}\n", record.name).as_bytes());
            }
            write(&directory.join(name), &text)?;
            continue;
        }
        let text = match name {
            "hosts" => hosts(record, connection, reached)?,
            "hostname" => files::hostname(&record.resolved.hostname),
            _ => resolv_conf(record, connection, reached),
        };
        write(&directory.join(name), text.as_bytes())?;
    }
    let mark = directory.join(".containerenv");
    if mark.exists() {
        return Ok(());
    }
    // Written before the namespace is entered, where everybody is root.
    write(&mark, container_env(record).as_bytes())
}

fn hosts(
    record: &ContainerRecord,
    connection: &Connection,
    reached: &Reached,
) -> Result<String, ConnectError> {
    let added = record
        .request
        .add_host
        .iter()
        .map(|text| HostEntry::parse(text));
    let base = match (record.request.hosts_file.as_deref(), connection.namespace) {
        (Some("none"), _) | (None, Namespace::Own) => String::new(),
        (Some(file), _) => base_hosts(Path::new(file))?,
        (None, Namespace::Host) => fs::read_to_string("/etc/hosts").unwrap_or_default(),
    };
    let loopback = IpAddr::from([127, 0, 1, 1]);
    let own = match (connection.namespace, reached.own.is_empty()) {
        (Namespace::Own, true) => vec![loopback],
        _ => reached.own.clone(),
    };
    let hosts = Hosts {
        added: added.collect::<Result<Vec<_>, _>>()?,
        base: &base,
        host: record.request.host_address.or(reached.host),
        own,
        names: vec![record.resolved.hostname.clone(), record.name.clone()],
    };
    Ok(hosts.text()?)
}

/// The file that `--hosts-file` names.
fn base_hosts(path: &Path) -> Result<String, ConnectError> {
    fs::read_to_string(path).map_err(|source| ConnectError::BaseHosts {
        path: path.to_owned(),
        source,
    })
}

fn resolv_conf(record: &ContainerRecord, connection: &Connection, reached: &Reached) -> String {
    let request = &record.request;
    // A host without the file resolves nothing, and neither does the container.
    let base = host_resolv_conf(connection.namespace).unwrap_or_default();
    // The name server of the bridges asks those of `--dns` itself, where it has names of its own.
    let servers = match &connection.bridges {
        Some(plan) if request.dns.is_empty() || has_names(plan) => {
            let resolvers = reached.resolvers.iter();
            resolvers.map(ToString::to_string).collect()
        }
        Some(_) | None => request.dns.clone(),
    };
    let resolver = Resolver {
        base: &base,
        namespace: connection.namespace,
        servers,
        forwarders: reached.resolvers.clone(),
        ipv6: Ipv6::Reachable,
        searches: request.dns_search.clone(),
        options: request.dns_option.clone(),
    };
    resolver.text()
}

fn has_names(plan: &ConnectionPlan) -> bool {
    plan.networks.iter().any(|network| network.dns_enabled)
}

/// The mark by which programs tell that they are in a container, with what podman writes into it;
/// they know the engine by the start of its name, as they do by the variable `container=podman`.
fn container_env(record: &ContainerRecord) -> String {
    if !record.request.privileged {
        return String::new();
    }
    let rootless = i32::from(!nix::unistd::geteuid().is_root());
    format!(
        "engine=\"podman-coracle-{}\"\nname=\"{}\"\nid=\"{}\"\nimage=\"{}\"\nimageid=\"{}\"\n\
         rootless={rootless}\n",
        env!("CARGO_PKG_VERSION"),
        record.name,
        record.id,
        record.resolved.image_name,
        record.resolved.image_id,
    )
}

/// Writes a file that everybody in the container may read.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), ConnectError> {
    let mut options = fs::OpenOptions::new();
    let opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path);
    opened
        .and_then(|mut file| {
            file.write_all(bytes)?;
            // The caller's umask has no say.
            file.set_permissions(fs::Permissions::from_mode(0o644))
        })
        .called(|| format!("write({path:?})"))
        .map_err(|source| ConnectError::File {
            path: path.to_owned(),
            source,
        })
}
