// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The systemd of this session, asked by its own program: what it knows of services, and that it
//! reads their files anew.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::draft::Session;

/// What systemd says of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServiceState {
    pub(super) load: String,
    pub(super) active: String,
    pub(super) sub: String,
}

impl ServiceState {
    /// As a list shows it.
    pub(super) fn shown(&self) -> String {
        if self.load == "loaded" {
            format!("{}/{}", self.active, self.sub)
        } else {
            "Not loaded".to_owned()
        }
    }
}

/// The states of `services` by their names; none where no systemd answers.
pub(super) fn states(session: Session, services: &[&str]) -> BTreeMap<String, ServiceState> {
    if services.is_empty() {
        return BTreeMap::new();
    }
    let mut command = systemctl(session);
    command.args(["show", "--property=Id,LoadState,ActiveState,SubState", "--"]);
    command.args(services).stderr(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => parse(&String::from_utf8_lossy(&output.stdout)),
        Ok(_) | Err(_) => BTreeMap::new(),
    }
}

fn parse(text: &str) -> BTreeMap<String, ServiceState> {
    let mut states = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().to_owned()
        };
        let state = ServiceState {
            load: field("LoadState"),
            active: field("ActiveState"),
            sub: field("SubState"),
        };
        states.insert(field("Id"), state);
    }
    states
}

/// Has systemd read all files anew; the value is what it says to that.
pub(super) fn reload(session: Session) -> Result<(), String> {
    run(systemctl(session).arg("daemon-reload"))
}

/// Stops a service and waits for its end; the value is what systemd says to that.
pub(super) fn stop(session: Session, service: &str) -> Result<(), String> {
    run(systemctl(session).args(["stop", "--", service]))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("systemctl: {error}")),
    }
}

fn systemctl(session: Session) -> Command {
    let mut command = Command::new("systemctl");
    if session == Session::User {
        command.arg("--user");
    }
    command.stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_is_read() {
        let text = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\n\
                    LoadState=not-found\nId=b.service\nActiveState=inactive\nSubState=dead\n";
        let states = parse(text);
        assert_eq!(states["a.service"].shown(), "active/running");
        assert_eq!(states["b.service"].shown(), "Not loaded");
        assert_eq!(states.len(), 2);
    }
}
