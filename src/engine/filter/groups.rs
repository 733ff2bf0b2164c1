// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests by the key of the filter that asks for them, of whatever kind of thing.

/// What several values of one key mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Several {
    /// One that holds is enough.
    Alternatives,
    /// Each must hold, as labels must.
    All,
}

/// Understood filters; those of different keys must all hold.
#[derive(Debug)]
pub(in crate::engine) struct Groups<T>(Vec<(String, Vec<T>)>);

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Groups<T> {
    /// Adds what a filter `key=…` asks for.
    pub(in crate::engine) fn add(&mut self, key: &str, test: T, several: Several) {
        let mut groups = self.0.iter_mut();
        let group = groups.find(|(known, _)| known == key && several == Several::Alternatives);
        match group {
            Some((_, tests)) => tests.push(test),
            None => self.0.push((key.to_owned(), vec![test])),
        }
    }

    /// The keys that were used.
    pub(in crate::engine) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// All tests.
    pub(in crate::engine) fn tests(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|(_, tests)| tests)
    }

    /// Whether a thing is let through, of which a test `holds`.
    pub(in crate::engine) fn hold(&self, holds: impl Fn(&T) -> bool) -> bool {
        let group_holds = |(_, tests): &(String, Vec<T>)| tests.iter().any(&holds);
        self.0.iter().all(group_holds)
    }
}

/// The two halves of a filter.
///
/// # Errors
///
/// Podman's words for a text without a value.
pub(in crate::engine) fn key_and_value(text: &str) -> Result<(&str, &str), String> {
    text.split_once('=').ok_or_else(|| {
        format!("filter input must be in the form of filter=value: {text} is invalid")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_alternatives_and_labels_are_not() {
        let mut groups = Groups::default();
        assert!(groups.hold(|_: &u8| false));
        for (key, test, several) in [
            ("name", 1, Several::Alternatives),
            ("name", 2, Several::Alternatives),
            ("label", 3, Several::All),
            ("label", 4, Several::All),
        ] {
            groups.add(key, test, several);
        }
        let with = |held: &[u8]| groups.hold(|test| held.contains(test));
        assert!(with(&[1, 3, 4]) && with(&[2, 3, 4]));
        assert!(!with(&[1, 2, 3]) && !with(&[3, 4]));
        assert_eq!(
            groups.keys().collect::<Vec<_>>(),
            ["name", "label", "label"]
        );
    }

    #[test]
    fn a_filter_has_a_value() {
        assert_eq!(key_and_value("label=a=b"), Ok(("label", "a=b")));
        let words = key_and_value("label").unwrap_err();
        assert_eq!(
            words,
            "filter input must be in the form of filter=value: label is invalid"
        );
    }
}
