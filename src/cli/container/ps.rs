// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `ps`: the list of containers.

use clap::ValueEnum;
use jiff::Timestamp;

use super::ps_row::{self, Detail, Row};
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::list::{ListRequest, ListScope, Listed, Sizes};
use crate::output::listing::{Headings, RowTemplate, Style, is_json, json_lines};
use crate::output::table::Table;
use crate::output::value::{JsonStyle, Value, to_json};

/// Flags of `ps`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ps {
    /// Show all the containers, default is only running containers
    #[arg(long, short)]
    all: bool,
    /// Show working containers of buildah as well
    #[arg(long, alias = "storage")]
    external: bool,
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Pretty-print containers to JSON or using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Print the n last created containers (all states)
    #[arg(long, short = 'n', value_name = "N", allow_negative_numbers = true)]
    last: Option<i64>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Do not truncate output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Do not print headers
    #[arg(long)]
    noheading: bool,
    /// Display namespace information
    #[arg(long, alias = "namespace")]
    ns: bool,
    /// Print the ID and name of the pod the containers are associated with
    #[arg(long, short)]
    pod: bool,
    /// Print the numeric IDs of the containers only
    #[arg(long, short)]
    quiet: bool,
    /// Display the total file sizes
    #[arg(long, short)]
    size: bool,
    /// Sort output by: command, created, id, image, names, runningfor, size, status
    #[arg(long, value_enum, value_name = "FIELD", hide_possible_values = true)]
    sort: Option<SortBy>,
    /// Accepted: what is shown is always true now
    #[arg(long)]
    sync: bool,
}

/// What the rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SortBy {
    Command,
    Created,
    Id,
    Image,
    Names,
    Runningfor,
    Size,
    Status,
    #[value(hide = true)]
    Pod,
}

/// Headings that are not the words of their field.
const HEADINGS: &[(&str, &str)] = &[
    ("CGROUPNS", "CGROUPNS"),
    ("Cgroup", "CGROUPNS"),
    ("CreatedHuman", "CREATED"),
    ("ID", "CONTAINER ID"),
    ("PIDNS", "PIDNS"),
    ("Pod", "POD ID"),
    ("PodName", "PODNAME"),
    ("USERNS", "USERNS"),
    ("User", "USERNS"),
];

impl Subcommand for Ps {
    const PATHS: &'static [&'static str] =
        &["ps", "container ls", "container list", "container ps"];
    const ABOUT: &'static str = "List containers";
    const EXAMPLES: &'static [&'static str] = &[
        "ps -a",
        "ps -a --format '{{.ID}}  {{.Image}}  {{.Labels}}'",
        "ps --size --sort names",
    ];

    fn run(self, context: &Context) -> CommandResult {
        self.check()?;
        let dialect = context.engine.dialect;
        let template = self.template(dialect)?;
        let mentions = |field| template.as_ref().is_some_and(|one| one.mentions(field));
        let request = ListRequest {
            scope: self.scope(),
            filters: self.filter.clone(),
            sizes: if self.size || mentions("Size") {
                Sizes::Measured
            } else {
                Sizes::Left
            },
        };
        let mut listed = context.engine.list_containers(&request, context)?;
        // What filters ask for is known of containers of ours alone.
        if self.external && self.filter.is_empty() {
            listed.extend(context.engine.list_external());
        }
        sort(&mut listed, self.sort, dialect);
        let now = Timestamp::now();
        let detail = Detail {
            no_trunc: self.no_trunc,
            namespaces: self.ns,
        };
        let rows: Vec<Row<'_>> = listed
            .iter()
            .map(|one| Row::new(one, now, dialect, detail))
            .collect();
        context
            .ui
            .raw(self.render(template, &rows, dialect)?.as_bytes())?;
        Ok(0)
    }
}

impl Ps {
    fn check(&self) -> Result<(), Failure> {
        let wrong = if self.last.is_some_and(|last| last >= 0) && self.latest {
            "last and latest are mutually exclusive"
        } else if self.quiet && (self.size || self.ns) {
            "quiet conflicts with size and namespace"
        } else if self.size && self.ns {
            "size and namespace options conflict"
        } else {
            return Ok(());
        };
        Err(Failure::tool(wrong))
    }

