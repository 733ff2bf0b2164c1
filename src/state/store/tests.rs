// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the store, among them its property: whatever moment each of several processes is
//! killed at, the next command reads a store that makes sense.

use std::os::unix::fs::PermissionsExt as _;

use super::super::record::{ContainerRequest, Resolved};
use super::super::sweep::SweepMode;
use super::*;

pub(super) fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let dirs = Dirs::new(directory.path().join("data"), directory.path().join("run"));
    let store = Store::open(dirs).unwrap();
    (directory, store)
}

pub(super) fn record(name: &str) -> ContainerRecord {
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
    atomic::replace_file(&store.record_path(&web.id), b"{", Durability::Unsynced).unwrap();
    assert!(matches!(
        store.load(&web.id),
        Err(StateError::Corrupt { .. })
    ));
    assert_eq!(store.resolve("web").unwrap(), web.id);
    store.remove(&web.id).unwrap();
    assert!(store.names.all().unwrap().is_empty());
}

#[test]
fn a_container_that_a_power_cut_kept_from_being_made_is_swept() {
    let (_directory, store) = store();
    let web = record("web");
    drop(store.create(&web, Durability::Unsynced).unwrap());
    store.sync(&web.id).unwrap();
    assert!(store.sweep(SweepMode::Report).unwrap().is_clean());
    fs::File::create(store.record_path(&web.id)).unwrap();
    let loaded = store.load(&web.id);
    assert!(matches!(loaded, Err(StateError::NoSuchContainer { .. })));
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.sweep(SweepMode::Remove).unwrap().removed.len(), 1);
    assert!(store.list().unwrap().is_empty());
    assert!(store.names.all().unwrap().is_empty());
    let gone = store.sync(&web.id);
    assert!(matches!(gone, Err(StateError::NoSuchContainer { .. })));
}

/// What a simulated process does; each variant is one step of it further.
#[derive(Debug)]
enum Actor {
    Idle,
    Staged(ContainerRecord, Staged),
    Claimed(ContainerRecord, Staged),
    Retired(ContainerRecord, PathBuf, ContainerLock),
    Released(PathBuf, ContainerLock),
    Renaming(ContainerRecord, String, ContainerLock),
    Renamed(ContainerRecord, String, ContainerLock),
}

#[derive(Debug, Clone)]
enum Event {
    Create(usize, u8),
    Remove(usize, u8),
    Rename(usize, u8, u8),
    Step(usize),
    Kill(usize),
    Sweep,
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
    use proptest::prelude::*;
    let actor = 0..3_usize;
    let name = 0..3_u8;
    prop_oneof![
        3 => (actor.clone(), name.clone()).prop_map(|(actor, name)| Event::Create(actor, name)),
        2 => (actor.clone(), name.clone()).prop_map(|(actor, name)| Event::Remove(actor, name)),
        2 => (actor.clone(), name.clone(), name)
            .prop_map(|(actor, old, new)| Event::Rename(actor, old, new)),
        9 => actor.clone().prop_map(Event::Step),
        2 => actor.prop_map(Event::Kill),
        1 => Just(Event::Sweep),
    ]
}

fn name_of(number: u8) -> String {
    format!("name-{number}")
}

/// Locks the container of that name, as `rm` and `rename` do.
fn lock_named(store: &Store, name: u8) -> Option<(ContainerRecord, ContainerLock)> {
    let id = store.resolve(&name_of(name)).ok()?;
    let lock = store.try_lock(&id).unwrap()?;
    Some((store.load(&id).unwrap(), lock))
}

fn start(store: &Store, event: &Event) -> Actor {
    match *event {
        Event::Create(_, name) => {
            let record = record(&name_of(name));
            let staged = store.stage(&record, Durability::Unsynced).unwrap();
            Actor::Staged(record, staged)
        }
        Event::Remove(_, name) => match lock_named(store, name) {
            Some((record, lock)) => {
                let path = store.retire(&record.id).unwrap();
                Actor::Retired(record, path, lock)
            }
            None => Actor::Idle,
        },
        Event::Rename(_, old, new) if old != new => match lock_named(store, old) {
            Some((record, lock)) => match store.claim_name(&name_of(new), &record.id) {
                Ok(()) => Actor::Renaming(record, name_of(new), lock),
                Err(_) => Actor::Idle,
            },
            None => Actor::Idle,
        },
        Event::Rename(..) | Event::Step(_) | Event::Kill(_) | Event::Sweep => Actor::Idle,
    }
}

