// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `search`.

use crate::cli::args::list::{ListFlags, Listing};
use crate::cli::args::registry::AccessArgs;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::search::{SearchFilter, SearchHit, SearchRequest};
use crate::output::listing::is_json;
use crate::output::value::{JsonStyle, Struct, Value, to_json};

/// Characters of a description that a table shows.
const DESCRIPTION: usize = 44;

/// Flags of `search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    #[command(flatten)]
    access: AccessArgs,
    /// List stars and official columns, as Docker does
    #[arg(long)]
    compatible: bool,
    /// Filter output based on conditions given: stars=N, is-official, is-automated
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Limit the number of results
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// List the tags of a repository
    #[arg(long)]
    list_tags: bool,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// What to search for, perhaps with the registry before it
    #[arg(value_name = "TERM", required = true)]
    term: String,
}

impl Subcommand for Search {
    const PATHS: &'static [&'static str] = &["search", "image search"];
    const ABOUT: &'static str = "Search a registry for images";
    const USAGE: Option<&'static str> = Some("TERM");
    const EXAMPLES: &'static [&'static str] = &[
        "search --filter is-official --limit 3 alpine",
        "search --list-tags quay.io/podman/stable",
    ];

    fn run(self, context: &Context) -> CommandResult {
        if self.list_tags && !self.filter.is_empty() {
            let message = "filters are not applicable to list tags result";
            return Err(Failure::tool(message));
        }
        let filter = SearchFilter::parse(&self.filter).map_err(Failure::tool)?;
        let access = context.engine.access(self.access.request(context)?)?;
        let request = SearchRequest {
            term: self.term.clone(),
            limit: self.limit.filter(|limit| *limit > 0),
            filter,
        };
        let hits = if self.list_tags {
            context.engine.list_tags(&access, &request, context)?
        } else {
            context.engine.search(&access, &request, context)?
        };
        if hits.is_empty() && context.engine.dialect == Dialect::Podman {
            return Ok(0);
        }
        self.print(&hits, context)
    }
}

impl Search {
    fn print(self, hits: &[SearchHit], context: &Context) -> CommandResult {
        let as_json = self.format.as_deref().is_some_and(is_json);
        if self.list_tags && as_json {
            let text = to_json(&tags_document(hits), JsonStyle::Indented(4)) + "\n";
            context.ui.raw(text.as_bytes())?;
            return Ok(0);
        }
        let whole = self.no_trunc || as_json;
        let rows = hits.iter().map(|hit| row(hit, whole)).collect();
        let compatible = self.compatible || context.engine.dialect == Dialect::Docker;
        let listing = Listing {
            name: "search",
            table: match (self.list_tags, compatible, context.engine.dialect) {
                (true, ..) => "{{.Name}}\t{{.Tag}}",
                (false, true, Dialect::Podman) => {
                    "{{.Name}}\t{{.Description}}\t{{.Stars}}\t{{.Official}}\t{{.Automated}}"
                }
                (false, true, Dialect::Docker) => {
                    "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"
                }
                (false, false, _) => "{{.Name}}\t{{.Description}}",
            },
            quiet: "{{.Name}}",
            headings: &[("StarCount", "STARS"), ("IsOfficial", "OFFICIAL")],
        };
        let flags = ListFlags {
            filter: Vec::new(),
            format: self.format,
            noheading: false,
            no_trunc: self.no_trunc,
            quiet: false,
        };
        listing.print(context, &flags, rows)
    }
}

fn row(hit: &SearchHit, whole: bool) -> Value {
    let flag = |is_so: bool| if is_so { "[OK]" } else { "" };
    let description = hit.description.replace('\n', " ");
    let description = if whole || description.chars().count() <= DESCRIPTION {
        description
    } else {
        let start: String = description.chars().take(DESCRIPTION).collect();
        format!("{}...", start.trim())
    };
    Struct::new("entities.ImageSearchReport")
        .with("Index", hit.index.clone())
        .with("Name", hit.name.clone())
        .with("Description", description)
        .with("Stars", Value::Int(hit.stars))
        .with("Official", flag(hit.is_official))
        .with("Automated", flag(hit.is_automated))
        .with("Tag", hit.tag.clone())
        .with("StarCount,-", Value::Int(hit.stars))
        .with("IsOfficial,-", flag(hit.is_official))
        .with("IsAutomated,-", flag(hit.is_automated))
        .into()
}

/// The tags of each repository, in one list.
fn tags_document(hits: &[SearchHit]) -> Value {
    let mut names: Vec<&str> = hits.iter().map(|hit| hit.name.as_str()).collect();
    names.dedup();
    let of = |name: &str| {
        let tags = hits.iter().filter(|hit| hit.name == name);
        let tags = tags.map(|hit| hit.tag.clone().into()).collect();
        Struct::new("listEntryTag")
            .with("Name", name.to_owned())
            .with("Tags", Value::List(tags))
            .into()
    };
    Value::List(names.into_iter().map(of).collect())
}
