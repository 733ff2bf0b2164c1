// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What comes of a pull.

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Reference};
use crate::registry::RegistryError;
use crate::runtime::failure::chain;

/// An image that is here now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledImage {
    /// Its id.
    pub id: Digest,
    /// The full name that it was pulled by.
    pub name: String,
    /// The digest of what the name leads to, an index or a manifest.
    pub digest: Digest,
    /// Whether anything came.
    pub novelty: Novelty,
}

/// Whether a pull changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Novelty {
    /// The image was not here under this name.
    New,
    /// It was.
    UpToDate,
}

/// Why nothing was pulled, on its way out of the child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullFailure {
    /// In words.
    pub words: String,
    /// What it comes of.
    pub cause: PullCause,
    /// The image, in the form that people type.
    pub name: String,
    /// What the registry said, or what kept it from saying anything.
    pub reason: Option<String>,
}

/// What kept an image away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullCause {
    /// The registry does not have it.
    NotFound,
    /// It wants to know who we are.
    Denied,
    /// The registry speaks plain HTTP.
    PlainHttp,
    /// Nobody listens where the registry should be.
    NobodyThere,
    /// Anything else.
    Other,
}

impl PullFailure {
    /// Docker's words, where its users search for others.
    pub(super) fn docker_message(&self) -> Option<String> {
        let name = &self.name;
        match self.cause {
            PullCause::NotFound => Some(format!(
                "manifest for {name} not found: manifest unknown: manifest unknown"
            )),
            PullCause::Denied => {
                let name = name.split([':', '@']).next().unwrap_or_default();
                Some(format!(
                    "pull access denied for {name}, repository does not exist or may require \
                     'docker login': denied: requested access to the resource is denied"
                ))
            }
            PullCause::PlainHttp | PullCause::NobodyThere | PullCause::Other => self.reason.clone(),
        }
    }

    /// What a registry did not give or take; `words` say what was tried, too.
    pub(super) fn of_registry(words: String, name: &Reference, error: &RegistryError) -> Self {
        let cause = match error {
            RegistryError::NotFound { .. } => PullCause::NotFound,
            RegistryError::Denied { .. } => PullCause::Denied,
            _ if error.is_plain_http() => PullCause::PlainHttp,
            _ if error.is_refused() => PullCause::NobodyThere,
            _ => PullCause::Other,
        };
        Self {
            words,
            cause,
            name: name.familiar(),
            reason: Some(chain(error)),
        }
    }

    pub(in crate::engine) fn other(words: String) -> Self {
        Self {
            words,
            cause: PullCause::Other,
            name: String::new(),
            reason: None,
        }
    }
}
