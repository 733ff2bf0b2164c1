// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks: making them, who uses them, removing those that nobody does, and which of their
//! addresses a container gets. A network is in use as long as the record of a container names it.
//!
//! The default network is always there. It has no record until its addresses must differ from
//! podman's; docker's mode calls it `bridge`.

mod addresses;
mod create;
mod create_error;
mod filter;
mod joining;
mod listed;
mod members;
mod plan;
pub mod ports;
mod publisher;
mod removal;
mod subnets;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use addresses::AddressError;
pub use create::{NewNetwork, NewSubnet};
pub use create_error::CreateNetworkError;
pub use joining::{JoiningError, network_requests};
pub use members::MemberError;
pub use plan::JoinNetworkError;
pub(super) use plan::{give_back, ports_of_record};
pub(super) use publisher::publisher_of;
pub use removal::RemovedNetwork;

use filter::NetworkFilters;
pub(super) use listed::DEFAULT_NETWORK;
pub use listed::ListedNetwork;

use super::error::EngineError;
use super::users::Users;
use super::{Dialect, Engine, Report};
use crate::config::ConfigError;
use crate::network::helper::client::{Client, HelperError};
use crate::oci::Digest;
use crate::runtime::failure::chain;
use crate::state::StateError;
use crate::state::connection::{Attachment, PublishedPort};
use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::state::networks::{IpamDriver, NetworkError, NetworkRecord, Networks};
use crate::state::store::Store;

/// The same in docker's mode.
const DOCKER_DEFAULT: &str = "bridge";

/// A running container of a network.
#[derive(Debug, Clone)]
pub struct NetworkMember {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// What it has there.
    pub attachment: Attachment,
}

/// Why a command on networks failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFailure {
    /// The network itself.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// One that cannot be made.
    #[error(transparent)]
    Create(#[from] CreateNetworkError),
    /// A container that is to join or to leave.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// `--network` and the flags beside it.
    #[error(transparent)]
    Joining(#[from] JoiningError),
    /// Containers use it.
    #[error(
        "\"{name}\" has associated containers with it. Use -f to forcibly delete containers and \
         pods: network is being used"
    )]
    InUse {
        /// Which.
        name: String,
        /// By whom.
        users: Vec<ContainerId>,
    },
    /// New containers come faster than they are removed.
    #[error("network {name}: new containers keep using it")]
    NeverFree {
        /// Which.
        name: String,
    },
    /// One that is always there.
    #[error("default network {name} cannot be removed")]
    BuiltIn {
        /// Which.
        name: String,
    },
    /// A filter that nobody understands.
    #[error("{0}")]
    Filter(String),
    /// A name server that is none.
    #[error("unable to parse ip {text} specified in {list}: invalid argument")]
    Server {
        /// As typed.
        text: String,
        /// Which list.
        list: &'static str,
    },
    /// A change that running containers do not get.
    #[error("network {name} is changed for containers that start from now on")]
    Update {
        /// Which.
        name: String,
        /// Why.
        source: HelperError,
    },
    /// containers.conf.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The containers.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The records of containers.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What a network has for name servers from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkUpdate {
    /// `--dns-add`.
    pub dns_add: Vec<String>,
    /// `--dns-drop`.
    pub dns_drop: Vec<String>,
}

impl Engine {
    pub(super) fn networks(&self) -> Networks {
        Networks::open(&self.dirs)
    }

    /// The networks that the filters let through, by name.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and a store that cannot be read. One whose record is
    /// damaged is told and left out.
    pub fn list_networks(
        &self,
        filters: &[String],
        report: &dyn Report,
    ) -> Result<Vec<ListedNetwork>, NetworkFailure> {
        let filters = NetworkFilters::parse(filters).map_err(NetworkFailure::Filter)?;
        let users = read_users(&self.store()?)?;
        let list = self.networks().list_readable()?;
        for error in list.damaged {
            report.warning(&chain(&error));
        }
        let mut all = self.listed(list.networks, &users);
        all.retain(|one| filters.let_through(one));
        all.sort_by(|left, right| left.record.name.cmp(&right.record.name));
        Ok(all)
    }

    /// The network that `text` names: its name, its id or the beginning of that.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Missing`].
    pub fn network(&self, text: &str) -> Result<ListedNetwork, NetworkFailure> {
        let users = read_users(&self.store()?)?;
        Ok(self.find_network(&users, text)?)
    }

