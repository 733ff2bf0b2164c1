// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `search`: images of registries by a part of their name, and the tags of one. Registries that
//! have no search of their own list all repositories.

use serde::Deserialize;
use std::fmt::Write as _;

use super::access::{Access, AccessError};
use super::{Engine, Report};
use crate::config::auth_files::LoginKey;
use crate::oci::{DOCKER_DOMAIN, Reference, ReferenceError};
use crate::registry::{Patience, Registry, RegistryError};

/// Results where nobody says how many.
const USUAL: usize = 25;

/// The host of docker.io that can be searched.
const DOCKER_INDEX: &str = "index.docker.io";

/// What `search` is asked for.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// As typed: what stands before the first slash is a registry.
    pub term: String,
    /// `--limit`.
    pub limit: Option<usize>,
    /// `--filter`.
    pub filter: SearchFilter,
}

/// `--filter` of `search`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchFilter {
    stars: i64,
    is_official: Option<bool>,
    is_automated: Option<bool>,
}

/// Why a filter means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchFilterError {
    /// Not a key.
    #[error("invalid filter \"{text}\"; search has stars=N, is-official and is-automated")]
    Key {
        /// As typed.
        text: String,
    },
    /// Not a number.
    #[error("incorrect value type for stars filter: \"{value}\" is no number")]
    Stars {
        /// As typed.
        value: String,
    },
}

