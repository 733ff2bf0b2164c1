// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers made by hand, and what becomes of them.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use crate::layer_format::{write_opaque, write_whiteout};

/// `lower` has a, dir/{b,c} and gone; `upper` changes b, adds dir/new and a link, hides gone and
/// all that `old` had.
#[expect(clippy::disallowed_methods, reason = "files of the test's own")]
fn layers(root: &Path) -> Vec<PathBuf> {
    let (lower, upper) = (root.join("lower"), root.join("upper"));
    for directory in ["dir", "old"] {
        fs::create_dir_all(lower.join(directory)).unwrap();
        fs::create_dir_all(upper.join(directory)).unwrap();
    }
    for (path, text) in [
        ("a", "a"),
        ("dir/b", "b"),
        ("dir/c", "c"),
        ("gone", ""),
        ("old/x", ""),
    ] {
        fs::write(lower.join(path), text).unwrap();
    }
    fs::write(upper.join("dir/b"), "changed").unwrap();
    fs::write(upper.join("dir/new"), "new").unwrap();
    fs::hard_link(upper.join("dir/new"), upper.join("twin")).unwrap();
    symlink("/a", upper.join("link")).unwrap();
    let opened = File::open(&upper).unwrap();
    write_whiteout(opened.as_fd(), c"gone").unwrap();
    let old = File::open(upper.join("old")).unwrap();
    write_opaque(old.as_fd()).unwrap();
    vec![upper, lower]
}

/// `path` or `path=content` of each member.
fn members(stacks: Vec<PathBuf>, scope: Scope) -> Vec<String> {
    let mut archive = tar::Archive::new(TreeStream::new(stacks, scope));
    let entries = archive.entries().unwrap();
    let shown = entries.map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let link = entry.link_name().unwrap();
        let mut text = link.map_or_else(String::new, |link| link.display().to_string());
        entry.read_to_string(&mut text).unwrap();
        if text.is_empty() {
            path
        } else {
            format!("{path}={text}")
        }
    });
    shown.filter(|shown| shown != "./").collect()
}

#[test]
fn a_whole_tree_and_its_changes() {
    let root = tempfile::tempdir().unwrap();
    let stack = layers(root.path());
    let whole = members(stack.clone(), Scope::Whole);
    assert_eq!(
        whole,
        [
            "a=a",
            "dir/",
            "dir/b=changed",
            "dir/c=c",
            "dir/new=new",
            "link=/a",
            "old/",
            "twin=dir/new"
        ]
    );
    let changed = members(stack, Scope::Changes);
    assert_eq!(
        changed,
        [
            "dir/",
            "dir/b=changed",
            "dir/new=new",
            ".wh.gone",
            "link=/a",
            "old/",
            "old/.wh..wh..opq",
            "twin=dir/new"
        ]
    );
    assert!(members(vec![root.path().join("nothing")], Scope::Changes).is_empty());
}

#[test]
fn changes_are_listed_by_path() {
    let root = tempfile::tempdir().unwrap();
    let stack = layers(root.path());
    let shown = |changes: Vec<Change>| -> Vec<String> {
        let line = |change: Change| {
            let letter = match change.kind {
                ChangeKind::Added => 'A',
                ChangeKind::Changed => 'C',
                ChangeKind::Deleted => 'D',
            };
            format!("{letter} {}", String::from_utf8_lossy(&change.path))
        };
        changes.into_iter().map(line).collect()
    };
    let below = changes(&stack[..1], &stack[1..], Against::Below).unwrap();
    assert_eq!(
        shown(below),
        [
            "C /dir",
            "C /dir/b",
            "A /dir/new",
            "D /gone",
            "A /link",
            "C /old",
            "D /old/x",
            "A /twin"
        ]
    );
    let other = changes(&stack[1..], &stack, Against::Other).unwrap();
    assert_eq!(
        shown(other),
        [
            "C /dir",
            "C /dir/b",
            "D /dir/new",
            "A /gone",
            "D /link",
            "C /old",
            "A /old/x",
            "D /twin"
        ]
    );
}
