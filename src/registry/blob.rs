// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A blob that comes as a stream, and goes on where it broke off.

use std::io::{self, Read};
use std::time::Instant;

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};

use super::client::{Access, Registry, path, scope};
use super::error::{RegistryError, transport_words};
use super::http::Answer;
use crate::oci::{Descriptor, Digest};

/// Fewer bytes than these within the time of a stall are as good as none: a server that sends a
/// byte now and then would hold us for ever.
const LEAST_BYTES: u64 = 4 << 10;

/// A connection that brought this much may break again without being counted against the server.
const PROGRESS: u64 = 1 << 20;

/// Reads a blob of known length.
#[derive(Debug)]
pub struct BlobReader {
    registry: Registry,
    repository: String,
    digest: Digest,
    size_bytes: u64,
    position: u64,
    response: Option<Response>,
    /// Since `failed_at`.
    failures: u32,
    /// Where it broke off last.
    failed_at: u64,
    /// A moment, and how many bytes had come then.
    window: Option<(Instant, u64)>,
}

impl Registry {
    /// A blob as a stream, which goes on where it broke off. Its length is what `descriptor` says,
    /// or reading fails; its digest is the reader's to verify.
    pub fn blob(&self, repository: &str, descriptor: &Descriptor) -> BlobReader {
        BlobReader::new(self.clone(), repository, descriptor)
    }
}

impl BlobReader {
    fn new(registry: Registry, repository: &str, descriptor: &Descriptor) -> Self {
        Self {
            registry,
            repository: repository.to_owned(),
            digest: descriptor.digest.clone(),
            size_bytes: descriptor.size,
            position: 0,
            response: None,
            failures: 0,
            failed_at: 0,
            window: None,
        }
    }

    fn what(&self) -> String {
        format!("blob {}", self.digest)
    }

    /// The error that reading ended with, as this room's own.
    pub fn into_error(self, error: io::Error) -> RegistryError {
        error
            .downcast()
            .unwrap_or_else(|error| self.broken_off(&transport_words(&error)))
    }

    fn broken_off(&self, words: &str) -> RegistryError {
        RegistryError::BrokenOff {
            what: self.what(),
            received: self.position,
            expected: self.size_bytes,
            words: words.to_owned(),
        }
    }

    fn wrong_size(&self, found: u64) -> RegistryError {
        RegistryError::WrongSize {
            what: self.what(),
            expected: self.size_bytes,
            found,
        }
    }

    /// Asks for what is left.
    fn open(&mut self) -> Result<Response, RegistryError> {
        let reference = self.digest.to_string();
        let path = path(&self.repository, "blobs", &reference);
        let mut request = self.registry.request(Method::GET, &path)?;
        request.answer = Answer::Stream;
        if self.position > 0 {
            let range = format!("bytes={}-", self.position);
            let range = HeaderValue::from_str(&range).expect("digits are a header's text");
            request.headers.push((RANGE, range));
        }
        let scopes = [scope(&self.repository, Access::Pull)];
        let response = self
            .registry
            .send(&format!("reading {}", self.what()), request, &scopes)?;
        let skipped = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_start(&response).unwrap_or(self.position),
            _ => 0,
        };
        if let Some(length) = response.content_length()
            && skipped + length != self.size_bytes
        {
            return Err(self.wrong_size(skipped + length));
        }
        self.window = Some((Instant::now(), self.position));
        self.skip(response, skipped)
    }

    /// Takes what is there already from an answer that begins before it.
    fn skip(&self, mut response: Response, start: u64) -> Result<Response, RegistryError> {
        let Some(known) = self.position.checked_sub(start) else {
            return Err(self.broken_off("the server goes on at another place"));
        };
        let mut taken = Read::by_ref(&mut response).take(known);
        match io::copy(&mut taken, &mut io::sink()) {
            Ok(length) if length == known => Ok(response),
            Ok(_) => Err(self.broken_off("unexpected end of data")),
            Err(error) => Err(self.broken_off(&transport_words(&error))),
        }
    }

    /// Some bytes of the answer, or why there are none.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Interrupted> {
        self.check_pace()?;
        let mut response = match self.response.take() {
            Some(response) => response,
            None => self.open().map_err(Interrupted::of)?,
        };
        let length = match response.read(buffer) {
            Ok(0) if self.position < self.size_bytes => {
                return Err(Interrupted::Again(
                    self.broken_off("unexpected end of data"),
                ));
            }
            Ok(length) => length,
            Err(error) => {
                return Err(Interrupted::Again(
                    self.broken_off(&transport_words(&error)),
                ));
            }
        };
        self.position += length as u64;
        if self.position > self.size_bytes {
            return Err(Interrupted::ForGood(self.wrong_size(self.position)));
        }
        self.response = Some(response);
        Ok(length)
    }

    fn check_pace(&mut self) -> Result<(), Interrupted> {
        let stall = self.registry.inner.http.patience().stall;
        let Some((since, position)) = self.window else {
            return Ok(());
        };
        if since.elapsed() < stall {
            return Ok(());
        }
        if self.position - position < LEAST_BYTES && self.position < self.size_bytes {
            return Err(Interrupted::Again(self.broken_off("it comes too slowly")));
        }
        self.window = Some((Instant::now(), self.position));
        Ok(())
    }
}

/// Why no bytes came.
enum Interrupted {
    Again(RegistryError),
    ForGood(RegistryError),
}

impl Interrupted {
    /// An answer that did not begin has been waited for already.
    fn of(error: RegistryError) -> Self {
        match error {
            RegistryError::BrokenOff { .. } => Self::Again(error),
            other => Self::ForGood(other),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let error = match self.read_some(buffer) {
                Ok(length) => return Ok(length),
                Err(Interrupted::ForGood(error)) => return Err(io::Error::other(error)),
                Err(Interrupted::Again(error)) => error,
            };
            self.response = None;
            self.window = None;
            if self.position - self.failed_at > PROGRESS {
                self.failures = 0;
            }
            self.failed_at = self.position;
            let http = &self.registry.inner.http;
            if self.failures >= http.patience().retries {
                return Err(io::Error::other(error));
            }
            http.wait(self.failures, None);
            self.failures += 1;
        }
    }
}

/// Where a part begins: `bytes START-END/SIZE`.
fn range_start(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = text
        .trim()
        .strip_prefix("bytes")?
        .trim_start()
        .split_once('-')?;
    start.parse().ok()
}
