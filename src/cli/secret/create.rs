// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `secret create`.

use std::fs::File;
use std::io::Read;

use crate::cli::args::pairs;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::state::secrets::{NewSecret, SameName, SecretData};

/// More than any secret may have: what is behind that is not read.
const READ_MAX: u64 = 1 << 20;

/// Flags of `secret create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Secret driver; there is one
    #[arg(long, short, default_value = "file", hide_default_value = true)]
    driver: String,
    /// Options of the driver
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    driver_opts: Vec<String>,
    /// Read the secret from the environment variable that the second word names
    #[arg(long)]
    env: bool,
    /// Do nothing if a secret of that name exists
    #[arg(long)]
    ignore: bool,
    /// Set metadata for a secret
    #[arg(long, short, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Replace a secret of the same name
    #[arg(long)]
    replace: bool,
    /// Name of the secret
    #[arg(value_name = "NAME", required = true)]
    name: String,
    /// The file with the secret, or - for standard input
    #[arg(value_name = "FILE|-", required = true)]
    source: String,
}

impl Subcommand for Create {
    const PATHS: &'static [&'static str] = &["secret create"];
    const ABOUT: &'static str = "Create a new secret";
    const EXAMPLES: &'static [&'static str] = &[
        "secret create password password.txt",
        "secret create --env token GITHUB_TOKEN",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let same_name = match (self.replace, self.ignore) {
            (true, true) => {
                let message = "cannot use --ignore and --replace flags together";
                return Err(Failure::tool(message));
            }
            (true, false) => SameName::Replace,
            (false, true) => SameName::Keep,
            (false, false) => SameName::Refuse,
        };
        if self.driver != "file" {
            return Err(Failure::tool(format_args!(
                "secret driver {}: not supported, want file",
                self.driver
            )));
        }
        let new = NewSecret {
            data: SecretData::new(self.read()?),
            name: self.name,
            labels: pairs(&self.label),
            driver_options: pairs(&self.driver_opts),
            same_name,
        };
        let created = context.engine.create_secret(new);
        let id = created.map_err(|error| super::failure(context, &error, 125))?;
        context.ui.line(id)?;
        Ok(0)
    }
}

impl Create {
    fn read(&self) -> Result<Vec<u8>, Failure> {
        if self.env {
            let value = std::env::var_os(&self.source).unwrap_or_default();
            if value.is_empty() {
                return Err(Failure::tool(format_args!(
                    "cannot create store secret data: environment variable {} is not set",
                    self.source
                )));
            }
            return Ok(std::os::unix::ffi::OsStringExt::into_vec(value));
        }
        let mut data = Vec::new();
        let read = if matches!(self.source.as_str(), "-" | "/dev/stdin") {
            std::io::stdin().take(READ_MAX).read_to_end(&mut data)
        } else {
            File::open(&self.source).and_then(|file| file.take(READ_MAX).read_to_end(&mut data))
        };
        read.map_err(|error| Failure::tool(format_args!("open {}: {error}", self.source)))?;
        Ok(data)
    }
}
