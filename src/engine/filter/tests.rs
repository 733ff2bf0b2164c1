// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of filters on containers.

use std::collections::BTreeMap;

use super::*;
use crate::state::atomic::Durability;
use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::state::record::{ContainerRecord, ContainerRequest, ContainerState, Resolved, Status};

/// Two containers: `web` was created first and has exited with 3, `db` was never started.
fn store(directory: &std::path::Path) -> Store {
    let store = Store::open(Dirs::new(directory.join("s"), directory.join("r"))).unwrap();
    for (name, byte, restart) in [("web", 0xaa, "always"), ("db", 0xbb, "on-failure:3")] {
        let labels = [("app", name), ("com.example.tier", "x")];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let record = ContainerRecord {
            id: ContainerId::from_random(&[byte; 32]),
            name: name.to_owned(),
            created: Timestamp::new(i64::from(byte), 0).unwrap(),
            request: ContainerRequest {
                restart: Some(restart.to_owned()),
                ..ContainerRequest::default()
            },
            resolved: Resolved {
                image_id: format!("{byte:x}00"),
                image_name: format!("docker.io/library/{name}:latest"),
                command: vec![format!("/bin/{name}")],
                labels: BTreeMap::from(labels.map(owned)),
                volumes: vec!["/data".to_owned()],
                exposed_ports: vec!["80/tcp".to_owned()],
                ..Resolved::default()
            },
        };
        drop(store.create(&record, Durability::Unsynced).unwrap());
    }
    let state = ContainerState {
        status: Status::Exited,
        exit_code: Some(3),
        ..ContainerState::default()
    };
    store
        .write_state(&ContainerId::from_random(&[0xaa; 32]), &state)
        .unwrap();
    store
}

#[test]
fn containers_pass_by_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let table: &[(&[&str], &str)] = &[
        (&[], "web db"),
        (&["id=aa"], "web"),
        (&["id=AA"], "web"),
        (&["id=^[^a]"], "db"),
        (&["id=aa", "id=bb"], "web db"),
        (&["name=w"], "web"),
        (&["name=^/web$"], "web"),
        (&["name=^we$"], ""),
        (&["name=web", "name=db", "label=app=db"], "db"),
        (&["label=app"], "web db"),
        (&["label=app=web"], "web"),
        (&["label=app=web", "label=app=db"], ""),
        (&["label=com.*.tier"], "web db"),
        (&["label!=app=web"], "db"),
        (&["status=stopped"], "web"),
        (&["status=created"], "db"),
        (&["status=created", "status=exited"], "web db"),
        (&["exited=3"], "web"),
        (&["exited=0"], ""),
        (&["ancestor=aa0"], "web"),
        (&["ancestor=docker.io/library/db"], "db"),
        (&["ancestor=web:latest"], "web"),
        (&["before=db"], "web"),
        (&["since=web"], "db"),
        (&["until=180"], "web"),
        (&["volume=/data"], "web db"),
        (&["volume=/other"], ""),
        (&["restart-policy=on-failure"], "db"),
        (&["restart-policy=none"], ""),
        (&["should-start-on-boot=true"], "web"),
        (&["should-start-on-boot=false"], "db"),
        (&["command=/bin/w"], "web"),
        (&["expose=80"], "web db"),
        (&["pod=x"], ""),
        (&["network=x"], ""),
        (&["health=none"], "web db"),
    ];
    for (texts, expected) in table {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let filters = Filters::parse(&store, &texts, FilterKeys::All).unwrap();
        let mut ids = store.list().unwrap();
        ids.sort();
        let through: Vec<String> = ids
            .into_iter()
            .filter(|id| filters.let_through(&Candidate::new(&store, id.clone())))
            .map(|id| store.load(&id).unwrap().name)
            .collect();
        assert_eq!(through.join(" "), *expected, "{texts:?}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_in_podmans_words() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let table = [
        ("foo", "invalid filter \"foo\""),
        ("foo=bar", "foo is an invalid filter"),
        ("status=xx", "unknown container state: xx: invalid argument"),
        ("exited=x", "exited code out of range \"x\": invalid syntax"),
        ("restart-policy=x", "x invalid restart policy"),
        ("until=x", "filter until"),
        (
            "before=nope",
            "no container with name or ID \"nope\" found: no such container",
        ),
        (
            "should-start-on-boot=x",
            "filter should-start-on-boot: \"x\" is neither true nor false",
        ),
    ];
    for (text, expected) in table {
        let error = Filters::parse(&store, &[text.to_owned()], FilterKeys::All).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = Filters::parse(&store, &["name=x".to_owned()], FilterKeys::Prune).unwrap_err();
    assert_eq!(error.to_string(), "name is an invalid filter");
    let error = Filters::parse(&store, &["name=[".to_owned()], FilterKeys::All).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("filter name: \"[\" is no regular expression")
    );
}
