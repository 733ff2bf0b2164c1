// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about registries and platforms, shared by everything that pulls or pushes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::environment::reason;
use crate::cli::context::early_configuration;
use crate::cli::{Context, Failure};
use crate::config::containers_conf::EngineSection;
use crate::config::credentials::{Credentials, Secret};
use crate::config::registries::TlsVerify;
use crate::engine::access::AccessRequest;
use crate::engine::image::{Absence, Patience, PullPolicy};
use crate::engine::quantity::parse_duration;
use crate::oci::Platform;
use crate::output::ask;

/// How a registry is reached.
#[derive(Debug, Default, Args)]
pub(crate) struct AccessArgs {
    /// Path of the authentication file
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Path of a directory with certificates for the registry
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Credentials for the registry (USER[:PASSWORD])
    #[arg(long)]
    creds: Option<String>,
    /// Require HTTPS and check certificates
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    tls_verify: Option<bool>,
}

/// How a registry is reached, and how long it is waited for.
#[derive(Debug, Default, Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    access: AccessArgs,
    /// Number of times to retry in case of failure when performing pull
    #[arg(long, value_name = "TIMES")]
    retry: Option<u32>,
    /// Delay between retries in case of pull failures
    #[arg(long, value_name = "DURATION")]
    retry_delay: Option<String>,
    /// The policy to ask in place of policy.json
    #[arg(long, hide = true, value_name = "FILE")]
    signature_policy: Option<PathBuf>,
}

/// For which machine an image is.
#[derive(Debug, Default, Args)]
pub(crate) struct PlatformArgs {
    /// Use ARCH instead of the architecture of the machine for choosing images
    #[arg(long, alias = "override-arch", value_name = "ARCH")]
    pub(super) arch: Option<String>,
    /// Use OS instead of the running OS for choosing images
    #[arg(long, alias = "override-os", value_name = "OS")]
    pub(super) os: Option<String>,
    /// Platform of the image; conflicts with --arch and --os
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", hide_env = true)]
    pub(super) platform: Option<String>,
    /// Use VARIANT instead of the running architecture variant for choosing images
    #[arg(long, alias = "override-variant", value_name = "VARIANT")]
    pub(super) variant: Option<String>,
}

/// What is wrong with such a flag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryFlagError {
    #[error("--platform option can not be specified with --arch or --os")]
    PlatformTwice,
    #[error("invalid platform \"{text}\": want OS[/ARCH[/VARIANT]]")]
    Platform { text: String },
    #[error("unsupported pull policy \"{policy}\"")]
    PullPolicy { policy: String },
    #[error("credential file is not accessible: faccessat {}: {reason}", path.display())]
    AuthFile { path: PathBuf, reason: String },
    #[error("--creds {user}: a password is missing; give USER:PASSWORD, or use `login`")]
    NoPassword { user: String },
    #[error("time: invalid duration {text:?}")]
    RetryDelay { text: String },
}

impl AccessArgs {
    /// What these flags and the program's own ask for.
    pub(crate) fn request(&self, context: &Context) -> Result<AccessRequest, Failure> {
        let request = self.parse(|| ask_password(context))?;
        Ok(with_globals(request, context))
    }

    fn parse(
        &self,
        password: impl FnOnce() -> Result<Option<Secret>, Failure>,
    ) -> Result<AccessRequest, Failure> {
        check_auth_file(self.authfile.as_deref()).map_err(Failure::tool)?;
        let credentials = match self.creds.as_deref() {
            Some(text) => Some(credentials(text, password)?),
            None => None,
        };
        Ok(AccessRequest {
            tls: tls_verify(self.tls_verify),
            credentials,
            auth_file: self.authfile.clone(),
            cert_dir: self.cert_dir.clone(),
            ..AccessRequest::default()
        })
    }
}

/// `request` with what the program's own flags say.
pub(crate) fn with_globals(request: AccessRequest, context: &Context) -> AccessRequest {
    AccessRequest {
        docker_config: context.globals.config.clone(),
        registries_conf: context.globals.inherited.registries_conf.clone(),
        ..request
    }
}

/// `--tls-verify`.
pub(crate) fn tls_verify(flag: Option<bool>) -> TlsVerify {
    match flag {
        None => TlsVerify::AsConfigured,
        Some(true) => TlsVerify::Always,
        Some(false) => TlsVerify::Never,
    }
}

