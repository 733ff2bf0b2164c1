// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Terminals: their size, and raw mode that ends with its guard.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::{Called, SysResult};

/// Keeps a terminal in raw mode; the former mode returns when it is dropped.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    former: Termios,
}

impl RawMode {
    /// Puts `terminal` into raw mode: every key goes to the program, nothing is echoed.
    ///
    /// # Errors
    ///
    /// ENOTTY when it is no terminal, EIO for a background process of a session without a leader.
    pub fn enter(terminal: BorrowedFd<'_>) -> SysResult<Self> {
        let terminal = terminal.try_clone_to_owned().called(|| "dup([terminal])")?;
        let former = tcgetattr(&terminal).called(|| "tcgetattr([terminal])")?;
        let mut raw = former.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&terminal, SetArg::TCSANOW, &raw).called(|| "tcsetattr([terminal], raw)")?;
        Ok(Self { terminal, former })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // What was typed ahead stays for the shell; a terminal that is gone needs no mode.
        tcsetattr(&self.terminal, SetArg::TCSANOW, &self.former).ok();
    }
}

/// Keeps `terminal` from putting a carriage return before each line feed of its
/// programs' output.
///
/// # Errors
///
/// ENOTTY when it is no terminal.
pub fn end_lines_plainly(terminal: impl AsFd) -> SysResult<()> {
    let mut mode = tcgetattr(&terminal).called(|| "tcgetattr([terminal])")?;
    mode.output_flags.remove(OutputFlags::ONLCR);
    tcsetattr(&terminal, SetArg::TCSANOW, &mode).called(|| "tcsetattr([terminal], -onlcr)")
}

/// Rows and columns of a terminal.
///
/// # Errors
///
/// ENOTTY when it is no terminal.
pub fn size(terminal: impl AsFd) -> SysResult<(u16, u16)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let raw = terminal.as_fd().as_raw_fd();
    // SAFETY: TIOCGWINSZ fills a winsize, which is alive during the call.
    let result = unsafe { libc::ioctl(raw, libc::TIOCGWINSZ, &raw mut size) };
    Errno::result(result).called(|| "ioctl(TIOCGWINSZ)")?;
    Ok((size.ws_row, size.ws_col))
}

/// Sets rows and columns of a terminal; its programs get SIGWINCH when they differ from before.
///
/// # Errors
///
/// ENOTTY when it is no terminal.
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> SysResult<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let raw = terminal.as_fd().as_raw_fd();
    // SAFETY: TIOCSWINSZ reads a winsize, which is alive during the call.
    let result = unsafe { libc::ioctl(raw, libc::TIOCSWINSZ, &raw const size) };
    Errno::result(result)
        .map(drop)
        .called(|| format!("ioctl(TIOCSWINSZ, {rows}, {columns})"))
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;
    use nix::sys::termios::LocalFlags;

    use super::*;

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let pty = openpty(None, None).unwrap();
        let echoes = || {
            let mode = tcgetattr(&pty.slave).unwrap();
            mode.local_flags.contains(LocalFlags::ECHO)
        };
        assert!(echoes());
        let raw = RawMode::enter(pty.slave.as_fd()).unwrap();
        assert!(!echoes());
        drop(raw);
        assert!(echoes());
    }

    #[test]
    fn sizes_travel_from_one_end_to_the_other() {
        let pty = openpty(None, None).unwrap();
        set_size(&pty.master, 47, 132).unwrap();
        assert_eq!(size(&pty.slave).unwrap(), (47, 132));
        let (no_terminal, _) = nix::unistd::pipe().unwrap();
        assert_eq!(size(&no_terminal).unwrap_err().errno, Errno::ENOTTY);
    }
}
