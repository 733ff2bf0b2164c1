// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.pod`: a pod, whose service starts the containers that are in it.

use super::draft::{ConvertError, Draft};
use super::flags::{Keys, Rule};
use super::kind::pod_name;
use super::users::{MAPS, ManualMaps, REMAPS};

/// The keys of the group.
pub(super) const KEYS: &[&Keys] = &[FLAGS, MAPS, REMAPS, OWN];

const FLAGS: &Keys = &[
    ("PublishPort", Rule::Each("--publish")),
    ("Label", Rule::Pairs("--label")),
    ("IP", Rule::Last("--ip", "")),
    ("IP6", Rule::Last("--ip6", "")),
    ("ShmSize", Rule::Last("--shm-size", "")),
    ("NetworkAlias", Rule::Each("--network-alias")),
    ("DNS", Rule::Each("--dns")),
    ("DNSOption", Rule::Each("--dns-option")),
    ("DNSSearch", Rule::Each("--dns-search")),
    ("AddHost", Rule::Each("--add-host")),
    ("HostName", Rule::Each("--hostname")),
];

const OWN: &Keys = &[
    ("ExitPolicy", Rule::Own),
    ("Network", Rule::Own),
    ("PodName", Rule::Own),
    ("StopTimeout", Rule::Own),
    ("Volume", Rule::Own),
];

/// Where the monitor of the pod writes its process id.
const PID_FILE: &str = "%t/%N.pid";

/// Fills the service.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let name = pod_name(unit);
    for member in draft.links.members(&unit.name) {
        draft.service.add("Unit", "Wants", &**member);
        draft.service.add("Unit", "Before", &**member);
    }
    draft
        .service
        .set_default("Service", "SyslogIdentifier", "%N");
    let start = draft.command(&["pod", "start", &name]);
    draft.exec("ExecStart", start);
    let time = unit.text(group, "StopTimeout").unwrap_or("10");
    let time = format!("--time={time}");
    let stop = draft.command(&["pod", "stop", "--ignore", &time, &name]);
    draft.exec("ExecStop", stop);
    let remove = draft.command(&["pod", "rm", "--ignore", "--force", &name]);
    draft.exec("ExecStopPost", remove);

    let pid_file = format!("--infra-conmon-pidfile={PID_FILE}");
    let mut create = draft.command(&["pod", "create", &pid_file, "--replace"]);
    let policy = unit.text(group, "ExitPolicy").unwrap_or("stop");
    create.add(["--exit-policy", policy]);
    draft.maps(&mut create, ManualMaps::Allowed)?;
    draft.networks(&mut create)?;
    draft.keys(&mut create, FLAGS);
    draft.volumes(&mut create)?;
    create.add(["--infra-name", &format!("{name}-infra"), "--name", &name]);
    draft.own_arguments(&mut create);
    draft.exec("ExecStartPre", create);

    let own_name = "PODMAN_SYSTEMD_UNIT=%n";
    draft.service.add("Service", "Environment", own_name);
    // A pod that is limited has its cgroup there.
    draft.service.add("Service", "Delegate", "yes");
    draft.service.set("Service", "Type", "forking");
    draft
        .service
        .set_default("Service", "Restart", "on-failure");
    draft.service.set("Service", "PIDFile", PID_FILE);
    Ok(())
}
