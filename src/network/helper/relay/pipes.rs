// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pool of pipes. The kernel grants a user 64 MB of them; beyond that they hold two pages.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

/// How much a pipe should hold. More gained nothing.
const PIPE_BYTES: libc::c_int = 512 * 1024;

/// How many pipes may be that large at once: half of what the kernel grants, for the user has other
/// programs.
const LARGE_MAX: usize = 64;

/// How many are kept for the next.
const KEPT: usize = 8;

/// The size of a slot.
const PAGE_BYTES: usize = 4096;

/// A pipe, empty whenever it is in the pool.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
    /// How many pieces it holds at most.
    pub(super) slots: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pipes {
    kept: Vec<Pipe>,
    taken: usize,
}

impl Pipes {
    pub(super) const fn new() -> Self {
        Self {
            kept: Vec::new(),
            taken: 0,
        }
    }

    /// How many are in use.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn take(&mut self) -> Result<Pipe, Errno> {
        let pipe = match self.kept.pop() {
            Some(pipe) => pipe,
            None => make(self.taken < LARGE_MAX)?,
        };
        self.taken += 1;
        Ok(pipe)
    }

    /// `held` is what is left in it.
    pub(super) fn give_back(&mut self, pipe: Option<Pipe>, held: usize) {
        let Some(pipe) = pipe else { return };
        self.taken -= 1;
        if held == 0 && self.kept.len() < KEPT {
            self.kept.push(pipe);
        }
    }

    /// Keeps none.
    pub(super) fn clear(&mut self) {
        self.kept = Vec::new();
    }
}

fn make(large: bool) -> Result<Pipe, Errno> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // A smaller one serves as well, only slower.
    let asked = if large { PIPE_BYTES } else { 64 * 1024 };
    let granted = fcntl(&write, FcntlArg::F_SETPIPE_SZ(asked));
    let size = granted.or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ));
    let bytes = usize::try_from(size.unwrap_or_default()).unwrap_or_default();
    Ok(Pipe {
        read,
        write,
        slots: (bytes / PAGE_BYTES).max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_ones_are_kept_and_all_are_counted() {
        let mut pipes = Pipes::new();
        let taken = [0, 1, 0].map(|held| (pipes.take().unwrap(), held));
        assert_eq!(pipes.taken(), 3);
        for (pipe, held) in taken {
            pipes.give_back(Some(pipe), held);
        }
        assert_eq!((pipes.taken(), pipes.kept.len()), (0, 2));
    }
}
