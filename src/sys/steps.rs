// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps: what is being done, told line by line while it happens to somebody who debugs
//! (`--log-level debug`). Nothing is told, and no text is made, unless [`show`] was called.
//!
//! The stages of a start tell theirs over the same descriptor, each until it becomes a program or
//! closes what it does not need; a process that stays must [`forget`], for whoever reads waits for
//! the end of the file.

use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::unistd::write;

use super::{Called, Ignored, SysResult};

/// Where steps are told; negative for nowhere.
static TOLD: AtomicI32 = AtomicI32::new(-1);
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on, so that it is none of the numbers that a caller hands on to a program.
const FIRST_NUMBER: RawFd = 200;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `time="…" level=debug msg="…"`.
    Text,
    /// An object of `level`, `msg` and `time`.
    Json,
}

/// A line of a log, with the time and without its end.
pub fn line(form: Form, level: &str, text: &str) -> String {
    let now = Timestamp::now();
    match form {
        Form::Text => format!("time=\"{now:.3}\" level={level} msg={text:?}"),
        Form::Json => {
            let json = |text: &str| serde_json::Value::from(text).to_string();
            let (level, text) = (json(level), json(text));
            format!("{{\"level\":{level},\"msg\":{text},\"time\":\"{now:.3}\"}}")
        }
    }
}

/// Tells steps on a copy of `to` from now on.
///
/// # Errors
///
/// fcntl(2)'s.
pub fn show(to: impl AsFd, form: Form) -> SysResult<()> {
    let number = to.as_fd().as_raw_fd();
    // SAFETY: the call takes numbers alone, and `to` is open.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, FIRST_NUMBER) };
    let copy = Errno::result(copy).called(|| format!("fcntl({number}, F_DUPFD_CLOEXEC)"))?;
    forget();
    AS_JSON.store(form == Form::Json, Ordering::Relaxed);
    TOLD.store(copy, Ordering::Relaxed);
    Ok(())
}

/// Tells a step.
pub fn step<T: Display>(text: impl FnOnce() -> T) {
    if let Some(number) = number() {
        tell(number, &text().to_string());
    }
}

/// Where steps are told, for another process that is to tell its own there.
pub fn told() -> Option<(BorrowedFd<'static>, Form)> {
    // SAFETY: it is open as long as it is not forgotten, which the process that asks does not.
    number().map(|number| (unsafe { BorrowedFd::borrow_raw(number) }, form()))
}

fn form() -> Form {
    if AS_JSON.load(Ordering::Relaxed) {
        Form::Json
    } else {
        Form::Text
    }
}

/// The number of the descriptor, for who lists what is kept open.
pub fn number() -> Option<RawFd> {
    let number = TOLD.load(Ordering::Relaxed);
    (number >= 0).then_some(number)
}

/// Tells nothing from now on.
pub fn forget() {
    if let Some(number) = number() {
        TOLD.store(-1, Ordering::Relaxed);
        // SAFETY: the number is that of our own copy, and nobody else has it any more.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}

/// The descriptor was closed with others.
pub(super) fn closed_but(keep: &[RawFd]) {
    if number().is_some_and(|number| !keep.contains(&number)) {
        TOLD.store(-1, Ordering::Relaxed);
    }
}

fn tell(number: RawFd, text: &str) {
    let mut line = line(form(), "debug", text);
    line.push('\n');
    // SAFETY: it is open as long as it is not forgotten.
    let to = unsafe { BorrowedFd::borrow_raw(number) };
    // One call for each line: several processes write. Who does not listen misses it.
    write(to, line.as_bytes()).ignored();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_engines_and_people_read() {
        let text = line(Form::Text, "debug", "a \"word\"\n");
        assert!(text.starts_with("time=\"2"), "{text}");
        assert!(
            text.ends_with(r#" level=debug msg="a \"word\"\n""#),
            "{text}"
        );
        let json: serde_json::Value =
            serde_json::from_str(&line(Form::Json, "error", "a \"word\"\n")).unwrap();
        assert_eq!(
            (&json["level"], &json["msg"]),
            (&"error".into(), &"a \"word\"\n".into())
        );
        assert!(json["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }
}
