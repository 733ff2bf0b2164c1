// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the store, among them its property: whatever moment each of several processes is
//! killed at, the next command reads a store that makes sense.

use std::os::unix::fs::PermissionsExt as _;

use super::super::record::{ContainerRequest, Resolved};
use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let dirs = Dirs {
        data_root: directory.path().join("data"),
        run_root: directory.path().join("run"),
    };
    let store = Store::open(dirs).unwrap();
    (directory, store)
}

fn record(name: &str) -> ContainerRecord {
    ContainerRecord {
        id: ContainerId::random().unwrap(),
        name: name.to_owned(),
        created: jiff::Timestamp::UNIX_EPOCH,
        request: ContainerRequest::default(),
        resolved: Resolved::default(),
    }
}

fn tmp_entries(store: &Store) -> usize {
    fs::read_dir(store.dirs.tmp()).unwrap().count()
}

#[test]
fn a_container_is_made_found_renamed_and_removed() {
    let (_directory, store) = store();
    let web = record("web");
    let lock = store.create(&web, Durability::Synced).unwrap();
    assert!(
        store.try_lock(&web.id).unwrap().is_none(),
        "create holds it"
    );
    drop(lock);
    assert_eq!(store.load(&web.id).unwrap(), web);
    assert_eq!(store.list().unwrap(), vec![web.id.clone()]);
    for text in [
        "web",
        "/web",
        web.id.as_str(),
        web.id.short(),
        &web.id.as_str()[..3],
    ] {
        assert_eq!(store.resolve(text).unwrap(), web.id, "{text}");
    }
    store.rename(&web.id, "www").unwrap();
    assert_eq!(store.resolve("www").unwrap(), web.id);
    let missing = store.resolve("web").unwrap_err().to_string();
    assert_eq!(
        missing,
        "no container with name or ID \"web\" found: no such container"
    );
    let lock = store.lock(&web.id).unwrap();
    store.remove(&web.id).unwrap();
    drop(lock);
    assert!(store.list().unwrap().is_empty());
    assert!(matches!(
        store.resolve("www"),
        Err(StateError::NoSuchContainer { .. })
    ));
    assert!(matches!(
        store.lock(&web.id),
        Err(StateError::NoSuchContainer { .. })
    ));
    assert!(matches!(
        store.remove(&web.id),
        Err(StateError::NoSuchContainer { .. })
    ));
    assert_eq!(tmp_entries(&store), 0);
    assert!(store.names.all().unwrap().is_empty());
}

#[test]
fn a_taken_name_is_refused_in_the_words_scripts_know() {
    let (_directory, store) = store();
    let first = record("web");
    drop(store.create(&first, Durability::Unsynced).unwrap());
    let error = store
        .create(&record("web"), Durability::Unsynced)
        .unwrap_err();
    let expected = format!(
        "the container name \"web\" is already in use by {}. You have to remove that container to \
         be able to reuse that name: that name is already in use",
        first.id
    );
    assert_eq!(error.to_string(), expected);
    let other = record("other");
    drop(store.create(&other, Durability::Unsynced).unwrap());
    let error = store.rename(&other.id, "web").unwrap_err();
    assert!(matches!(error, StateError::NameInUse { .. }));
    assert_eq!(store.load(&other.id).unwrap().name, "other");
    for name in ["", "-x", "a/b", "..", "a b"] {
        let error = store
            .create(&record(name), Durability::Unsynced)
            .unwrap_err();
        assert!(matches!(error, StateError::InvalidName { .. }), "{name}");
    }
    assert_eq!(tmp_entries(&store), 0);
}

#[test]
fn an_ambiguous_prefix_names_what_it_could_be() {
    let (_directory, store) = store();
    let mut same = record("a");
    same.id = ContainerId::from_random(&[0xab; 32]);
    let mut bytes = [0xab; 32];
    bytes[31] = 0;
    let mut other = record("b");
    other.id = ContainerId::from_random(&bytes);
    drop(store.create(&same, Durability::Unsynced).unwrap());
    drop(store.create(&other, Durability::Unsynced).unwrap());
    let message = store.resolve("abab").unwrap_err().to_string();
    assert!(
        message.contains("(abababababab, abababababab)"),
        "{message}"
    );
    assert_eq!(store.resolve(same.id.as_str()).unwrap(), same.id);
    assert_eq!(store.resolve("a").unwrap(), same.id, "an exact name wins");
    assert!(store.resolve("").is_err());
    assert!(store.resolve("ABAB").is_err());
}

#[test]
fn states_are_read_whatever_a_power_cut_left() {
    let (_directory, store) = store();
    let web = record("web");
    drop(store.create(&web, Durability::Unsynced).unwrap());
    assert_eq!(store.observe(&web.id).unwrap().1, Observed::Created);
    let state = ContainerState {
        status: Status::Exited,
        exit_code: Some(3),
        ..ContainerState::default()
    };
    store.write_state(&web.id, &state).unwrap();
    assert_eq!(store.read_state(&web.id).unwrap(), state);
    fs::File::create(store.state_path(&web.id)).unwrap();
    let (state, observed) = store.observe(&web.id).unwrap();
    assert_eq!(observed, Observed::Exited);
    assert!(
        state.error.starts_with("its state file cannot be read"),
        "{}",
        state.error
    );
}

#[test]
fn a_store_is_made_once_and_checked_at_each_open() {
    let (_directory, store) = store();
    let dirs = store.dirs.clone();
    let mode = fs::metadata(&dirs.data_root).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    Store::open(dirs.clone()).unwrap();
    let version = dirs.data_root.join("version");
    fs::remove_file(&version).unwrap();
    Store::open(dirs.clone()).unwrap();
    fs::remove_file(&version).unwrap();
    std::os::unix::fs::symlink("2", &version).unwrap();
    let message = Store::open(dirs.clone()).unwrap_err().to_string();
    assert!(
        message.contains("has format \"2\" and this coracle knows \"1\""),
        "{message}"
    );
    fs::remove_file(&version).unwrap();
    fs::File::create(dirs.data_root.join("thesis.tex")).unwrap();
    let message = Store::open(dirs).unwrap_err().to_string();
    assert!(
        message.contains("(thesis.tex) and is not a store"),
        "{message}"
    );
}

#[test]
fn a_damaged_record_can_still_be_removed() {
    let (_directory, store) = store();
    let web = record("web");
    drop(store.create(&web, Durability::Unsynced).unwrap());
    fs::File::create(store.record_path(&web.id)).unwrap();
    assert!(matches!(
        store.load(&web.id),
        Err(StateError::Corrupt { .. })
    ));
    assert_eq!(store.resolve("web").unwrap(), web.id);
    store.remove(&web.id).unwrap();
    assert!(store.names.all().unwrap().is_empty());
}
