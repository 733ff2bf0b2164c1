// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One registries.conf as it is written, and what is valid in it. Version 1 of the format
//! (`[registries.search]`) is refused, as Podman does.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reference::{is_domain, is_under_domain};
use crate::oci::Reference;

/// What stands in the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Written {
    pub(super) unqualified_search_registries: Option<Vec<String>>,
    pub(super) registry: Vec<WrittenRegistry>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) short_name_mode: Option<String>,
    pub(super) credential_helpers: Option<Vec<String>>,
    registries: Option<toml::Value>,
}

/// `[[registry]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct WrittenRegistry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    pull_from_mirror: String,
    mirror: Vec<WrittenMirror>,
}

/// `[[registry.mirror]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct WrittenMirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

/// `[[registry]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registry {
    /// `host[:port][/path]`, or `*.host`.
    pub(super) prefix: String,
    /// What takes the place of the prefix; empty keeps the name as it is.
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) blocked: bool,
    pub(super) mirrors: Vec<Mirror>,
}

/// `[[registry.mirror]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) pulls: MirrorPulls,
}

/// Which pulls a mirror serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MirrorPulls {
    All,
    ByDigest,
    ByTag,
}

/// `short-name-mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShortNameMode {
    /// Every search registry is tried in order.
    Disabled,
    /// The same: nobody is asked.
    #[default]
    Permissive,
    /// A name that several registries may mean is refused.
    Enforcing,
}

/// Why a file that is TOML is no registries.conf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It has `[registries.search]` or its kin.
    #[error(
        "registries.conf must be in v2 format but is in v1: write \
         unqualified-search-registries = [\"docker.io\"] instead of [registries.search]"
    )]
    VersionOne,
    /// `https://…` where a host is wanted.
    #[error("invalid location '{location}': URI schemes are not supported")]
    Scheme {
        /// As written.
        location: String,
    },
    /// A `[[registry]]` that says nothing.
    #[error("invalid condition: both location and prefix are unset")]
    NoLocation,
    /// A prefix without a location.
    #[error(
        "invalid condition: location of {prefix} is unset and prefix is not in the format: \
         *.example.com"
    )]
    PrefixAlone {
        /// As written.
        prefix: String,
    },
    /// A mirror without a location.
    #[error("invalid condition: mirror location of {prefix} is unset")]
    NoMirrorLocation {
        /// Whose mirror.
        prefix: String,
    },
    /// Not a host with an optional path.
    #[error("invalid location '{location}': it must be a host with an optional port and path")]
    Location {
        /// As written.
        location: String,
    },
    /// `*.` with more than a host.
    #[error(
        "wildcarded prefix should be in the format: *.example.com. Current prefix \"{prefix}\" is \
         incorrectly formatted"
    )]
    Wildcard {
        /// As written.
        prefix: String,
    },
    /// `pull-from-mirror` outside a mirror.
    #[error("pull-from-mirror must not be set for a non-mirror registry \"{prefix}\"")]
    NotAMirror {
        /// The registry.
        prefix: String,
    },
    /// `pull-from-mirror` with another word.
    #[error("unsupported pull-from-mirror value \"{value}\" for mirror \"{location}\"")]
    MirrorPulls {
        /// As written.
        value: String,
        /// The mirror.
        location: String,
    },
    /// Both ways to say when a mirror serves.
    #[error(
        "cannot set mirror usage mirror-by-digest-only for the registry (\"{prefix}\") and \
         pull-from-mirror for per-mirror (\"{location}\") at the same time"
    )]
    MirrorTwice {
        /// The registry.
        prefix: String,
        /// The mirror.
        location: String,
    },
    /// The same registry, with different rules.
    #[error("registry '{location}' is defined multiple times with conflicting '{key}' setting")]
    Conflict {
        /// The registry.
        location: String,
        /// `insecure` or `blocked`.
        key: &'static str,
    },
    /// Not a registry.
    #[error("invalid unqualified-search-registries entry \"{entry}\"")]
    Search {
        /// As written.
        entry: String,
    },
    /// Not a mode.
    #[error("invalid short-name mode: \"{mode}\"; it is disabled, permissive or enforcing")]
    Mode {
        /// As written.
        mode: String,
    },
    /// Not a short name, or not a full one.
    #[error("invalid alias {name:?} = {value:?}: a short name and a full one without a tag")]
    Alias {
        /// The short name as written.
        name: String,
        /// The full name as written.
        value: String,
    },
}

/// A file, checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Checked {
    pub(super) search: Option<Vec<String>>,
    pub(super) registries: Vec<Registry>,
    /// An empty value takes an alias of an earlier file away.
    pub(super) aliases: BTreeMap<String, Option<Reference>>,
    pub(super) mode: Option<ShortNameMode>,
    pub(super) credential_helpers: Option<Vec<String>>,
}

impl Written {
    /// Checks everything.
    pub(super) fn check(self) -> Result<Checked, FileError> {
        if self.registries.is_some() {
            return Err(FileError::VersionOne);
        }
        let registries = self.registry.into_iter().map(WrittenRegistry::check);
        let registries = registries.collect::<Result<Vec<_>, _>>()?;
        no_conflicts(&registries)?;
        let search = self.unqualified_search_registries;
        let search =
            search.map(|entries| entries.iter().map(|entry| search_entry(entry)).collect());
        Ok(Checked {
            search: search.transpose()?,
            registries: first_of_each(registries),
            aliases: check_aliases(self.aliases)?,
            mode: self.short_name_mode.as_deref().map(mode).transpose()?,
            credential_helpers: self.credential_helpers,
        })
    }
}

