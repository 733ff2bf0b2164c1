// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs under a deadline: each runs in a process group of its own that is killed when it
//! takes too long, and its output can be waited for while it runs.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a command may take unless the test says otherwise: far more than any needs, even on
/// a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The command line, for messages.
    pub(crate) shown: String,
    /// Its exit code; 128+n after signal n.
    pub(crate) code: i32,
    /// Everything it wrote to standard output.
    pub(crate) stdout: String,
    /// Everything it wrote to standard error.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Fails the test unless the command ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code of: {}\nstdout: {}\nstderr: {}",
            self.shown, self.stdout, self.stderr
        );
        self
    }

    /// Standard output without white space at its ends.
    pub(crate) fn out(&self) -> &str {
        self.stdout.trim()
    }

    /// Standard error without white space at its ends.
    pub(crate) fn err(&self) -> &str {
        self.stderr.trim()
    }

    /// Fails the test unless standard error holds `words`.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(
            self.stderr.contains(words),
            "{} should say {words:?}\nstdout: {}\nstderr: {}",
            self.shown,
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A command that has not been started yet.
#[derive(Debug)]
pub(crate) struct Call {
    command: Command,
    shown: String,
    stdin: Vec<u8>,
    patience: Duration,
}

impl Call {
    /// A call of `program` with nothing on its standard input.
    pub(crate) fn new(program: &str) -> Self {
        let mut command = Command::new(program);
        command.process_group(0);
        Self {
            command,
            shown: program.to_owned(),
            stdin: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// Adds arguments.
    pub(crate) fn args<S: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        for argument in arguments {
            self.command.arg(argument.as_ref());
            self.shown.push(' ');
            self.shown.push_str(argument.as_ref());
        }
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it `bytes` on standard input, then the end of file.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Lets it take this long.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    ///
    /// The test fails when the deadline passes: the whole process group is killed first.
    #[track_caller]
    pub(crate) fn run(self) -> Outcome {
        self.spawn().finish()
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn spawn(mut self) -> Running {
        let stdin = if self.stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        let child = self
            .command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", self.shown));
        Running::watch(child, self.shown, self.stdin, self.patience)
    }
}

/// A command that runs. Dropping it kills its process group.
#[derive(Debug)]
pub(crate) struct Running {
    shown: String,
    pid: Pid,
    deadline: Instant,
    status: Arc<Watched<Option<ExitStatus>>>,
    /// What it wrote to standard output so far.
    pub(crate) stdout: Stream,
    /// What it wrote to standard error so far.
    pub(crate) stderr: Stream,
}

impl Running {
    fn watch(mut child: Child, shown: String, stdin: Vec<u8>, patience: Duration) -> Self {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
        let stdout = Stream::of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Stream::of(child.stderr.take().expect("stderr is a pipe"));
        if let Some(mut pipe) = child.stdin.take() {
            // A command that ends without reading its input is none of our business.
            thread::spawn(move || drop(pipe.write_all(&stdin)));
        }
        let status = Arc::new(Watched::new(None));
        let watched = Arc::clone(&status);
        thread::spawn(move || {
            let ended = child.wait().expect("our own child can be waited for");
            watched.change(|status| *status = Some(ended));
        });
        Self {
            shown,
            pid,
            deadline: Instant::now() + patience,
            status,
            stdout,
            stderr,
        }
    }

    /// Sends `signal` to the command alone.
    pub(crate) fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(self.pid, signal).expect("the command runs");
    }

    /// Waits until standard output holds `words`.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        let found = self.stdout.wait_for(words, self.deadline);
        assert!(
            found,
            "{} never wrote {words:?}\nstdout: {}\nstderr: {}",
            self.shown,
            self.stdout.text(),
            self.stderr.text()
        );
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end, but no longer than `time`.
    pub(crate) fn wait_at_most(&self, time: Duration) {
        self.status.wait(Instant::now() + time, Option::is_some);
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> bool {
        self.status.look(Option::is_none)
    }

    /// Waits for its end and for the end of both streams.
    #[track_caller]
    pub(crate) fn finish(self) -> Outcome {
        let ended = self.status.wait(self.deadline, Option::is_some);
        if !ended {
            self.kill_group();
        }
        let closed =
            self.stdout.wait_closed(self.deadline) && self.stderr.wait_closed(self.deadline);
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        assert!(
            ended,
            "{} did not end in time and was killed\nstdout: {stdout}\nstderr: {stderr}",
            self.shown
        );
        assert!(
            closed,
            "{} ended, but something it left behind holds its output open\nstdout: {stdout}\nstderr: {stderr}",
            self.shown
        );
        let status = self.status.look(|status| status.expect("it ended"));
        Outcome {
            shown: self.shown.clone(),
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().expect("no code, so a signal")),
            stdout,
            stderr,
        }
    }

    fn kill_group(&self) {
        // The group may be gone already; that is what was wanted.
        killpg(self.pid, Signal::SIGKILL).ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.runs() {
            self.kill_group();
        }
    }
}

/// One output stream of a running command, read by a thread of its own.
#[derive(Debug, Clone)]
pub(crate) struct Stream(Arc<Watched<Buffer>>);

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    closed: bool,
}

impl Stream {
    /// Reads `pipe` to its end in the background.
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Watched::new(Buffer::default()));
        let stream = Self(Arc::clone(&shared));
        thread::spawn(move || {
            let mut chunk = [0; 8192];
            // A pseudo-terminal whose other side closed says EIO where a pipe says 0.
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                shared.change(|buffer| buffer.bytes.extend_from_slice(&chunk[..count]));
            }
            shared.change(|buffer| buffer.closed = true);
        });
        stream
    }

    /// What was written so far.
    pub(crate) fn text(&self) -> String {
        self.0
            .look(|buffer| String::from_utf8_lossy(&buffer.bytes).into_owned())
    }

    /// Waits until the text holds `words`; `false` when the stream ended or time ran out first.
    pub(crate) fn wait_for(&self, words: &str, deadline: Instant) -> bool {
        let holds = |buffer: &Buffer| String::from_utf8_lossy(&buffer.bytes).contains(words);
        self.0
            .wait(deadline, |buffer| buffer.closed || holds(buffer));
        self.0.look(holds)
    }

    fn wait_closed(&self, deadline: Instant) -> bool {
        // A grace for the bytes that are on their way when the process is gone.
        let deadline = deadline.max(Instant::now() + Duration::from_secs(5));
        self.0.wait(deadline, |buffer| buffer.closed)
    }
}

/// A value that one thread changes and others wait for.
#[derive(Debug)]
struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.lock().expect("no holder panics"));
        self.changed.notify_all();
    }

    fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.lock().expect("no holder panics"))
    }

    fn wait(&self, deadline: Instant, ready: impl Fn(&T) -> bool) -> bool {
        let value = self.value.lock().expect("no holder panics");
        let left = deadline.saturating_duration_since(Instant::now());
        let (value, _) = self
            .changed
            .wait_timeout_while(value, left, |value| !ready(value))
            .expect("no holder panics");
        ready(&value)
    }
}
