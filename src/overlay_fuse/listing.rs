// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The names of a directory, each with a cookie by which a reader goes on.
//!
//! There is no message when a directory is opened or closed, so a listing belongs to the
//! directory and is shared by all readers. A name keeps its cookie over every change, and a new
//! name gets a higher one: a reader that goes on after files were removed or added misses
//! nothing and sees nothing twice.
//!
//! That is lost where a listing is dropped, so it stays while readers are in its middle, unless
//! there are very many (`nodes::opened`). What the kernel keeps of a listing is [`super::refresh`]'s.

use std::collections::HashMap;
use std::ffi::CStr;

use super::backing::Name;
use super::number::NodeId;

/// `.` and `..` have the cookies up to this one.
pub(super) const DOTS: u64 = 2;

/// The names of a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order of their cookies.
    entries: Vec<Listed>,
    next_cookie: u64,
    /// The directory has changed since.
    pub(super) stale: bool,
}

/// A name of a directory.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) cookie: u64,
    pub(super) name: Name,
    /// The number to show.
    pub(super) id: NodeId,
    /// The type bits.
    pub(super) kind: u32,
    /// The topmost layer that has it.
    pub(super) layer: usize,
}

/// What one layer says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Entry { id: NodeId, kind: u32 },
    Whiteout,
}

impl Listing {
    /// The names after the one with this cookie.
    pub(super) fn after(&self, cookie: u64) -> &[Listed] {
        let start = self.entries.partition_point(|entry| entry.cookie <= cookie);
        &self.entries[start..]
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A listing of `merged` in which the names of `old` keep their cookies.
    pub(super) fn renew(merged: Merged, old: Option<&Self>) -> Self {
        let mut entries = merged.entries;
        let mut next_cookie = DOTS + 1;
        if let Some(old) = old {
            next_cookie = old.next_cookie;
            let known: HashMap<&CStr, u64> = old
                .entries
                .iter()
                .map(|entry| (entry.name.as_ref(), entry.cookie))
                .collect();
            for entry in &mut entries {
                entry.cookie = known.get(entry.name.as_ref()).copied().unwrap_or(0);
            }
        }
        for entry in entries.iter_mut().filter(|entry| entry.cookie == 0) {
            entry.cookie = next_cookie;
            next_cookie += 1;
        }
        if old.is_some() {
            entries.sort_unstable_by_key(|entry| entry.cookie);
        }
        Self {
            entries,
            next_cookie,
            stale: false,
        }
    }
}

/// Names of several layers on top of each other.
#[derive(Debug, Default)]
pub(super) struct Merged {
    entries: Vec<Listed>,
    /// Where a name is in `entries`; `None` for one that is hidden.
    seen: HashMap<Name, Option<usize>>,
}

impl Merged {
    /// The names that are shown, for those who need no cookies.
    pub(super) fn into_names(self) -> Vec<Name> {
        self.entries.into_iter().map(|entry| entry.name).collect()
    }

    /// Puts a layer below those that are there. `is_last` saves remembering its names.
    pub(super) fn add_layer(&mut self, layer: usize, words: Vec<(Name, Word)>, is_last: bool) {
        let is_first = self.seen.is_empty();
        let mut hidden = Vec::new();
        for (name, word) in words {
            let known = if is_first { None } else { self.seen.get(&name) };
            match (known, word) {
                (None, Word::Whiteout) => hidden.push(name),
                (None, Word::Entry { id, kind }) => {
                    if !is_last {
                        self.seen.insert(name.clone(), Some(self.entries.len()));
                    }
                    self.entries.push(Listed {
                        cookie: 0,
                        name,
                        id,
                        kind,
                        layer,
                    });
                }
                // A directory is shown with the number of its lowest part, unless something else
                // lies between.
                (Some(Some(position)), word) => {
                    let entry = &mut self.entries[*position];
                    match word {
                        Word::Entry { id, kind }
                            if kind == libc::S_IFDIR && entry.kind == libc::S_IFDIR =>
                        {
                            entry.id = id;
                        }
                        Word::Entry { .. } | Word::Whiteout => {}
                    }
                }
                (Some(None), _) => {}
            }
        }
        // A `.wh.` file may stand beside the name that it hides below.
        for name in hidden {
            self.seen.entry(name).or_insert(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &CStr, id: NodeId, kind: u32) -> (Name, Word) {
        (Name::from(name), Word::Entry { id, kind })
    }

    fn whiteout(name: &CStr) -> (Name, Word) {
        (Name::from(name), Word::Whiteout)
    }

    fn names(listing: &[Listed]) -> Vec<(&str, NodeId, u64)> {
        let text = |entry: &'_ Listed| (entry.id, entry.cookie);
        listing
            .iter()
            .map(|entry| (entry.name.to_str().unwrap(), text(entry).0, text(entry).1))
            .collect()
    }

    const FILE: u32 = libc::S_IFREG;
    const DIR: u32 = libc::S_IFDIR;

    #[test]
    fn layers_on_top_of_each_other() {
        let mut merged = Merged::default();
        let top = vec![
            entry(c"file", 1, FILE),
            entry(c"dir", 2, DIR),
            whiteout(c"gone"),
            // As fuse-overlayfs writes it: the name is new here and hides what is below.
            entry(c"both", 3, FILE),
            whiteout(c"both"),
            entry(c"was-dir", 4, FILE),
        ];
        merged.add_layer(0, top, false);
        merged.add_layer(
            1,
            vec![whiteout(c"lower-gone"), entry(c"dir", 12, DIR)],
            false,
        );
        let bottom = vec![
            entry(c"file", 21, FILE),
            entry(c"dir", 22, DIR),
            entry(c"gone", 23, FILE),
            entry(c"both", 24, FILE),
            entry(c"was-dir", 25, DIR),
            entry(c"lower-gone", 26, FILE),
            entry(c"only", 27, FILE),
        ];
        merged.add_layer(2, bottom, true);
        let listing = Listing::renew(merged, None);
        let expected = [
            ("file", 1, 3),
            ("dir", 22, 4),
            ("both", 3, 5),
            ("was-dir", 4, 6),
            ("only", 27, 7),
        ];
        assert_eq!(names(listing.after(0)), expected);
        assert_eq!(names(listing.after(5)), expected[3..]);
        assert_eq!(names(listing.after(7)), []);
    }

    #[test]
    fn cookies_outlive_changes() {
        let words = |names: &[&CStr]| names.iter().map(|name| entry(name, 1, FILE)).collect();
        let mut first = Merged::default();
        first.add_layer(0, words(&[c"a", c"b", c"c", c"d"]), true);
        let first = Listing::renew(first, None);
        let mut second = Merged::default();
        second.add_layer(0, words(&[c"new", c"d", c"b"]), true);
        let second = Listing::renew(second, Some(&first));
        assert_eq!(
            names(second.after(0)),
            [("b", 1, 4), ("d", 1, 6), ("new", 1, 7)]
        );
        // A reader that had seen "b" goes on with "d".
        assert_eq!(second.after(4)[0].name.as_ref(), c"d");
        let mut third = Merged::default();
        third.add_layer(0, words(&[c"d"]), true);
        let third = Listing::renew(third, Some(&second));
        let mut fourth = Merged::default();
        fourth.add_layer(0, words(&[c"d", c"new"]), true);
        let fourth = Listing::renew(fourth, Some(&third));
        assert_eq!(names(fourth.after(0)), [("d", 1, 6), ("new", 1, 8)]);
    }
}
