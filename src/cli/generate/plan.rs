// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What services run so that containers and pods are started by systemd: the ones that are there,
//! or new ones by the command lines that created those. Pure.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::shell::{Typed, take_apart};
use crate::quadlet::{OtherUnits, Service, ServiceKind, as_it_is};
use crate::state::dirs::Dirs;
use crate::state::pod::PodRecord;
use crate::state::record::ContainerRecord;

/// How services are written.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    /// The program that they call.
    pub(super) program: String,
    /// Whether they make what they run.
    pub(super) made: Made,
    /// What things are called in names of services and in commands.
    pub(super) by: Naming,
    pub(super) container_prefix: String,
    pub(super) pod_prefix: String,
    pub(super) separator: String,
    pub(super) header: Vec<String>,
    pub(super) environment: Vec<String>,
    pub(super) others: OtherUnits,
    pub(super) restart: Option<String>,
    pub(super) restart_seconds: Option<u32>,
    pub(super) start_timeout_seconds: Option<u32>,
    pub(super) stop_timeout_seconds: Option<u64>,
}

/// What a service starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Made {
    /// What is there.
    #[default]
    Already,
    /// A new one at each start.
    Anew,
    /// The same, one for each instance of a template.
    PerInstance,
}

/// What a container or a pod is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Naming {
    #[default]
    Id,
    Name,
}

/// Why there can be no service.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    #[error(
        "cannot use --new on {what} {name:?}: no create command found: only works on those created \
         by coracle's own command line"
    )]
    NoCommand { what: &'static str, name: String },
    #[error("container {name:?} was created by `{typed}`, which makes no new one: leave --new out")]
    NotRun { name: String, typed: String },
    #[error("pod does not appear to be created via `coracle pod create`: {typed}")]
    NotPodCreate { typed: String },
    #[error("generating systemd unit files: Pod {name:?} has no infra container")]
    NoInfra { name: String },
    #[error("--template is not supported for pods")]
    Template,
}

/// The restart policy of services for which none is asked.
const RESTART: &str = "on-failure";

/// Where the id of a service's container is while that runs.
const ID_FILE: &str = "--cidfile=%t/%n.ctr-id";

/// Flags of `run` that a service decides itself.
const SERVICES_OWN: [&str; 7] = [
    "attach", "cgroups", "cidfile", "detach", "replace", "restart", "rm",
];

impl Style {
    /// The service of a container by itself.
    pub(super) fn of_container(
        &self,
        record: &ContainerRecord,
        dirs: &Dirs,
    ) -> Result<Service, PlanError> {
        self.container(record, dirs, None)
    }

    /// Those of a pod and of its members but for the infra container.
    pub(super) fn of_pod(
        &self,
        pod: &PodRecord,
        infra: Option<&ContainerRecord>,
        members: &[ContainerRecord],
        dirs: &Dirs,
    ) -> Result<Vec<Service>, PlanError> {
        let name = pod.name.clone();
        let infra = infra.ok_or(PlanError::NoInfra { name })?;
        let mut service = self.pod(pod, infra, dirs)?;
        let mut services = Vec::new();
        for member in members {
            services.push(self.container(member, dirs, Some(&service.name))?);
        }
        services.sort_by(|one, other| one.name.cmp(&other.name));
        service.members = services.iter().map(|one| one.name.clone()).collect();
        services.insert(0, service);
        Ok(services)
    }

    fn container(
        &self,
        record: &ContainerRecord,
        dirs: &Dirs,
        pod: Option<&str>,
    ) -> Result<Service, PlanError> {
        let called = self.called(record.id.as_str(), &record.name);
        let stop_seconds = self
            .stop_timeout_seconds
            .unwrap_or(record.resolved.stop_timeout_seconds);
        let mut service = Service {
            name: self.service_name(&self.container_prefix, called),
            bound_to: pod.map(str::to_owned).into_iter().collect(),
            ..self.service(dirs, stop_seconds)
        };
        if self.made == Made::Already {
            service.kind = forking(record, dirs);
            let root = self.root_of(&record.request.create_command);
            service.commands = start_and_stop(&root, called, stop_seconds);
            return Ok(service);
        }
        let typed = run_command(record)?;
        let root = self.root(&typed.program_flags);
        self.follow(&typed, &mut service);
        service.environment.extend(taken_variables(&typed, record));
        let start = self.run(&root, &typed, pod, &service.name);
        let time = stop_seconds.to_string();
        let stop = words(&root, &["stop", "--ignore", "-t", &time, ID_FILE]);
        let remove = words(&root, &["rm", "-f", "--ignore", "-t", &time, ID_FILE]);
        service.commands = vec![
            ("ExecStart", start),
            ("ExecStop", stop),
            ("ExecStopPost", remove),
        ];
        if self.made == Made::PerInstance {
            service.name.push('@');
        }
        Ok(service)
    }

