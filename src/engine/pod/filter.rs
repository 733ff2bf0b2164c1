// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of `pod ps`: values of one key are alternatives, different keys must all
//! let a pod through.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex_lite::Regex;

use super::listed::ListedPod;
use crate::engine::filter::{FilterError, IdPattern, id_pattern, pattern};
use crate::engine::pattern::matches_label;
use crate::engine::quantity::parse_moment;

/// The states that a container of a pod may be asked for.
const CONTAINER_STATUSES: &[&str] = &[
    "created", "running", "paused", "stopped", "exited", "unknown",
];
/// The states that a pod may be asked for.
const POD_STATUSES: &[&str] = &[
    "stopped", "running", "paused", "exited", "dead", "created", "degraded",
];

/// Understood filters.
pub(super) struct PodFilters(Vec<Filter>);

enum Filter {
    Id(Vec<IdPattern>),
    ContainerId(Vec<IdPattern>),
    Name(Vec<Regex>),
    ContainerName(Vec<Regex>),
    ContainerNumber(Vec<String>),
    ContainerStatus(Vec<String>),
    Status(Vec<String>),
    Label(Vec<String>),
    NotLabel(Vec<String>),
    Until(Timestamp),
    /// Networks by name come later: no pod is in one.
    Network,
}

impl PodFilters {
    /// Understands keys with their values.
    ///
    /// # Errors
    ///
    /// The first that cannot be understood.
    pub(super) fn parse(texts: &[(String, String)]) -> Result<Self, FilterError> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in texts {
            groups.entry(key).or_default().push(value);
        }
        let filters = groups.into_iter().map(|(key, values)| filter(key, &values));
        Ok(Self(filters.collect::<Result<_, _>>()?))
    }

    /// Whether all filters let the pod through.
    pub(super) fn let_through(&self, pod: &ListedPod) -> bool {
        self.0.iter().all(|filter| filter.matches(pod))
    }
}

fn filter(key: &str, values: &[&str]) -> Result<Filter, FilterError> {
    let owned = || values.iter().map(ToString::to_string).collect();
    let ids = || -> Result<Vec<IdPattern>, FilterError> {
        values.iter().map(|text| id_pattern(key, text)).collect()
    };
    let patterns = || -> Result<Vec<Regex>, FilterError> {
        values.iter().map(|text| pattern(key, text)).collect()
    };
    Ok(match key {
        "id" => Filter::Id(ids()?),
        "ctr-ids" => Filter::ContainerId(ids()?),
        "name" => Filter::Name(patterns()?),
        "ctr-names" => Filter::ContainerName(patterns()?),
        "ctr-number" => Filter::ContainerNumber(owned()),
        "ctr-status" => Filter::ContainerStatus(container_statuses(values)?),
        "status" => Filter::Status(pod_statuses(values)?),
        "label" => Filter::Label(owned()),
        "label!" => Filter::NotLabel(owned()),
        "until" => {
            let [moment] = values else {
                return Err(FilterError::SeveralTimes);
            };
            Filter::Until(parse_moment(moment, Timestamp::now())?)
        }
        "network" => Filter::Network,
        _ => {
            let key = key.to_owned();
            return Err(FilterError::UnknownKey { key });
        }
    })
}

fn container_statuses(values: &[&str]) -> Result<Vec<String>, FilterError> {
    let status = |value: &&str| match *value {
        "stopped" => Ok("exited".to_owned()),
        known if CONTAINER_STATUSES.contains(&known) => Ok(known.to_owned()),
        other => Err(FilterError::MemberStatus {
            status: other.to_owned(),
        }),
    };
    values.iter().map(status).collect()
}

fn pod_statuses(values: &[&str]) -> Result<Vec<String>, FilterError> {
    let status = |value: &&str| match *value {
        known if POD_STATUSES.contains(&known) => Ok(known.to_owned()),
        other => Err(FilterError::PodStatus {
            status: other.to_owned(),
        }),
    };
    values.iter().map(status).collect()
}

impl Filter {
    fn matches(&self, pod: &ListedPod) -> bool {
        let record = &pod.record;
        let mut members = pod.members.iter();
        match self {
            Self::Id(patterns) => patterns.iter().any(|one| one.matches(&record.id)),
            Self::ContainerId(patterns) => {
                members.any(|member| patterns.iter().any(|one| one.matches(&member.id)))
            }
            Self::Name(patterns) => patterns.iter().any(|one| one.is_match(&record.name)),
            Self::ContainerName(patterns) => {
                members.any(|member| patterns.iter().any(|one| one.is_match(&member.name)))
            }
            Self::ContainerNumber(numbers) => numbers
                .iter()
                .any(|one| one.parse() == Ok(pod.members.len())),
            Self::ContainerStatus(words) => {
                members.any(|member| words.iter().any(|word| word == member.status))
            }
            Self::Status(words) => {
                let status = pod.status.word();
                words.iter().any(|word| word.eq_ignore_ascii_case(status))
            }
            Self::Label(wanted) => {
                let labels = &record.request.labels;
                wanted.iter().all(|one| matches_label(labels, one))
            }
            Self::NotLabel(wanted) => {
                let labels = &record.request.labels;
                !wanted.iter().all(|one| matches_label(labels, one))
            }
            Self::Until(moment) => record.created < *moment,
            Self::Network => false,
        }
    }
}
