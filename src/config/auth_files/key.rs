// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a login is for: a registry, or a namespace or repository of one.

use crate::oci::{Reference, ReferenceError};

/// The name of docker.io in config.json and to credential helpers.
pub(super) const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// What a login is for: `quay.io`, `quay.io/ana`, `localhost:5000/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginKey {
    text: String,
}

/// Why a text is nothing that one can log in to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The part after the registry is no namespace.
    #[error("parse reference from \"{key}\"")]
    Reference {
        /// As typed.
        key: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// A login is not for one tag.
    #[error("reference \"{key}\" contains tag or digest")]
    Tag {
        /// As typed.
        key: String,
    },
    /// Nothing is named.
    #[error("the registry's name is empty")]
    Empty,
}

impl LoginKey {
    /// Reads what people type after `login`; of a URL the host counts.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bare = strip_scheme(text);
        let key = if bare == text {
            text
        } else {
            bare.split('/').next().unwrap_or_default()
        };
        let key = key.trim_end_matches('/');
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if key.contains('/') {
            let owned = || key.to_owned();
            let source = Reference::parse(key);
            let reference = source.map_err(|source| KeyError::Reference {
                key: owned(),
                source,
            })?;
            if reference.tag().is_some() || reference.digest().is_some() {
                return Err(KeyError::Tag { key: owned() });
            }
        }
        // All of its names are one registry.
        let text = match key {
            "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
            _ => key.to_owned(),
        };
        Ok(Self { text })
    }

    /// What a full image name needs a login for: its repository.
    pub fn of_image(reference: &Reference) -> Self {
        Self {
            text: reference.repository(),
        }
    }

    /// As it stands in auth.json.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry with its port.
    pub fn registry(&self) -> &str {
        self.text.split('/').next().unwrap_or_default()
    }

    /// Whether it is for a part of a registry.
    pub fn is_namespaced(&self) -> bool {
        self.text.contains('/')
    }

    /// What config.json and credential helpers call the registry.
    pub fn docker_name(&self) -> &str {
        match self.registry() {
            "docker.io" => DOCKER_KEY,
            registry => registry,
        }
    }

    /// The keys of auth.json that hold for it, the closest first: the repository, its namespaces,
    /// the registry.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |key| {
            key.rsplit_once('/').map(|(parent, _)| parent)
        })
    }

    /// Whether `key` of a file is another way to write the registry: a URL, or one of the names of
    /// docker.io.
    pub(super) fn is_registry_of(&self, key: &str) -> bool {
        let bare = strip_scheme(key);
        let host = if bare == key {
            key
        } else {
            bare.split('/').next().unwrap_or_default()
        };
        one_docker(host) == one_docker(self.registry())
    }
}

fn strip_scheme(text: &str) -> &str {
    let without = text.strip_prefix("https://");
    without
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text)
}

fn one_docker(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_registries_and_their_parts() {
        for (text, key, registry) in [
            ("quay.io", "quay.io", "quay.io"),
            ("https://quay.io/v1/", "quay.io", "quay.io"),
            ("http://h:5000", "h:5000", "h:5000"),
            ("quay.io/ana/web", "quay.io/ana/web", "quay.io"),
            ("quay.io/", "quay.io", "quay.io"),
            ("https://index.docker.io/v1/", "docker.io", "docker.io"),
        ] {
            let parsed = LoginKey::parse(text).unwrap();
            assert_eq!(
                (parsed.as_str(), parsed.registry()),
                (key, registry),
                "{text}"
            );
        }
        for text in ["", "https://", "quay.io/a:1", "quay.io/A", "quay.io/a b"] {
            assert!(LoginKey::parse(text).is_err(), "{text:?} was accepted");
        }
        assert_eq!(
            LoginKey::parse("docker.io").unwrap().docker_name(),
            DOCKER_KEY
        );
    }

    #[test]
    fn the_closest_key_comes_first() {
        let key = LoginKey::parse("a.io/b/c").unwrap();
        let candidates: Vec<&str> = key.candidates().collect();
        assert_eq!(candidates, ["a.io/b/c", "a.io/b", "a.io"]);
        let hub = LoginKey::parse("docker.io/x/y").unwrap();
        assert!(hub.is_registry_of(DOCKER_KEY));
        assert!(hub.is_registry_of("index.docker.io"));
        assert!(!hub.is_registry_of("quay.io"));
    }
}
