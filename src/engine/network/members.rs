// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `network connect` and `disconnect`: for a container that runs the helper changes its
//! interfaces, its addresses are leased or given back, and its files below /etc follow.

use super::plan::{JoinNetworkError, give_back, own_names};
use super::{NetworkFailure, recorded};
use crate::engine::connect::{self, Connection, Reached};
use crate::engine::error::EngineError;
use crate::engine::launch::{host_of, own_of, resolvers_of};
use crate::engine::{Engine, Report};
use crate::network::helper::client::{Client, HelperError};
use crate::state::atomic::Durability;
use crate::state::connection::{Attachment, ConnectionPlan, NetworkPlan, NetworkRequest};
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::record::{ContainerRecord, ContainerState};
use crate::state::store::{ContainerLock, Store};

/// Why a container is not connected or disconnected. The words are podman's.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// A container without a bridge.
    #[error("\"{mode}\" is not supported: invalid network mode")]
    Mode {
        /// What it has instead.
        mode: String,
    },
    /// It is there already.
    #[error(
        "container {container} is already connected to network \"{network}\": network is already \
         connected"
    )]
    Connected {
        /// As typed.
        container: String,
        /// Which network.
        network: String,
    },
    /// It is not there.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// As typed.
        container: String,
        /// Which network.
        network: String,
    },
    /// It does not run.
    #[error("cannot reload the network of container {container}: container is not running")]
    NotRunning {
        /// Which.
        container: ContainerId,
    },
    /// Its address.
    #[error(transparent)]
    Join(#[from] JoinNetworkError),
    /// The helper.
    #[error("connect container {container}")]
    Helper {
        /// As typed.
        container: String,
        /// What it said.
        source: HelperError,
    },
    /// The container's files.
    #[error("container {container}: {reason}")]
    Files {
        /// As typed.
        container: String,
        /// What is wrong.
        reason: String,
    },
}

/// A container that is changed.
struct Changing {
    record: ContainerRecord,
    /// While it runs.
    state: Option<ContainerState>,
    _lock: ContainerLock,
}

impl Engine {
    /// Takes the container that `word` means into a network.
    ///
    /// # Errors
    ///
    /// See [`MemberError`]; nothing is changed then.
    pub fn connect_to_network(
        &self,
        word: &str,
        request: &NetworkRequest,
        report: &dyn Report,
    ) -> Result<(), NetworkFailure> {
        let store = self.store()?;
        let mut changing = changing(&store, word)?;
        let networks = self.networks();
        let _networks = networks.lock()?;
        let network = self.network_record(&request.network)?.name;
        let joined = changing.record.resolved.networks.get_or_insert_default();
        if joined.iter().any(|one| one.network == network) {
            return Err(MemberError::Connected {
                container: word.to_owned(),
                network,
            }
            .into());
        }
        let request = NetworkRequest {
            network,
            ..request.clone()
        };
        joined.push(request.clone());
        if let Some(state) = &mut changing.state {
            let id = &changing.record.id;
            let (network, attachment) = self
                .join(&store, id, &request, &[], &state.attachments, report)
                .map_err(MemberError::from)?;
            let plan = ConnectionPlan {
                networks: vec![network],
                attachments: vec![attachment.clone()],
                names: own_names(&changing.record),
                ..ConnectionPlan::default()
            };
            let asked = self
                .helper()
                .and_then(|helper| helper.connect_container(id.as_str(), &plan));
            if let Err(source) = asked {
                give_back(&self.dirs, id, &plan.attachments);
                return Err(MemberError::Helper {
                    container: word.to_owned(),
                    source,
                }
                .into());
            }
            state.attachments.push(attachment);
        }
        self.keep_changes(&store, word, &changing)?;
        let event = Event::of_member(&changing.record, &request.network, Action::Connect);
        self.emit(&[event]);
        Ok(())
    }

