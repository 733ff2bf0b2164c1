// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a container or a pod that is there, as `generate systemd` shows it. It knows what
//! systemd wants to read, not what is to be run: the commands are given. Pure.

use super::unit::Unit;
use super::words::quoted;

/// A service to write.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// Its name, without `.service`; one of a template ends with `@`.
    pub name: String,
    /// Lines above all others, without the `#`.
    pub header: Vec<String>,
    /// How it starts.
    pub kind: ServiceKind,
    /// Where what it runs keeps its state.
    pub run_root: String,
    /// Services without which it does not run.
    pub bound_to: Vec<String>,
    /// Services that it brings along.
    pub members: Vec<String>,
    /// Units that the user wants besides.
    pub others: OtherUnits,
    /// `NAME=value`, each.
    pub environment: Vec<String>,
    /// `Restart=`.
    pub restart: String,
    /// `RestartSec=`.
    pub restart_seconds: Option<u32>,
    /// How often it may fail in a row.
    pub start_limit: Option<String>,
    /// `TimeoutStartSec=`.
    pub start_timeout_seconds: Option<u32>,
    /// How long what it runs may take to end.
    pub stop_timeout_seconds: u64,
    /// `ExecStart` and its like with their words, in the order in which they are run. Specifiers of
    /// systemd hold in them; see [`as_it_is`].
    pub commands: Vec<(&'static str, Vec<String>)>,
}

/// How a service starts, and which of its processes is the main one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServiceKind {
    /// It has started when its command has ended; this file says which process it is.
    Forking {
        /// A path, perhaps with specifiers.
        pid_file: String,
    },
    /// It says so itself.
    #[default]
    Notify,
}

/// Units that the user names.
#[derive(Debug, Clone, Default)]
pub struct OtherUnits {
    /// `Wants=`.
    pub wants: Vec<String>,
    /// `After=`.
    pub after: Vec<String>,
    /// `Requires=`.
    pub requires: Vec<String>,
}

/// What `Restart=` may be.
pub const RESTARTS: [&str; 7] = [
    "no",
    "on-success",
    "on-failure",
    "on-abnormal",
    "on-watchdog",
    "on-abort",
    "always",
];

/// What the commands find their service by.
const OWN_NAME: &str = "PODMAN_SYSTEMD_UNIT=%n";

/// What systemd waits for longer than the container is given to end, before it kills it all.
const STOP_SECONDS_MORE: u64 = 60;

/// A word of a command in which nothing means anything to systemd.
pub fn as_it_is(word: &str) -> String {
    without_specifiers(word).replace('$', "$$")
}

fn without_specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

impl Service {
    /// The text of its file.
    pub fn text(&self) -> String {
        let name = format!("{}.service", self.name);
        let lines = std::iter::once(&name).chain(&self.header);
        let comment: String = lines.flat_map(|line| ["# ", line, "\n"]).collect();
        format!("{comment}\n{}", self.unit())
    }

    fn unit(&self) -> Unit {
        let mut unit = Unit::default();
        self.relations(&mut unit);
        self.process(&mut unit);
        unit.add("Install", "WantedBy", "default.target");
        unit
    }