    /// The command that makes and starts a container.
    fn run(&self, root: &[String], typed: &Typed, pod: Option<&str>, service: &str) -> Vec<String> {
        let mut command = words(root, &["run", ID_FILE, "--cgroups=no-conmon", "--rm"]);
        if let Some(pod) = pod {
            command.push(pod_file(pod));
        }
        let says_nothing = match flag(&typed.flags, "sdnotify") {
            None | Some("ignore") => true,
            Some(_) => false,
        };
        if says_nothing {
            command.push("--sdnotify=conmon".to_owned());
        }
        command.push("-d".to_owned());
        let name = flag(&typed.flags, "name");
        if name.is_some() {
            // One that a crash has left would be in the way.
            command.push("--replace".to_owned());
        }
        if self.made == Made::PerInstance {
            command.push(format!("--name={}-%i", as_it_is(name.unwrap_or(service))));
        }
        let is_ours = |name: &str| {
            SERVICES_OWN.contains(&name)
                || (name == "sdnotify" && says_nothing)
                || (name == "name" && self.made == Made::PerInstance)
                || (pod.is_some() && matches!(name, "pod" | "pod-id-file"))
        };
        command.extend(kept(&typed.flags, is_ours));
        command.extend(plain(&typed.words));
        command
    }

    fn pod(
        &self,
        pod: &PodRecord,
        infra: &ContainerRecord,
        dirs: &Dirs,
    ) -> Result<Service, PlanError> {
        let stop_seconds = self
            .stop_timeout_seconds
            .unwrap_or(infra.resolved.stop_timeout_seconds);
        let name = self.service_name(&self.pod_prefix, self.called(pod.id.as_str(), &pod.name));
        let mut service = Service {
            name: name.clone(),
            ..self.service(dirs, stop_seconds)
        };
        let typed = &pod.request.create_command;
        match self.made {
            Made::PerInstance => return Err(PlanError::Template),
            Made::Already => {
                service.kind = forking(infra, dirs);
                let called = self.called(infra.id.as_str(), &infra.name);
                service.commands = start_and_stop(&self.root_of(typed), called, stop_seconds);
                return Ok(service);
            }
            Made::Anew => {}
        }
        let typed = pod_command(pod)?;
        let root = self.root(&typed.program_flags);
        let pid_file = format!("%t/{}.pid", as_it_is(&name));
        let id_file = pod_file(&name);
        let monitor = format!("--infra-conmon-pidfile={pid_file}");
        service.kind = ServiceKind::Forking { pid_file };
        let mut create = words(&root, &["pod", "create", &monitor, &id_file]);
        if flag(&typed.flags, "exit-policy").is_none() {
            create.push("--exit-policy=stop".to_owned());
        }
        if flag(&typed.flags, "name").is_some() || !typed.words.is_empty() {
            create.push("--replace".to_owned());
        }
        let ours = ["infra-conmon-pidfile", "pod-id-file", "replace"];
        create.extend(kept(&typed.flags, |name| ours.contains(&name)));
        create.extend(plain(&typed.words));
        let time = stop_seconds.to_string();
        service.commands = vec![
            ("ExecStartPre", create),
            ("ExecStart", words(&root, &["pod", "start", &id_file])),
            (
                "ExecStop",
                words(&root, &["pod", "stop", "--ignore", &id_file, "-t", &time]),
            ),
            (
                "ExecStopPost",
                words(&root, &["pod", "rm", "--ignore", "-f", &id_file]),
            ),
        ];
        Ok(service)
    }

    /// What all services have in common.
    fn service(&self, dirs: &Dirs, stop_timeout_seconds: u64) -> Service {
        Service {
            header: self.header.clone(),
            run_root: dirs.run_root.display().to_string(),
            others: self.others.clone(),
            environment: self.environment.clone(),
            restart: self.restart.clone().unwrap_or_else(|| RESTART.to_owned()),
            restart_seconds: self.restart_seconds,
            start_timeout_seconds: self.start_timeout_seconds,
            stop_timeout_seconds,
            ..Service::default()
        }
    }

    /// Systemd does what the container was to do by itself.
    fn follow(&self, typed: &Typed, service: &mut Service) {
        let Some(policy) = flag(&typed.flags, "restart").filter(|_| self.restart.is_none()) else {
            return;
        };
        let (policy, limit) = match policy.split_once(':') {
            Some((policy, limit)) => (policy, Some(limit.to_owned())),
            None => (policy, None),
        };
        service.start_limit = limit;
        service.restart = match policy {
            "" => RESTART.to_owned(),
            "unless-stopped" => "always".to_owned(),
            policy => policy.to_owned(),
        };
    }

