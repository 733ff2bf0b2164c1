// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Drives a whole monitor with ordinary child processes in the place of containers.

mod fixture;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::protocol::{
    self, AttachedStreams, Connection, Framing, OutputStream, ProtocolError, Reply, Request,
    SignalIntent, TerminalSize,
};
use super::*;
use crate::sys::fdpass;
use fixture::Options;

const TYPING: AttachedStreams = AttachedStreams {
    stdin: true,
    stdout: false,
    stderr: false,
};

/// Takes frames apart until the stream ends.
fn read_frames(mut stream: impl Read) -> (Vec<u8>, Vec<u8>) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut header = [0; protocol::FRAME_HEADER_BYTES];
    while stream.read_exact(&mut header).is_ok() {
        let [number, _, _, _, length @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut payload).unwrap();
        match OutputStream::from_number(number).unwrap() {
            OutputStream::Stdout => stdout.extend(payload),
            OutputStream::Stderr => stderr.extend(payload),
        }
    }
    (stdout, stderr)
}

/// Streams and texts of a log's records.
fn log_records(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let record = |line: &str| line.split_once(' ').unwrap().1.to_owned();
    text.lines().map(record).collect()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn output_is_kept_and_the_exit_recorded() {
    let running = Options::of("echo out; echo err >&2; printf part; exit 7").start();
    let (report, directory) = running.finish();
    assert_eq!((report.code, report.signal), (7, None));
    assert!(!report.oom_killed && !report.stopped_by_user && !report.timed_out);
    let mut records = log_records(&directory.path().join("ctr.log"));
    records.sort();
    assert_eq!(records, ["stderr F err", "stdout F out", "stdout P part"]);
}

#[test]
fn a_signal_is_an_exit_code_too() {
    let running = Options::of("kill -9 $$").start();
    let (report, _) = running.finish();
    assert_eq!((report.code, report.signal), (137, Some(9)));
}

#[test]
fn the_foreground_sees_everything_and_feeds_standard_input() {
    let mut options = Options::of("cat; echo done >&2; exit 3");
    options.stdin = true;
    let (running, mut stream) = options.start_in_foreground(AttachedStreams::ALL);
    stream.write_all(b"some input").unwrap();
    protocol::end_input(stream.as_fd()).unwrap();
    let (stdout, stderr) = read_frames(&stream);
    assert_eq!(
        (&stdout[..], &stderr[..]),
        (&b"some input"[..], &b"done\n"[..])
    );
    // The stream ends after the record is written and everything is removed.
    running
        .report
        .try_recv()
        .map(|report| assert_eq!(report.code, 3))
        .unwrap();
    running.cleaned.try_recv().unwrap();
    assert_eq!(running.thread.join().unwrap(), 3);
}

#[test]
fn a_client_that_goes_away_ends_standard_input_by_policy() {
    for (policy, ends) in [
        (StdinPolicy::CloseAfterClient, true),
        (StdinPolicy::KeepOpen, false),
    ] {
        let mut options = Options::of("echo ready; cat; echo eof");
        options.stdin = true;
        options.policy = policy;
        let running = options.start();
        let (mut stream, _) = running.attach(AttachedStreams::ALL);
        stream.write_all(b"one\n").unwrap();
        drop(stream);
        let log = running.log_path();
        wait_until("the input arrives", || log_records(&log).len() >= 2);
        if !ends {
            // Others can go on where it left off.
            let (mut stream, _) = running.attach(AttachedStreams::ALL);
            stream.write_all(b"two\n").unwrap();
            wait_until("the input arrives", || log_records(&log).len() == 3);
            protocol::signal(running.run_directory(), 9, SignalIntent::Stop).unwrap();
        }
        let (report, _) = running.finish();
        assert_eq!(report.code, if ends { 0 } else { 137 });
        assert_eq!(report.stopped_by_user, !ends);
    }
}

#[test]
fn input_arrives_also_from_a_client_that_reads_nothing_and_leaves() {
    let script = "yes & read line; echo \"$line\" >&2; kill $!";
    for _ in 0..20 {
        let mut options = Options::of(script);
        options.stdin = true;
        options.size_max_bytes = 4096;
        let running = options.start();
        let (looking, _) = running.attach(AttachedStreams {
            stdout: false,
            ..AttachedStreams::OUTPUT
        });
        let (mut stream, _) = running.attach(AttachedStreams::ALL);
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(b"word\n").unwrap();
        drop(stream);
        assert_eq!(read_frames(looking).1, b"word\n");
        running.finish();
    }
}

#[test]
fn who_only_looks_does_not_end_standard_input() {
    let mut options = Options::of("cat; exit 5");
    options.stdin = true;
    let running = options.start();
    let (looking, _) = running.attach(AttachedStreams::OUTPUT);
    protocol::end_input(looking.as_fd()).unwrap();
    drop(looking);
    let (mut feeding, _) = running.attach(AttachedStreams::ALL);
    feeding.write_all(b"still open").unwrap();
    protocol::end_input(feeding.as_fd()).unwrap();
    assert_eq!(read_frames(feeding).0, b"still open");
    assert_eq!(running.finish().0.code, 5);
}

#[test]
fn much_output_arrives_whole_at_a_slow_reader() {
    const BYTES: usize = 64 << 20;
    let script = format!("read go; head -c {BYTES} /dev/zero | tr '\\0' 'x'");
    let mut options = Options::of(&script);
    options.stdin = true;
    options.size_max_bytes = 1 << 20;
    let running = options.start();
    let (mut stream, _) = running.attach(AttachedStreams::ALL);
    stream.write_all(b"\n").unwrap();
    let (mut hash, mut total, mut reads) = (Sha256::new(), 0, 0);
    let mut header = [0; 8];
    while stream.read_exact(&mut header).is_ok() {
        let [_, _, _, _, length @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut payload).unwrap();
        hash.update(&payload);
        total += payload.len();
        reads += 1;
        if reads % 256 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        if reads % 512 == 1 {
            // Long enough to count as stopped: what comes meanwhile goes by the disk.
            std::thread::sleep(Duration::from_millis(250));
        }
    }
    assert_eq!(total, BYTES);
    let block = vec![b'x'; 1 << 16];
    let mut expected = Sha256::new();
    for _ in 0..BYTES >> 16 {
        expected.update(&block);
    }
    assert_eq!(hash.finalize(), expected.finalize());
    let (report, directory) = running.finish();
    assert_eq!(report.code, 0);
    let kept = directory.path().join("ctr.log").metadata().unwrap().len();
    assert!(kept <= 1 << 20, "{kept}");
}

#[test]
fn twenty_clients_see_the_same() {
    let mut options =
        Options::of("read go; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
    options.stdin = true;
    let running = options.start();
    let clients: Vec<File> = (0..20)
        .map(|_| running.attach(AttachedStreams::OUTPUT).0)
        .collect();
    let readers: Vec<_> = clients
        .into_iter()
        .map(|client| std::thread::spawn(move || read_frames(client).0))
        .collect();
    running
        .attach(AttachedStreams::ALL)
        .0
        .write_all(b"\n")
        .unwrap();
    let lines: Vec<String> = (0..2000).map(|n| format!("line {n}\n")).collect();
    let expected = lines.concat();
    for reader in readers {
        assert_eq!(String::from_utf8(reader.join().unwrap()).unwrap(), expected);
    }
    running.finish();
}

#[test]
fn a_client_that_stops_reading_holds_neither_output_nor_log() {
    const BYTES: usize = 900_000;
    let script = format!("read go; head -c {BYTES} /dev/zero; echo done; read end");
    for foreground in [true, false] {
        let mut options = Options::of(&script);
        options.stdin = true;
        let (running, stopped) = if foreground {
            options.start_in_foreground(AttachedStreams::OUTPUT)
        } else {
            let running = options.start();
            let stopped = running.attach(AttachedStreams::OUTPUT).0;
            (running, stopped)
        };
        let mut typing = running.attach(TYPING).0;
        let began = Instant::now();
        typing.write_all(b"\n").unwrap();
        wait_until("the log is complete", || {
            std::fs::read(running.log_path()).is_ok_and(|log| log.ends_with(b"done\n"))
        });
        assert!(began.elapsed() < Duration::from_secs(2));
        typing.write_all(b"\n").unwrap();
        let (output, _) = read_frames(stopped);
        assert_eq!(output.len(), BYTES + "done\n".len());
        assert!(output.ends_with(b"\0done\n"));
        running.finish();
    }
}

#[test]
fn a_client_that_never_reads_is_let_go() {
    let mut options = Options::of("read go; head -c 8000000 /dev/zero; echo >&2");
    options.stdin = true;
    let running = options.start();
    let (stuck, _) = running.attach(AttachedStreams::OUTPUT);
    let began = Instant::now();
    running.attach(TYPING).0.write_all(b"\n").unwrap();
    let (report, _directory) = running.finish();
    assert_eq!(report.code, 0);
    let took = began.elapsed();
    assert!(took < client::STALL_LIMIT * 2, "{took:?}");
    drop(stuck);
}

#[test]
fn background_processes_do_not_hold_up_the_end() {
    let running = Options::of("sleep 30 & echo started; exit 4").start();
    let began = Instant::now();
    let (report, directory) = running.finish();
    assert_eq!(report.code, 4);
    assert!(began.elapsed() < Duration::from_secs(10));
    let records = log_records(&directory.path().join("ctr.log"));
    assert_eq!(records, ["stdout F started"]);
}

#[test]
fn closed_outputs_do_not_end_or_busy_the_monitor() {
    let running = Options::of("exec >&- 2>&-; sleep 0.3; exit 6").start();
    assert_eq!(running.finish().0.code, 6);
}

#[test]
fn waits_hear_the_code_after_the_record() {
    let mut options = Options::of("read go; exit 9");
    options.stdin = true;
    let running = options.start();
    let run_directory = running.run_directory().to_owned();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let connection = Connection::open(&run_directory).unwrap();
            connection.send(&Request::Wait).unwrap();
            std::thread::spawn(move || protocol::exit_code(&connection).unwrap())
        })
        .collect();
    running
        .attach(AttachedStreams::ALL)
        .0
        .write_all(b"\n")
        .unwrap();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), 9);
    }
    running.finish();
}

