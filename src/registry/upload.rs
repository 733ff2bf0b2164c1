// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Giving blobs and manifests to a registry. A blob goes in one piece, as soon as there is something
//! of it; where that is refused or breaks off, in parts, of which none is sent twice.

use std::fs::File;
use std::sync::Arc;

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, StatusCode, Url};

use super::client::{Access, Registry, content_digest, path, scope};
use super::error::RegistryError;
use super::growing::Growing;
use super::http::{Answer, Attempts, Payload, Request};
use super::reply;
use crate::oci::Digest;

/// A part of a blob: what memory can hold, and more than any registry wants at least.
const PART: u64 = 8 << 20;

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A blob that is to be sent.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its bytes, from the beginning of the file on.
    pub file: Arc<File>,
    /// How many.
    pub size_bytes: u64,
    /// Their digest.
    pub digest: Digest,
}

/// An upload that has everything but its end: [`Registry::end_upload`].
#[derive(Debug)]
pub struct Unended(Url);

/// Why a blob did not get there in one piece.
enum Refused {
    /// Another way may do.
    ThisWay(RegistryError),
    ForGood(RegistryError),
}

impl Registry {
    /// Whether the registry has a blob in this repository.
    ///
    /// # Errors
    ///
    /// What the registry refuses, but for its not being there.
    pub fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, RegistryError> {
        let path = path(repository, "blobs", &digest.to_string());
        let request = self.request(Method::HEAD, &path)?;
        let authority = &self.endpoint().authority;
        let what = format!("checking whether a blob {digest} exists in {authority}/{repository}");
        match self.send(&what, request, &[scope(repository, Access::Push)]) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            // No words come with this answer; a token server has some.
            Err(RegistryError::Denied { what: refused, .. }) if refused == what => {
                Err(RegistryError::Denied {
                    what,
                    words: "authentication required".to_owned(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the registry to take a blob over from another of its repositories; whether it did.
    ///
    /// # Errors
    ///
    /// What the registry refuses, but for its not being there.
    pub fn mount_blob(
        &self,
        repository: &str,
        digest: &Digest,
        from: &str,
    ) -> Result<bool, RegistryError> {
        let mut request = self.request(Method::POST, &uploads(repository))?;
        let query = [("mount", digest.to_string()), ("from", from.to_owned())];
        request.url.query_pairs_mut().extend_pairs(query);
        request
            .headers
            .push((CONTENT_LENGTH, HeaderValue::from_static("0")));
        let scopes = [scope(repository, Access::Push), scope(from, Access::Pull)];
        let response = self.send_any(request, &scopes)?;
        match response.status() {
            StatusCode::CREATED => Ok(true),
            StatusCode::ACCEPTED => {
                // It began an upload instead, which nobody will end.
                if let Ok(url) = location("mounting a blob", &response) {
                    self.cancel(url, &[scope(repository, Access::Push)]);
                }
                Ok(false)
            }
            // Whoever may not read there uploads.
            _ => Ok(false),
        }
    }

    /// Uploads a blob.
    ///
    /// # Errors
    ///
    /// What the registry refuses.
    pub fn upload(&self, repository: &str, blob: &Blob) -> Result<(), RegistryError> {
        match self.upload_whole(repository, blob) {
            Ok(()) => Ok(()),
            Err(Refused::ForGood(error)) => Err(error),
            Err(Refused::ThisWay(first)) => {
                // What the registry says of its own way of doing it is no help, the first is.
                self.upload_parts(repository, blob).map_err(|_second| first)
            }
        }
    }

    /// Uploads a blob while it is made, up to its end; it goes once.
    ///
    /// # Errors
    ///
    /// What the registry refuses, or that the blob was abandoned. Nothing stays behind.
    pub fn upload_growing(
        &self,
        repository: &str,
        growing: Growing,
    ) -> Result<Unended, RegistryError> {
        let what = format!("uploading a blob to {repository}");
        let scopes = [scope(repository, Access::Push)];
        let url = self.begin(&what, repository)?;
        let mut request = upload_request(Method::PATCH, url.clone());
        request.attempts = Attempts::One;
        request.headers.push((CONTENT_TYPE, OCTETS));
        request.payload = Payload::Growing(growing);
        let sent = self.send(&what, request, &scopes);
        sent.and_then(|response| location(&what, &response))
            .map(Unended)
            .inspect_err(|_| self.cancel(url, &scopes))
    }

    /// Ends an upload that has all bytes of the blob with this digest.
    ///
    /// # Errors
    ///
    /// What the registry refuses.
    pub fn end_upload(
        &self,
        repository: &str,
        upload: Unended,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let what = format!("uploading blob {digest}");
        self.end(&what, upload.0, digest, &[scope(repository, Access::Push)])
    }

    /// Uploads a short blob, such as a configuration.
    ///
    /// # Errors
    ///
    /// What the registry refuses.
    pub fn upload_bytes(
        &self,
        repository: &str,
        digest: &Digest,
        bytes: Vec<u8>,
    ) -> Result<(), RegistryError> {
        let what = format!("uploading blob {digest}");
        let url = self.begin(&what, repository)?;
        let mut request = upload_request(Method::PUT, url);
        add_digest(&mut request.url, digest);
        request.headers.push((CONTENT_TYPE, OCTETS));
        request.payload = Payload::Bytes(bytes);
        let scopes = [scope(repository, Access::Push)];
        self.send(&what, request, &scopes).map(drop)
    }

    /// Uploads a manifest or an index under a tag or its digest.
    ///
    /// # Errors
    ///
    /// What the registry refuses; [`RegistryError::WrongDigest`] if it has understood other bytes.
    pub fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, RegistryError> {
        let authority = &self.endpoint().authority;
        let what = format!("writing manifest {reference} to {authority}/{repository}");
        let mut request = self.request(Method::PUT, &path(repository, "manifests", reference))?;
        let kind = HeaderValue::from_str(media_type);
        let kind = kind.map_err(|_not_a_header| RegistryError::MediaType {
            what: what.clone(),
            media_type: super::error::shown(media_type),
        })?;
        request.headers.push((CONTENT_TYPE, kind));
        request.payload = Payload::Bytes(bytes.to_vec());
        let response = self.send(&what, request, &[scope(repository, Access::Push)])?;
        let digest = Digest::sha256(bytes);
        match content_digest(response.headers()) {
            Some(found) if found.algorithm() == digest.algorithm() && found != digest => {
                Err(RegistryError::WrongDigest { what, found })
            }
            _ => Ok(digest),
        }
    }

    fn upload_whole(&self, repository: &str, blob: &Blob) -> Result<(), Refused> {
        let what = format!("uploading blob {}", blob.digest);
        let scopes = [scope(repository, Access::Push)];
        let url = self.begin(&what, repository).map_err(Refused::ForGood)?;
        let mut request = upload_request(Method::PUT, url);
        add_digest(&mut request.url, &blob.digest);
        request.attempts = Attempts::One;
        request.headers.push((CONTENT_TYPE, OCTETS));
        request.payload = Payload::File {
            file: Arc::clone(&blob.file),
            offset: 0,
            length: blob.size_bytes,
        };
        let response = self.send_any(request, &scopes).map_err(Refused::ThisWay)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let error = reply::refusal(what, response);
        match status {
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => {
                Err(Refused::ThisWay(error))
            }
            other if other.is_server_error() => Err(Refused::ThisWay(error)),
            _ => Err(Refused::ForGood(error)),
        }
    }

    fn upload_parts(&self, repository: &str, blob: &Blob) -> Result<(), RegistryError> {
        let what = format!("uploading blob {}", blob.digest);
        let scopes = [scope(repository, Access::Push)];
        let http = &self.inner.http;
        let mut url = self.begin(&what, repository)?;
        let (mut sent, mut failures) = (0, 0);
        while sent < blob.size_bytes {
            let length = PART.min(blob.size_bytes - sent);
            let part = part(url.clone(), blob, sent, length);
            let error = match self.send(&what, part, &scopes) {
                Ok(response) => {
                    url = location(&what, &response)?;
                    sent += length;
                    continue;
                }
                Err(error) => error,
            };
            if failures >= http.patience().retries {
                return Err(error);
            }
            http.wait(failures, None);
            failures += 1;
            (url, sent) = self.progress(&what, url, &scopes)?;
        }
        self.end(&what, url, &blob.digest, &scopes)
    }

    fn end(
        &self,
        what: &str,
        url: Url,
        digest: &Digest,
        scopes: &[String],
    ) -> Result<(), RegistryError> {
        let mut request = upload_request(Method::PUT, url);
        add_digest(&mut request.url, digest);
        request
            .headers
            .push((CONTENT_LENGTH, HeaderValue::from_static("0")));
        self.send(what, request, scopes).map(drop)
    }

    /// Forgets an upload that nobody will end; a registry that does not forgets it by itself later.
    fn cancel(&self, url: Url, scopes: &[String]) {
        drop(self.send_any(upload_request(Method::DELETE, url), scopes));
    }

    /// Where an upload goes on, and what has come.
    fn progress(
        &self,
        what: &str,
        url: Url,
        scopes: &[String],
    ) -> Result<(Url, u64), RegistryError> {
        let request = upload_request(Method::GET, url);
        let response = self.send(what, request, scopes)?;
        let range = response
            .headers()
            .get(RANGE)
            .and_then(|value| value.to_str().ok());
        let last = range.and_then(|text| text.rsplit_once('-')?.1.trim().parse::<u64>().ok());
        let next = location(what, &response)?;
        // `0-0` is what an empty upload says, too: the first byte goes again.
        let come = last.map_or(0, |last| if last == 0 { 0 } else { last + 1 });
        Ok((next, come))
    }

    /// Begins an upload; where it goes is returned.
    fn begin(&self, what: &str, repository: &str) -> Result<Url, RegistryError> {
        let mut request = self.request(Method::POST, &uploads(repository))?;
        request
            .headers
            .push((CONTENT_LENGTH, HeaderValue::from_static("0")));
        let response = self.send(what, request, &[scope(repository, Access::Push)])?;
        location(what, &response)
    }
}

fn part(url: Url, blob: &Blob, offset: u64, length: u64) -> Request {
    let mut request = upload_request(Method::PATCH, url);
    let range = format!("{offset}-{}", offset + length - 1);
    let range = HeaderValue::from_str(&range).expect("digits are a header's text");
    request.headers.push((CONTENT_TYPE, OCTETS));
    request.headers.push((CONTENT_RANGE, range));
    request.attempts = Attempts::One;
    request.payload = Payload::File {
        file: Arc::clone(&blob.file),
        offset,
        length,
    };
    request
}

/// The place that an answer names, with whatever it says behind the question mark.
fn location(what: &str, response: &Response) -> Result<Url, RegistryError> {
    let header = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let refused = |words: &str| RegistryError::Status {
        what: what.to_owned(),
        status: response.status().to_string(),
        words: words.to_owned(),
    };
    let Some(text) = header else {
        return Err(refused("it does not say where the upload goes"));
    };
    let url = response
        .url()
        .join(text)
        .map_err(|_not_a_url| refused("it names no URL"))?;
    // Security: what is uploaded is not sent less safely than it was asked for.
    if response.url().scheme() == "https" && url.scheme() != "https" {
        return Err(refused("it names a place without TLS"));
    }
    Ok(url)
}

fn upload_request(method: Method, url: Url) -> Request {
    Request::new(method, url, Answer::Document)
}

fn uploads(repository: &str) -> String {
    format!("{repository}/blobs/uploads/")
}

fn add_digest(url: &mut Url, digest: &Digest) {
    url.query_pairs_mut()
        .append_pair("digest", &digest.to_string());
}
