// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A service under construction, and what it is made from.

use std::collections::BTreeMap;
use std::path::Path;

use super::flags::{Command, Keys};
use super::kind::Kind;
use super::paths::{absolute, is_url, parent};
use super::unit::Unit;
use super::words::{self, WordsError};

/// Whose systemd reads the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The machine's.
    System,
    /// A user's, which cannot wait for what the machine's has.
    User,
}

/// What the services depend on that is in no file.
#[derive(Debug, Clone)]
pub struct Host {
    /// The path of the program that makes containers.
    pub program: String,
    /// Whose services they are.
    pub session: Session,
    /// Whether the machine has a device.
    pub exists: fn(&Path) -> bool,
    /// The number that the machine has for a user or a group.
    pub id: fn(Database, &str) -> Option<u32>,
}

/// Where the machine has names for numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Of users.
    Users,
    /// Of groups.
    Groups,
}

/// Why a file makes no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ConvertError {
    #[error("unsupported key '{key}' in group '{group}' in {}", path.display())]
    Key {
        key: String,
        group: String,
        path: std::path::PathBuf,
    },
    #[error("unable to translate dependency for {name}")]
    Dependency { name: String },
    #[error("no {key} key specified")]
    Missing { key: &'static str },
    #[error("no Image or Rootfs key specified")]
    NoRoot,
    #[error("the Image And Rootfs keys conflict can not be specified together")]
    TwoRoots,
    #[error("invalid KillMode '{mode}'")]
    KillMode { mode: String },
    #[error("invalid service Type '{kind}'")]
    ServiceType { kind: String },
    #[error("ReloadCmd and ReloadSignal are mutually exclusive but both are set")]
    TwoReloads,
    #[error("invalid Group set without User")]
    GroupAlone,
    #[error("deprecated Remap keys are set along with explicit mapping keys")]
    OldAndNewMaps,
    #[error("{key} set without RemapUsers")]
    MapAlone { key: &'static str },
    #[error("RemapUsers=manual is not supported")]
    ManualRemap,
    #[error("RemapUsers=keep-id supports only a single value for {what} mapping")]
    ManyKeptIds { what: &'static str },
    #[error("unsupported RemapUsers option '{word}'")]
    Remap { word: String },
    #[error("invalid port format '{port}'")]
    Port { port: String },
    #[error("pod {name} is not Quadlet based")]
    ForeignPod { name: String },
    #[error("quadlet pod unit {name} does not exist")]
    NoPod { name: String },
    #[error("requested Quadlet {what} {name} was not found")]
    NoUnit { what: &'static str, name: String },
    #[error("cannot get the resource name of {name}")]
    NoName { name: String },
    #[error("extra options are not supported when joining another container's network")]
    NetworkOptions,
    #[error("source cannot be empty")]
    EmptySource,
    #[error("source parameter does not include a value")]
    SourceWithoutValue,
    #[error("invalid mount {text:?}")]
    Mount { text: String },
    #[error("cannot set more gateways than subnets")]
    Gateways,
    #[error("cannot set more ranges than subnets")]
    Ranges,
    #[error("cannot set gateway or range without subnet")]
    NoSubnet,
    #[error("the key Image is mandatory when using the image driver")]
    ImageDriver,
    #[error("key {key} can't be used without Device")]
    NoDevice { key: &'static str },
    #[error("{key} '{value}' is neither a number nor known here")]
    Owner { key: &'static str, value: String },
    #[error("SetWorkingDirectory={word} is only supported in .{extension} files")]
    WorkingDirectoryKind {
        word: String,
        extension: &'static str,
    },
    #[error("SetWorkingDirectory=yaml is only supported when a single Yaml key is provided")]
    ManyYamls,
    #[error("unsupported value for WorkingDirectory: {word}")]
    WorkingDirectory { word: String },
    #[error("neither SetWorkingDirectory, nor File key specified")]
    NoContext,
    #[error("relative path in File key requires SetWorkingDirectory key to be set")]
    RelativeFile,
}

/// What the units call each other by.
#[derive(Debug, Default)]
pub struct Links(BTreeMap<String, Link>);

#[derive(Debug)]
struct Link {
    service: String,
    resource: Option<String>,
    /// The services that a pod's starts.
    members: Vec<String>,
}

impl Links {
    /// Those of `units`.
    pub fn of<'a>(units: impl IntoIterator<Item = (&'a Unit, Kind)>) -> Self {
        let link = |(unit, kind): (&Unit, Kind)| {
            let link = Link {
                service: format!("{}.service", kind.service_name(unit)),
                resource: kind.resource_name(unit),
                members: Vec::new(),
            };
            (unit.name.clone(), link)
        };
        Self(units.into_iter().map(link).collect())
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The service of the file `name`.
    pub(super) fn service(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|link| link.service.as_str())
    }

    /// The services that the pod `name` starts.
    pub(super) fn members(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], |link| &link.members)
    }
}

/// A service under construction.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) unit: &'a Unit,
    pub(super) kind: Kind,
    /// The group of `unit` that says what is wanted.
    pub(super) group: &'static str,
    pub(super) service: Unit,
    pub(super) links: &'a mut Links,
    pub(super) host: &'a Host,
    pub(super) warnings: Vec<WordsError>,
}