/// One result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchHit {
    /// The registry.
    pub index: String,
    /// The full name, without a tag.
    pub name: String,
    /// What the registry says of it.
    pub description: String,
    /// How many people like it.
    pub stars: i64,
    /// Whether the registry's owner vouches for it.
    pub is_official: bool,
    /// Whether it is built by the registry.
    pub is_automated: bool,
    /// The tag, where tags are listed.
    pub tag: String,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The configuration.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The registry.
    #[error("couldn't search registry \"{registry}\"")]
    Registry {
        /// Which.
        registry: String,
        /// What it said.
        source: RegistryError,
    },
    /// The tags of what is no name.
    #[error("reference \"{name}\" must be a docker reference")]
    Reference {
        /// As typed.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// The registry did not tell its tags.
    #[error("getting repository tags")]
    Tags {
        /// What it said.
        source: RegistryError,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IndexPage {
    results: Vec<IndexEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IndexEntry {
    name: String,
    description: String,
    star_count: i64,
    is_official: bool,
    is_automated: bool,
}

impl SearchFilter {
    /// Reads what follows `--filter`.
    ///
    /// # Errors
    ///
    /// [`SearchFilterError`].
    pub fn parse(texts: &[String]) -> Result<Self, SearchFilterError> {
        let mut filter = Self::default();
        for text in texts {
            let (key, value) = text.split_once('=').unwrap_or((text, "true"));
            match (key, value) {
                ("stars", value) => {
                    let value = value.to_owned();
                    let number = value.parse();
                    filter.stars = number.map_err(|_number| SearchFilterError::Stars { value })?;
                }
                ("is-official", "true" | "1") => filter.is_official = Some(true),
                ("is-official", "false" | "0") => filter.is_official = Some(false),
                ("is-automated", "true" | "1") => filter.is_automated = Some(true),
                ("is-automated", "false" | "0") => filter.is_automated = Some(false),
                _ => {
                    let text = text.clone();
                    return Err(SearchFilterError::Key { text });
                }
            }
        }
        Ok(filter)
    }

    fn fits(&self, hit: &SearchHit) -> bool {
        hit.stars >= self.stars
            && self
                .is_official
                .is_none_or(|wanted| wanted == hit.is_official)
            && self
                .is_automated
                .is_none_or(|wanted| wanted == hit.is_automated)
    }
}

impl Engine {
    /// Searches the registry that the term names, or all of those for short names. One that
    /// answers is enough.
    ///
    /// # Errors
    ///
    /// The first registry's answer, if none has anything.
    pub fn search(
        &self,
        access: &Access,
        request: &SearchRequest,
        report: &dyn Report,
    ) -> Result<Vec<SearchHit>, SearchError> {
        let (registries, term) = match request.term.split_once('/') {
            Some((registry, term)) => (vec![registry.to_owned()], term),
            None => (access.search_registries(), request.term.as_str()),
        };
        let limit = request.limit.unwrap_or(USUAL);
        let mut hits = Vec::new();
        let mut first_error = None;
        for registry in registries {
            match search_registry(access, &registry, term, limit, report) {
                Ok(found) => hits.extend(found.into_iter().take(limit)),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        if let (true, Some(error)) = (hits.is_empty(), first_error) {
            return Err(error);
        }
        hits.retain(|hit| request.filter.fits(hit));
        Ok(hits)
    }

    /// The tags of the repository that the term names.
    ///
    /// # Errors
    ///
    /// [`SearchError::Reference`], [`SearchError::Tags`].
    pub fn list_tags(
        &self,
        access: &Access,
        request: &SearchRequest,
        report: &dyn Report,
    ) -> Result<Vec<SearchHit>, SearchError> {
        let name = Reference::parse(&request.term).map_err(|source| SearchError::Reference {
            name: request.term.clone(),
            source,
        })?;
        let resolved = access.resolve(&name)?;
        let full = resolved.candidates.first().cloned().unwrap_or(name);
        let place = access.push_place(&full, report)?;
        let registry = Registry::new(place.endpoint, place.credentials, Patience::default());
        let tags = registry.tags(place.reference.path());
        let tags = tags.map_err(|source| SearchError::Tags { source })?;
        let hit = |tag: String| SearchHit {
            index: full.domain().unwrap_or_default().to_owned(),
            name: full.repository(),
            tag,
            ..SearchHit::default()
        };
        let limit = request.limit.unwrap_or(USUAL);
        Ok(tags.into_iter().take(limit).map(hit).collect())
    }
}

fn search_registry(
    access: &Access,
    name: &str,
    term: &str,
    limit: usize,
    report: &dyn Report,
) -> Result<Vec<SearchHit>, SearchError> {
    let host = if name == DOCKER_DOMAIN {
        DOCKER_INDEX
    } else {
        name
    };
    let key = LoginKey::parse(name).map_err(AccessError::from)?;
    let credentials = access.credentials(&key, report)?;
    let registry = Registry::new(access.endpoint(host)?, credentials, Patience::default());
    if !term.is_empty()
        && let Ok(page) = registry.document(&index_query(term, limit))
        && let Ok(page) = serde_json::from_slice::<IndexPage>(&page)
    {
        let entries = page.results.into_iter();
        return Ok(entries.map(|entry| indexed(name, entry)).collect());
    }
    let repositories =
        registry.repositories(|repository| repository.contains(term), limit.max(USUAL));
    let repositories = repositories.map_err(|source| SearchError::Registry {
        registry: name.to_owned(),
        source,
    })?;
    Ok(exact_first(repositories, term)
        .into_iter()
        .map(|repository| SearchHit {
            index: name.to_owned(),
            name: format!("{name}/{repository}"),
            ..SearchHit::default()
        })
        .collect())
}

fn indexed(registry: &str, entry: IndexEntry) -> SearchHit {
    let name = if registry == DOCKER_DOMAIN && !entry.name.contains('/') {
        format!("{registry}/library/{}", entry.name)
    } else {
        format!("{registry}/{}", entry.name)
    };
    SearchHit {
        index: registry.to_owned(),
        name,
        description: entry.description,
        stars: entry.star_count,
        is_official: entry.is_official,
        is_automated: entry.is_automated,
        tag: String::new(),
    }
}

/// The path of the index's search; everything but letters, digits and a few marks is escaped.
fn index_query(term: &str, limit: usize) -> String {
    let mut query = String::from("/v1/search?q=");
    for byte in term.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            query.push(char::from(byte));
        } else {
            write!(query, "%{byte:02X}").expect("a string takes all");
        }
    }
    format!("{query}&n={limit}")
}

/// What was typed in full comes first.
fn exact_first(mut repositories: Vec<String>, term: &str) -> Vec<String> {
    repositories.sort_by_key(|repository| repository != term);
    repositories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read() {
        let texts = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            SearchFilter::parse(&texts)
        };
        let filter = texts(&["stars=3", "is-official", "is-automated=false"]).unwrap();
        let hit = |stars, is_official, is_automated| SearchHit {
            stars,
            is_official,
            is_automated,
            ..SearchHit::default()
        };
        assert!(filter.fits(&hit(3, true, false)));
        for other in [
            hit(2, true, false),
            hit(3, false, false),
            hit(3, true, true),
        ] {
            assert!(!filter.fits(&other), "{other:?}");
        }
        for text in ["stars=x", "name=x", "is-official=maybe"] {
            assert!(texts(&[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn terms_cannot_leave_their_place() {
        assert_eq!(
            index_query("a b&c=ü", 5),
            "/v1/search?q=a%20b%26c%3D%C3%BC&n=5"
        );
        let sorted = exact_first(vec!["x/web".into(), "web".into(), "webs".into()], "web");
        assert_eq!(sorted, ["web", "x/web", "webs"]);
    }
}
