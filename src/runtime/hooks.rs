// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs that a spec has run at points of a container's life, each with the container's
//! state on its standard input. Runs them where the caller is: in whose namespaces is the caller's
//! business.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use oci_spec::runtime::{ContainerState, Hook, State};

use super::launch::StageFailure;
use crate::sys::child::spawn;
use crate::sys::pidfd::{Pidfd, WaitOutcome};
use crate::sys::{Ignored as _, SysResult};

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
    let Some(hooks) = hooks.filter(|hooks| !hooks.is_empty()) else {
        return Ok(());
    };
    let mut state = state.clone();
    state.set_status(status);
    let words = serde_json::to_vec(&state).expect("a state is text and numbers");
    for (index, hook) in hooks.iter().enumerate() {
        run_one(hook, &words).map_err(|why| {
            let path = hook.path().display();
            StageFailure::setup(format!(
                "error running {point} hook #{index}: {path}: {why}"
            ))
        })?;
    }
    Ok(())
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
        let why = run_one(hook, &words).err()?;
        let path = hook.path().display();
        Some(format!("{point} hook failed with {why}: {path}"))
    };
    hooks.into_iter().flatten().filter_map(failed).collect()
}

fn run_one(hook: &Hook, state: &[u8]) -> Result<(), String> {
    let mut command = Command::new(hook.path());
    let words = hook.args().as_deref().unwrap_or_default();
    if let Some((name, arguments)) = words.split_first() {
        command.arg0(name).args(arguments);
    }
    // One that says nothing of its environment has the caller's, as in the other runtimes.
    if let Some(environment) = hook.env() {
        let pairs = environment.iter();
        command
            .env_clear()
            .envs(pairs.filter_map(|pair| pair.split_once('=')));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = spawn(&mut command, &[]).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that does not want to know closes it.
        stdin.write_all(state).ignored();
    }
    let seconds = hook.timeout().and_then(|limit| u64::try_from(limit).ok());
    let limit = seconds.filter(|limit| *limit > 0).map(Duration::from_secs);
    match wait(&mut child, limit).map_err(|error| error.to_string())? {
        WaitOutcome::Ended => {}
        WaitOutcome::TimedOut => {
            child.kill().ignored();
            child.wait().ignored();
            let limit = limit.unwrap_or_default().as_secs();
            return Err(format!("no end within {limit} s"));
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    Err(
        match std::os::unix::process::ExitStatusExt::signal(&status) {
            Some(signal) => Signal::try_from(signal)
                .map_or_else(|_| format!("signal {signal}"), |signal| signal.to_string()),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        },
    )
}

fn wait(child: &mut Child, limit: Option<Duration>) -> SysResult<WaitOutcome> {
    let pid = i32::try_from(child.id()).expect("process ids are int");
    Pidfd::open(pid)?.wait(limit)
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
        assert_eq!(run("kill -9 $$"), of("SIGKILL"));
        assert_eq!(run("sleep 60"), of("no end within 1 s"));
        let all = vec![hook("exit 3", 1), hook("true", 1), hook("exit 4", 1)];
        let told = run_each(Some(&all), "poststop", &state, ContainerState::Stopped);
        let wanted =
            [3, 4].map(|code| format!("poststop hook failed with exit code {code}: /bin/sh"));
        assert_eq!(told, wanted);
    }
}
