// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starting programs of others beside a container: they get the descriptors they are meant to
//! have, fresh signal dispositions, and do not outlive the thread that started them.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};

use super::process::{close_on_exec_from, restore_signal_defaults};
use super::signals::unblock_all;
use super::{Called, SysResult};

/// Starts `command` with its standard streams and `inherited`, at their own numbers, and with no
/// other descriptor, whatever the caller or the caller's caller left open.
///
/// The program is killed when the calling thread ends, for as long as the kernel keeps that wish:
/// it forgets it when the program changes its ids.
///
/// # Errors
///
/// What fork(2) and execve(2) say.
pub fn spawn(command: &mut Command, inherited: &[BorrowedFd<'_>]) -> SysResult<Child> {
    let inherited = inherited.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>();
    let parent = getpid();
    // SAFETY: the closure runs between fork and exec: it makes system calls on numbers, takes no
    // lock, and allocates only to report an error.
    unsafe { command.pre_exec(move || prepare(parent, &inherited)) };
    let spawned = command.spawn();
    spawned.called(|| format!("execve(\"{}\")", command.get_program().display()))
}

fn prepare(parent: Pid, inherited: &[RawFd]) -> std::io::Result<()> {
    restore_signal_defaults();
    // A blocked SIGTERM would be inherited, and the program could not be asked to end.
    unblock_all()?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // Too late to be told, if the parent ended before.
    if getppid() != parent {
        return Err(Errno::ESRCH.into());
    }
    close_on_exec_from(3)?;
    for number in inherited {
        // SAFETY: the caller of `spawn` borrowed the descriptor to it, and this process has a
        // copy of all of them.
        let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::Stdio;

    use nix::unistd::{dup, pipe};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    fn output(command: &mut Command, inherited: &[BorrowedFd<'_>]) -> String {
        let child = spawn(command, inherited).expect("the shell starts");
        let output = child.wait_with_output().expect("the shell ends");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn only_the_named_descriptors_are_open() {
        let (reader, writer) = pipe().expect("a pipe");
        let leaked = dup(&reader).expect("a copy that nobody marked");
        let own = format!("/proc/self/fd/{}", leaked.as_raw_fd());
        let name = std::fs::read_link(own).expect("an open pipe");
        let mut list = shell("for name in /proc/$$/fd/*; do readlink $name; done");
        let names = output(&mut list, &[writer.as_fd()]);
        let of_pipe = names.lines().filter(|line| name.as_os_str() == *line);
        assert_eq!(of_pipe.count(), 1, "{names}");
    }

    #[test]
    fn broken_pipes_kill_again() {
        let status = output(&mut shell("grep SigIgn /proc/self/status"), &[]);
        let ignored = status.split_whitespace().nth(1).expect("a mask");
        let ignored = u64::from_str_radix(ignored, 16).expect("hexadecimal");
        assert_eq!(ignored & 1 << (libc::SIGPIPE - 1), 0, "{status}");
    }

    #[test]
    fn signals_get_through() {
        use nix::sys::signal::SigSet;
        let blocked = SigSet::from(Signal::SIGTERM);
        blocked.thread_block().expect("a mask");
        let status = output(&mut shell("grep SigBlk /proc/self/status"), &[]);
        blocked.thread_unblock().expect("a mask");
        assert_eq!(status, "SigBlk:\t0000000000000000\n");
    }

    #[test]
    fn dies_with_the_thread_that_started_it() {
        let thread = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            spawn(command.arg("60"), &[]).expect("sleep starts")
        });
        let mut child = thread.join().expect("the thread ends");
        let status = child.wait().expect("sleep was killed");
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(libc::SIGKILL)
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = spawn(&mut Command::new("/no/such/program"), &[]).expect_err("missing");
        assert_eq!(
            error.to_string(),
            "execve(\"/no/such/program\"): No such file or directory"
        );
    }
}
