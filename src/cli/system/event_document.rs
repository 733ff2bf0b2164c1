// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An event as podman and as docker show it: a line for people, a document for templates and JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::output::table::push_visible;
use crate::output::value::{Time, Value};
use crate::state::events::{Action, Event, Kind};

/// What podman's templates and JSON show.
#[derive(Serialize)]
#[serde(rename = "system.Event")]
struct PodmanEvent<'e> {
    #[serde(rename = "ContainerExitCode,ContainerExitCode,omitempty")]
    exit_code: Option<i32>,
    #[serde(rename = "ID,ID,omitempty")]
    id: &'e str,
    #[serde(rename = "Image,Image,omitempty")]
    image: &'e str,
    #[serde(rename = "Name,Name,omitempty")]
    name: &'e str,
    #[serde(rename = "Network,network,omitempty")]
    network: &'e str,
    #[serde(rename = "Status")]
    status: &'static str,
    #[serde(rename = "Time,time,omitempty")]
    time: i64,
    #[serde(rename = "TimeNano,timeNano,omitempty")]
    time_nano: i64,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "HealthStatus,health_status,omitempty")]
    health_status: &'e str,
    #[serde(rename = "Error,Error,omitempty")]
    error: &'e str,
    #[serde(rename = "ContainerInspectData,ContainerInspectData,omitempty")]
    inspect_data: &'e str,
    #[serde(rename = "PodID,PodID,omitempty")]
    pod: &'e str,
    #[serde(rename = "Attributes,Attributes,nullempty")]
    attributes: BTreeMap<String, String>,
}

/// What docker's templates and JSON show.
#[derive(Serialize)]
#[serde(rename = "events.Message")]
struct DockerEvent<'e> {
    #[serde(rename = "Status,status,omitempty")]
    status: String,
    #[serde(rename = "ID,id,omitempty")]
    id: &'e str,
    #[serde(rename = "From,from,omitempty")]
    from: &'e str,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor<'e>,
    #[serde(rename = "Scope,scope,omitempty")]
    scope: &'static str,
    #[serde(rename = "Time,time,omitempty")]
    time: i64,
    #[serde(rename = "TimeNano,timeNano,omitempty")]
    time_nano: i64,
}

#[derive(Serialize)]
#[serde(rename = "events.Actor")]
struct Actor<'e> {
    #[serde(rename = "ID")]
    id: &'e str,
    #[serde(rename = "Attributes")]
    attributes: BTreeMap<String, String>,
}

/// The event for podman's `--format`.
pub(super) fn podman_document(event: &Event) -> Value {
    let time = Time::utc(event.time);
    Value::of(&PodmanEvent {
        exit_code: event.exit_code,
        id: &event.id,
        image: &event.image,
        name: &event.name,
        network: &event.network,
        status: event.action.word(),
        time: time.unix_seconds(),
        time_nano: time.unix_nanoseconds(),
        kind: event.kind.word(),
        health_status: &event.health_status,
        error: &event.error,
        inspect_data: &event.inspect_data,
        pod: &event.pod,
        attributes: event.attributes.clone().unwrap_or_default(),
    })
}

/// The event for docker's `--format`.
pub(super) fn docker_document(event: &Event) -> Value {
    let time = Time::utc(event.time);
    let action = docker_action(event).unwrap_or_else(|| event.action.to_string());
    let has_status = matches!(event.kind, Kind::Container | Kind::Image);
    Value::of(&DockerEvent {
        status: if has_status {
            action.clone()
        } else {
            String::new()
        },
        id: if has_status { docker_id(event) } else { "" },
        from: &event.image,
        kind: event.kind.word(),
        action,
        actor: Actor {
            id: docker_id(event),
            attributes: docker_attributes(event),
        },
        scope: "local",
        time: time.unix_seconds(),
        time_nano: time.unix_nanoseconds(),
    })
}

/// Podman's line for people.
pub(super) fn podman_line(event: &Event, truncated: bool) -> String {
    let id = match event.id.get(..12) {
        Some(short) if truncated => short,
        _ => &event.id,
    };
    let Event {
        kind,
        action,
        name,
        network,
        ..
    } = event;
    let mut line = format!("{} {kind} {action}", Time::local(event.time).go_string());
    let attributes = event.attributes.iter().flatten();
    match kind {
        Kind::Container | Kind::Pod => {
            push(
                &mut line,
                format_args!(" {id} (image={}, name={name}", event.image),
            );
            if !event.pod.is_empty() {
                push(&mut line, format_args!(", pod_id={}", event.pod));
            }
            if *action == Action::HealthStatus {
                push(
                    &mut line,
                    format_args!(
                        ", health_status={}, health_failing_streak={}, health_log={}",
                        event.health_status,
                        event.health_failing_streak.unwrap_or(0),
                        event.health_log
                    ),
                );
            }
            for (name, value) in attributes {
                push(&mut line, format_args!(", {name}={value}"));
            }
            line.push(')');
        }
        Kind::Network => match event.attributes.as_ref().and_then(|all| all.get("driver")) {
            Some(driver) => push(
                &mut line,
                format_args!(" {} (name={network}, type={driver})", event.id),
            ),
            None => push(
                &mut line,
                format_args!(" {id} (container={id}, name={network})"),
            ),
        },
        Kind::Image => {
            push(&mut line, format_args!(" {id} {name}"));
            if !event.error.is_empty() {
                push(&mut line, format_args!(" {}", event.error));
            }
        }
        Kind::System if name.is_empty() => {}
        Kind::System | Kind::Volume => push(&mut line, format_args!(" {name}")),
        Kind::Secret => push(&mut line, format_args!(" {id}")),
    }
    on_one_line(&line)
}