impl Draft<'_> {
    /// Begins a command.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        Command::new(&self.host.program, self.unit, self.group, words)
    }

    /// Adds what a table says of the keys.
    pub(super) fn keys(&self, command: &mut Command, keys: &Keys) {
        command.keys(self.unit, self.group, keys);
    }

    /// Adds `PodmanArgs`.
    pub(super) fn own_arguments(&self, command: &mut Command) {
        command.arguments(self.unit, self.group, "PodmanArgs");
    }

    /// Adds the line of a command to the service.
    pub(super) fn exec(&mut self, key: &str, command: Command) {
        self.service.add("Service", key, command.line());
        for warning in command.warnings {
            self.warn(warning);
        }
    }

    /// Something could not be read.
    pub(super) fn warn(&mut self, warning: WordsError) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The service of another unit, and the name of what that makes.
    pub(super) fn linked(
        &self,
        what: &'static str,
        name: &str,
    ) -> Result<(String, String), ConvertError> {
        let link = self.links.0.get(name).ok_or_else(|| ConvertError::NoUnit {
            what,
            name: name.to_owned(),
        })?;
        match &link.resource {
            Some(resource) => Ok((link.service.clone(), resource.clone())),
            None => Err(ConvertError::NoName {
                name: name.to_owned(),
            }),
        }
    }

    /// What this one needs starts before it.
    pub(super) fn require(&mut self, service: &str) {
        self.service.add("Unit", "Requires", service);
        self.service.add("Unit", "After", service);
    }

    /// Has a pod start this one.
    pub(super) fn join_pod(&mut self, pod: &str) {
        if let Some(link) = self.links.0.get_mut(pod) {
            link.members.push(self.service.name.clone());
        }
    }

    /// An image, by its name or by the unit that has it made.
    pub(super) fn image(&mut self, name: &str) -> Result<String, ConvertError> {
        if !matches!(Kind::of(name), Some(Kind::Image | Kind::Build)) {
            return Ok(name.to_owned());
        }
        let (service, image) = self.linked("image", name)?;
        self.require(&service);
        Ok(image)
    }

    /// Where files come from: a path, a name, or one of the units of `kinds`.
    pub(super) fn source(&mut self, text: &str, kinds: &[Kind]) -> Result<String, ConvertError> {
        let source = match text.as_bytes().first() {
            None => return Err(ConvertError::EmptySource),
            Some(b'.') => self.absolute(text),
            Some(_) => text.to_owned(),
        };
        if source.starts_with('/') {
            let quoted = words::quoted(&source);
            self.service.add("Unit", "RequiresMountsFor", quoted);
        } else if Kind::of(&source).is_some_and(|kind| kinds.contains(&kind)) {
            let (service, resource) = self.linked("source", &source)?;
            self.require(&service);
            return Ok(resource);
        }
        Ok(source)
    }

    /// A path that is meant from where the quadlet file is.
    pub(super) fn absolute(&self, path: &str) -> String {
        absolute(&self.unit.path, path)
    }

    /// `Volume=`.
    pub(super) fn volumes(&mut self, command: &mut Command) -> Result<(), ConvertError> {
        for volume in self.unit.all(self.group, "Volume") {
            let value = match volume.split_once(':') {
                None | Some(("", _)) => volume.trim_start_matches(':').to_owned(),
                Some((source, rest)) => {
                    let source = self.source(source, &[Kind::Volume, Kind::Artifact])?;
                    format!("{source}:{rest}")
                }
            };
            command.add(["-v".to_owned(), value]);
        }
        Ok(())
    }

    /// `Network=`.
    pub(super) fn networks(&mut self, command: &mut Command) -> Result<(), ConvertError> {
        for network in self.unit.all(self.group, "Network") {
            let (name, options) = match network.split_once(':') {
                Some((name, options)) => (name, Some(options)),
                None => (network, None),
            };
            let kind =
                Kind::of(name).filter(|kind| [Kind::Network, Kind::Container].contains(kind));
            let value = match kind {
                None => network.to_owned(),
                Some(kind) => {
                    let (service, resource) = self.linked("unit", name)?;
                    self.require(&service);
                    match (kind, options) {
                        (Kind::Container, Some(_)) => return Err(ConvertError::NetworkOptions),
                        (Kind::Container, None) => format!("container:{resource}"),
                        (_, Some(options)) => format!("{resource}:{options}"),
                        (_, None) => resource,
                    }
                }
            };
            command.add(["--network".to_owned(), value]);
        }
        Ok(())
    }

    /// A service that ends when its command does.
    pub(super) fn oneshot(&mut self) {
        self.service
            .set_default("Service", "SyslogIdentifier", "%N");
        self.service.set_default("Service", "Type", "oneshot");
    }

    /// What it has made stays.
    pub(super) fn remain(&mut self) {
        self.service
            .set_default("Service", "RemainAfterExit", "yes");
    }

    /// The monitor ends its container itself, unless all of them are to go at once.
    pub(super) fn kill_mode(&mut self) -> Result<(), ConvertError> {
        match self.service.last("Service", "KillMode") {
            None => self.service.add("Service", "KillMode", "mixed"),
            Some("mixed" | "control-group") => {}
            Some(mode) => {
                let mode = mode.to_owned();
                return Err(ConvertError::KillMode { mode });
            }
        }
        Ok(())
    }

    /// The type of a service that stays, which is told when it is ready.
    pub(super) fn service_type(&mut self) -> Result<ServiceType, ConvertError> {
        match self.service.last("Service", "Type") {
            Some("oneshot") => return Ok(ServiceType::Oneshot),
            None | Some("notify") => {}
            Some(kind) => {
                let kind = kind.to_owned();
                return Err(ConvertError::ServiceType { kind });
            }
        }
        self.service.set("Service", "Type", "notify");
        self.service.set("Service", "NotifyAccess", "all");
        Ok(ServiceType::Notify)
    }

    /// `SetWorkingDirectory=`; the value is what a build takes as its context.
    pub(super) fn working_directory(&mut self) -> Result<Option<String>, ConvertError> {
        let Some(word) = self.unit.text(self.group, "SetWorkingDirectory") else {
            return Ok(None);
        };
        let only = |extension| ConvertError::WorkingDirectoryKind {
            word: word.to_owned(),
            extension,
        };
        let (file, context) = match (word.to_ascii_lowercase().as_str(), self.kind) {
            ("yaml", Kind::Kube) => match &self.unit.list(self.group, "Yaml")[..] {
                [yaml] => (Some(yaml.clone()), None),
                _ => return Err(ConvertError::ManyYamls),
            },
            ("yaml", _) => return Err(only("kube")),
            ("file", Kind::Build) => {
                let file = self.unit.text(self.group, "File");
                let file = file.ok_or(ConvertError::Missing { key: "File" })?;
                (Some(file.to_owned()), None)
            }
            ("file", _) => return Err(only("build")),
            ("unit", _) => (Some(self.unit.path.to_string_lossy().into_owned()), None),
            (_, Kind::Build) if word.starts_with('/') || is_url(word) => {
                (None, Some(word.to_owned()))
            }
            (_, Kind::Build) => {
                let unit = self.unit.path.to_string_lossy().into_owned();
                (Some(unit), Some(word.to_owned()))
            }
            _ => {
                let word = word.to_owned();
                return Err(ConvertError::WorkingDirectory { word });
            }
        };
        let Some(file) = file else {
            return Ok(context);
        };
        if self.unit.text("Service", "WorkingDirectory").is_some() {
            return Ok(None);
        }
        let directory = parent(&self.absolute(&file));
        self.service.add("Service", "WorkingDirectory", directory);
        Ok(context)
    }
}

/// When a service has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceType {
    /// When its command has ended.
    Oneshot,
    /// When it says so.
    Notify,
}
