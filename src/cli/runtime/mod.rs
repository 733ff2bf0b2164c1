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

use super::{Entry, Failure};
use crate::engine::bundle::{BundleError, Ended};
use crate::runtime::failure::chain;

pub(crate) use flags::{GROUP, RuntimeCall, RuntimeCommand, RuntimeFlags, definition};

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
