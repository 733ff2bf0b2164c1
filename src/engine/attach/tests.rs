// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pumps between real pipes, sockets and pseudo-terminals.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::*;
use crate::monitor::protocol::{Framing, OutputStream, frame_header};
use crate::sys::{fdpass, tty};

/// Remembers what the pump asked for.
#[derive(Debug, Default)]
struct Asked {
    sizes: Mutex<Vec<TerminalSize>>,
    signals: Mutex<Vec<i32>>,
}

impl Control for Asked {
    fn resize(&self, size: TerminalSize) {
        self.sizes.lock().unwrap().push(size);
    }

    fn signal(&self, signal: i32) {
        self.signals.lock().unwrap().push(signal);
    }
}

fn pump_between(
    endpoint: Endpoint,
    local: LocalStreams,
    control: &dyn Control,
    process: Option<&Pidfd>,
) -> Result<Ending, AttachError> {
    let signals = SignalGate::hold(SignalProxy::Forward).unwrap();
    pump(Pump {
        endpoint,
        local,
        control,
        signals: &signals,
        detach_keys: DetachKeys::default(),
        process: process.map(AsFd::as_fd),
    })
}

fn spawn(script: &str) -> (Child, Endpoint) {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let endpoint = Endpoint::Pipes {
        stdin: child.stdin.take().map(OwnedFd::from),
        stdout: child.stdout.take().map(OwnedFd::from),
        stderr: child.stderr.take().map(OwnedFd::from),
    };
    (child, endpoint)
}

fn file_with(content: &[u8]) -> OwnedFd {
    use std::io::{Seek, SeekFrom};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.into()
}

fn content_of(file: OwnedFd) -> String {
    use std::io::{Seek, SeekFrom};
    let mut file = File::from(file);
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn files_go_in_and_out() {
    let (mut child, endpoint) = spawn("cat; echo end >&2");
    let (stdout, stderr) = (file_with(b""), file_with(b""));
    let local = LocalStreams {
        stdin: Some(file_with(b"detach \x10\x11 keys are data here\n")),
        stdout: Some(stdout.try_clone().unwrap()),
        stderr: Some(stderr.try_clone().unwrap()),
    };
    let ending = pump_between(endpoint, local, &Asked::default(), None).unwrap();
    assert_eq!(ending, Ending::Ended);
    assert!(child.wait().unwrap().success());
    assert_eq!(content_of(stdout), "detach \x10\x11 keys are data here\n");
    assert_eq!(content_of(stderr), "end\n");
}

#[test]
fn more_than_any_buffer_goes_through_pipes() {
    let (mut child, endpoint) = spawn("cat");
    let (read_in, write_in) = nix::unistd::pipe().unwrap();
    let (read_out, write_out) = nix::unistd::pipe().unwrap();
    let length = 8 << 20;
    let writer = std::thread::spawn(move || {
        File::from(write_in).write_all(&vec![b'z'; length]).unwrap();
    });
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        File::from(read_out).read_to_end(&mut all).unwrap();
        all
    });
    let local = LocalStreams {
        stdin: Some(read_in),
        stdout: Some(write_out),
        stderr: None,
    };
    let ending = pump_between(endpoint, local, &Asked::default(), None).unwrap();
    assert_eq!(ending, Ending::Ended);
    writer.join().unwrap();
    assert_eq!(reader.join().unwrap(), vec![b'z'; length]);
    child.wait().unwrap();
}

#[test]
fn a_process_that_ends_is_the_end_whoever_keeps_its_streams() {
    let (mut child, endpoint) = spawn("sleep 30 & echo said; exec >/dev/null");
    let pidfd = Pidfd::open(i32::try_from(child.id()).unwrap()).unwrap();
    let stdout = file_with(b"");
    let local = LocalStreams {
        stdin: None,
        stdout: Some(stdout.try_clone().unwrap()),
        stderr: None,
    };
    let ending = pump_between(endpoint, local, &Asked::default(), Some(&pidfd)).unwrap();
    assert_eq!(ending, Ending::Ended);
    child.wait().unwrap();
    assert_eq!(content_of(stdout), "said\n");
}

