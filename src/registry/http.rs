// SPDX-License-Identifier: Apache-2.0 OR MIT
//! HTTP with patience: what fails for a moment is asked for again, redirects are followed with
//! care, and nothing waits for ever. Who we are is decided above; here it is only kept from going
//! to another server.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use reqwest::blocking::{self, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};

use super::error::{RegistryError, io_number, no_answer_words, transport_words};
use super::growing::Growing;
use super::proxy;
use super::resolve::Resolver;
use super::{Certificates, Endpoint, Trust, streamed, tls};

/// Redirects that are followed for one request.
const REDIRECTS_MAX: usize = 10;

/// The longest that a server can make us wait before the next attempt.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// The wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How long a document may take.
const DOCUMENT_MAX: Duration = Duration::from_mins(2);

/// The slowest upload that makes sense, in bytes for each second.
const SLOWEST_UPLOAD: u64 = 8 << 10;

/// How much a registry is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts after the first.
    pub retries: u32,
    /// The wait between two attempts; `None` starts at half a second and doubles.
    pub delay: Option<Duration>,
    /// Silence after which a connection is given up.
    pub stall: Duration,
    /// What a server that is not there means.
    pub absence: Absence,
}

/// What it means that nobody listens at a registry's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Absence {
    /// There is none: waiting would help nobody who has mistyped a port.
    #[default]
    Final,
    /// It may start soon: whoever asks for retries wants it waited for.
    Passing,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: 3,
            delay: None,
            stall: Duration::from_mins(1),
            absence: Absence::Final,
        }
    }
}

impl Patience {
    /// The wait after attempt `attempt`, counted from 0.
    pub fn wait_after(self, attempt: u32) -> Duration {
        let own = match self.delay {
            Some(delay) => delay,
            None => FIRST_WAIT * 2_u32.saturating_pow(attempt.min(10)),
        };
        own.min(WAIT_MAX)
    }
}

/// One request, which can be sent again.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) payload: Payload,
    pub(super) answer: Answer,
    pub(super) attempts: Attempts,
}

/// How often a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempts {
    /// Until patience ends.
    Several,
    /// Once: the caller knows a better way to go on.
    One,
}

/// What is sent.
#[derive(Default)]
pub(super) enum Payload {
    #[default]
    Nothing,
    Bytes(Vec<u8>),
    /// `length` bytes of a file from `offset` on.
    File {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
    /// A blob while it is made; it goes once.
    Growing(Growing),
}

impl fmt::Debug for Payload {
    /// Without the bytes: a form holds tokens.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.length())
    }
}

impl Payload {
    fn length(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
            Self::Growing(growing) => growing.most_bytes,
        }
    }
}

/// What is expected to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Something short.
    Document,
    /// A stream as long as it keeps coming.
    Stream,
}

impl Request {
    pub(super) fn new(method: Method, url: Url, answer: Answer) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            authorization: None,
            payload: Payload::Nothing,
            answer,
            attempts: Attempts::Several,
        }
    }

    fn no_answer(&self, url: &Url, error: &reqwest::Error) -> RegistryError {
        let mut words = no_answer_words(error, &peer(url));
        let host = url.host_str().unwrap_or_default();
        let is_answered = words.starts_with("tls:") || words.starts_with("http:");
        if error.is_connect()
            && !is_answered
            && !Endpoint::of_domain(host, Trust::Verified).is_loopback()
        {
            let proxy = proxy::variable(url, |name| std::env::var(name).ok());
            // It is the proxy then that could not be reached, or that refused.
            words.extend(proxy.map(|name| format!(" (through the proxy that {name} names)")));
        }
        RegistryError::NoAnswer {
            method: title(&self.method),
            url: shown_url(url),
            words,
            is_refused: io_number(error) == Some(Errno::ECONNREFUSED as i32),
        }
    }

    fn redirected(&self, reason: &'static str) -> RegistryError {
        RegistryError::Redirect {
            method: title(&self.method),
            url: shown_url(&self.url),
            reason,
        }
    }
}

/// A URL for messages: what stands behind the question mark can be a signature, and what stands
/// before the host a password.
pub(super) fn shown_url(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    // It fails for URLs without a host, which have no user either.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    url.to_string()
}

