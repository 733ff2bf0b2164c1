// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where another tool under test is known to behave otherwise: the tests that are skipped for
//! it, each with the reason. Whatever is not listed must hold for both.

use super::sandbox::{Tool, tool};

/// Test, and why Debian's podman 4.3 does not pass it.
const PODMAN: &[(&str, &str)] = &[
    (
        "crash::a_killed_command_leaves_the_container_to_its_monitor",
        "a container in the foreground ends with its killed command",
    ),
    (
        "crash::a_killed_monitor_takes_its_container_with_it",
        "a container whose monitor was killed runs on, unwatched",
    ),
    (
        "crash::everything_killed_at_once_is_told_and_goes",
        "what was killed with its monitor is shown as running",
    ),
    (
        "logs::a_last_line_without_its_end_is_shown",
        "`logs --tail` glues a last line without its end to the one before",
    ),
    (
        "command_line::output_can_be_sent_elsewhere",
        "has no --out; 5.8 has",
    ),
    (
        "lifecycle::a_name_belongs_to_one_container",
        "prints the name of what --replace removed too; 5.8 does not",
    ),
    (
        "lifecycle::restart_gives_a_new_process",
        "`restart --running` wants a name; 5.8 does not",
    ),
    (
        "lifecycle::start_is_told_as_typed_and_again_is_no_error",
        "prints nothing for a container that runs already; 5.8 does",
    ),
    (
        "rm::one_that_cannot_be_removed_does_not_keep_the_others",
        "one missing name keeps the others from being handled",
    ),
    (
        "rm::rm_tells_missing_running_and_removed_apart",
        "says `name or ID` where 5.8 says `ID or name`",
    ),
    (
        "rm::wait_ends_with_the_first_and_ignores_the_missing",
        "has no --exit-first-match; 5.8 has",
    ),
    (
        "rm::wait_knows_the_code_of_what_is_removed_with_its_end",
        "`wait --condition=removing` fails when the container is gone; 5.8 waits for that",
    ),
    (
        "stop::a_container_is_found_by_its_id_file_and_as_the_latest",
        "leaves the id file behind; 5.8 removes it",
    ),
    (
        "exec::exec_in_the_background_and_in_nothing",
        "`exec` without a command is 255; 5.8 says 125",
    ),
    (
        "exec::exec_shares_everything_with_the_container",
        "Debian gives three more capabilities than podman 5.8",
    ),
    (
        "run::the_default_rights_are_those_people_expect",
        "Debian gives three more capabilities than podman 5.8",
    ),
    (
        "run::signals_reach_the_container_in_the_foreground",
        "a signal that is passed on makes the exit code 0",
    ),
    (
        "tty::leaving_and_coming_back",
        "`run -it` was seen not to return after the detach keys",
    ),
    (
        "tty::other_keys_can_be_chosen_to_leave",
        "`run -it` was seen not to return after the detach keys",
    ),
    (
        "stop::pause_stands_still_until_unpause",
        "makes no cgroup for a rootless container without systemd",
    ),
    (
        "stop::what_is_missing_is_told_or_ignored",
        "`stop --ignore` fails for a missing id file; 5.8 does not",
    ),
];

/// Why the running test is not for the tool under test, if it is not.
pub(crate) fn of_this_test() -> Option<String> {
    let list = match tool() {
        Tool::Coracle => return None,
        Tool::Podman => PODMAN,
    };
    let thread = std::thread::current();
    let name = thread.name()?;
    let (_, reason) = list.iter().find(|(test, _)| *test == name)?;
    Some(format!("known difference: {reason}"))
}
