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
    let belief = match trust {
        Trust::Insecure => Belief::Anyone,
        Trust::Verified => Belief::vouched(&provider, certificates)?,
    };
    let verifier = Verifier {
        belief,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| client_error(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
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

/// Checks what a server shows.
#[derive(Debug)]
struct Verifier {
    belief: Belief,
    provider: Arc<CryptoProvider>,
}

/// Who is believed to be who they say.
#[derive(Debug)]
enum Belief {
    /// Everybody: for registries that the user called insecure.
    Anyone,
    /// Whom the system and certs.d vouch for.
    Vouched {
        /// `None` if there are no roots at all.
        chains: Option<Arc<WebPkiServerVerifier>>,
        /// Certificates of certs.d, which may be a server's own.
        own: Vec<CertificateDer<'static>>,
    },
}

impl Belief {
    fn vouched(
        provider: &Arc<CryptoProvider>,
        certificates: &Certificates,
    ) -> Result<Self, RegistryError> {
        let mut own = Vec::new();
        for path in &certificates.roots {
            own.extend(read_pem(path)?);
        }
        Ok(Self::vouched_by(provider, system_roots(), own))
    }

    fn vouched_by(
        provider: &Arc<CryptoProvider>,
        mut roots: RootCertStore,
        own: Vec<CertificateDer<'static>>,
    ) -> Self {
        roots.add_parsable_certificates(own.iter().cloned());
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Self::Vouched {
            // It refuses to be built without roots.
            chains: builder.build().ok(),
            own,
        }
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
        let (chains, own) = match &self.belief {
            Belief::Anyone => return Ok(ServerCertVerified::assertion()),
            Belief::Vouched { chains: None, .. } => {
                return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
            }
            Belief::Vouched {
                chains: Some(chains),
                own,
            } => (chains, own),
        };
        let verified =
            chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(Error::InvalidCertificate(CertificateError::Other(words))) = &verified else {
            return verified;
        };
        // `openssl req -x509` makes certificates that say of themselves that they are authorities.
        // webpki refuses them as a server's own; Go takes them where the user trusts exactly them.
        // Security: webpki says this only of one whose dates it has found to be right.
        let is_authority = words.to_string() == "CaUsedAsEndEntity";
        if !is_authority || !own.iter().any(|own| own == end_entity) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// By `openssl req -x509`, for 127.0.0.1, an authority of its own; good for the year 2020.
    const PINNED: &[u8] = b"-----BEGIN CERTIFICATE-----\n\
        MIIBUDCB9qADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHRlc3QwHhcN\n\
        MjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDAR0ZXN0MFkw\n\
        EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWIc9msnAt2ykUPisnxBBKn4xQYL15/My\n\
        g81+eR4qUeaA6gXkRvEbC8lZf/ifcOQWdyN2cnLQLDtQcuZvt3R9eKNDMEEwDwYD\n\
        VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMB0GA1UdDgQWBBT+TPLO1UKv\n\
        g1qy4TL1Bb4Nogj6jzAKBggqhkjOPQQDAgNJADBGAiEAlL04KNkVigDAIUog2+Y6\n\
        0vQ2S9RtPJT0SBRn+xgDBS0CIQC7qCGF5yUFJqy8Z5deucpnaGwpL/caEq4tLalk\n\
        IeuegA==\n\
        -----END CERTIFICATE-----";

    #[test]
    fn a_pinned_certificate_is_believed_for_its_name_and_its_time() {
        let pinned = CertificateDer::from_pem_slice(PINNED).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verify = |own: Vec<CertificateDer<'static>>, name: &'static str, seconds| {
            let roots = RootCertStore::empty();
            let verifier = Verifier {
                belief: Belief::vouched_by(&provider, roots, own),
                provider: Arc::clone(&provider),
            };
            let name = ServerName::try_from(name).unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let verified = verifier.verify_server_cert(&pinned, &[], &name, &[], now);
            verified.map(drop).map_err(|error| format!("{error:?}"))
        };
        let (before, within, after) = (1_577_000_000, 1_590_000_000, 1_610_000_000);
        let own = || vec![pinned.clone()];
        assert_eq!(verify(own(), "127.0.0.1", within), Ok(()));
        for (own, name, seconds, words) in [
            (own(), "127.0.0.1", before, "NotValidYet"),
            (own(), "127.0.0.1", after, "Expired"),
            (own(), "127.0.0.2", within, "NotValidForName"),
            (Vec::new(), "127.0.0.1", within, "UnknownIssuer"),
        ] {
            let error = verify(own, name, seconds).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
