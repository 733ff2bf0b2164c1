// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals as a descriptor to poll, and the few things that are done to dispositions.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::{Called, SysError, SysResult};

/// Signals that wait in a descriptor instead of interrupting; they are let through again when it
/// is dropped.
#[derive(Debug)]
pub struct SignalQueue {
    descriptor: OwnedFd,
    previous_mask: libc::sigset_t,
}

impl SignalQueue {
    /// Holds `signals` back from now on.
    ///
    /// Only for a process with a single thread: another one would still be interrupted.
    ///
    /// # Errors
    ///
    /// What sigprocmask(2) and signalfd(2) say.
    pub fn hold(signals: &[i32]) -> SysResult<Self> {
        let set = set_of(signals);
        let previous_mask = change_mask(libc::SIG_BLOCK, &set)?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `set` is initialised and alive during the call; -1 asks for a new descriptor.
        let raw = unsafe { libc::signalfd(-1, &raw const set, flags) };
        let raw = Errno::result(raw).called(|| "signalfd()")?;
        // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self {
            descriptor,
            previous_mask,
        })
    }

    /// The number of the next signal that came; `None` when none is waiting.
    pub fn next(&self) -> Option<i32> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has room for `size` bytes.
        let read =
            unsafe { libc::read(self.descriptor.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if usize::try_from(read) != Ok(size) {
            return None;
        }
        // SAFETY: the kernel filled the whole structure.
        let info = unsafe { info.assume_init() };
        i32::try_from(info.ssi_signo).ok()
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for SignalQueue {
    fn drop(&mut self) {
        // The old mask was valid when the kernel gave it to us: putting it back cannot fail.
        drop(change_mask(libc::SIG_SETMASK, &self.previous_mask));
    }
}

/// Every signal that a user may send to a container through the command: all but those that
/// cannot be caught, job control, SIGCHLD, SIGURG, SIGPIPE, SIGWINCH, and those of a fault of ours.
pub fn forwardable() -> Vec<i32> {
    const KEPT: [i32; 15] = [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGCHLD,
        libc::SIGURG,
        libc::SIGPIPE,
        libc::SIGWINCH,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGCONT,
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
    ];
    let named = (1..=31).filter(|signal| !KEPT.contains(signal));
    named.chain(libc::SIGRTMIN()..=libc::SIGRTMAX()).collect()
}

/// Ignores the signal of that number.
///
/// # Errors
///
/// EINVAL for a signal that cannot be ignored.
pub fn ignore(signal: i32) -> SysResult<()> {
    set_disposition(signal, libc::SIG_IGN)
}

/// Gives the signal of that number its default effect again.
///
/// # Errors
///
/// EINVAL for a signal whose effect cannot be changed.
pub fn restore_default(signal: i32) -> SysResult<()> {
    set_disposition(signal, libc::SIG_DFL)
}

/// Ends this process as the signal of that number would: its parent sees the signal.
///
/// Returns when the signal's default effect is not the end of the process.
///
/// # Errors
///
/// EINVAL for a number that is no signal.
pub fn die_of(signal: i32) -> SysResult<()> {
    restore_default(signal)?;
    change_mask(libc::SIG_UNBLOCK, &set_of(&[signal]))?;
    // SAFETY: raise takes an integer.
    let result = unsafe { libc::raise(signal) };
    Errno::result(result)
        .map(drop)
        .called(|| format!("raise({signal})"))
}

/// Lets all signals through, as a new program expects it.
///
/// # Errors
///
/// What sigprocmask(2) says.
pub fn unblock_all() -> SysResult<()> {
    change_mask(libc::SIG_SETMASK, &set_of(&[])).map(drop)
}

fn set_disposition(signal: i32, handler: libc::sighandler_t) -> SysResult<()> {
    // SAFETY: the handler is SIG_DFL or SIG_IGN, no function of ours.
    let previous = unsafe { libc::signal(signal, handler) };
    if previous == libc::SIG_ERR {
        return Err(SysError::last(format!("signal({signal})")));
    }
    Ok(())
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised in the line above.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: `set` is initialised; a number that is no signal is refused.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> SysResult<libc::sigset_t> {
    let mut previous = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is initialised and `previous` has room for the old mask.
    let result = unsafe { libc::pthread_sigmask(how, set, previous.as_mut_ptr()) };
    if result != 0 {
        let errno = Errno::from_raw(result);
        return Err(SysError::new("sigprocmask()", errno));
    }
    // SAFETY: the call has succeeded and filled it.
    Ok(unsafe { previous.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_a_signal_until_it_is_read() {
        let queue = SignalQueue::hold(&[libc::SIGUSR1, libc::SIGRTMIN() + 3]).unwrap();
        assert_eq!(queue.next(), None);
        // SAFETY: raise takes an integer; the signal goes to this thread, which holds it back.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert_eq!(queue.next(), Some(libc::SIGUSR1));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn keeps_the_signals_of_the_command_itself() {
        let forwardable = forwardable();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            assert!(forwardable.contains(&signal));
        }
        for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGRTMIN(), 64] {
            assert!(forwardable.contains(&signal));
        }
        for signal in [libc::SIGKILL, libc::SIGCHLD, libc::SIGURG, libc::SIGPIPE] {
            assert!(!forwardable.contains(&signal));
        }
    }
}
