// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks on disk: what was asked of each, and which of its addresses are whose. Which
//! containers are in a network is written in their own records alone.
//!
//! ```text
//! networks/<name>.json     what the network is; the default one has none until it differs
//! networks/<name>.leases/  a name for each address and hardware address that is taken
//! ```
//!
//! Whoever makes, changes or removes a network holds the lock of `networks/`, and so does whoever
//! writes a container's record that names one. The lock of a container comes before it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::atomic::read_document;
use super::atomic::{self, Durability};
use super::connection::{Prefix, Subnet};
use super::dirs::Dirs;
use super::events::{Action, Event, EventLog};
use super::leases::Leases;
use super::locks::{Contention, DirectoryLock};
use super::names::is_valid;
use super::tree::remove_tree;
use crate::sys::fs::private_directories;
use crate::sys::{Called, SysError};

/// `<name>.json`: what a network is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Its unique name.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// The interface of its bridge, unique among the user's networks.
    pub interface: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its addresses; none without address management.
    #[serde(default)]
    pub subnets: Vec<LeasedSubnet>,
    /// `--route`.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Whether it has IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// `--internal`.
    #[serde(default)]
    pub internal: bool,
    /// Whether its containers find each other by name.
    #[serde(default)]
    pub dns_enabled: bool,
    /// `--dns`.
    #[serde(default)]
    pub dns_servers: Vec<IpAddr>,
    /// `--label`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as podman names them.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Whether containers get addresses.
    #[serde(default)]
    pub ipam: IpamDriver,
}

/// Who gives containers their addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpamDriver {
    /// The leases of the network.
    #[default]
    HostLocal,
    /// Nobody.
    None,
}

/// A subnet, and which of its addresses containers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedSubnet {
    /// The network, host bits cleared.
    pub network: Prefix,
    /// The bridge's own address.
    pub gateway: Option<IpAddr>,
    /// `--ip-range`: the first and the last.
    #[serde(default)]
    pub range: Option<(IpAddr, IpAddr)>,
}

impl LeasedSubnet {
    /// What the bridge must know of it.
    pub fn subnet(&self) -> Subnet {
        Subnet {
            network: self.network,
            gateway: self.gateway,
        }
    }
}

/// `--route DESTINATION,GATEWAY[,METRIC]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub destination: Prefix,
    /// By whom.
    pub gateway: IpAddr,
    /// Lower is preferred.
    pub metric: Option<u32>,
}

/// What can go wrong with a network. The words that scripts search for are podman's.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The name is taken.
    #[error("network name {name} already used: network already exists")]
    Exists {
        /// Which.
        name: String,
    },
    /// No network is called like this.
    #[error("unable to find network with name or ID {name}: network not found")]
    Missing {
        /// What was typed.
        name: String,
    },
    /// Several ids begin like this.
    #[error("more than one result for network ID {id}")]
    Ambiguous {
        /// What was typed.
        id: String,
    },
    /// Not a name that a network can have.
    #[error(
        "network name {name} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
    )]
    InvalidName {
        /// What was typed.
        name: String,
    },
    /// Its record is no such document.
    #[error("network {name}: its record cannot be read: {reason}")]
    Record {
        /// Which.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of its own.
    #[error("{action} network {name}")]
    Files {
        /// What was attempted.
        action: &'static str,
        /// Which.
        name: String,
        /// What the kernel said.
        source: SysError,
    },
}

/// The networks of a store, as far as they read.
#[derive(Debug, Default)]
pub struct NetworkList {
    /// Those that do, by name.
    pub networks: Vec<NetworkRecord>,
    /// What is wrong with the others.
    pub damaged: Vec<NetworkError>,
}

/// The right to change networks, until it is dropped.
#[derive(Debug)]
pub struct NetworksLock {
    _directory: DirectoryLock,
}

/// The networks of a store.
#[derive(Debug, Clone)]
pub struct Networks {
    root: PathBuf,
    events: EventLog,
}

impl Networks {
    /// Those of the store at `dirs`.
    pub fn open(dirs: &Dirs) -> Self {
        Self {
            root: dirs.networks(),
            events: dirs.events.clone(),
        }
    }