    fn called<'a>(&self, id: &'a str, name: &'a str) -> &'a str {
        match self.by {
            Naming::Id => id,
            Naming::Name => name,
        }
    }

    fn service_name(&self, prefix: &str, called: &str) -> String {
        if prefix.is_empty() {
            return called.to_owned();
        }
        format!("{prefix}{}{called}", self.separator)
    }

    /// The program with the flags that said which store is meant.
    fn root(&self, flags: &[OsString]) -> Vec<String> {
        let mut root = vec![self.program.clone()];
        root.extend(plain(flags));
        root
    }

    fn root_of(&self, typed: &[String]) -> Vec<String> {
        let typed = take_apart(typed).map(|typed| typed.program_flags);
        self.root(&typed.unwrap_or_default())
    }
}

fn words(root: &[String], more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| (*word).to_owned());
    root.iter().cloned().chain(more).collect()
}

fn start_and_stop(
    root: &[String],
    called: &str,
    stop_seconds: u64,
) -> Vec<(&'static str, Vec<String>)> {
    let stop = words(root, &["stop", "-t", &stop_seconds.to_string(), called]);
    vec![
        ("ExecStart", words(root, &["start", called])),
        ("ExecStop", stop.clone()),
        ("ExecStopPost", stop),
    ]
}

/// The monitor is the main process of a service that starts what is there.
fn forking(record: &ContainerRecord, dirs: &Dirs) -> ServiceKind {
    let asked = record.request.monitor_pidfile.as_deref();
    let usual = dirs.monitor_pid_file(&record.id);
    let path: &Path = asked.unwrap_or(&usual);
    ServiceKind::Forking {
        pid_file: as_it_is(&path.to_string_lossy()),
    }
}

fn pod_file(pod: &str) -> String {
    format!("--pod-id-file=%t/{}.pod-id", as_it_is(pod))
}

fn run_command(record: &ContainerRecord) -> Result<Typed, PlanError> {
    let command = &record.request.create_command;
    let name = record.name.clone();
    if command.is_empty() {
        let what = "container";
        return Err(PlanError::NoCommand { what, name });
    }
    let typed = take_apart(command).filter(|typed| matches!(typed.path.as_str(), "run" | "create"));
    typed.ok_or_else(|| PlanError::NotRun {
        name,
        typed: command.join(" "),
    })
}

fn pod_command(pod: &PodRecord) -> Result<Typed, PlanError> {
    let command = &pod.request.create_command;
    if command.is_empty() {
        let (what, name) = ("pod", pod.name.clone());
        return Err(PlanError::NoCommand { what, name });
    }
    let typed = take_apart(command).filter(|typed| typed.path == "pod create");
    typed.ok_or_else(|| PlanError::NotPodCreate {
        typed: command.join(" "),
    })
}

/// The variables that were taken from the environment of who typed the command: systemd's differs.
fn taken_variables(typed: &Typed, record: &ContainerRecord) -> Vec<String> {
    let names = typed.flags.iter().filter_map(|flag| {
        let name = flag.to_str()?.strip_prefix("--env=")?;
        (!name.contains('=')).then_some(name)
    });
    let taken = names.filter_map(|name| {
        let known = record.request.env.iter().find(|(known, _)| known == name)?;
        Some(format!("{name}={}", known.1))
    });
    taken.collect()
}

/// The last value of the flag `name`; a switch has an empty one.
fn flag<'a>(flags: &'a [OsString], name: &str) -> Option<&'a str> {
    flags.iter().rev().find_map(|flag| {
        let rest = flag.to_str()?.strip_prefix("--")?.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None => rest.is_empty().then_some(""),
        }
    })
}

fn kept(flags: &[OsString], is_left: impl Fn(&str) -> bool) -> Vec<String> {
    let name_of = |flag: &OsString| {
        let text = flag.to_string_lossy();
        let name = text.strip_prefix("--").unwrap_or(&text);
        name.split('=').next().unwrap_or_default().to_owned()
    };
    let flags: Vec<OsString> = flags
        .iter()
        .filter(|flag| !is_left(&name_of(flag)))
        .cloned()
        .collect();
    plain(&flags)
}

fn plain(words: &[OsString]) -> Vec<String> {
    let words = words.iter();
    words
        .map(|word| as_it_is(&word.to_string_lossy()))
        .collect()
}
