// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.container`: a container that runs as long as its service.

use std::path::Path;

use super::draft::{ConvertError, Draft, ServiceType};
use super::flags::{Command, Keys, Rule};
use super::kind::{Kind, container_name};
use super::mount;
use super::users::{MAPS, ManualMaps, REMAPS};

/// The keys of the group.
pub(super) const KEYS: &[&Keys] = &[FLAGS, SECURITY, CONTENT, HEALTH, MAPS, REMAPS, OWN];

const FLAGS: &Keys = &[
    ("LogDriver", Rule::Last("--log-driver", "")),
    ("LogOpt", Rule::Words("--log-opt", "")),
    ("Entrypoint", Rule::Joined("--entrypoint")),
    ("Timezone", Rule::Last("--tz", "")),
    ("PidsLimit", Rule::Last("--pids-limit", "")),
    ("ShmSize", Rule::Last("--shm-size", "")),
    ("WorkingDir", Rule::Last("--workdir", "")),
    ("IP", Rule::Last("--ip", "")),
    ("IP6", Rule::Last("--ip6", "")),
    ("HostName", Rule::Last("--hostname", "")),
    ("StopSignal", Rule::Last("--stop-signal", "")),
    ("StopTimeout", Rule::Last("--stop-timeout", "")),
    ("Pull", Rule::Last("--pull", "")),
    ("Memory", Rule::Last("--memory", "")),
    ("Retry", Rule::Last("--retry", "")),
    ("RetryDelay", Rule::Last("--retry-delay", "")),
    ("NetworkAlias", Rule::Each("--network-alias")),
    ("Ulimit", Rule::Each("--ulimit")),
    ("DNS", Rule::Each("--dns")),
    ("DNSOption", Rule::Each("--dns-option")),
    ("DNSSearch", Rule::Each("--dns-search")),
    ("GroupAdd", Rule::Each("--group-add")),
    ("AddHost", Rule::Each("--add-host")),
    ("Tmpfs", Rule::Each("--tmpfs")),
    ("RunInit", Rule::Switch("--init")),
    ("EnvironmentHost", Rule::Switch("--env-host")),
    ("HttpProxy", Rule::Switch("--http-proxy")),
    ("ReadOnlyTmpfs", Rule::Switch("--read-only-tmpfs")),
    ("ReadOnly", Rule::Switch("--read-only")),
    ("Sysctl", Rule::Words("--sysctl", "")),
    ("PublishPort", Rule::Each("--publish")),
];

const SECURITY: &Keys = &[
    (
        "NoNewPrivileges",
        Rule::IfYes("--security-opt", "no-new-privileges"),
    ),
    (
        "SecurityLabelDisable",
        Rule::IfYes("--security-opt", "label=disable"),
    ),
    (
        "SecurityLabelNested",
        Rule::IfYes("--security-opt", "label=nested"),
    ),
    (
        "SecurityLabelType",
        Rule::Last("--security-opt", "label=type:"),
    ),
    (
        "SecurityLabelFileType",
        Rule::Last("--security-opt", "label=filetype:"),
    ),
    (
        "SecurityLabelLevel",
        Rule::Last("--security-opt", "label=level:"),
    ),
    ("AppArmor", Rule::Last("--security-opt", "apparmor=")),
    ("SeccompProfile", Rule::Last("--security-opt", "seccomp=")),
    ("Mask", Rule::Arguments("--security-opt", "mask=")),
    ("Unmask", Rule::Arguments("--security-opt", "unmask=")),
];

const CONTENT: &Keys = &[
    (
        "AutoUpdate",
        Rule::Last("--label", "io.containers.autoupdate="),
    ),
    ("Environment", Rule::Pairs("--env")),
    ("Label", Rule::Pairs("--label")),
    ("Annotation", Rule::Pairs("--annotation")),
    ("Secret", Rule::Arguments("--secret", "")),
];