    fn relations(&self, unit: &mut Unit) {
        let mut add = |key, value: String| unit.add("Unit", key, value);
        let what = self.name.strip_suffix('@');
        let what = what.map_or_else(|| self.name.clone(), |name| format!("{name} for %I"));
        add("Description", format!("coracle {what}"));
        add(
            "Documentation",
            "man:coracle-generate-systemd(1)".to_owned(),
        );
        add("Wants", "network-online.target".to_owned());
        add("After", "network-online.target".to_owned());
        let run_root = without_specifiers(&self.run_root);
        add("RequiresMountsFor", quoted(&run_root));
        if let Some(limit) = &self.start_limit {
            add("StartLimitBurst", limit.clone());
        }
        let services = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("{name}.service")).collect();
            names.join(" ")
        };
        for (keys, names) in [
            (["BindsTo", "After"], &self.bound_to),
            (["Wants", "Before"], &self.members),
        ] {
            for key in keys.into_iter().filter(|_| !names.is_empty()) {
                add(key, services(names));
            }
        }
        for (key, names) in [
            ("Wants", &self.others.wants),
            ("After", &self.others.after),
            ("Requires", &self.others.requires),
        ] {
            if !names.is_empty() {
                add(key, names.join(" "));
            }
        }
    }

    fn process(&self, unit: &mut Unit) {
        let mut add = |key, value: String| unit.add("Service", key, value);
        add("Environment", OWN_NAME.to_owned());
        for variable in &self.environment {
            add("Environment", quoted(&without_specifiers(variable)));
        }
        add("Restart", self.restart.clone());
        if let Some(seconds) = self.restart_seconds {
            add("RestartSec", seconds.to_string());
        }
        if let Some(seconds) = self.start_timeout_seconds {
            add("TimeoutStartSec", seconds.to_string());
        }
        let seconds = self.stop_timeout_seconds.saturating_add(STOP_SECONDS_MORE);
        add("TimeoutStopSec", seconds.to_string());
        for (key, words) in &self.commands {
            add(key, lines_of(words));
        }
        match &self.kind {
            ServiceKind::Forking { pid_file } => {
                add("PIDFile", pid_file.clone());
                add("Type", "forking".to_owned());
            }
            ServiceKind::Notify => {
                add("Type", "notify".to_owned());
                add("NotifyAccess", "all".to_owned());
            }
        }
        // The cgroups of containers are below that of their service.
        add("Delegate", "yes".to_owned());
    }
}

/// A command with a line for each flag: people read it.
fn lines_of(words: &[String]) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(if word.starts_with('-') {
                " \\\n\t"
            } else {
                " "
            });
        }
        text.push_str(&quoted(word));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_what_it_runs() {
        let words = ["/usr/bin/coracle", "run", "--cidfile=%t/%n.ctr-id"].map(str::to_owned);
        let own = ["a b", "100%", "$HOME", ";"].map(as_it_is);
        let service = Service {
            name: "container-web".to_owned(),
            header: vec!["made by hand".to_owned()],
            run_root: "/run/user/7/100%".to_owned(),
            bound_to: vec!["pod-p".to_owned()],
            others: OtherUnits {
                after: vec!["a.service".to_owned(), "b.target".to_owned()],
                ..OtherUnits::default()
            },
            environment: vec!["A=$b 5%".to_owned()],
            restart: "on-failure".to_owned(),
            start_limit: Some("5".to_owned()),
            stop_timeout_seconds: 10,
            commands: vec![("ExecStart", [&words[..], &own[..]].concat())],
            ..Service::default()
        };
        assert_eq!(
            service.text(),
            "# container-web.service\n# made by hand\n\n[Unit]\n\
             Description=coracle container-web\n\
             Documentation=man:coracle-generate-systemd(1)\n\
             Wants=network-online.target\nAfter=network-online.target\n\
             RequiresMountsFor=/run/user/7/100%%\nStartLimitBurst=5\n\
             BindsTo=pod-p.service\nAfter=pod-p.service\nAfter=a.service b.target\n\n\
             [Service]\nEnvironment=PODMAN_SYSTEMD_UNIT=%n\nEnvironment=\"A=$b\\x205%%\"\n\
             Restart=on-failure\nTimeoutStopSec=70\n\
             ExecStart=/usr/bin/coracle run \\\n\t--cidfile=%t/%n.ctr-id \
             \"a\\x20b\" 100%% $$HOME \";\"\n\
             Type=notify\nNotifyAccess=all\nDelegate=yes\n\n\
             [Install]\nWantedBy=default.target\n"
        );
    }

    #[test]
    fn a_pod_brings_its_containers_and_is_found_by_a_file() {
        let service = Service {
            name: "pod-p".to_owned(),
            kind: ServiceKind::Forking {
                pid_file: "%t/pod-p.pid".to_owned(),
            },
            members: vec!["container-a".to_owned(), "container-b".to_owned()],
            restart_seconds: Some(3),
            start_timeout_seconds: Some(4),
            ..Service::default()
        };
        let text = service.text();
        for line in [
            "Wants=container-a.service container-b.service",
            "Before=container-a.service container-b.service",
            "RestartSec=3",
            "TimeoutStartSec=4",
            "PIDFile=%t/pod-p.pid",
            "Type=forking",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(!text.contains("NotifyAccess"));
    }
}
