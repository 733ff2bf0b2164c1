// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Talks with registries: the OCI distribution protocol over HTTP, and nothing else.
//!
//! It yields verified bytes and takes streams; where layers and images are kept is the engine's
//! to join. Which registries, mirrors and secrets are configured comes in as an [`Endpoint`] and
//! [`Credentials`]. This is the only room with an async runtime and with TLS, both behind a
//! blocking client: a process that forks containers must not have called into it.

mod auth;
mod blob;
mod catalog;
mod challenge;
mod client;
mod download;
mod endpoint;
mod error;
mod growing;
mod http;
mod proxy;
mod reply;
mod resolve;
mod streamed;
mod tls;
mod upload;

pub use crate::config::certificates::{Certificates, ClientCertificate};
pub use crate::config::credentials::{Credentials, Secret};
pub use crate::config::registries::Trust;
pub use blob::BlobReader;
pub use client::{DOCUMENT_MAX, Fetched, Registry};
pub use download::{WebFile, download, download_small};
pub use endpoint::Endpoint;
pub use error::RegistryError;
pub use growing::{Growing, Maker, growing};
pub use http::{Absence, Patience};
pub use upload::{Blob, Unended};

#[cfg(test)]
pub(crate) use challenge::BUG_PLANTED;

/// Reads a header `WWW-Authenticate`.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_challenge(header: &str) {
    drop(challenge::choose([header]));
}

#[cfg(test)]
mod tests;