const HEALTH: &Keys = &[
    ("HealthCmd", Rule::Last("--health-cmd", "")),
    ("HealthInterval", Rule::Last("--health-interval", "")),
    ("HealthOnFailure", Rule::Last("--health-on-failure", "")),
    (
        "HealthLogDestination",
        Rule::Last("--health-log-destination", ""),
    ),
    (
        "HealthMaxLogCount",
        Rule::Last("--health-max-log-count", ""),
    ),
    ("HealthMaxLogSize", Rule::Last("--health-max-log-size", "")),
    ("HealthRetries", Rule::Last("--health-retries", "")),
    ("HealthStartPeriod", Rule::Last("--health-start-period", "")),
    ("HealthTimeout", Rule::Last("--health-timeout", "")),
    ("HealthStartupCmd", Rule::Last("--health-startup-cmd", "")),
    (
        "HealthStartupInterval",
        Rule::Last("--health-startup-interval", ""),
    ),
    (
        "HealthStartupRetries",
        Rule::Last("--health-startup-retries", ""),
    ),
    (
        "HealthStartupSuccess",
        Rule::Last("--health-startup-success", ""),
    ),
    (
        "HealthStartupTimeout",
        Rule::Last("--health-startup-timeout", ""),
    ),
];

const OWN: &Keys = &[
    ("AddCapability", Rule::Own),
    ("AddDevice", Rule::Own),
    ("CgroupsMode", Rule::Own),
    ("ContainerName", Rule::Own),
    ("DropCapability", Rule::Own),
    ("EnvironmentFile", Rule::Own),
    ("Exec", Rule::Own),
    ("ExposeHostPort", Rule::Own),
    ("Group", Rule::Own),
    ("Image", Rule::Own),
    ("Mount", Rule::Own),
    ("Network", Rule::Own),
    ("Notify", Rule::Own),
    ("Pod", Rule::Own),
    ("ReloadCmd", Rule::Own),
    ("ReloadSignal", Rule::Own),
    ("Rootfs", Rule::Own),
    ("StartWithPod", Rule::Own),
    ("User", Rule::Own),
    ("VolatileTmp", Rule::Own),
    ("Volume", Rule::Own),
];

/// Fills the service.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let root = match (unit.text(group, "Image"), unit.text(group, "Rootfs")) {
        (None, None) => return Err(ConvertError::NoRoot),
        (Some(_), Some(_)) => return Err(ConvertError::TwoRoots),
        (Some(image), None) => vec![draft.image(image)?],
        (None, Some(rootfs)) => vec!["--rootfs".to_owned(), rootfs.to_owned()],
    };
    let name = container_name(unit);
    // What `auto-update` starts anew.
    let own_name = "PODMAN_SYSTEMD_UNIT=%n";
    draft.service.add("Service", "Environment", own_name);
    draft.kill_mode()?;
    stop(draft, &name);
    reload(draft, &name)?;
    draft.service.add("Service", "Delegate", "yes");

    let mut run = draft.command(&["run", "--name", &name, "--replace", "--rm"]);
    match unit.text(group, "CgroupsMode") {
        Some(mode) => run.add(["--cgroups", mode]),
        None => run.add(["--cgroups=split"]),
    }
    draft.networks(&mut run)?;
    if draft.service_type()? == ServiceType::Notify {
        run.add([notify(draft), "-d"]);
    }
    draft
        .service
        .set_default("Service", "SyslogIdentifier", "%N");
    for keys in [FLAGS, SECURITY] {
        draft.keys(&mut run, keys);
    }
    rights(draft, &mut run);
    draft.user(&mut run)?;
    draft.maps(&mut run, ManualMaps::Allowed)?;
    draft.volumes(&mut run)?;
    expose(draft, &mut run)?;
    draft.keys(&mut run, CONTENT);
    content(draft, &mut run)?;
    draft.keys(&mut run, HEALTH);
    join_pod(draft, &mut run)?;
    draft.own_arguments(&mut run);
    run.add(root);
    match unit.command(group, "Exec") {
        Ok(words) => run.add(words.into_iter().flatten()),
        Err(error) => draft.warn(error),
    }
    draft.exec("ExecStart", run);
    Ok(())
}

/// The second is for a monitor that is gone: systemd skips the first one then.
fn stop(draft: &mut Draft<'_>, name: &str) {
    let remove = ["rm", "-v", "-f", "-i", name];
    let first = draft.command(&remove);
    draft.exec("ExecStop", first);
    let unchecked = format!("-{}", draft.host.program);
    let second = Command::new(&unchecked, draft.unit, draft.group, &remove);
    draft.exec("ExecStopPost", second);
}

