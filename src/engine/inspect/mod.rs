// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `inspect` shows of a container: the documents that podman's and docker's users know,
//! computed from the record, the state and nothing else.
//!
//! A field is named as in Go: `Name`, or `GoName,jsonName,omitempty` where the two differ or where
//! JSON leaves out what is empty (see `output::value`).

mod docker;
mod health;
mod host_port;
mod mounts;
mod networks;
mod podman;
mod podman_config;
mod podman_host;

pub(in crate::engine) use mounts::{Mount, mounts};
pub(in crate::engine) use podman_host::{
    Device, ThrottleDevice, WeightDevice, devices, rates, weights,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::error::EngineError;
use super::filter::status_word;
use super::list::Sizes;
use super::usage::{self, ContainerSizes};
use super::{Dialect, Engine, Silent, connect};
use crate::state::dirs::Dirs;
use crate::state::health_log::Health;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerRecord, ContainerState};

/// The document of a container in one of the two shapes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ContainerDocument {
    /// Podman's.
    #[expect(private_interfaces, reason = "a document is only serialized")]
    Podman(Box<podman::Container>),
    /// Docker's.
    #[expect(private_interfaces, reason = "a document is only serialized")]
    Docker(Box<docker::Container>),
}

/// A moment; `None` is Go's zero time, which stands for what never happened.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename = "time.Time")]
pub(in crate::engine) struct Moment(pub(in crate::engine) Option<Timestamp>);

/// An object without members, Go's `struct{}`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Empty {}

/// An object whose keys alone say something, such as `{"80/tcp": {}}`.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<String>);

impl Keys {
    pub(super) fn of(keys: impl Iterator<Item = String>) -> Self {
        Self(keys.collect())
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|key| (key, Empty {})))
    }
}

/// What a document is made of.
struct Subject<'a> {
    dirs: &'a Dirs,
    dialect: Dialect,
    record: &'a ContainerRecord,
    state: &'a ContainerState,
    observed: Observed,
    sizes: Option<ContainerSizes>,
    network_mode: String,
    /// What its checks have found, if it has any.
    health: Option<Health>,
}

impl Engine {
    /// The document of the container that `name` means.
    ///
    /// # Errors
    ///
    /// When there is no such container, or when its record cannot be read.
    pub fn inspect_container(
        &self,
        name: &str,
        sizes: Sizes,
    ) -> Result<ContainerDocument, EngineError> {
        let id = self.store()?.resolve(name)?;
        self.container_document(&id, sizes)
    }

    /// The document of the container created last.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn inspect_latest(&self, sizes: Sizes) -> Result<ContainerDocument, EngineError> {
        let selection = super::selection::Selection {
            scope: super::selection::Scope::Latest,
            ..Default::default()
        };
        let chosen = self.select(&selection)?;
        let first = chosen.into_iter().next().ok_or(EngineError::NoLatest)?;
        self.container_document(&first.id?, sizes)
    }

    fn container_document(
        &self,
        id: &ContainerId,
        sizes: Sizes,
    ) -> Result<ContainerDocument, EngineError> {
        let store = self.store()?;
        let record = store.load(id)?;
        let (state, observed) = store.observe(id)?;
        let sizes = match sizes {
            Sizes::Left => None,
            Sizes::Measured => Some(usage::measure(
                &self.dirs,
                &record.id,
                &record.resolved.layers,
            )),
        };
        let subject = Subject {
            dirs: &self.dirs,
            dialect: self.dialect,
            record: &record,
            state: &state,
            observed,
            sizes,
            network_mode: self.network_mode(&record),
            health: record
                .resolved
                .health
                .is_some()
                .then(|| store.read_health(id)),
        };
        Ok(match self.dialect {
            Dialect::Podman => ContainerDocument::Podman(Box::new(podman::document(&subject))),
            Dialect::Docker => ContainerDocument::Docker(Box::new(docker::document(&subject))),
        })
    }
}

impl Engine {
    /// The mode of `--network`; where none was named, what connects the container on this host.
    fn network_mode(&self, record: &ContainerRecord) -> String {
        if let Some(mode) = record.request.networks.first() {
            return mode.clone();
        }
        if record.resolved.networks.is_some() && self.dialect == Dialect::Podman {
            return "bridge".to_owned();
        }
        if self.dialect == Dialect::Docker {
            return "default".to_owned();
        }
        let planned = connect::plan(record, &|| self.containers_conf(), &Silent);
        let program = planned.ok().and_then(|connection| connection.uplink);
        program.map_or_else(
            || "private".to_owned(),
            |(program, _)| program.kind.to_string(),
        )
    }
}

