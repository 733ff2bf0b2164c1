// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths in quadlet files. They are text: specifiers of systemd may be in them.

use std::path::Path;

/// `path` as meant in the file `unit`; one that begins with a specifier is left alone.
pub(super) fn absolute(unit: &Path, path: &str) -> String {
    if path.starts_with('/') || is_specifier(path) {
        return path.to_owned();
    }
    let directory = unit.parent().unwrap_or(Path::new("/")).to_string_lossy();
    clean(&format!("{directory}/{path}"))
}

/// Whether it begins with a specifier of systemd.
pub(super) fn is_specifier(path: &str) -> bool {
    path.starts_with('%') && !path.starts_with("%%")
}

/// The directory that `path` is in.
pub(super) fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        None => ".".to_owned(),
        Some(("", _)) => "/".to_owned(),
        Some((directory, _)) => directory.to_owned(),
    }
}

/// `path` without `.`, `..` and empty parts.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.as_str()) {
        (true, _) => format!("/{joined}"),
        (false, "") => ".".to_owned(),
        (false, _) => joined,
    }
}

/// Whether a context is somewhere else.
pub(super) fn is_url(text: &str) -> bool {
    let schemes = ["http://", "https://", "git://"];
    schemes.iter().any(|scheme| text.starts_with(scheme))
        || text
            .split_once("github.com/")
            .is_some_and(|(_, rest)| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_meant_from_the_unit() {
        let unit = Path::new("/etc/q/a.kube");
        for (path, expected) in [
            ("b.yml", "/etc/q/b.yml"),
            ("./x/../b.yml", "/etc/q/b.yml"),
            ("../../../b", "/b"),
            ("/c//d", "/c//d"),
            ("%h/b", "%h/b"),
            ("%%h/b", "/etc/q/%%h/b"),
        ] {
            assert_eq!(absolute(unit, path), expected);
        }
        for (path, expected) in [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("%h/a", "%h")] {
            assert_eq!(parent(path), expected);
        }
        for (path, expected) in [
            ("../a", "../a"),
            ("a/..", "."),
            ("a//b/", "a/b"),
            ("/..", "/"),
        ] {
            assert_eq!(clean(path), expected);
        }
    }
}
