// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which variable of the environment puts a proxy before a host: for messages. The client itself
//! finds its proxies by the same rules.

use reqwest::Url;

/// The name of the variable whose proxy is asked for `url`. What it holds may be a password and is
/// not told.
pub(super) fn variable(url: &Url, env: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let names: &[&'static str] = match url.scheme() {
        "https" => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let name = names.iter().find(|name| set(name).is_some())?;
    let direct = set("NO_PROXY")
        .or_else(|| set("no_proxy"))
        .unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let is_direct = direct.split(',').map(str::trim).any(|entry| {
        let domain = entry.trim_start_matches('.');
        let above = host.strip_suffix(domain);
        entry == "*"
            || !domain.is_empty()
                && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    });
    (!is_direct).then_some(*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_that_counts_is_named() {
        let url = Url::parse("https://quay.io/v2/").unwrap();
        let plain = Url::parse("http://quay.io/v2/").unwrap();
        for (url, set, expected) in [
            (&url, "HTTPS_PROXY=x", Some("HTTPS_PROXY")),
            (&url, "https_proxy=x HTTP_PROXY=y", Some("https_proxy")),
            (&plain, "https_proxy=x", None),
            (&plain, "all_proxy=x", Some("all_proxy")),
            (&url, "HTTPS_PROXY=", None),
            (&url, "HTTPS_PROXY=x NO_PROXY=a.b,.io", None),
            (&url, "HTTPS_PROXY=x no_proxy=quay.io", None),
            (&url, "HTTPS_PROXY=x NO_PROXY=*", None),
            (&url, "HTTPS_PROXY=x NO_PROXY=ay.io,", Some("HTTPS_PROXY")),
        ] {
            let env = |name: &str| {
                let mut pairs = set.split(' ').filter_map(|pair| pair.split_once('='));
                let found = pairs.find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_owned())
            };
            assert_eq!(variable(url, env), expected, "{set}");
        }
    }
}
