// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logs of recorded containers, with a thread in the place of a monitor.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;

use super::*;
use crate::engine::Dialect;
use crate::monitor::protocol::{Reply, SOCKET_NAME};
use crate::state::atomic::Durability;
use crate::state::dirs::Dirs;
use crate::state::record::{ContainerRecord, ContainerRequest, Resolved};
use crate::sys::fdpass;

/// A store with an engine on it.
struct Bench {
    directory: tempfile::TempDir,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("s"), directory.path().join("r"));
        let dialect = Dialect::Podman;
        let engine = Engine {
            dirs,
            dialect,
            runtime_flags: Vec::new(),
            external: None,
        };
        Self { directory, engine }
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn create(&self, name: &str, driver: &str) -> ContainerId {
        let mut bytes = [0; 32];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let record = ContainerRecord {
            id: ContainerId::from_random(&bytes),
            name: name.to_owned(),
            created: Timestamp::now(),
            request: ContainerRequest::default(),
            resolved: Resolved {
                log_driver: driver.to_owned(),
                log_path: self.log_of(name),
                ..Resolved::default()
            },
        };
        let store = self.engine.store().unwrap();
        drop(store.create(&record, Durability::Unsynced).unwrap());
        record.id
    }

    /// Appends a record of the given second.
    fn write(&self, name: &str, second: i64, rest: &str) {
        let path = self.log_of(name);
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        let time = self::second(second);
        file.write_all(format!("{time} {rest}\n").as_bytes())
            .unwrap();
    }

    fn show(&self, ids: &[ContainerId], request: &LogRequest) -> Vec<String> {
        let mut shown = Shown::default();
        self.engine.logs(ids, request, &mut shown).unwrap();
        shown.pieces
    }

    /// A thread that a follower takes for the monitor of `id`.
    fn monitor(
        &self,
        id: &ContainerId,
        serve: fn(&Self, File),
        bench: &'static Self,
    ) -> JoinHandle<()> {
        let directory = self.engine.dirs.container_run(id);
        std::fs::create_dir_all(&directory).unwrap();
        let listener = fdpass::listen_in(&directory, SOCKET_NAME).unwrap();
        std::thread::spawn(move || {
            let connection = fdpass::accept(listener.as_fd()).unwrap().unwrap();
            let flag = crate::sys::stream::Blocking::Yes;
            crate::sys::stream::set_blocking(&connection, flag).unwrap();
            let mut connection = File::from(connection);
            let mut request = [0; 64];
            let length = connection.read(&mut request).unwrap();
            assert_eq!(&request[..length], b"\"follow_log\"\n");
            reply(&mut connection, &Reply::Done);
            serve(bench, connection);
        })
    }
}

fn reply(connection: &mut File, reply: &Reply) {
    let line = serde_json::to_string(reply).unwrap() + "\n";
    connection.write_all(line.as_bytes()).unwrap();
}

/// Remembers what was shown as `CONTAINER STREAM TEXT|`, with `|` for the end of a line.
#[derive(Default)]
struct Shown {
    pieces: Vec<String>,
    output: Option<OwnedFd>,
}

