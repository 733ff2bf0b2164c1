// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a container: what the user asked for becomes a record, with everything resolved that
//! does not depend on the moment of a start.

mod error;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

pub use error::CreateError;
use jiff::Timestamp;

use super::dependents;
use super::error::EngineError;
use super::image_source::{ImageFacts, PinnedImage};
use super::limits;
use super::pod::Membership;
use super::remove::{RemoveOptions, Running};
use super::selection::{Missing, Scope, Selection};
use super::signal;
use super::spec::{SecurityOptions, systemd};
use super::{Dialect, Engine, Report};
use crate::config::ConfigError;
use crate::config::containers_conf::ContainersConf;
use crate::oci::ContainerConfig;
use crate::runtime::capability::{NAMES, PODMAN_DEFAULT};
use crate::state::StateError;
use crate::state::atomic::Durability;
use crate::state::health::{HealthSettings, OnFailure};
use crate::state::id::ContainerId;
use crate::state::record::{ContainerRecord, ContainerRequest, Resolved};
use crate::state::secrets::{GivenSecret, Secrets};
use crate::state::store::{ContainerLock, Store};
use crate::sys::process::random_bytes;
use crate::sys::steps::step;

/// The PATH of a container whose image has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Seconds between the stop signal and SIGKILL.
const STOP_TIMEOUT_SECONDS: u64 = 10;
/// Generated names that are tried before giving up.
const NAME_ATTEMPTS: u32 = 32;

impl Engine {
    /// Makes a container from `request`; it does not run.
    ///
    /// # Errors
    ///
    /// See [`CreateError`]; nothing is left behind then.
    pub fn create(
        &self,
        request: ContainerRequest,
        report: &dyn Report,
    ) -> Result<ContainerRecord, CreateError> {
        let durability = if request.auto_remove {
            Durability::Unsynced
        } else {
            Durability::Synced
        };
        let (record, _lock) = self.create_locked(request, durability, report)?;
        Ok(record)
    }

    /// As [`Engine::create`]; nobody else can change the container as long as the lock is held.
    pub(super) fn create_locked(
        &self,
        request: ContainerRequest,
        durability: Durability,
        report: &dyn Report,
    ) -> Result<(ContainerRecord, ContainerLock), CreateError> {
        match request.pod.clone() {
            Some(pod) => self.create_in_pod(&pod, request, durability, report),
            None => self.create_member(request, None, durability, report),
        }
    }

    /// As [`Engine::create_locked`], for a request that says all of what it shares with a pod.
    pub(super) fn create_member(
        &self,
        request: ContainerRequest,
        place: Option<&Membership>,
        durability: Durability,
        report: &dyn Report,
    ) -> Result<(ContainerRecord, ContainerLock), CreateError> {
        let mut request = request;
        if self.dialect == Dialect::Docker && request.userns.is_none() && request.uidmap.is_empty()
        {
            let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
            request.userns = callers_map(request.user.as_deref(), uid.as_raw(), gid.as_raw());
        }
        dependents::pin(&mut request, |name| self.store()?.resolve(name))
            .map_err(|(kind, source)| CreateError::Donor { kind, source })?;
        limits::check(&request)?;
        let conf = self.containers_conf()?;
        for ignored in &conf.ignored {
            report.warning(&ignored.to_string());
        }
        let store = Store::open(self.dirs.clone())?;
        let image = self.image_of(&request, place, report)?;
        let mut record = self.resolve(request, image.facts.clone(), place.cloned(), conf)?;
        step(|| {
            format!(
                "make container {} of image {}",
                record.id, record.request.image
            )
        });
        if record.request.replace {
            self.make_room(&record.name, report)?;
        }
        if let Some(id) = self.external_holder(&record.name) {
            let name = record.name;
            return Err(CreateError::ExternalName { name, id });
        }
        let _reserved = self.reserve_ids(&store, &mut record)?;
        let _pod = match place {
            Some(place) => Some(place.hold(&self.dirs)?),
            None => None,
        };
        let (networks, _networks) = self.hold_networks(&record.request)?;
        record.resolved.networks = networks;
        let secrets = self.look_up_secrets(&mut record)?;
        self.cdi_edits(&record.request)?;
        let held = self.hold_volumes(&store, &mut record)?;
        let kept = keep(&store, record, durability, self.dialect)
            .and_then(|kept| self.with_secrets(&store, kept, &secrets));
        match kept {
            Ok(kept) => {
                self.emit_created(&kept.0);
                Ok(kept)
            }
            Err(error) => {
                held.discard(&self.volumes());
                Err(error)
            }
        }
    }