fn step(store: &Store, actor: Actor) -> Actor {
    match actor {
        Actor::Idle => Actor::Idle,
        Actor::Staged(record, staged) => match store.claim_name(&record.name, &record.id) {
            Ok(()) => Actor::Claimed(record, staged),
            Err(StateError::NameInUse { .. }) => {
                remove_tree(&staged.directory).unwrap();
                Actor::Idle
            }
            Err(error) => panic!("{error}"),
        },
        Actor::Claimed(record, staged) => {
            drop(
                store
                    .publish(staged, &record.id, Durability::Unsynced)
                    .unwrap(),
            );
            Actor::Idle
        }
        Actor::Retired(record, path, lock) => {
            store.names.release(&record.name, &record.id).unwrap();
            Actor::Released(path, lock)
        }
        Actor::Released(path, _lock) => {
            remove_tree(&path).unwrap();
            Actor::Idle
        }
        Actor::Renaming(mut record, new, lock) => {
            let old = std::mem::replace(&mut record.name, new);
            store.replace_record(&record, Durability::Unsynced).unwrap();
            Actor::Renamed(record, old, lock)
        }
        Actor::Renamed(record, old, _lock) => {
            store.names.release(&old, &record.id).unwrap();
            Actor::Idle
        }
    }
}

/// What every reader may rely on at every moment.
fn assert_readable(store: &Store) {
    let mut names = std::collections::BTreeSet::new();
    for id in store.list().unwrap() {
        let record = store.load(&id).unwrap();
        store.observe(&id).unwrap();
        assert_eq!(
            store.resolve(&record.name).unwrap(),
            id,
            "a name leads to its container"
        );
        assert!(names.insert(record.name), "no two containers have one name");
    }
}

/// What is true once nobody works on the store and it was swept.
fn assert_clean(store: &Store) {
    let swept = store.sweep(SweepMode::Remove).unwrap();
    assert!(
        swept.need_namespace.is_empty() && swept.refused.is_empty(),
        "{swept:?}"
    );
    assert_readable(store);
    assert!(store.sweep(SweepMode::Report).unwrap().is_clean());
    assert_eq!(tmp_entries(store), 0);
    assert_eq!(
        store.names.all().unwrap().len(),
        store.list().unwrap().len()
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

    #[test]
    fn killed_processes_leave_a_store_that_the_next_command_reads(
        events in proptest::collection::vec(event(), 1..60)
    ) {
        let (_directory, store) = store();
        let mut actors = [Actor::Idle, Actor::Idle, Actor::Idle];
        for event in events {
            match event {
                Event::Create(actor, _) | Event::Remove(actor, _) | Event::Rename(actor, _, _) => {
                    if matches!(actors[actor], Actor::Idle) {
                        actors[actor] = start(&store, &event);
                    }
                }
                Event::Step(actor) => {
                    let current = std::mem::replace(&mut actors[actor], Actor::Idle);
                    actors[actor] = step(&store, current);
                }
                // Descriptors close, and nothing else happens.
                Event::Kill(actor) => actors[actor] = Actor::Idle,
                Event::Sweep => drop(store.sweep(SweepMode::Remove).unwrap()),
            }
            assert_readable(&store);
        }
        drop(actors);
        assert_clean(&store);
        for name in 0..3 {
            let made = store.create(&record(&name_of(name)), Durability::Unsynced);
            let taken = store.resolve(&name_of(name)).is_ok();
            proptest::prop_assert!(made.is_ok() || taken);
        }
    }
}

#[test]
fn containers_kept_apart_use_the_images_of_the_usual_store() {
    let (directory, store) = store();
    let usual = store.dirs().clone();
    let apart = directory.path().join("apart");
    let other = Store::open(usual.clone().with_static_dir(&apart)).unwrap();
    let web = record("web");
    other.create(&web, Durability::Unsynced).unwrap();
    assert!(store.list().unwrap().is_empty());
    assert_eq!(other.list().unwrap(), [web.id]);
    assert_eq!(other.dirs().image_root(), usual.data_root);
    let sharers: Vec<_> = fs::read_dir(usual.sharers()).unwrap().collect();
    let link = sharers[0].as_ref().unwrap().path();
    assert_eq!((sharers.len(), fs::read_link(link).unwrap()), (1, apart));
}
