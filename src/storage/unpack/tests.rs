// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What hostile and odd archives turn into.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use tar::{EntryType as Kind, Header};

use super::*;
use crate::layer_format::{FileKind, Opaque, is_whiteout_device, read_opaque, read_override_stat};
use crate::sys::xattr::Place;

struct Entry<'a> {
    path: &'a str,
    kind: Kind,
    link: &'a str,
    data: &'a [u8],
    mode: u32,
    ids: (u64, u64),
}

fn entry<'a>(path: &'a str, kind: Kind, link: &'a str, data: &'a [u8]) -> Entry<'a> {
    Entry {
        path,
        kind,
        link,
        data,
        mode: 0o755,
        ids: (0, 0),
    }
}

fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_size(entry.data.len() as u64);
        header.set_mode(entry.mode);
        header.set_uid(entry.ids.0);
        header.set_gid(entry.ids.1);
        header.set_mtime(1_000_000_000);
        // The setters refuse what we want to try.
        let old = header.as_old_mut();
        old.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        old.linkname[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_cksum();
        builder.append(&header, entry.data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn destination(root: &File) -> Destination<'_> {
    Destination {
        root: root.as_fd(),
        ownership: Ownership::Metadata,
        usual_root: RootDirectory::default(),
    }
}

/// Unpacks into `root/layer`, with a secret beside it that nothing may touch.
fn unpacked(root: &Path, bytes: &[u8]) -> Result<Unpacked, UnpackError> {
    let layer = root.join("layer");
    fs::create_dir(&layer).unwrap();
    File::create(root.join("secret")).unwrap();
    let opened = File::open(&layer).unwrap();
    let result = unpack(bytes, destination(&opened), None);
    assert_eq!(fs::metadata(root.join("secret")).unwrap().len(), 0);
    let mut beside: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    beside.sort();
    assert_eq!(beside, ["layer", "secret"]);
    result
}

#[test]
fn a_link_whose_target_holds_a_nul_is_refused() {
    let linked = |kind, record| {
        let entries = [
            entry("of the next", kind, "", record),
            entry("link", Kind::Symlink, "", b""),
        ];
        let root = tempfile::tempdir().unwrap();
        unpacked(root.path(), &archive(&entries)).map(drop)
    };
    let refused = linked(Kind::XHeader, b"16 linkpath=a\0b\n").unwrap_err();
    let words = r#"symbolic link "link" names "a\0b", which can be no target: it holds a NUL"#;
    assert_eq!(refused.to_string(), words);
    // GNU's long targets end with one.
    linked(Kind::GNULongLink, b"a\0b\0").unwrap();
}

#[test]
fn nothing_leaves_the_layer() {
    let file = |path| entry(path, Kind::Regular, "", b"evil");
    let link = |path, target| entry(path, Kind::Symlink, target, b"");
    let hard = |path, target| entry(path, Kind::Link, target, b"");
    let tries: [(&str, Vec<Entry<'_>>, bool); 12] = [
        ("dot-dot", vec![file("../secret")], false),
        ("deep dot-dot", vec![file("a/../../secret")], false),
        ("absolute", vec![file("/secret")], true),
        ("absolute dot-dot", vec![file("/../secret")], false),
        ("link up", vec![link("up", ".."), file("up/secret")], true),
        (
            "link to a file",
            vec![link("s", "../secret"), file("s")],
            true,
        ),
        (
            "absolute link",
            vec![link("e", "/etc"), file("e/secret")],
            false,
        ),
        (
            "link to proc",
            vec![link("p", "/proc/self/cwd"), file("p/secret")],
            false,
        ),
        (
            "hard link up",
            vec![hard("h", "../secret"), file("h")],
            false,
        ),
        (
            "hard link out",
            vec![link("up", ".."), hard("h", "up/secret")],
            false,
        ),
        ("hard link to nothing", vec![hard("h", "none")], false),
        (
            "directory over a link",
            vec![
                link("d", ".."),
                entry("d", Kind::Directory, "", b""),
                file("d/secret"),
            ],
            true,
        ),
    ];
    for (what, entries, succeeds) in tries {
        let root = tempfile::tempdir().unwrap();
        let result = unpacked(root.path(), &archive(&entries));
        assert_eq!(result.is_ok(), succeeds, "{what}: {result:?}");
    }
}

#[test]
fn a_link_on_the_way_is_followed_inside() {
    let root = tempfile::tempdir().unwrap();
    let entries = [
        entry("usr/lib/", Kind::Directory, "", b""),
        entry("lib", Kind::Symlink, "usr/lib", b""),
        entry("lib/x", Kind::Regular, "", b"1"),
        entry("abs", Kind::Symlink, "/usr", b""),
        entry("abs/lib/y", Kind::Regular, "", b"2"),
    ];
    unpacked(root.path(), &archive(&entries)).unwrap();
    let layer = root.path().join("layer");
    assert_eq!(fs::read(layer.join("usr/lib/x")).unwrap(), b"1");
    assert_eq!(fs::read(layer.join("usr/lib/y")).unwrap(), b"2");
    assert!(layer.join("lib").is_symlink());
}

#[test]
fn whiteouts_hide_lower_layers_only() {
    let root = tempfile::tempdir().unwrap();
    let entries = [
        entry("gone/.wh.file", Kind::Regular, "", b""),
        entry("hidden/.wh..wh..opq", Kind::Regular, "", b""),
        entry("hidden/kept", Kind::Regular, "", b"x"),
        // A whiteout beside the thing itself, in both orders.
        entry("a", Kind::Regular, "", b"x"),
        entry(".wh.a", Kind::Regular, "", b""),
        entry(".wh.b", Kind::Regular, "", b""),
        entry("b", Kind::Regular, "", b"x"),
        entry("c/", Kind::Directory, "", b""),
        entry(".wh.c", Kind::Regular, "", b""),
        entry(".wh.d", Kind::Regular, "", b""),
        entry("d/", Kind::Directory, "", b""),
        entry(".wh..wh.plnk", Kind::Directory, "", b""),
    ];
    unpacked(root.path(), &archive(&entries)).unwrap();
    let layer = root.path().join("layer");
    let opaque = |name: &str| {
        let opened = File::open(layer.join(name)).unwrap();
        read_opaque(Place::Descriptor(opened.as_fd())).unwrap()
    };
    let gone = fs::symlink_metadata(layer.join("gone/file")).unwrap();
    assert!(is_whiteout_device(gone.mode(), gone.rdev()));
    assert_eq!(opaque("gone"), Opaque::No);
    assert_eq!(opaque("hidden"), Opaque::Yes);
    assert!(layer.join("a").is_file() && layer.join("b").is_file());
    assert_eq!((opaque("c"), opaque("d")), (Opaque::Yes, Opaque::Yes));
    let names = fs::read_dir(&layer)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        names
            .into_iter()
            .all(|name| !name.to_string_lossy().starts_with(".wh."))
    );
}

#[test]
fn later_members_replace_earlier_ones() {
    let root = tempfile::tempdir().unwrap();
    let entries = [
        entry("x/y/z", Kind::Regular, "", b"1"),
        entry("x", Kind::Regular, "", b"now a file"),
        entry("f", Kind::Regular, "", b"1"),
        entry("f/", Kind::Directory, "", b""),
        entry("f/g", Kind::Regular, "", b"1"),
        entry("f/g", Kind::Regular, "", b"second"),
        entry("h", Kind::Link, "f/g", b""),
        entry("f/g", Kind::Symlink, "nowhere", b""),
        entry("h", Kind::Link, "h", b""),
    ];
    unpacked(root.path(), &archive(&entries)).unwrap();
    let layer = root.path().join("layer");
    assert_eq!(fs::read(layer.join("x")).unwrap(), b"now a file");
    assert_eq!(fs::read(layer.join("h")).unwrap(), b"second");
    assert!(layer.join("f/g").is_symlink());
}

#[test]
fn owners_modes_and_kinds_are_kept_as_metadata() {
    let root = tempfile::tempdir().unwrap();
    let owned = |path, kind, link, mode, ids| Entry {
        mode,
        ids,
        ..entry(path, kind, link, b"")
    };
    let entries = [
        owned("./", Kind::Directory, "", 0o711, (5, 6)),
        owned("su", Kind::Regular, "", 0o4755, (0, 0)),
        owned("far", Kind::Regular, "", 0, (5_000_000_000, 172_761_424)),
        owned("closed/", Kind::Directory, "", 0, (1, 2)),
        owned("closed/in", Kind::Regular, "", 0o600, (1, 2)),
        owned("null", Kind::Char, "", 0o666, (0, 0)),
        owned("pipe", Kind::Fifo, "", 0o640, (3, 4)),
        owned("rootlink", Kind::Symlink, "su", 0o777, (0, 0)),
        owned("link", Kind::Symlink, "su", 0o777, (7, 8)),
    ];
    let report = unpacked(root.path(), &archive(&entries)).unwrap();
    assert!(report.ids_as_metadata && report.devices_as_metadata);
    let layer = root.path().join("layer");
    let stat = |name: &str| {
        let opened = File::open(layer.join(name)).unwrap();
        let stat = read_override_stat(Place::Descriptor(opened.as_fd()))
            .unwrap()
            .unwrap();
        (stat.uid, stat.gid, stat.mode, stat.kind.unwrap())
    };
    let null = FileKind::CharDevice { major: 0, minor: 0 };
    for (name, expected) in [
        (".", (5, 6, 0o711, FileKind::Directory)),
        ("su", (0, 0, 0o4755, FileKind::Regular)),
        ("far", (65534, 172_761_424, 0, FileKind::Regular)),
        ("closed", (1, 2, 0, FileKind::Directory)),
        ("closed/in", (1, 2, 0o600, FileKind::Regular)),
        ("null", (0, 0, 0o666, null)),
        ("pipe", (3, 4, 0o640, FileKind::Pipe)),
        ("link", (7, 8, 0o777, FileKind::Symlink)),
    ] {
        assert_eq!(stat(name), expected, "{name}");
    }
    assert_eq!(fs::read(layer.join("link")).unwrap(), b"su");
    assert!(layer.join("rootlink").is_symlink());
    let set_id = fs::metadata(layer.join("su")).unwrap();
    assert_eq!(set_id.mode() & 0o7777, 0o755);
    assert_eq!(set_id.mtime(), 1_000_000_000);
    assert_eq!(
        fs::metadata(layer.join("closed")).unwrap().mtime(),
        1_000_000_000
    );
    assert!(
        !fs::symlink_metadata(layer.join("null"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let records = records.iter().map(|(key, value)| (*key, *value));
    builder.append_pax_extensions(records).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    // Without the end mark.
    bytes.truncate(bytes.len() - 1024);
    bytes
}

#[test]
fn attributes_of_the_layer_format_are_not_taken_from_an_archive() {
    let root = tempfile::tempdir().unwrap();
    let records: [(&str, &[u8]); 5] = [
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.user.containers.override_stat", b"9:9:04777"),
        ("SCHILY.xattr.user.comment", b"kept"),
        (
            "SCHILY.xattr.security.capability",
            b"\x01\0\0\x02\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
    ];
    let bytes = [
        pax(&records),
        archive(&[entry("d/", Kind::Directory, "", b"")]),
    ]
    .concat();
    unpacked(root.path(), &bytes).unwrap();
    let opened = File::open(root.path().join("layer/d")).unwrap();
    let names = crate::sys::xattr::list_vec(Place::Descriptor(opened.as_fd())).unwrap();
    let mut names: Vec<_> = names.iter().map(|name| name.to_str().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "user.comment",
        "user.containers.override_security.capability",
        "user.containers.override_stat",
    ];
    assert_eq!(names, expected);
}

/// Its name and data are in the archive, its length in a PAX record alone.
fn sparse(length: &str) -> Vec<u8> {
    let records: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"hole"),
        ("GNU.sparse.realsize", length.as_bytes()),
    ];
    let mut map = b"1\n0\n5\n".to_vec();
    map.resize(512, 0);
    map.extend(b"start");
    [
        pax(records),
        archive(&[entry("GNUSparseFile.0/hole", Kind::Regular, "", &map)]),
    ]
    .concat()
}

#[test]
fn a_hole_is_not_longer_than_the_file_system() {
    let root = tempfile::tempdir().unwrap();
    unpacked(root.path(), &sparse("1048576")).unwrap();
    let made = fs::metadata(root.path().join("layer/hole")).unwrap();
    assert_eq!(made.len(), 1 << 20);
    let root = tempfile::tempdir().unwrap();
    let error = unpacked(root.path(), &sparse("9223372036854775807")).unwrap_err();
    let words = "sparse file \"hole\" is 9223372036854775807 bytes long; the file system has ";
    assert!(error.to_string().starts_with(words), "{error}");
}

#[test]
fn damaged_archives_end_with_their_reason() {
    let good = archive(&[entry("file", Kind::Regular, "", &[7; 5000])]);
    for (bytes, words) in [
        (good[..4000].to_vec(), "cut off"),
        (b"not a tar at all".repeat(100), "not a tar archive"),
        (archive(&[entry("l", Kind::Symlink, "", b"")]), "no target"),
        (
            archive(&[entry(".", Kind::Regular, "", b"")]),
            "member \".\"",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let error = unpacked(root.path(), &bytes).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of the test's own")]
fn a_stream_is_put_together_again_from_its_recipe() {
    use crate::storage::tar::{RecipeReader, RecipeWriter};
    let root = tempfile::tempdir().unwrap();
    let layer = root.path().join("layer");
    fs::create_dir(&layer).unwrap();
    let opened = File::open(&layer).unwrap();
    let long = "x".repeat(3000);
    let mut bytes = archive(&[
        entry("dir/", Kind::Directory, "", b""),
        entry("dir/file", Kind::Regular, "", long.as_bytes()),
        entry("dir/empty", Kind::Regular, "", b""),
        entry("twin", Kind::Link, "dir/file", b""),
        entry("link", Kind::Symlink, "dir", b""),
        entry("link/through", Kind::Regular, "", b"there"),
        entry(".wh.gone", Kind::Regular, "", b"odd"),
    ]);
    bytes.extend([0; 700]);
    let path = root.path().join("recipe");
    let recipe = RecipeWriter::new(File::create(&path).unwrap()).unwrap();
    let unpacked = unpack(&bytes[..], destination(&opened), Some(recipe)).unwrap();
    assert!(!unpacked.replaced);
    let again = || {
        let mut again = Vec::new();
        let recipe = File::open(&path).unwrap();
        let root = File::open(&layer).unwrap().into();
        let mut reader = RecipeReader::new(recipe, root).unwrap();
        std::io::Read::read_to_end(&mut reader, &mut again).map(|_| again)
    };
    assert_eq!(again().unwrap(), bytes);
    fs::write(layer.join("dir/file"), "short").unwrap();
    assert!(again().is_err());

    let twice = archive(&[
        entry("file", Kind::Regular, "", b"first"),
        entry("file", Kind::Regular, "", b"second"),
    ]);
    let unpacked = unpack(&twice[..], destination(&opened), None).unwrap();
    assert!(unpacked.replaced);
}

#[test]
fn a_stale_link_in_the_layer_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let layer = root.path().join("layer");
    fs::create_dir(&layer).unwrap();
    symlink("/etc/hostname", layer.join("x")).unwrap();
    let opened = File::open(&layer).unwrap();
    let bytes = archive(&[entry("x", Kind::Regular, "", b"mine")]);
    unpack(&bytes[..], destination(&opened), None).unwrap();
    assert!(!layer.join("x").is_symlink());
}

/// Names that meet each other: directories, links to each other and outwards, whiteouts.
fn any_member() -> impl proptest::strategy::Strategy<Value = (String, Kind, String)> {
    use proptest::prelude::*;
    let part = prop::sample::select(vec!["a", "b", "..", ".", ".wh.a", ".wh..wh..opq", "c"]);
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let root = prop::sample::select(vec!["", "/", "../"]);
    let target = prop::sample::select(vec!["..", "a", "/", "../..", "b/a", "/a", "../secret", "."]);
    let kind = prop::sample::select(vec![
        Kind::Regular,
        Kind::Directory,
        Kind::Symlink,
        Kind::Symlink,
        Kind::Link,
        Kind::Fifo,
        Kind::Char,
    ]);
    (root, path, kind, target)
        .prop_map(|(root, path, kind, target)| (format!("{root}{path}"), kind, target.to_owned()))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn no_sequence_of_members_touches_what_is_outside(
        members in proptest::collection::vec(any_member(), 1..12)
    ) {
        let root = tempfile::tempdir().unwrap();
        let entries: Vec<_> = members
            .iter()
            .map(|(path, kind, target)| match kind {
                Kind::Regular => entry(path, *kind, "", b"evil"),
                Kind::Symlink | Kind::Link => entry(path, *kind, target, b""),
                _ => entry(path, *kind, "", b""),
            })
            .collect();
        // Whether it is taken or refused, `unpacked` checks what stands beside the layer.
        drop(unpacked(root.path(), &archive(&entries)));
    }
}