    /// Gives a container that was just made what it was promised, or takes it back.
    fn with_secrets(
        &self,
        store: &Store,
        kept: (ContainerRecord, ContainerLock),
        secrets: &[GivenSecret],
    ) -> Result<(ContainerRecord, ContainerLock), CreateError> {
        if secrets.is_empty() {
            return Ok(kept);
        }
        match Secrets::open(&self.dirs).give(&kept.0.id, secrets) {
            Ok(()) => Ok(kept),
            Err(error) => {
                drop(store.remove(&kept.0.id));
                Err(error.into())
            }
        }
    }

    /// Removes the container that is called `name`, if there is one (`--replace`).
    fn make_room(&self, name: &str, report: &dyn Report) -> Result<(), EngineError> {
        let selection = Selection {
            scope: Scope::Named,
            words: vec![name.to_owned()],
            filters: Vec::new(),
            missing: Missing::Ignore,
        };
        let options = RemoveOptions {
            running: Running::Kill,
            ..RemoveOptions::default()
        };
        let removed = self.remove(&selection, options, report)?;
        removed.into_iter().try_for_each(|item| item.result)
    }

    /// containers.conf of this user, read when it is first needed.
    ///
    /// # Errors
    ///
    /// A file that cannot be parsed.
    pub fn containers_conf(&self) -> Result<&'static ContainersConf, ConfigError> {
        static CONF: OnceLock<ContainersConf> = OnceLock::new();
        if let Some(conf) = CONF.get() {
            return Ok(conf);
        }
        let conf = ContainersConf::load(&|name: &str| std::env::var_os(name))?;
        Ok(CONF.get_or_init(|| conf))
    }

    fn image_of(
        &self,
        request: &ContainerRequest,
        place: Option<&Membership>,
        report: &dyn Report,
    ) -> Result<PinnedImage, CreateError> {
        if request.image.is_empty() && place.is_some_and(Membership::is_infra) {
            return Ok(PinnedImage::of_pause_program());
        }
        if let Some(rootfs) = &request.rootfs {
            let refuse = |reason: &str| CreateError::Rootfs {
                path: rootfs.host_path.clone(),
                reason: reason.to_owned(),
            };
            match std::fs::metadata(&rootfs.host_path) {
                Err(error) => return Err(refuse(&error.to_string())),
                Ok(metadata) if !metadata.is_dir() => return Err(refuse("it is no directory")),
                Ok(_) => return Ok(PinnedImage::default()),
            }
        }
        let platform = request.platform.as_deref();
        Ok(self.pinned_image(&request.image, platform, report)?)
    }

    fn resolve(
        &self,
        request: ContainerRequest,
        image: ImageFacts,
        place: Option<Membership>,
        conf: &ContainersConf,
    ) -> Result<ContainerRecord, CreateError> {
        SecurityOptions::parse(&request.security_opt)?;
        let place = place.unwrap_or_default();
        let id = place
            .id
            .unwrap_or_else(|| ContainerId::generate(random_bytes));
        let (entrypoint, command) = program_words(&request, &image.config);
        if entrypoint.is_empty() && command.is_empty() && request.rootfs.is_none() {
            return Err(CreateError::NoCommand);
        }
        let defaults = &image.config;
        let words = [&entrypoint[..], &command[..]].concat();
        let systemd = systemd::is_asked(&request, &words, self.dialect);
        let named = request.stop_signal.as_ref();
        let stop_signal = match named.unwrap_or(&defaults.stop_signal).as_str() {
            "" if systemd => systemd::STOP_SIGNAL,
            "" => nix::libc::SIGTERM,
            text => signal::parse(text)?,
        };
        let mut labels = defaults.labels.clone();
        labels.extend(request.labels.clone());
        let resolved = Resolved {
            entrypoint,
            command,
            env: environment(&request, defaults, conf),
            workdir: first_of(
                &[request.workdir.as_deref(), Some(&defaults.working_dir)],
                "/",
            ),
            user: first_of(&[request.user.as_deref(), Some(&defaults.user)], ""),
            hostname: place
                .inherited
                .hostname
                .unwrap_or_else(|| hostname(&request, &id)),
            labels,
            default_capabilities: default_capabilities(conf),
            systemd,
            stop_signal,
            stop_timeout_seconds: stop_timeout(&request, conf),
            log_driver: log_driver(&request, conf)?,
            log_path: log_path(&request, &self.dirs.container(&id)),
            log_size_max_bytes: log_size(&request, conf),
            volumes: defaults.volumes.keys().cloned().collect(),
            exposed_ports: exposed(&request, defaults),
            image_id: image.id,
            image_name: image.name,
            image_digest: image.digest,
            layers: image.layers,
            mounts: None,
            id_maps: place.inherited.id_maps,
            networks: None,
            pod: place.pod,
            role: place.role,
            health: health_of(&request, defaults)?,
            secrets: Vec::new(),
        };
        let name = request.name.clone().unwrap_or_default();
        Ok(ContainerRecord {
            id,
            name,
            created: Timestamp::now(),
            request,
            resolved,
        })
    }
}

