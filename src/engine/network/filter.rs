// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on networks, and which containers use which network.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex_lite::Regex;

use super::{DEFAULT_NETWORK, ListedNetwork, NetworkFailure};
use crate::engine::pattern::matches_label;
use crate::engine::quantity::parse_moment;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::networks::NetworkRecord;
use crate::state::store::Store;

/// Which containers name which network.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<String, Vec<ContainerId>>);

impl Users {
    pub(super) fn read(store: &Store) -> Result<Self, StateError> {
        let mut users = Self::default();
        for id in store.list()? {
            // One that goes meanwhile uses nothing any more.
            let Ok(summary) = store.load_summary(&id) else {
                continue;
            };
            for network in summary.resolved.networks.iter().flatten() {
                let list = users.0.entry(network.network.clone()).or_default();
                if !list.contains(&id) {
                    list.push(id.clone());
                }
            }
        }
        Ok(users)
    }

    pub(super) fn of(&self, record: &NetworkRecord) -> Vec<ContainerId> {
        self.0.get(&record.name).cloned().unwrap_or_default()
    }
}

/// Understood filters: values of one key are alternatives, different keys must all hold, and so
/// must all labels.
#[derive(Debug, Default)]
pub(super) struct NetworkFilters {
    groups: Vec<(String, Vec<Test>)>,
}

#[derive(Debug)]
enum Test {
    Name(Regex),
    Driver(String),
    Id(String),
    Scope(String),
    BuiltIn(bool),
    Label(String),
    NotLabel(String),
    Dangling(bool),
    Until(Timestamp),
}

/// The keys that prune knows.
const PRUNE_KEYS: [&str; 3] = ["label", "label!", "until"];

impl NetworkFilters {
    pub(super) fn parse(texts: &[String]) -> Result<Self, NetworkFailure> {
        let mut filters = Self::default();
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                return Err(NetworkFailure::Filter(format!(
                    "filter input must be in the form of filter=value: {text} is invalid"
                )));
            };
            let test = test(key, value)?;
            let alone = matches!(test, Test::Label(_) | Test::NotLabel(_));
            let mut groups = filters.groups.iter_mut();
            match groups.find(|(known, _)| known == key && !alone) {
                Some((_, tests)) => tests.push(test),
                None => filters.groups.push((key.to_owned(), vec![test])),
            }
        }
        Ok(filters)
    }

    pub(super) fn parse_for_prune(texts: &[String]) -> Result<Self, NetworkFailure> {
        let parsed = Self::parse(texts)?;
        let mut keys = parsed.groups.iter().map(|(key, _)| key);
        match keys.find(|key| !PRUNE_KEYS.contains(&key.as_str())) {
            Some(key) => Err(unknown(key)),
            None => Ok(parsed),
        }
    }

    pub(super) fn let_through(&self, listed: &ListedNetwork) -> bool {
        let holds = |(_, tests): &(String, Vec<Test>)| tests.iter().any(|test| test.holds(listed));
        self.groups.iter().all(holds)
    }
}

fn unknown(key: &str) -> NetworkFailure {
    NetworkFailure::Filter(format!("invalid filter \"{key}\""))
}

fn test(key: &str, value: &str) -> Result<Test, NetworkFailure> {
    let refuse = |words: String| NetworkFailure::Filter(words);
    Ok(match key {
        "name" => Test::Name(Regex::new(value).map_err(|error| refuse(error.to_string()))?),
        "driver" => Test::Driver(value.to_owned()),
        "id" => Test::Id(value.to_owned()),
        "scope" => Test::Scope(value.to_owned()),
        "type" => match value {
            "builtin" => Test::BuiltIn(true),
            "custom" => Test::BuiltIn(false),
            _ => return Err(refuse(format!("invalid filter 'type={value}'"))),
        },
        "label" => Test::Label(value.to_owned()),
        "label!" => Test::NotLabel(value.to_owned()),
        "dangling" => match value {
            "true" | "1" => Test::Dangling(true),
            "false" | "0" => Test::Dangling(false),
            _ => return Err(refuse(format!("invalid dangling filter value \"{value}\""))),
        },
        "until" => {
            let parsed = parse_moment(value, Timestamp::now());
            Test::Until(parsed.map_err(|error| refuse(error.to_string()))?)
        }
        _ => return Err(unknown(key)),
    })
}

impl Test {
    fn holds(&self, listed: &ListedNetwork) -> bool {
        let record = &listed.record;
        match self {
            Self::Name(pattern) => pattern.is_match(&record.name),
            Self::Driver(driver) => listed.driver == driver,
            Self::Id(id) => record.id.starts_with(id),
            Self::Scope(scope) => scope == "local",
            Self::BuiltIn(wanted) => listed.built_in == *wanted,
            Self::Label(label) => matches_label(&record.labels, label),
            Self::NotLabel(label) => !matches_label(&record.labels, label),
            // The default one is never superfluous.
            Self::Dangling(wanted) => is_dangling(listed) == *wanted,
            Self::Until(moment) => record.created < *moment,
        }
    }
}

/// Whether nobody would miss it.
pub(super) fn is_dangling(listed: &ListedNetwork) -> bool {
    !listed.built_in && listed.record.name != DEFAULT_NETWORK && listed.users.is_empty()
}