    /// Takes the container that `word` means out of a network.
    ///
    /// # Errors
    ///
    /// See [`MemberError`]; nothing is changed then.
    pub fn disconnect_from_network(&self, word: &str, network: &str) -> Result<(), NetworkFailure> {
        let store = self.store()?;
        let mut changing = changing(&store, word)?;
        let record = self.network_record(network)?;
        let joined = changing.record.resolved.networks.get_or_insert_default();
        let before = joined.len();
        joined.retain(|one| one.network != record.name);
        if joined.len() == before {
            return Err(MemberError::NotConnected {
                container: word.to_owned(),
                network: record.name,
            }
            .into());
        }
        if let Some(state) = &mut changing.state {
            let id = &changing.record.id;
            let left = |one: &Attachment| one.network == record.id;
            let asked = self
                .helper()
                .and_then(|helper| helper.disconnect_container(id.as_str(), &record.id));
            asked.map_err(|source| MemberError::Helper {
                container: word.to_owned(),
                source,
            })?;
            let attachments = std::mem::take(&mut state.attachments);
            let (gone, kept) = attachments.into_iter().partition(left);
            state.attachments = kept;
            give_back(&self.dirs, id, &gone);
        }
        self.keep_changes(&store, word, &changing)?;
        let event = Event::of_member(&changing.record, &record.name, Action::Disconnect);
        self.emit(&[event]);
        Ok(())
    }

    /// `network reload`: the helper's rules stand as long as it does, so that there is nothing to
    /// make anew; a container without a network is told.
    ///
    /// # Errors
    ///
    /// [`MemberError::NotRunning`], [`MemberError::Mode`].
    pub fn reload_networks(&self, id: &ContainerId) -> Result<(), NetworkFailure> {
        let changing = changing(&self.store()?, id.as_str())?;
        match changing.state {
            Some(_) => Ok(()),
            None => Err(MemberError::NotRunning {
                container: id.clone(),
            }
            .into()),
        }
    }

    /// The helper of the running containers.
    fn helper(&self) -> Result<Client, HelperError> {
        Client::connect(&self.dirs.run_root)?.ok_or(HelperError::Gone)
    }

    fn keep_changes(
        &self,
        store: &Store,
        word: &str,
        changing: &Changing,
    ) -> Result<(), NetworkFailure> {
        let record = &changing.record;
        store.replace_record(record, Durability::Synced)?;
        let Some(state) = &changing.state else {
            return Ok(());
        };
        store.write_state(&record.id, state)?;
        let requests = record.resolved.networks.iter().flatten();
        let records = requests.filter_map(|one| recorded(&self.dirs, &one.network));
        let plan = ConnectionPlan {
            networks: records.map(|one| NetworkPlan::from(&one)).collect(),
            attachments: state.attachments.clone(),
            ..ConnectionPlan::default()
        };
        let reached = Reached {
            resolvers: resolvers_of(&plan, self.dialect),
            host: host_of(&plan, self.dialect),
            own: own_of(&plan),
        };
        let connection = Connection::of_bridges(plan);
        let directory = self.dirs.container_run(&record.id);
        connect::write_files(&directory, record, &connection, &reached).map_err(|error| {
            MemberError::Files {
                container: word.to_owned(),
                reason: crate::runtime::failure::chain(&error),
            }
            .into()
        })
    }
}

/// Locks the container that `word` means, and looks at it.
fn changing(store: &Store, word: &str) -> Result<Changing, NetworkFailure> {
    let id = store.resolve(word).map_err(EngineError::from)?;
    let lock = store.lock(&id)?;
    let record = store.load(&id)?;
    if record.resolved.networks.is_none() {
        let mode = record.request.networks.first();
        let mode = mode.map_or("private", |mode| mode.split(':').next().unwrap_or(mode));
        return Err(MemberError::Mode {
            mode: mode.to_owned(),
        }
        .into());
    }
    let (state, observed) = store.observe(&id)?;
    Ok(Changing {
        record,
        state: observed.is_up().then_some(state),
        _lock: lock,
    })
}
