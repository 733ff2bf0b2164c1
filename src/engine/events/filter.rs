// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter` of events: values of one key are alternatives, keys must all hold.

use crate::engine::Dialect;
use crate::engine::filter::groups::{Groups, Several};
use crate::state::events::{Action, Event, Kind};

/// One test of an event.
#[derive(Debug)]
enum Test {
    /// It is about that thing: a name, or the beginning of an id.
    About(Kind, String),
    /// It is about a volume whose name begins so.
    Volume(String),
    /// It is about an image, or a container of it.
    OfImage(String),
    /// It happened.
    Action(String),
    /// It is of that kind.
    Kind(String),
    /// It has the attribute, with that value if one is given.
    Label(String, Option<String>),
    /// Whatever it is about.
    Any,
}

/// Filters that were understood.
#[derive(Debug, Default)]
pub(super) struct EventFilters(Groups<Test>);

impl EventFilters {
    /// Reads `--filter` values.
    ///
    /// # Errors
    ///
    /// Podman's words for a text without a value, and for a key that nobody knows.
    pub(super) fn parse(texts: &[String], dialect: Dialect) -> Result<Self, String> {
        let mut groups = Groups::default();
        for text in texts {
            let invalid = || format!("{text} is an invalid filter");
            let (key, value) = text.split_once('=').ok_or_else(invalid)?;
            let key = key.to_lowercase();
            let test = test(&key, value, dialect).ok_or_else(|| {
                let key = text.split('=').next().unwrap_or_default();
                format!("{key} is an invalid filter")
            })?;
            let key = if key == "status" { "event" } else { &key };
            groups.add(key, test, Several::Alternatives);
        }
        Ok(Self(groups))
    }

    pub(super) fn let_through(&self, event: &Event) -> bool {
        self.0.hold(|test| test.holds(event))
    }
}

fn test(key: &str, value: &str, dialect: Dialect) -> Option<Test> {
    let text = value.to_owned();
    Some(match key {
        "container" => Test::About(Kind::Container, text),
        "image" if dialect == Dialect::Docker => Test::OfImage(text),
        "image" => Test::About(Kind::Image, text),
        "pod" => Test::About(Kind::Pod, text),
        "network" => Test::About(Kind::Network, text),
        "secret" => Test::About(Kind::Secret, text),
        "volume" => Test::Volume(text),
        "event" | "status" => Test::Action(word_of(value).to_owned()),
        "type" => Test::Kind(text),
        "label" => match value.split_once('=') {
            Some((name, value)) => Test::Label(name.to_owned(), Some(value.to_owned())),
            None => Test::Label(text, None),
        },
        // There is one daemon and one machine.
        "daemon" | "scope" | "node" if dialect == Dialect::Docker => Test::Any,
        _ => return None,
    })
}

/// Docker's words in those of the log.
fn word_of(word: &str) -> &str {
    let action = match word {
        "die" => Action::Died,
        "destroy" | "delete" => Action::Remove,
        "exec_die" => Action::ExecDied,
        "exec_start" | "exec_create" => Action::Exec,
        "load" => Action::LoadFromArchive,
        _ => return word,
    };
    action.word()
}

impl Test {
    fn holds(&self, event: &Event) -> bool {
        match self {
            Self::About(Kind::Network, text) => {
                event.kind == Kind::Network
                    && (event.network == *text || event.id.starts_with(text))
            }
            Self::About(kind, text) => {
                event.kind == *kind && (event.name == *text || event.id.starts_with(text))
            }
            Self::Volume(text) => event.kind == Kind::Volume && event.name.starts_with(text),
            Self::OfImage(text) => match event.kind {
                Kind::Image => event.name == *text || event.id.starts_with(text),
                Kind::Container => is_image(&event.image, text),
                Kind::Network | Kind::Pod | Kind::System | Kind::Volume | Kind::Secret => false,
            },
            Self::Action(word) => event.action.word() == word,
            Self::Kind(word) => event.kind.word() == word,
            Self::Label(name, value) => {
                let attributes = event.attributes.as_ref();
                let found = attributes.and_then(|attributes| attributes.get(name));
                found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            }
            Self::Any => true,
        }
    }
}

/// Whether a full name is the one typed: with or without its registry and its tag.
fn is_image(full: &str, typed: &str) -> bool {
    let name = full.rsplit_once(':').map_or(full, |(name, _)| name);
    let is_end = |name: &str| {
        let rest = name.strip_suffix(typed);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    is_end(full) || is_end(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_find_what_is_meant() {
        let event = Event {
            id: "abcdef".to_owned(),
            name: "web".to_owned(),
            image: "docker.io/library/busybox:latest".to_owned(),
            ..Event::new(Kind::Container, Action::Died)
        }
        .with("tier", "front");
        let both = [Dialect::Podman, Dialect::Docker];
        let cases: [(&[&str], &[Dialect]); 10] = [
            (&[], &both),
            (&["container=web"], &both),
            (&["container=abc", "container=other"], &both),
            (&["event=die", "status=start", "type=container"], &both),
            (&["label=tier"], &both),
            (&["LABEL=tier=front"], &both),
            (&["image=busybox"], &[Dialect::Docker]),
            (&["label=tier=back"], &[]),
            (&["container=web", "event=start"], &[]),
            (&["image=abc"], &[]),
        ];
        for (texts, found_by) in cases {
            for dialect in both {
                let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
                let filters = EventFilters::parse(&texts, dialect).unwrap();
                assert_eq!(
                    filters.let_through(&event),
                    found_by.contains(&dialect),
                    "{texts:?}"
                );
            }
        }
        for (text, words) in [
            ("event", "event is an"),
            ("size=3", "size is an invalid filter"),
        ] {
            let error = EventFilters::parse(&[text.to_owned()], Dialect::Podman).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