impl RegistryArgs {
    /// What these flags ask for.
    pub(crate) fn access(&self, context: &Context) -> Result<AccessRequest, Failure> {
        let request = self.access.request(context)?;
        Ok(AccessRequest {
            policy: self.signature_policy.clone(),
            ..request
        })
    }

    /// The policy that was named.
    pub(crate) fn policy(&self) -> Option<PathBuf> {
        self.signature_policy.clone()
    }

    /// How long registries are waited for.
    pub(crate) fn patience(&self) -> Result<Patience, RegistryFlagError> {
        self.patience_of(early_configuration())
    }

    fn patience_of(&self, conf: &EngineSection) -> Result<Patience, RegistryFlagError> {
        let mut patience = Patience::default();
        let configured = conf.retry.and_then(|retries| u32::try_from(retries).ok());
        if let Some(retries) = self.retry.or(configured) {
            patience.retries = retries;
            patience.absence = Absence::Passing;
        }
        let delay = self.retry_delay.as_ref().or(conf.retry_delay.as_ref());
        if let Some(text) = delay.filter(|text| !text.is_empty()) {
            let refused = || RegistryFlagError::RetryDelay { text: text.clone() };
            let nanoseconds = parse_duration(text).ok_or_else(refused)?;
            let nanoseconds = u64::try_from(nanoseconds).map_err(|_negative| refused())?;
            patience.delay = Some(Duration::from_nanos(nanoseconds));
        }
        Ok(patience)
    }
}

/// The help of a command that reaches registries, with what containers.conf says.
pub(crate) fn with_configured_defaults(definition: clap::Command) -> clap::Command {
    let conf = early_configuration();
    let retries = conf
        .retry
        .unwrap_or_else(|| i64::from(Patience::default().retries));
    let mut defaults = vec![("retry", retries.to_string())];
    let delay = conf.retry_delay.as_ref().filter(|delay| !delay.is_empty());
    defaults.extend(delay.map(|delay| ("retry_delay", format!("{delay:?}"))));
    definition.mut_args(|arg| {
        let default = defaults.iter().find(|(id, _)| arg.get_id() == id);
        let Some((_, default)) = default else {
            return arg;
        };
        let help = arg.get_help().map(ToString::to_string);
        arg.help(format!("{} (default {default})", help.unwrap_or_default()))
    })
}

/// The same flags where something is pushed.
pub(crate) fn for_push(definition: clap::Command) -> clap::Command {
    definition
        .mut_arg("retry", |arg| {
            arg.help("Number of times to retry in case of failure when performing push")
        })
        .mut_arg("retry_delay", |arg| {
            arg.help("Delay between retries in case of push failures")
        })
}

/// `None` if nobody can be asked.
fn ask_password(context: &Context) -> Result<Option<Secret>, Failure> {
    if !ask::can_answer() {
        return Ok(None);
    }
    Ok(Some(Secret::new(ask::secret(context.ui, "Password: ")?)))
}

/// `USER[:PASSWORD]`.
fn credentials(
    text: &str,
    password: impl FnOnce() -> Result<Option<Secret>, Failure>,
) -> Result<Credentials, Failure> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(Secret::new(password))),
        None => (text, password()?),
    };
    let user = user.to_owned();
    match password {
        Some(password) => Ok(Credentials::Basic { user, password }),
        None => Err(Failure::tool(RegistryFlagError::NoPassword { user })),
    }
}

fn check_auth_file(path: Option<&Path>) -> Result<(), RegistryFlagError> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(());
    };
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(RegistryFlagError::AuthFile {
            path: path.to_owned(),
            reason: reason(&error),
        }),
    }
}

impl PlatformArgs {
    /// `OS[/ARCH[/VARIANT]]`; `None` if nothing was asked for.
    pub(crate) fn text(&self) -> Result<Option<String>, RegistryFlagError> {
        let parts = [&self.os, &self.arch, &self.variant];
        if let Some(text) = &self.platform {
            if self.os.is_some() || self.arch.is_some() {
                return Err(RegistryFlagError::PlatformTwice);
            }
            let count = text.split('/').count();
            if count > 3 || text.split('/').any(str::is_empty) {
                return Err(RegistryFlagError::Platform { text: text.clone() });
            }
            return Ok(Some(text.clone()));
        }
        if parts.iter().all(|part| part.is_none()) {
            return Ok(None);
        }
        let host = Platform::host();
        let os = self.os.as_deref().unwrap_or("linux");
        let arch = self.arch.as_deref().unwrap_or(&host.architecture);
        let text = format!(
            "{os}/{arch}/{}",
            self.variant.as_deref().unwrap_or_default()
        );
        Ok(Some(text.trim_end_matches('/').to_owned()))
    }

