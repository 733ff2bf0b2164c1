// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TLS: which certificates are believed, and what we show. Nothing is read before the first
//! connection needs it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::error::RegistryError;
use super::{Certificates, ClientCertificate, Trust};

/// The TLS side of connections that are trusted as `trust` says.
pub(super) fn client_config(
    trust: Trust,
    certificates: &Certificates,
) -> Result<ClientConfig, RegistryError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Insecure => Arc::new(AnyCertificate {
            provider: Arc::clone(&provider),
        }),
        Trust::Verified => Arc::new(Verifier::new(&provider, certificates)?),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| client_error(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(client) = &certificates.client else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain, key) = read_client(client)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| refused(&client.certificate, error))
}

fn client_error(error: &Error) -> RegistryError {
    let words = error.to_string();
    RegistryError::Client { words }
}

fn refused(path: &Path, error: impl std::fmt::Display) -> RegistryError {
    RegistryError::Certificate {
        path: path.to_owned(),
        words: error.to_string(),
    }
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| refused(path, error))
}

fn read_client(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), RegistryError> {
    let chain = read_pem(&client.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&client.key);
    Ok((chain, key.map_err(|error| refused(&client.key, error))?))
}

/// The roots that the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` come before it. Files that
/// do not read are as good as absent: what they vouch for is refused later, with its name.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let places = openssl_probe::probe();
    let mut files: Vec<_> = places.cert_file.into_iter().collect();
    // The one file holds what the directories hold; they are slow to read.
    if files.is_empty() {
        let entries = places
            .cert_dir
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok());
        files.extend(entries.flatten().flatten().map(|entry| entry.path()));
    }
    for file in files {
        roots.add_parsable_certificates(read_pem(&file).unwrap_or_default());
    }
    roots
}

/// Believes what the system and certs.d vouch for.
#[derive(Debug)]
struct Verifier {
    /// `None` if there are no roots at all.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates of certs.d, which may be a server's own.
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        provider: &Arc<CryptoProvider>,
        certificates: &Certificates,
    ) -> Result<Self, RegistryError> {
        let mut roots = system_roots();
        let mut own = Vec::new();
        for path in &certificates.roots {
            own.extend(read_pem(path)?);
        }
        roots.add_parsable_certificates(own.iter().cloned());
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Ok(Self {
            // It refuses to be built without roots.
            chains: builder.build().ok(),
            own,
            provider: Arc::clone(provider),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chains) = &self.chains else {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let verified =
            chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(Error::InvalidCertificate(CertificateError::Other(_))) = &verified else {
            return verified;
        };
        // `openssl req -x509` makes certificates that say of themselves that they are authorities.
        // webpki refuses them as a server's own; Go takes them where the user trusts exactly them.
        if !self.own.iter().any(|own| own == end_entity) {
            return verified;
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        rustls::client::verify_server_name(&parsed, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// Believes everybody: for registries that the user called insecure.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
