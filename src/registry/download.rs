// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gets a file from a web server: an archive that `load` or `import` is given as a URL, or a small
//! file that is installed under its own name.

use std::fs::File;
use std::io;

use reqwest::blocking::Response;
use reqwest::header::CONTENT_DISPOSITION;
use reqwest::{Method, Url};

use super::error::{RegistryError, transport_words};
use super::http::{Answer, Http, Patience, Request, shown_url};
use super::{Endpoint, Trust, reply};

/// Writes what `url` leads to into `file`.
///
/// # Errors
///
/// [`RegistryError::Authority`] for a text that is no URL of a web server; otherwise why it did not
/// come whole.
pub fn download(url: &str, patience: Patience, mut file: &File) -> Result<(), RegistryError> {
    let (what, mut response) = get(url, patience, Answer::Stream)?;
    let announced = response.content_length();
    let received = io::copy(&mut response, &mut file);
    let broken_off = |received, words| RegistryError::BrokenOff {
        what,
        received,
        expected: announced.unwrap_or(received),
        words,
    };
    match (received, announced) {
        (Ok(received), Some(all)) if received < all => {
            Err(broken_off(received, "unexpected EOF".to_owned()))
        }
        (Ok(_), _) => Ok(()),
        (Err(error), _) => Err(broken_off(0, transport_words(&error))),
    }
}

/// A small file of a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebFile {
    /// What the server calls it, or else its address: whatever a stranger likes.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Gets a file of at most `most` bytes.
///
/// # Errors
///
/// As [`download`]; [`RegistryError::TooLong`].
pub fn download_small(url: &str, patience: Patience, most: u64) -> Result<WebFile, RegistryError> {
    let (what, response) = get(url, patience, Answer::Document)?;
    let header = response.headers().get(CONTENT_DISPOSITION);
    let header = header.and_then(|value| value.to_str().ok());
    let name = header.and_then(name_in).unwrap_or_else(|| name_of(url));
    let bytes = reply::document(&what, response, most)?;
    Ok(WebFile { name, bytes })
}

/// The answer, with what was asked for in words.
fn get(url: &str, patience: Patience, answer: Answer) -> Result<(String, Response), RegistryError> {
    let no_url = || RegistryError::Authority {
        authority: url.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|_not_a_url| no_url())?;
    let host = parsed.host_str().ok_or_else(no_url)?;
    let http = Http::new(Endpoint::of_domain(host, Trust::Verified), patience);
    let what = format!("download {}", shown_url(&parsed));
    let response = http.send(&Request::new(Method::GET, parsed, answer))?;
    if !response.status().is_success() {
        return Err(reply::refusal(what, response));
    }
    Ok((what, response))
}

/// `attachment; filename="web.container"`.
fn name_in(disposition: &str) -> Option<String> {
    let mut parts = disposition.split(';').skip(1);
    let value = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("filename").then_some(value)
    })?;
    let name = value.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

/// The last part of an address.
fn name_of(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let last = parsed
        .as_ref()
        .and_then(|url| url.path_segments()?.next_back());
    let mut name = Vec::new();
    let mut rest = last.unwrap_or_default().as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        name.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_server_or_its_address_says() {
        for (url, name) in [
            ("https://x.example/a/web.container", "web.container"),
            (
                "https://x.example/a/web.container?raw=1#top",
                "web.container",
            ),
            ("http://x.example/my%20web.container", "my web.container"),
            ("http://x.example/a%2fb%2", "a/b%2"),
            ("http://x.example/", ""),
            ("http://x.example", ""),
        ] {
            assert_eq!(name_of(url), name, "{url}");
        }
        for (header, name) in [
            (
                "attachment; filename=\"web.container\"",
                Some("web.container"),
            ),
            ("attachment; Filename = web.pod ; x=y", Some("web.pod")),
            ("inline", None),
            ("attachment; filename=\"\"", None),
        ] {
            assert_eq!(name_in(header).as_deref(), name, "{header}");
        }
    }
}
