// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths and archives that would leave their tree.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use super::*;
use crate::storage::tar::{END, FileTime, Member, MemberKind, write_header};

#[test]
#[expect(clippy::disallowed_methods, reason = "files of the test's own")]
fn links_end_inside_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/file"), "").unwrap();
    for (target, name) in [
        ("/a", "absolute"),
        ("../../../a", "a/b/up"),
        ("/etc/passwd", "out"),
        ("loop", "loop"),
        ("/nothing/x", "deep"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    let opened = File::open(root).unwrap();
    let found = |path: &str, kind| Look::Found {
        path: path.as_bytes().to_vec(),
        kind,
    };
    let missing = |reason: &str| Look::Missing {
        reason: reason.to_owned(),
    };
    for (path, expected) in [
        ("/", found("/", LookedKind::Directory)),
        ("../..", found("/", LookedKind::Directory)),
        ("absolute/file", found("/a/file", LookedKind::File)),
        ("/a/b/up/./b/", found("/a/b", LookedKind::Directory)),
        ("a/file/x", missing("not a directory")),
        ("nothing", missing("no such file or directory")),
        ("out", missing("no such file or directory")),
        ("loop", missing("too many symbolic links encountered")),
        (
            "absolute/new",
            Look::Dangling {
                path: b"/a/new".to_vec(),
            },
        ),
    ] {
        let look = look(opened.as_fd(), path.as_bytes(), Links::Follow);
        assert_eq!(look, expected, "{path}");
    }
    let kept = look(opened.as_fd(), b"out", Links::Keep);
    assert_eq!(kept, found("/out", LookedKind::Link));
}

fn member(path: &str, kind: MemberKind, link: &str, size: u64) -> Member {
    Member {
        path: path.as_bytes().to_vec(),
        kind,
        mode: 0o4755,
        uid: 0,
        gid: 0,
        modified: FileTime {
            seconds: 1,
            nanoseconds: 0,
        },
        link: link.as_bytes().to_vec(),
        device: (0, 0),
        stored_size: size,
        sparse: None,
        xattrs: Vec::new(),
    }
}

#[test]
fn archives_stay_in_the_directory_on_the_host() {
    let root = tempfile::tempdir().unwrap();
    let destination = root.path().join("in");
    fs::create_dir(&destination).unwrap();
    let mut bytes = Vec::new();
    for path in ["../up", "/top", "link/through"] {
        if path.starts_with("link") {
            write_header(&member("link", MemberKind::Symlink, "..", 0), &mut bytes);
        }
        write_header(&member(path, MemberKind::File, "", 1), &mut bytes);
        bytes.push(b'x');
        bytes.extend(&END[..511]);
    }
    bytes.extend(END);
    let opened = File::open(&destination).unwrap();
    let placement = Placement {
        owner: None,
        is_host: true,
        conflict: Conflict::Refuse,
        links: Links::Keep,
    };
    let error = receive(opened.as_fd(), b"", &bytes[..], placement).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("error creating \"/link/through\""),
        "{error}"
    );
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    for name in ["up", "top"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(destination.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755, "{name}");
    }
    let not_a_tar = receive(opened.as_fd(), b"", &b"no archive at all"[..], placement);
    assert!(matches!(not_a_tar, Err(TransferError::NoArchive)));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of the test's own")]
fn what_is_sent_is_received() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("from"), root.path().join("to"));
    fs::create_dir_all(from.join("sub")).unwrap();
    fs::create_dir(&to).unwrap();
    fs::write(from.join("sub/file"), "content").unwrap();
    fs::hard_link(from.join("sub/file"), from.join("twin")).unwrap();
    symlink("sub", from.join("link")).unwrap();
    let opened = File::open(root.path()).unwrap();
    let mut bytes = Vec::new();
    let top = Top::Named(b"renamed".to_vec());
    send(
        opened.as_fd(),
        b"/from",
        &top,
        Owners::CallerIsRoot,
        &mut bytes,
    )
    .unwrap();
    let placement = Placement {
        owner: None,
        is_host: true,
        conflict: Conflict::Refuse,
        links: Links::Keep,
    };
    receive(opened.as_fd(), b"/to", &bytes[..], placement).unwrap();
    let renamed = to.join("renamed");
    assert_eq!(fs::read_to_string(renamed.join("twin")).unwrap(), "content");
    assert_eq!(
        fs::read_link(renamed.join("link")).unwrap().to_str(),
        Some("sub")
    );
}
