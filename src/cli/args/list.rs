// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags that commands which list something share, and how their rows are printed.

use crate::cli::{CommandResult, Context, Failure};
use crate::engine::Dialect;
use crate::output::listing::{Headings, RowTemplate, Style, is_json, json_lines};
use crate::output::value::{JsonStyle, Value, to_json};

/// Flags of `volume ls` and its kin.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Format output as JSON or by a Go template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Do not print headers
    #[arg(long, short = 'n')]
    pub(crate) noheading: bool,
    /// Do not truncate the output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print names or IDs only
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How a kind of objects is listed.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    /// The name of the template in errors.
    pub(crate) name: &'static str,
    /// The rows of the usual table.
    pub(crate) table: &'a str,
    /// What `--quiet` shows.
    pub(crate) quiet: &'static str,
    /// Headings that are not just the field's name in capitals.
    pub(crate) headings: &'static [(&'static str, &'static str)],
}

impl Listing<'_> {
    /// Prints `rows` as the flags ask for.
    pub(crate) fn print(
        &self,
        context: &Context,
        flags: &ListFlags,
        rows: Vec<Value>,
    ) -> CommandResult {
        let text = match flags.format.as_deref() {
            _ if flags.quiet => self.render(context, flags, self.quiet, rows)?,
            Some(format) if is_json(format) => as_json(context.engine.dialect, rows),
            Some("table") | None => {
                let table = format!("table {}", self.table);
                self.render(context, flags, &table, rows)?
            }
            Some(format) => self.render(context, flags, format, rows)?,
        };
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }

    fn render(
        &self,
        context: &Context,
        flags: &ListFlags,
        format: &str,
        rows: Vec<Value>,
    ) -> Result<String, Failure> {
        let style = match context.engine.dialect {
            Dialect::Podman => Style::Podman,
            Dialect::Docker => Style::Docker,
        };
        let headings = if flags.noheading {
            Headings::Hidden
        } else {
            Headings::Shown
        };
        RowTemplate::parse(self.name, format, style, headings)
            .and_then(|template| template.render(self.headings, rows))
            .map_err(Failure::tool)
    }
}

fn as_json(dialect: Dialect, rows: Vec<Value>) -> String {
    match dialect {
        Dialect::Docker => json_lines(&rows),
        Dialect::Podman if rows.is_empty() => "[]\n".to_owned(),
        Dialect::Podman => to_json(&Value::List(rows), JsonStyle::Indented(2)) + "\n",
    }
}

/// Splits `--filter` values at the first `=`; `refuse` words a key that is not in `known`.
pub(crate) fn split_filters<'a>(
    filters: &'a [String],
    known: &[&str],
    refuse: impl Fn(&str) -> String,
) -> Result<Vec<(&'a str, &'a str)>, Failure> {
    let mut split = Vec::new();
    for filter in filters {
        let Some((key, value)) = filter.split_once('=') else {
            return Err(Failure::tool(format_args!(
                "filter input must be in the form of filter=value: {filter} is invalid"
            )));
        };
        // `label!=x` splits behind the exclamation mark, which belongs to the key.
        if !known.contains(&key) {
            return Err(Failure::tool(refuse(key)));
        }
        split.push((key, value));
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_keys_and_values() {
        let filters = ["label!=a=b".to_owned(), "name=x".to_owned()];
        let refuse = |key: &str| format!("no {key}");
        let split = split_filters(&filters, &["label!", "name"], refuse).unwrap();
        assert_eq!(split, [("label!", "a=b"), ("name", "x")]);
        let unknown = split_filters(&filters, &["name"], refuse).unwrap_err();
        assert_eq!(unknown.message, "no label!");
        let bare = split_filters(&["name".to_owned()], &["name"], refuse).unwrap_err();
        assert!(
            bare.message.ends_with("name is invalid"),
            "{}",
            bare.message
        );
    }
}
