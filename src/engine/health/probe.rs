// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program of a check: what it prints, how it ends, and that it ends in time.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, pipe2, read};

use crate::engine::Engine;
use crate::engine::exec::{ExecError, ExecRequest, reap};
use crate::oci::Healthcheck;
use crate::runtime::launch::ProgramIo;
use crate::state::health_log::HealthResult;
use crate::state::id::ContainerId;
use crate::sys::pidfd::{Pidfd, WaitOutcome};
use crate::sys::poll::{Interest, PollSet};
use crate::sys::stream::{Blocking, open_null, set_blocking};
use crate::sys::{Called, SysResult};

/// The exit code of a check that has failed, whatever its program's was.
const FAILED: i32 = 1;

/// The exit code of a check that took too long.
const TIMED_OUT: i32 = -1;

/// The most that is kept of an output that has no limit.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

impl Engine {
    /// Runs the program of `check` in the container. One that cannot be run has failed.
    pub(super) fn probe(
        &self,
        id: &ContainerId,
        check: &Healthcheck,
        output_bytes_max: u32,
    ) -> Result<HealthResult, ExecError> {
        let call = |source| ExecError::Call {
            id: id.clone(),
            source,
        };
        let limit = match usize::try_from(output_bytes_max) {
            Ok(0) | Err(_) => OUTPUT_BYTES_MAX,
            Ok(limit) => limit.min(OUTPUT_BYTES_MAX),
        };
        let target = self.exec_target(id)?;
        let request = ExecRequest {
            command: words(&check.test),
            ..ExecRequest::default()
        };
        let start = Timestamp::now();
        let (io, reader) = streams().map_err(call)?;
        let (exit_code, output) = match self.begin(&target, &request, io) {
            Ok(running) => {
                let timeout = u64::try_from(check.timeout).unwrap_or(0);
                let timeout = Duration::from_nanos(timeout);
                listen(running.pid, &reader, timeout, limit).map_err(call)?
            }
            Err(ExecError::Stage(failure)) => (FAILED, failure.message),
            Err(other) => return Err(other),
        };
        Ok(HealthResult {
            start,
            end: Timestamp::now(),
            exit_code,
            output,
        })
    }
}

/// What an image's words mean.
fn words(test: &[String]) -> Vec<String> {
    match test {
        [kind, words @ ..] if kind == "CMD" => words.to_vec(),
        [kind, words @ ..] if kind == "CMD-SHELL" => {
            let line = words.join(" ");
            ["/bin/sh", "-c", &line].map(str::to_owned).to_vec()
        }
        words => words.to_vec(),
    }
}

/// Both outputs go into one pipe, so that they come as they were written.
fn streams() -> SysResult<(ProgramIo, OwnedFd)> {
    let (reader, stdout) = pipe2(OFlag::O_CLOEXEC).called(|| "pipe2")?;
    set_blocking(&reader, Blocking::No)?;
    let stderr = stdout.try_clone().called(|| "dup(pipe)")?;
    let io = ProgramIo::Streams {
        stdin: open_null()?,
        stdout,
        stderr,
    };
    Ok((io, reader))
}

/// Reads what the child `pid` prints until it ends. When the time is over it is killed, with all
/// the processes that it has started and that have not gone their own way.
fn listen(pid: i32, reader: &OwnedFd, timeout: Duration, limit: usize) -> SysResult<(i32, String)> {
    let process = Pidfd::open(pid)?;
    let deadline = (!timeout.is_zero()).then(|| Instant::now() + timeout);
    let mut output = Vec::new();
    let mut open = true;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            killpg(Pid::from_raw(pid), Signal::SIGKILL).ok();
            process.send_signal(libc::SIGKILL).ok();
            reap(pid);
            let seconds = timeout.as_secs_f64();
            let words = format!("Health check exceeded timeout ({seconds}s)");
            take(reader, &mut output, limit);
            let printed = text(output, limit.saturating_sub(words.len()));
            return Ok((TIMED_OUT, printed + &words));
        }
        let mut set = PollSet::new();
        set.watch(&process, Interest::Read, ());
        if open {
            set.watch(reader, Interest::Read, ());
        }
        set.wait(left)?;
        open = take(reader, &mut output, limit);
        if process.wait(Some(Duration::ZERO)) == Ok(WaitOutcome::Ended) {
            take(reader, &mut output, limit);
            let code = if reap(pid) == 0 { 0 } else { FAILED };
            return Ok((code, text(output, limit)));
        }
    }
}

/// Takes what is there; whether more may come.
fn take(reader: &OwnedFd, output: &mut Vec<u8>, limit: usize) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match read(reader, &mut buffer) {
            Ok(0) => return false,
            Ok(length) => {
                let room = limit.saturating_sub(output.len()).min(length);
                output.extend_from_slice(&buffer[..room]);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return errno == Errno::EAGAIN,
        }
    }
}

fn text(output: Vec<u8>, limit: usize) -> String {
    let mut text = String::from_utf8(output)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    text.truncate(text.floor_char_boundary(limit));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_image_become_a_program() {
        let cases: [(&[&str], &[&str]); 3] = [
            (&["CMD", "ls", "-l"], &["ls", "-l"]),
            (&["CMD-SHELL", "ls", "-l"], &["/bin/sh", "-c", "ls -l"]),
            (&["ls", "-l"], &["ls", "-l"]),
        ];
        for (test, expected) in cases {
            let test: Vec<_> = test.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(words(&test), expected);
        }
    }
}