    /// The running containers of a network, by id.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub fn network_members(
        &self,
        network: &ListedNetwork,
    ) -> Result<Vec<NetworkMember>, NetworkFailure> {
        let store = self.store()?;
        let mut members = Vec::new();
        for id in &network.users {
            // One that goes meanwhile has no address any more.
            let Ok((state, observed)) = store.observe(id) else {
                continue;
            };
            let own = state.attachments.into_iter();
            let mut own = own.filter(|one| one.network == network.record.id);
            let (true, Some(attachment)) = (observed.is_up(), own.next()) else {
                continue;
            };
            let Ok(summary) = store.load_summary(id) else {
                continue;
            };
            members.push(NetworkMember {
                id: id.clone(),
                name: summary.name,
                attachment,
            });
        }
        Ok(members)
    }

    /// The ports that a container has published.
    ///
    /// # Errors
    ///
    /// A container that is not there.
    pub fn published_ports(&self, id: &ContainerId) -> Result<Vec<PublishedPort>, EngineError> {
        let store = self.store()?;
        let summary = store.load_summary(id)?;
        let (state, observed) = store.observe(id)?;
        Ok(ports::ports_of(&state, observed, &summary.request.publish))
    }

    /// Changes the name servers of a network.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Missing`], [`NetworkFailure::Server`].
    pub fn update_network(&self, text: &str, update: &NetworkUpdate) -> Result<(), NetworkFailure> {
        let parse = |texts: &[String], list| {
            let parse = |text: &String| {
                let parsed = text.parse();
                parsed.map_err(|_error| NetworkFailure::Server {
                    text: text.clone(),
                    list,
                })
            };
            texts.iter().map(parse).collect::<Result<Vec<_>, _>>()
        };
        let (added, dropped) = (
            parse(&update.dns_add, "AddDNSServer")?,
            parse(&update.dns_drop, "RemoveDNSServer")?,
        );
        let networks = self.networks();
        let lock = networks.lock()?;
        let mut record = self.network_record(text)?;
        record.dns_servers.retain(|one| !dropped.contains(one));
        for server in added {
            if !record.dns_servers.contains(&server) {
                record.dns_servers.push(server);
            }
        }
        networks.save(&lock, &record)?;
        let helper = Client::connect(&self.dirs.run_root).map_err(HelperError::from);
        let told = match helper {
            Ok(Some(helper)) => helper.set_name_servers(&record.id, &record.dns_servers),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        // One that is ending serves nobody.
        match told {
            Ok(()) | Err(HelperError::Gone) => Ok(()),
            Err(source) => Err(NetworkFailure::Update {
                name: record.name,
                source,
            }),
        }
    }

    /// As [`Engine::network`], without a look at the containers.
    pub(super) fn network_record(&self, text: &str) -> Result<NetworkRecord, NetworkError> {
        let text = self.true_name(text);
        match self.networks().load(text) {
            Err(NetworkError::Missing { .. }) => {}
            loaded => return loaded,
        }
        let record = self.find_network(&Users::default(), text)?.record;
        Ok(NetworkRecord {
            name: self.true_name(&record.name).to_owned(),
            ..record
        })
    }

    /// What the default network is called in records.
    fn true_name<'a>(&self, text: &'a str) -> &'a str {
        match self.dialect {
            Dialect::Docker if text == DOCKER_DEFAULT => DEFAULT_NETWORK,
            Dialect::Docker | Dialect::Podman => text,
        }
    }

    /// What a network of a record is called here.
    pub fn shown_network_name<'a>(&self, name: &'a str) -> &'a str {
        match self.dialect {
            Dialect::Docker if name == DEFAULT_NETWORK => DOCKER_DEFAULT,
            Dialect::Docker | Dialect::Podman => name,
        }
    }

    /// Finds a network beside others whose records may be damaged; its own may not.
    fn find_network(&self, users: &Users, text: &str) -> Result<ListedNetwork, NetworkError> {
        let networks = self.networks();
        let readable = networks.list_readable()?.networks;
        find(self.listed(readable, users), text).map_err(|error| match networks.load(text) {
            Err(damaged @ (NetworkError::Record { .. } | NetworkError::Files { .. })) => damaged,
            _ => error,
        })
    }

    fn listed(&self, mut records: Vec<NetworkRecord>, users: &Users) -> Vec<ListedNetwork> {
        if records.iter().all(|one| one.name != DEFAULT_NETWORK) {
            records.push(default_network());
        }
        let bridge = |record: NetworkRecord| {
            let shown = self.shown_network_name(&record.name).to_owned();
            ListedNetwork {
                driver: "bridge",
                built_in: record.name == DEFAULT_NETWORK,
                users: users.of(&record.name),
                record: NetworkRecord {
                    name: shown,
                    ..record
                },
            }
        };
        let mut all: Vec<ListedNetwork> = records.into_iter().map(bridge).collect();
        if self.dialect == Dialect::Docker {
            all.extend([("host", "host"), ("none", "null")].map(without_bridge));
        }
        all
    }
}

