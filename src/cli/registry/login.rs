// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `login`.

use std::io::{self, Read as _};
use std::path::PathBuf;

use crate::cli::args::boolean;
use crate::cli::args::registry::{tls_verify, with_globals};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::config::auth_files::{Login, LoginKey};
use crate::config::credentials::{Credentials, Secret};
use crate::engine::access::{Access, AccessRequest, StoredIn};
use crate::engine::{Dialect, Report as _};
use crate::output::ask;

/// Flags of `login`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogIn {
    /// Path of the authentication file
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Path of a directory with certificates for the registry
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Path of an authentication file in Docker's form, which is written in that form
    #[arg(long, value_name = "FILE")]
    compat_auth_file: Option<PathBuf>,
    /// Return the current login user for the registry
    #[arg(long)]
    get_login: bool,
    /// Password for the registry; other users of the machine may see it
    #[arg(long, short)]
    password: Option<String>,
    /// Take the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Take the password from a secret; the secret's name is the username where none is given
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// Require HTTPS and check certificates
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    tls_verify: Option<bool>,
    /// Username for the registry
    #[arg(long, short)]
    username: Option<String>,
    /// Tell where the login is kept
    #[arg(long, short)]
    verbose: bool,
    /// The registry, or a namespace or repository of one
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

impl Subcommand for LogIn {
    const PATHS: &'static [&'static str] = &["login"];
    const ABOUT: &'static str = "Log in to a container registry";
    const USAGE: Option<&'static str> = Some("[REGISTRY]");
    const EXAMPLES: &'static [&'static str] = &[
        "login quay.io",
        "login --username ana --password-stdin quay.io < password.txt",
        "login --get-login quay.io",
    ];
    fn run(self, context: &Context) -> CommandResult {
        let access = context.engine.access(self.access_request(context)?)?;
        let key = key_of(self.registry.as_deref(), &access, context.engine.dialect)?;
        let known = access.login(&key, context)?;
        if self.get_login {
            let user = known
                .map(|known| known.user)
                .filter(|user| !user.is_empty());
            let Some(user) = user else {
                return Err(Failure::tool(format_args!(
                    "not logged into {}",
                    key.as_str()
                )));
            };
            context.ui.line(user)?;
            return Ok(0);
        }
        self.log_in(&access, &key, known.as_ref(), context)
    }
}

impl LogIn {
    fn access_request(&self, context: &Context) -> Result<AccessRequest, Failure> {
        let request = AccessRequest {
            tls: tls_verify(self.tls_verify),
            auth_file: self.authfile.clone(),
            docker_auth_file: self.compat_auth_file.clone(),
            cert_dir: self.cert_dir.clone(),
            ..AccessRequest::default()
        };
        not_both_files(&request)?;
        Ok(with_globals(request, context))
    }

    fn log_in(
        self,
        access: &Access,
        key: &LoginKey,
        known: Option<&Login>,
        context: &Context,
    ) -> CommandResult {
        let dialect = context.engine.dialect;
        let mut password = self.given_password(context)?;
        let old = known.map(|known| &known.credentials);
        if self.username.is_none() && password.is_none() {
            match old {
                Some(Credentials::IdentityToken(_)) if dialect == Dialect::Podman => {
                    let message = "currently logged in, auth file contains an Identity token";
                    return Err(Failure::tool(message));
                }
                Some(credentials) if still_good(access, key, credentials, context)? => {
                    return Ok(0);
                }
                Some(_) | None => {}
            }
        }
        let user = self.user(known, context)?;
        if password.is_none() {
            password = Some(ask_password(context)?);
        }
        let password = password.unwrap_or_default();
        let stored = access.log_in(key, user.trim(), &password)?;
        tell(&stored, self.verbose, context)
    }

    /// The password of the command line, of a secret or of standard input.
    fn given_password(&self, context: &Context) -> Result<Option<Secret>, Failure> {
        if let Some(name) = &self.secret {
            let found = context.engine.secrets().find(name).map_err(Failure::tool)?;
            let text = String::from_utf8_lossy(found.data.reveal()).into_owned();
            return Ok(Some(Secret::new(text)));
        }
        if !self.password_stdin {
            if self.password.is_some() && context.engine.dialect == Dialect::Docker {
                context.ui.note(
                    "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
                );
            }
            return Ok(self.password.as_deref().map(Secret::new));
        }
        if self.password.is_some() {
            let message = "can't specify both --password-stdin and --password";
            return Err(Failure::tool(message));
        }
        if self.username.is_none() {
            let message = "must provide --username with --password-stdin";
            return Err(Failure::tool(message));
        }
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        Ok(Some(Secret::new(text.replace(['\n', '\r'], ""))))
    }

