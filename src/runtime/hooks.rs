// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs that a spec has run at points of a container's life, each with the container's
//! state on its standard input. Runs them where the caller is: in whose namespaces is the caller's
//! business.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use oci_spec::runtime::{ContainerState, Hook, Spec, State};

use super::failure::StageFailure;
use crate::sys::child::spawn;
use crate::sys::pidfd::{Pidfd, WaitOutcome};
use crate::sys::poll::{Interest, PollSet};
use crate::sys::steps::step;
use crate::sys::{Called as _, Ignored as _, SysResult};

/// Of what a hook says on its standard error, so much is kept for the user.
const WORDS_BYTES: usize = 4096;

/// Runs `hooks` one after the other, with `state` in the status that the container has now.
///
/// # Errors
///
/// The first that did not start, did not end well, or took longer than it may. `point` names it.
pub fn run(
    hooks: Option<&Vec<Hook>>,
    point: &str,
    state: &State,
    status: ContainerState,
) -> Result<(), StageFailure> {
    run_with(hooks, (point, status), state, None)
}

/// As [`run`]; a hook that says nothing of its environment has `environment`, or else the
/// caller's.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(
    hooks: Option<&Vec<Hook>>,
    (point, status): (&str, ContainerState),
    state: &State,
    environment: Option<&[String]>,
) -> Result<(), StageFailure> {
    let Some(hooks) = hooks.filter(|hooks| !hooks.is_empty()) else {
        return Ok(());
    };
    let mut state = state.clone();
    state.set_status(status);
    let words = serde_json::to_vec(&state).expect("a state is text and numbers");
    for (index, hook) in hooks.iter().enumerate() {
        step(|| format!("run the {point} hook {}", hook.path().display()));
        run_one(hook, &words, environment).map_err(|why| {
            let path = hook.path().display();
            StageFailure::setup(format!(
                "error running {point} hook #{index}: {path}: {why}"
            ))
        })?;
    }
    Ok(())
}

/// Runs those that come when the container is made and its program is not: `state` has its process.
///
/// # Errors
///
/// See [`run`].
pub fn run_at_creation(spec: &Spec, state: &State) -> Result<(), StageFailure> {
    let Some(hooks) = spec.hooks() else {
        return Ok(());
    };
    let status = ContainerState::Creating;
    run(hooks.prestart().as_ref(), "prestart", state, status)?;
    run(
        hooks.create_runtime().as_ref(),
        "createRuntime",
        state,
        status,
    )
}

/// Runs hooks that nothing depends on any more: one that fails keeps none of the others. The value
/// is what to tell the user.
pub fn run_each(
    hooks: Option<&Vec<Hook>>,
    point: &str,
    state: &State,
    status: ContainerState,
) -> Vec<String> {
    let mut state = state.clone();
    state.set_status(status);
    let words = serde_json::to_vec(&state).expect("a state is text and numbers");
    let failed = |hook: &Hook| {
        let why = run_one(hook, &words, None).err()?;
        let path = hook.path().display();
        Some(format!("{point} hook failed with {why}: {path}"))
    };
    hooks.into_iter().flatten().filter_map(failed).collect()
}

fn run_one(hook: &Hook, state: &[u8], environment: Option<&[String]>) -> Result<(), String> {
    let mut child = start(hook, environment).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that does not want to know closes it.
        stdin.write_all(state).ignored();
    }
    let seconds = hook.timeout().and_then(|limit| u64::try_from(limit).ok());
    let limit = seconds.filter(|limit| *limit > 0).map(Duration::from_secs);
    let (outcome, said) = attend(&mut child, limit).map_err(|error| error.to_string())?;
    if outcome == WaitOutcome::TimedOut {
        child.kill().ignored();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        std::io::stderr().write_all(&said).ignored();
        return Ok(());
    }
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let why = match (outcome, signal) {
        (WaitOutcome::TimedOut, _) => {
            let limit = limit.unwrap_or_default().as_secs();
            format!("no end within {limit} s")
        }
        (WaitOutcome::Ended, Some(signal)) => Signal::try_from(signal)
            .map_or_else(|_| format!("signal {signal}"), |signal| signal.to_string()),
        (WaitOutcome::Ended, None) => format!("exit code {}", status.code().unwrap_or_default()),
    };
    let said = String::from_utf8_lossy(&said);
    match said.trim() {
        "" => Err(why),
        said => Err(format!("{why}: {said}")),
    }
}