    fn scope(&self) -> ListScope {
        if self.latest {
            return ListScope::Last(1);
        }
        match self.last.and_then(|last| usize::try_from(last).ok()) {
            // Zero means no limit, and does not show what has ended either.
            Some(0) | None if self.all => ListScope::All,
            Some(0) | None => ListScope::Running,
            Some(last) => ListScope::Last(last),
        }
    }

    /// The user's template, where there is one to be used.
    fn template(&self, dialect: Dialect) -> Result<Option<RowTemplate>, Failure> {
        let Some(format) = self.format.as_deref() else {
            return Ok(None);
        };
        if is_json(format) || (dialect == Dialect::Docker && self.quiet) {
            return Ok(None);
        }
        let headings = if self.noheading {
            Headings::Hidden
        } else {
            Headings::Shown
        };
        // Podman's help shows the namespaces of `--ns` with this prefix.
        let format = format.replace(".Namespaces.", ".");
        RowTemplate::parse("ps", &format, style(dialect), headings)
            .map(Some)
            .map_err(Failure::tool)
    }

    fn render(
        &self,
        template: Option<RowTemplate>,
        rows: &[Row<'_>],
        dialect: Dialect,
    ) -> Result<String, Failure> {
        if let Some(template) = template {
            let values = rows.iter().map(Row::value).collect();
            return template.render(HEADINGS, values).map_err(Failure::tool);
        }
        let json = self.format.as_deref().is_some_and(is_json);
        if json {
            return Ok(json_text(rows, dialect));
        }
        if self.quiet {
            return Ok(rows.iter().flat_map(|row| [row.id(), "\n"]).collect());
        }
        Ok(self.table(rows, dialect))
    }

    fn table(&self, rows: &[Row<'_>], dialect: Dialect) -> String {
        let mut table = Table::new(style(dialect).columns());
        if self.ns {
            if !self.noheading {
                table.row(ps_row::NAMESPACE_HEADINGS);
            }
            for row in rows {
                table.row(row.namespace_cells());
            }
            return table.finish();
        }
        let extra = ps_row::Extra {
            pod: self.pod,
            size: self.size,
        };
        if !self.noheading {
            table.row(ps_row::headings(extra));
        }
        for row in rows {
            table.row(row.cells(extra));
        }
        table.finish()
    }
}

fn style(dialect: Dialect) -> Style {
    match dialect {
        Dialect::Podman => Style::Podman,
        Dialect::Docker => Style::Docker,
    }
}

fn json_text(rows: &[Row<'_>], dialect: Dialect) -> String {
    let values: Vec<Value> = rows.iter().map(Row::document).collect();
    match dialect {
        Dialect::Podman => to_json(&Value::List(values), JsonStyle::Indented(2)) + "\n",
        Dialect::Docker => json_lines(&values),
    }
}

/// The engine lists the oldest first, as podman does; docker shows the newest first.
fn sort(listed: &mut [Listed], by: Option<SortBy>, dialect: Dialect) {
    let command = |one: &Listed| one.summary.resolved.command.join(" ");
    match by {
        None if dialect == Dialect::Docker => listed.reverse(),
        None | Some(SortBy::Created) => {}
        Some(SortBy::Pod) => listed.sort_by(|a, b| {
            let pod = |one: &Listed| one.summary.resolved.pod.clone();
            pod(a).cmp(&pod(b))
        }),
        Some(SortBy::Command) => listed.sort_by_cached_key(command),
        Some(SortBy::Id) => listed.sort_by(|a, b| a.summary.id.cmp(&b.summary.id)),
        Some(SortBy::Image) => listed.sort_by(|a, b| {
            let name = |one: &Listed| one.summary.resolved.image_name.clone();
            name(a).cmp(&name(b))
        }),
        Some(SortBy::Names) => listed.sort_by(|a, b| a.summary.name.cmp(&b.summary.name)),
        Some(SortBy::Runningfor) => listed.sort_by_key(|one| one.state.started_at),
        Some(SortBy::Size) => listed.sort_by_key(|one| one.sizes.map(|sizes| sizes.root_bytes)),
        Some(SortBy::Status) => listed.sort_by_key(Listed::status),
    }
}