fn reload(draft: &mut Draft<'_>, name: &str) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let words = unit.command(group, "ReloadCmd").unwrap_or_else(|error| {
        draft.warn(error);
        None
    });
    let words = words.filter(|words| !words.is_empty());
    let command = match (words, unit.text(group, "ReloadSignal")) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => return Err(ConvertError::TwoReloads),
        (Some(words), None) => {
            let mut exec = draft.command(&["exec", name]);
            exec.add(words);
            exec
        }
        (None, Some(signal)) => draft.command(&["kill", "--signal", signal, name]),
    };
    draft.exec("ExecReload", command);
    Ok(())
}

fn notify(draft: &Draft<'_>) -> &'static str {
    let (unit, group) = (draft.unit, draft.group);
    match (unit.last(group, "Notify"), unit.boolean(group, "Notify")) {
        (Some(word), _) if word.eq_ignore_ascii_case("healthy") => "--sdnotify=healthy",
        (_, Some(true)) => "--sdnotify=container",
        (_, Some(false) | None) => "--sdnotify=conmon",
    }
}

fn rights(draft: &Draft<'_>, run: &mut Command) {
    let (unit, group) = (draft.unit, draft.group);
    for device in unit.list(group, "AddDevice") {
        let (optional, device) = match device.strip_prefix('-') {
            Some(device) => (true, device),
            None => (false, device.as_str()),
        };
        let path = device.split(':').next().unwrap_or_default();
        if !optional || (draft.host.exists)(Path::new(path)) {
            run.add(["--device", device]);
        }
    }
    // What is dropped may be given back.
    for (key, flag) in [
        ("DropCapability", "--cap-drop"),
        ("AddCapability", "--cap-add"),
    ] {
        for name in unit.list(group, key) {
            run.add([flag.to_owned(), name.to_ascii_lowercase()]);
        }
    }
    let volatile = unit.boolean(group, "VolatileTmp") == Some(true);
    if volatile && unit.boolean(group, "ReadOnly") != Some(true) {
        run.add(["--tmpfs", "/tmp:rw,size=512M,mode=1777"]);
    }
}

fn expose(draft: &Draft<'_>, run: &mut Command) -> Result<(), ConvertError> {
    for port in draft.unit.all(draft.group, "ExposeHostPort") {
        let port = port.trim();
        if !is_port_range(port) {
            let port = port.to_owned();
            return Err(ConvertError::Port { port });
        }
        run.add(["--expose", port]);
    }
    Ok(())
}

fn is_port_range(text: &str) -> bool {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    is_port(first) && is_port(last) && ["tcp", "udp", "sctp"].contains(&protocol)
}

fn content(draft: &mut Draft<'_>, run: &mut Command) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let (files, errors) = unit.arguments(group, "EnvironmentFile");
    for file in files {
        run.add(["--env-file".to_owned(), draft.absolute(&file)]);
    }
    let (mounts, more) = unit.arguments(group, "Mount");
    for mount in mounts {
        run.add(["--mount".to_owned(), mount::resolved(draft, &mount)?]);
    }
    for error in errors.into_iter().chain(more) {
        draft.warn(error);
    }
    Ok(())
}

fn join_pod(draft: &mut Draft<'_>, run: &mut Command) -> Result<(), ConvertError> {
    let Some(pod) = draft.unit.text(draft.group, "Pod") else {
        return Ok(());
    };
    let name = pod.to_owned();
    if Kind::of(pod) != Some(Kind::Pod) {
        return Err(ConvertError::ForeignPod { name });
    }
    if !draft.links.has(pod) {
        return Err(ConvertError::NoPod { name });
    }
    let (service, resource) = draft.linked("pod", pod)?;
    run.add(["--pod".to_owned(), resource]);
    draft.service.add("Unit", "BindsTo", &*service);
    draft.service.add("Unit", "After", &*service);
    if draft.unit.boolean(draft.group, "StartWithPod") != Some(false) {
        draft.join_pod(pod);
    }
    Ok(())
}
