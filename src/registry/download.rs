// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gets a file from a web server: an archive that `load` or `import` is given as a URL.

use std::fs::File;
use std::io;

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
    let no_url = || RegistryError::Authority {
        authority: url.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|_not_a_url| no_url())?;
    let host = parsed.host_str().ok_or_else(no_url)?;
    let http = Http::new(Endpoint::of_domain(host, Trust::Verified), patience);
    let what = format!("download {}", shown_url(&parsed));
    let mut response = http.send(&Request::new(Method::GET, parsed, Answer::Stream))?;
    if !response.status().is_success() {
        return Err(reply::refusal(what, response));
    }
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
