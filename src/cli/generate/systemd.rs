// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `generate systemd`.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use jiff::Zoned;

use super::plan::{Made, Naming, Style};
use crate::cli::args::{boolean, environment};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Report as _;
use crate::engine::pod::{PodScope, PodSelection};
use crate::engine::selection::Missing;
use crate::output::listing::is_json;
use crate::output::value::{JsonStyle, Value, to_json};
use crate::quadlet::{self, OtherUnits, RESTARTS, Service};
use crate::state::StateError;
use crate::state::pod::PodRecord;
use crate::state::record::{ContainerRecord, PodRole};
use crate::state::store::Store;

/// Flags of `generate systemd`.
#[derive(Debug, clap::Args)]
pub(crate) struct Systemd {
    /// Add units that the service starts after
    #[arg(long)]
    after: Vec<String>,
    /// What names of services of containers begin with
    #[arg(long, value_name = "PREFIX", default_value = "container")]
    container_prefix: String,
    /// Set environment variables of the service
    #[arg(long, short, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Write the services to files in the current directory
    #[arg(long, short)]
    files: bool,
    /// Print the services, or the names of their files, as "json"
    #[arg(long)]
    format: Option<String>,
    /// Use names of containers and pods in place of IDs
    #[arg(long, short)]
    name: bool,
    /// Create a new container or pod at each start
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    new: Option<bool>,
    /// Leave out the lines that say what made the service, and when
    #[arg(long)]
    no_header: bool,
    /// What names of services of pods begin with
    #[arg(long, value_name = "PREFIX", default_value = "pod")]
    pod_prefix: String,
    /// Add units that the service cannot do without
    #[arg(long)]
    requires: Vec<String>,
    /// When systemd starts the service again
    #[arg(long, value_name = "POLICY")]
    restart_policy: Option<String>,
    /// Seconds that systemd waits before it does
    #[arg(long, value_name = "SECONDS")]
    restart_sec: Option<u32>,
    /// What stands between the prefix and the name
    #[arg(long, default_value = "-")]
    separator: String,
    /// Seconds that the start may take
    #[arg(long, value_name = "SECONDS")]
    start_timeout: Option<u32>,
    /// Seconds that the container is given to end
    #[arg(long, short = 't', alias = "time", value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// Write a template, whose instances are containers
    #[arg(long)]
    template: bool,
    /// Add units that the service starts along with it
    #[arg(long)]
    wants: Vec<String>,
    /// Name or ID of a container or a pod
    #[arg(value_name = "CONTAINER|POD", required = true)]
    target: String,
}

const DEPRECATION: &str = "DEPRECATED command: quadlet files become the same services and need not \
                           be written anew; see coracle quadlet";

impl Subcommand for Systemd {
    const PATHS: &'static [&'static str] = &["generate systemd"];
    const ABOUT: &'static str = "Generate services of systemd from a container or a pod";
    const USAGE: Option<&'static str> = Some("{CONTAINER|POD}");
    const EXAMPLES: &'static [&'static str] = &[
        "generate systemd --name web",
        "generate systemd --new --stop-timeout 10 web",
        "generate systemd --files --name pod",
    ];

    fn run(self, context: &Context) -> CommandResult {
        context.ui.note(DEPRECATION);
        let as_json = match self.format.as_deref() {
            None | Some("") => false,
            Some(format) if is_json(format) => true,
            Some(format) => {
                return Err(Failure::tool(format_args!(
                    "unknown --format argument: {format}"
                )));
            }
        };
        let services = self.services(context)?;
        let mut shown = Vec::new();
        for service in services {
            let text = if self.files {
                write(&service)?
            } else {
                service.text()
            };
            shown.push((file_name(&service).to_owned(), text));
        }
        if as_json {
            let units = Value::of(
                &shown
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>(),
            );
            context.ui.line(to_json(&units, JsonStyle::Indented(1)))?;
            return Ok(0);
        }
        for (_, text) in shown {
            let end = if self.files { "\n" } else { "" };
            context.ui.raw(format!("{text}{end}").as_bytes())?;
        }
        Ok(0)
    }
}

impl Systemd {
    fn services(&self, context: &Context) -> Result<Vec<Service>, Failure> {
        let style = self.style()?;
        let store = context.engine.store()?;
        let dirs = &context.engine.dirs;
        let services = match store.resolve(&self.target) {
            Ok(id) => {
                let record = store.load(&id)?;
                warn_of_policy(context, &record, style.made);
                style.of_container(&record, dirs).map(|one| vec![one])
            }
            Err(missing) => {
                let pod = self.pod(context, missing)?;
                let (infra, members) = members_of(context, &store, &pod)?;
                for member in &members {
                    warn_of_policy(context, member, style.made);
                }
                style.of_pod(&pod, infra.as_ref(), &members, dirs)
            }
        };
        services.map_err(Failure::tool)
    }