#[test]
fn nobody_answers_after_the_end() {
    let running = Options::of("exit 0").start();
    let (_, directory) = running.finish();
    let attached = protocol::attach(directory.path(), AttachedStreams::ALL);
    assert!(matches!(attached, Err(ProtocolError::NoMonitor { .. })));
    let nowhere = directory.path().join("nowhere");
    let waited = protocol::wait(&nowhere);
    assert!(matches!(waited, Err(ProtocolError::NoMonitor { .. })));
}

#[test]
fn a_time_limit_kills() {
    let mut options = Options::of("sleep 60");
    options.timeout = Some(Duration::from_millis(50));
    let (report, _) = options.start().finish();
    assert_eq!((report.code, report.timed_out), (255, true));
}

#[test]
fn a_terminal_has_a_size_and_a_memory() {
    let script = "stty -echo; echo hello; read line; stty size; printf '%s $ ' \"$line\"; read end";
    let mut options = Options::of(script);
    options.terminal = true;
    let running = options.start();
    let log = running.log_path();
    wait_until("the first line", || !log_records(&log).is_empty());
    let size = TerminalSize {
        rows: 33,
        columns: 121,
    };
    protocol::command(running.run_directory(), &Request::Resize(size)).unwrap();

    // What came before is shown to who comes first.
    let (mut first, framing) = running.attach(AttachedStreams::ALL);
    assert_eq!(framing, Framing::Raw);
    first.write_all(b"abc\n").unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"abc $ ") {
        let mut byte = [0];
        first.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    assert_eq!(
        String::from_utf8(seen).unwrap(),
        "hello\r\n33 121\r\nabc $ "
    );
    drop(first);

    // The line with the prompt is shown to who comes back; the stream ends with the container.
    let (mut again, _) = running.attach(AttachedStreams::ALL);
    let mut prompt = [0; 6];
    again.read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"abc $ ");
    again.write_all(b"\n").unwrap();
    let mut rest = Vec::new();
    again.read_to_end(&mut rest).unwrap();
    assert_eq!(running.finish().0.code, 0);
}

