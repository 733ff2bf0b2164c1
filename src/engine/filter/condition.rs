// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One understood filter, and whether a container fulfils it.

use jiff::Timestamp;
use regex_lite::Regex;

use super::candidate::{Candidate, exit_code_of, status_word};
use crate::engine::pattern::matches_label;
use crate::engine::restart_policy::RestartPolicy;
use crate::state::id::{ContainerId, PodId};
use crate::state::liveness::Observed;
use crate::state::summary::ContainerSummary;

/// What a container must be to be let through.
#[derive(Debug)]
pub(super) enum Filter {
    Id(Vec<IdPattern>),
    Status(Vec<String>),
    Exited(Vec<i32>),
    Record(RecordFilter),
    /// What its checks say.
    Health(Vec<String>),
    /// Whether it starts with the machine.
    StartsOnBoot(bool),
    /// What no container here can fulfil: a published port.
    Nothing,
    Everything,
}

/// What stands in a container's record, which is the most expensive to look at.
#[derive(Debug)]
pub(super) enum RecordFilter {
    Name(Vec<Regex>),
    Label(Vec<String>),
    NotLabel(Vec<String>),
    Ancestor(Vec<(String, Regex)>),
    CreatedBefore(Timestamp),
    CreatedAfter(Timestamp),
    Volume(Vec<String>),
    Network(Vec<String>),
    RestartPolicy(Vec<String>),
    Command(Vec<Regex>),
    Expose(Vec<String>),
    Pod(Vec<PodId>),
}

/// Hexadecimal digits are the beginning of an id, anything else is a pattern.
#[derive(Debug)]
pub(in crate::engine) enum IdPattern {
    Prefix(String),
    Pattern(Regex),
}

impl IdPattern {
    pub(in crate::engine) fn matches(&self, id: &ContainerId) -> bool {
        match self {
            Self::Prefix(prefix) => id.as_str().starts_with(prefix),
            Self::Pattern(pattern) => pattern.is_match(id.as_str()),
        }
    }
}

impl Filter {
    /// What it has to read: nothing, the state, the record.
    pub(super) fn cost(&self) -> u8 {
        match self {
            Self::Id(_) | Self::Nothing | Self::Everything => 0,
            Self::Status(_) | Self::Exited(_) => 1,
            Self::Record(_) | Self::StartsOnBoot(_) | Self::Health(_) => 2,
        }
    }

    pub(super) fn matches(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Id(patterns) => patterns.iter().any(|one| one.matches(candidate.id())),
            Self::Status(words) => candidate.state().is_some_and(|(state, observed)| {
                words
                    .iter()
                    .any(|word| word == status_word(state, *observed))
            }),
            Self::Exited(codes) => candidate.state().is_some_and(|(state, observed)| {
                let ended = matches!(observed, Observed::Exited | Observed::Lost(_));
                ended && codes.contains(&exit_code_of(state, *observed))
            }),
            Self::Health(words) => {
                let health = candidate.health();
                let health = if health.is_empty() { "none" } else { &health };
                words.iter().any(|word| word == health)
            }
            Self::StartsOnBoot(wanted) => {
                let policy = candidate.summary().map(|summary| {
                    let restart = summary.request.restart.as_deref();
                    RestartPolicy::of(restart)
                });
                let (Some(policy), Some((state, _))) = (policy, candidate.state()) else {
                    return false;
                };
                policy.starts_on_boot(state.stopped_by_user) == *wanted
            }
            Self::Record(filter) => candidate
                .summary()
                .is_some_and(|summary| filter.matches(summary)),
        }
    }
}

impl RecordFilter {
    fn matches(&self, summary: &ContainerSummary) -> bool {
        let (request, resolved) = (&summary.request, &summary.resolved);
        match self {
            Self::Name(patterns) => patterns.iter().any(|one| one.is_match(&summary.name)),
            Self::Label(wanted) => wanted
                .iter()
                .all(|one| matches_label(&resolved.labels, one)),
            Self::NotLabel(wanted) => !wanted
                .iter()
                .all(|one| matches_label(&resolved.labels, one)),
            Self::Ancestor(images) => images
                .iter()
                .any(|(text, pattern)| is_of_image(summary, text, pattern)),
            Self::CreatedBefore(moment) => summary.created < *moment,
            Self::CreatedAfter(moment) => summary.created > *moment,
            Self::Volume(volumes) => volumes.iter().any(|one| has_volume(summary, one)),
            Self::Network(names) => names.iter().any(|one| {
                let joined = resolved.networks.iter().flatten();
                let mut joined = joined.map(|network| &network.network);
                joined.any(|network| network == one) || request.networks.contains(one)
            }),
            Self::RestartPolicy(policies) => {
                let own = plain_policy(request.restart.as_deref().unwrap_or("no"));
                policies.iter().any(|policy| policy == own)
            }
            Self::Command(patterns) => {
                let first = resolved.command.first();
                first.is_some_and(|word| patterns.iter().any(|one| one.is_match(word)))
            }
            Self::Pod(pods) => resolved.pod.as_ref().is_some_and(|pod| pods.contains(pod)),
            Self::Expose(ports) => ports.iter().any(|port| {
                let with_protocol = format!("{port}/tcp");
                let exposed = &resolved.exposed_ports;
                exposed
                    .iter()
                    .any(|one| one == port || *one == with_protocol)
            }),
        }
    }
}

/// Four words mean that a container is not started again.
pub(super) fn plain_policy(policy: &str) -> &str {
    match policy.split_once(':').map_or(policy, |(name, _)| name) {
        "" | "none" | "never" => "no",
        other => other,
    }
}

/// `ancestor`: a part of the image's id, or a pattern of its name, whose tag may be left out when
/// it is `latest`.
fn is_of_image(summary: &ContainerSummary, text: &str, pattern: &Regex) -> bool {
    let (id, name) = (&summary.resolved.image_id, &summary.resolved.image_name);
    if id.is_empty() {
        return false;
    }
    let id_text = text.strip_prefix("sha256:").unwrap_or(text);
    let untagged = name.strip_suffix(":latest");
    !text.is_empty() && id.contains(id_text)
        || pattern.is_match(name)
        || untagged.is_some_and(|untagged| pattern.is_match(untagged))
}

/// `volume`: a volume's name, a path in the container, or `SOURCE:PATH`.
fn has_volume(summary: &ContainerSummary, text: &str) -> bool {
    let (source, path) = text.split_once(':').unwrap_or((text, ""));
    let named = summary.mounts().iter().any(|mount| {
        if path.is_empty() {
            mount.container_path == source || mount.source == source
        } else {
            mount.source == source && mount.container_path == path
        }
    });
    named
        || path.is_empty()
            && summary
                .resolved
                .volumes
                .iter()
                .any(|volume| volume == source)
}
