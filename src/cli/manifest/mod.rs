// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `manifest`, one file each.

mod add;
mod annotate;
mod create;
mod exists;
mod inspect;
mod push;
mod remove;
mod rm;

use std::collections::BTreeMap;

use super::{Context, Entry, Failure};
use crate::cli::args::boolean;
use crate::cli::args::registry::AccessArgs;
use crate::config::registries::TlsVerify;
use crate::engine::access::Access;
use crate::engine::manifest::InstanceChanges;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<add::Add>(),
    Entry::of::<annotate::Annotate>(),
    Entry::of::<create::Create>(),
    Entry::of::<exists::Exists>(),
    Entry::of::<inspect::Inspect>(),
    Entry::of::<push::Push>(),
    Entry::of::<remove::Remove>(),
    Entry::of::<rm::Rm>(),
];

/// How a registry is reached, with docker's word for `--tls-verify=false`.
#[derive(Debug, Default, clap::Args)]
struct ReachFlags {
    #[command(flatten)]
    access: AccessArgs,
    /// Neither require HTTPS nor check certificates
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    insecure: Option<bool>,
}

impl ReachFlags {
    fn open(&self, context: &Context) -> Result<Access, Failure> {
        let mut request = self.access.request(context)?;
        if let Some(insecure) = self.insecure {
            if request.tls != TlsVerify::AsConfigured {
                return Err(Failure::tool(
                    "--insecure may not be used with --tls-verify",
                ));
            }
            request.tls = if insecure {
                TlsVerify::Never
            } else {
                TlsVerify::Always
            };
        }
        Ok(context.engine.access(request)?)
    }
}

/// What is said of an instance instead of what its image says.
#[derive(Debug, Default, clap::Args)]
struct InstanceFlags {
    /// Set an annotation
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Override the architecture of the image
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Override the features of the image
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Override the OS of the image
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// Override the OS features of the image
    #[arg(long, value_delimiter = ',')]
    os_features: Vec<String>,
    /// Override the OS version of the image
    #[arg(long, value_name = "VERSION")]
    os_version: Option<String>,
    /// Override the variant of the image
    #[arg(long)]
    variant: Option<String>,
}

impl InstanceFlags {
    fn changes(self) -> Result<InstanceChanges, Failure> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(InstanceChanges {
            annotations: annotations(&self.annotation)?,
            architecture: given(self.arch),
            os: given(self.os),
            os_version: given(self.os_version),
            os_features: self.os_features,
            features: self.features,
            variant: given(self.variant),
        })
    }
}

/// `KEY=VALUE` each.
pub(crate) fn annotations(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let pair = text.split_once('=');
        let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or_else(|| {
            Failure::tool(format_args!(
                "expected --annotation {text:?} to be in key=value format"
            ))
        })
    };
    texts.iter().map(pair).collect()
}
