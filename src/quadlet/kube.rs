// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.kube`: what a Kubernetes file describes runs as long as the service.

use super::draft::{ConvertError, Draft};
use super::flags::{Command, Keys, Rule};
use super::users::{ManualMaps, REMAPS};

/// The keys of the group.
pub(super) const KEYS: &[&Keys] = &[FLAGS, REMAPS, OWN];

const FLAGS: &Keys = &[
    ("LogDriver", Rule::Last("--log-driver", "")),
    ("LogOpt", Rule::Words("--log-opt", "")),
    ("PublishPort", Rule::Each("--publish")),
];

const OWN: &Keys = &[
    ("AutoUpdate", Rule::Own),
    ("ConfigMap", Rule::Own),
    ("ExitCodePropagation", Rule::Own),
    ("KubeDownForce", Rule::Own),
    ("Network", Rule::Own),
    ("SetWorkingDirectory", Rule::Own),
    ("UserNS", Rule::Own),
    ("Yaml", Rule::Own),
];

/// Fills the service.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let files = unit.list(group, "Yaml").into_iter();
    let files: Vec<String> = files.map(|file| draft.absolute(&file)).collect();
    if files.is_empty() {
        return Err(ConvertError::Missing { key: "Yaml" });
    }
    draft.kill_mode()?;
    let own_name = "PODMAN_SYSTEMD_UNIT=%n";
    draft.service.add("Service", "Environment", own_name);
    draft.service_type()?;
    draft
        .service
        .set_default("Service", "SyslogIdentifier", "%N");

    let mut play = draft.command(&["kube", "play", "--replace", "--service-container=true"]);
    if let Some(word) = unit.text(group, "ExitCodePropagation") {
        play.add([format!("--service-exit-code-propagation={word}")]);
    }
    draft.keys(&mut play, FLAGS);
    draft.maps(&mut play, ManualMaps::Refused)?;
    draft.networks(&mut play)?;
    updates(draft, &mut play);
    for file in unit.list(group, "ConfigMap") {
        play.add(["--configmap".to_owned(), draft.absolute(&file)]);
    }
    draft.own_arguments(&mut play);
    play.add(&files);
    draft.exec("ExecStart", play);

    // After the end, however that came about.
    let mut down = draft.command(&["kube", "down"]);
    draft.keys(&mut down, &[("KubeDownForce", Rule::Switch("--force"))]);
    down.add(&files);
    draft.exec("ExecStopPost", down);
    draft.working_directory()?;
    Ok(())
}

/// `AutoUpdate=[CONTAINER/]POLICY`.
fn updates(draft: &Draft<'_>, play: &mut Command) {
    for update in draft.unit.list(draft.group, "AutoUpdate") {
        let word = match update.split_once('/') {
            Some((container, policy)) => format!("/{container}={policy}"),
            None => format!("={update}"),
        };
        play.add([format!("--annotation=io.containers.autoupdate{word}")]);
    }
}
