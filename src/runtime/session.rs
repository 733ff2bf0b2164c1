// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Standard streams and terminal of a program: a session of its own always, so that it cannot
//! push characters into the caller's terminal (CVE-2017-5226).

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown, isatty, setsid};

use super::failure::StageFailure;
use super::launch::{LineEnds, ProgramIo};
use super::mounts::target::{self, Links};
use super::user::Identity;
use crate::sys::pty::{open_peer, set_controlling};
use crate::sys::{Called, Ignored, SysResult, tty};

/// A terminal made in the container's own devpts.
#[derive(Debug)]
pub struct Console {
    /// Goes to whoever pumps.
    pub master: OwnedFd,
    /// Is the program's terminal.
    pub slave: OwnedFd,
}

/// Makes a terminal in the devpts below `root`.
///
/// # Errors
///
/// What opening /dev/pts/ptmx and its other end says.
pub fn make_console(
    root: std::os::fd::BorrowedFd<'_>,
    (size, lines): (Option<(u16, u16)>, LineEnds),
) -> SysResult<Console> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let master = target::open_with(root, Path::new("/dev/pts/ptmx"), flags, Links::Refuse)?;
    let slave = open_peer(master.as_fd())?;
    if let Some((rows, columns)) = size {
        tty::set_size(master.as_fd(), rows, columns)?;
    }
    if lines == LineEnds::Plain {
        tty::end_lines_plainly(&slave)?;
    }
    Ok(Console { master, slave })
}

/// Puts the streams on descriptors 0, 1 and 2 of a new session. Their owner becomes the
/// program's user, so that /dev/stdout opens for it.
///
/// # Errors
///
/// The call that failed.
pub fn take_streams(
    io: &ProgramIo,
    console: Option<&Console>,
    identity: &Identity,
) -> Result<(), StageFailure> {
    let steps = || -> SysResult<()> {
        // Fails only for a leader, which the first process of a pid namespace may be already.
        setsid().ignored();
        match (io, console) {
            (
                ProgramIo::Streams {
                    stdin,
                    stdout,
                    stderr,
                },
                _,
            ) => {
                for stream in [stdin, stdout, stderr] {
                    give(stream, identity);
                }
                dup2_stdin(stdin).called(|| "dup2(stdin)")?;
                dup2_stdout(stdout).called(|| "dup2(stdout)")?;
                dup2_stderr(stderr).called(|| "dup2(stderr)")
            }
            (ProgramIo::Terminal { .. }, Some(console)) => {
                set_controlling(console.slave.as_fd())?;
                give(&console.slave, identity);
                fchmod(&console.slave, Mode::from_bits_truncate(0o620)).ignored();
                dup2_stdin(&console.slave).called(|| "dup2(stdin)")?;
                dup2_stdout(&console.slave).called(|| "dup2(stdout)")?;
                dup2_stderr(&console.slave).called(|| "dup2(stderr)")
            }
            (ProgramIo::Terminal { .. }, None) => Ok(()),
        }
    };
    steps().map_err(|error| StageFailure::setup(format!("set up the standard streams: {error}")))
}

/// Only pipes and terminals of ours change hands: a stream of the caller's is the caller's, and
/// what cannot be given (an id outside the map) still works for root.
fn give(stream: &OwnedFd, identity: &Identity) {
    use nix::sys::stat::SFlag;
    let Ok(status) = nix::sys::stat::fstat(stream) else {
        return;
    };
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    // Of devices only terminals: /dev/null is everybody's.
    let ours = match kind {
        SFlag::S_IFIFO | SFlag::S_IFSOCK => true,
        SFlag::S_IFCHR => isatty(stream).unwrap_or(false),
        _ => false,
    };
    if ours && identity.uid != 0 {
        // Of a terminal the group stays the one of terminals, which may write to it.
        fchown(stream, Some(Uid::from_raw(identity.uid)), None).ignored();
    }
}
