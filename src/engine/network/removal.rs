// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing networks: those that are named, and those that nobody uses.

use super::NetworkFailure;
use super::filter::{NetworkFilters, is_dangling};
use super::read_users;
use crate::engine::remove::Running;
use crate::engine::{Engine, Report};
use crate::state::networks::NetworkError;

/// A network that was to be removed.
#[derive(Debug)]
pub struct RemovedNetwork {
    /// The word that named it, or its name.
    pub typed: String,
    /// Whether it is gone.
    pub result: Result<(), NetworkFailure>,
}

/// How often the users of a network may come back while it is removed by force.
const ATTEMPTS: u32 = 20;

impl Engine {
    /// Removes networks; `users` says what becomes of containers that use one: they are refused,
    /// or removed first, and with them the pods whose network it is.
    pub fn remove_networks(
        &self,
        words: &[String],
        users: Running,
        report: &dyn Report,
    ) -> Vec<RemovedNetwork> {
        let remove = |typed: &String| RemovedNetwork {
            typed: typed.clone(),
            result: self.remove_network(typed, users, report),
        };
        words.iter().map(remove).collect()
    }

    /// Removes the networks that no container uses and that the filters let through.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and a store that cannot be read.
    pub fn prune_networks(
        &self,
        filters: &[String],
        report: &dyn Report,
    ) -> Result<Vec<RemovedNetwork>, NetworkFailure> {
        let filters = NetworkFilters::parse_for_prune(filters).map_err(NetworkFailure::Filter)?;
        let mut unused = self.list_networks(&[], report)?;
        unused.retain(|one| is_dangling(one) && filters.let_through(one));
        let names: Vec<String> = unused.into_iter().map(|one| one.record.name).collect();
        let mut removed = self.remove_networks(&names, Running::Refuse, report);
        // Used by now.
        removed.retain(|one| !matches!(one.result, Err(NetworkFailure::InUse { .. })));
        Ok(removed)
    }

    fn remove_network(
        &self,
        typed: &str,
        users: Running,
        report: &dyn Report,
    ) -> Result<(), NetworkFailure> {
        let networks = self.networks();
        let store = self.store()?;
        for _ in 0..ATTEMPTS {
            let lock = networks.lock()?;
            let all = read_users(&store)?;
            let (name, holders) = match self.find_network(&all, typed) {
                Ok(found) if found.built_in => {
                    let name = found.record.name;
                    return Err(NetworkFailure::BuiltIn { name });
                }
                Ok(found) => (found.record.name, found.users),
                // What it is cannot be read; who uses it can.
                Err(NetworkError::Record { name, .. }) => {
                    let holders = all.of(&name);
                    (name, holders)
                }
                Err(error) => return Err(error.into()),
            };
            if holders.is_empty() {
                return Ok(networks.remove(&lock, &name)?);
            }
            if users == Running::Refuse {
                return Err(NetworkFailure::InUse {
                    name: typed.to_owned(),
                    users: holders,
                });
            }
            drop(lock);
            self.remove_users(&holders, users, report)?;
        }
        Err(NetworkFailure::NeverFree {
            name: typed.to_owned(),
        })
    }
}
