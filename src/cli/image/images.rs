// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `images`: the list of images.

use jiff::Timestamp;

use super::image_row::{self, Row};
use super::tree;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::image::{ContainerCount, ImageListRequest};
use crate::output::listing::{Headings, RowTemplate, Style, is_json, json_lines};
use crate::output::value::{JsonStyle, Value, to_json};

/// Flags of `images`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListImages {
    /// Show all images, also those that only lead to others
    #[arg(long, short)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Display the image name history
    #[arg(long)]
    history: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Do not print column headings
    #[arg(long, short = 'n')]
    noheading: bool,
    /// Display only image IDs
    #[arg(long, short)]
    quiet: bool,
    /// Sort by created, id, repository, size, or tag
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: String,
    /// List images with the platforms that they are for
    #[arg(long)]
    tree: bool,
    /// Name or pattern of images
    #[arg(value_name = "IMAGE")]
    name: Option<String>,
}

/// Headings that are not the words of their field.
const HEADINGS: &[(&str, &str)] = &[
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("CreatedTime", "CREATED TIME"),
    ("ID", "IMAGE ID"),
    ("Id", "IMAGE ID"),
    ("ReadOnly", "R/O"),
];

impl Subcommand for ListImages {
    const PATHS: &'static [&'static str] = &["images", "image ls", "image list"];
    const ABOUT: &'static str = "List images in local storage";
    const USAGE: Option<&'static str> = Some("[IMAGE]");
    const EXAMPLES: &'static [&'static str] = &[
        "images --format json",
        "images --sort repository --format 'table {{.ID}} {{.Repository}} {{.Tag}}'",
        "images --filter dangling=true",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let sort = Sort::parse(&self.sort)?;
        self.check_tree()?;
        let template = self.template(dialect)?;
        let counted = self.tree || self.wants_json() || template.mentions("Containers");
        let request = ImageListRequest {
            name: self.name.clone(),
            filters: self.filter.clone(),
            count: if counted {
                ContainerCount::Counted
            } else {
                ContainerCount::Left
            },
        };
        let entries = context.engine.list_images(&request)?;
        if self.tree {
            let text = tree::platforms(context, &entries)?;
            context.ui.raw(text.as_bytes())?;
            return Ok(0);
        }
        let now = Timestamp::now();
        let detail = image_row::Detail {
            now,
            dialect,
            no_trunc: self.no_trunc,
        };
        let mut rows: Vec<Row<'_>> = entries
            .iter()
            .flat_map(|entry| image_row::rows(entry, detail))
            .collect();
        sort.apply(&mut rows);
        context
            .ui
            .raw(self.render(&template, &rows, dialect)?.as_bytes())?;
        Ok(0)
    }
}

impl ListImages {
    fn check_tree(&self) -> Result<(), Failure> {
        let others = [
            (self.quiet, "quiet"),
            (self.no_trunc, "no-trunc"),
            (self.digests, "digests"),
            (self.format.is_some(), "format"),
        ];
        match others.iter().find(|(is_set, _)| self.tree && *is_set) {
            Some((_, flag)) => Err(Failure::usage(format_args!(
                "--{flag} is not yet supported with --tree"
            ))),
            None => Ok(()),
        }
    }

    fn wants_json(&self) -> bool {
        self.format.as_deref().is_some_and(is_json)
    }

    fn template(&self, dialect: Dialect) -> Result<RowTemplate, Failure> {
        let format = match self.format.as_deref() {
            None | Some("table") => self.table(),
            Some(format) if is_json(format) => self.table(),
            Some(format) => format.to_owned(),
        };
        let headings = if self.noheading {
            Headings::Hidden
        } else {
            Headings::Shown
        };
        let style = match dialect {
            Dialect::Podman => Style::Podman,
            Dialect::Docker => Style::Docker,
        };
        RowTemplate::parse("images", &format, style, headings).map_err(Failure::tool)
    }

    /// The usual table as a template.
    fn table(&self) -> String {
        let mut columns = vec!["{{.Repository}}", "{{.Tag}}"];
        if self.digests {
            columns.push("{{.Digest}}");
        }
        columns.extend(["{{.ID}}", "{{.CreatedSince}}", "{{.Size}}"]);
        if self.history {
            columns.push("{{.History}}");
        }
        format!("table {}", columns.join("\t"))
    }

    fn render(
        &self,
        template: &RowTemplate,
        rows: &[Row<'_>],
        dialect: Dialect,
    ) -> Result<String, Failure> {
        if self.quiet {
            return Ok(quiet(rows));
        }
        if self.wants_json() {
            let values: Vec<Value> = rows.iter().map(Row::document).collect();
            return Ok(match dialect {
                Dialect::Podman => to_json(&Value::List(values), JsonStyle::Indented(4)) + "\n",
                Dialect::Docker => json_lines(&values),
            });
        }
        let values = rows.iter().map(Row::value).collect();
        template.render(HEADINGS, values).map_err(Failure::tool)
    }
}

/// Each id once, however many names the image has.
fn quiet(rows: &[Row<'_>]) -> String {
    let mut ids: Vec<String> = Vec::new();
    for row in rows {
        let id = row.id();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.iter().flat_map(|id| [id, "\n"]).collect()
}

/// What the rows are sorted by.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

impl Sort {
    fn parse(text: &str) -> Result<Self, Failure> {
        Ok(match text {
            "created" => Self::Created,
            "id" => Self::Id,
            "repository" => Self::Repository,
            "size" => Self::Size,
            "tag" => Self::Tag,
            _ => {
                return Err(Failure::tool(format!(
                    "{text:?} is not a valid field for sorting. Choose from: id, repository, \
                     size, tag, created"
                )));
            }
        })
    }

    /// The engine lists the newest image first.
    fn apply(self, rows: &mut [Row<'_>]) {
        match self {
            Self::Created => {}
            Self::Id => rows.sort_by(|a, b| a.image().id.cmp(&b.image().id)),
            Self::Repository => rows.sort_by(|a, b| {
                let key = |row: &Row<'_>| (row.repository().to_owned(), row.tag().to_owned());
                key(a).cmp(&key(b))
            }),
            Self::Size => rows.sort_by_key(|row| row.image().size_bytes),
            Self::Tag => rows.sort_by(|a, b| a.tag().cmp(b.tag())),
        }
    }
}
