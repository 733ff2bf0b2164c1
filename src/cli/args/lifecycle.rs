// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the container as an object: its name, its files on the host, its end.

use std::path::PathBuf;

use clap::Args;

use crate::engine::Dialect;
use crate::state::record::{ContainerRequest, NotifyMode};

/// Flags about the life of the container.
#[derive(Debug, Default, Args)]
pub(crate) struct LifecycleArgs {
    /// Attach to stdin, stdout or stderr
    #[arg(long, short, value_delimiter = ',')]
    attach: Vec<String>,
    /// Write the container ID to the file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Write the process ID of the monitor to the file
    #[arg(long, value_name = "FILE")]
    conmon_pidfile: Option<PathBuf>,
    /// Assign a name to the container
    #[arg(long)]
    name: Option<String>,
    /// Disable healthchecks on the container
    #[arg(long)]
    no_healthcheck: bool,
    /// Write the process ID of the container's first process to the file
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Replace a container of the same name
    #[arg(long)]
    replace: bool,
    /// Restart policy to apply when the container exits ("always"|"no"|"never"|"on-failure[:N]"|"unless-stopped")
    #[arg(long)]
    pub(super) restart: Option<String>,
    /// Remove the container after it exits
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    rm: Option<bool>,
    /// Remove the image unless other containers use it, implies --rm
    #[arg(long)]
    rmi: bool,
    /// Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")
    #[arg(long)]
    sdnotify: Option<String>,
    /// Seconds that a stopped container has to exit before it is killed
    #[arg(long, value_name = "uint")]
    stop_timeout: Option<u32>,
    /// Seconds that a container is allowed to run
    #[arg(long, value_name = "uint")]
    timeout: Option<u32>,
}

/// What is wrong with a flag about the life of the container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LifecycleError {
    #[error(
        "invalid stream \"{stream}\" for --attach - must be one of stdin, stdout, or stderr: invalid argument"
    )]
    Stream { stream: String },
    #[error("cannot replace container without --name being set")]
    ReplaceNameless,
    #[error("the --rmi option does not work without --rm")]
    ImageWithoutContainer,
    #[error(
        "the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\""
    )]
    RemoveAndRestart,
    #[error("conflicting options: cannot specify both --restart and --rm")]
    DockerRemoveAndRestart,
    #[error("\"{policy}\" is not a valid restart policy: invalid argument")]
    Policy { policy: String },
    #[error("restart policy retries can only be specified with on-failure restart policy")]
    RetriesOfOther,
    #[error("parsing restart policy retry count: strconv.Atoi: parsing \"{text}\": invalid syntax")]
    Retries { text: String },
    #[error("must specify restart policy retry count as a number greater than 0")]
    NegativeRetries,
    #[error("invalid restart policy: may specify retries at most once")]
    RetriesTwice,
    #[error("invalid sdnotify value \"{mode}\": must be container, conmon, healthy or ignore")]
    Notify { mode: String },
}

impl LifecycleArgs {
    /// Writes what these flags ask for into `request`; `notified` is the socket of a service
    /// manager that waits for word of the container (`NOTIFY_SOCKET`).
    pub(crate) fn fill(
        self,
        request: &mut ContainerRequest,
        dialect: Dialect,
        notified: Option<&str>,
    ) -> Result<(), LifecycleError> {
        self.check(dialect)?;
        request.sdnotify = notify_mode(self.sdnotify.as_deref())?;
        let notified = notified.filter(|socket| !socket.is_empty());
        let notified = notified.filter(|_| request.sdnotify != NotifyMode::Ignore);
        request.notify_socket = notified.map(PathBuf::from);
        request.attach = self
            .attach
            .iter()
            .map(|stream| stream.to_ascii_lowercase())
            .collect();
        request.auto_remove = self.rm == Some(true) || self.rmi;
        request.cidfile = self.cidfile;
        request.monitor_pidfile = self.conmon_pidfile;
        request.name = self.name.map(without_slash);
        request.no_healthcheck = self.no_healthcheck;
        request.pidfile = self.pidfile;
        request.remove_image = self.rmi;
        request.replace = self.replace;
        request.restart = self.restart.filter(|policy| !policy.is_empty());
        request.stop_timeout_seconds = self.stop_timeout.map(u64::from);
        request.timeout_seconds = self.timeout.filter(|seconds| *seconds > 0).map(u64::from);
        Ok(())
    }

    fn check(&self, dialect: Dialect) -> Result<(), LifecycleError> {
        for stream in &self.attach {
            let lower = stream.to_ascii_lowercase();
            if !["stdin", "stdout", "stderr"].contains(&lower.as_str()) {
                return Err(LifecycleError::Stream {
                    stream: stream.clone(),
                });
            }
        }
        if self.replace && self.name.is_none() {
            return Err(LifecycleError::ReplaceNameless);
        }
        if self.rmi && self.rm == Some(false) {
            return Err(LifecycleError::ImageWithoutContainer);
        }
        let policy = restart_policy(self.restart.as_deref().unwrap_or_default())?;
        let removed = self.rm == Some(true) || self.rmi;
        match (dialect, policy) {
            (Dialect::Docker, Policy::OnFailure | Policy::Always) if removed => {
                Err(LifecycleError::DockerRemoveAndRestart)
            }
            (Dialect::Podman, Policy::Always) if removed => Err(LifecycleError::RemoveAndRestart),
            _ => Ok(()),
        }
    }
}

