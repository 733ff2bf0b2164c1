// SPDX-License-Identifier: Apache-2.0 OR MIT
//! registries.conf(5), and in docker mode daemon.json: which registries a typed name means, where
//! each is to be looked for, and how much it is trusted. Speaks to no registry.
//!
//! | file | searched in |
//! |---|---|
//! | registries.conf | `--registries-conf` or `CONTAINERS_REGISTRIES_CONF`; else ~/.config/containers; else /etc/containers; else /usr/share/containers |
//! | registries.conf.d/*.conf | /usr/share/containers and /etc/containers, unless the user has a registries.conf; ~/.config/containers |
//! | short-name-aliases.conf | ~/.cache/containers: names that somebody chose from a list |
//! | daemon.json (docker mode) | ~/.config/docker and /etc/docker |

mod daemon_json;
mod error;
mod file;
mod reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::daemon_json::DaemonJson;
pub use self::error::RegistriesError;
pub use self::file::ShortNameMode;
use self::file::{Checked, MirrorPulls, Registry, Written, check_aliases};
use self::reference::{match_prefix, rewrite};
use super::document::{Missing, drop_ins, read_as, variable};
use crate::oci::{DOCKER_DOMAIN, Reference};
use crate::sys::account::{Environment, xdg_directory};

/// The word in `credential-helpers` that means the auth files.
pub const AUTH_FILES: &str = "containers-auth.json";

/// Whose rules hold for short names and for registries on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Podman's: aliases and search registries; HTTPS unless the configuration says otherwise.
    Podman,
    /// Docker's: short names are docker.io's; daemon.json counts; loopback registries need no
    /// certificate.
    Docker,
}

/// `--tls-verify`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsVerify {
    /// Not given: the configuration says.
    #[default]
    AsConfigured,
    /// `--tls-verify=true`: certificates are checked, whatever the configuration says.
    Always,
    /// `--tls-verify=false`: certificates are not checked, and plain HTTP will do.
    Never,
}

/// Whether a registry must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// HTTPS with a certificate that holds.
    #[default]
    Verified,
    /// HTTPS with any certificate, or plain HTTP where no TLS is spoken: only because the user
    /// asked for it (`--tls-verify=false`, `insecure`), or for loopback where Docker allows it.
    Insecure,
}

/// Where a name is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name there; its domain is the host to ask.
    pub reference: Reference,
    /// How much the host has to prove.
    pub trust: Trust,
}

/// What a typed name may mean, in the order in which to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Full names with a tag or digest; never empty.
    pub candidates: Vec<Reference>,
    /// A line for people on how a short name was resolved, in Podman's words.
    pub description: Option<String>,
}

/// All of registries.conf.
#[derive(Debug, Clone)]
pub struct RegistriesConf {
    rules: Rules,
    /// `None` if no file names any.
    search: Option<(Vec<String>, PathBuf)>,
    registries: Vec<Registry>,
    /// Short names with the file that says so.
    aliases: BTreeMap<String, (Reference, PathBuf)>,
    mode: ShortNameMode,
    credential_helpers: Vec<String>,
    daemon: DaemonJson,
}

/// short-name-aliases.conf.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AliasCache {
    aliases: BTreeMap<String, String>,
}

impl RegistriesConf {
    /// What holds without any file.
    fn empty(rules: Rules) -> Self {
        Self {
            rules,
            search: None,
            registries: Vec::new(),
            aliases: BTreeMap::new(),
            mode: ShortNameMode::default(),
            credential_helpers: vec![AUTH_FILES.to_owned()],
            daemon: DaemonJson::default(),
        }
    }

    /// Reads every file that there is. `named` is `--registries-conf`.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read or used, and one that was named but is not there.
    pub fn load(
        env: Environment<'_>,
        named: Option<&Path>,
        rules: Rules,
    ) -> Result<Self, RegistriesError> {
        let mut conf = Self::empty(rules);
        for (path, missing) in search_path(env, named) {
            let Some(written) = read_as::<Written>(&path, missing)? else {
                continue;
            };
            conf.merge(written, &path)?;
        }
        conf.merge_alias_cache(env)?;
        if rules == Rules::Docker {
            conf.daemon = DaemonJson::load(env)?;
        }
        Ok(conf)
    }

    fn merge(&mut self, written: Written, path: &Path) -> Result<(), RegistriesError> {
        let checked = written.check().map_err(|source| RegistriesError::File {
            path: path.to_owned(),
            source,
        })?;
        let Checked {
            search,
            registries,
            aliases,
            mode,
            credential_helpers,
        } = checked;
        if let Some(search) = search {
            self.search = Some((search, path.to_owned()));
        }
        for registry in registries {
            self.registries.retain(|old| old.prefix != registry.prefix);
            self.registries.push(registry);
        }
        self.merge_aliases(aliases, path);
        self.mode = mode.unwrap_or(self.mode);
        let helpers = credential_helpers.filter(|helpers| !helpers.is_empty());
        if let Some(helpers) = helpers {
            self.credential_helpers = helpers;
        }
        Ok(())
    }

