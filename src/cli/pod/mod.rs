// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `pod` that are true as long as there are no pods.

use std::path::PathBuf;

use super::args::list::{ListFlags, Listing, split_filters};
use super::confirm::{Answer, confirm};
use super::nothing::{self, DOES_NOT_EXIST, Missing};
use super::{CommandResult, Context, Entry, Failure, Subcommand};

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<Exists>(),
    Entry::of::<Inspect>(),
    Entry::of::<List>(),
    Entry::of::<Prune>(),
    Entry::of::<Remove>(),
];

const LATEST_AND_NAMES: &str = "--latest and pods cannot be used together";

const FILTERS: &[&str] = &[
    "ctr-ids",
    "ctr-names",
    "ctr-number",
    "ctr-status",
    "id",
    "label",
    "label!",
    "name",
    "network",
    "status",
    "until",
];

/// Flags of `pod ps`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    flags: ListFlags,
    /// Display the container UUIDs
    #[arg(long)]
    ctr_ids: bool,
    /// Display the container names
    #[arg(long)]
    ctr_names: bool,
    /// Display the container status
    #[arg(long)]
    ctr_status: bool,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Display namespace information of the pod
    #[arg(long)]
    ns: bool,
    /// Sort output by created, id, name, number or status
    #[arg(long, value_parser = ["created", "id", "name", "number", "status"])]
    sort: Option<String>,
}

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["pod ps", "pod ls", "pod list"];
    const ABOUT: &'static str = "List pods";

    fn run(self, context: &Context) -> CommandResult {
        let refuse = |key: &str| format!("{key} is an invalid filter");
        split_filters(&self.flags.filter, FILTERS, refuse)?;
        let listing = Listing {
            name: "ps",
            table: self.table(),
            quiet: "{{.Id}}",
            headings: HEADINGS,
        };
        listing.print(context, &self.flags, Vec::new())
    }
}

const HEADINGS: &[(&str, &str)] = &[
    ("Id", "POD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Created", "CREATED"),
    ("InfraId", "INFRA ID"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("ContainerIds", "IDS"),
    ("ContainerNames", "NAMES"),
    ("ContainerStatuses", "STATUS"),
];

impl List {
    /// The detail columns that were asked for stand in the place of the number of containers.
    fn table(&self) -> &'static str {
        match (self.ctr_ids, self.ctr_names, self.ctr_status) {
            (true, _, _) => {
                "{{.Id}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraId}}\t{{.ContainerIds}}"
            }
            (_, true, _) => {
                "{{.Id}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraId}}\t{{.ContainerNames}}"
            }
            (_, _, true) => {
                "{{.Id}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraId}}\t{{.ContainerStatuses}}"
            }
            (false, false, false) => {
                "{{.Id}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraId}}\t{{.NumberOfContainers}}"
            }
        }
    }
}

/// Words of `pod exists`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exists {
    /// Name or id of the pod
    #[arg(value_name = "POD", required = true)]
    _pod: String,
}

impl Subcommand for Exists {
    const PATHS: &'static [&'static str] = &["pod exists"];
    const ABOUT: &'static str = "Check if a pod exists in local storage";

    fn run(self, _context: &Context) -> CommandResult {
        Ok(DOES_NOT_EXIST)
    }
}

/// Flags of `pod inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format the output to a Go template or json
    #[arg(long, short)]
    format: Option<String>,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["pod inspect"];
    const ABOUT: &'static str = "Display a pod configuration";

    fn run(self, context: &Context) -> CommandResult {
        let words = |name: &str| format!("no such pod {name}");
        if self.latest && !self.pods.is_empty() {
            return Err(Failure::usage(LATEST_AND_NAMES));
        }
        if self.latest {
            return Err(Failure::tool("no pods found: no such pod"));
        }
        if self.pods.is_empty() {
            return Err(Failure::tool("no names or ids specified"));
        }
        if self.format.is_some() {
            return nothing::fail_each(context, &self.pods, 125, words);
        }
        nothing::inspect(context, &self.pods, words)
    }
}

/// Flags of `pod rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Remove all running pods
    #[arg(long, short)]
    all: bool,
    /// Force removal of a running pod by first stopping all containers, then removing all
    /// containers in the pod
    #[arg(long, short)]
    force: bool,
    /// Ignore errors when a specified pod is missing
    #[arg(long, short)]
    ignore: bool,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    /// Read the pod ID from the file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<PathBuf>,
    /// Seconds to wait for pod stop before killing the container
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names or ids of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

impl Subcommand for Remove {
    const PATHS: &'static [&'static str] = &["pod rm", "pod remove"];
    const ABOUT: &'static str = "Remove one or more pods";

    fn run(self, context: &Context) -> CommandResult {
        if self.all && self.latest {
            return Err(Failure::usage("--all and --latest cannot be used together"));
        }
        if self.latest && !self.pods.is_empty() {
            return Err(Failure::usage(LATEST_AND_NAMES));
        }
        if self.all && !self.pods.is_empty() {
            return Err(Failure::tool("no arguments are needed with --all"));
        }
        if self.time.is_some() && !self.force {
            let message = "--force option must be specified to use the --time option";
            return Err(Failure::tool(message));
        }
        let missing = if self.ignore || self.force {
            Missing::Ignore
        } else {
            Missing::Report
        };
        let names = self.names(missing)?;
        if names.is_empty() && !self.all && !self.latest && self.pod_id_file.is_empty() {
            return Err(Failure::tool("you must provide at least one name or id"));
        }
        nothing::remove(context, &names, missing, |name| {
            format!("no pod with name or ID {name} found: no such pod")
        })
    }
}

impl Remove {
    fn names(&self, missing: Missing) -> Result<Vec<String>, Failure> {
        let mut names = self.pods.clone();
        for path in &self.pod_id_file {
            match std::fs::read_to_string(path) {
                Ok(text) => names.extend(text.lines().next().map(str::to_owned)),
                Err(_) if missing == Missing::Ignore => {}
                Err(error) => {
                    return Err(Failure::tool(format_args!(
                        "reading pod ID file {}: {error}",
                        path.display()
                    )));
                }
            }
        }
        Ok(names)
    }
}

/// Flags of `pod prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,
}

impl Subcommand for Prune {
    const PATHS: &'static [&'static str] = &["pod prune"];
    const ABOUT: &'static str = "Remove all stopped pods and their containers";

    fn run(self, context: &Context) -> CommandResult {
        if !self.force {
            let warning = "WARNING! This will remove all stopped/exited pods..\n";
            let _nothing_to_remove: Answer = confirm(context, warning)?;
        }
        Ok(0)
    }
}