impl Subject<'_> {
    fn status(&self) -> &'static str {
        status_word(self.state, self.observed)
    }

    /// Entry point and command.
    fn words(&self) -> Vec<String> {
        let resolved = &self.record.resolved;
        let words = resolved.entrypoint.iter().chain(&resolved.command);
        words.cloned().collect()
    }

    /// The process id of its first process; 0 when it has none here.
    fn pid(&self) -> i32 {
        let process = self.state.container.filter(|_| self.observed.is_up());
        process.map_or(0, |process| process.pid)
    }

    /// What it says of how it ended.
    fn error(&self) -> String {
        match self.observed {
            Observed::Lost(loss) if self.state.error.is_empty() => loss.reason().to_owned(),
            Observed::Elsewhere => {
                format!("it runs elsewhere (machine {})", self.state.place.machine)
            }
            Observed::Lost(_)
            | Observed::Created
            | Observed::Running
            | Observed::Paused
            | Observed::Restarting
            | Observed::Exited => self.state.error.clone(),
        }
    }

    /// A file of its run directory, if it is there now.
    fn run_file(&self, name: &str) -> String {
        let path = self.dirs.container_run(&self.record.id).join(name);
        if path.exists() {
            path.to_string_lossy().into_owned()
        } else {
            String::new()
        }
    }

    fn network_mode(&self) -> String {
        self.network_mode.clone()
    }

    /// The directories of its root, as a storage driver would call them.
    fn graph_data(&self) -> Vec<(&'static str, String)> {
        let directory = self.dirs.container(&self.record.id);
        let resolved = &self.record.resolved;
        let layers = crate::storage::Layers::new(self.dirs);
        let lower: Vec<String> = resolved
            .layers
            .iter()
            .rev()
            .filter_map(|text| crate::oci::Digest::parse(text).ok())
            .filter_map(|chain_id| layers.read(&chain_id).ok())
            .map(|layer| layer.diff_path.to_string_lossy().into_owned())
            .collect();
        let mut data = Vec::new();
        if !lower.is_empty() {
            data.push(("LowerDir", lower.join(":")));
        }
        if self.pid() != 0 {
            data.push(("MergedDir", format!("/proc/{}/root", self.pid())));
        }
        let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
        data.push(("UpperDir", path("upper")));
        data.push(("WorkDir", path("work")));
        if !self.state.storage_engine.is_empty() {
            data.push(("Engine", self.state.storage_engine.clone()));
            data.push(("EngineReason", self.state.storage_reason.clone()));
        }
        data
    }
}

/// `--restart` as a name and the number of its tries.
pub(super) fn restart_policy(typed: Option<&str>) -> (String, u64) {
    let typed = typed.unwrap_or("no");
    let (name, count) = typed.split_once(':').unwrap_or((typed, "0"));
    let name = if name.is_empty() { "no" } else { name };
    (name.to_owned(), count.parse().unwrap_or(0))
}

/// `80` as `80/tcp`; a range as each of its ports.
fn port_keys(ports: &[String]) -> impl Iterator<Item = String> {
    ports.iter().flat_map(|port| {
        let (numbers, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let range = match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => first..=last,
            #[expect(clippy::reversed_empty_ranges, reason = "no port at all")]
            _ => 1..=0,
        };
        let named = move |number| format!("{number}/{protocol}");
        range.map(named).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies_split() {
        assert_eq!(restart_policy(None), ("no".to_owned(), 0));
        assert_eq!(restart_policy(Some("")), ("no".to_owned(), 0));
        assert_eq!(
            restart_policy(Some("on-failure:3")),
            ("on-failure".to_owned(), 3)
        );
        assert_eq!(restart_policy(Some("always")), ("always".to_owned(), 0));
    }

    #[test]
    fn ports_have_keys() {
        let ports = ["80", "53/udp", "7-9/tcp", "x"].map(str::to_owned);
        let keys: Vec<_> = port_keys(&ports).collect();
        assert_eq!(keys, ["80/tcp", "53/udp", "7/tcp", "8/tcp", "9/tcp"]);
    }
}