#[test]
fn followers_of_the_log_hear_of_news_and_of_the_end() {
    let mut options = Options::of("read a; echo one; read b; exit 2");
    options.stdin = true;
    options.policy = StdinPolicy::KeepOpen;
    let running = options.start();
    let connection = Connection::open(running.run_directory()).unwrap();
    connection.send(&Request::FollowLog).unwrap();
    assert_eq!(connection.reply().unwrap(), Reply::Done);
    let mut stream = File::from(connection.into_stream());
    let (mut input, _) = running.attach(AttachedStreams::ALL);
    let mut news = [0];
    stream.write_all(b".").unwrap();
    input.write_all(b"\n").unwrap();
    stream.read_exact(&mut news).unwrap();
    assert_eq!(news, [b'+']);
    assert_eq!(log_records(&running.log_path()), ["stdout F one"]);
    stream.write_all(b".").unwrap();
    input.write_all(b"\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "{\"exited\":{\"code\":2}}\n");
    running.finish();
}

#[test]
fn a_pidfd_is_the_container() {
    let running = Options::of("sleep 60").start();
    let pidfd = protocol::pidfd(running.run_directory()).unwrap();
    pidfd.send_signal(libc::SIGTERM).unwrap();
    let (report, _) = running.finish();
    assert_eq!(report.signal, Some(libc::SIGTERM));
    assert!(!report.stopped_by_user);
}

#[test]
fn nonsense_is_refused_and_harms_nobody() {
    let running = Options::of("sleep 60").start();
    for nonsense in [
        &b"\n"[..],
        b"{\"attach\":7}\n",
        b"\xff\xfe\n",
        b"\"dance\"\n",
    ] {
        let socket = fdpass::connect_in(running.run_directory(), protocol::SOCKET_NAME).unwrap();
        let mut stream = File::from(socket);
        stream.write_all(nonsense).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap_or_default();
        assert!(answer.starts_with("{\"refused\":"), "{answer}");
    }
    let socket = fdpass::connect_in(running.run_directory(), protocol::SOCKET_NAME).unwrap();
    let mut endless = File::from(socket);
    // The monitor hangs up when no request can come of it.
    while endless.write_all(&[b'x'; 4096]).is_ok() {}
    let size = TerminalSize {
        rows: 1,
        columns: 1,
    };
    let refused = protocol::command(running.run_directory(), &Request::Resize(size));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the container has no terminal"
    );
    protocol::signal(running.run_directory(), 15, SignalIntent::Forward).unwrap();
    running.finish();
}