#[test]
fn nobody_reading_the_output_is_an_ending() {
    let (mut child, endpoint) = spawn("while :; do echo y; done");
    let (read, write) = nix::unistd::pipe().unwrap();
    drop(read);
    let local = LocalStreams {
        stdin: None,
        stdout: Some(write),
        stderr: None,
    };
    let ending = pump_between(endpoint, local, &Asked::default(), None).unwrap();
    assert_eq!(ending, Ending::OutputClosed);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn frames_of_a_monitor_are_taken_apart() {
    let (ours, theirs) = fdpass::stream_pair().unwrap();
    let monitor = std::thread::spawn(move || {
        let mut theirs = File::from(theirs);
        let mut input = String::new();
        theirs.read_to_string(&mut input).unwrap();
        for (stream, text) in [(OutputStream::Stderr, "err"), (OutputStream::Stdout, "out")] {
            theirs.write_all(&frame_header(stream, 3)).unwrap();
            theirs.write_all(text.as_bytes()).unwrap();
        }
        input
    });
    let (stdout, stderr) = (file_with(b""), file_with(b""));
    let local = LocalStreams {
        stdin: Some(file_with(b"input")),
        stdout: Some(stdout.try_clone().unwrap()),
        stderr: Some(stderr.try_clone().unwrap()),
    };
    let endpoint = Endpoint::Socket {
        stream: ours,
        framing: Framing::Multiplexed,
    };
    let ending = pump_between(endpoint, local, &Asked::default(), None).unwrap();
    assert_eq!(ending, Ending::Ended);
    assert_eq!(monitor.join().unwrap(), "input");
    assert_eq!(
        (content_of(stdout), content_of(stderr)),
        ("out".into(), "err".into())
    );
}

/// The user's terminal, and the streams of a command that runs on it.
fn terminal() -> (OpenptyResult, LocalStreams) {
    let pty = openpty(None, None).unwrap();
    tty::set_size(&pty.master, 24, 80).unwrap();
    let local = LocalStreams {
        stdin: Some(pty.slave.try_clone().unwrap()),
        stdout: Some(pty.slave.try_clone().unwrap()),
        stderr: None,
    };
    (pty, local)
}

fn is_cooked(pty: &OpenptyResult) -> bool {
    let mode = tcgetattr(&pty.slave).unwrap();
    mode.local_flags
        .contains(LocalFlags::ICANON | LocalFlags::ECHO)
}

#[test]
fn detaching_gives_the_terminal_back() {
    let (user, local) = terminal();
    let container = openpty(None, None).unwrap();
    let endpoint = Endpoint::Terminal {
        master: container.master.try_clone().unwrap(),
    };
    let mut keyboard = File::from(user.master.try_clone().unwrap());
    let mut inside = File::from(container.slave.try_clone().unwrap());
    let typist = std::thread::spawn(move || {
        keyboard.write_all(b"a\r\x10b\r").unwrap();
        let mut line = [0; 16];
        let mut length = inside.read(&mut line).unwrap();
        length += inside.read(&mut line[length..]).unwrap();
        keyboard.write_all(b"\x10\x11rest").unwrap();
        line[..length].to_vec()
    });
    let asked = Asked::default();
    let ending = pump_between(endpoint, local, &asked, None).unwrap();
    assert_eq!(ending, Ending::Detached);
    assert_eq!(typist.join().unwrap(), b"a\n\x10b\n");
    assert!(is_cooked(&user));
    let size = TerminalSize {
        rows: 24,
        columns: 80,
    };
    assert_eq!(*asked.sizes.lock().unwrap(), [size]);
}

#[test]
fn the_terminal_is_raw_meanwhile_and_sizes_and_signals_are_passed_on() {
    let (user, local) = terminal();
    let (ours, theirs) = fdpass::stream_pair().unwrap();
    let endpoint = Endpoint::Socket {
        stream: ours,
        framing: Framing::Raw,
    };
    let observed = OpenptyResult {
        master: user.master.try_clone().unwrap(),
        slave: user.slave.try_clone().unwrap(),
    };
    let asked = Asked::default();
    let signals = SignalGate::hold(SignalProxy::Forward).unwrap();
    for signal in [libc::SIGWINCH, libc::SIGUSR1] {
        let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
        nix::sys::signal::raise(signal).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut theirs = File::from(theirs);
            theirs.write_all(b"prompt").unwrap();
            let mut screen = File::from(observed.master.try_clone().unwrap());
            let mut shown = [0; 6];
            screen.read_exact(&mut shown).unwrap();
            assert_eq!(&shown, b"prompt");
            assert!(!is_cooked(&observed));
            while asked.signals.lock().unwrap().is_empty() {
                std::thread::yield_now();
            }
        });
        let ending = pump(Pump {
            endpoint,
            local,
            control: &asked,
            signals: &signals,
            detach_keys: DetachKeys::default(),
            process: None,
        });
        assert_eq!(ending.unwrap(), Ending::Ended);
    });
    assert!(is_cooked(&user));
    let rows: Vec<u16> = asked
        .sizes
        .lock()
        .unwrap()
        .iter()
        .map(|size| size.rows)
        .collect();
    assert_eq!(rows, [24, 24]);
    assert_eq!(*asked.signals.lock().unwrap(), [libc::SIGUSR1]);
}

#[test]
fn signals_that_are_not_passed_on_end_the_attachment() {
    let (user, local) = terminal();
    let (ours, _theirs) = fdpass::stream_pair().unwrap();
    let endpoint = Endpoint::Socket {
        stream: ours,
        framing: Framing::Raw,
    };
    let signals = SignalGate::hold(SignalProxy::Keep).unwrap();
    nix::sys::signal::raise(nix::sys::signal::SIGTERM).unwrap();
    let ending = pump(Pump {
        endpoint,
        local,
        control: &Asked::default(),
        signals: &signals,
        detach_keys: DetachKeys::default(),
        process: None,
    });
    assert_eq!(ending.unwrap(), Ending::Interrupted(libc::SIGTERM));
    assert!(is_cooked(&user));
}
