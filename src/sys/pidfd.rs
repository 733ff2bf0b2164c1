// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of processes: what is signalled and awaited through them cannot be another process
//! that was given the same number later.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Called, SysError, SysResult};

/// A descriptor of a process; readable once the process has ended. Closed on exec.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

/// What a wait with a time limit saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The process has ended.
    Ended,
    /// The time was over first.
    TimedOut,
}

impl Pidfd {
    /// Opens a descriptor of the process `pid`, by pidfd_open(2).
    ///
    /// # Errors
    ///
    /// ESRCH when there is no such process.
    pub fn open(pid: i32) -> SysResult<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if raw < 0 {
            return Err(SysError::last(format!("pidfd_open({pid})")));
        }
        let raw = RawFd::try_from(raw).expect("descriptors fit in an int");
        // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Sends the signal of that number (0 only probes), by pidfd_send_signal(2).
    ///
    /// # Errors
    ///
    /// ESRCH when the process has ended and was reaped, EPERM when it is not ours to signal.
    pub fn send_signal(&self, signal: i32) -> SysResult<()> {
        let descriptor = self.0.as_raw_fd();
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open for the length of the call, and a null siginfo is allowed.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, descriptor, signal, no_info, 0) };
        Errno::result(result)
            .map(drop)
            .called(|| format!("pidfd_send_signal({signal})"))
    }

    /// Waits until the process has ended, at most `timeout`; `None` waits without limit.
    ///
    /// It does not reap: a child's exit code is still there for waitid(2).
    ///
    /// # Errors
    ///
    /// What poll(2) says, never EINTR.
    pub fn wait(&self, timeout: Option<Duration>) -> SysResult<WaitOutcome> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, remaining(deadline)) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(WaitOutcome::TimedOut);
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(WaitOutcome::Ended),
                Err(errno) => return Err(SysError::new("poll([pidfd])", errno)),
            }
        }
    }
}

/// Rounds up, so that a poll never returns just before the deadline and is repeated with zero.
fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let millis = left.as_micros().div_ceil(1000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Pidfd {
    /// Takes a descriptor that clone3(2) made or that another process sent.
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Pidfd> for OwnedFd {
    fn from(pidfd: Pidfd) -> Self {
        pidfd.0
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn waits_for_the_end_of_a_process() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = Pidfd::open(i32::try_from(child.id()).unwrap()).unwrap();
        let soon = Some(Duration::from_millis(20));
        assert_eq!(pidfd.wait(soon).unwrap(), WaitOutcome::TimedOut);
        pidfd.send_signal(libc::SIGKILL).unwrap();
        assert_eq!(pidfd.wait(None).unwrap(), WaitOutcome::Ended);
        child.wait().unwrap();
        assert_eq!(pidfd.send_signal(0).unwrap_err().errno, Errno::ESRCH);
    }

    #[test]
    fn names_the_call_when_there_is_no_process() {
        let error = Pidfd::open(i32::MAX).unwrap_err();
        assert_eq!(error.to_string(), "pidfd_open(2147483647): No such process");
    }
}
