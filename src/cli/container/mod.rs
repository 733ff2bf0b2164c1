// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands of the group `container`, one file each.

mod attach;
mod cleanup;
mod commit;
mod cp;
mod create;
mod diff;
mod exec;
mod exists;
mod export;
mod foreground;
mod healthcheck;
mod kill;
mod logs;
mod mount;
mod pause;
mod port;
mod ports;
mod prune;
mod ps;
mod ps_row;
mod rename;
mod restart;
mod rm;
mod run;
mod start;
mod stats;
mod stop;
mod top;
mod unpause;
mod update;
mod wait;
pub(crate) mod which;

use super::Entry;

pub(super) use logs::{LogFlags, end, moment};
pub(super) use prune::print_pruned;
pub(super) use stats::PodStats;
pub(super) use top::print_processes;
pub(super) use which::{print_errors, tool_error};

/// The rows of this group.
pub(crate) const COMMANDS: &[Entry] = &[
    Entry::of::<attach::Attach>(),
    Entry::of::<commit::Commit>(),
    Entry::of::<cp::Cp>(),
    Entry::of::<diff::ContainerDiff>(),
    Entry::of::<diff::Diff>(),
    Entry::of::<diff::ImageDiff>(),
    Entry::of::<exec::Exec>(),
    Entry::of::<exists::Exists>(),
    Entry::of::<export::Export>(),
    Entry::of::<healthcheck::HealthcheckRun>(),
    Entry::of::<kill::Kill>(),
    Entry::of::<logs::Logs>(),
    Entry::of::<mount::ImageMount>(),
    Entry::of::<mount::ImageUnmount>(),
    Entry::of::<mount::Mount>(),
    Entry::of::<mount::Unmount>(),
    Entry::of::<pause::Pause>(),
    Entry::of::<port::Port>(),
    Entry::of::<cleanup::Cleanup>(),
    Entry::of::<create::Create>(),
    Entry::of::<prune::Prune>(),
    Entry::of::<ps::Ps>(),
    Entry::of::<rename::Rename>(),
    Entry::of::<restart::Restart>(),
    Entry::of::<rm::Rm>(),
    Entry::of::<run::Run>(),
    Entry::of::<start::Start>(),
    Entry::of::<stats::Stats>(),
    Entry::of::<stop::Stop>(),
    Entry::of::<top::Top>(),
    Entry::of::<unpause::Unpause>(),
    Entry::of::<update::Update>(),
    Entry::of::<wait::Wait>(),
];
