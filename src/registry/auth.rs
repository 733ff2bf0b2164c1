// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who we are, in the form that a registry wants: a password with each request, or a token that
//! another server gives for it.
//!
//! Security: a token server is named by the registry. What it is told is no more than what the
//! registry itself could ask for, and it is never told over a connection that is less safe than
//! the one to the registry.

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::challenge::TokenServer;
use super::error::RegistryError;
use super::http::{Answer, Http, Payload, Request, shown_url};
use super::{Credentials, Endpoint, Secret, Trust, reply};

/// The longest answer of a token server, in bytes.
const TOKEN_MAX: u64 = 1 << 20;

/// What we call ourselves at token servers.
const CLIENT_ID: &str = "coracle";

/// A token server's answer.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
}

/// What a token server gave.
pub(super) struct Token {
    pub(super) authorization: HeaderValue,
    /// What takes the password's place from now on.
    pub(super) identity: Option<Secret>,
}

/// Whether a refresh token is asked for as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Request,
    Login,
}

/// `Basic …`; `None` for credentials without a password.
pub(super) fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let Credentials::Basic { user, password } = credentials else {
        return None;
    };
    let text = format!("{user}:{}", password.reveal());
    secret_header(&format!("Basic {}", base64(text.as_bytes())))
}

/// A header that no debug output shows; `None` for a text that is no header.
fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Gets a token for `scopes`.
pub(super) fn token(
    http: &Http,
    base: &Url,
    server: &TokenServer,
    credentials: &Credentials,
    scopes: &[String],
    purpose: Purpose,
) -> Result<Token, RegistryError> {
    let realm = safe_realm(base, &server.realm)?;
    let request = match credentials {
        Credentials::IdentityToken(token) => with_identity(realm, server, token, scopes),
        Credentials::Anonymous | Credentials::Basic { .. } => {
            with_password(realm, server, credentials, scopes, purpose)
        }
    };
    let what = || format!("getting a token from {}", shown_url(&request.url));
    let response = http.send(&request)?;
    if response.status() != StatusCode::OK {
        return Err(reply::refusal(what(), response));
    }
    let bytes = reply::document(&what(), response, TOKEN_MAX)?;
    let answer: TokenAnswer =
        serde_json::from_slice(&bytes).map_err(|source| RegistryError::Document {
            what: what(),
            source,
        })?;
    let token = [&answer.token, &answer.access_token];
    let token = token.into_iter().find(|text| !text.is_empty());
    let authorization = token.and_then(|token| secret_header(&format!("Bearer {token}")));
    Ok(Token {
        authorization: authorization.ok_or_else(|| RegistryError::Denied {
            what: what(),
            words: "the answer holds no token".to_owned(),
        })?,
        identity: (!answer.refresh_token.is_empty()).then(|| Secret::new(answer.refresh_token)),
    })
}

/// The realm as a URL, if it is as safe as the registry.
fn safe_realm(base: &Url, realm: &str) -> Result<Url, RegistryError> {
    let refuse = |reason| RegistryError::Realm {
        realm: super::error::shown(realm),
        reason,
    };
    let Ok(url) = base.join(realm) else {
        return Err(refuse("it is no URL"));
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if base.scheme() == "https" => Err(refuse("the registry is reached over HTTPS")),
        "http" => {
            let host = url.host_str().unwrap_or_default();
            let is_loopback = Endpoint::of_domain(host, Trust::Verified).is_loopback();
            if is_loopback || url.host() == base.host() {
                Ok(url)
            } else {
                Err(refuse("it is another host over plain HTTP"))
            }
        }
        _ => Err(refuse("it is neither HTTPS nor HTTP")),
    }
}

fn with_password(
    realm: Url,
    server: &TokenServer,
    credentials: &Credentials,
    scopes: &[String],
    purpose: Purpose,
) -> Request {
    let mut url = realm;
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = &server.service {
            query.append_pair("service", service);
        }
        for scope in scopes {
            query.append_pair("scope", scope);
        }
        if let Credentials::Basic { user, .. } = credentials {
            query.append_pair("account", user);
        }
        if purpose == Purpose::Login {
            query.append_pair("offline_token", "true");
            query.append_pair("client_id", CLIENT_ID);
        }
    }
    let mut request = Request::new(Method::GET, url, Answer::Document);
    request.authorization = basic(credentials);
    request
}

fn with_identity(realm: Url, server: &TokenServer, token: &Secret, scopes: &[String]) -> Request {
    // A query of a URL and a form are written in the same way.
    let mut form = realm.clone();
    form.set_query(None);
    form.query_pairs_mut()
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", server.service.as_deref().unwrap_or_default())
        .append_pair("scope", &scopes.join(" "))
        .append_pair("client_id", CLIENT_ID)
        .append_pair("refresh_token", token.reveal());
    let body = form.query().unwrap_or_default().as_bytes().to_vec();
    let mut request = Request::new(Method::POST, realm, Answer::Document);
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.push((CONTENT_TYPE, kind));
    request.payload = Payload::Bytes(body);
    request
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at) & 63) as usize;
            text.push(if at <= chunk.len() {
                char::from(LETTERS[index])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("a:é", "YTrDqQ=="),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_realm_is_as_safe_as_the_registry() {
        for (base, realm, is_safe) in [
            ("https://r.example/v2/", "https://auth.example/token", true),
            ("https://r.example/v2/", "http://r.example/token", false),
            ("https://r.example/v2/", "ftp://r.example/token", false),
            ("https://r.example/v2/", "/token", true),
            (
                "http://r.example:5000/v2/",
                "http://r.example:5001/token",
                true,
            ),
            (
                "http://r.example:5000/v2/",
                "http://evil.example/token",
                false,
            ),
            (
                "http://r.example:5000/v2/",
                "http://127.0.0.1:5001/token",
                true,
            ),
            (
                "http://r.example:5000/v2/",
                "https://auth.example/token",
                true,
            ),
            ("https://r.example/v2/", "http://[", false),
        ] {
            let base = Url::parse(base).unwrap();
            assert_eq!(safe_realm(&base, realm).is_ok(), is_safe, "{base} {realm}");
        }
    }

    #[test]
    fn passwords_are_not_in_debug_output() {
        let credentials = Credentials::Basic {
            user: "ana".to_owned(),
            password: Secret::new("hunter2"),
        };
        let realm = Url::parse("https://a.example/token").unwrap();
        let server = TokenServer::default();
        let request = with_password(realm, &server, &credentials, &[], Purpose::Request);
        assert!(request.authorization.is_some());
        let text = format!("{request:?}");
        assert!(
            !text.contains("hunter2") && !text.contains(&base64(b"ana:hunter2")),
            "{text}"
        );
    }
}