/// Docker's line for people.
pub(super) fn docker_line(event: &Event) -> String {
    let time = Time::local(event.time).format("2006-01-02T15:04:05.000000000Z07:00");
    let action = docker_action(event).unwrap_or_else(|| event.action.to_string());
    let mut line = format!("{time} {} {action} {}", event.kind, docker_id(event));
    let attributes = docker_attributes(event);
    if !attributes.is_empty() {
        let pairs = attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        push(
            &mut line,
            format_args!(" ({})", pairs.collect::<Vec<_>>().join(", ")),
        );
    }
    on_one_line(&line)
}

fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    line.write_fmt(text).expect("a string takes any text");
}

/// Labels come from images: they cannot speak to the terminal, nor end the line.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    push_visible(text, &mut line);
    line.push('\n');
    line
}

/// Docker's word; `None` for what docker does not tell.
pub(super) fn docker_action(event: &Event) -> Option<String> {
    let word = match (event.kind, event.action) {
        (Kind::Pod | Kind::System, _)
        | (
            _,
            Action::AutoUpdate
            | Action::Cleanup
            | Action::History
            | Action::Init
            | Action::LogRotation
            | Action::PullError
            | Action::Refresh
            | Action::Renumber
            | Action::Restore
            | Action::Sync,
        )
        | (Kind::Container | Kind::Image, Action::Mount | Action::Unmount)
        | (Kind::Volume, Action::Prune) => return None,
        (_, Action::Died) => "die",
        (_, Action::Exec) => "exec_start",
        (_, Action::ExecDied) => "exec_die",
        (Kind::Image, Action::Remove) => "delete",
        (Kind::Secret, Action::Remove) => "remove",
        (_, Action::Remove) => "destroy",
        (_, Action::LoadFromArchive) => "load",
        (_, Action::HealthStatus) => {
            return Some(format!("health_status: {}", event.health_status));
        }
        (_, action) => action.word(),
    };
    Some(word.to_owned())
}

/// What docker calls the actor's id: volumes have their name.
fn docker_id(event: &Event) -> &str {
    match event.kind {
        Kind::Volume => &event.name,
        // Who comes or goes is an attribute.
        Kind::Network if event.attributes.is_none() => &event.network,
        Kind::Container | Kind::Image | Kind::Network | Kind::Pod | Kind::System | Kind::Secret => {
            &event.id
        }
    }
}

fn docker_attributes(event: &Event) -> BTreeMap<String, String> {
    let mut attributes = event.attributes.clone().unwrap_or_default();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    };
    match event.kind {
        Kind::Container => {
            add("image", &event.image);
            add("name", &event.name);
        }
        Kind::Network if event.attributes.is_none() => {
            add("container", &event.id);
            add("name", &event.network);
            add("type", "bridge");
        }
        Kind::Network => {
            add("name", &event.network);
            add("type", "bridge");
            attributes.remove("driver");
        }
        Kind::Volume => add("driver", "local"),
        Kind::Image | Kind::Pod | Kind::System | Kind::Secret => add("name", &event.name),
    }
    if let Some(code) = event.exit_code.filter(|_| event.action != Action::Remove) {
        attributes.insert("exitCode".to_owned(), code.to_string());
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::value::{JsonStyle, to_json};

    fn died() -> Event {
        let event = Event {
            id: "0123456789abcdef".to_owned(),
            name: "web".to_owned(),
            image: "busybox:latest".to_owned(),
            time: "2026-11-21T10:20:30.5Z".parse().unwrap(),
            ..Event::new(Kind::Container, Action::Died)
        };
        event.with_exit_code(3).with("tier", "a\u{1b}[31mb\n")
    }

    #[test]
    fn lines_are_podmans_and_dockers() {
        let line = podman_line(&died(), true);
        let rest = line.split_once("container").unwrap().1;
        assert_eq!(
            rest,
            " died 0123456789ab (image=busybox:latest, name=web, tier=a\\u{1b}[31mb\\n)\n"
        );
        let line = docker_line(&died());
        let rest = line.split_once("container").unwrap().1;
        assert_eq!(
            rest,
            " die 0123456789abcdef (exitCode=3, image=busybox:latest, name=web, tier=a\\u{1b}[31mb\\n)\n"
        );
    }

    #[test]
    fn documents_are_podmans_and_dockers() {
        let json = |value: &Value| to_json(value, JsonStyle::Compact);
        let event = Event {
            attributes: None,
            ..died()
        };
        assert_eq!(
            json(&podman_document(&event)),
            r#"{"ContainerExitCode":3,"ID":"0123456789abcdef","Image":"busybox:latest","Name":"web","Status":"died","time":1795256430,"timeNano":1795256430500000000,"Type":"container","Attributes":null}"#
        );
        assert_eq!(
            json(&docker_document(&event)),
            r#"{"status":"die","id":"0123456789abcdef","from":"busybox:latest","Type":"container","Action":"die","Actor":{"ID":"0123456789abcdef","Attributes":{"exitCode":"3","image":"busybox:latest","name":"web"}},"scope":"local","time":1795256430,"timeNano":1795256430500000000}"#
        );
    }
}
