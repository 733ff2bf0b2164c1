// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A registry: manifests, blobs and tags by name, with whatever it wants to know of us.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LINK, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::auth::{self, Purpose};
use super::challenge::{self, Challenge};
use super::error::{RegistryError, shown};
use super::http::{Answer, Http, Patience, Request};
use super::{Credentials, Endpoint, Secret, Trust, reply};
use crate::oci::{Descriptor, Digest, Digester, media_type};

/// The longest manifest or configuration, in bytes: what registries take, too.
pub const DOCUMENT_MAX: u64 = 4 << 20;

/// Pages of a list that are read.
const PAGES_MAX: usize = 1000;

/// Which names a [`Registry`] is asked for, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

/// One registry. Connects when it is first asked for something.
///
/// Copies share their connections and tokens.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) http: Http,
    credentials: Credentials,
    base: OnceLock<Url>,
    /// What to send with requests of a scope; the empty one is for Basic.
    authorizations: Mutex<HashMap<String, HeaderValue>>,
}

/// A manifest or index as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What it is.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
}

/// What a document says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SelfDescription {
    schema_version: u32,
    media_type: String,
    config: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Registry {
    /// A registry that is not connected yet.
    pub fn new(endpoint: Endpoint, credentials: Credentials, patience: Patience) -> Self {
        Self {
            inner: Arc::new(Inner {
                http: Http::new(endpoint, patience),
                credentials,
                base: OnceLock::new(),
                authorizations: Mutex::default(),
            }),
        }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        self.inner.http.endpoint()
    }

    /// `https://HOST/v2/` or `http://HOST/v2/`, once that is known.
    pub fn url_in_use(&self) -> Option<String> {
        self.inner.base.get().map(Url::to_string)
    }

    /// Gets a manifest or an index; `reference` is a tag or a digest.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] if there is none, [`RegistryError::WrongDigest`] for another.
    pub fn manifest(&self, repository: &str, reference: &str) -> Result<Fetched, RegistryError> {
        let what = self.what("reading manifest", reference, repository);
        let mut request = self.request(Method::GET, &path(repository, "manifests", reference))?;
        accept_manifests(&mut request);
        let response = self.send(&what, request, &[scope(repository, Access::Pull)])?;
        let headers = response.headers().clone();
        let bytes = reply::document(&what, response, DOCUMENT_MAX)?;
        let expected = match Digest::parse(reference) {
            Ok(digest) => Some(digest),
            Err(_) => content_digest(&headers),
        };
        let digest = verified(&what, &bytes, expected.as_ref())?;
        let media_type = media_type_of(&what, &bytes, &headers)?;
        Ok(Fetched {
            bytes,
            media_type,
            digest,
        })
    }

    /// The digest of what a tag leads to now, without getting it; `None` if it does not say.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] if there is no such tag.
    pub fn manifest_digest(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<Digest>, RegistryError> {
        let what = self.what("reading manifest", reference, repository);
        let mut request = self.request(Method::HEAD, &path(repository, "manifests", reference))?;
        accept_manifests(&mut request);
        let response = self.send(&what, request, &[scope(repository, Access::Pull)])?;
        Ok(content_digest(response.headers()))
    }

    /// Gets a short blob, such as an image's configuration, whole and verified.
    ///
    /// # Errors
    ///
    /// [`RegistryError::TooLong`] above 4 MiB, [`RegistryError::WrongSize`] and
    /// [`RegistryError::WrongDigest`] for one that is not what `descriptor` says.
    pub fn blob_bytes(
        &self,
        repository: &str,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, RegistryError> {
        let what = format!("blob {}", descriptor.digest);
        if descriptor.size > DOCUMENT_MAX {
            let most = DOCUMENT_MAX;
            return Err(RegistryError::TooLong { what, most });
        }
        let mut bytes = Vec::new();
        let mut reader = self.blob(repository, descriptor);
        if let Err(error) = std::io::Read::read_to_end(&mut reader, &mut bytes) {
            return Err(reader.into_error(error));
        }
        verified(&what, &bytes, Some(&descriptor.digest))?;
        Ok(bytes)
    }

    /// All tags of a repository.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] if there is no such repository.
    pub fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let what = format!(
            "listing the tags of {}/{repository}",
            self.endpoint().authority
        );
        let scopes = [scope(repository, Access::Pull)];
        let mut tags = Vec::new();
        let path = format!("{repository}/tags/list");
        self.pages(&what, &path, &scopes, |page: Page| {
            tags.extend(page.tags.unwrap_or_default());
            ControlFlow::Continue(())
        })?;
        Ok(tags)
    }

    /// Gives `take` the pages of a list, until it has enough.
    pub(super) fn pages<P: DeserializeOwned>(
        &self,
        what: &str,
        path: &str,
        scopes: &[String],
        mut take: impl FnMut(P) -> ControlFlow<()>,
    ) -> Result<(), RegistryError> {
        let mut next = Some(self.url(path)?);
        for _ in 0..PAGES_MAX {
            let Some(url) = next else { break };
            let request = Request::new(Method::GET, url.clone(), Answer::Document);
            let response = self.send(what, request, scopes)?;
            next = next_page(&url, response.headers());
            let bytes = reply::document(what, response, DOCUMENT_MAX)?;
            let page =
                serde_json::from_slice(&bytes).map_err(|source| RegistryError::Document {
                    what: what.to_owned(),
                    source,
                })?;
            if take(page).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The index of what refers to a manifest (signatures, attestations), by the referrers
    /// interface or by the tag that stands in for it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] if nothing does.
    pub fn referrers(&self, repository: &str, of: &Digest) -> Result<Vec<u8>, RegistryError> {
        let what = format!("listing what refers to {of}");
        let request = self.request(Method::GET, &path(repository, "referrers", &of.to_string()))?;
        match self.send(&what, request, &[scope(repository, Access::Pull)]) {
            Err(RegistryError::NotFound { .. }) => {
                let tag = of.to_string().replace(':', "-");
                Ok(self.manifest(repository, &tag)?.bytes)
            }
            answer => reply::document(&what, answer?, DOCUMENT_MAX),
        }
    }

    /// Any document of the registry, such as `/v1/search?q=web`; bounded as manifests are.
    ///
    /// # Errors
    ///
    /// What the registry refuses.
    pub fn document(&self, path_and_query: &str) -> Result<Vec<u8>, RegistryError> {
        let what = format!(
            "reading {} of {}",
            shown(path_and_query),
            self.endpoint().authority
        );
        let authority = || RegistryError::Authority {
            authority: self.endpoint().authority.clone(),
        };
        let base = self.base()?;
        let url = base
            .join(path_and_query)
            .map_err(|_not_a_url| authority())?;
        if url.origin() != base.origin() {
            return Err(authority());
        }
        let request = Request::new(Method::GET, url, Answer::Document);
        reply::document(&what, self.send(&what, request, &[])?, DOCUMENT_MAX)
    }

    /// Asks the registry whether it knows us. What is returned is a token that it wants to see
    /// instead of the password from now on.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Denied`] if it does not.
    pub fn log_in(&self) -> Result<Option<Secret>, RegistryError> {
        let what = format!("logging in to {}", self.endpoint().authority);
        let base = self.base()?.clone();
        let mut request = Request::new(Method::GET, base.clone(), Answer::Document);
        let inner = &self.inner;
        let response = inner.http.send(&request)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return answered(what, response).map(|_| None);
        }
        let mut identity = None;
        request.authorization = match challenge_of(response.headers()) {
            Some(Challenge::Bearer(server)) => {
                let (http, who) = (&inner.http, &inner.credentials);
                let token = auth::token(http, &base, &server, who, &[], Purpose::Login)?;
                identity = token.identity;
                Some(token.authorization)
            }
            Some(Challenge::Basic) => auth::basic(&inner.credentials),
            None => None,
        };
        answered(what, inner.http.send(&request)?).map(|_| identity)
    }

    pub(super) fn request(&self, method: Method, path: &str) -> Result<Request, RegistryError> {
        Ok(Request::new(method, self.url(path)?, Answer::Document))
    }

    /// A URL below `/v2/`.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let base = self.base()?;
        base.join(path)
            .map_err(|_not_a_url| RegistryError::Authority {
                authority: self.endpoint().authority.clone(),
            })
    }

    /// Sends a request and proves who we are if it is asked for; anything but success is an error.
    pub(super) fn send(
        &self,
        what: &str,
        request: Request,
        scopes: &[String],
    ) -> Result<Response, RegistryError> {
        answered(what.to_owned(), self.send_any(request, scopes)?)
    }

    /// As [`Registry::send`], with whatever status comes.
    pub(super) fn send_any(
        &self,
        mut request: Request,
        scopes: &[String],
    ) -> Result<Response, RegistryError> {
        let key = scopes.join(" ");
        let inner = &self.inner;
        // Security: an upload can lead to another server; that one is not told who we are.
        if request.url.origin() != self.base()?.origin() {
            return inner.http.send(&request);
        }
        request.authorization = inner.authorizations().get(&key).cloned();
        let response = inner.http.send(&request)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // Security: only the registry itself is told who we are, not where it sent us.
        if response.url().origin() != self.base()?.origin() {
            return Ok(response);
        }
        let Some(authorization) = self.authorize(response.headers(), scopes)? else {
            return Ok(response);
        };
        inner.authorizations().insert(key, authorization.clone());
        request.authorization = Some(authorization);
        inner.http.send(&request)
    }

    /// What answers the challenge in `headers`; `None` if nothing does.
    fn authorize(
        &self,
        headers: &HeaderMap,
        scopes: &[String],
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let inner = &self.inner;
        match challenge_of(headers) {
            Some(Challenge::Bearer(server)) => {
                let asked_for = server.scope.iter().flat_map(|scope| scope.split(' '));
                let mut scopes = scopes.to_vec();
                for scope in asked_for {
                    let is_known = scopes.iter().any(|known| covers(known, scope));
                    if !is_known {
                        scopes.push(scope.to_owned());
                    }
                }
                let (http, who) = (&inner.http, &inner.credentials);
                let base = self.base()?;
                let token = auth::token(http, base, &server, who, &scopes, Purpose::Request)?;
                Ok(Some(token.authorization))
            }
            Some(Challenge::Basic) => Ok(auth::basic(&inner.credentials)),
            None => Ok(None),
        }
    }

    /// `https://HOST/v2/`, or `http://` where that is what an insecure registry speaks. Who we are
    /// is not told before this is known.
    fn base(&self) -> Result<&Url, RegistryError> {
        let inner = &self.inner;
        if let Some(base) = inner.base.get() {
            return Ok(base);
        }
        let endpoint = inner.http.endpoint();
        let secure = base_url("https", endpoint)?;
        let found = match endpoint.trust {
            Trust::Verified => secure,
            Trust::Insecure => {
                if inner.http.send(&probe(&secure)).is_ok() {
                    secure
                } else {
                    let plain = base_url("http", endpoint)?;
                    inner.http.send(&probe(&plain))?;
                    plain
                }
            }
        };
        Ok(inner.base.get_or_init(|| found))
    }

    fn what(&self, action: &str, reference: &str, repository: &str) -> String {
        let authority = &self.endpoint().authority;
        format!("{action} {reference} in {authority}/{repository}")
    }
}

impl Inner {
    fn authorizations(&self) -> MutexGuard<'_, HashMap<String, HeaderValue>> {
        let lock = self.authorizations.lock();
        lock.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn probe(base: &Url) -> Request {
    Request::new(Method::GET, base.clone(), Answer::Document)
}

fn base_url(scheme: &str, endpoint: &Endpoint) -> Result<Url, RegistryError> {
    let authority = &endpoint.authority;
    let refused = || RegistryError::Authority {
        authority: authority.clone(),
    };
    let url = Url::parse(&format!("{scheme}://{authority}/v2/")).map_err(|_not_a_url| refused())?;
    let is_bare = url.path() == "/v2/" && url.username().is_empty() && url.password().is_none();
    let has_more = url.query().is_some() || url.fragment().is_some();
    if is_bare && !has_more {
        Ok(url)
    } else {
        Err(refused())
    }
}

/// `busybox/blobs/sha256:…`
pub(super) fn path(repository: &str, kind: &str, reference: &str) -> String {
    format!("{repository}/{kind}/{reference}")
}

pub(super) fn scope(repository: &str, access: Access) -> String {
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    format!("repository:{repository}:{actions}")
}

/// Whether a token for `known` is one for `asked`, too.
fn covers(known: &str, asked: &str) -> bool {
    let split = |scope: &str| {
        scope
            .rsplit_once(':')
            .map(|(name, actions)| (name.to_owned(), actions.to_owned()))
    };
    let (Some(known), Some(asked)) = (split(known), split(asked)) else {
        return known == asked;
    };
    let mut actions = asked.1.split(',');
    known.0 == asked.0 && actions.all(|action| known.1.split(',').any(|known| known == action))
}

fn answered(what: String, response: Response) -> Result<Response, RegistryError> {
    if response.status().is_success() {
        return Ok(response);
    }
    Err(reply::refusal(what, response))
}

fn challenge_of(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    challenge::choose(values.filter_map(|value| value.to_str().ok()))
}

fn accept_manifests(request: &mut Request) {
    for kind in [
        media_type::OCI_MANIFEST,
        media_type::OCI_INDEX,
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_INDEX,
        "*/*",
    ] {
        request
            .headers
            .push((ACCEPT, HeaderValue::from_static(kind)));
    }
}

pub(super) fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    let value = headers.get("docker-content-digest")?.to_str().ok()?;
    Digest::parse(value).ok()
}

/// The digest of `bytes`, if it is the expected one.
fn verified(what: &str, bytes: &[u8], expected: Option<&Digest>) -> Result<Digest, RegistryError> {
    let Some(expected) = expected else {
        return Ok(Digest::sha256(bytes));
    };
    let mut digester = Digester::new(expected.algorithm());
    digester.update(bytes);
    let found = digester.finish();
    if found == *expected {
        return Ok(found);
    }
    Err(RegistryError::WrongDigest {
        what: what.to_owned(),
        found,
    })
}

/// What a document is: what it says of itself, else what the server says, else what it looks like.
fn media_type_of(what: &str, bytes: &[u8], headers: &HeaderMap) -> Result<String, RegistryError> {
    let document: SelfDescription =
        serde_json::from_slice(bytes).map_err(|source| RegistryError::Document {
            what: what.to_owned(),
            source,
        })?;
    if !document.media_type.is_empty() {
        return Ok(document.media_type);
    }
    let header = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let header = header.map(|text| text.split(';').next().unwrap_or_default().trim());
    if let Some(header) = header
        && header.starts_with("application/vnd.")
    {
        return Ok(header.to_owned());
    }
    Ok(match document {
        SelfDescription {
            manifests: Some(_), ..
        } => media_type::OCI_INDEX.to_owned(),
        SelfDescription {
            config: Some(_), ..
        } => media_type::OCI_MANIFEST.to_owned(),
        SelfDescription { schema_version, .. } => {
            return Err(RegistryError::MediaType {
                what: what.to_owned(),
                media_type: format!("schema version {schema_version}"),
            });
        }
    })
}

/// `<URL>; rel="next"`
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !rest.contains("next") {
        return None;
    }
    let next = url.join(target).ok()?;
    (next.origin() == url.origin() && next != *url).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_each_other() {
        for (known, asked, expected) in [
            ("repository:a:pull,push", "repository:a:pull", true),
            ("repository:a:pull", "repository:a:pull,push", false),
            ("repository:a:pull", "repository:b:pull", false),
            ("registry:catalog:*", "registry:catalog:*", true),
            ("x", "x", true),
        ] {
            assert_eq!(covers(known, asked), expected, "{known} {asked}");
        }
    }

    #[test]
    fn only_hosts_are_registries() {
        for (authority, is_good) in [
            ("example.com", true),
            ("example.com:5000", true),
            ("[::1]:5000", true),
            ("user@example.com", false),
            ("example.com/path", false),
            ("example.com?x", false),
            ("", false),
        ] {
            let endpoint = Endpoint::of_domain(authority, Trust::Verified);
            assert_eq!(base_url("https", &endpoint).is_ok(), is_good, "{authority}");
        }
    }
}
