// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A poll(2) loop with typed events: each descriptor is entered with the event that its readiness
//! means, and the set is made anew for every round, so that it never knows a closed descriptor.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;

use super::{SysError, SysResult, memory};

/// What a descriptor is watched for. A hang-up and an error are always told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Data, a connection, the end of the stream.
    Read,
    /// Room to write.
    Write,
    /// Both.
    ReadWrite,
    /// Only a hang-up or an error.
    HangUp,
}

/// What became of a watched descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness(libc::c_short);

impl Readiness {
    /// A read returns without waiting: with data, with the end of the stream, or with an error.
    pub fn readable(self) -> bool {
        self.0 & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0
    }

    /// A write returns without waiting.
    pub fn writable(self) -> bool {
        self.0 & (libc::POLLOUT | libc::POLLERR) != 0
    }

    /// The other side is gone for good.
    pub fn hung_up(self) -> bool {
        self.0 & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
    }
}

/// The descriptors of one round, and the events that they stand for.
#[derive(Debug)]
pub struct PollSet<Event> {
    entries: Vec<libc::pollfd>,
    events: Vec<Event>,
}

impl<Event: Copy> PollSet<Event> {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Forgets all descriptors.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.events.clear();
    }

    /// Watches `descriptor` in the next round; its readiness is told as `event`.
    pub fn watch(&mut self, descriptor: impl AsFd, interest: Interest, event: Event) {
        let events = match interest {
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::ReadWrite => libc::POLLIN | libc::POLLOUT,
            Interest::HangUp => 0,
        };
        self.entries.push(libc::pollfd {
            fd: descriptor.as_fd().as_raw_fd(),
            events,
            revents: 0,
        });
        self.events.push(event);
    }

    /// Waits until something is ready, at most `timeout`; `None` waits without limit.
    ///
    /// An interrupted call is a round in which nothing was ready.
    ///
    /// # Errors
    ///
    /// What poll(2) says, never EINTR.
    pub fn wait(&mut self, timeout: Option<Duration>) -> SysResult<()> {
        let count = libc::nfds_t::try_from(self.entries.len()).unwrap_or(libc::nfds_t::MAX);
        let timeout_ms = timeout.map_or(-1, round_up_to_ms);
        // SAFETY: `entries` holds `count` initialised structures, alive during the call.
        let result = unsafe { libc::poll(self.entries.as_mut_ptr(), count, timeout_ms) };
        self.waited(Errno::result(result).map(drop))
    }

    /// As [`PollSet::wait`], for a wait that may be long: gives back memory that is not needed
    /// meanwhile. Only for the first thread of a process.
    ///
    /// # Errors
    ///
    /// As [`PollSet::wait`].
    pub fn wait_with_little_memory(&mut self, timeout: Option<Duration>) -> SysResult<()> {
        let timeout = timeout.map(TimeSpec::from_duration);
        let timeout = timeout.as_ref().map(AsRef::as_ref);
        let result = memory::poll_with_little_memory(&mut self.entries, timeout);
        let errno = libc::c_int::try_from(-result.min(0)).unwrap_or(libc::EIO);
        self.waited(match errno {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        })
    }

    fn waited(&mut self, result: Result<(), Errno>) -> SysResult<()> {
        match result {
            Ok(()) => Ok(()),
            Err(Errno::EINTR) => {
                for entry in &mut self.entries {
                    entry.revents = 0;
                }
                Ok(())
            }
            Err(errno) => Err(SysError::new(
                format!("poll({} descriptors)", self.entries.len()),
                errno,
            )),
        }
    }

    /// The next event of the last round after position `from`, with the position to go on from.
    pub fn next_ready(&self, from: usize) -> Option<(Event, Readiness, usize)> {
        let rest = self.entries.get(from..)?;
        let offset = rest.iter().position(|entry| entry.revents != 0)?;
        let found = from + offset;
        let readiness = Readiness(self.entries[found].revents);
        Some((self.events[found], readiness, found + 1))
    }
}

impl<Event: Copy> Default for PollSet<Event> {
    fn default() -> Self {
        Self::new()
    }
}

/// Rounds up: a poll that returns just before its deadline is only repeated.
fn round_up_to_ms(timeout: Duration) -> libc::c_int {
    libc::c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Event {
        First,
        Second,
    }

    #[test]
    fn tells_which_descriptor_is_ready_and_how() {
        let (first_read, first_write) = nix::unistd::pipe().unwrap();
        let (second_read, second_write) = nix::unistd::pipe().unwrap();
        let mut set = PollSet::new();
        set.watch(&first_read, Interest::Read, Event::First);
        set.watch(&second_read, Interest::Read, Event::Second);
        set.wait(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(set.next_ready(0), None);

        nix::unistd::write(&second_write, b"x").unwrap();
        set.wait(None).unwrap();
        let (event, readiness, next) = set.next_ready(0).unwrap();
        assert_eq!(event, Event::Second);
        assert!(readiness.readable() && !readiness.hung_up());
        assert_eq!(set.next_ready(next), None);

        drop(first_write);
        set.wait(None).unwrap();
        let (event, readiness, _) = set.next_ready(0).unwrap();
        assert_eq!(event, Event::First);
        assert!(readiness.hung_up());
    }

    #[test]
    fn rounds_timeouts_up() {
        assert_eq!(round_up_to_ms(Duration::from_micros(1)), 1);
        assert_eq!(round_up_to_ms(Duration::from_millis(7)), 7);
        assert_eq!(round_up_to_ms(Duration::MAX), libc::c_int::MAX);
    }
}
