// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The verbs on records whose processes are real, but are no containers: what they do to state,
//! locks and files, without any namespace.

use std::cell::RefCell;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::EngineError;
use super::remove::{RemoveOptions, Running};
use super::selection::{ItemResult, Missing, Scope, Selection};
use super::stop::{Grace, StopOptions};
use super::wait::{Condition, Until, WaitOptions};
use super::{Dialect, Engine, Report};
use crate::state::atomic::Durability;
use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{
    ContainerRecord, ContainerRequest, ContainerState, Place, ProcessIdentity, Resolved, Status,
};
use crate::state::store::Store;

/// A store with an engine on it.
struct Bench {
    _directory: tempfile::TempDir,
    engine: Engine,
    store: Store,
}

/// Keeps the warnings of an operation.
#[derive(Default)]
struct Heard(RefCell<Vec<String>>);

impl Report for Heard {
    fn warning(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }

    fn progress(&self, _text: &str) {}
}

/// A running container: its process, and a process in the place of its monitor, which a thread
/// ends after it has recorded the exit.
struct Fake {
    id: ContainerId,
    monitor: Pid,
    supervisor: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("s"), directory.path().join("r"));
        let engine = Engine {
            dirs,
            dialect: Dialect::Podman,
            runtime_flags: Vec::new(),
            external: None,
        };
        let store = engine.store().unwrap();
        Self {
            _directory: directory,
            engine,
            store,
        }
    }

    fn create(&self, name: &str, request: ContainerRequest) -> ContainerId {
        let mut bytes = [0; 32];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let record = ContainerRecord {
            id: ContainerId::from_random(&bytes),
            name: name.to_owned(),
            created: Timestamp::now(),
            request,
            resolved: Resolved {
                stop_signal: libc::SIGTERM,
                stop_timeout_seconds: 10,
                ..Resolved::default()
            },
        };
        drop(self.store.create(&record, Durability::Unsynced).unwrap());
        record.id
    }

    /// A container whose process is `script`, supervised.
    fn start(&self, name: &str, script: &str) -> Fake {
        let id = self.create(name, ContainerRequest::default());
        let (container, monitor) = self.spawn(&id, script);
        let store = self.store.clone();
        let pid = Pid::from_raw(i32::try_from(monitor.id()).unwrap());
        let supervisor = thread::spawn({
            let id = id.clone();
            move || supervise(&store, &id, container, monitor)
        });
        Fake {
            id,
            monitor: pid,
            supervisor,
        }
    }

    fn spawn(&self, id: &ContainerId, script: &str) -> (Child, Child) {
        let container = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let monitor = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity =
            |child: &Child| Some(ProcessIdentity::of(i32::try_from(child.id()).unwrap()).unwrap());
        let state = ContainerState {
            status: Status::Running,
            place: Place::here().clone(),
            container: identity(&container),
            monitor: identity(&monitor),
            started_at: Some(Timestamp::now()),
            ..ContainerState::default()
        };
        self.store.write_state(id, &state).unwrap();
        (container, monitor)
    }

    fn state(&self, id: &ContainerId) -> (ContainerState, Observed) {
        self.store.observe(id).unwrap()
    }

    fn remove(&self, name: &str, running: Running) -> Result<(), EngineError> {
        let options = RemoveOptions {
            running,
            ..RemoveOptions::default()
        };
        one(self
            .engine
            .remove(&named(&[name]), options, &Heard::default()))
    }
}

/// What a monitor does: reaps, records, ends.
fn supervise(store: &Store, id: &ContainerId, mut container: Child, mut monitor: Child) {
    use std::os::unix::process::ExitStatusExt as _;
    let status = container.wait().unwrap();
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    if let Ok(_lock) = store.lock(id) {
        // Killed in our place: then nobody records anything.
        if matches!(monitor.try_wait(), Ok(None)) {
            let state = ContainerState {
                status: Status::Exited,
                exit_code: code,
                finished_at: Some(Timestamp::now()),
                ..store.read_state(id).unwrap()
            };
            store.write_state(id, &state).unwrap();
        }
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
}

fn named(words: &[&str]) -> Selection {
    Selection {
        words: words.iter().map(|&word| word.to_owned()).collect(),
        ..Selection::default()
    }
}

fn one(items: Result<Vec<ItemResult>, EngineError>) -> Result<(), EngineError> {
    let mut items = items?;
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0).result
}

const OBEYS: &str = "trap 'exit 3' TERM; echo; while :; do sleep 0.01; done";
const IGNORES: &str = "trap '' TERM; while :; do sleep 0.01; done";

