// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--format` of commands that list things or show one thing: a template for every row, perhaps in
//! columns with headings, or JSON.

use std::collections::BTreeMap;

use super::table::{Columns, align};
use super::template::{Template, TemplateError};
use super::value::{JsonStyle, Struct, Value, to_json};

/// Whose rules a `table` format follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Podman: a space separates columns as a tab does.
    Podman,
    /// Docker: only tabs do.
    Docker,
}

impl Style {
    /// The widths of this style's tables.
    pub fn columns(self) -> Columns {
        match self {
            Self::Podman => Columns::PODMAN,
            Self::Docker => Columns::DOCKER,
        }
    }
}

/// The method `.Label` of a row whose labels are its field `field`: the value of one, or nothing.
///
/// # Errors
///
/// When it is not called with the name of a label.
pub fn label(row: &Struct, field: &str, arguments: &[Value]) -> Result<Value, String> {
    let [Value::Str(key)] = arguments else {
        return Err("want the name of a label".to_owned());
    };
    let labels = row.fields.iter().find(|each| each.name == field);
    let value = match labels.map(|each| &each.value) {
        Some(Value::Map(map)) => map.entries.get(key).cloned(),
        _ => None,
    };
    Ok(value.unwrap_or_else(|| Value::from("")))
}

/// Whether a table has a line of headings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headings {
    /// It has.
    Shown,
    /// `--noheading`.
    Hidden,
}

/// A parsed `--format` of a list.
#[derive(Debug, Clone)]
pub struct RowTemplate {
    template: Template,
    is_table: bool,
    headings: Headings,
    columns: Columns,
}

impl RowTemplate {
    /// Parses a user's `format` of the command `name`.
    ///
    /// `\t` and `\n` written with a backslash mean the characters. A format that ranges over the
    /// list itself is left alone.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Parse`].
    pub fn parse(
        name: &str,
        format: &str,
        style: Style,
        headings: Headings,
    ) -> Result<Self, TemplateError> {
        let table = format.strip_prefix("table ");
        let row = table.unwrap_or(format);
        let wrap = |row: &str| {
            if table.is_none() && ranges_itself(row) {
                return row.to_owned();
            }
            format!("{{{{range .}}}}{row}{{{{end -}}}}")
        };
        let mut plain = row.replace("\\t", "\t").replace("\\n", "\n");
        if table.is_some() && style == Style::Podman {
            plain = plain.replace(' ', "\t");
        }
        if !plain.ends_with('\n') {
            plain.push('\n');
        }
        // An escape inside a quoted text must stay one: `{{"\n"}}`.
        let template =
            Template::parse(name, &wrap(&plain)).or_else(|_| Template::parse(name, &wrap(row)))?;
        Ok(Self {
            template,
            is_table: table.is_some(),
            headings,
            columns: style.columns(),
        })
    }

    /// Whether the format mentions the field or method `name`.
    pub fn mentions(&self, name: &str) -> bool {
        self.template.mentioned().contains(name)
    }

    /// The output for `rows`; `headings` names the headings that are not just the field's name
    /// in capitals.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Execute`].
    pub fn render(
        &self,
        headings: &[(&str, &str)],
        rows: Vec<Value>,
    ) -> Result<String, TemplateError> {
        let mut out = String::new();
        if self.is_table && self.headings == Headings::Shown {
            let named = headings.iter().map(|(field, heading)| {
                let heading = Value::from(*heading);
                ((*field).to_owned(), heading)
            });
            let headings = Value::from(named.collect::<BTreeMap<_, _>>());
            let row = Value::List(vec![headings]);
            self.template.execute_headings(&row, &mut out)?;
        }
        self.template.execute(&Value::List(rows), &mut out)?;
        end_line(&mut out);
        if self.is_table {
            out = align(&out, self.columns);
        }
        Ok(out)
    }
}

/// Whether a format holds `{{range .}}…{{end}}`, so that it is meant for the whole list.
fn ranges_itself(format: &str) -> bool {
    let mut rest = format;
    while let Some(at) = rest.find("{{") {
        rest = &rest[at + 2..];
        let words = rest.trim_start().strip_prefix("range").map(str::trim_start);
        let over_all = words.and_then(|words| words.strip_prefix('.'));
        if over_all.is_some_and(|after| after.trim_start().starts_with("}}")) {
            return rest.contains("end");
        }
    }
    false
}

