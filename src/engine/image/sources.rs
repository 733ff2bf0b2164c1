// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a name is to be had: configuration, flags and credentials become registries to ask.

use std::path::PathBuf;

use super::error::ImageError;
use crate::config::certificates::Certificates;
use crate::config::registries::{RegistriesConf, Rules, Source, TlsVerify};
use crate::engine::{Dialect, Engine};
use crate::oci::Reference;
use crate::registry::{Credentials, Endpoint, Patience, Registry};

/// How registries are to be reached, as flags say.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// `--tls-verify`.
    pub tls_verify: TlsVerify,
    /// `--creds`.
    pub credentials: Option<Credentials>,
    /// `--authfile`.
    pub auth_file: Option<PathBuf>,
    /// `--cert-dir`.
    pub cert_dir: Option<PathBuf>,
    /// `--registries-conf`.
    pub registries_conf: Option<PathBuf>,
    /// `--retry` and `--retry-delay`.
    pub patience: Patience,
}

/// What a typed name may mean.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) candidates: Vec<Candidate>,
    /// How a short name was understood.
    pub(super) description: Option<String>,
}

/// A full name, and who may have it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: Reference,
    /// Mirrors first.
    pub(super) places: Vec<Place>,
}

/// A name at a registry that is not connected yet.
#[derive(Debug)]
pub(super) struct Place {
    /// The name there.
    pub(super) reference: Reference,
    pub(super) registry: Registry,
}

impl Place {
    pub(super) fn repository(&self) -> &str {
        self.reference.path()
    }
}

impl Engine {
    /// Where `name` can be pulled from.
    pub(super) fn places(
        &self,
        name: &Reference,
        access: &RegistryAccess,
    ) -> Result<Places, ImageError> {
        let conf = self.registries_conf(access)?;
        let resolved = conf.resolve(name)?;
        let candidate = |name: Reference| {
            let sources = conf.pull_sources(&name, access.tls_verify)?;
            let places = sources.into_iter().map(|source| self.place(source, access));
            let places = places.collect::<Result<_, _>>()?;
            Ok(Candidate { name, places })
        };
        let candidates = resolved.candidates.into_iter().map(candidate);
        Ok(Places {
            candidates: candidates.collect::<Result<_, ImageError>>()?,
            description: resolved.description,
        })
    }

    /// Where `name` is pushed to.
    pub(super) fn push_place(
        &self,
        name: &Reference,
        access: &RegistryAccess,
    ) -> Result<Place, ImageError> {
        let source = self
            .registries_conf(access)?
            .registry(name, access.tls_verify)?;
        self.place(source, access)
    }

    fn registries_conf(&self, access: &RegistryAccess) -> Result<RegistriesConf, ImageError> {
        let rules = match self.dialect {
            Dialect::Docker => Rules::Docker,
            Dialect::Podman => Rules::Podman,
        };
        Ok(RegistriesConf::load(
            &environment,
            access.registries_conf.as_deref(),
            rules,
        )?)
    }

    fn place(&self, source: Source, access: &RegistryAccess) -> Result<Place, ImageError> {
        let Source { reference, trust } = source;
        let domain = reference.domain().unwrap_or_default();
        let mut endpoint = Endpoint::of_domain(domain, trust);
        endpoint.certificates =
            Certificates::find(&environment, access.cert_dir.as_deref(), domain)?;
        let credentials = access.credentials.clone().unwrap_or_default();
        Ok(Place {
            registry: Registry::new(endpoint, credentials, access.patience),
            reference,
        })
    }
}

fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
