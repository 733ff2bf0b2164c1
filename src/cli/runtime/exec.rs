// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime exec`.

use std::path::PathBuf;

use super::create::WiringFlags;
use super::exit_code;
use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::{CommandResult, Failure};
use crate::engine::bundle::{BundleError, ProcessSource, SessionRequest, Stay};

/// Flags of `exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exec {
    /// Group to add, by number
    #[arg(long, short = 'g', value_name = "GID")]
    additional_gids: Vec<u32>,
    /// Accepted when empty: there are no AppArmor profiles
    #[arg(long, hide = true)]
    apparmor: Option<String>,
    /// Capability to add
    #[arg(long, short, value_name = "CAP")]
    cap: Vec<String>,
    /// Accepted: the program is in the container's cgroup
    #[arg(long, hide = true)]
    cgroup: Vec<String>,
    /// Working directory
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Return when the program runs
    #[arg(long, short)]
    detach: bool,
    /// Set environment variable, as KEY=VALUE
    #[arg(long, short, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Enter a paused container, too: the program stands still with it
    #[arg(long)]
    ignore_paused: bool,
    /// Nothing can give the program more rights
    #[arg(long)]
    no_new_privs: bool,
    /// File with the process section of a spec
    #[arg(long, short, value_name = "FILE")]
    process: Option<PathBuf>,
    /// Accepted when empty: there are no SELinux labels
    #[arg(long, hide = true)]
    process_label: Option<String>,
    /// Make a terminal for the program
    #[arg(long, short)]
    tty: bool,
    /// User, by number
    #[arg(long, short, value_name = "UID[:GID]")]
    user: Option<String>,
    #[command(flatten)]
    wiring: WiringFlags,
    /// The container's name
    #[arg(required = true)]
    id: String,
    /// Program and arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl RuntimeCommand for Exec {
    const PATHS: &'static [&'static str] = &["runtime exec"];
    const ABOUT: &'static str = "Execute a program in a container";
    const USAGE: Option<&'static str> = Some("ID [COMMAND [ARG...]]");

    fn run(self, call: &RuntimeCall) -> CommandResult {
        for (flag, value) in [
            ("--apparmor", &self.apparmor),
            ("--process-label", &self.process_label),
        ] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                return Err(Failure::tool(format_args!("{flag} {value}: not supported")));
            }
        }
        let stay = if self.detach {
            Stay::Detached
        } else {
            Stay::Foreground
        };
        let user = self.user.as_deref().map(parse_user).transpose()?;
        let process = match self.process {
            Some(path) => ProcessSource::File(path),
            None if self.command.is_empty() => {
                return Err(Failure::tool("no command to execute, and no --process"));
            }
            None => ProcessSource::Words {
                args: self.command,
                cwd: self.cwd,
                env: self.env,
                terminal: self.tty,
                user,
                groups: self.additional_gids,
                capabilities: self.cap,
                no_new_privileges: self.no_new_privs,
            },
        };
        let request = SessionRequest {
            id: self.id,
            process,
            wiring: self.wiring.wiring(),
            into_paused: self.ignore_paused,
        };
        let ended = call.runtime.exec(&request, stay, call);
        Ok(exit_code(ended.map_err(of_session)?))
    }
}

/// A session that did not begin must not look like a program that ended with 1: 255, as with the
/// other runtimes.
fn of_session(error: BundleError) -> Failure {
    match Failure::from(error) {
        failure if failure.code == 1 => Failure {
            code: 255,
            ..failure
        },
        failure => failure,
    }
}

/// `UID[:GID]`. What is no number is nobody, and never root (CVE-2026-30892); the highest one
/// means "leave it" to the kernel.
fn parse_user(typed: &str) -> Result<(u32, Option<u32>), Failure> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| digits);
        number.filter(|number| *number != u32::MAX).ok_or_else(|| {
            Failure::tool(format_args!(
                "--user {typed}: want UID or UID:GID, in numbers"
            ))
        })
    };
    match typed.split_once(':') {
        None => Ok((number(typed)?, None)),
        Some((uid, gid)) => Ok((number(uid)?, Some(number(gid)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers_cve_2026_30892() {
        let read = |typed: &str| parse_user(typed).ok();
        assert_eq!(read("1000"), Some((1000, None)));
        assert_eq!(read("1000:5"), Some((1000, Some(5))));
        for typed in ["", ":5", "1000:", "-1", "+1", "4294967295", "1x", "root"] {
            assert_eq!(read(typed), None, "{typed}");
        }
    }
}
