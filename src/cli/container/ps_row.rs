// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One container in the words of `ps`: cells of the table, the fields that templates know, and
//! the JSON document, in podman's shape and in docker's.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ports::{ports_document, ports_text};
use crate::engine::Dialect;
use crate::engine::filter::exit_code_of;
use crate::engine::list::Listed;
use crate::engine::network::ports::ports_of;
use crate::output::listing;
use crate::output::units::duration::rough_span;
use crate::output::units::size::human_size;
use crate::output::value::{Method, Struct, Time, Value};
use crate::state::connection::PublishedPort;
use crate::state::id::PodId;
use crate::state::liveness::Observed;
use crate::state::record::{MountKind, PodRole};

/// A container with the words that are made of it.
#[derive(Debug)]
pub(super) struct Row<'a> {
    listed: &'a Listed,
    now: Timestamp,
    dialect: Dialect,
    detail: Detail,
}

/// How much of a container is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detail {
    /// `--no-trunc`.
    pub(super) no_trunc: bool,
    /// `--ns`.
    pub(super) namespaces: bool,
}

/// Columns that flags add.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    /// `--pod`.
    pub(super) pod: bool,
    /// `--size`.
    pub(super) size: bool,
}

/// The headings of `--ns`.
pub(super) const NAMESPACE_HEADINGS: [&str; 10] = [
    "CONTAINER ID",
    "NAMES",
    "PID",
    "CGROUPNS",
    "IPC",
    "MNT",
    "NET",
    "PIDNS",
    "USERNS",
    "UTS",
];

/// The headings of the table.
pub(super) fn headings(extra: Extra) -> Vec<&'static str> {
    let mut headings = vec![
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ];
    if extra.pod {
        headings.extend(["POD ID", "PODNAME"]);
    }
    if extra.size {
        headings.push("SIZE");
    }
    headings
}

/// The methods of a row.
const METHODS: &[Method] = &[Method {
    name: "Label",
    call: label,
}];

fn label(row: &Struct, arguments: &[Value]) -> Result<Value, String> {
    listing::label(row, "LabelMap", arguments)
}

impl<'a> Row<'a> {
    pub(super) fn new(
        listed: &'a Listed,
        now: Timestamp,
        dialect: Dialect,
        detail: Detail,
    ) -> Self {
        Self {
            listed,
            now,
            dialect,
            detail,
        }
    }

    /// The cells of the table.
    pub(super) fn cells(&self, extra: Extra) -> Vec<String> {
        let mut cells = vec![
            self.id().to_owned(),
            self.image().to_owned(),
            self.command(),
            self.ago(self.listed.summary.created),
            self.status(),
            self.ports(),
            self.listed.summary.name.clone(),
        ];
        if extra.pod {
            cells.extend([self.pod().to_owned(), self.listed.pod_name.clone()]);
        }
        if extra.size {
            cells.push(self.size());
        }
        cells
    }