    fn merge_aliases(&mut self, aliases: BTreeMap<String, Option<Reference>>, path: &Path) {
        for (name, full) in aliases {
            match full {
                Some(full) => self.aliases.insert(name, (full, path.to_owned())),
                None => self.aliases.remove(&name),
            };
        }
    }

    /// What was once chosen wins over every other file.
    fn merge_alias_cache(&mut self, env: Environment<'_>) -> Result<(), RegistriesError> {
        let cache = xdg_directory(env, "XDG_CACHE_HOME", ".cache");
        let path = cache.join("containers/short-name-aliases.conf");
        let Some(AliasCache { aliases }) = read_as(&path, Missing::IsFine)? else {
            return Ok(());
        };
        let aliases = check_aliases(aliases).map_err(|source| {
            let path = path.clone();
            RegistriesError::File { path, source }
        })?;
        self.merge_aliases(aliases, &path);
        Ok(())
    }

    /// The programs and files that are asked for credentials, in order: names of
    /// `docker-credential-…`, and [`AUTH_FILES`].
    pub fn credential_helpers(&self) -> &[String] {
        &self.credential_helpers
    }

    /// The registries that a short name is searched in, in order.
    pub fn search_registries(&self) -> Vec<String> {
        match (&self.search, self.rules) {
            (Some((search, _)), Rules::Podman) => search.clone(),
            (None, Rules::Podman) | (_, Rules::Docker) => vec![DOCKER_DOMAIN.to_owned()],
        }
    }

    /// What `name` may mean, with `latest` where it has neither tag nor digest.
    ///
    /// # Errors
    ///
    /// [`RegistriesError::NoSearch`], [`RegistriesError::Ambiguous`].
    pub fn resolve(&self, name: &Reference) -> Result<Resolved, RegistriesError> {
        let complete = |domain: &str| name.clone().with_domain(domain).with_default_tag();
        if !name.is_short() || self.rules == Rules::Docker {
            return Ok(Resolved {
                candidates: vec![complete(DOCKER_DOMAIN)],
                description: None,
            });
        }
        if let Some((full, file)) = self.aliases.get(name.path()) {
            return Ok(Resolved {
                candidates: vec![name.in_repository_of(full).with_default_tag()],
                description: Some(format!(
                    "Resolved \"{}\" as an alias ({})",
                    name.path(),
                    file.display()
                )),
            });
        }
        let registries = self.search_registries();
        let candidates: Vec<_> = registries.iter().map(|host| complete(host)).collect();
        self.check_search(name, &candidates)?;
        let description = self.search.as_ref().map(|(_, file)| {
            let file = file.display();
            let name = name.path();
            format!("Resolving \"{name}\" using unqualified-search registries ({file})")
        });
        Ok(Resolved {
            candidates,
            description,
        })
    }