    fn user(&self, known: Option<&Login>, context: &Context) -> Result<String, Failure> {
        if let Some(user) = self.username.as_ref().or(self.secret.as_ref()) {
            return Ok(user.clone());
        }
        if context.engine.dialect == Dialect::Docker && !ask::can_answer() {
            let message = "Error: Cannot perform an interactive login from a non TTY device";
            return Err(Failure::bare(1, message));
        }
        let known = known.map(|known| known.user.as_str());
        let known = known.filter(|user| !user.is_empty());
        let prompt = match known {
            Some(user) => format!("Username ({user}): "),
            None => "Username: ".to_owned(),
        };
        let typed = ask::line(context.ui, &prompt).map_err(|error| {
            Failure::tool(format_args!(
                "getting username and password: reading username: {error}"
            ))
        })?;
        Ok(match (typed.trim().is_empty(), known) {
            (true, Some(known)) => known.to_owned(),
            _ => typed,
        })
    }
}

fn ask_password(context: &Context) -> Result<Secret, Failure> {
    if !ask::can_answer() {
        let message = "getting username and password: reading password: standard input is no \
                       terminal; use --password-stdin";
        return Err(Failure::tool(message));
    }
    Ok(Secret::new(ask::secret(context.ui, "Password: ")?))
}

/// Whether the login that is there still works; both tools say so.
fn still_good(
    access: &Access,
    key: &LoginKey,
    credentials: &Credentials,
    context: &Context,
) -> Result<bool, Failure> {
    let name = key.as_str();
    let dialect = context.engine.dialect;
    context.ui.line(match dialect {
        Dialect::Podman => format!("Authenticating with existing credentials for {name}"),
        Dialect::Docker => "Authenticating with existing credentials...".to_owned(),
    })?;
    let is_good = access.check_login(key, credentials.clone()).is_ok();
    match (is_good, dialect) {
        (true, Dialect::Podman) => context.ui.line(format_args!(
            "Existing credentials are valid. Already logged in to {}",
            key.registry()
        ))?,
        (true, Dialect::Docker) => context.ui.line("Login Succeeded")?,
        (false, Dialect::Podman) => context
            .ui
            .line("Existing credentials are invalid, please enter valid username and password")?,
        (false, Dialect::Docker) => context.ui.note("Login did not succeed"),
    }
    Ok(is_good)
}

fn tell(stored: &StoredIn, verbose: bool, context: &Context) -> CommandResult {
    match (context.engine.dialect, stored) {
        (Dialect::Docker, StoredIn::File(path)) => context.warning(&format!(
            "Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to \
             remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n",
            path.display()
        )),
        (Dialect::Podman, _) if verbose => {
            let place = match stored {
                StoredIn::File(path) => path.display().to_string(),
                StoredIn::Helper(name) => format!("credential helper: {name}"),
            };
            context.ui.line(format_args!("Used:  {place}"))?;
        }
        (Dialect::Docker | Dialect::Podman, _) => {}
    }
    context.ui.line(match context.engine.dialect {
        Dialect::Docker => "Login Succeeded",
        Dialect::Podman => "Login Succeeded!",
    })?;
    Ok(0)
}

/// What a login is for: what was typed, else the first registry of short names.
pub(super) fn key_of(
    typed: Option<&str>,
    access: &Access,
    dialect: Dialect,
) -> Result<LoginKey, Failure> {
    let first = || access.search_registries().into_iter().next();
    let Some(text) = typed.map(str::to_owned).or_else(first) else {
        let message = "no registries found in registries.conf, a registry must be provided";
        return Err(Failure::tool(message));
    };
    let key = LoginKey::parse(&text).map_err(crate::engine::access::AccessError::from)?;
    Ok(match dialect {
        // Docker logs in to whole registries.
        Dialect::Docker => {
            LoginKey::parse(key.registry()).map_err(crate::engine::access::AccessError::from)?
        }
        Dialect::Podman => key,
    })
}

/// Only one file can be the one that is written.
pub(super) fn not_both_files(request: &AccessRequest) -> Result<(), Failure> {
    if request.auth_file.is_some() && request.docker_auth_file.is_some() {
        return Err(Failure::tool(
            "options for paths to the credential file and to the Docker-compatible credential \
             file can not be set simultaneously",
        ));
    }
    Ok(())
}
