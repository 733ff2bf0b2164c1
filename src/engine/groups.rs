// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The supplementary groups of a container's programs: those that were asked for, or the caller's
//! own as they are.

use crate::runtime::idmap::Setgroups;
use crate::runtime::launch::GroupPolicy;
use crate::runtime::userns::setgroups_of;
use crate::state::record::ContainerRequest;

/// `--group-add keep-groups`.
const KEEP: &str = "keep-groups";

/// The same as crun is told it, which callers write, too.
const ANNOTATION: &str = "run.oci.keep_original_groups";

/// Whether the programs have the caller's groups.
pub(super) fn are_kept(request: &ContainerRequest) -> bool {
    let annotated = request.annotations.get(ANNOTATION);
    annotated.is_some_and(|value| value == "1") || request.group_add.iter().any(|word| word == KEEP)
}

/// The groups that were asked for.
pub(super) fn added(request: &ContainerRequest) -> Vec<String> {
    let words = request.group_add.iter();
    words.filter(|word| *word != KEEP).cloned().collect()
}

/// What a further program in a running container does with groups.
pub(super) fn policy_in(request: &ContainerRequest, pid: i32) -> GroupPolicy {
    // As in a container that maps one id alone.
    if setgroups_of(&pid.to_string()) == Setgroups::Denied {
        GroupPolicy::Denied
    } else if are_kept(request) {
        GroupPolicy::Keep
    } else {
        GroupPolicy::Settable
    }
}
