// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on volumes, and which containers use which volume.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex_lite::Regex;

use super::{ListedVolume, VolumeFailure};
use crate::engine::pattern::matches_label;
use crate::engine::quantity::parse_moment;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::record::MountKind;
use crate::state::store::Store;
use crate::state::volumes::Volumes;

/// Which containers name which volume.
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
            for mount in summary.mounts() {
                if mount.kind == MountKind::Volume {
                    let list = users.0.entry(mount.source.clone()).or_default();
                    if !list.contains(&id) {
                        list.push(id.clone());
                    }
                }
            }
        }
        Ok(users)
    }

    pub(super) fn of(&self, name: &str) -> Vec<ContainerId> {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// Understood filters: values of one key are alternatives, different keys must all hold, and so
/// must all labels.
#[derive(Debug, Default)]
pub(super) struct VolumeFilters {
    groups: Vec<(String, Vec<Test>)>,
}

#[derive(Debug)]
enum Test {
    Name(Regex),
    Driver(String),
    Scope(String),
    Label(String),
    NotLabel(String),
    Option(String, String),
    Dangling(bool),
    Anonymous(bool),
    Until(Timestamp),
    After(Timestamp),
    /// `all` of docker's prune: a scope, no test.
    Always,
}

impl VolumeFilters {
    pub(super) fn parse(volumes: &Volumes, texts: &[String]) -> Result<Self, VolumeFailure> {
        let mut filters = Self::default();
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                return Err(VolumeFailure::Filter(format!(
                    "filter input must be in the form of filter=value: {text} is invalid"
                )));
            };
            let test = test(volumes, key, value)?;
            let alone = matches!(test, Test::Label(_) | Test::NotLabel(_));
            let mut groups = filters.groups.iter_mut();
            match groups.find(|(known, _)| known == key && !alone) {
                Some((_, tests)) => tests.push(test),
                None => filters.groups.push((key.to_owned(), vec![test])),
            }
        }
        Ok(filters)
    }

    pub(super) fn let_through(&self, listed: &ListedVolume) -> bool {
        let holds = |(_, tests): &(String, Vec<Test>)| tests.iter().any(|test| test.holds(listed));
        self.groups.iter().all(holds)
    }
}

fn test(volumes: &Volumes, key: &str, value: &str) -> Result<Test, VolumeFailure> {
    let refuse = |words: String| VolumeFailure::Filter(words);
    let truth = || match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(refuse(format!(
            "{value:?} is not a valid value for the {key:?} filter - must be true or false"
        ))),
    };
    let moment = || {
        let parsed = parse_moment(value, Timestamp::now());
        parsed.map_err(|error| refuse(error.to_string()))
    };
    Ok(match key {
        "name" => Test::Name(Regex::new(value).map_err(|error| refuse(error.to_string()))?),
        "driver" => Test::Driver(value.to_owned()),
        "scope" => Test::Scope(value.to_owned()),
        "label" => Test::Label(value.to_owned()),
        "label!" => Test::NotLabel(value.to_owned()),
        "opt" => {
            let (option, wanted) = value.split_once('=').unwrap_or((value, ""));
            Test::Option(option.to_owned(), wanted.to_owned())
        }
        "dangling" => Test::Dangling(truth()?),
        "anonymous" => Test::Anonymous(truth()?),
        "until" => Test::Until(moment()?),
        "after" | "since" => Test::After(volumes.load(&volumes.resolve(value)?)?.created),
        "all" => Test::Always,
        _ => return Err(refuse(format!("{key:?} is an invalid volume filter"))),
    })
}

impl Test {
    fn holds(&self, listed: &ListedVolume) -> bool {
        let record = &listed.record;
        match self {
            Self::Name(pattern) => pattern.is_match(&record.name),
            Self::Driver(driver) => driver == "local",
            Self::Scope(scope) => scope == "local",
            Self::Label(label) => matches_label(&record.labels, label),
            Self::NotLabel(label) => !matches_label(&record.labels, label),
            Self::Option(key, wanted) => record
                .options
                .get(key)
                .is_some_and(|value| wanted.is_empty() || value == wanted),
            Self::Dangling(wanted) => listed.users.is_empty() == *wanted,
            Self::Anonymous(wanted) => record.anonymous == *wanted,
            Self::Until(moment) => record.created < *moment,
            Self::After(moment) => record.created > *moment,
            Self::Always => true,
        }
    }
}
