// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on containers: values of one key are alternatives, different
//! keys must all let a container through, and so must all labels.
//!
//! A container's files are only read when a filter asks for what stands in them.

mod candidate;
mod condition;
pub(super) mod groups;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use regex_lite::Regex;

pub(super) use candidate::Candidate;
pub use candidate::{exit_code_of, status_word};
pub(super) use condition::IdPattern;
use condition::{Filter, RecordFilter, plain_policy};

use super::quantity::{NoMoment, parse_moment};
use crate::state::StateError;
use crate::state::id::PodId;
use crate::state::pod::Pods;
use crate::state::store::Store;

/// Why a filter cannot be used. The words are podman's.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Not `KEY=VALUE`.
    #[error("invalid filter \"{filter}\"")]
    NoValue {
        /// What was typed.
        filter: String,
    },
    /// Nobody knows the key.
    #[error("{key} is an invalid filter")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A state that no container can be in.
    #[error("unknown container state: {status}: invalid argument")]
    UnknownStatus {
        /// What was typed.
        status: String,
    },
    /// A state that no pod can be in.
    #[error("{status} is not a valid pod status")]
    PodStatus {
        /// What was typed.
        status: String,
    },
    /// A state that no container of a pod can be in.
    #[error("{status} is not a valid status")]
    MemberStatus {
        /// What was typed.
        status: String,
    },
    /// An exit code that is no number.
    #[error("exited code out of range \"{code}\": invalid syntax")]
    ExitCode {
        /// What was typed.
        code: String,
    },
    /// A restart policy that nobody knows.
    #[error("{policy} invalid restart policy")]
    RestartPolicy {
        /// What was typed.
        policy: String,
    },
    /// Not true or false.
    #[error("filter {key}: \"{value}\" is neither true nor false")]
    NoBool {
        /// The key.
        key: String,
        /// What was typed.
        value: String,
    },
    /// Several values where there can be one.
    #[error("specify exactly one timestamp for until")]
    SeveralTimes,
    /// Not a time.
    #[error("filter until")]
    Moment(#[from] NoMoment),
    /// Not a regular expression.
    #[error("filter {key}: \"{pattern}\" is no regular expression ({source})")]
    Pattern {
        /// The key.
        key: String,
        /// What was typed.
        pattern: String,
        /// What is wrong with it.
        source: regex_lite::Error,
    },
    /// `before` or `since` names no container.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Which keys a command knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKeys {
    /// Those of `ps`.
    All,
    /// Those of `prune`: labels and `until`.
    Prune,
}

/// Understood filters.
#[derive(Debug)]
pub(super) struct Filters(Vec<Filter>);

/// The states that a filter may name.
const STATUS_WORDS: &[&str] = &[
    "configured",
    "created",
    "dead",
    "exited",
    "initialized",
    "paused",
    "removing",
    "restarting",
    "running",
    "stopped",
    "stopping",
    "unknown",
];

const RESTART_POLICIES: &[&str] = &[
    "no",
    "none",
    "never",
    "on-failure",
    "always",
    "unless-stopped",
];

impl Filters {
    /// Understands `texts`, each `KEY=VALUE`.
    ///
    /// # Errors
    ///
    /// The first that cannot be understood.
    pub(super) fn parse(
        store: &Store,
        texts: &[String],
        known: FilterKeys,
    ) -> Result<Self, FilterError> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for text in texts {
            let (key, value) = split(text)?;
            match groups.iter_mut().find(|(grouped, _)| *grouped == key) {
                Some((_, values)) => values.push(value),
                None => groups.push((key, vec![value])),
            }
        }
        let mut filters = Vec::with_capacity(groups.len());
        for (key, values) in groups {
            if known == FilterKeys::Prune && !matches!(key, "label" | "label!" | "until") {
                let key = key.to_owned();
                return Err(FilterError::UnknownKey { key });
            }
            filters.push(filter(store, key, &values)?);
        }
        filters.sort_by_key(Filter::cost);
        Ok(Self(filters))
    }

    /// Whether a status was asked for: then containers that do not run are looked at, too.
    pub(super) fn name_a_status(&self) -> bool {
        let mut filters = self.0.iter();
        filters.any(|filter| matches!(filter, Filter::Status(_)))
    }

    /// Whether all filters let the container through.
    pub(super) fn let_through(&self, candidate: &Candidate<'_>) -> bool {
        self.0.iter().all(|filter| filter.matches(candidate))
    }
}

/// `label!=x` is the key `label!`.
fn split(text: &str) -> Result<(&str, &str), FilterError> {
    text.split_once('=').ok_or_else(|| FilterError::NoValue {
        filter: text.to_owned(),
    })
}

