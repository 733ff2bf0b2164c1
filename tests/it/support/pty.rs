// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A command under a real pseudo-terminal: its controlling terminal, of a size that can change.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::Instant;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios;
use nix::unistd::Pid;

use super::process::{PATIENCE, Stream};

/// A command under a pseudo-terminal. Dropping it closes the terminal, which hangs up.
#[derive(Debug)]
pub(crate) struct Terminal {
    shown: String,
    child: Child,
    master: File,
    slave: OwnedFd,
    screen: Stream,
}

impl Terminal {
    /// Starts `program` with `arguments` as the leader of a session with a terminal of 24 rows and
    /// 80 columns.
    pub(crate) fn start(program: &str, arguments: &[String], environment: &[(&str, &str)]) -> Self {
        let OpenptyResult { master, slave } =
            openpty(Some(&window(24, 80)), None).expect("the host has pseudo-terminals");
        let side = || slave.try_clone().expect("a descriptor can be doubled");
        // setsid(1) makes the terminal the controlling one, which takes an unsafe hook here.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", program])
            .args(arguments)
            .envs(environment.iter().copied())
            .env("TERM", "xterm")
            .process_group(0)
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("setsid of util-linux");
        let master = File::from(master);
        let screen = Stream::of(master.try_clone().expect("a descriptor can be doubled"));
        Self {
            shown: format!("{program} {}", arguments.join(" ")),
            child,
            master,
            slave,
            screen,
        }
    }

    /// Types `text`.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.master
            .write_all(text.as_bytes())
            .expect("the terminal is open");
    }

    /// Waits until the screen has shown `words`.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        assert!(
            self.screen.wait_for(words, Instant::now() + PATIENCE),
            "{} never showed {words:?}; it showed:\n{}",
            self.shown,
            self.screen.text()
        );
    }

    /// Everything that the screen has shown.
    pub(crate) fn shown(&self) -> String {
        self.screen.text()
    }

    /// Gives the terminal another size, which signals the command.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let side = self.slave.try_clone().expect("a descriptor can be doubled");
        let status = Command::new("stty")
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(side)
            .status()
            .expect("stty of coreutils");
        assert!(status.success(), "stty sets the size of a terminal");
    }

    /// Whether the terminal turns lines into signals and echoes: the mode that a shell needs
    /// back.
    pub(crate) fn is_cooked(&self) -> bool {
        let mode = termios::tcgetattr(&self.slave).expect("it is a terminal");
        mode.local_flags
            .contains(termios::LocalFlags::ICANON | termios::LocalFlags::ECHO)
    }

    /// Waits until the command has ended; its terminal can still be looked at.
    pub(crate) fn wait_end(&mut self) {
        let watchdog = watchdog(&self.child);
        self.child.wait().expect("our own child can be waited for");
        drop(watchdog);
    }

    /// Waits for the end of the command and returns its exit code.
    pub(crate) fn finish(mut self) -> i32 {
        let watchdog = watchdog(&self.child);
        let status = self.child.wait().expect("our own child can be waited for");
        drop(watchdog);
        status.code().unwrap_or(-1)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Kills `child` unless the returned sender is dropped in time.
fn watchdog(child: &Child) -> std::sync::mpsc::Sender<()> {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
    std::thread::spawn(move || {
        let outcome = receiver.recv_timeout(PATIENCE);
        if outcome == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            kill(pid, Signal::SIGKILL).ok();
        }
    });
    sender
}
