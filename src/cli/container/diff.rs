// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `diff`, of containers and images.

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::files::{Change, ChangeKind, DiffRequest, DiffSubject};
use crate::engine::selection::{Scope, Selection};

/// Flags of `diff` and `container diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Change the output format (json)
    #[arg(long)]
    format: Option<String>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// A container, or an image; and what it is compared with
    #[arg(value_name = "CONTAINER|IMAGE")]
    words: Vec<String>,
}

/// `diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    args: DiffArgs,
}

/// `container diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerDiff {
    #[command(flatten)]
    args: DiffArgs,
}

/// `image diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageDiff {
    /// Change the output format (json)
    #[arg(long)]
    format: Option<String>,
    /// An image, and what it is compared with
    #[arg(value_name = "IMAGE", required = true)]
    words: Vec<String>,
}

impl Subcommand for Diff {
    const PATHS: &'static [&'static str] = &["diff"];
    const ABOUT: &'static str = "Display the changes to the object's file system";
    const USAGE: Option<&'static str> = Some("{CONTAINER|IMAGE} [{CONTAINER|IMAGE}]");
    const EXAMPLES: &'static [&'static str] = &["diff alpine", "diff --format json web"];

    fn run(self, context: &Context) -> CommandResult {
        self.args.run(context, DiffSubject::Any)
    }
}

impl Subcommand for ContainerDiff {
    const PATHS: &'static [&'static str] = &["container diff"];
    const ABOUT: &'static str = "Inspect changes to the container's file systems";
    const USAGE: Option<&'static str> = Some("CONTAINER [CONTAINER]");
    const EXAMPLES: &'static [&'static str] = &["container diff -l --format json"];

    fn run(self, context: &Context) -> CommandResult {
        self.args.run(context, DiffSubject::Container)
    }
}

impl Subcommand for ImageDiff {
    const PATHS: &'static [&'static str] = &["image diff"];
    const ABOUT: &'static str = "Inspect changes to the image's file systems";
    const USAGE: Option<&'static str> = Some("IMAGE [IMAGE]");
    const EXAMPLES: &'static [&'static str] = &["image diff alpine"];

    fn run(self, context: &Context) -> CommandResult {
        show(
            context,
            DiffSubject::Image,
            self.words,
            self.format.as_deref(),
        )
    }
}

impl DiffArgs {
    fn run(self, context: &Context, subject: DiffSubject) -> CommandResult {
        let path = match subject {
            DiffSubject::Any => "diff",
            DiffSubject::Container => "container diff",
            DiffSubject::Image => "image diff",
        };
        match (self.latest, self.words.len()) {
            (true, 1..) => Err(Failure::usage(
                "--latest and containers cannot be used together",
            )),
            (false, 0) => Err(Failure::usage(format_args!(
                "\"{} {path}\" requires a name, id, or the \"--latest\" flag",
                context.call.program
            ))),
            (true, 0) => {
                let selection = Selection {
                    scope: Scope::Latest,
                    ..Selection::default()
                };
                let mut chosen = context.engine.select(&selection)?;
                let id = chosen.remove(0).id?;
                let words = vec![id.to_string()];
                let subject = DiffSubject::Container;
                show(context, subject, words, self.format.as_deref())
            }
            (false, _) => show(context, subject, self.words, self.format.as_deref()),
        }
    }
}

fn show(
    context: &Context,
    subject: DiffSubject,
    words: Vec<String>,
    format: Option<&str>,
) -> CommandResult {
    let count = words.len();
    let mut names = words.into_iter();
    let (Some(of), with, None) = (names.next(), names.next(), names.next()) else {
        let text = format_args!("accepts between 1 and 2 arg(s), received {count}");
        return Err(Failure::usage(text));
    };
    let is_json = match format {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => {
            return Err(Failure::tool(
                "only supported value for '--format' is 'json'",
            ));
        }
    };
    let changes = context.engine.diff(&DiffRequest {
        subject,
        of: without_slash(&of),
        with: with.as_deref().map(without_slash),
    })?;
    if is_json {
        context.ui.line(json(&changes))?;
        return Ok(0);
    }
    for change in &changes {
        let letter = match change.kind {
            ChangeKind::Changed => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        let path = String::from_utf8_lossy(&change.path);
        context.ui.line(format_args!("{letter} {path}"))?;
    }
    Ok(0)
}

/// Podman's document: a list for each kind that there is.
fn json(changes: &[Change]) -> String {
    let kinds = [
        ("changed", ChangeKind::Changed),
        ("added", ChangeKind::Added),
        ("deleted", ChangeKind::Deleted),
    ];
    let mut lists = Vec::new();
    for (name, kind) in kinds {
        let of_kind = changes.iter().filter(|change| change.kind == kind);
        let paths: Vec<String> = of_kind
            .map(|change| {
                let path = String::from_utf8_lossy(&change.path);
                serde_json::Value::from(path).to_string()
            })
            .collect();
        if !paths.is_empty() {
            let indent = "\n          ";
            let paths = paths.join(&format!(",{indent}"));
            lists.push(format!("\n     \"{name}\": [{indent}{paths}\n     ]"));
        }
    }
    if lists.is_empty() {
        return "{}".to_owned();
    }
    format!("{{{}\n}}", lists.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_a_list_for_each_kind() {
        let change = |kind, path: &str| Change {
            kind,
            path: path.as_bytes().to_vec(),
        };
        assert_eq!(json(&[]), "{}");
        let changes = [
            change(ChangeKind::Deleted, "/a"),
            change(ChangeKind::Added, "/b \"c\""),
            change(ChangeKind::Deleted, "/d"),
        ];
        let expected = "{\n     \"added\": [\n          \"/b \\\"c\\\"\"\n     ],\n     \
                        \"deleted\": [\n          \"/a\",\n          \"/d\"\n     ]\n}";
        assert_eq!(json(&changes), expected);
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
    }
}