fn start(hook: &Hook, environment: Option<&[String]>) -> SysResult<Child> {
    let mut command = Command::new(hook.path());
    let words = hook.args().as_deref().unwrap_or_default();
    if let Some((name, arguments)) = words.split_first() {
        command.arg0(name).args(arguments);
    }
    // One that says nothing of its environment has the caller's, as in the other runtimes.
    if let Some(environment) = hook.env().as_deref().or(environment) {
        let pairs = environment.iter();
        command
            .env_clear()
            .envs(pairs.filter_map(|pair| pair.split_once('=')));
    }
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
    spawn(command.stderr(Stdio::piped()), &[])
}

/// Waits for the end and reads what is said meanwhile: an error that nobody sees explains nothing,
/// since the streams of a container may be a terminal that goes with it. What a hook leaves behind
/// may keep the pipe open; it is not waited for.
fn attend(child: &mut Child, limit: Option<Duration>) -> SysResult<(WaitOutcome, Vec<u8>)> {
    let pid = i32::try_from(child.id()).expect("process ids are int");
    let process = Pidfd::open(pid)?;
    let mut pipe = child.stderr.take();
    let mut said = Vec::new();
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut set = PollSet::new();
    let mut ended = false;
    loop {
        set.clear();
        set.watch(process.as_fd(), Interest::Read, Heard::End);
        if let Some(pipe) = &pipe {
            set.watch(pipe, Interest::Read, Heard::Words);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        set.wait(if ended { Some(Duration::ZERO) } else { left })?;
        let mut words = false;
        let mut from = 0;
        while let Some((event, _, next)) = set.next_ready(from) {
            from = next;
            ended |= event == Heard::End;
            words |= event == Heard::Words;
        }
        if words && let Some(open) = &mut pipe {
            let mut piece = [0_u8; WORDS_BYTES];
            let length = open.read(&mut piece).called(|| "read([hook])")?;
            let room = WORDS_BYTES.saturating_sub(said.len()).min(length);
            said.extend_from_slice(&piece[..room]);
            if length == 0 {
                pipe = None;
            }
        } else if ended {
            return Ok((WaitOutcome::Ended, said));
        } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok((WaitOutcome::TimedOut, said));
        }
    }
}

/// What a hook is listened to for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Words,
    End,
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::HookBuilder;

    use super::*;

    fn hook(script: &str, timeout: i64) -> Hook {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        HookBuilder::default()
            .path("/bin/sh")
            .args(words)
            .timeout(timeout)
            .build()
            .expect("a hook")
    }

    #[test]
    fn hooks_get_the_state_and_fail_by_name() {
        let mut state = State::default();
        state.set_id("web".to_owned());
        let run = |script: &str| {
            let hooks = vec![hook(script, 1)];
            let done = run(Some(&hooks), "prestart", &state, ContainerState::Creating);
            done.map_err(|failure| failure.message)
        };
        let wanted = r#"read state; case "$state" in *'"web"'*'"creating"'*) ;; *) exit 1;; esac"#;
        assert_eq!(run(wanted), Ok(()));
        assert_eq!(run("exec <&-; true"), Ok(()));
        let of = |why: &str| Err(format!("error running prestart hook #0: /bin/sh: {why}"));
        assert_eq!(run("exit 3"), of("exit code 3"));
        let said = "echo why >&2; sleep 60 >/dev/null & exit 3";
        assert_eq!(run(said), of("exit code 3: why"));
        assert_eq!(run("kill -9 $$"), of("SIGKILL"));
        assert_eq!(run("sleep 60"), of("no end within 1 s"));
        let all = vec![hook("exit 3", 1), hook("true", 1), hook("exit 4", 1)];
        let told = run_each(Some(&all), "poststop", &state, ContainerState::Stopped);
        let wanted =
            [3, 4].map(|code| format!("poststop hook failed with exit code {code}: /bin/sh"));
        assert_eq!(told, wanted);
    }
}
