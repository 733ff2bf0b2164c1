// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle doctor`: what this host offers to containers, what it lacks, what that costs, and the
//! command that mends it.

use serde::Serialize;

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::host::{Cure, Feature, Finding, Lack, Verdict, can_run};

/// Flags of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Change the output format to JSON
    #[arg(long, short, value_name = "json")]
    format: Option<String>,
}

/// The document of `--format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    can_run: bool,
    findings: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    feature: Feature,
    verdict: Verdict,
    found: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    costs: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cures: Vec<Cure>,
}

impl<'a> Row<'a> {
    fn of(finding: &'a Finding) -> Self {
        let lack = finding.lack.as_ref();
        Self {
            feature: finding.feature,
            verdict: finding.verdict,
            found: &finding.found,
            costs: lack.map(Lack::costs),
            cures: lack.map(Lack::cures).unwrap_or_default(),
        }
    }
}

impl Subcommand for Doctor {
    const PATHS: &'static [&'static str] = &["doctor", "system doctor"];
    const ABOUT: &'static str =
        "Look at what this host offers to containers and how to mend the rest";
    const EXAMPLES: &'static [&'static str] = &["doctor", "doctor --format json"];

    fn run(self, context: &Context) -> CommandResult {
        let findings = context.engine.examine_host();
        match self.format.as_deref() {
            None => print_text(context, &findings)?,
            Some("json") => print_json(context, &findings)?,
            Some(other) => {
                return Err(Failure::tool(format_args!(
                    "--format {other}: the only format is \"json\""
                )));
            }
        }
        Ok(u8::from(!can_run(&findings)))
    }
}

fn print_json(context: &Context, findings: &[Finding]) -> Result<(), Failure> {
    let document = Document {
        can_run: can_run(findings),
        findings: findings.iter().map(Row::of).collect(),
    };
    let text = serde_json::to_string_pretty(&document).map_err(Failure::tool)?;
    context.ui.line(text)?;
    Ok(())
}

fn print_text(context: &Context, findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        for line in lines(finding) {
            context.ui.line(line)?;
        }
    }
    context.ui.line("")?;
    context.ui.line(conclusion(findings))?;
    Ok(())
}

fn lines(finding: &Finding) -> Vec<String> {
    let word = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Lacking => "lacks",
        Verdict::Fatal => "fatal",
    };
    let title = finding.feature.title();
    let mut lines = vec![format!("{word:<6} {title:<23} {}", finding.found)];
    if let Some(lack) = &finding.lack {
        let indent = " ".repeat(31);
        lines.push(format!("{indent}costs: {}", lack.costs()));
        let cures = lack.cures();
        lines.extend(
            cures
                .iter()
                .map(|cure| format!("{indent}{}", cure.sentence())),
        );
    }
    lines
}

fn conclusion(findings: &[Finding]) -> &'static str {
    if !can_run(findings) {
        "No container can run before what is marked \"fatal\" is mended."
    } else if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Lacking)
    {
        "Containers can run; what is marked \"lacks\" has its price."
    } else {
        "Containers can run."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_is_told_with_its_price_and_its_cure() {
        let lack = Lack::NoTun;
        let finding = Finding {
            feature: Feature::Tun,
            verdict: Verdict::Lacking,
            found: lack.what(),
            lack: Some(lack),
        };
        let indent = " ".repeat(31);
        let expected = [
            "lacks  tun devices             /dev/net/tun does not exist".to_owned(),
            format!("{indent}costs: `--network pasta` and `--network slirp4netns` do not work"),
            format!("{indent}as root: modprobe tun"),
        ];
        assert_eq!(lines(&finding), expected);
        assert_eq!(
            conclusion(&[finding]),
            "Containers can run; what is marked \"lacks\" has its price."
        );
    }
}
