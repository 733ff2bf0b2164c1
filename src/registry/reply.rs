// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What servers answer: documents of bounded length, and refusals in words.

use std::io::Read;

use reqwest::StatusCode;
use reqwest::blocking::Response;
use serde::Deserialize;

use super::error::{RegistryError, shown, transport_words};

/// The longest refusal that is read, in bytes.
const REFUSAL_MAX: u64 = 64 << 10;

/// `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, and what token servers
/// say instead.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    errors: Vec<OneError>,
    error: String,
    error_description: String,
    details: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OneError {
    code: String,
    message: String,
}

/// Reads an answer of at most `most` bytes.
pub(super) fn document(
    what: &str,
    response: Response,
    most: u64,
) -> Result<Vec<u8>, RegistryError> {
    let too_long = || RegistryError::TooLong {
        what: what.to_owned(),
        most,
    };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > most) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let read = response.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| RegistryError::BrokenOff {
        what: what.to_owned(),
        received: bytes.len() as u64,
        expected: announced.unwrap_or(most),
        words: transport_words(&error),
    })?;
    if bytes.len() as u64 > most {
        return Err(too_long());
    }
    Ok(bytes)
}

/// What an answer that is no success says.
pub(super) fn refusal(what: String, response: Response) -> RegistryError {
    let status = response.status();
    let mut body = Vec::new();
    // A refusal without words is a refusal too.
    drop(response.take(REFUSAL_MAX).read_to_end(&mut body));
    let words = words(&body).unwrap_or_else(|| default_words(status));
    match status {
        StatusCode::NOT_FOUND => RegistryError::NotFound { what, words },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Denied { what, words },
        StatusCode::TOO_MANY_REQUESTS => RegistryError::TooManyRequests { what, words },
        other => RegistryError::Status {
            what,
            status: other.to_string(),
            words,
        },
    }
}

fn default_words(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized: authentication required",
        StatusCode::FORBIDDEN => "denied: requested access to the resource is denied",
        StatusCode::NOT_FOUND => "not found",
        _ => "no reason given",
    }
    .to_owned()
}

/// The words of a refusal; `None` if there are none.
fn words(body: &[u8]) -> Option<String> {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        let text = String::from_utf8_lossy(body);
        let first = shown(text.lines().next().unwrap_or_default());
        return (!first.is_empty() && !first.starts_with('<')).then_some(first);
    };
    let mut parts: Vec<String> = refusal.errors.iter().map(one_error).collect();
    parts.extend([refusal.error, refusal.error_description, refusal.details]);
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| shown(&parts.join(": ")))
}

/// `unauthorized: authentication required`; what says the same twice says it once.
fn one_error(error: &OneError) -> String {
    let code = error.code.to_lowercase().replace('_', " ");
    match error.message.as_str() {
        "" => code,
        message if message.to_lowercase() == code || code.is_empty() => message.to_owned(),
        message => format!("{code}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_words() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                Some("manifest unknown"),
            ),
            (
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{}]}]}"#,
                Some("unauthorized: authentication required"),
            ),
            (r#"{"errors":[{"code":"DENIED"}]}"#, Some("denied")),
            (
                r#"{"details":"incorrect username or password"}"#,
                Some("incorrect username or password"),
            ),
            (r#"{"errors":[]}"#, None),
            ("<html><body>", None),
            ("slow\x1b down\nplease", Some("slow\\u{1b} down")),
            ("", None),
        ] {
            assert_eq!(words(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