    fn pod(&self, context: &Context, missing: StateError) -> Result<PodRecord, Failure> {
        match context.engine.pod(&self.target) {
            Ok(pod) => Ok(pod),
            Err(StateError::NoSuchPod { .. }) => match missing {
                StateError::NoSuchContainer { .. } => Err(Failure::tool(format_args!(
                    "{} does not refer to a container or pod",
                    self.target
                ))),
                other => Err(other.into()),
            },
            Err(other) => Err(other.into()),
        }
    }

    fn style(&self) -> Result<Style, Failure> {
        let made = match (self.new, self.template) {
            (Some(false), true) => {
                return Err(Failure::tool("--template cannot be set with --new=false"));
            }
            (_, true) => Made::PerInstance,
            (Some(true), false) => Made::Anew,
            (None | Some(false), false) => Made::Already,
        };
        let restart = self.restart_policy.clone();
        if let Some(policy) = restart.as_deref().filter(|it| !RESTARTS.contains(it)) {
            return Err(Failure::tool(format_args!(
                "{policy} is not a valid restart policy, want one of {}",
                RESTARTS.join(", ")
            )));
        }
        let own: Vec<(String, String)> = std::env::vars().collect();
        let variables = environment::variables_of(&[], &self.env, &own).map_err(Failure::tool)?;
        let variables = variables.into_iter();
        let by = if self.name { Naming::Name } else { Naming::Id };
        Ok(Style {
            program: quadlet::program(),
            made,
            by,
            container_prefix: self.container_prefix.clone(),
            pod_prefix: self.pod_prefix.clone(),
            separator: self.separator.clone(),
            header: self.header(),
            environment: variables.map(|(name, it)| format!("{name}={it}")).collect(),
            others: OtherUnits {
                wants: self.wants.clone(),
                after: self.after.clone(),
                requires: self.requires.clone(),
            },
            restart,
            restart_seconds: self.restart_sec,
            start_timeout_seconds: self.start_timeout,
            stop_timeout_seconds: self.stop_timeout,
        })
    }

    fn header(&self) -> Vec<String> {
        if self.no_header {
            return Vec::new();
        }
        let now = Zoned::now().strftime("%a %b %e %H:%M:%S %Z %Y").to_string();
        let by = concat!("autogenerated by coracle ", env!("CARGO_PKG_VERSION"));
        vec![by.to_owned(), now]
    }
}

/// The infra container and the others.
fn members_of(
    context: &Context,
    store: &Store,
    pod: &PodRecord,
) -> Result<(Option<ContainerRecord>, Vec<ContainerRecord>), Failure> {
    let mut infra = None;
    let mut members = Vec::new();
    let named = PodSelection {
        scope: PodScope::Named,
        words: vec![pod.id.to_string()],
        missing: Missing::Report,
    };
    for member in context.engine.listed_pod(&named)?.members {
        let record = store.load(&member.id)?;
        match record.resolved.role {
            PodRole::Infra => infra = Some(record),
            PodRole::Member => members.push(record),
        }
    }
    Ok((infra, members))
}

/// Both would bring it back, and one of them while the machine goes down.
fn warn_of_policy(context: &Context, record: &ContainerRecord, made: Made) {
    let policy = record.request.restart.as_deref().unwrap_or("no");
    if made == Made::Already && policy != "no" {
        context.warning(&format!(
            "Container {} has restart policy {policy:?} which can lead to issues on shutdown: \
             consider recreating the container without a restart policy and use systemd's restart \
             mechanism instead",
            record.id
        ));
    }
}

/// Podman's file of a template is called as that of a service.
fn file_name(service: &Service) -> &str {
    service.name.strip_suffix('@').unwrap_or(&service.name)
}

/// Writes the file of a service; the value is its path.
fn write(service: &Service) -> Result<String, Failure> {
    let directory = std::env::current_dir()?;
    let path = directory.join(format!("{}.service", file_name(service)));
    let written = File::create(&path).and_then(|mut it| it.write_all(service.text().as_bytes()));
    written.map_err(|error| refused(&path, &error))?;
    Ok(path.display().to_string())
}

fn refused(path: &Path, error: &std::io::Error) -> Failure {
    Failure::tool(format_args!("write {}: {error}", path.display()))
}