    /// Waits for the right to change networks.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn lock(&self) -> Result<NetworksLock, NetworkError> {
        let failed = |source| files("lock", "*", source);
        loop {
            let lock = DirectoryLock::take(&self.root, Contention::Wait).map_err(failed)?;
            if let Some(directory) = lock {
                return Ok(NetworksLock {
                    _directory: directory,
                });
            }
            private_directories()
                .create(&self.root)
                .called(|| "mkdir(networks)")
                .map_err(failed)?;
        }
    }

    /// Writes what a new network is.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Exists`], [`NetworkError::InvalidName`], or what the disk says.
    pub fn create(&self, _lock: &NetworksLock, record: &NetworkRecord) -> Result<(), NetworkError> {
        let name = &record.name;
        if !is_valid(name) {
            return Err(NetworkError::InvalidName { name: name.clone() });
        }
        let path = self.path(name);
        match atomic::write_new_file(&path, &to_json(record), Durability::Synced) {
            Err(error) if error.errno == Errno::EEXIST => {
                Err(NetworkError::Exists { name: name.clone() })
            }
            written => {
                written.map_err(|source| files("make", name, source))?;
                self.tell(record, Action::Create);
                Ok(())
            }
        }
    }

    fn tell(&self, record: &NetworkRecord, action: Action) {
        // The only kind that there is.
        let event = Event::of_network(&record.id, &record.name, "bridge", action);
        self.events.write(&[event]);
    }

    /// Writes what a network is from now on.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn save(&self, _lock: &NetworksLock, record: &NetworkRecord) -> Result<(), NetworkError> {
        let path = self.path(&record.name);
        atomic::replace_file(&path, &to_json(record), Durability::Synced)
            .map_err(|source| files("write", &record.name, source))
    }

    /// Reads what a network is.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Missing`], [`NetworkError::Record`].
    pub fn load(&self, name: &str) -> Result<NetworkRecord, NetworkError> {
        let missing = || NetworkError::Missing {
            name: name.to_owned(),
        };
        if !is_valid(name) {
            return Err(missing());
        }
        let bytes = match read_document(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            read => read
                .called(|| format!("open({name}.json)"))
                .map_err(|source| files("read", name, source))?,
        };
        serde_json::from_slice(&bytes).map_err(|error| NetworkError::Record {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    }

    /// All networks that have a record, by name.
    ///
    /// # Errors
    ///
    /// What readdir(3) says, and a record that is none.
    pub fn list(&self) -> Result<Vec<NetworkRecord>, NetworkError> {
        self.load_all()?.collect()
    }

    /// The networks whose records read, by name, and what is wrong with the others: one damaged
    /// record must not hide the rest.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn list_readable(&self) -> Result<NetworkList, NetworkError> {
        let mut list = NetworkList::default();
        for loaded in self.load_all()? {
            match loaded {
                Ok(record) => list.networks.push(record),
                Err(error) => list.damaged.push(error),
            }
        }
        Ok(list)
    }

    /// What is wrong with the records: those that cannot be read.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn check(&self) -> Result<Vec<NetworkError>, NetworkError> {
        Ok(self.list_readable()?.damaged)
    }

    fn load_all(
        &self,
    ) -> Result<impl Iterator<Item = Result<NetworkRecord, NetworkError>>, NetworkError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(
                read.called(|| "readdir(networks)")
                    .map_err(|source| files("list", "*", source))?,
            ),
        };
        let entries = entries.into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| is_valid(name)).collect();
        names.sort();
        // One that is missing was removed meanwhile.
        let is_there = |loaded: &Result<_, _>| !matches!(loaded, Err(NetworkError::Missing { .. }));
        let loaded = names.into_iter().map(|name| self.load(&name));
        Ok(loaded.filter(is_there))
    }

    /// Removes a network that no container uses: whoever holds the lock has looked.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Missing`], or what the disk says.
    pub fn remove(&self, _lock: &NetworksLock, name: &str) -> Result<(), NetworkError> {
        let record = self.load(name);
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(NetworkError::Missing {
                    name: name.to_owned(),
                });
            }
            removed => removed
                .called(|| format!("unlink({name}.json)"))
                .map_err(|source| files("remove", name, source))?,
        }
        // Nobody has an address of it any more.
        drop(remove_tree(&self.lease_directory(name)));
        if let Ok(record) = record {
            self.tell(&record, Action::Remove);
        }
        Ok(())
    }

    /// Who has which address of a network.
    ///
    /// # Errors
    ///
    /// What mkdir(2) says.
    pub fn leases(&self, name: &str) -> Result<Leases, NetworkError> {
        Leases::open(self.lease_directory(name))
            .map_err(|source| files("open leases of", name, source))
    }

    fn lease_directory(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.leases"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.json"))
    }
}

fn files(action: &'static str, name: &str, source: SysError) -> NetworkError {
    NetworkError::Files {
        action,
        name: name.to_owned(),
        source,
    }
}

fn to_json(record: &NetworkRecord) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("a record has no key that is not a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> NetworkRecord {
        NetworkRecord {
            name: name.to_owned(),
            id: "0".repeat(64),
            interface: "podman1".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            subnets: vec![LeasedSubnet {
                network: "10.89.0.0/24".parse().unwrap(),
                gateway: Some("10.89.0.1".parse().unwrap()),
                range: None,
            }],
            routes: Vec::new(),
            ipv6: false,
            internal: false,
            dns_enabled: true,
            dns_servers: Vec::new(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            ipam: IpamDriver::HostLocal,
        }
    }

    #[test]
    fn a_network_is_made_once_and_gone_when_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let networks = Networks {
            root: directory.path().join("networks"),
            events: EventLog::none(),
        };
        assert_eq!(networks.list().unwrap(), []);
        let lock = networks.lock().unwrap();
        networks.create(&lock, &record("web")).unwrap();
        let again = networks.create(&lock, &record("web")).unwrap_err();
        assert!(matches!(again, NetworkError::Exists { .. }), "{again}");
        let changed = NetworkRecord {
            dns_servers: vec!["1.1.1.1".parse().unwrap()],
            ..record("web")
        };
        networks.save(&lock, &changed).unwrap();
        drop(networks.leases("web").unwrap());
        assert_eq!(networks.list().unwrap(), [changed]);
        networks.remove(&lock, "web").unwrap();
        assert_eq!(fs::read_dir(&networks.root).unwrap().count(), 0);
        for name in ["", "..", "a/b", "-x", "x y"] {
            assert!(networks.create(&lock, &record(name)).is_err(), "{name}");
            assert!(networks.load(name).is_err(), "{name}");
        }
    }
}
