// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which names a prefix of registries.conf fits, and what a name is called elsewhere.

use crate::oci::{DOCKER_DOMAIN, Reference};

/// How many bytes of `name` the prefix covers; `None` where it does not fit.
///
/// `*.example.com` fits every host below example.com.
pub(super) fn match_prefix(name: &str, prefix: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        Some(suffix) => {
            let host_end = name.find('/').unwrap_or(name.len());
            name[..host_end].find(suffix)? + suffix.len()
        }
        None if name.starts_with(prefix) => prefix.len(),
        None => return None,
    };
    matches!(name.as_bytes().get(end), None | Some(b':' | b'/' | b'@')).then_some(end)
}

/// The name of `reference` in `location`, which takes the place of what `prefix` covers.
pub(super) fn rewrite(reference: &Reference, prefix: &str, location: &str) -> Option<Reference> {
    if location.is_empty() {
        return Some(reference.clone());
    }
    let name = reference.to_string();
    let end = match_prefix(&name, prefix)?;
    let moved = Reference::parse(&format!("{location}{}", &name[end..])).ok()?;
    moved.domain()?;
    // On docker.io a path of one component gets its `library/`.
    Some(moved.with_domain(DOCKER_DOMAIN))
}

/// Whether `text` is `host[:port]`.
pub(super) fn is_domain(text: &str) -> bool {
    !text.contains('/') && is_under_domain(text)
}

/// Whether `text` is `host[:port][/path]`. The first component is a host wherever it stands:
/// `registry` alone names a machine of the local network.
pub(super) fn is_under_domain(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (text, None),
    };
    // The grammar takes a first component for a host only if it looks like one.
    let host = if host.contains(['.', ':']) || host == "localhost" {
        host.to_owned()
    } else {
        format!("{host}.local")
    };
    let name = format!("{host}/{}", path.unwrap_or("x"));
    Reference::parse(&name).is_ok_and(|reference| {
        reference.domain().is_some() && reference.tag().is_none() && reference.digest().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_fit_whole_components() {
        for (name, prefix, covered) in [
            ("a.io/x/y:1", "a.io", Some(4)),
            ("a.io/x/y:1", "a.io/x", Some(6)),
            ("a.io/x/y:1", "a.io/x/y", Some(8)),
            ("a.io/xx/y:1", "a.io/x", None),
            ("a.io:5000/x", "a.io", Some(4)),
            ("b.a.io/x", "*.a.io", Some(6)),
            ("c.b.a.io:1/x", "*.a.io", Some(8)),
            ("a.io/x", "*.a.io", None),
            ("ba.io/x", "*.a.io", None),
            ("b.a.iot/x", "*.a.io", None),
            ("z.io/b.a.io/x", "*.a.io", None),
        ] {
            assert_eq!(match_prefix(name, prefix), covered, "{name} {prefix}");
        }
    }

    #[test]
    fn names_move() {
        for (name, prefix, location, moved) in [
            (
                "docker.io/library/x:1",
                "docker.io/library",
                "h:5/p",
                Some("h:5/p/x:1"),
            ),
            ("a.io/x:1", "a.io", "b.io", Some("b.io/x:1")),
            ("b.a.io/x:1", "*.a.io", "", Some("b.a.io/x:1")),
            ("b.a.io/x:1", "*.a.io", "c.io/a", Some("c.io/a/x:1")),
            ("a.io/x:1", "c.io", "b.io", None),
        ] {
            let reference = Reference::parse(name).unwrap();
            let got = rewrite(&reference, prefix, location).map(|moved| moved.to_string());
            assert_eq!(got.as_deref(), moved, "{name}");
        }
    }

    #[test]
    fn hosts_are_told() {
        for (text, is_host, is_place) in [
            ("docker.io", true, true),
            ("localhost:5000", true, true),
            ("registry", true, true),
            ("a.io/x/y", false, true),
            ("", false, false),
            ("a b", false, false),
            ("a.io/X", false, false),
            ("a.io/x:1", false, false),
        ] {
            assert_eq!(is_domain(text), is_host, "{text}");
            assert_eq!(is_under_domain(text), is_place, "{text}");
        }
    }
}