    /// The cells of `--ns`.
    pub(super) fn namespace_cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.id().to_owned(),
            self.listed.summary.name.clone(),
            self.listed.pid().to_string(),
        ];
        let namespaces = self.listed.namespaces();
        let shown = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
        cells.extend(shown.map(|name| namespaces.get(name).cloned().unwrap_or_default()));
        cells
    }

    /// The id, short unless it was asked for in full.
    pub(super) fn id(&self) -> &str {
        if self.detail.no_trunc {
            self.listed.summary.id.as_str()
        } else {
            self.listed.summary.id.short()
        }
    }

    /// The id of its pod, cut like its own.
    fn pod(&self) -> &str {
        match &self.listed.summary.resolved.pod {
            Some(pod) if self.detail.no_trunc => pod.as_str(),
            Some(pod) => pod.short(),
            None => "",
        }
    }

    fn image(&self) -> &str {
        let summary = &self.listed.summary;
        match self.dialect {
            Dialect::Docker if !summary.request.image.is_empty() => &summary.request.image,
            Dialect::Docker | Dialect::Podman => &summary.resolved.image_name,
        }
    }

    fn image_id(&self) -> &str {
        let id = &self.listed.summary.resolved.image_id;
        if self.detail.no_trunc {
            return id;
        }
        id.get(..12).unwrap_or(id)
    }

    fn command(&self) -> String {
        let resolved = &self.listed.summary.resolved;
        match self.dialect {
            Dialect::Podman => {
                let whole = resolved.command.join(" ");
                self.cut(&whole, 17, 17, "...").unwrap_or(whole)
            }
            Dialect::Docker => {
                let words = resolved.entrypoint.iter().chain(&resolved.command);
                let words: Vec<String> = words.enumerate().map(docker_word).collect();
                let whole = words.join(" ");
                let shown = self.cut(&whole, 20, 19, "…").unwrap_or(whole);
                format!("{shown:?}")
            }
        }
    }

    /// Of a text that is longer than `limit` characters, the first `kept` of them with a mark.
    fn cut(&self, text: &str, limit: usize, kept: usize, mark: &str) -> Option<String> {
        if self.detail.no_trunc || text.chars().nth(limit).is_none() {
            return None;
        }
        let start: String = text.chars().take(kept).collect();
        Some(format!("{start}{mark}"))
    }

    fn ago(&self, moment: Timestamp) -> String {
        format!("{} ago", rough_span(moment, self.now))
    }

    fn status(&self) -> String {
        let state = &self.listed.state;
        let up = || {
            let started = state.started_at.unwrap_or(self.now);
            format!("Up {}", rough_span(started, self.now))
        };
        match self.listed.status() {
            "running" => up() + &self.health(),
            "paused" if self.dialect == Dialect::Docker => format!("{} (Paused)", up()),
            "exited" => self.exited("Exited"),
            "restarting" => self.exited("Restarting"),
            "unknown" => "Elsewhere".to_owned(),
            other => {
                let (first, rest) = other.split_at(1);
                format!("{}{rest}", first.to_ascii_uppercase())
            }
        }
    }

    fn health(&self) -> String {
        match (self.listed.health.as_str(), self.dialect) {
            ("", _) => String::new(),
            ("starting", Dialect::Docker) => " (health: starting)".to_owned(),
            (health, _) => format!(" ({health})"),
        }
    }

    fn exited(&self, word: &str) -> String {
        let code = exit_code_of(&self.listed.state, self.listed.observed);
        match (self.listed.observed, self.listed.state.finished_at) {
            (_, Some(finished)) => format!("{word} ({code}) {}", self.ago(finished)),
            (Observed::Lost(_), None) => format!("{word} ({code}) unseen"),
            (_, None) => format!("{word} ({code})"),
        }
    }

    /// Podman shows the ports of an ended container too, docker does not.
    fn ports(&self) -> String {
        let has_ended = matches!(self.listed.status(), "created" | "exited");
        if self.dialect == Dialect::Docker && has_ended {
            return String::new();
        }
        ports_text(
            &self.published(),
            &self.listed.summary.resolved.exposed_ports,
            self.dialect,
        )
    }

    fn published(&self) -> Vec<PublishedPort> {
        let Listed {
            summary,
            state,
            observed,
            ..
        } = self.listed;
        ports_of(state, *observed, &summary.request.publish)
    }

    fn size(&self) -> String {
        let Some(sizes) = self.listed.sizes else {
            return String::new();
        };
        let (own, whole) = (
            human_size(sizes.own_bytes, 3),
            human_size(sizes.root_bytes, 3),
        );
        match self.dialect {
            Dialect::Docker if sizes.own_bytes == sizes.root_bytes => own,
            Dialect::Docker | Dialect::Podman => format!("{own} (virtual {whole})"),
        }
    }

    fn has_exited(&self) -> bool {
        matches!(self.listed.observed, Observed::Exited | Observed::Lost(_))
    }

    /// The row as templates see it; its JSON is the document.
    pub(super) fn value(&self) -> Value {
        match self.dialect {
            Dialect::Podman => self.podman().into(),
            Dialect::Docker => self.docker().into(),
        }
    }

    /// The row as `--format json` prints it.
    pub(super) fn document(&self) -> Value {
        let mut row = match self.dialect {
            Dialect::Docker => return self.docker().into(),
            Dialect::Podman => self.podman(),
        };
        // Here, and only here, the time is a number and stands last.
        let created = self.listed.summary.created;
        row.fields.retain(|field| field.name != "Created");
        for field in &mut row.fields {
            match field.json_name {
                "CreatedAt" => field.value = self.ago(created).into(),
                "Status" => field.value = self.status().into(),
                _ => {}
            }
        }
        row.with("Created", created.as_second()).into()
    }

    fn podman(&self) -> Struct {
        let mut row = self.podman_words();
        self.podman_document(&mut row);
        row.methods = METHODS;
        row
    }

    /// What templates see in place of the document's own fields: words, cut to size.
    fn podman_words(&self) -> Struct {
        let created = self.listed.summary.created;
        let ago = self.ago(created);
        let mut row = Struct::new("containers.psReporter")
            .with("ID,-", self.id())
            .with("ImageID,-", self.image_id())
            .with("Command,-", self.command())
            .with("CreatedAt,-", Time::local(created).go_string())
            .with("CreatedHuman,-", ago.clone())
            .with("RunningFor,-", ago)
            .with("Status,-", self.status())
            .with("Ports,-", self.ports())
            .with("Names,-", self.listed.summary.name.as_str())
            .with("Networks,-", self.networks().join(","))
            .with("Size,-", self.size())
            .with("Restarts,-", self.listed.state.restart_count.to_string())
            .with("LabelMap,-", self.labels())
            .with("Pod,-", self.pod());
        let namespaces = self.namespaces();
        for (tag, name) in NAMESPACE_FIELDS {
            row = row.with(tag, namespaces.get(name).cloned().unwrap_or_default());
        }
        row
    }

    fn namespaces(&self) -> BTreeMap<&'static str, String> {
        if self.detail.namespaces {
            self.listed.namespaces()
        } else {
            BTreeMap::new()
        }
    }

    fn podman_document(&self, row: &mut Struct) {
        let Listed { summary, state, .. } = self.listed;
        let (request, resolved) = (&summary.request, &summary.resolved);
        let cidfile = request
            .cidfile
            .as_deref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        let exit_code = exit_code_of(state, self.listed.observed);
        let unix =
            |moment: Option<Timestamp>| moment.map_or(Time::zero(), Time::local).unix_seconds();
        *row = std::mem::take(row)
            .with("AutoRemove", request.auto_remove)
            .with("Command", resolved.command.clone())
            .with("Created", Time::local(summary.created))
            .with("CreatedAt,CreatedAt", "")
            .with("CIDFile", cidfile)
            .with("Exited", self.has_exited())
            .with("ExitedAt", unix(state.finished_at))
            .with("ExitCode", exit_code)
            .with(
                "ExposedPorts,ExposedPorts,nullempty",
                exposed_ports(&resolved.exposed_ports),
            )
            .with("ID,Id", summary.id.as_str())
            .with("Image", resolved.image_name.as_str())
            .with("ImageID", resolved.image_id.as_str())
            .with("IsInfra", resolved.role == PodRole::Infra)
            .with("Labels,Labels,nullempty", resolved.labels.clone())
            .with("Mounts", self.mounts())
            .with("Names", vec![summary.name.as_str()])
            .with("Namespaces", self.namespaces_document())
            .with("Networks", self.networks())
            .with("Pid", self.listed.pid())
            .with("Pod", resolved.pod.as_ref().map_or("", PodId::as_str))
            .with("PodName", self.listed.pod_name.as_str())
            .with("Ports,Ports,nullempty", ports_document(&self.published()))
            .with("Restarts", state.restart_count)
            .with("Size", self.sizes_document())
            .with("StartedAt", unix(state.started_at))
            .with("State", self.listed.status())
            .with("Status,Status", "");
    }

    fn labels(&self) -> Value {
        self.listed.summary.resolved.labels.clone().into()
    }

    fn mounts(&self) -> Vec<String> {
        let summary = &self.listed.summary;
        let mounted = summary.mounts().iter();
        mounted.map(|mount| mount.container_path.clone()).collect()
    }

    fn networks(&self) -> Vec<String> {
        let summary = &self.listed.summary;
        let Some(networks) = &summary.resolved.networks else {
            return match self.dialect {
                Dialect::Podman => Vec::new(),
                Dialect::Docker => summary.request.networks.clone(),
            };
        };
        let docker = self.dialect == Dialect::Docker;
        let names = networks.iter().map(|one| match one.network.as_str() {
            "podman" if docker => "bridge".to_owned(),
            name => name.to_owned(),
        });
        names.collect()
    }

    fn namespaces_document(&self) -> Value {
        let namespaces = self.namespaces();
        let mut document = Struct::new("types.ListContainerNamespaces");
        for (tag, name) in [
            ("MNT,Mnt,omitempty", "mnt"),
            ("Cgroup,Cgroup,omitempty", "cgroup"),
            ("IPC,Ipc,omitempty", "ipc"),
            ("NET,Net,omitempty", "net"),
            ("PIDNS,Pidns,omitempty", "pid"),
            ("UTS,Uts,omitempty", "uts"),
            ("User,User,omitempty", "user"),
        ] {
            document = document.with(tag, namespaces.get(name).cloned().unwrap_or_default());
        }
        document.into()
    }

    fn sizes_document(&self) -> Value {
        self.listed.sizes.map_or(Value::Nil, |sizes| {
            Struct::new("define.ContainerSize")
                .with("RootFsSize,rootFsSize", sizes.root_bytes)
                .with("RwSize,rwSize", sizes.own_bytes)
                .into()
        })
    }

    /// Docker's row: every field is a text.
    fn docker(&self) -> Struct {
        let Listed { summary, .. } = self.listed;
        let created = self.ago(summary.created);
        let created_at = Time::local(summary.created).format("2006-01-02 15:04:05 -0700 MST");
        let labels: Vec<String> = summary
            .resolved
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mounts = summary.mounts().iter();
        let sources = mounts.clone().map(|mount| mount.source.clone());
        let volumes = mounts
            .filter(|mount| mount.kind == MountKind::Volume)
            .count();
        let mut row = Struct::new("formatter.ContainerContext")
            .with("Command", self.command())
            .with("CreatedAt", created_at)
            .with("HealthStatus", self.listed.health.as_str())
            .with("ID", self.id())
            .with("Image", self.image())
            .with("Labels", labels.join(","))
            .with("LocalVolumes", volumes.to_string())
            .with("Mounts", sources.collect::<Vec<_>>().join(","))
            .with("Names", summary.name.as_str())
            .with("Networks", self.networks().join(","))
            .with("Platform", Value::Nil)
            .with("Ports", self.ports())
            .with("RunningFor", created)
            .with(
                "Size",
                if self.listed.sizes.is_some() {
                    self.size()
                } else {
                    "0B".to_owned()
                },
            )
            .with("State", self.listed.status())
            .with("Status", self.status())
            .with("LabelMap,-", self.labels());
        row.methods = METHODS;
        row
    }
}

/// How templates name the namespaces, and how /proc does.
const NAMESPACE_FIELDS: [(&str, &str); 9] = [
    ("Cgroup,-", "cgroup"),
    ("CGROUPNS,-", "cgroup"),
    ("IPC,-", "ipc"),
    ("MNT,-", "mnt"),
    ("NET,-", "net"),
    ("PIDNS,-", "pid"),
    ("User,-", "user"),
    ("USERNS,-", "user"),
    ("UTS,-", "uts"),
];

/// Port numbers with their protocols.
fn exposed_ports(ports: &[String]) -> Value {
    let mut by_number: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, protocol) in ports.iter().flat_map(|port| super::ports::each(port)) {
        by_number
            .entry(number.to_string())
            .or_default()
            .push(protocol);
    }
    Value::from(by_number)
}

/// A word of a command as docker shows it: what follows the program stands in quotes where it has
/// a blank.
fn docker_word((place, word): (usize, &String)) -> String {
    if place > 0 && word.contains(' ') {
        format!("'{word}'")
    } else {
        word.clone()
    }
}
