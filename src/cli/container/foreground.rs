// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What commands that start a container in the foreground have in common.

use crate::engine::attach::{AttachedStreams, SignalProxy};
use crate::engine::launch::Foreground;
use crate::engine::terminal::DetachKeys;

/// The streams that `--attach` names; without it all that there are. Standard input takes part
/// when it is kept open, too.
pub(super) fn streams(attach: &[String], interactive: bool) -> AttachedStreams {
    let asked = |name: &str| attach.is_empty() || attach.iter().any(|stream| stream == name);
    AttachedStreams {
        stdin: interactive || (!attach.is_empty() && asked("stdin")),
        stdout: asked("stdout"),
        stderr: asked("stderr"),
    }
}

/// The parts of a foreground start together; `sig_proxy` is on unless it was switched off.
pub(super) fn of(
    streams: AttachedStreams,
    detach_keys: DetachKeys,
    sig_proxy: Option<bool>,
) -> Foreground {
    let signal_proxy = match sig_proxy {
        Some(false) => SignalProxy::Keep,
        Some(true) | None => SignalProxy::Forward,
    };
    Foreground {
        streams,
        detach_keys,
        signal_proxy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_those_asked_for() {
        let shown = |attach: &[&str], interactive| {
            let attach: Vec<String> = attach.iter().map(ToString::to_string).collect();
            let streams = streams(&attach, interactive);
            [streams.stdin, streams.stdout, streams.stderr]
        };
        assert_eq!(shown(&[], false), [false, true, true]);
        assert_eq!(shown(&[], true), [true, true, true]);
        assert_eq!(shown(&["stdout"], false), [false, true, false]);
        assert_eq!(shown(&["stderr"], true), [true, false, true]);
        assert_eq!(shown(&["stdin", "stdout"], false), [true, true, false]);
    }
}
