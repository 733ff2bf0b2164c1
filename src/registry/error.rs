// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with a registry. What a server said is shown with its control characters
//! escaped, and never longer than a line can hold.

use std::io;
use std::path::PathBuf;

use crate::oci::Digest;

/// The longest text of a server that is shown, in characters.
const WORDS_MAX: usize = 400;

/// What Go says of a server without TLS.
const PLAIN_HTTP: &str = "http: server gave HTTP response to HTTPS client";

/// Why a registry did not give or take what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer came.
    #[error("{method} \"{url}\": {words}")]
    NoAnswer {
        /// `Get`, `Put`…
        method: String,
        /// What was asked for.
        url: String,
        /// Why, in words.
        words: String,
        /// Whether there is nobody at that address.
        is_refused: bool,
    },
    /// The text is no host that a URL can name.
    #[error("registry {authority:?} is no HOST[:PORT]")]
    Authority {
        /// As configured.
        authority: String,
    },
    /// The registry does not know what was asked for.
    #[error("{what}: {words}")]
    NotFound {
        /// Such as `reading manifest latest in localhost:5000/web`.
        what: String,
        /// What the server said, such as `manifest unknown`.
        words: String,
    },
    /// The registry wants to know who we are, or does not like who we are.
    #[error("{what}: {words}")]
    Denied {
        /// What was being done.
        what: String,
        /// What the server said.
        words: String,
    },
    /// Another answer than the protocol has.
    #[error("{what}: the server answered {status}: {words}")]
    Status {
        /// What was being done.
        what: String,
        /// The status line's number and words.
        status: String,
        /// What the server said.
        words: String,
    },
    /// The server wants us to come back later, and later is too late.
    #[error("{what}: too many requests: {words}")]
    TooManyRequests {
        /// What was being done.
        what: String,
        /// What the server said.
        words: String,
    },
    /// A server that sends us around, or to a place that is less safe.
    #[error("{method} \"{url}\" is redirected {reason}")]
    Redirect {
        /// `Get`, `Put`…
        method: String,
        /// What was asked for.
        url: String,
        /// `in a loop`, `to plain HTTP`…
        reason: &'static str,
    },
    /// The place where tokens are given away is less safe than the registry.
    #[error("the registry names {realm} as its token server, which is not safe: {reason}")]
    Realm {
        /// As the registry names it.
        realm: String,
        /// Why not.
        reason: &'static str,
    },
    /// A document that does not read.
    #[error("{what} is damaged")]
    Document {
        /// The document.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A document of a kind that is no image.
    #[error("{what} is of the type {media_type:?}, which is no image")]
    MediaType {
        /// The document.
        what: String,
        /// What the server says it is.
        media_type: String,
    },
    /// A document that is longer than any real one.
    #[error("{what} is too long: more than {most} bytes")]
    TooLong {
        /// The document.
        what: String,
        /// The bound in bytes.
        most: u64,
    },
    /// A blob with another number of bytes than its manifest says.
    #[error("{what} has {found} bytes where its manifest says {expected}")]
    WrongSize {
        /// The blob.
        what: String,
        /// What the manifest says.
        expected: u64,
        /// What came, or was announced.
        found: u64,
    },
    /// Bytes that are not what was asked for.
    #[error("{what} does not match: its content has the digest {found}")]
    WrongDigest {
        /// The document.
        what: String,
        /// What the bytes say.
        found: Digest,
    },
    /// A blob that stopped coming.
    #[error("{what} broke off after {received} of {expected} bytes: {words}")]
    BrokenOff {
        /// The blob.
        what: String,
        /// Bytes that came.
        received: u64,
        /// Bytes that should have come.
        expected: u64,
        /// Why, in words.
        words: String,
    },
    /// A file for TLS cannot be used.
    #[error("certificate file {}: {words}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        words: String,
    },
    /// The client cannot be set up.
    #[error("set up the HTTP client: {words}")]
    Client {
        /// Why, in words.
        words: String,
    },
    /// There is no room for a blob on its way.
    #[error("keep a blob on its way")]
    Scratch(#[source] io::Error),
    /// What is to be sent cannot be read.
    #[error("read what is to be sent")]
    Input(#[source] io::Error),
}

impl RegistryError {
    /// Whether the registry answered that it has no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether nobody listens at the registry's address.
    pub fn is_refused(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer {
                is_refused: true,
                ..
            }
        )
    }

    /// Whether the registry speaks plain HTTP where HTTPS was wanted.
    pub fn is_plain_http(&self) -> bool {
        matches!(self, Self::NoAnswer { words, .. } if words == PLAIN_HTTP)
    }

    /// Whether the registry refused for who we are.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }
}

/// A text of a server, fit for a message.
pub(super) fn shown(text: &str) -> String {
    let mut words = String::new();
    for letter in text.trim().chars().take(WORDS_MAX) {
        if letter.is_control() {
            words.extend(letter.escape_default());
        } else {
            words.push(letter);
        }
    }
    words
}

/// Why no answer came from `peer`, which is `HOST:PORT`.
pub(super) fn no_answer_words(error: &reqwest::Error, peer: &str) -> String {
    match io_number(error) {
        Some(number) if error.is_connect() => {
            format!("dial tcp {peer}: connect: {}", errno_words(number))
        }
        _ => transport_words(error),
    }
}

/// What went wrong below HTTP, in the words that scripts know from Go.
pub(super) fn transport_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    let mut all = error.to_string();
    while let Some(source) = deepest.source() {
        deepest = source;
        all.push_str(": ");
        all.push_str(&deepest.to_string());
    }
    if let Some((_, reason)) = all.split_once("invalid peer certificate: ") {
        // `openssl req -x509` makes certificates that are their own authority.
        let is_unknown = reason.contains("UnknownIssuer") || reason.contains("CaUsedAsEndEntity");
        let words = if is_unknown {
            "certificate signed by unknown authority".to_owned()
        } else {
            shown(reason)
        };
        return format!("tls: failed to verify certificate: x509: {words}");
    }
    if all.contains("InvalidContentType") || all.contains("corrupt message") {
        return PLAIN_HTTP.to_owned();
    }
    if let Some(number) = io_number(error) {
        return errno_words(number);
    }
    shown(&deepest.to_string())
}

fn errno_words(number: i32) -> String {
    nix::errno::Errno::from_raw(number).desc().to_lowercase()
}

/// The number of the kernel's error below others, if it is one.
pub(super) fn io_number(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        let number = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        if number.is_some() {
            return number;
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_cannot_move_the_cursor() {
        assert_eq!(shown(" gone\x1b[2J\n "), "gone\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(5000)).len(), WORDS_MAX);
    }
}