impl WrittenRegistry {
    fn check(self) -> Result<Registry, FileError> {
        let location = without_scheme(&self.location)?;
        let prefix = without_scheme(&self.prefix)?;
        let prefix = match (prefix.is_empty(), location.is_empty()) {
            (true, true) => return Err(FileError::NoLocation),
            (true, false) => location.clone(),
            (false, _) => prefix,
        };
        check_prefix(&prefix, &location)?;
        if !self.pull_from_mirror.is_empty() {
            return Err(FileError::NotAMirror { prefix });
        }
        let by_digest_only = self.mirror_by_digest_only;
        let mirrors = self.mirror.into_iter();
        let mirrors = mirrors.map(|mirror| mirror.check(&prefix, by_digest_only));
        Ok(Registry {
            mirrors: mirrors.collect::<Result<_, _>>()?,
            prefix,
            location,
            insecure: self.insecure,
            blocked: self.blocked,
        })
    }
}

impl WrittenMirror {
    fn check(self, prefix: &str, by_digest_only: bool) -> Result<Mirror, FileError> {
        let location = without_scheme(&self.location)?;
        if location.is_empty() {
            let prefix = prefix.to_owned();
            return Err(FileError::NoMirrorLocation { prefix });
        }
        if !is_under_domain(&location) {
            return Err(FileError::Location { location });
        }
        if by_digest_only && !self.pull_from_mirror.is_empty() {
            let prefix = prefix.to_owned();
            return Err(FileError::MirrorTwice { prefix, location });
        }
        let pulls = match self.pull_from_mirror.as_str() {
            "" if by_digest_only => MirrorPulls::ByDigest,
            "" | "all" => MirrorPulls::All,
            "digest-only" => MirrorPulls::ByDigest,
            "tag-only" => MirrorPulls::ByTag,
            other => {
                let value = other.to_owned();
                return Err(FileError::MirrorPulls { value, location });
            }
        };
        Ok(Mirror {
            location,
            insecure: self.insecure,
            pulls,
        })
    }
}

/// A location without the slashes at its end.
fn without_scheme(text: &str) -> Result<String, FileError> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.starts_with("http://") || trimmed.starts_with("https://") {
        let location = text.to_owned();
        return Err(FileError::Scheme { location });
    }
    Ok(trimmed.to_owned())
}

fn check_prefix(prefix: &str, location: &str) -> Result<(), FileError> {
    if let Some(rest) = prefix.strip_prefix("*.") {
        if rest.is_empty() || rest.contains(['/', '@', ':']) || !is_domain(rest) {
            let prefix = prefix.to_owned();
            return Err(FileError::Wildcard { prefix });
        }
    } else if location.is_empty() {
        let prefix = prefix.to_owned();
        return Err(FileError::PrefixAlone { prefix });
    }
    if !location.is_empty() && !is_under_domain(location) {
        let location = location.to_owned();
        return Err(FileError::Location { location });
    }
    Ok(())
}

fn no_conflicts(registries: &[Registry]) -> Result<(), FileError> {
    let place = |registry: &Registry| {
        let parts = [&registry.location, &registry.prefix];
        let place = parts.into_iter().find(|part| !part.is_empty());
        place.cloned().unwrap_or_default()
    };
    for (at, registry) in registries.iter().enumerate() {
        let others = registries[..at].iter();
        for other in others.filter(|other| place(other) == place(registry)) {
            let key = match (
                registry.insecure == other.insecure,
                registry.blocked == other.blocked,
            ) {
                (true, true) => continue,
                (false, _) => "insecure",
                (true, false) => "blocked",
            };
            let location = place(registry);
            return Err(FileError::Conflict { location, key });
        }
    }
    Ok(())
}

/// The first of several entries with the same prefix counts.
fn first_of_each(registries: Vec<Registry>) -> Vec<Registry> {
    let mut kept: Vec<Registry> = Vec::new();
    for registry in registries {
        if !kept.iter().any(|other| other.prefix == registry.prefix) {
            kept.push(registry);
        }
    }
    kept
}

fn search_entry(entry: &str) -> Result<String, FileError> {
    let host = without_scheme(entry)?;
    if !is_domain(&host) {
        let entry = entry.to_owned();
        return Err(FileError::Search { entry });
    }
    Ok(host)
}

fn mode(text: &str) -> Result<ShortNameMode, FileError> {
    Ok(match text {
        "disabled" => ShortNameMode::Disabled,
        "permissive" => ShortNameMode::Permissive,
        "enforcing" => ShortNameMode::Enforcing,
        _ => {
            let mode = text.to_owned();
            return Err(FileError::Mode { mode });
        }
    })
}

/// Aliases, in which an empty value means none.
pub(super) fn check_aliases(
    aliases: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Option<Reference>>, FileError> {
    let check = |(name, value): (String, String)| {
        let name_only = |text: &str| {
            let reference = Reference::parse(text).ok()?;
            let bare = reference.tag().is_none() && reference.digest().is_none();
            bare.then_some(reference)
        };
        let short = name_only(&name).filter(Reference::is_short);
        let full = name_only(&value).filter(|full| !full.is_short());
        match (short, value.is_empty(), full) {
            (Some(_), true, _) => Ok((name, None)),
            (Some(_), false, Some(full)) => Ok((name, Some(full))),
            (None, _, _) | (Some(_), false, None) => Err(FileError::Alias { name, value }),
        }
    };
    aliases.into_iter().map(check).collect()
}