fn filter(store: &Store, key: &str, values: &[&str]) -> Result<Filter, FilterError> {
    Ok(match key {
        "id" => Filter::Id(each(values, |value| id_pattern(key, value))?),
        "status" => Filter::Status(each(values, status)?),
        "exited" => Filter::Exited(each(values, exit_code)?),
        "health" => Filter::Health(values.iter().map(|value| (*value).to_owned()).collect()),
        "should-start-on-boot" => Filter::StartsOnBoot(start_on_boot(key, values)?),
        "publish" => Filter::Nothing,
        "is-task" | "isolation" => Filter::Everything,
        _ => Filter::Record(record_filter(store, key, values)?),
    })
}

fn record_filter(store: &Store, key: &str, values: &[&str]) -> Result<RecordFilter, FilterError> {
    let owned = || values.iter().map(|value| (*value).to_owned()).collect();
    Ok(match key {
        "pod" => RecordFilter::Pod(pods(store, values)?),
        "name" => RecordFilter::Name(each(values, |value| pattern(key, &value.replace('/', "")))?),
        "label" => RecordFilter::Label(owned()),
        "label!" => RecordFilter::NotLabel(owned()),
        "ancestor" => RecordFilter::Ancestor(each(values, |value| {
            Ok(((*value).to_owned(), pattern(key, value)?))
        })?),
        "command" => RecordFilter::Command(each(values, |value| pattern(key, value))?),
        "before" => RecordFilter::CreatedBefore(earliest(store, values)?),
        "since" => RecordFilter::CreatedAfter(earliest(store, values)?),
        "until" => {
            let [value] = values else {
                return Err(FilterError::SeveralTimes);
            };
            RecordFilter::CreatedBefore(parse_moment(value, Timestamp::now())?)
        }
        "volume" => RecordFilter::Volume(owned()),
        "network" => RecordFilter::Network(owned()),
        "restart-policy" => RecordFilter::RestartPolicy(each(values, restart_policy)?),
        "expose" => RecordFilter::Expose(owned()),
        _ => {
            let key = key.to_owned();
            return Err(FilterError::UnknownKey { key });
        }
    })
}

fn each<T>(
    values: &[&str],
    understand: impl Fn(&&str) -> Result<T, FilterError>,
) -> Result<Vec<T>, FilterError> {
    values.iter().map(understand).collect()
}

pub(super) fn pattern(key: &str, pattern: &str) -> Result<Regex, FilterError> {
    Regex::new(pattern).map_err(|source| FilterError::Pattern {
        key: key.to_owned(),
        pattern: pattern.to_owned(),
        source,
    })
}

/// The pods that the values mean; one that means none is no error.
fn pods(store: &Store, values: &[&str]) -> Result<Vec<PodId>, FilterError> {
    let pods = Pods::new(store.dirs());
    let mut ids = Vec::new();
    for value in values {
        match pods.resolve(value) {
            Ok(id) => ids.push(id),
            Err(StateError::NoSuchPod { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ids)
}

pub(super) fn id_pattern(key: &str, value: &str) -> Result<IdPattern, FilterError> {
    if value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(IdPattern::Prefix(value.to_ascii_lowercase()));
    }
    // Ids hold no capitals, so a pattern means the small letters.
    pattern(key, &value.to_ascii_lowercase()).map(IdPattern::Pattern)
}

fn status(value: &&str) -> Result<String, FilterError> {
    match *value {
        "stopped" => Ok("exited".to_owned()),
        "configured" => Ok("created".to_owned()),
        known if STATUS_WORDS.contains(&known) => Ok(known.to_owned()),
        unknown => Err(FilterError::UnknownStatus {
            status: unknown.to_owned(),
        }),
    }
}

fn exit_code(value: &&str) -> Result<i32, FilterError> {
    value.parse().map_err(|_error| FilterError::ExitCode {
        code: (*value).to_owned(),
    })
}

fn restart_policy(value: &&str) -> Result<String, FilterError> {
    if !RESTART_POLICIES.contains(value) {
        let policy = (*value).to_owned();
        return Err(FilterError::RestartPolicy { policy });
    }
    Ok(plain_policy(value).to_owned())
}

fn start_on_boot(key: &str, values: &[&str]) -> Result<bool, FilterError> {
    Ok(match *values.last().unwrap_or(&"true") {
        "true" | "1" | "t" | "True" | "TRUE" => true,
        "false" | "0" | "f" | "False" | "FALSE" => false,
        other => {
            return Err(FilterError::NoBool {
                key: key.to_owned(),
                value: other.to_owned(),
            });
        }
    })
}

/// When the first of the named containers was created.
fn earliest(store: &Store, names: &[&str]) -> Result<Timestamp, FilterError> {
    let mut earliest = Timestamp::MAX;
    for name in names {
        let created = store.load_summary(&store.resolve(name)?)?.created;
        earliest = earliest.min(created);
    }
    Ok(earliest)
}