    /// The same, read.
    pub(crate) fn platform(&self) -> Result<Option<Platform>, RegistryFlagError> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let refused = || RegistryFlagError::Platform { text: text.clone() };
        Platform::parse(&text).map(Some).ok_or_else(refused)
    }
}

/// `always`, `missing`, `never`, `newer`, and their old names.
pub(crate) fn pull_policy(text: &str) -> Result<PullPolicy, RegistryFlagError> {
    let policy = text.to_ascii_lowercase();
    match policy.as_str() {
        "missing" | "ifnotpresent" | "ifmissing" | "" => Ok(PullPolicy::Missing),
        "always" | "true" => Ok(PullPolicy::Always),
        "never" | "false" => Ok(PullPolicy::Never),
        "newer" | "ifnewer" => Ok(PullPolicy::Newer),
        _ => Err(RegistryFlagError::PullPolicy { policy }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_is_named_once() {
        let platform = |platform: Option<&str>, os: Option<&str>, arch: Option<&str>| {
            let args = PlatformArgs {
                platform: platform.map(str::to_owned),
                os: os.map(str::to_owned),
                arch: arch.map(str::to_owned),
                variant: None,
            };
            args.text().map_err(|error| error.to_string())
        };
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(platform(None, None, None), Ok(None));
        assert_eq!(
            platform(Some("linux/arm64/v8"), None, None),
            some("linux/arm64/v8")
        );
        assert_eq!(platform(None, None, Some("arm64")), some("linux/arm64"));
        assert_eq!(
            platform(Some("foo"), Some("bar"), None).unwrap_err(),
            "--platform option can not be specified with --arch or --os"
        );
    }

    #[test]
    fn policies_have_old_names() {
        assert_eq!(pull_policy("IfNotPresent"), Ok(PullPolicy::Missing));
        assert_eq!(pull_policy("true"), Ok(PullPolicy::Always));
        assert_eq!(
            pull_policy("bogus").unwrap_err().to_string(),
            "unsupported pull policy \"bogus\""
        );
    }

    #[test]
    fn access_is_read() {
        let args = RegistryArgs {
            access: AccessArgs {
                creds: Some("ana:a:b".to_owned()),
                tls_verify: Some(false),
                ..AccessArgs::default()
            },
            retry: Some(0),
            signature_policy: None,
            retry_delay: Some("1m".to_owned()),
        };
        let access = args.access.parse(|| Ok(None)).unwrap();
        assert_eq!(access.tls, TlsVerify::Never);
        let conf = EngineSection {
            retry: Some(10),
            retry_delay: Some("5s".to_owned()),
            ..EngineSection::default()
        };
        let patience = args.patience_of(&conf).unwrap();
        assert_eq!(patience.delay, Some(Duration::from_mins(1)));
        assert_eq!((patience.retries, patience.absence), (0, Absence::Passing));
        let configured = RegistryArgs::default().patience_of(&conf).unwrap();
        assert_eq!(configured.delay, Some(Duration::from_secs(5)));
        assert_eq!(
            (configured.retries, configured.absence),
            (10, Absence::Passing)
        );
        let usual = RegistryArgs::default().patience_of(&EngineSection::default());
        assert_eq!(usual, Ok(Patience::default()));
        let Some(Credentials::Basic { user, password }) = access.credentials else {
            panic!("no credentials");
        };
        assert_eq!((user.as_str(), password.reveal()), ("ana", "a:b"));
        for (creds, delay, auth_file, words) in [
            (
                Some("ana"),
                None,
                None,
                "--creds ana: a password is missing; give USER:PASSWORD, or use `login`",
            ),
            (None, Some("soon"), None, "time: invalid duration \"soon\""),
            (
                None,
                None,
                Some("/no/such"),
                "credential file is not accessible: faccessat /no/such: no such file or directory",
            ),
        ] {
            let args = RegistryArgs {
                access: AccessArgs {
                    creds: creds.map(str::to_owned),
                    authfile: auth_file.map(PathBuf::from),
                    ..AccessArgs::default()
                },
                retry_delay: delay.map(str::to_owned),
                ..RegistryArgs::default()
            };
            let refused = args.access.parse(|| Ok(None)).err();
            let refused = refused.map(|failure| failure.message);
            let late = || args.patience_of(&conf).unwrap_err().to_string();
            assert_eq!(refused.unwrap_or_else(late), words);
        }
    }
}
