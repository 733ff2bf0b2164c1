// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A monitor in a thread of the test, with an ordinary child process in the place of a container.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::super::protocol::{self, AttachedStreams, Framing};
use super::super::*;
use crate::state::id::ContainerId;
use crate::sys::fdpass;
use crate::sys::pidfd::Pidfd;

/// A monitor that runs in a thread of the test, with its container.
pub(super) struct Running {
    pub(super) directory: TempDir,
    pub(super) thread: JoinHandle<i32>,
    pub(super) report: Receiver<ExitReport>,
    pub(super) cleaned: Receiver<()>,
}

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) script: String,
    pub(super) stdin: bool,
    pub(super) terminal: bool,
    pub(super) policy: StdinPolicy,
    pub(super) driver: LogDriver,
    pub(super) size_max_bytes: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) log_path: Option<PathBuf>,
    /// The pauses before further runs.
    pub(super) again: Vec<Duration>,
}

/// Notes the turns of a container's life.
#[derive(Debug)]
struct Witness {
    report_to: Sender<ExitReport>,
    cleaned_to: Sender<()>,
    again: Vec<Duration>,
    container: Options,
}

impl Conduct for Witness {
    fn record_exit(&mut self, report: &ExitReport) -> Next {
        self.report_to.send(*report).unwrap();
        match self.again.pop() {
            Some(pause) => Next::Again { pause },
            None => Next::End,
        }
    }

    fn run_ended(&mut self, _code: i32) {}

    fn start_again(&mut self, _pause: Pause) -> Result<Run, i32> {
        let (child, io) = self.container.spawn_container();
        Ok(run_of(&child, io))
    }

    fn clean_up(&mut self) {
        self.cleaned_to.send(()).unwrap();
    }
}

fn run_of(child: &Child, io: ContainerIo) -> Run {
    let pid = i32::try_from(child.id()).unwrap();
    Run {
        container: Pidfd::open(pid).unwrap().into(),
        pid,
        io,
        helpers: Vec::new(),
        root_server: None,
        held: Vec::new(),
        lifeline: None,
        memory_events: None,
        probe: None,
    }
}

impl Options {
    pub(super) fn of(script: &str) -> Self {
        Self {
            script: script.to_owned(),
            stdin: false,
            terminal: false,
            policy: StdinPolicy::CloseAfterClient,
            driver: LogDriver::K8sFile,
            size_max_bytes: 0,
            timeout: None,
            log_path: None,
            again: Vec::new(),
        }
    }

    pub(super) fn start(self) -> Running {
        self.start_with(None)
    }

    /// Starts with this process as the command in the foreground.
    pub(super) fn start_in_foreground(self, streams: AttachedStreams) -> (Running, File) {
        let (ours, theirs) = fdpass::stream_pair().unwrap();
        let socket = theirs;
        let running = self.start_with(Some(FirstClient { socket, streams }));
        (running, File::from(ours))
    }

    fn start_with(self, first_client: Option<FirstClient>) -> Running {
        let directory = tempfile::tempdir().unwrap();
        let listener = fdpass::listen_in(directory.path(), protocol::SOCKET_NAME).unwrap();
        let log_path = self.log_path.clone();
        let log_path = log_path.unwrap_or_else(|| directory.path().join("ctr.log"));
        let scratch = directory.path().to_path_buf();
        let (report_to, report) = channel();
        let (cleaned_to, cleaned) = channel();
        let thread = std::thread::spawn(move || {
            let (child, io) = self.spawn_container();
            let supervision = Supervision {
                id: ContainerId::from_random(&[7; 32]),
                run: run_of(&child, io),
                stdin_policy: self.policy,
                log: LogSettings {
                    driver: self.driver,
                    path: log_path,
                    size_max_bytes: self.size_max_bytes,
                    files_max: 1,
                    journal: None,
                },
                scratch,
                listener: Some(listener),
                first_client,
                timeout: self.timeout,
            };
            let mut conduct = Witness {
                report_to,
                cleaned_to,
                again: self.again.clone(),
                container: self,
            };
            run(supervision, &mut conduct)
        });
        Running {
            directory,
            thread,
            report,
            cleaned,
        }
    }

    fn spawn_container(&self) -> (Child, ContainerIo) {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.script);
        if self.terminal {
            let pty = nix::pty::openpty(None, None).unwrap();
            let side = || Stdio::from(pty.slave.try_clone().unwrap());
            command.stdin(side()).stdout(side()).stderr(side());
            let child = command.spawn().unwrap();
            return (child, ContainerIo::Terminal { master: pty.master });
        }
        let stdin = if self.stdin {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let io = ContainerIo::Pipes {
            stdin: child.stdin.take().map(OwnedFd::from),
            stdout: child.stdout.take().map(OwnedFd::from),
            stderr: child.stderr.take().map(OwnedFd::from),
        };
        (child, io)
    }
}

impl Running {
    pub(super) fn run_directory(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.directory.path().join("ctr.log")
    }

    pub(super) fn attach(&self, streams: AttachedStreams) -> (File, Framing) {
        let (stream, framing) = protocol::attach(self.run_directory(), streams).unwrap();
        (File::from(stream), framing)
    }

    /// Waits for the end; the value is what was recorded.
    pub(super) fn finish(self) -> (ExitReport, TempDir) {
        let report = self.report.recv_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!(self.thread.join().unwrap(), report.code);
        self.cleaned.try_recv().unwrap();
        (report, self.directory)
    }
}