/// Until the shell has set its trap there is nothing to test.
fn wait_for_trap(fake: &Fake, bench: &Bench) {
    let (state, _) = bench.state(&fake.id);
    let pid = state.container.unwrap().pid;
    let caught_or_ignored = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mask = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        (mask("SigCgt:") | mask("SigIgn:")) & (1 << (libc::SIGTERM - 1)) != 0
    };
    while !caught_or_ignored() {
        thread::yield_now();
    }
}

#[test]
fn stop_asks_and_waits_for_the_record() {
    let bench = Bench::new();
    let fake = bench.start("web", OBEYS);
    wait_for_trap(&fake, &bench);
    let heard = Heard::default();
    let stopped = bench
        .engine
        .stop(&named(&["web"]), StopOptions::default(), &heard);
    one(stopped).unwrap();
    let (state, observed) = bench.state(&fake.id);
    assert_eq!(observed, Observed::Exited);
    assert_eq!(state.exit_code, Some(3));
    assert!(state.stopped_by_user);
    assert!(heard.0.borrow().is_empty());
    fake.supervisor.join().unwrap();
    // What has stopped is stopped again without a word.
    let stopped = bench
        .engine
        .stop(&named(&["web"]), StopOptions::default(), &heard);
    one(stopped).unwrap();
}

#[test]
fn stop_resorts_to_kill_and_says_so() {
    let bench = Bench::new();
    let fake = bench.start("deaf", IGNORES);
    wait_for_trap(&fake, &bench);
    let heard = Heard::default();
    let options = StopOptions {
        grace: Some(Grace::For(Duration::from_secs(1))),
        signal: None,
    };
    one(bench.engine.stop(&named(&["deaf"]), options, &heard)).unwrap();
    let words =
        "StopSignal SIGTERM failed to stop container deaf in 1 seconds, resorting to SIGKILL";
    assert_eq!(*heard.0.borrow(), [words]);
    assert_eq!(bench.state(&fake.id).0.exit_code, Some(137));
    fake.supervisor.join().unwrap();
}

#[test]
fn one_that_is_missing_does_not_keep_the_others_running() {
    let bench = Bench::new();
    let fakes = [bench.start("one", IGNORES), bench.start("two", IGNORES)];
    let options = StopOptions {
        grace: Some(Grace::For(Duration::ZERO)),
        signal: None,
    };
    let selection = named(&["one", "nosuch", "two", "one"]);
    let items = bench
        .engine
        .stop(&selection, options, &Heard::default())
        .unwrap();
    let done: Vec<_> = items
        .iter()
        .map(|item| (item.typed.as_str(), item.result.is_ok()))
        .collect();
    assert_eq!(done, [("one", true), ("nosuch", false), ("two", true)]);
    for fake in fakes {
        assert_eq!(bench.state(&fake.id).1, Observed::Exited);
        fake.supervisor.join().unwrap();
    }
}

