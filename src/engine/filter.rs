// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on containers: values of one key are alternatives, different
//! keys must all let a container through, and so must all labels.
//!
//! A container's files are only read when a filter asks for what stands in them.

use std::cell::OnceCell;

use jiff::Timestamp;
use regex_lite::Regex;

use super::quantity::{NoMoment, parse_moment};
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::ContainerState;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

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

#[derive(Debug)]
enum Filter {
    Id(Vec<IdPattern>),
    Status(Vec<String>),
    Exited(Vec<i32>),
    Name(Vec<Regex>),
    Label(Vec<LabelPattern>),
    NotLabel(Vec<LabelPattern>),
    Ancestor(Vec<(String, Regex)>),
    CreatedBefore(Timestamp),
    CreatedAfter(Timestamp),
    Volume(Vec<String>),
    Network(Vec<String>),
    Health(Vec<String>),
    RestartPolicy(Vec<String>),
    Command(Vec<Regex>),
    Expose(Vec<String>),
    /// What no container here can fulfil: a pod, a published port.
    Nothing,
    Everything,
}

/// Hexadecimal digits are the beginning of an id, anything else is a pattern.
#[derive(Debug)]
enum IdPattern {
    Prefix(String),
    Pattern(Regex),
}

#[derive(Debug)]
struct LabelPattern {
    key: String,
    value: String,
}

