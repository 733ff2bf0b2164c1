// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The group `runtime`: the command line that engines call an OCI runtime with. It has global flags
//! of its own, which stand between `runtime` and the verb, and does not look at the user's store.

mod create;
mod delete;
mod exec;
mod flags;
mod kill;
mod look;
mod spec;
mod start;
mod state;
mod update;

use super::{CommandResult, Entry, Failure};
use crate::engine::Report;
use crate::engine::bundle::{BundleError, Ended, Runtime};
use crate::output::ui::Ui;
use crate::runtime::userns::chain;

use flags::Logged;
pub(crate) use flags::{RuntimeFlags, definition};

/// The name of the group.
pub(crate) const GROUP: &str = "runtime";

/// The name under which the program is the group alone, for engines that take a path.
pub(crate) const PROGRAM: &str = "coracle-runtime";

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of_runtime::<create::Create>(),
    Entry::of_runtime::<create::Run>(),
    Entry::of_runtime::<delete::Delete>(),
    Entry::of_runtime::<exec::Exec>(),
    Entry::of_runtime::<kill::Kill>(),
    Entry::of_runtime::<look::Features>(),
    Entry::of_runtime::<look::List>(),
    Entry::of_runtime::<look::Ps>(),
    Entry::of_runtime::<spec::Spec>(),
    Entry::of_runtime::<start::Start>(),
    Entry::of_runtime::<state::Pause>(),
    Entry::of_runtime::<state::Resume>(),
    Entry::of_runtime::<state::State>(),
    Entry::of_runtime::<update::Update>(),
];

/// A command of the runtime: a clap struct with its handler.
pub(crate) trait RuntimeCommand: clap::Args {
    /// The path that names it.
    const PATHS: &'static [&'static str];
    /// One line for the list of commands.
    const ABOUT: &'static str;
    /// What stands after `[options]` in the usage line, where the words' own names do not do.
    const USAGE: Option<&'static str> = None;

    /// Runs the command; the value is the exit code of the process.
    fn run(self, call: &RuntimeCall) -> CommandResult;
}

/// What a handler of the runtime is given.
#[derive(Debug)]
pub(crate) struct RuntimeCall {
    /// Where containers are.
    pub(crate) runtime: Runtime,
    /// Standard output and standard error.
    pub(crate) ui: Ui,
    /// As typed.
    pub(crate) flags: RuntimeFlags,
}

/// What an engine that asked for a log finds there is not said again on standard error, which may
/// be the program's.
impl Report for RuntimeCall {
    fn warning(&self, text: &str) {
        if self.flags.log("warning", text) == Logged::No {
            self.ui.note(format_args!("warning: {text}"));
        }
    }

    fn progress(&self, _text: &str) {}
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::with_code(error.exit_code(), chain(&error))
    }
}

fn exit_code(ended: Ended) -> u8 {
    match ended {
        Ended::Detached => 0,
        Ended::WithCode(code) => code,
    }
}

/// The version as engines look for it.
pub(crate) fn version() -> &'static str {
    concat!(
        "coracle-runtime version ",
        env!("CARGO_PKG_VERSION"),
        "\nspec: 1.3.0"
    )
}
