// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one error of this room: a system call, its arguments, and what the kernel said.

use std::fmt;

use nix::errno::Errno;

/// A system call that the kernel refused. Prints like a line of strace:
/// `openat2([rootfs], "etc/passwd"): Permission denied`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysError {
    /// The call with its telling arguments, as strace would show it.
    pub call: String,
    /// The kernel's answer.
    pub errno: Errno,
}

/// The result of a wrapped system call.
pub type SysResult<T> = Result<T, SysError>;

impl SysError {
    /// An error of `call` with the kernel's answer `errno`.
    pub fn new(call: impl Into<String>, errno: Errno) -> Self {
        Self {
            call: call.into(),
            errno,
        }
    }

    /// The error that errno(3) holds now, for `call`.
    pub fn last(call: impl Into<String>) -> Self {
        Self::new(call, Errno::last())
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.call, self.errno.desc())
    }
}

impl std::error::Error for SysError {}

impl From<SysError> for std::io::Error {
    fn from(error: SysError) -> Self {
        std::io::Error::from_raw_os_error(error.errno as i32)
    }
}

/// For a call whose failure changes nothing, where the code beside it says why.
pub trait Ignored {
    /// Lets the outcome go.
    fn ignored(self);
}

impl<T, E> Ignored for Result<T, E> {
    fn ignored(self) {}
}

/// Names the call in an [`Errno`] result: `openat(…).called(|| format!("openat({path:?})"))?`.
pub trait Called<T> {
    /// Turns the bare errno into a [`SysError`] that names the call.
    ///
    /// # Errors
    ///
    /// The same failure, with its call.
    fn called<S: Into<String>>(self, call: impl FnOnce() -> S) -> SysResult<T>;
}

impl<T> Called<T> for Result<T, Errno> {
    fn called<S: Into<String>>(self, call: impl FnOnce() -> S) -> SysResult<T> {
        self.map_err(|errno| SysError::new(call(), errno))
    }
}

impl<T> Called<T> for std::io::Result<T> {
    fn called<S: Into<String>>(self, call: impl FnOnce() -> S) -> SysResult<T> {
        self.map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            SysError::new(call(), errno)
        })
    }
}
