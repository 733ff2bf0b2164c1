// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands about registries themselves, one file each.

mod login;
mod logout;
mod search;

use std::path::{Path, PathBuf};

use super::{Context, Entry, Failure};
use crate::cli::args::boolean;
use crate::config::credentials::{Credentials, Secret};
use crate::config::registries::TlsVerify;
use crate::engine::access::AccessRequest;
use crate::output::ask;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<login::LogIn>(),
    Entry::of::<logout::LogOut>(),
    Entry::of::<search::Search>(),
];

/// How a registry is reached.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AccessFlags {
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
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    tls_verify: Option<bool>,
}

impl AccessFlags {
    /// What these flags ask for.
    pub(crate) fn request(&self, context: &Context) -> Result<AccessRequest, Failure> {
        check_auth_file(self.authfile.as_deref())?;
        let credentials = self.creds.as_deref();
        Ok(AccessRequest {
            tls: tls_verify(self.tls_verify),
            credentials: credentials
                .map(|text| credentials_of(text, context))
                .transpose()?,
            auth_file: self.authfile.clone(),
            cert_dir: self.cert_dir.clone(),
            ..request(context)
        })
    }
}

/// What the program's own flags say of registries.
fn request(context: &Context) -> AccessRequest {
    AccessRequest {
        docker_config: context.globals.config.clone(),
        registries_conf: context.globals.inherited.registries_conf.clone(),
        ..AccessRequest::default()
    }
}

fn tls_verify(flag: Option<bool>) -> TlsVerify {
    match flag {
        None => TlsVerify::AsConfigured,
        Some(true) => TlsVerify::Always,
        Some(false) => TlsVerify::Never,
    }
}

fn check_auth_file(path: Option<&Path>) -> Result<(), Failure> {
    match path {
        Some(path) if !path.as_os_str().is_empty() && !path.exists() => {
            Err(Failure::tool(format_args!(
                "credential file is not accessible: faccessat {}: no such file or directory",
                path.display()
            )))
        }
        _ => Ok(()),
    }
}

/// `USER[:PASSWORD]`; a password that is missing is asked for.
fn credentials_of(text: &str, context: &Context) -> Result<Credentials, Failure> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Secret::new(password)),
        None if ask::can_answer() => (text, Secret::new(ask::secret(context.ui, "Password: ")?)),
        None => {
            return Err(Failure::tool(format_args!(
                "--creds {text}: a password is missing; give USER:PASSWORD, or use `login`"
            )));
        }
    };
    if user.is_empty() {
        return Err(Failure::tool("credentials with an empty username"));
    }
    let user = user.to_owned();
    Ok(Credentials::Basic { user, password })
}