impl LogSink for Shown {
    fn piece(&mut self, piece: &LogPiece<'_>) -> io::Result<()> {
        let text = String::from_utf8_lossy(piece.text);
        let (container, stream) = (piece.container, piece.stream.number());
        let end = if piece.ends_line { "|" } else { "" };
        self.pieces
            .push(format!("{container} {stream} {text}{end}"));
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn several_logs_are_shown_in_the_order_of_time() {
    let bench = Bench::new();
    let ids = [
        bench.create("a", "k8s-file"),
        bench.create("b", "json-file"),
    ];
    bench.write("a", 10, "stdout F a10");
    bench.write("a", 30, "stderr P a30");
    bench.write("a", 30, "stderr F end");
    bench.write("b", 20, "stdout F b20");
    bench.write("b", 40, "stdout F b40");
    let all = ["0 1 a10|", "1 1 b20|", "0 2 a30", "0 2 end|", "1 1 b40|"];
    assert_eq!(bench.show(&ids, &LogRequest::default()), all);

    let limited = LogRequest {
        since: Some(second(10)),
        until: Some(second(40)),
        ..LogRequest::default()
    };
    assert_eq!(bench.show(&ids, &limited), &all[1..4]);
    let tail = LogRequest {
        tail: Some(1),
        ..LogRequest::default()
    };
    assert_eq!(bench.show(&ids, &tail), &all[2..]);
}

#[test]
fn a_container_that_never_wrote_has_an_empty_log() {
    let bench = Bench::new();
    let id = bench.create("quiet", "k8s-file");
    for follow in [Follow::No, Follow::UntilEnd] {
        let request = LogRequest {
            follow,
            ..LogRequest::default()
        };
        assert!(bench.show(std::slice::from_ref(&id), &request).is_empty());
    }
}

#[test]
fn output_that_is_not_kept_is_told() {
    let bench = Bench::new();
    for driver in ["none", "passthrough"] {
        let id = bench.create(driver, driver);
        let shown = bench
            .engine
            .logs(&[id], &LogRequest::default(), &mut Shown::default());
        let expected =
            format!("this container is using the '{driver}' log driver, cannot read logs");
        assert!(shown.unwrap_err().to_string().starts_with(&expected));
    }
}

#[test]
fn following_ends_with_the_container_and_misses_nothing() {
    let bench: &'static Bench = Box::leak(Box::new(Bench::new()));
    let id = bench.create("web", "k8s-file");
    bench.write("web", 1, "stdout F before");
    let monitor = bench.monitor(
        &id,
        |bench, mut connection| {
            let mut armed = [0];
            for number in 2..5 {
                connection.read_exact(&mut armed).unwrap();
                bench.write("web", number, &format!("stdout F line {number}"));
                connection.write_all(b"+").unwrap();
            }
            bench.write("web", 9, "stdout P last");
            reply(&mut connection, &Reply::Exited { code: 0 });
        },
        bench,
    );
    let request = LogRequest {
        follow: Follow::UntilEnd,
        ..LogRequest::default()
    };
    let expected = [
        "0 1 before|",
        "0 1 line 2|",
        "0 1 line 3|",
        "0 1 line 4|",
        "0 1 last",
    ];
    assert_eq!(bench.show(&[id], &request), expected);
    monitor.join().unwrap();
}

#[test]
fn following_ends_at_its_time_and_with_its_reader() {
    let bench: &'static Bench = Box::leak(Box::new(Bench::new()));
    let soon = Timestamp::now() + jiff::SignedDuration::from_millis(50);
    let request = LogRequest {
        follow: Follow::UntilEnd,
        until: Some(soon),
        ..LogRequest::default()
    };
    let id = bench.create("web", "k8s-file");
    let wait_for_hang_up = |_: &Bench, mut connection: File| {
        std::io::copy(&mut connection, &mut std::io::sink()).unwrap();
    };
    let monitor = bench.monitor(&id, wait_for_hang_up, bench);
    assert!(bench.show(std::slice::from_ref(&id), &request).is_empty());
    monitor.join().unwrap();
    assert!(Timestamp::now() >= soon);

    let id = bench.create("db", "k8s-file");
    let monitor = bench.monitor(&id, wait_for_hang_up, bench);
    let (read, write) = nix::unistd::pipe().unwrap();
    drop(read);
    let mut shown = Shown {
        output: Some(write),
        ..Shown::default()
    };
    let endless = LogRequest {
        follow: Follow::UntilEnd,
        ..LogRequest::default()
    };
    let result = bench.engine.logs(&[id], &endless, &mut shown);
    let Err(LogsError::Write(error)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    monitor.join().unwrap();
}
