// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How this user gets at registries: what registries.conf, the files of logins, credential
//! helpers and certs.d say, joined into places that a client can be sent to.

mod helper;
mod login;

use std::path::PathBuf;

pub use self::helper::HelperError;
pub use self::login::{LoggedOut, StoredIn};
use super::{Dialect, Engine, Report};
use crate::config::auth_files::{
    AuthDocument, AuthFile, AuthFileError, AuthFiles, Found, KeyError, Login, LoginKey,
    NamedAuthFiles,
};
use crate::config::certificates::{Certificates, CertificatesError};
use crate::config::credentials::Credentials;
use crate::config::policy::{Policy, PolicyError};
use crate::config::registries::{
    AUTH_FILES, RegistriesConf, RegistriesError, Resolved, Rules, Source, TlsVerify, Trust,
};
use crate::oci::{DOCKER_DOMAIN, Reference};
use crate::registry::{Endpoint, RegistryError};
use crate::runtime::failure::chain;
use crate::state::StateError;
use crate::sys::SysError;

/// What the command line says about registries.
#[derive(Debug, Clone, Default)]
pub struct AccessRequest {
    /// `--tls-verify`.
    pub tls: TlsVerify,
    /// `--creds`: for the registry that is named, not for its mirrors.
    pub credentials: Option<Credentials>,
    /// `--authfile`.
    pub auth_file: Option<PathBuf>,
    /// `--compat-auth-file`.
    pub docker_auth_file: Option<PathBuf>,
    /// `--config`: docker's directory of configuration.
    pub docker_config: Option<PathBuf>,
    /// `--cert-dir`.
    pub cert_dir: Option<PathBuf>,
    /// `--registries-conf`.
    pub registries_conf: Option<PathBuf>,
    /// `--signature-policy`.
    pub policy: Option<PathBuf>,
}

impl AccessRequest {
    /// Whether registries need not prove who they are.
    pub fn is_insecure(&self) -> bool {
        self.tls == TlsVerify::Never
    }

    /// The same for other registries than the one that was named: whose names, passwords and
    /// certificates were typed for that one is not told to them.
    #[must_use]
    pub fn for_others(&self) -> Self {
        Self {
            tls: TlsVerify::AsConfigured,
            credentials: None,
            cert_dir: None,
            ..self.clone()
        }
    }
}

/// The configuration of registries, read once for a command.
#[derive(Debug)]
pub struct Access {
    request: AccessRequest,
    conf: RegistriesConf,
    files: AuthFiles,
    rules: Rules,
}

/// A name at a registry, with all that is needed to ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The server.
    pub endpoint: Endpoint,
    /// Who we are there.
    pub credentials: Credentials,
    /// The name there: path, tag and digest are what the server is asked for.
    pub reference: Reference,
}

