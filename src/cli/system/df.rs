// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle system df`: how much room images, containers and volumes take.

use jiff::Timestamp;

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::disk::{ContainerUsage, DiskUsage, ImageUsage, Total};
use crate::output::listing::{Headings, RowTemplate, Style, is_json, json_lines};
use crate::output::table::Table;
use crate::output::units::duration::rough_span;
use crate::output::units::size::human_size;
use crate::output::value::{JsonStyle, Struct, Value, to_json};
use crate::state::record::{MountKind, PodRole};

/// Flags of `system df`.
#[derive(Debug, clap::Args)]
pub(crate) struct Df {
    /// Pretty-print with a Go template, or as JSON
    #[arg(long)]
    format: Option<String>,
    /// Show detailed information on disk usage
    #[arg(long, short)]
    verbose: bool,
}

impl Subcommand for Df {
    const PATHS: &'static [&'static str] = &["system df"];
    const ABOUT: &'static str = "Show disk usage";
    const EXAMPLES: &'static [&'static str] = &["system df", "system df --verbose"];

    fn run(self, context: &Context) -> CommandResult {
        if self.verbose && self.format.is_some() {
            return Err(Failure::tool("cannot combine --format and --verbose flags"));
        }
        let usage = context.engine.disk_usage(context);
        let usage = usage.map_err(|error| Failure::from_error(125, &error))?;
        let dialect = context.engine.dialect;
        let text = if self.verbose {
            details(&usage, dialect)
        } else {
            summary(&usage, dialect, self.format.as_deref())?
        };
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }
}

fn style(dialect: Dialect) -> Style {
    match dialect {
        Dialect::Podman => Style::Podman,
        Dialect::Docker => Style::Docker,
    }
}

fn summary(usage: &DiskUsage, dialect: Dialect, format: Option<&str>) -> Result<String, Failure> {
    let mut rows = vec![
        row("Images", &usage.image_total()),
        row("Containers", &usage.container_total()),
        row("Local Volumes", &usage.volume_total()),
    ];
    if usage.artifacts.size_bytes > 0 && dialect == Dialect::Podman {
        rows.push(row("Artifacts", &usage.artifacts));
    }
    if dialect == Dialect::Docker {
        rows.push(row("Build Cache", &Total::NOTHING));
    }
    let table = "table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
    let format = format.unwrap_or(table);
    if is_json(format) {
        return Ok(match dialect {
            Dialect::Podman => json_rows(&rows),
            Dialect::Docker => json_lines(&rows),
        });
    }
    RowTemplate::parse("df", format, style(dialect), Headings::Shown)
        .and_then(|template| template.render(&[], rows))
        .map_err(Failure::tool)
}

/// Podman prints an array with one object on each line.
fn json_rows(rows: &[Value]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("    {}", to_json(row, JsonStyle::Compact)))
        .collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

fn row(kind: &str, total: &Total) -> Value {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let reclaimable = format!(
        "{} ({}%)",
        human_size(total.reclaimable_bytes, 4),
        total.reclaimable_percent()
    );
    Struct::new("*system.dfSummary")
        .with("Type", kind)
        .with("Total", count(total.total))
        .with("Active", count(total.active))
        .with("RawSize", total.size_bytes)
        .with("RawReclaimable", total.reclaimable_bytes)
        .with("TotalCount", count(total.total))
        .with("Size", human_size(total.size_bytes, 4))
        .with("Reclaimable", reclaimable)
        .into()
}

fn details(usage: &DiskUsage, dialect: Dialect) -> String {
    let now = Timestamp::now();
    let style = style(dialect);
    let mut images = Table::new(style.columns());
    images.row([
        "REPOSITORY",
        "TAG",
        "IMAGE ID",
        "CREATED",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "CONTAINERS",
    ]);
    for image in &usage.images {
        for line in image_lines(image, now) {
            images.row(line);
        }
    }
    let mut containers = Table::new(style.columns());
    containers.row([
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "LOCAL VOLUMES",
        "SIZE",
        "CREATED",
        "STATUS",
        "NAMES",
    ]);
    for container in &usage.containers {
        containers.row(container_line(container, dialect, now));
    }
    let mut volumes = Table::new(style.columns());
    volumes.row(["VOLUME NAME", "LINKS", "SIZE"]);
    for volume in &usage.volumes {
        volumes.row([
            volume.listed.record.name.clone(),
            volume.listed.users.len().to_string(),
            human_size(volume.size_bytes, 4),
        ]);
    }
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        images.finish(),
        containers.finish(),
        volumes.finish()
    )
}

/// One line for each name; an image without names has one, too.
fn image_lines(image: &ImageUsage, now: Timestamp) -> Vec<[String; 8]> {
    let listed = &image.listed;
    let own_bytes = image.size_bytes - image.shared_bytes + image.document_bytes;
    let line = |name: &str| {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        [
            repository.to_owned(),
            tag.to_owned(),
            listed.image.id.short().to_owned(),
            rough_span(listed.image.created, now),
            human_size(image.size_bytes + image.document_bytes, 4),
            human_size(image.shared_bytes, 4),
            human_size(own_bytes, 4),
            image.containers.to_string(),
        ]
    };
    if listed.names.is_empty() {
        return vec![line("<none>:<none>")];
    }
    listed.names.iter().map(|name| line(name)).collect()
}

fn container_line(container: &ContainerUsage, dialect: Dialect, now: Timestamp) -> [String; 8] {
    let summary = &container.listed.summary;
    let resolved = &summary.resolved;
    // What we run ourselves to hold a pod's namespaces is nobody's image and nobody's command.
    let is_own = resolved.image_id.is_empty();
    let command = resolved.entrypoint.iter().chain(&resolved.command);
    let command = command.filter(|_| !is_own || resolved.role == PodRole::Member);
    let image = match dialect {
        Dialect::Podman => resolved.image_id.get(..12).unwrap_or_default(),
        Dialect::Docker => &resolved.image_name,
    };
    let mounts = summary.mounts().iter();
    let volumes = mounts.filter(|mount| mount.kind == MountKind::Volume);
    [
        summary.id.short().to_owned(),
        image.to_owned(),
        command.cloned().collect::<Vec<_>>().join(" "),
        volumes.count().to_string(),
        human_size(container.size_bytes, 4),
        rough_span(summary.created, now),
        container.listed.status().to_owned(),
        summary.name.clone(),
    ]
}
