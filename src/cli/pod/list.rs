// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod ps`: the list of pods.

use jiff::Timestamp;

use crate::cli::args::list::{ListFlags, Listing, split_filters};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::pod::{ListedPod, PodListRequest, PodScope};
use crate::output::listing;
use crate::output::units::duration::rough_span;
use crate::output::value::{Method, Struct, Time, Value};
use crate::state::id::ContainerId;

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

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "POD ID"),
    ("Id", "POD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Created", "CREATED"),
    ("InfraID", "INFRA ID"),
    ("InfraId", "INFRA ID"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("ContainerIds", "IDS"),
    ("ContainerNames", "NAMES"),
    ("ContainerStatuses", "STATUS"),
    ("Namespace", "NAMESPACES"),
];

impl Subcommand for List {
    const PATHS: &'static [&'static str] = &["pod ps", "pod ls", "pod list"];
    const ABOUT: &'static str = "List pods";
    const EXAMPLES: &'static [&'static str] = &[
        "pod ps",
        "pod ps --ctr-names --filter status=running",
        "pod ps --format '{{.Name}}: {{.Status}}'",
    ];

    fn run(self, context: &Context) -> CommandResult {
        if self.flags.quiet && self.flags.format.is_some() {
            return Err(Failure::tool("quiet and format cannot be used together"));
        }
        let refuse = |key: &str| format!("{key} is an invalid filter");
        let filters = split_filters(&self.flags.filter, FILTERS, refuse)?;
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let request = PodListRequest {
            scope: if self.latest {
                PodScope::Latest
            } else {
                PodScope::All
            },
            filters: filters.iter().map(owned).collect(),
        };
        let mut pods = context
            .engine
            .list_pods(&request, context)
            .map_err(|error| Failure::from_error(crate::cli::failure::TOOL_ERROR, &error))?;
        sort(&mut pods, self.sort.as_deref().unwrap_or("created"));
        let table = self.table();
        let listing = Listing {
            name: "ps",
            table: &table,
            quiet: "{{.FullId}}",
            headings: HEADINGS,
        };
        let now = Timestamp::now();
        let rows = pods.iter().map(|pod| self.row(pod, now).into()).collect();
        listing.print(context, &self.flags, rows)
    }
}

/// The engine lists the newest first, which is the usual order.
fn sort(pods: &mut [ListedPod], by: &str) {
    match by {
        "id" => pods.sort_by(|left, right| left.record.id.cmp(&right.record.id)),
        "name" => pods.sort_by(|left, right| left.record.name.cmp(&right.record.name)),
        "number" => pods.sort_by_key(|pod| pod.members.len()),
        "status" => pods.sort_by_key(|pod| pod.status),
        _ => {}
    }
}

impl List {
    /// The detail columns that were asked for stand in the place of the number of containers.
    fn table(&self) -> String {
        let mut columns = vec![
            "{{.Id}}",
            "{{.Name}}",
            "{{.Status}}",
            "{{.Created}}",
            "{{.InfraId}}",
        ];
        let details = [
            (self.ctr_ids, "{{.ContainerIds}}"),
            (self.ctr_names, "{{.ContainerNames}}"),
            (self.ctr_status, "{{.ContainerStatuses}}"),
        ];
        let asked = details.iter().filter(|(asked, _)| *asked);
        columns.extend(asked.map(|(_, column)| column));
        if self.ns {
            columns.extend(["{{.Cgroup}}", "{{.Namespace}}"]);
        }
        if !(self.ctr_ids || self.ctr_names || self.ctr_status) {
            columns.push("{{.NumberOfContainers}}");
        }
        columns.join("\t")
    }

    /// What templates see in words comes first, then what the document holds.
    fn row(&self, pod: &ListedPod, now: Timestamp) -> Struct {
        let record = &pod.record;
        let members = || pod.members.iter();
        let joined = |texts: Vec<&str>| texts.join(",");
        let infra = record.infra.as_ref();
        let restarts: u32 = members().map(|member| member.restart_count).sum();
        let created = format!("{} ago", rough_span(record.created, now));
        let mut row = Struct::new("pods.ListPodReporter")
            .with("FullId,-", record.id.as_str())
            .with("ID,-", self.shown(&record.id))
            .with("Id,-", self.shown(&record.id))
            .with("InfraID,-", infra.map_or("", |id| self.shown(id)))
            .with("InfraId,-", infra.map_or("", |id| self.shown(id)))
            .with("Created,-", created)
            .with("Networks,-", "")
            .with(
                "NumberOfContainers,-",
                u64::try_from(pod.members.len()).unwrap_or(u64::MAX),
            )
            .with(
                "ContainerIds,-",
                joined(members().map(|member| self.shown(&member.id)).collect()),
            )
            .with(
                "ContainerNames,-",
                joined(members().map(|member| member.name.as_str()).collect()),
            )
            .with(
                "ContainerStatuses,-",
                joined(members().map(|member| member.status).collect()),
            )
            .with("Restarts,-", restarts.to_string());
        row = document(row, pod);
        row.methods = METHODS;
        row
    }

    fn shown<'a>(&self, id: &'a ContainerId) -> &'a str {
        if self.flags.no_trunc {
            id.as_str()
        } else {
            id.short()
        }
    }
}

fn document(row: Struct, pod: &ListedPod) -> Struct {
    let record = &pod.record;
    let containers: Vec<Value> = pod
        .members
        .iter()
        .map(|member| {
            Struct::new("types.ListPodContainer")
                .with("Id", member.id.as_str())
                .with("Names", member.name.as_str())
                .with("Status", member.status)
                .with("RestartCount", member.restart_count)
                .into()
        })
        .collect();
    let infra = record.infra.as_ref().map_or("", ContainerId::as_str);
    row.with("Cgroup", "")
        .with("Containers", containers)
        .with("Created", Time::local(record.created))
        .with("Id", record.id.as_str())
        .with("InfraId", infra)
        .with("Name", record.name.as_str())
        .with("Namespace", "")
        .with("Networks", Vec::<String>::new())
        .with("Status", pod.status.word())
        .with("Labels", record.request.labels.clone())
}

/// The methods of a row.
const METHODS: &[Method] = &[Method {
    name: "Label",
    call: label,
}];

fn label(row: &Struct, arguments: &[Value]) -> Result<Value, String> {
    listing::label(row, "Labels", arguments)
}
