// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The section `Config` of podman's document: what the container was told to be.

use std::collections::BTreeMap;

use serde::Serialize;

use super::health::{self, StartupDocument};
use super::{Keys, Subject, port_keys};
use crate::engine::image::HealthcheckDocument;
use crate::engine::{signal, spec};
use crate::state::record::{ContainerRecord, SecretPlace};

#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectContainerConfig", rename_all = "PascalCase")]
pub(super) struct Config {
    hostname: String,
    #[serde(rename = "DomainName,Domainname")]
    domain_name: &'static str,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Vec<String>,
    #[serde(rename = "Cmd,Cmd,nullempty")]
    cmd: Vec<String>,
    image: String,
    #[serde(rename = "Volumes,Volumes,nullempty")]
    volumes: Keys,
    working_dir: String,
    #[serde(rename = "Entrypoint,Entrypoint,nullempty")]
    entrypoint: Vec<String>,
    on_build: Option<String>,
    #[serde(rename = "Labels,Labels,nullempty")]
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    stop_signal: String,
    #[serde(rename = "StartupHealthCheck,StartupHealthCheck,omitempty")]
    startup_health_check: Option<StartupDocument>,
    #[serde(rename = "Healthcheck,Healthcheck,omitempty")]
    healthcheck: Option<HealthcheckDocument>,
    #[serde(rename = "HealthcheckOnFailureAction,HealthcheckOnFailureAction,omitempty")]
    healthcheck_on_failure_action: &'static str,
    #[serde(rename = "HealthLogDestination,HealthLogDestination,omitempty")]
    health_log_destination: String,
    #[serde(rename = "HealthMaxLogCount,HealthcheckMaxLogCount,omitempty")]
    health_max_log_count: u32,
    #[serde(rename = "HealthMaxLogSize,HealthcheckMaxLogSize,omitempty")]
    health_max_log_size: u32,
    create_command: Vec<String>,
    #[serde(rename = "Timezone,Timezone,omitempty")]
    timezone: String,
    #[serde(rename = "SystemdMode,SystemdMode,omitempty")]
    systemd_mode: bool,
    #[serde(rename = "Umask,Umask,omitempty")]
    umask: String,
    #[serde(rename = "Secrets,Secrets,omitempty")]
    secrets: Vec<Secret>,
    timeout: u64,
    stop_timeout: u64,
    #[serde(rename = "Passwd,Passwd,omitempty")]
    passwd: bool,
    #[serde(rename = "SdNotifyMode,sdNotifyMode,omitempty")]
    sd_notify_mode: &'static str,
    #[serde(rename = "SdNotifySocket,sdNotifySocket,omitempty")]
    sd_notify_socket: String,
    #[serde(rename = "ExposedPorts,ExposedPorts,omitempty")]
    exposed_ports: Keys,
}

/// A secret that the container has as a file.
#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectSecret", rename_all = "PascalCase")]
struct Secret {
    name: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "UID")]
    uid: u32,
    #[serde(rename = "GID")]
    gid: u32,
    mode: u32,
}

fn secrets(record: &ContainerRecord) -> Vec<Secret> {
    let asked = record.request.secrets.iter();
    let shown = asked
        .zip(&record.resolved.secrets)
        .filter_map(|(request, resolved)| {
            let SecretPlace::Mount { uid, gid, mode, .. } = request.place else {
                return None;
            };
            Some(Secret {
                name: resolved.name.clone(),
                id: resolved.id.clone(),
                uid,
                gid,
                mode,
            })
        });
    shown.collect()
}

/// The section of `subject`.
pub(super) fn config(subject: &Subject<'_>) -> Config {
    let record = subject.record;
    let (request, resolved) = (&record.request, &record.resolved);
    let settings = resolved.health.as_ref();
    let attached = |stream: &str| {
        request
            .attach
            .iter()
            .any(|one| one.eq_ignore_ascii_case(stream))
    };
    Config {
        hostname: resolved.hostname.clone(),
        domain_name: "",
        user: resolved.user.clone(),
        attach_stdin: attached("stdin"),
        attach_stdout: attached("stdout"),
        attach_stderr: attached("stderr"),
        tty: request.tty,
        open_stdin: request.interactive,
        stdin_once: false,
        env: spec::environment(record, request.tty),
        cmd: resolved.command.clone(),
        image: resolved.image_name.clone(),
        volumes: Keys::of(resolved.volumes.iter().cloned()),
        working_dir: resolved.workdir.clone(),
        entrypoint: resolved.entrypoint.clone(),
        on_build: None,
        labels: resolved.labels.clone(),
        annotations: annotations(subject),
        stop_signal: signal::name(resolved.stop_signal),
        startup_health_check: health::startup(subject),
        healthcheck: health::check(subject),
        healthcheck_on_failure_action: settings.map_or("none", |one| one.on_failure.word()),
        health_log_destination: settings
            .map_or_else(|| "local".to_owned(), |one| one.log_destination.clone()),
        health_max_log_count: settings.map_or(5, |one| one.max_log_count),
        health_max_log_size: settings.map_or(500, |one| one.max_log_size),
        create_command: request.create_command.clone(),
        timezone: request.timezone.clone().unwrap_or_default(),
        systemd_mode: resolved.systemd,
        umask: format!("{:0>4}", request.umask.as_deref().unwrap_or("0022")),
        secrets: secrets(record),
        timeout: request.timeout_seconds.unwrap_or(0),
        stop_timeout: resolved.stop_timeout_seconds,
        passwd: !request.no_passwd,
        sd_notify_mode: request.sdnotify.name(),
        sd_notify_socket: request
            .notify_socket
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        exposed_ports: Keys::of(port_keys(&resolved.exposed_ports)),
    }
}

/// The user's annotations and those by which podman's own tools know some flags.
pub(super) fn annotations(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let request = &subject.record.request;
    let mut annotations = request.annotations.clone();
    let flag = |set: bool| if set { "TRUE" } else { "FALSE" }.to_owned();
    let own = [
        ("io.container.manager", "coracle".to_owned()),
        (
            "io.podman.annotations.autoremove",
            flag(request.auto_remove),
        ),
        ("io.podman.annotations.init", flag(request.init)),
        ("io.podman.annotations.privileged", flag(request.privileged)),
    ];
    for (key, value) in own {
        annotations.entry(key.to_owned()).or_insert(value);
    }
    if let Some(path) = &request.cidfile {
        let key = "io.podman.annotations.cid-file".to_owned();
        annotations.insert(key, path.to_string_lossy().into_owned());
    }
    annotations
}
