// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks: the kernel's bridges and rules in a namespace of the user's own, and the programs that
//! stand in where it has none. A child process makes what the network helper would make.

use super::{Feature, Finding, Lack};
use crate::network::helper;
use crate::runtime::apart::run_mapped;
use crate::runtime::helpers::find_helper;
use crate::runtime::subid::holder_map;
use crate::state::dirs::Dirs;

/// The rows about networks; a program is only missed where the kernel cannot do it alone.
pub(super) fn examine(dirs: &Dirs) -> [Finding; 2] {
    let bridges = bridges(dirs);
    let program = ["pasta", "slirp4netns"].into_iter().find_map(find_helper);
    let program = match (program, &bridges.lack) {
        (Some(path), _) => Finding::ok(Feature::NetworkProgram, path),
        (None, None) => Finding::ok(
            Feature::NetworkProgram,
            "none, and none needed but by `--network pasta` and `--network slirp4netns`",
        ),
        (None, Some(_)) => Finding::lacking(Feature::NetworkProgram, Lack::NoNetworkProgram),
    };
    [bridges, program]
}

fn bridges(dirs: &Dirs) -> Finding {
    let probed = run_mapped(&holder_map(), &dirs.run_root, || {
        let refusal = helper::probe().err().map(|error| error.to_string());
        refusal.unwrap_or_default().into_bytes()
    });
    match probed.map(|refusal| String::from_utf8_lossy(&refusal).into_owned()) {
        Ok(refusal) if refusal.is_empty() => {
            Finding::ok(Feature::Networks, "bridges, names and published ports work")
        }
        Ok(reason) => Finding::lacking(Feature::Networks, Lack::NoBridges { reason }),
        Err(_) => Finding::untried(Feature::Networks, "there is no user namespace"),
    }
}