/// Whether a `--format` asks for JSON: `json`, or a template that says no more than that.
pub fn is_json(format: &str) -> bool {
    let format = format.trim();
    let action = format
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    match action {
        None => format == "json",
        Some(words) => {
            let rest = words.trim().strip_prefix("json").map(str::trim);
            matches!(rest, Some("" | "."))
        }
    }
}

/// One thing by a template: the output ends with a newline.
///
/// # Errors
///
/// [`TemplateError`].
pub fn render_one(name: &str, format: &str, value: &Value) -> Result<String, TemplateError> {
    let row = format.strip_prefix("table ").unwrap_or(format);
    let mut plain = row.replace("\\t", "\t").replace("\\n", "\n");
    if !plain.ends_with('\n') {
        plain.push('\n');
    }
    let template = Template::parse(name, &plain).or_else(|_| Template::parse(name, row))?;
    let mut out = String::new();
    template.execute(value, &mut out)?;
    end_line(&mut out);
    if format.starts_with("table ") {
        out = align(&out, Columns::PODMAN);
    }
    Ok(out)
}

/// Ends the last line, if there is any that has no end.
fn end_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Every value as one line of JSON, as Docker's `--format json` prints lists.
pub fn json_lines(values: &[Value]) -> String {
    let lines = values
        .iter()
        .map(|value| to_json(value, JsonStyle::Compact) + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::value::Struct;

    fn rows() -> Vec<Value> {
        let row = |id: &str, name: &str| {
            Struct::new("row")
                .with("ID", id)
                .with("PodName", name)
                .into()
        };
        vec![row("0123456789ab", "a"), row("0123456789ac", "longer name")]
    }

    fn render(format: &str, style: Style) -> String {
        RowTemplate::parse("ps", format, style, Headings::Shown)
            .and_then(|template| template.render(&[("ID", "CONTAINER ID")], rows()))
            .unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn one_line_per_row() {
        let table = [
            ("{{.ID}}", "0123456789ab\n0123456789ac\n"),
            (
                "{{.ID}}\\t{{.PodName}}",
                "0123456789ab\ta\n0123456789ac\tlonger name\n",
            ),
            ("{{range .}}{{.PodName}};{{end}}", "a;longer name;\n"),
            ("{{\"\\n\"}}", "\n\n"),
            ("x", "x\nx\n"),
        ];
        for (format, expected) in table {
            assert_eq!(render(format, Style::Podman), expected, "{format}");
        }
        assert_eq!(
            render("{{.Nope}}", Style::Podman),
            "template: ps:1:13: executing \"ps\" at <.Nope>: can't evaluate field Nope in type row"
        );
    }

    #[test]
    fn tables() {
        assert_eq!(
            render("table {{.ID}} {{.PodName}}", Style::Podman),
            "CONTAINER ID  POD NAME\n0123456789ab  a\n0123456789ac  longer name\n"
        );
        assert_eq!(
            render("table {{.PodName}}\\t{{.ID}} x", Style::Docker),
            "POD NAME      CONTAINER ID x\na             0123456789ab x\nlonger name   0123456789ac x\n"
        );
    }

    #[test]
    fn json_is_asked_for_in_many_ways() {
        for format in ["json", " json ", "{{json .}}", "{{ json . }}", "{{json}}"] {
            assert!(is_json(format), "{format}");
        }
        for format in ["", "{{.}}", "{{json .ID}}", "{{jsonx}}", "table json"] {
            assert!(!is_json(format), "{format}");
        }
    }

    #[test]
    fn one_thing() {
        let value = &rows()[0];
        assert_eq!(render_one("i", "{{.ID}}", value).unwrap(), "0123456789ab\n");
        assert_eq!(render_one("i", "{{\"\\n\"}}", value).unwrap(), "\n");
        assert_eq!(
            json_lines(&rows()[..1]),
            "{\"ID\":\"0123456789ab\",\"PodName\":\"a\"}\n"
        );
    }
}