fn health_of(
    request: &ContainerRequest,
    image: &ContainerConfig,
) -> Result<Option<HealthSettings>, CreateError> {
    let asked = request.health.clone().unwrap_or_default();
    let of_image = image.healthcheck.as_ref();
    let settings = HealthSettings::resolve(&asked, of_image).filter(|_| !request.no_healthcheck);
    match (settings, asked.on_failure.unwrap_or_default()) {
        (None, OnFailure::Kill | OnFailure::Restart | OnFailure::Stop) => {
            Err(CreateError::NothingToFail {
                action: asked.on_failure.unwrap_or_default().word(),
            })
        }
        (settings, _) => Ok(settings),
    }
}

/// Writes the record under its name, or under a generated one that is free.
fn keep(
    store: &Store,
    mut record: ContainerRecord,
    durability: Durability,
    dialect: Dialect,
) -> Result<(ContainerRecord, ContainerLock), CreateError> {
    if let Some(path) = &record.request.cidfile {
        write_cidfile(path, &record.id, dialect)?;
    }
    if !record.name.is_empty() {
        let lock = store.create(&record, durability)?;
        return Ok((record, lock));
    }
    let mut last = None;
    for attempt in 0..NAME_ATTEMPTS {
        record.name = super::names::generate(random_bytes(), attempt);
        match store.create(&record, durability) {
            Ok(lock) => return Ok((record, lock)),
            Err(StateError::NameInUse { name, id }) => {
                last = Some(StateError::NameInUse { name, id });
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(last.expect("at least one name was tried").into())
}

/// Docker wants `--cidfile` to be new; podman writes over what an earlier container left.
fn write_cidfile(
    path: &std::path::Path,
    id: &ContainerId,
    dialect: Dialect,
) -> Result<(), CreateError> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let file = match dialect {
        Dialect::Podman => options.write(true).create(true).truncate(true).open(path),
        Dialect::Docker => options.write(true).create_new(true).open(path),
    };
    let written = file.and_then(|mut file| file.write_all(id.as_str().as_bytes()));
    written.map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                "container ID file found: make sure the other container isn't running or delete it"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        CreateError::CidFile {
            path: path.to_owned(),
            reason,
        }
    })
}

fn first_of(candidates: &[Option<&str>], default: &str) -> String {
    let given = candidates.iter().flatten().find(|text| !text.is_empty());
    given.map_or_else(|| default.to_owned(), |text| (*text).to_owned())
}

/// An entry point of the request clears the image's command (as docker and podman do).
fn program_words(
    request: &ContainerRequest,
    image: &ContainerConfig,
) -> (Vec<String>, Vec<String>) {
    let entrypoint = request
        .entrypoint
        .as_ref()
        .unwrap_or(&image.entrypoint)
        .clone();
    let command = match (&request.command[..], &request.entrypoint) {
        ([], None) => image.cmd.clone(),
        (words, _) => words.to_vec(),
    };
    (entrypoint, command)
}

fn environment(
    request: &ContainerRequest,
    image: &ContainerConfig,
    conf: &ContainersConf,
) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: &str| match pairs.iter_mut().find(|(each, _)| each == key) {
        Some(pair) => value.clone_into(&mut pair.1),
        None => pairs.push((key.to_owned(), value.to_owned())),
    };
    set("PATH", DEFAULT_PATH);
    set("container", "podman");
    for text in conf.containers.env.iter().flatten().chain(&image.env) {
        if let Some((key, value)) = text.split_once('=') {
            set(key, value);
        }
    }
    if !request.no_http_proxy && conf.containers.http_proxy != Some(false) {
        for (key, value) in proxies() {
            set(&key, &value);
        }
    }
    for (key, value) in &request.env {
        set(key, value);
    }
    if request.unset_env_all {
        pairs.retain(|pair| request.env.contains(pair));
    }
    pairs.retain(|(key, _)| !request.unset_env.contains(key));
    pairs
}