#[test]
fn kill_refuses_what_does_not_run() {
    let bench = Bench::new();
    let fake = bench.start("web", IGNORES);
    let kill = |words: &[&str]| {
        bench
            .engine
            .kill(&named(words), libc::SIGKILL, &Heard::default())
    };
    one(kill(&["web"])).unwrap();
    assert_eq!(bench.state(&fake.id).0.exit_code, Some(137));
    let error = one(kill(&["web"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "can only kill running containers. {} is in state exited: container state improper",
            fake.id
        )
    );
    let all = Selection {
        scope: Scope::All,
        ..Selection::default()
    };
    let killed = bench.engine.kill(&all, libc::SIGKILL, &Heard::default());
    assert!(killed.unwrap().is_empty());
    fake.supervisor.join().unwrap();
}

#[test]
fn rm_refuses_what_runs_and_removes_it_with_force() {
    let bench = Bench::new();
    let fake = bench.start("web", IGNORES);
    let error = bench.remove("web", Running::Refuse).unwrap_err();
    assert!(matches!(error, EngineError::NotRemovable { .. }), "{error}");
    bench.remove("web", Running::Kill).unwrap();
    assert!(!bench.store.exists(&fake.id));
    fake.supervisor.join().unwrap();
    let error = bench.remove("web", Running::Kill).unwrap_err();
    assert!(error.is_missing(), "{error}");
}

#[test]
fn many_remove_one_container_at_once() {
    let bench = Arc::new(Bench::new());
    let fake = bench.start("web", IGNORES);
    let removers: Vec<_> = (0..6)
        .map(|_| {
            let (dirs, dialect) = (bench.engine.dirs.clone(), bench.engine.dialect);
            thread::spawn(move || {
                let engine = Engine {
                    dirs,
                    dialect,
                    runtime_flags: Vec::new(),
                    external: None,
                };
                let options = RemoveOptions {
                    running: Running::Kill,
                    ..RemoveOptions::default()
                };
                let selection = Selection {
                    missing: Missing::Ignore,
                    ..named(&["web"])
                };
                let items = engine
                    .remove(&selection, options, &Heard::default())
                    .unwrap();
                items.into_iter().all(|item| item.result.is_ok())
            })
        })
        .collect();
    assert!(removers.into_iter().all(|remover| remover.join().unwrap()));
    assert!(!bench.store.exists(&fake.id));
    fake.supervisor.join().unwrap();
}

#[test]
fn what_a_killed_monitor_left_is_ended_and_told() {
    let bench = Bench::new();
    let fake = bench.start("web", IGNORES);
    let container = bench.state(&fake.id).0.container.unwrap();
    kill(fake.monitor, Signal::SIGKILL).unwrap();
    while !matches!(bench.state(&fake.id).1, Observed::Lost(_)) {
        thread::yield_now();
    }
    let stopped = bench
        .engine
        .stop(&named(&["web"]), StopOptions::default(), &Heard::default());
    let told = one(stopped).unwrap_err();
    assert!(matches!(told, EngineError::MonitorKilled { .. }), "{told}");
    let (state, observed) = bench.state(&fake.id);
    assert_eq!(observed, Observed::Exited);
    assert_eq!(state.exit_code, Some(137));
    assert!(state.error.contains("monitor"), "{}", state.error);
    assert!(!container.is_alive());
    bench.remove("web", Running::Refuse).unwrap();
    fake.supervisor.join().unwrap();
}

#[test]
fn wait_returns_the_code_whenever_it_looks() {
    let bench = Bench::new();
    let wait = |name: &str, condition, missing| {
        let options = WaitOptions {
            conditions: vec![condition],
            interval: Duration::from_millis(250),
            until: Until::All,
        };
        let selection = Selection {
            missing,
            ..named(&[name])
        };
        let mut waited = bench.engine.wait(&selection, &options).unwrap();
        waited.remove(0).result
    };
    let fake = bench.start("web", "sleep 0.2; exit 7");
    assert_eq!(
        wait("web", Condition::Running, Missing::Report).unwrap(),
        -1
    );
    assert_eq!(wait("web", Condition::Ended, Missing::Report).unwrap(), 7);
    assert_eq!(wait("web", Condition::Ended, Missing::Report).unwrap(), 7);
    fake.supervisor.join().unwrap();
    bench.create("idle", ContainerRequest::default());
    assert_eq!(wait("idle", Condition::Ended, Missing::Report).unwrap(), 0);
    assert!(wait("nosuch", Condition::Ended, Missing::Report).is_err());
    assert_eq!(
        wait("nosuch", Condition::Ended, Missing::Ignore).unwrap(),
        -1
    );
}

#[test]
fn a_container_is_not_removed_before_those_in_its_namespaces() {
    let bench = Bench::new();
    let base = bench.create("base", ContainerRequest::default());
    let request = ContainerRequest {
        pid: Some("container:base".into()),
        ..ContainerRequest::default()
    };
    let guest = bench.create("guest", request);
    let error = bench.remove("base", Running::Refuse).unwrap_err();
    assert!(
        error.to_string().contains("has dependent containers"),
        "{error}"
    );
    let options = RemoveOptions {
        dependents: super::remove::Dependents::Remove,
        ..RemoveOptions::default()
    };
    let removed = bench
        .engine
        .remove(&named(&["base"]), options, &Heard::default())
        .unwrap();
    let names: Vec<_> = removed.iter().map(|item| item.typed.as_str()).collect();
    assert_eq!(names, [guest.as_str(), "base"]);
    assert!(!bench.store.exists(&base));
}

#[test]
fn the_latest_is_the_one_that_was_created_last() {
    let bench = Bench::new();
    let latest = Selection {
        scope: Scope::Latest,
        ..Selection::default()
    };
    assert!(bench.engine.select(&latest).unwrap_err().is_missing());
    bench.create("first", ContainerRequest::default());
    let second = bench.create("second", ContainerRequest::default());
    let chosen = bench.engine.select(&latest).unwrap();
    assert_eq!(chosen[0].typed, second.to_string());
    bench.engine.rename("second", "third").unwrap();
    assert_eq!(bench.store.resolve("third").unwrap(), second);
    let error = bench.engine.rename("third", "first").unwrap_err();
    assert!(error.to_string().contains("already in use"), "{error}");
}