    fn check_search(
        &self,
        name: &Reference,
        candidates: &[Reference],
    ) -> Result<(), RegistriesError> {
        let name = name.to_string();
        match (candidates.len(), self.mode, &self.search) {
            (0, _, Some((_, path))) => {
                let path = path.clone();
                Err(RegistriesError::NoSearch { name, path })
            }
            (2.., ShortNameMode::Enforcing, _) => Err(RegistriesError::Ambiguous {
                name,
                candidates: candidates.iter().map(ToString::to_string).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// Where the full name `reference` is to be looked for, in order: mirrors first, the registry
    /// itself last.
    ///
    /// # Errors
    ///
    /// [`RegistriesError::Blocked`], and [`RegistriesError::Rewrite`] for a location that makes no
    /// name of it.
    pub fn pull_sources(
        &self,
        reference: &Reference,
        tls: TlsVerify,
    ) -> Result<Vec<Source>, RegistriesError> {
        let entry = self.entry_of(reference);
        let mut sources = Vec::new();
        for mirror in entry.iter().flat_map(|entry| &entry.mirrors) {
            let serves = match mirror.pulls {
                MirrorPulls::All => true,
                MirrorPulls::ByDigest => reference.digest().is_some(),
                MirrorPulls::ByTag => reference.digest().is_none(),
            };
            if serves {
                let prefix = entry.map_or("", |entry| &entry.prefix);
                let moved = moved(reference, prefix, &mirror.location)?;
                sources.push(self.source(moved, mirror.insecure, tls));
            }
        }
        if self.rules == Rules::Docker && reference.domain() == Some(DOCKER_DOMAIN) {
            for mirror in &self.daemon.mirrors {
                let moved = moved(reference, DOCKER_DOMAIN, &mirror.host)?;
                sources.push(self.source(moved, mirror.plain, tls));
            }
        }
        sources.push(self.registry(reference, tls)?);
        Ok(sources)
    }

    /// Where the full name `reference` is pushed to, and what a login is for: the registry itself.
    ///
    /// # Errors
    ///
    /// As [`RegistriesConf::pull_sources`].
    pub fn registry(
        &self,
        reference: &Reference,
        tls: TlsVerify,
    ) -> Result<Source, RegistriesError> {
        let Some(entry) = self.entry_of(reference) else {
            return Ok(self.source(reference.clone(), false, tls));
        };
        if entry.blocked {
            let registry = entry.prefix.clone();
            return Err(RegistriesError::Blocked { registry });
        }
        let moved = moved(reference, &entry.prefix, &entry.location)?;
        Ok(self.source(moved, entry.insecure, tls))
    }

    /// How much `host[:port]` itself has to prove; for `login`, which names no image.
    pub fn trust_of(&self, host: &str, tls: TlsVerify) -> Trust {
        let fits = |entry: &&Registry| match_prefix(host, &entry.prefix).is_some();
        let entry = self.registries.iter().filter(fits);
        let entry = entry.max_by_key(|entry| entry.prefix.len());
        self.trust(host, entry.is_some_and(|entry| entry.insecure), tls)
    }

    /// The entry with the longest prefix that fits.
    fn entry_of(&self, reference: &Reference) -> Option<&Registry> {
        let name = reference.to_string();
        let fits = |entry: &&Registry| match_prefix(&name, &entry.prefix).is_some();
        let entries = self.registries.iter().filter(fits);
        entries.max_by_key(|entry| entry.prefix.len())
    }

    fn source(&self, reference: Reference, insecure: bool, tls: TlsVerify) -> Source {
        let host = reference.domain().unwrap_or(DOCKER_DOMAIN);
        let trust = self.trust(host, insecure, tls);
        Source { reference, trust }
    }

    fn trust(&self, host: &str, insecure: bool, tls: TlsVerify) -> Trust {
        let by_daemon = || self.rules == Rules::Docker && self.daemon.is_insecure(host);
        match tls {
            TlsVerify::Never => Trust::Insecure,
            TlsVerify::AsConfigured if insecure || by_daemon() => Trust::Insecure,
            TlsVerify::Always | TlsVerify::AsConfigured => Trust::Verified,
        }
    }
}

fn moved(
    reference: &Reference,
    prefix: &str,
    location: &str,
) -> Result<Reference, RegistriesError> {
    rewrite(reference, prefix, location).ok_or_else(|| RegistriesError::Rewrite {
        reference: reference.to_string(),
        location: location.to_owned(),
    })
}

/// The files to read, the least important first.
fn search_path(env: Environment<'_>, named: Option<&Path>) -> Vec<(PathBuf, Missing)> {
    let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers");
    let system = ["/usr/share/containers", "/etc/containers"].map(PathBuf::from);
    let named = named.map(Path::to_owned);
    let named = named.or_else(|| variable(env, "CONTAINERS_REGISTRIES_CONF"));
    let name = "registries.conf";
    let of_user = named.is_none() && own.join(name).exists();
    let main = match named {
        Some(path) => (path, Missing::IsAnError),
        None if of_user => (own.join(name), Missing::IsAnError),
        None => {
            let mut files = system.iter().rev().map(|directory| directory.join(name));
            let file = files.find(|path| path.exists());
            (file.unwrap_or_else(|| own.join(name)), Missing::IsFine)
        }
    };
    let mut files = vec![main];
    let directories = system.iter().filter(|_| !of_user).chain([&own]);
    for directory in directories {
        let drop_ins = drop_ins(&directory.join("registries.conf.d"));
        files.extend(drop_ins.into_iter().map(|path| (path, Missing::IsFine)));
    }
    files
}

/// Reads a registries.conf, or a daemon.json, and asks it.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &str) {
    let path = Path::new("fuzz");
    for rules in [Rules::Podman, Rules::Docker] {
        let mut conf = RegistriesConf::empty(rules);
        let written = toml::from_str::<Written>(text);
        let is_read = match (written, rules) {
            (Ok(written), _) => conf.merge(written, path).is_ok(),
            (Err(_), Rules::Docker) => conf.daemon.merge_bytes(path, text.as_bytes()).is_ok(),
            (Err(_), Rules::Podman) => false,
        };
        if !is_read {
            continue;
        }
        for name in [
            "a",
            "quay.io/x/y:z",
            "docker.io/library/a",
            "127.0.0.1:5000/a",
        ] {
            let name = Reference::parse(name).expect("it is one");
            for resolved in conf
                .resolve(&name)
                .into_iter()
                .flat_map(|found| found.candidates)
            {
                drop(conf.pull_sources(&resolved, TlsVerify::AsConfigured));
            }
            drop(conf.search_registries());
        }
    }
}

#[cfg(test)]
mod tests;
