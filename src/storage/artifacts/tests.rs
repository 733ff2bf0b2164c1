// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Artifacts that are added, kept, damaged and collected.

use std::fs;

use serde_json::json;

use super::*;
use crate::oci::Descriptor;
use crate::oci::media_type::OCI_MANIFEST;

struct Room {
    _room: tempfile::TempDir,
    dirs: Dirs,
}

impl Room {
    fn new() -> Self {
        let room = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(room.path().join("data"), room.path().join("run"));
        fs::create_dir_all(dirs.tmp()).unwrap();
        Self { _room: room, dirs }
    }

    fn store(&self) -> Artifacts {
        Artifacts::open(&self.dirs)
    }

    fn files(&self) -> usize {
        fs::read_dir(self.dirs.artifacts()).map_or(0, Iterator::count)
    }

    fn unfinished(&self) -> usize {
        fs::read_dir(self.dirs.tmp()).unwrap().count()
    }

    /// An artifact of one file.
    fn add(&self, name: &str, content: &str, naming: Naming<'_>) -> Result<Digest, StorageError> {
        let store = self.store();
        let intake = store.intake()?;
        let manifest = manifest(&intake, content);
        store.add(&intake, &manifest, name, naming)
    }
}

fn manifest(intake: &ArtifactIntake, content: &str) -> Vec<u8> {
    let (digest, size) = intake.add(content.as_bytes()).unwrap();
    let (config, _) = intake.add(&b"{}"[..]).unwrap();
    let document = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "a/b", "digest": config, "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": digest, "size": size}],
    });
    serde_json::to_vec(&document).unwrap()
}

#[test]
fn an_artifact_is_there_until_its_last_name_goes() {
    let room = Room::new();
    let store = room.store();
    let first = room.add("quay.io/a/b:1", "one", Naming::New).unwrap();
    assert_eq!((room.files(), room.unfinished()), (3, 0));
    let again = room.add("quay.io/a/b:1", "two", Naming::New);
    assert!(matches!(again, Err(StorageError::ArtifactExists { .. })));
    assert_eq!((room.files(), room.unfinished()), (3, 0));
    let also = room.add("quay.io/a/c", "one", Naming::New).unwrap();
    assert_eq!((&also, room.files()), (&first, 3));

    let second = room.add("quay.io/a/b:1", "two", Naming::Replace).unwrap();
    assert_eq!(room.files(), 5);
    for text in ["quay.io/a/b:1", second.hex(), second.short()] {
        assert_eq!(store.find(text).unwrap().digest, second, "{text}");
    }
    let late = room.add("quay.io/a/b:1", "three", Naming::Change(&first));
    assert!(matches!(late, Err(StorageError::ArtifactChanged { .. })));
    assert_eq!(store.disk_bytes().unwrap().1, 0);
    assert_eq!(store.check(Content::Read).unwrap(), Vec::new());

    for name in ["quay.io/a/b:1", "quay.io/a/c"] {
        store.remove(&store.find(name).unwrap()).unwrap();
    }
    assert_eq!((room.files(), store.list().unwrap().len()), (0, 0));
    let missing = store.find("quay.io/a/c").unwrap_err().to_string();
    assert_eq!(missing, "quay.io/a/c: artifact does not exist");
}

#[test]
fn what_somebody_brings_is_not_collected_under_his_hands() {
    let room = Room::new();
    let store = room.store();
    let digest = room.add("localhost/a", "one", Naming::New).unwrap();
    let intake = store.intake().unwrap();
    let bytes = manifest(&intake, "two");
    let blob = Digest::sha256(b"one");
    assert!(intake.hold(&blob));
    assert!(!intake.hold(&Digest::sha256(b"three")));
    store.remove(&store.find("localhost/a").unwrap()).unwrap();
    assert_eq!(room.files(), 0);
    let second = store
        .add(&intake, &bytes, "localhost/b", Naming::New)
        .unwrap();
    assert_ne!(second, digest);
    // The held blob is in no manifest.
    assert!(store.blob(&blob).is_err());
    assert!(store.blob(&Digest::sha256(b"two")).is_ok());
}

#[test]
fn a_blob_that_is_not_what_it_should_be_is_refused() {
    let room = Room::new();
    let intake = room.store().intake().unwrap();
    let expected = Descriptor::of("text/plain", b"right");
    let wrong = intake.receive(&expected, &b"wrong"[..]).unwrap_err();
    assert!(matches!(wrong, StorageError::WrongBlob { .. }));
    intake.receive(&expected, &b"right"[..]).unwrap();
    drop(intake);
    assert_eq!(room.unfinished(), 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's files survive no crash")]
fn damage_is_told_and_nothing_is_removed_by_it() {
    let room = Room::new();
    let store = room.store();
    let digest = room.add("localhost/a", "one", Naming::New).unwrap();
    let blob = room.dirs.artifacts().join(Digest::sha256(b"one").hex());
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "two").unwrap();
    assert_eq!(store.check(Content::Named).unwrap().len(), 0);
    let wrong = store.check(Content::Read).unwrap();
    assert!(wrong[0].1.is_some());
    assert!(
        wrong[0].0.ends_with("its digest is not its name"),
        "{wrong:?}"
    );
    fs::remove_file(&blob).unwrap();
    let wrong = store.check(Content::Named).unwrap();
    assert!(wrong[0].0.starts_with("artifact localhost/a: blob sha256:"));
    fs::remove_file(room.dirs.artifacts().join(digest.hex())).unwrap();
    store.collect().unwrap();
    assert_eq!(room.files(), 1);
    assert_eq!(store.check(Content::Named).unwrap().len(), 1);
    store.remove(&store.find("localhost/a").unwrap()).unwrap();
    assert_eq!(room.files(), 0);
}
