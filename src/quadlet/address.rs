// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Addresses in the place of paths.

use std::path::Path;

/// Whether a text is the address of a file on the web.
pub(super) fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

/// Whether a text that is no file was meant as an address.
pub(super) fn is_other_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let letters = |scheme: &str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    scheme.is_some_and(|scheme| !scheme.is_empty() && letters(scheme)) && !Path::new(text).exists()
}

/// An address without the name and the password that may stand before its host.
pub(super) fn without_user(text: &str) -> String {
    let scheme_end = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(scheme_end);
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) if is_address(text) => format!("{scheme}{}", &rest[at + 1..]),
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sees_a_password() {
        for (typed, told) in [
            ("https://ana:secret@x/a@b.pod", "https://x/a@b.pod"),
            ("https://x/a@b.pod", "https://x/a@b.pod"),
            ("/home/a@b/c.pod", "/home/a@b/c.pod"),
            ("http://a@b@c", "http://c"),
        ] {
            assert_eq!(without_user(typed), told);
        }
    }
}
