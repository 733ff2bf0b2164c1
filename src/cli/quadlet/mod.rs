// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `quadlet`.

mod install;
mod list;
mod print;
mod rm;

use super::{Context, Entry, Failure};
use crate::quadlet::Quadlets;

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<install::Install>(),
    Entry::of::<list::List>(),
    Entry::of::<print::Print>(),
    Entry::of::<rm::Remove>(),
];

/// Has systemd see what was changed, where that is asked for. One that is not there sees it when it
/// comes: that is told and no failure.
fn reload(context: &Context, quadlets: &Quadlets, asked: Option<bool>) {
    if asked == Some(false) {
        return;
    }
    if let Err(error) = quadlets.reload() {
        context.ui.note(format_args!(
            "{error}: until systemd reads its files anew (systemctl daemon-reload) it knows \
             nothing of the change"
        ));
    }
}

/// The failures of some, after a line for all of them.
fn end(context: &Context, failures: Vec<Failure>, all: &str) -> super::CommandResult {
    let last = (!failures.is_empty()).then(|| Failure::tool(all));
    context.end(failures.into_iter().chain(last).collect())
}
