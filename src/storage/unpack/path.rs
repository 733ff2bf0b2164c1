// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Member paths, cleaned: relative to the layer, without `.`, `..` and empty components.

/// A cleaned path: no leading slash; empty is the layer's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CleanPath(Vec<u8>);

impl CleanPath {
    /// Cleans `path`; `None` if it climbs out of the layer or holds a NUL.
    ///
    /// `..` is taken back by text, before any link is looked at, as Go's `filepath.Clean` does.
    pub(super) fn new(path: &[u8]) -> Option<Self> {
        if path.contains(&0) {
            return None;
        }
        let mut components: Vec<&[u8]> = Vec::new();
        for component in path.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => drop(components.pop()?),
                name => components.push(name),
            }
        }
        Some(Self(components.join(&b'/')))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory above and the last component; `None` for the root.
    pub(super) fn split(&self) -> Option<(&[u8], &[u8])> {
        if self.is_root() {
            return None;
        }
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => Some((&self.0[..slash], &self.0[slash + 1..])),
            None => Some((b"", &self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        for (path, expected) in [
            ("./", Some("")),
            ("/", Some("")),
            ("./a//b/.", Some("a/b")),
            ("/etc/passwd", Some("etc/passwd")),
            ("a/../b", Some("b")),
            ("a/..", Some("")),
            ("..", None),
            ("a/../../b", None),
            ("/../b", None),
            ("a\0b", None),
            ("a/...", Some("a/...")),
        ] {
            let clean = CleanPath::new(path.as_bytes());
            let clean = clean
                .as_ref()
                .map(|clean| std::str::from_utf8(clean.bytes()).unwrap());
            assert_eq!(clean, expected, "{path:?}");
        }
    }

    #[test]
    fn the_last_component_is_split_off() {
        let split = |path: &[u8]| {
            let clean = CleanPath::new(path).unwrap();
            clean
                .split()
                .map(|(parent, name)| (parent.to_vec(), name.to_vec()))
        };
        assert_eq!(split(b"/a/b/c"), Some((b"a/b".to_vec(), b"c".to_vec())));
        assert_eq!(split(b"a"), Some((Vec::new(), b"a".to_vec())));
        assert_eq!(split(b"."), None);
    }
}
