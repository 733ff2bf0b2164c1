// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where another tool under test is known to behave otherwise: the tests that are skipped for
//! it, each with the reason. Whatever is not listed must hold for both.

use super::sandbox::{Tool, tool};

/// Of tests in a user namespace of their own.
const NESTED: &str = "does not run for a user without a name";

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
        "foreign::with_an_emulator_images_for_other_machines_run",
        NESTED,
    ),
    (
        "foreign::without_an_emulator_the_message_says_what_to_install",
        NESTED,
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
        "ids::a_container_never_gets_the_engines_binary_cve_2019_5736_cve_2016_9962",
        "its own file is not found either, and the code is 1",
    ),
    (
        "ids::one_id_alone_denies_setgroups_and_a_range_does_not_cve_2014_8989",
        "shows the map from outside of its own namespace",
    ),
    (
        "look::top_shows_processes_as_the_container_knows_them_cve_2022_1227",
        "flags of ps(1) are for the container's own ps",
    ),
    (
        "network::a_container_cannot_speak_for_another",
        "whoever may change its address is heard with another's",
    ),
    (
        "run::limits_and_kernel_settings_hold_inside",
        "crun opens more files than such a limit lets it",
    ),
    (
        "threats_files::a_container_that_fills_the_disk_ends_with_its_own_code",
        NESTED,
    ),
    (
        "threats_files::a_full_disk_is_told_and_leaves_a_store_that_can_be_read",
        NESTED,
    ),
    (
        "threats_files::a_terminal_is_sent_no_controls_that_an_image_chose",
        "messages hold them as they are",
    ),
    (
        "threats_host::a_monitor_killed_by_a_container_is_found_out",
        "a container whose monitor was killed runs on, unwatched",
    ),
    (
        "threats_host::restrictions_of_the_hosts_mounts_stay",
        NESTED,
    ),
    (
        "threats_paths::dev_proc_and_sys_that_lead_out_of_an_image_lead_nowhere_cve_2026_41579_cve_2026_47766",
        "is 127, as if the program were missing",
    ),
    (
        "threats_paths::mounts_in_a_volume_whose_names_are_exchanged_stay_inside_cve_2021_30465_cve_2024_45310",
        "is 127, as if the program were missing",
    ),
    (
        "threats_paths::no_descriptor_of_ours_or_the_callers_is_a_way_out_cve_2024_21626",
        "is 255 for `exec`",
    ),
    (
        "threats_paths::nobody_is_given_a_false_proc_cve_2019_16884_cve_2019_19921_cve_2025_52881",
        "mounts a volume over /proc",
    ),
    (
        "threats_paths::user_databases_of_every_shape_end_in_an_answer_cve_2024_9676",
        "waits for ever for a pipe that is /etc/passwd",
    ),
    (
        "threats_rights::a_host_that_covers_parts_of_proc_and_sys_runs_containers",
        NESTED,
    ),
    (
        "threats_rights::capability_sets_are_the_same_in_run_and_exec_cve_2022_24769_cve_2022_27650_cve_2022_29162",
        "Debian gives three more capabilities than podman 5.8",
    ),
    (
        "threats_rights::every_layout_of_cgroups_runs_containers",
        NESTED,
    ),
    (
        "threats_rights::exec_believes_nothing_that_a_container_shows",
        "`exec` waits for ever for a pipe that is in /proc",
    ),
    (
        "threats_rights::mounts_travel_as_asked_and_never_to_the_host",
        NESTED,
    ),
    (
        "threats_rights::nothing_is_typed_into_the_callers_terminal_cve_2017_5226",
        "has no passthrough-tty",
    ),
    (
        "threats_rights::one_container_has_no_rights_over_another",
        "all containers share a namespace: one with the host's processes and all capabilities enters others, and their monitors",
    ),
    (
        "threats_rights::sysctls_of_the_host_are_refused",
        "crun refuses some, with 126",
    ),
    (
        "threats_rights::the_callers_keys_stay_outside",
        "`exec` shows the caller's keyring",
    ),
    (
        "threats_rights::users_of_exec_are_read_strictly_cve_2026_30892",
        "is 255",
    ),
    (
        "threats_rights::what_the_kernel_shows_is_masked_or_cannot_be_written_cve_2022_0492_cve_2023_25809",
        "does not mask all of them",
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
