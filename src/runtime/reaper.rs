// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--init`: our own code stays as the container's first process. It starts the program, passes
//! signals on, reaps what is orphaned, and ends with the program's code.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys::Ignored as _;
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now, show_arguments};

/// Forks: the child returns and becomes the program, the caller stays as the reaper and ends
/// with it. When nothing can be forked the caller itself becomes the program.
pub fn fork_program(arguments: &[String]) {
    // Blocked before the fork, so that no signal is lost between it and the wait.
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).ignored();
    match clone3(&CloneRequest::default()) {
        Ok(Forked::Child) | Err(_) => {}
        Ok(Forked::Parent { pid, pidfd }) => {
            drop(pidfd);
            let mut words = vec!["/dev/init", "--"];
            words.extend(arguments.iter().map(String::as_str));
            show_arguments(&words);
            // Holding the streams would keep their readers waiting after the program's end.
            drop(close_all_but(&[]));
            exit_now(reap(Pid::from_raw(pid)))
        }
    }
}

fn reap(program: Pid) -> i32 {
    let Ok(signals) = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC) else {
        return 125;
    };
    loop {
        let Ok(Some(signal)) = signals.read_signal() else {
            continue;
        };
        let Ok(signal) = Signal::try_from(signal.ssi_signo.cast_signed()) else {
            continue;
        };
        if signal == Signal::SIGCHLD {
            if let Some(code) = reap_all(program) {
                return code;
            }
        } else {
            kill(program, signal).ignored();
        }
    }
}

/// Reaps every child that has ended; the program's code when it is among them.
fn reap_all(program: Pid) -> Option<i32> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => ended = Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => {
                ended = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(_) | Err(_) => {}
        }
    }
}