/// Docker shows names with a slash in front; people paste them back.
fn without_slash(name: String) -> String {
    match name.strip_prefix('/') {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// Whether a container comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Never,
    OnFailure,
    Always,
}

/// Refuses what is no restart policy.
pub(super) fn check_restart_policy(text: Option<&str>) -> Result<(), LifecycleError> {
    restart_policy(text.unwrap_or_default()).map(drop)
}

/// `no`, `never`, `on-failure[:N]`, `always`, `unless-stopped`.
fn restart_policy(text: &str) -> Result<Policy, LifecycleError> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    if let Some(retries) = parts.next() {
        if parts.next().is_some() {
            return Err(LifecycleError::RetriesTwice);
        }
        check_retries(&name, retries)?;
    }
    match name.as_str() {
        "" | "no" | "never" => Ok(Policy::Never),
        "on-failure" => Ok(Policy::OnFailure),
        "always" | "unless-stopped" => Ok(Policy::Always),
        _ => Err(LifecycleError::Policy {
            policy: text.to_owned(),
        }),
    }
}

fn check_retries(policy: &str, retries: &str) -> Result<(), LifecycleError> {
    if policy != "on-failure" {
        return Err(LifecycleError::RetriesOfOther);
    }
    match retries.parse::<i64>() {
        Ok(count) if count < 0 => Err(LifecycleError::NegativeRetries),
        Ok(_) => Ok(()),
        Err(_) => Err(LifecycleError::Retries {
            text: retries.to_owned(),
        }),
    }
}

fn notify_mode(name: Option<&str>) -> Result<NotifyMode, LifecycleError> {
    let Some(name) = name else {
        return Ok(NotifyMode::default());
    };
    NotifyMode::parse(name).ok_or_else(|| LifecycleError::Notify {
        mode: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(args: LifecycleArgs, dialect: Dialect) -> Result<ContainerRequest, String> {
        let mut request = ContainerRequest::default();
        args.fill(&mut request, dialect, None)
            .map(|()| request)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn policies_are_read() {
        let cases = [
            ("", Ok(Policy::Never)),
            ("no", Ok(Policy::Never)),
            ("never", Ok(Policy::Never)),
            ("on-failure", Ok(Policy::OnFailure)),
            ("on-failure:3", Ok(Policy::OnFailure)),
            ("always", Ok(Policy::Always)),
            ("unless-stopped", Ok(Policy::Always)),
            ("always:3", Err(LifecycleError::RetriesOfOther)),
            ("on-failure:-1", Err(LifecycleError::NegativeRetries)),
            ("on-failure:1:2", Err(LifecycleError::RetriesTwice)),
            (
                "on-failure:x",
                Err(LifecycleError::Retries { text: "x".into() }),
            ),
            (
                "bogus",
                Err(LifecycleError::Policy {
                    policy: "bogus".into(),
                }),
            ),
        ];
        for (text, want) in cases {
            assert_eq!(restart_policy(text), want, "{text}");
        }
    }

    #[test]
    fn removal_and_return_exclude_each_other() {
        let args = |policy: &str| LifecycleArgs {
            rm: Some(true),
            restart: Some(policy.into()),
            ..LifecycleArgs::default()
        };
        assert!(
            fill(args("always"), Dialect::Podman)
                .unwrap_err()
                .starts_with("the --rm option conflicts with --restart")
        );
        assert!(fill(args("on-failure"), Dialect::Podman).is_ok());
        assert_eq!(
            fill(args("on-failure"), Dialect::Docker).unwrap_err(),
            "conflicting options: cannot specify both --restart and --rm"
        );
        assert!(fill(args("no"), Dialect::Docker).is_ok());
    }

    #[test]
    fn removing_the_image_removes_the_container() {
        let args = |rm| LifecycleArgs {
            rmi: true,
            rm,
            ..LifecycleArgs::default()
        };
        assert!(fill(args(None), Dialect::Podman).unwrap().auto_remove);
        assert_eq!(
            fill(args(Some(false)), Dialect::Podman).unwrap_err(),
            "the --rmi option does not work without --rm"
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        let cases = [
            (
                LifecycleArgs {
                    attach: vec!["stdlog".into()],
                    ..LifecycleArgs::default()
                },
                "invalid stream \"stdlog\" for --attach - must be one of stdin, stdout, or stderr: invalid argument",
            ),
            (
                LifecycleArgs {
                    replace: true,
                    ..LifecycleArgs::default()
                },
                "cannot replace container without --name being set",
            ),
        ];
        for (args, message) in cases {
            assert_eq!(fill(args, Dialect::Podman).unwrap_err(), message);
        }
        assert_eq!(notify_mode(Some("conmon")), Ok(NotifyMode::Conmon));
        assert_eq!(notify_mode(None), Ok(NotifyMode::Container));
        assert!(notify_mode(Some("bogus")).is_err());
    }
}
