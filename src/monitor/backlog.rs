// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client has still to be sent: a little of it in memory, and for one that has stopped
//! reading (a terminal after Ctrl-S, a full pipe) the rest in a file without a name.
//!
//! A client that reads, however slowly, is waited for, as a pipe would wait. One that has stopped
//! does not hold the container's output and log: what it misses goes to the disk, up to a bound,
//! and is sent when it reads again. Memory stays bounded in both cases.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

/// A client that took nothing for this long has stopped reading.
const STOPPED_AFTER: Duration = Duration::from_millis(200);

/// How much is kept on the disk for one client. While that much waits, the container's output
/// waits too.
pub(super) const SPILL_BYTES_MAX: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// How much of it is in memory at once.
const REFILL_BYTES: usize = 64 * 1024;

/// What could not be sent yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The oldest of it.
    memory: Vec<u8>,
    memory_sent: usize,
    /// What comes after `memory`.
    spill: Option<Spill>,
    /// When it began, or last became shorter.
    last_progress: Option<Instant>,
    /// A file was tried and could not be had.
    memory_only: bool,
}

#[derive(Debug)]
struct Spill {
    file: File,
    written: u64,
    read: u64,
    /// The bound was reached: nothing more is taken until all of it has been sent. Else a client
    /// that lags behind for hours would have everything written to the disk.
    full: bool,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Whether the container's output has to wait until some of it was sent.
    pub(super) fn holds_output(&self) -> bool {
        match &self.spill {
            Some(spill) => spill.full,
            None => !self.memory.is_empty(),
        }
    }

    /// When it is time for [`Backlog::spill_into`].
    pub(super) fn spill_deadline(&self) -> Option<Instant> {
        let could = self.spill.is_none() && !self.memory_only;
        let begun = self.last_progress.filter(|_| could);
        begun.map(|progress| progress + STOPPED_AFTER)
    }

    /// When a client that holds the output has taken nothing for `patience`.
    pub(super) fn stall_deadline(&self, patience: Duration) -> Option<Instant> {
        let holding = self.last_progress.filter(|_| self.holds_output());
        holding.map(|progress| progress + patience)
    }

    /// When a client has taken nothing for `patience`, whether or not it holds anything.
    pub(super) fn end_deadline(&self, patience: Duration) -> Option<Instant> {
        self.last_progress.map(|progress| progress + patience)
    }

    /// Keeps what comes from now on in a file of `directory`. Where none can be had (a full disk),
    /// the output waits as for a client that is slow.
    pub(super) fn spill_into(&mut self, directory: &Path) {
        self.spill = new_file(directory).map(|file| Spill {
            file,
            written: 0,
            read: 0,
            full: false,
        });
        self.memory_only = self.spill.is_none();
    }

    /// Adds to its end.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub(super) fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.spill {
            Some(spill) => spill.push(bytes)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.last_progress.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// The first of what is to be sent; empty when nothing is.
    pub(super) fn front(&self) -> &[u8] {
        &self.memory[self.memory_sent..]
    }

    /// The first `length` bytes of [`Backlog::front`] have been sent.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub(super) fn advance(&mut self, length: usize) -> std::io::Result<()> {
        self.memory_sent += length;
        self.last_progress = Some(Instant::now());
        if self.memory_sent < self.memory.len() {
            return Ok(());
        }
        self.memory_sent = 0;
        let left = match &mut self.spill {
            Some(spill) => spill.pull(&mut self.memory)?,
            None => 0,
        };
        if left == 0 {
            *self = Self::default();
        }
        Ok(())
    }
}

impl Spill {
    fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        self.full |= self.written >= SPILL_BYTES_MAX;
        Ok(())
    }

    /// Replaces the content of `memory`; the value is its length.
    fn pull(&mut self, memory: &mut Vec<u8>) -> std::io::Result<usize> {
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        memory.resize(left.min(REFILL_BYTES), 0);
        self.file.read_exact_at(memory, self.read)?;
        self.read += memory.len() as u64;
        Ok(memory.len())
    }
}

/// Its blocks are taken at once, so that a disk that fills up later loses nothing.
fn new_file(directory: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let file = options.custom_flags(libc::O_TMPFILE).open(directory).ok()?;
    let length = SPILL_BYTES_MAX.try_into().expect("it is a small constant");
    match fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        // A file system that knows no such thing has to be trusted.
        Ok(()) | Err(Errno::EOPNOTSUPP) => Some(file),
        Err(_) => None,
    }
}
