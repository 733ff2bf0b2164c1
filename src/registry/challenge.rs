// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `WWW-Authenticate`: how a registry wants to know who we are (RFC 9110, section 11).

/// The longest header that is read.
const LENGTH_MAX: usize = 8 << 10;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token that another server gives away.
    Bearer(TokenServer),
}

/// Where tokens come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TokenServer {
    /// The URL to ask.
    pub(super) realm: String,
    /// Whom the tokens are for.
    pub(super) service: Option<String>,
    /// What the refused request needed.
    pub(super) scope: Option<String>,
}

/// The challenge in these headers that we can meet; tokens before passwords.
pub(super) fn choose<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        for challenge in parse(header) {
            match challenge {
                Challenge::Bearer(_) => return Some(challenge),
                Challenge::Basic => basic = Some(challenge),
            }
        }
    }
    basic
}

/// The challenges of one header that we know. What does not follow the grammar ends it.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let Some(header) = header.get(..header.len().min(LENGTH_MAX)) else {
        return challenges;
    };
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while let Some((scheme, after)) = token(rest) {
        let (parameters, after) = parameters(after);
        let value = |name: &str| {
            let found = parameters
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            challenges.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = value("realm")
        {
            challenges.push(Challenge::Bearer(TokenServer {
                realm,
                service: value("service"),
                scope: value("scope"),
            }));
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    challenges
}

/// `name=value` pairs, up to the next scheme.
fn parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = token(start) else {
            return (found, start);
        };
        let Some(after) = after.trim_start().strip_prefix('=') else {
            // Another scheme begins.
            return (found, start);
        };
        let after = after.trim_start();
        let Some((value, after)) = quoted(after).or_else(|| bare(after)) else {
            return (found, "");
        };
        found.push((name.to_owned(), value));
        rest = after;
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_token =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let end = text.find(|letter| !is_token(letter)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A value without quotes, which some servers write with characters that no token has.
fn bare(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return None;
    }
    let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
    Some((text[..end].to_owned(), &text[end..]))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &inner[at + 1..])),
            #[cfg(test)]
            '\\' if BUG_PLANTED.get() => {
                value.push(letters.next().expect("a letter is escaped").1);
            }
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
thread_local! {
    /// Whether the reader of quoted strings has a bug for the fuzzer to find.
    pub(crate) static BUG_PLANTED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer(TokenServer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull,push""#;
        let scope = Some("repository:library/busybox:pull,push");
        for (header, expected) in [
            (
                hub,
                Some(bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    scope,
                )),
            ),
            (r#"Basic realm="Registry \"one\"""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Basic realm="x", Bearer realm=https://a/t,service=b"#,
                Some(bearer("https://a/t", Some("b"), None)),
            ),
            (
                r#"bearer  Realm = "https://a/t" "#,
                Some(bearer("https://a/t", None, None)),
            ),
            ("Bearer service=x", None),
            (r#"Bearer realm="https://a"#, None),
            ("Negotiate abc==, Basic", Some(Challenge::Basic)),
            ("", None),
            (",,,", None),
            ("é", None),
        ] {
            assert_eq!(choose([header]), expected, "{header:?}");
        }
        assert_eq!(choose(["Basic realm=x", hub]), choose([hub]));
    }
}