/// A container that filters look at; what they need is read once.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    store: &'a Store,
    id: ContainerId,
    state: OnceCell<Result<(ContainerState, Observed), StateError>>,
    summary: OnceCell<Result<ContainerSummary, StateError>>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(store: &'a Store, id: ContainerId) -> Self {
        Self {
            store,
            id,
            state: OnceCell::new(),
            summary: OnceCell::new(),
        }
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.id
    }

    /// What it does; `None` when it has gone or cannot be read.
    pub(super) fn state(&self) -> Option<&(ContainerState, Observed)> {
        let read = || self.store.observe(&self.id);
        self.state.get_or_init(read).as_ref().ok()
    }

    /// What it is; `None` when it has gone or cannot be read.
    pub(super) fn summary(&self) -> Option<&ContainerSummary> {
        let read = || self.store.load_summary(&self.id);
        self.summary.get_or_init(read).as_ref().ok()
    }

    /// Everything that was read of it; `None` when it has gone meanwhile.
    ///
    /// # Errors
    ///
    /// A record that is there and cannot be read.
    pub(super) fn into_parts(
        self,
    ) -> Result<Option<(ContainerSummary, ContainerState, Observed)>, StateError> {
        self.state();
        self.summary();
        let (Some(state), Some(summary)) = (self.state.into_inner(), self.summary.into_inner())
        else {
            return Ok(None);
        };
        match (state, summary) {
            (Ok((state, observed)), Ok(summary)) => Ok(Some((summary, state, observed))),
            (_, Err(StateError::NoSuchContainer { .. })) => Ok(None),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

/// The state of a container in podman's words.
pub fn status_word(state: &ContainerState, observed: Observed) -> &'static str {
    match observed {
        Observed::Created => "created",
        Observed::Running if state.is_stopping() => "stopping",
        Observed::Running => "running",
        Observed::Paused => "paused",
        Observed::Exited | Observed::Lost(_) => "exited",
        Observed::Elsewhere => "unknown",
    }
}

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
    let owned = || values.iter().map(|value| (*value).to_owned()).collect();
    Ok(match key {
        "id" => Filter::Id(each(values, |value| id_pattern(key, value))?),
        "name" => Filter::Name(each(values, |value| pattern(key, &value.replace('/', "")))?),
        "label" => Filter::Label(values.iter().map(|value| LabelPattern::of(value)).collect()),
        "label!" => Filter::NotLabel(values.iter().map(|value| LabelPattern::of(value)).collect()),
        "status" => Filter::Status(each(values, status)?),
        "exited" => Filter::Exited(each(values, exit_code)?),
        "ancestor" => Filter::Ancestor(each(values, |value| {
            Ok(((*value).to_owned(), pattern(key, value)?))
        })?),
        "command" => Filter::Command(each(values, |value| pattern(key, value))?),
        "before" => Filter::CreatedBefore(earliest(store, values)?),
        "since" => Filter::CreatedAfter(earliest(store, values)?),
        "until" => {
            let [value] = values else {
                return Err(FilterError::SeveralTimes);
            };
            Filter::CreatedBefore(parse_moment(value, Timestamp::now())?)
        }
        "volume" => Filter::Volume(owned()),
        "network" => Filter::Network(owned()),
        "health" => Filter::Health(owned()),
        "restart-policy" => Filter::RestartPolicy(each(values, restart_policy)?),
        "should-start-on-boot" => start_on_boot(key, values)?,
        "expose" => Filter::Expose(owned()),
        "pod" | "publish" => Filter::Nothing,
        "is-task" | "isolation" => Filter::Everything,
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

fn pattern(key: &str, pattern: &str) -> Result<Regex, FilterError> {
    Regex::new(pattern).map_err(|source| FilterError::Pattern {
        key: key.to_owned(),
        pattern: pattern.to_owned(),
        source,
    })
}

fn id_pattern(key: &str, value: &str) -> Result<IdPattern, FilterError> {
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

/// Four words mean that a container is not started again.
fn plain_policy(policy: &str) -> &str {
    match policy.split_once(':').map_or(policy, |(name, _)| name) {
        "" | "none" | "never" => "no",
        other => other,
    }
}

fn start_on_boot(key: &str, values: &[&str]) -> Result<Filter, FilterError> {
    let wanted = match *values.last().unwrap_or(&"true") {
        "true" | "1" | "t" | "True" | "TRUE" => true,
        "false" | "0" | "f" | "False" | "FALSE" => false,
        other => {
            return Err(FilterError::NoBool {
                key: key.to_owned(),
                value: other.to_owned(),
            });
        }
    };
    let policies = RESTART_POLICIES.iter().map(|policy| plain_policy(policy));
    let starts = |policy: &&str| matches!(*policy, "always" | "unless-stopped") == wanted;
    Ok(Filter::RestartPolicy(
        policies.filter(starts).map(str::to_owned).collect(),
    ))
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

impl LabelPattern {
    fn of(text: &str) -> Self {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    fn matches(&self, summary: &ContainerSummary) -> bool {
        let key_matches = |key: &str| {
            key == self.key || self.key.contains('*') && glob(&format!("*{}*", self.key), key)
        };
        let mut labels = summary.resolved.labels.iter();
        labels
            .any(|(key, value)| (self.value.is_empty() || *value == self.value) && key_matches(key))
    }
}

/// Whether `text` matches a pattern whose `*` stands for any characters and `?` for one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // The place to go back to: behind the last `*`, and one character further in the text.
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, start)) = back else {
                    return false;
                };
                back = Some((star, start + 1));
                (p, t) = (star, start + 1);
            }
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

impl Filter {
    /// What it has to read: nothing, the state, the record.
    fn cost(&self) -> u8 {
        match self {
            Self::Id(_) | Self::Nothing | Self::Everything => 0,
            Self::Status(_) | Self::Exited(_) => 1,
            Self::Name(_)
            | Self::Label(_)
            | Self::NotLabel(_)
            | Self::Ancestor(_)
            | Self::CreatedBefore(_)
            | Self::CreatedAfter(_)
            | Self::Volume(_)
            | Self::Network(_)
            | Self::Health(_)
            | Self::RestartPolicy(_)
            | Self::Command(_)
            | Self::Expose(_) => 2,
        }
    }

    fn matches(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Id(patterns) => patterns.iter().any(|pattern| match pattern {
                IdPattern::Prefix(prefix) => candidate.id().as_str().starts_with(prefix),
                IdPattern::Pattern(pattern) => pattern.is_match(candidate.id().as_str()),
            }),
            Self::Status(words) => candidate.state().is_some_and(|(state, observed)| {
                words
                    .iter()
                    .any(|word| word == status_word(state, *observed))
            }),
            Self::Exited(codes) => candidate.state().is_some_and(|(state, observed)| {
                let ended = matches!(observed, Observed::Exited | Observed::Lost(_));
                ended && codes.contains(&exit_code_of(state, *observed))
            }),
            Self::Name(_)
            | Self::Label(_)
            | Self::NotLabel(_)
            | Self::Ancestor(_)
            | Self::CreatedBefore(_)
            | Self::CreatedAfter(_)
            | Self::Volume(_)
            | Self::Network(_)
            | Self::Health(_)
            | Self::RestartPolicy(_)
            | Self::Command(_)
            | Self::Expose(_) => candidate
                .summary()
                .is_some_and(|summary| self.matches_summary(summary)),
        }
    }

    fn matches_summary(&self, summary: &ContainerSummary) -> bool {
        let (request, resolved) = (&summary.request, &summary.resolved);
        match self {
            Self::Name(patterns) => patterns.iter().any(|one| one.is_match(&summary.name)),
            Self::Label(patterns) => patterns.iter().all(|one| one.matches(summary)),
            Self::NotLabel(patterns) => !patterns.iter().all(|one| one.matches(summary)),
            Self::Ancestor(images) => images
                .iter()
                .any(|(text, pattern)| is_of_image(summary, text, pattern)),
            Self::CreatedBefore(moment) => summary.created < *moment,
            Self::CreatedAfter(moment) => summary.created > *moment,
            Self::Volume(volumes) => volumes.iter().any(|one| has_volume(summary, one)),
            Self::Network(names) => names.iter().any(|one| request.networks.contains(one)),
            // Health checks come later: no container has one.
            Self::Health(words) => words.iter().any(|word| word == "none"),
            Self::RestartPolicy(policies) => {
                let own = plain_policy(request.restart.as_deref().unwrap_or("no"));
                policies.iter().any(|policy| policy == own)
            }
            Self::Command(patterns) => {
                let first = resolved.command.first();
                first.is_some_and(|word| patterns.iter().any(|one| one.is_match(word)))
            }
            Self::Expose(ports) => ports.iter().any(|port| {
                let with_protocol = format!("{port}/tcp");
                let exposed = &resolved.exposed_ports;
                exposed
                    .iter()
                    .any(|one| one == port || *one == with_protocol)
            }),
            Self::Id(_) | Self::Status(_) | Self::Exited(_) | Self::Nothing | Self::Everything => {
                true
            }
        }
    }
}

/// The exit code that is shown: nobody saw a lost container end, so it is as if SIGKILL did it.
pub fn exit_code_of(state: &ContainerState, observed: Observed) -> i32 {
    let unseen = match observed {
        Observed::Lost(_) => 128 + 9,
        Observed::Created
        | Observed::Running
        | Observed::Paused
        | Observed::Exited
        | Observed::Elsewhere => 0,
    };
    state.exit_code.unwrap_or(unseen)
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
    let named = summary.request.mounts.iter().any(|mount| {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::atomic::Durability;
    use crate::state::dirs::Dirs;
    use crate::state::record::{ContainerRecord, ContainerRequest, Resolved, Status};

    /// Two containers: `web` was created first and has exited with 3, `db` was never started.
    fn store(directory: &std::path::Path) -> Store {
        let store = Store::open(Dirs {
            data_root: directory.join("s"),
            run_root: directory.join("r"),
        })
        .unwrap();
        for (name, byte, restart) in [("web", 0xaa, "always"), ("db", 0xbb, "on-failure:3")] {
            let labels = [("app", name), ("com.example.tier", "x")];
            let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
            let record = ContainerRecord {
                id: ContainerId::from_random(&[byte; 32]),
                name: name.to_owned(),
                created: Timestamp::new(i64::from(byte), 0).unwrap(),
                request: ContainerRequest {
                    restart: Some(restart.to_owned()),
                    ..ContainerRequest::default()
                },
                resolved: Resolved {
                    image_id: format!("{byte:x}00"),
                    image_name: format!("docker.io/library/{name}:latest"),
                    command: vec![format!("/bin/{name}")],
                    labels: BTreeMap::from(labels.map(owned)),
                    volumes: vec!["/data".to_owned()],
                    exposed_ports: vec!["80/tcp".to_owned()],
                    ..Resolved::default()
                },
            };
            drop(store.create(&record, Durability::Unsynced).unwrap());
        }
        let state = ContainerState {
            status: Status::Exited,
            exit_code: Some(3),
            ..ContainerState::default()
        };
        store
            .write_state(&ContainerId::from_random(&[0xaa; 32]), &state)
            .unwrap();
        store
    }

    #[test]
    fn containers_pass_by_what_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let table: &[(&[&str], &str)] = &[
            (&[], "web db"),
            (&["id=aa"], "web"),
            (&["id=AA"], "web"),
            (&["id=^[^a]"], "db"),
            (&["id=aa", "id=bb"], "web db"),
            (&["name=w"], "web"),
            (&["name=^/web$"], "web"),
            (&["name=^we$"], ""),
            (&["name=web", "name=db", "label=app=db"], "db"),
            (&["label=app"], "web db"),
            (&["label=app=web"], "web"),
            (&["label=app=web", "label=app=db"], ""),
            (&["label=com.*.tier"], "web db"),
            (&["label!=app=web"], "db"),
            (&["status=stopped"], "web"),
            (&["status=created"], "db"),
            (&["status=created", "status=exited"], "web db"),
            (&["exited=3"], "web"),
            (&["exited=0"], ""),
            (&["ancestor=aa0"], "web"),
            (&["ancestor=docker.io/library/db"], "db"),
            (&["ancestor=web:latest"], "web"),
            (&["before=db"], "web"),
            (&["since=web"], "db"),
            (&["until=180"], "web"),
            (&["volume=/data"], "web db"),
            (&["volume=/other"], ""),
            (&["restart-policy=on-failure"], "db"),
            (&["restart-policy=none"], ""),
            (&["should-start-on-boot=true"], "web"),
            (&["should-start-on-boot=false"], "db"),
            (&["command=/bin/w"], "web"),
            (&["expose=80"], "web db"),
            (&["pod=x"], ""),
            (&["network=x"], ""),
            (&["health=none"], "web db"),
        ];
        for (texts, expected) in table {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let filters = Filters::parse(&store, &texts, FilterKeys::All).unwrap();
            let mut ids = store.list().unwrap();
            ids.sort();
            let through: Vec<String> = ids
                .into_iter()
                .filter(|id| filters.let_through(&Candidate::new(&store, id.clone())))
                .map(|id| store.load(&id).unwrap().name)
                .collect();
            assert_eq!(through.join(" "), *expected, "{texts:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said_in_podmans_words() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let table = [
            ("foo", "invalid filter \"foo\""),
            ("foo=bar", "foo is an invalid filter"),
            ("status=xx", "unknown container state: xx: invalid argument"),
            ("exited=x", "exited code out of range \"x\": invalid syntax"),
            ("restart-policy=x", "x invalid restart policy"),
            ("until=x", "filter until"),
            (
                "before=nope",
                "no container with name or ID \"nope\" found: no such container",
            ),
            (
                "should-start-on-boot=x",
                "filter should-start-on-boot: \"x\" is neither true nor false",
            ),
        ];
        for (text, expected) in table {
            let error = Filters::parse(&store, &[text.to_owned()], FilterKeys::All).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let error = Filters::parse(&store, &["name=x".to_owned()], FilterKeys::Prune).unwrap_err();
        assert_eq!(error.to_string(), "name is an invalid filter");
        let error = Filters::parse(&store, &["name=[".to_owned()], FilterKeys::All).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("filter name: \"[\" is no regular expression")
        );
    }

    #[test]
    fn globs() {
        let table = [
            ("*a*", "xay", true),
            ("*com.*.x*", "com.foo.x", true),
            ("a?c", "abc", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b", "abx", false),
            ("", "", true),
            ("*", "", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
