// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime list`, `runtime ps` and `runtime features`.

use std::process::Command;

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::{CommandResult, Failure};
use crate::engine::bundle::{self, Listed};
use crate::output::table::{Columns, Table};

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// "table" or "json"
    #[arg(long, short, default_value = "table")]
    format: String,
    /// Show names only
    #[arg(long, short)]
    quiet: bool,
}

impl RuntimeCommand for List {
    const PATHS: &'static [&'static str] = &["runtime list"];
    const ABOUT: &'static str = "List containers";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let rows = call.runtime.list()?;
        if self.quiet {
            for row in &rows {
                call.ui.line(&row.id)?;
            }
            return Ok(0);
        }
        match self.format.as_str() {
            "json" => call.ui.line(json(&rows)?)?,
            "table" => call.ui.raw(table(&rows).as_bytes())?,
            other => return Err(unknown_format(other)),
        }
        Ok(0)
    }
}

fn table(rows: &[Listed]) -> String {
    let mut table = Table::new(Columns::PODMAN);
    table.row(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    for row in rows {
        table.row([
            row.id.clone(),
            row.pid.to_string(),
            row.status.to_owned(),
            row.bundle.display().to_string(),
            row.created.to_string(),
            row.owner.clone(),
        ]);
    }
    table.finish()
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(Failure::tool)
}

fn unknown_format(typed: &str) -> Failure {
    Failure::tool(format_args!(
        "--format {typed}: not supported, choose from: table, json"
    ))
}

/// Flags of `ps`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ps {
    /// "table" or "json"
    #[arg(long, short, default_value = "table")]
    format: String,
    /// The container's name
    #[arg(required = true)]
    id: String,
    /// Options of ps(1)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl RuntimeCommand for Ps {
    const PATHS: &'static [&'static str] = &["runtime ps"];
    const ABOUT: &'static str = "List the processes of a container";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let pids = call.runtime.processes(&self.id)?;
        match self.format.as_str() {
            "json" => call.ui.line(json(&pids)?)?,
            "table" => {
                let shown = host_processes(&self.options)?;
                call.ui.raw(only(&shown, &pids)?.as_bytes())?;
            }
            other => return Err(unknown_format(other)),
        }
        Ok(0)
    }
}

/// What the host's ps(1) says of every process.
fn host_processes(options: &[String]) -> Result<String, Failure> {
    let mut command = Command::new("ps");
    if options.is_empty() {
        command.arg("-ef");
    }
    let output = command.args(options).output();
    let output = output.map_err(|error| Failure::tool(format_args!("ps: {error}")))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::tool(format_args!("ps: {}", words.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The heading, and the lines of these processes.
fn only(shown: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = shown.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading.split_whitespace().position(|word| word == "PID");
    let column = column.ok_or_else(|| Failure::tool("ps shows no column PID"))?;
    let is_ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column);
        pid.and_then(|pid| pid.parse().ok())
            .is_some_and(|pid| pids.contains(&pid))
    };
    let mut text = format!("{heading}\n");
    for line in lines.filter(is_ours) {
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// Flags of `features`.
#[derive(Debug, clap::Args)]
pub(crate) struct Features {}

impl RuntimeCommand for Features {
    const PATHS: &'static [&'static str] = &["runtime features"];
    const ABOUT: &'static str = "Show what an engine may ask for, as JSON";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let features = bundle::features();
        let text = serde_json::to_string_pretty(&features).map_err(Failure::tool)?;
        call.ui.line(text)?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_the_column_of_ids() {
        let shown = "UID PID CMD\nroot 1 init\nroot 12 sh 1\n";
        assert_eq!(only(shown, &[12]).unwrap(), "UID PID CMD\nroot 12 sh 1\n");
        assert!(only("CMD\nsh\n", &[1]).is_err());
    }
}