/// Which containers use which network.
fn read_users(store: &Store) -> Result<Users, StateError> {
    Users::read(store, |summary| {
        let networks = summary.resolved.networks.iter().flatten();
        networks.map(|network| network.network.clone()).collect()
    })
}

fn find(all: Vec<ListedNetwork>, text: &str) -> Result<ListedNetwork, NetworkError> {
    let is_id = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_default =
        |one: &ListedNetwork| one.built_in && one.driver == "bridge" && text == DEFAULT_NETWORK;
    let (mut named, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|one| one.record.name == text || is_default(one));
    if let Some(named) = named.pop() {
        return Ok(named);
    }
    let mut like = others
        .into_iter()
        .filter(|one| is_id && one.record.id.starts_with(text));
    match (like.next(), like.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(NetworkError::Ambiguous {
            id: text.to_owned(),
        }),
        (None, _) => Err(NetworkError::Missing {
            name: text.to_owned(),
        }),
    }
}

/// The network that every container is in when none is named, as long as nothing speaks against
/// podman's addresses. It was made now, since it lives in no file.
pub(super) fn default_network() -> NetworkRecord {
    NetworkRecord {
        dns_enabled: false,
        subnets: vec![subnets::with_gateway(subnets::default_v4(&[]))],
        ..named(DEFAULT_NETWORK, "podman0")
    }
}

/// The record of a network that a container is in.
pub(super) fn recorded(dirs: &Dirs, name: &str) -> Option<NetworkRecord> {
    match Networks::open(dirs).load(name) {
        Err(NetworkError::Missing { .. }) if name == DEFAULT_NETWORK => Some(default_network()),
        loaded => loaded.ok(),
    }
}

fn without_bridge((name, driver): (&str, &'static str)) -> ListedNetwork {
    ListedNetwork {
        record: named(name, ""),
        driver,
        built_in: true,
        users: Vec::new(),
    }
}

/// The id is made of the name, so that it is the same everywhere, and podman's.
fn named(name: &str, interface: &str) -> NetworkRecord {
    NetworkRecord {
        name: name.to_owned(),
        id: Digest::sha256(name.as_bytes()).hex().to_owned(),
        interface: interface.to_owned(),
        created: Timestamp::now(),
        subnets: Vec::new(),
        routes: Vec::new(),
        ipv6: false,
        internal: false,
        dns_enabled: false,
        dns_servers: Vec::new(),
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        ipam: IpamDriver::HostLocal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Silent;

    fn engine(dialect: Dialect) -> (tempfile::TempDir, Engine) {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        let engine = Engine {
            dirs,
            dialect,
            runtime_flags: Vec::new(),
            external: None,
        };
        (directory, engine)
    }

    fn names(engine: &Engine) -> Vec<String> {
        let listed = engine.list_networks(&[], &Silent).unwrap();
        listed.into_iter().map(|one| one.record.name).collect()
    }

    #[test]
    fn the_default_network_has_podmans_id_in_both_modes() {
        let id = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9";
        let (_podman, podman) = engine(Dialect::Podman);
        assert_eq!(names(&podman), ["podman"]);
        assert_eq!(podman.network("podman").unwrap().record.id, id);
        assert_eq!(podman.network("2f259").unwrap().record.name, "podman");
        assert!(podman.network("bridge").is_err());
        let (_docker, docker) = engine(Dialect::Docker);
        assert_eq!(names(&docker), ["bridge", "host", "none"]);
        for name in ["bridge", "podman"] {
            assert_eq!(docker.network(name).unwrap().record.id, id);
        }
        assert_eq!(docker.network_record("bridge").unwrap().name, "podman");
    }

    #[test]
    fn name_servers_are_added_and_dropped_once() {
        let (_directory, engine) = engine(Dialect::Podman);
        let new = NewNetwork {
            name: Some("web".to_owned()),
            dns_servers: vec!["1.1.1.1".to_owned()],
            ..NewNetwork::default()
        };
        engine.create_network(new).unwrap();
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let update = NetworkUpdate {
            dns_add: strings(&["8.8.8.8", "8.8.8.8", "3.3.3.3"]),
            dns_drop: strings(&["1.1.1.1"]),
        };
        engine.update_network("web", &update).unwrap();
        let servers = engine.network_record("web").unwrap().dns_servers;
        let texts: Vec<_> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["8.8.8.8", "3.3.3.3"]);
        let wrong = NetworkUpdate {
            dns_add: strings(&["a.b"]),
            ..NetworkUpdate::default()
        };
        assert_eq!(
            engine
                .update_network("web", &wrong)
                .unwrap_err()
                .to_string(),
            "unable to parse ip a.b specified in AddDNSServer: invalid argument"
        );
    }
}