fn proxies() -> impl Iterator<Item = (String, String)> {
    let names = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];
    let both = names
        .into_iter()
        .flat_map(|name| [name.to_owned(), name.to_uppercase()]);
    both.filter_map(|name| std::env::var(&name).ok().map(|value| (name, value)))
}

fn hostname(request: &ContainerRequest, id: &ContainerId) -> String {
    if let Some(name) = &request.hostname {
        return name.clone();
    }
    let host = || {
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
    };
    let shared = request.uts.as_deref() == Some("host")
        || request
            .networks
            .first()
            .is_some_and(|network| network == "host");
    let inherited = if shared { host() } else { None };
    inherited.unwrap_or_else(|| id.short().to_owned())
}

fn stop_timeout(request: &ContainerRequest, conf: &ContainersConf) -> u64 {
    let configured = conf
        .engine
        .stop_timeout
        .and_then(|seconds| u64::try_from(seconds).ok());
    request
        .stop_timeout_seconds
        .or(configured)
        .unwrap_or(STOP_TIMEOUT_SECONDS)
}

/// The file's names may lack `CAP_`; names that this kernel's list does not have are left out.
fn default_capabilities(conf: &ContainersConf) -> Vec<String> {
    let full = |name: &String| {
        let upper = name.to_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        format!("CAP_{bare}")
    };
    let names = conf
        .containers
        .default_capabilities
        .iter()
        .flatten()
        .map(full);
    let mut known: Vec<String> = names
        .filter(|name| NAMES.contains(&name.as_str()))
        .collect();
    known.sort();
    let usual: BTreeSet<&str> = PODMAN_DEFAULT.iter().copied().collect();
    if known.iter().map(String::as_str).eq(usual) {
        known.clear();
    }
    known
}

fn log_driver(request: &ContainerRequest, conf: &ContainersConf) -> Result<String, CreateError> {
    let asked = request
        .log_driver
        .as_deref()
        .or(conf.containers.log_driver.as_deref());
    match asked.unwrap_or("k8s-file") {
        // A default of the configuration: the file says the same, and `logs` reads it.
        "journald" if request.log_driver.is_none() => Ok("k8s-file".to_owned()),
        driver @ ("k8s-file" | "json-file" | "journald" | "none" | "passthrough"
        | "passthrough-tty") => Ok(driver.to_owned()),
        other => Err(CreateError::LogDriver(other.to_owned())),
    }
}

fn log_path(request: &ContainerRequest, directory: &std::path::Path) -> PathBuf {
    match request.log_opts.get("path") {
        Some(path) => PathBuf::from(path),
        None => directory.join("ctr.log"),
    }
}

fn log_size(request: &ContainerRequest, conf: &ContainersConf) -> u64 {
    let asked = request
        .log_opts
        .get("max-size")
        .and_then(|text| text.parse().ok());
    let configured = conf
        .containers
        .log_size_max
        .and_then(|size| u64::try_from(size).ok());
    asked.or(configured).unwrap_or(0)
}

fn exposed(request: &ContainerRequest, image: &ContainerConfig) -> Vec<String> {
    let mut ports: Vec<String> = image.exposed_ports.keys().cloned().collect();
    ports.extend(request.expose.iter().cloned());
    ports.sort();
    ports.dedup();
    ports
}

/// Docker's `-u $(id -u):$(id -g)` is how its users get files that are theirs: the map that gives
/// them the same here. A caller who is root needs none.
fn callers_map(user: Option<&str>, uid: u32, gid: u32) -> Option<String> {
    let user = user?;
    let (typed_uid, typed_gid) = match user.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (user, None),
    };
    let is_caller =
        typed_uid.parse() == Ok(uid) && typed_gid.is_none_or(|typed| typed.parse() == Ok(gid));
    (is_caller && uid != 0).then(|| format!("keep-id:uid={uid},gid={gid}"))
}

impl Dialect {
    /// The word that `docker` or `podman` would print of itself.
    pub fn tool(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_own_ids_are_kept_in_dockers_mode() {
        let kept = Some("keep-id:uid=1000,gid=1001".to_owned());
        let cases = [
            (Some("1000:1001"), kept.clone()),
            (Some("1000"), kept),
            (Some("1000:5"), None),
            (Some("1"), None),
            (Some("ana"), None),
            (None, None),
        ];
        for (user, want) in cases {
            assert_eq!(callers_map(user, 1000, 1001), want, "{user:?}");
        }
        assert_eq!(callers_map(Some("0:0"), 0, 0), None);
    }
}