#[test]
fn a_full_disk_stops_only_the_log() {
    for driver in [LogDriver::K8sFile, LogDriver::JsonFile] {
        let mut options = Options::of("yes | head -c 1000000; echo end >&2; exit 1");
        options.driver = driver;
        options.log_path = Some(PathBuf::from("/dev/full"));
        let (running, stream) = options.start_in_foreground(AttachedStreams::OUTPUT);
        let (stdout, stderr) = read_frames(stream);
        assert_eq!((stdout.len(), &stderr[..]), (1_000_000, &b"end\n"[..]));
        assert_eq!(running.finish().0.code, 1);
    }
}

#[test]
fn a_container_that_comes_back_keeps_its_log_and_its_followers() {
    let mut options = Options::of("sleep 0.3; echo run; exit 3");
    options.again = vec![Duration::from_millis(50), Duration::ZERO];
    let (running, stream) = options.start_in_foreground(AttachedStreams::OUTPUT);
    let connection = Connection::open(running.run_directory()).unwrap();
    connection.send(&Request::FollowLog).unwrap();
    assert_eq!(connection.reply().unwrap(), Reply::Done);
    // Who is attached sees one run.
    assert_eq!(read_frames(stream).0, b"run\n");
    for _ in 0..2 {
        let report = running.report.recv_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!(report.code, 3);
    }
    let mut followed = String::new();
    let mut follower = File::from(connection.into_stream());
    follower.write_all(b".").unwrap();
    follower.read_to_string(&mut followed).unwrap();
    assert!(
        followed.ends_with("{\"exited\":{\"code\":3}}\n"),
        "{followed}"
    );
    assert_eq!(followed.matches("exited").count(), 1);
    let (report, directory) = running.finish();
    assert_eq!(report.code, 3);
    assert_eq!(
        log_records(&directory.path().join("ctr.log")),
        ["stdout F run"; 3]
    );
}