/// `HOST:PORT`, with the port that the scheme means.
fn peer(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// `Get` for `GET`, as Go's client says it.
fn title(method: &Method) -> String {
    let (first, rest) = method.as_str().split_at(1);
    first.to_owned() + &rest.to_ascii_lowercase()
}

/// Which clients there are: certificates that are meant for one server go to no other, and the
/// own machine is reached without a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    is_registry: bool,
    is_loopback: bool,
}

/// The same client twice.
#[derive(Debug, Clone)]
struct Clients {
    blocking: blocking::Client,
    /// For bodies that do not lie in memory.
    streaming: reqwest::Client,
}

/// A failed attempt.
enum Failed {
    /// Worth another one.
    ForNow(RegistryError),
    ForGood(RegistryError),
}

/// Sends requests for one registry.
#[derive(Debug)]
pub(super) struct Http {
    endpoint: Endpoint,
    patience: Patience,
    resolver: Arc<Resolver>,
    clients: Mutex<HashMap<Kind, Clients>>,
}

impl Http {
    /// Makes nothing yet.
    pub(super) fn new(endpoint: Endpoint, patience: Patience) -> Self {
        Self {
            endpoint,
            patience,
            resolver: Arc::default(),
            clients: Mutex::default(),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Sends a request until it is answered, or until patience ends.
    ///
    /// Whatever status the last answer has, it is returned.
    pub(super) fn send(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut attempt = 0;
        loop {
            let is_last = request.attempts == Attempts::One || attempt >= self.patience.retries;
            let asked_for = match self.follow(request) {
                Ok(response) if is_last || !is_transient(response.status()) => return Ok(response),
                Ok(response) => match retry_after(&response) {
                    Some(wait) if wait > WAIT_MAX => return Ok(response),
                    wait => wait,
                },
                Err(Failed::ForNow(error)) if is_last => return Err(error),
                Err(Failed::ForNow(_)) => None,
                Err(Failed::ForGood(error)) => return Err(error),
            };
            self.wait(attempt, asked_for);
            attempt += 1;
        }
    }

    /// Waits before attempt `attempt + 1`.
    pub(super) fn wait(&self, attempt: u32, asked_for: Option<Duration>) {
        let own = self.patience.wait_after(attempt);
        std::thread::sleep(asked_for.unwrap_or(own).min(WAIT_MAX));
    }

    fn follow(&self, request: &Request) -> Result<Response, Failed> {
        let mut url = request.url.clone();
        let mut seen = vec![url.clone()];
        let mut authorization = request.authorization.clone();
        loop {
            let response = self.send_once(request, &url, authorization.as_ref())?;
            let Some(next) = location(request, &url, &response).map_err(Failed::ForGood)? else {
                return Ok(response);
            };
            let refuse = |reason| Err(Failed::ForGood(request.redirected(reason)));
            if seen.contains(&next) {
                return refuse("in a loop");
            }
            if seen.len() > REDIRECTS_MAX {
                return refuse("too often");
            }
            let is_downgrade = url.scheme() == "https" && next.scheme() == "http";
            if is_downgrade && self.endpoint.trust == Trust::Verified {
                return refuse("from HTTPS to plain HTTP");
            }
            // Security: a password or token is for the server that it was meant for.
            if next.origin() != url.origin() {
                authorization = None;
            }
            seen.push(next.clone());
            url = next;
        }
    }

    fn send_once(
        &self,
        request: &Request,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failed> {
        let clients = self.clients(url).map_err(Failed::ForGood)?;
        let mut headers: HeaderMap = request.headers.iter().cloned().collect();
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let method = request.method.clone();
        let streamed = match &request.payload {
            Payload::Nothing | Payload::Bytes(_) => None,
            Payload::File {
                file,
                offset,
                length,
            } => Some(file_body(file, *offset, *length)),
            Payload::Growing(growing) => Some(growing.body()),
        };
        let limit = self.limit(request);
        let answer = if let Some(body) = streamed {
            let builder = clients.streaming.request(method, url.clone());
            let builder = builder.headers(headers).body(body);
            let sent = streamed::send(match limit {
                Some(limit) => builder.timeout(limit),
                None => builder,
            });
            sent.map_err(|error| {
                let words = transport_words(&error);
                Failed::ForGood(RegistryError::Client { words })
            })?
        } else {
            let mut builder = clients.blocking.request(method, url.clone());
            builder = builder.headers(headers);
            if let Payload::Bytes(bytes) = &request.payload {
                builder = builder.body(bytes.clone());
            }
            match limit {
                Some(limit) => builder.timeout(limit),
                None => builder,
            }
            .send()
        };
        answer.map_err(|error| {
            let words = request.no_answer(url, &error);
            // A host that is not there or shows a wrong certificate is so the next time too.
            if error.is_connect() && !error.is_timeout() {
                Failed::ForGood(words)
            } else {
                Failed::ForNow(words)
            }
        })
    }

    /// How long the whole exchange may take; without a limit each step has one.
    fn limit(&self, request: &Request) -> Option<Duration> {
        let sent = request.payload.length();
        match request.answer {
            Answer::Stream => None,
            Answer::Document if sent == 0 => Some(DOCUMENT_MAX.min(self.patience.stall * 2)),
            Answer::Document => Some(DOCUMENT_MAX + Duration::from_secs(sent / SLOWEST_UPLOAD)),
        }
    }

    fn clients(&self, url: &Url) -> Result<Clients, RegistryError> {
        let host = url.host_str().unwrap_or_default();
        let kind = Kind {
            is_registry: host.trim_matches(['[', ']']) == self.endpoint.host(),
            is_loopback: Endpoint::of_domain(host, Trust::Verified).is_loopback(),
        };
        let mut known = self
            .clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(clients) = known.get(&kind) {
            return Ok(clients.clone());
        }
        let clients = self.make_clients(kind)?;
        known.insert(kind, clients.clone());
        Ok(clients)
    }

    fn make_clients(&self, kind: Kind) -> Result<Clients, RegistryError> {
        let tls = if kind.is_registry {
            tls::client_config(self.endpoint.trust, &self.endpoint.certificates)?
        } else {
            tls::client_config(Trust::Verified, &Certificates::default())?
        };
        let blocking = blocking::ClientBuilder::from(self.builder(kind, tls.clone()));
        let blocking = blocking.timeout(self.patience.stall).build();
        // A connection is of the runtime that made it, and ends with it.
        let streaming = self.builder(kind, tls).pool_max_idle_per_host(0).build();
        let failed = |error: reqwest::Error| RegistryError::Client {
            words: transport_words(&error),
        };
        Ok(Clients {
            blocking: blocking.map_err(failed)?,
            streaming: streaming.map_err(failed)?,
        })
    }

    fn builder(&self, kind: Kind, tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
        let stall = self.patience.stall;
        let builder = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .dns_resolver(Arc::clone(&self.resolver))
            .user_agent(concat!("coracle/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(stall.min(Duration::from_secs(30)))
            // A peer that takes nothing during an upload.
            .tcp_user_timeout(stall)
            .tcp_nodelay(true);
        if kind.is_loopback {
            builder.no_proxy()
        } else {
            builder
        }
    }
}

/// Where a redirect leads; `None` if it is none.
fn location(
    request: &Request,
    url: &Url,
    response: &Response,
) -> Result<Option<Url>, RegistryError> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if !is_redirect || !matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let header = response.headers().get(LOCATION);
    let next = header.and_then(|value| url.join(value.to_str().ok()?).ok());
    match next {
        Some(next) if matches!(next.scheme(), "http" | "https") => Ok(Some(next)),
        _ => Err(request.redirected("to nowhere")),
    }
}

fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Seconds, or a date.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new();
    let until = date
        .parse_timestamp(text)
        .ok()?
        .duration_since(Timestamp::now());
    Some(Duration::try_from(until).unwrap_or_default())
}

fn file_body(file: &Arc<File>, offset: u64, length: u64) -> reqwest::Body {
    let part = FilePart {
        file: Arc::clone(file),
        offset,
    };
    streamed::body(part.take(length), Some(length))
}

/// Reads from an offset on without moving the file's own.
struct FilePart {
    file: Arc<File>,
    offset: u64,
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}