/// Why a registry cannot be reached by this configuration.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// registries.conf.
    #[error(transparent)]
    Registries(#[from] RegistriesError),
    /// policy.json.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// auth.json and its kin.
    #[error(transparent)]
    AuthFile(#[from] AuthFileError),
    /// certs.d.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// Not a registry.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A credential helper.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// `--authfile` of a logout is not there.
    #[error("credential file is not accessible: stat {}: no such file or directory", path.display())]
    NoAuthFile {
        /// As typed.
        path: PathBuf,
    },
    /// The registry does not take the password.
    #[error("logging into \"{key}\": invalid username/password")]
    BadLogin {
        /// What the login was for.
        key: String,
        /// Where the registry was asked.
        url: String,
        /// What the registry said.
        words: String,
    },
    /// The registry could not be asked.
    #[error("authenticating creds for \"{key}\"")]
    Check {
        /// What the login was for.
        key: String,
        /// Why not.
        source: RegistryError,
    },
    /// There is no login to forget.
    #[error("not logged into {key}")]
    NotLoggedIn {
        /// What was typed.
        key: String,
    },
    /// Only whole registries fit into docker's file and into helpers.
    #[error("{key}: {place} keeps logins for whole registries only")]
    Namespaced {
        /// What was typed.
        key: String,
        /// The file or helper.
        place: String,
    },
    /// A login cannot be written to a device or a directory.
    #[error("{} is no regular file, so no login can be kept in it", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("writing to file \"{}\"", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// The directory of the file cannot be made.
    #[error(transparent)]
    State(#[from] StateError),
}

impl AccessError {
    /// Whether the registry speaks plain HTTP where HTTPS was wanted.
    pub fn is_plain_http(&self) -> bool {
        match self {
            Self::Registry(error) | Self::Check { source: error, .. } => error.is_plain_http(),
            _ => false,
        }
    }

    /// Docker's words, where its users search for others.
    pub fn docker_message(&self) -> Option<String> {
        match self {
            Self::BadLogin { url, words, .. } => Some(format!("Get \"{url}\": {words}")),
            Self::Check { source, .. } => Some(chain(source)),
            _ => None,
        }
    }
}

impl Engine {
    /// Reads the configuration of registries.
    ///
    /// # Errors
    ///
    /// [`AccessError::Registries`] for a file that does not read.
    pub fn access(&self, request: AccessRequest) -> Result<Access, AccessError> {
        let env = |name: &str| std::env::var_os(name);
        let rules = match self.dialect {
            Dialect::Podman => Rules::Podman,
            Dialect::Docker => Rules::Docker,
        };
        let conf = RegistriesConf::load(&env, request.registries_conf.as_deref(), rules)?;
        let named = NamedAuthFiles {
            containers: request.auth_file.as_deref(),
            docker: request.docker_auth_file.as_deref(),
            docker_config: request.docker_config.as_deref(),
        };
        let files = AuthFiles::find(&env, named, rules);
        Ok(Access {
            request,
            conf,
            files,
            rules,
        })
    }
}

impl Access {
    /// What a typed name may mean, in order.
    ///
    /// # Errors
    ///
    /// A short name that the configuration cannot complete.
    pub fn resolve(&self, name: &Reference) -> Result<Resolved, AccessError> {
        Ok(self.conf.resolve(name)?)
    }

    /// The registries of short names.
    pub fn search_registries(&self) -> Vec<String> {
        self.conf.search_registries()
    }

    /// Where a full name is to be pulled from, in order: mirrors first.
    ///
    /// # Errors
    ///
    /// A blocked registry, an image that policy.json does not let in, and files that do not read.
    pub fn pull_places(
        &self,
        name: &Reference,
        report: &dyn Report,
    ) -> Result<Vec<Place>, AccessError> {
        // Docker knows no such file.
        if self.rules == Rules::Podman {
            let env = |name: &str| std::env::var_os(name);
            Policy::load(&env, self.request.policy.as_deref())?.check(name)?;
        }
        let sources = self.conf.pull_sources(name, self.request.tls)?;
        let registry = self.conf.registry(name, self.request.tls)?;
        let places = sources.into_iter();
        places
            .map(|source| {
                // Security: a mirror never sees what was typed for the registry.
                let is_registry = source.reference.domain() == registry.reference.domain();
                let typed = self.request.credentials.clone().filter(|_| is_registry);
                self.place(source, typed, report)
            })
            .collect()
    }

    /// Where a full name is pushed to: the registry itself.
    ///
    /// # Errors
    ///
    /// As [`Access::pull_places`].
    pub fn push_place(&self, name: &Reference, report: &dyn Report) -> Result<Place, AccessError> {
        let source = self.conf.registry(name, self.request.tls)?;
        self.place(source, self.request.credentials.clone(), report)
    }

    /// The server of `host[:port]`, without a name at it.
    ///
    /// # Errors
    ///
    /// Certificates that cannot be read.
    pub fn endpoint(&self, host: &str) -> Result<Endpoint, AccessError> {
        let trust = self.conf.trust_of(host, self.request.tls);
        self.endpoint_with(host, trust)
    }

    fn place(
        &self,
        source: Source,
        typed: Option<Credentials>,
        report: &dyn Report,
    ) -> Result<Place, AccessError> {
        let Source { reference, trust } = source;
        let host = reference.domain().unwrap_or(DOCKER_DOMAIN);
        let endpoint = self.endpoint_with(host, trust)?;
        let credentials = if let Some(typed) = typed {
            typed
        } else {
            let login = self.login(&LoginKey::of_image(&reference), report)?;
            login.map_or(Credentials::Anonymous, |login| login.credentials)
        };
        Ok(Place {
            endpoint,
            credentials,
            reference,
        })
    }

    fn endpoint_with(&self, host: &str, trust: Trust) -> Result<Endpoint, AccessError> {
        let env = |name: &str| std::env::var_os(name);
        let named = self.request.cert_dir.as_deref();
        let certificates = Certificates::find(&env, named, host)?;
        Ok(Endpoint {
            certificates,
            ..Endpoint::of_domain(host, trust)
        })
    }

    /// Who we are for `key`: what was typed, else the first login that a file or a helper has. A
    /// helper that cannot be asked is told, and the search goes on.
    ///
    /// # Errors
    ///
    /// A file of logins that does not read.
    pub fn credentials(
        &self,
        key: &LoginKey,
        report: &dyn Report,
    ) -> Result<Credentials, AccessError> {
        if let Some(typed) = &self.request.credentials {
            return Ok(typed.clone());
        }
        let login = self.login(key, report)?;
        Ok(login.map_or(Credentials::Anonymous, |login| login.credentials))
    }

    /// The first login for `key` that a file or a helper has.
    ///
    /// # Errors
    ///
    /// A file of logins that does not read.
    pub fn login(&self, key: &LoginKey, report: &dyn Report) -> Result<Option<Login>, AccessError> {
        for helper in self.conf.credential_helpers() {
            let found = if helper == AUTH_FILES {
                self.login_in_files(key, report)?
            } else {
                ask_helper(helper, key, report)
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn login_in_files(
        &self,
        key: &LoginKey,
        report: &dyn Report,
    ) -> Result<Option<Login>, AccessError> {
        for file in &self.files.read {
            let found = match AuthDocument::read(file)?.find(key)? {
                Found::Nothing => None,
                Found::Login(login) => Some(login),
                Found::Helper(name) => ask_helper(&name, key, report),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The file that a login is written to.
    fn written(&self) -> &AuthFile {
        &self.files.written
    }
}

/// Anonymous access goes on without the helper.
fn ask_helper(name: &str, key: &LoginKey, report: &dyn Report) -> Option<Login> {
    match helper::get(name, key.docker_name()) {
        Ok(login) => login,
        Err(error) => {
            report.warning(&chain(&error));
            None
        }
    }
}
