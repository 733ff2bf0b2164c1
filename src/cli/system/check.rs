// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle system check`: says what is wrong with the store, and repairs it.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::check::{CheckRequest, Checked, Depth, Outcome, Repair, Severity};

/// Flags of `system check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Remove what cannot be repaired, with its data
    #[arg(long, short)]
    force: bool,
    /// Accepted: what nobody is working on is left over, however young it is
    #[arg(long, short, value_name = "DURATION")]
    max: Option<String>,
    /// Skip what takes long: the digests of documents
    #[arg(long, short)]
    quick: bool,
    /// Repair what is wrong as far as nothing is lost
    #[arg(long, short)]
    repair: bool,
}

impl Subcommand for Check {
    const PATHS: &'static [&'static str] = &["system check"];
    const ABOUT: &'static str = "Check storage consistency";
    const EXAMPLES: &'static [&'static str] = &["system check", "system check --repair"];

    fn run(self, context: &Context) -> CommandResult {
        let repair = match (self.force, self.repair) {
            (true, _) => Repair::Lossy,
            (false, true) => Repair::Lossless,
            (false, false) => Repair::None,
        };
        let depth = if self.quick {
            Depth::Quick
        } else {
            Depth::Full
        };
        let request = CheckRequest { repair, depth };
        let checked = context.engine.check(request, context)?;
        for one in &checked {
            context.ui.line(line(one))?;
        }
        if !checked.iter().any(is_open_damage) {
            return Ok(0);
        }
        Err(match repair {
            Repair::None => Failure::tool("damage detected in local storage")
                .hint("`system check --repair` mends what can be mended"),
            Repair::Lossless => Failure::tool("damage in local storage could not be repaired")
                .hint("`system check --repair --force` removes what cannot be repaired"),
            Repair::Lossy => Failure::tool("damage in local storage could not be repaired"),
        })
    }
}

fn is_open_damage(one: &Checked) -> bool {
    let is_open = matches!(one.outcome, Outcome::Found | Outcome::Failed(_));
    one.severity == Severity::Damage && is_open
}

fn line(one: &Checked) -> String {
    let text = &one.text;
    match &one.outcome {
        Outcome::Found => text.clone(),
        Outcome::Repaired => format!("{text}: repaired"),
        Outcome::Removed => format!("{text}: removed"),
        Outcome::Failed(reason) => format!("{text}: {reason}"),
    }
}
