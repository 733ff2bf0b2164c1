// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about what is mounted into the container, and the devices it is given.

use std::path::{Component, Path, PathBuf};

use clap::Args;

use super::Namespace;
use super::environment::reason;
use super::globs::{self, NoMatch};
use super::mount_flag::{self, MountFlag, MountFlagError};
use super::mount_options::{self, OptionError};
use crate::config::cdi;
use crate::config::containers_conf::ContainersSection;
use crate::engine::Dialect;
use crate::output::units::size;
use crate::state::record::{ContainerRequest, MountKind, MountRequest};

/// Flags about mounts and devices.
#[derive(Debug, Default, Args)]
pub(crate) struct MountArgs {
    /// Add a host device to the container
    #[arg(long, value_delimiter = ',')]
    pub(super) device: Vec<String>,
    /// GPUs to give to the container ("all", a number, or "device=ID")
    #[arg(long)]
    gpus: Vec<String>,
    /// How to treat volumes of the image ("bind"|"tmpfs"|"ignore")
    #[arg(long)]
    image_volume: Option<String>,
    /// Attach a file system mount to the container
    #[arg(long)]
    mount: Vec<String>,
    /// Make the container's root file system read-only
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    read_only: Option<bool>,
    /// With --read-only, mount writable tmpfs on /run, /tmp and /var/tmp
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    read_only_tmpfs: Option<bool>,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub(super) shm_size: Option<String>,
    /// Mount a temporary file system into the container
    #[arg(long)]
    tmpfs: Vec<String>,
    /// Bind mount a directory or file into the container
    #[arg(long, short)]
    pub(super) volume: Vec<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "CONTAINER")]
    pub(super) volumes_from: Vec<String>,
}

/// What is wrong with a mount or a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MountError {
    #[error("{text}: incorrect volume format, should be [host-dir:]ctr-dir[:option]")]
    Form { text: String },
    #[error("host directory cannot be empty")]
    EmptySource,
    #[error("container directory cannot be empty")]
    EmptyTarget,
    #[error("invalid container path \"{path}\", must be an absolute path")]
    RelativeTarget { path: String },
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    #[error("{path}: duplicate mount destination")]
    Duplicate { path: String },
    #[error("unable to translate --shm-size: invalid size: '{text}'")]
    ShmSize { text: String },
    #[error("invalid image-volume type \"{kind}\". Pick one of bind, tmpfs, or ignore")]
    ImageVolume { kind: String },
    #[error("invalid options {option:?}, can only specify 'ro', 'rw', and 'z'")]
    VolumesFrom { option: String },
    #[error("invalid device mode: {mode}")]
    DeviceMode { mode: String },
    #[error("invalid device specification: {text}")]
    Device { text: String },
    #[error("invalid --gpus {text:?}, want all, a number, or device=ID[,ID…] in quotes")]
    Gpus { text: String },
    #[error("statfs {}: {reason}", path.display())]
    Source { path: PathBuf, reason: String },
    #[error("create bind mount source {}: {reason}", path.display())]
    CreateSource { path: PathBuf, reason: String },
    #[error("stat {}: {reason}", path.display())]
    DeviceSource { path: PathBuf, reason: String },
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    MountFlag(#[from] MountFlagError),
    #[error("parsing containers.conf mounts: {0}")]
    ConfiguredMount(MountFlagError),
}

impl MountArgs {
    /// Takes from containers.conf what the flags leave open; a /dev/shm that is
    /// another's has its size already.
    pub(super) fn default_from(
        &mut self,
        conf: &ContainersSection,
        ipc: Namespace,
    ) -> Result<(), MountError> {
        let taken: Vec<String> = [&self.volume, &self.mount, &self.tmpfs]
            .map(|flags| flags.join("\n"))
            .into();
        let is_free = |place: Option<&str>| {
            place.is_none_or(|place| !taken.iter().any(|flags| names_place(flags, place)))
        };
        let volumes = conf.volumes.iter().flatten();
        let volumes = volumes.filter(|text| is_free(text.split(':').nth(1)));
        self.volume.splice(0..0, volumes.cloned());
        for text in conf.mounts.iter().flatten() {
            // Whose mistake it is cannot be told any more when it stands among the flags.
            mount_flag::parse(text).map_err(MountError::ConfiguredMount)?;
        }
        let mounts = conf.mounts.iter().flatten();
        let mounts = mounts.filter(|text| is_free(mount_place(text)));
        self.mount.splice(0..0, mounts.cloned());
        self.device
            .splice(0..0, conf.devices.iter().flatten().cloned());
        self.read_only = self.read_only.or(conf.read_only);
        if self.shm_size.is_none() && ipc == Namespace::Own {
            self.shm_size.clone_from(&conf.shm_size);
        }
        Ok(())
    }

    /// Writes what these flags ask for into `request`; relative sources start at `current_dir`.
    pub(crate) fn fill(
        self,
        request: &mut ContainerRequest,
        current_dir: &Path,
    ) -> Result<(), MountError> {
        let mut mounts = Vec::new();
        for text in &self.mount {
            match mount_flag::parse(text)? {
                MountFlag::One(mount) => mounts.push(mount),
                MountFlag::Glob(glob) => mounts.extend(globs::mounts(&glob, current_dir)?),
            }
        }
        for text in &self.volume {
            mounts.push(volume(text)?);
        }
        for text in &self.tmpfs {
            mounts.push(tmpfs(text)?);
        }
        for mount in &mut mounts {
            resolve(mount, current_dir);
        }
        request.mounts = without_repeats(mounts)?;
        self.device.iter().try_for_each(|text| check_device(text))?;
        request.devices = self.device;
        for text in &self.gpus {
            request.devices.extend(gpus(text)?);
        }
        request.volumes_from = volumes_from(self.volumes_from)?;
        request.image_volume = self.image_volume.map(image_volume).transpose()?;
        request.read_only = self.read_only == Some(true);
        request.no_read_only_tmpfs = self.read_only_tmpfs == Some(false);
        request.shm_size_bytes = self.shm_size.as_deref().map(shm_size).transpose()?;
        Ok(())
    }
}

/// Whether one of the words of `flags` is `place`: a flag wins over the file.
fn names_place(flags: &str, place: &str) -> bool {
    flags
        .split(['\n', ':', ',', '='])
        .any(|word| word.trim_end_matches('/') == place.trim_end_matches('/'))
}

/// Where a `--mount` goes.
fn mount_place(text: &str) -> Option<&str> {
    text.split(',').find_map(|option| {
        let (key, place) = option.split_once('=')?;
        matches!(key, "target" | "dst" | "destination").then_some(place)
    })
}

/// `SOURCE:TARGET[:OPTIONS]`, where the source is a path.
fn volume(text: &str) -> Result<MountRequest, MountError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => {
            check_target(target)?;
            return Ok(anonymous(target));
        }
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => {
            return Err(MountError::Form {
                text: text.to_owned(),
            });
        }
    };
    check_target(target)?;
    if source.is_empty() {
        return Err(MountError::EmptySource);
    }
    let options: Vec<&str> = options
        .split(',')
        .filter(|option| !option.is_empty())
        .collect();
    let is_path = source.starts_with(['/', '.']);
    let kind = match (is_path, options.contains(&"O")) {
        (true, false) => MountKind::Bind,
        (true, true) => MountKind::Overlay,
        (false, _) => MountKind::Volume,
    };
    Ok(MountRequest {
        kind,
        source: source.to_owned(),
        container_path: target.to_owned(),
        options: mount_options::check(kind, &options)?,
    })
}

/// A volume that is the container's own, under a name that nobody types.
fn anonymous(target: &str) -> MountRequest {
    MountRequest {
        kind: MountKind::Volume,
        source: String::new(),
        container_path: target.to_owned(),
        options: Vec::new(),
    }
}

/// `TARGET[:OPTIONS]`.
fn tmpfs(text: &str) -> Result<MountRequest, MountError> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    check_target(target)?;
    let options: Vec<&str> = options
        .split(',')
        .filter(|option| !option.is_empty())
        .collect();
    Ok(MountRequest {
        kind: MountKind::Tmpfs,
        source: String::new(),
        container_path: target.to_owned(),
        options: mount_options::check(MountKind::Tmpfs, &options)?,
    })
}

fn check_target(target: &str) -> Result<(), MountError> {
    if target.is_empty() {
        return Err(MountError::EmptyTarget);
    }
    if !target.starts_with('/') {
        return Err(MountError::RelativeTarget {
            path: target.to_owned(),
        });
    }
    Ok(())
}

/// Makes a host path absolute and cleans the path in the container.
fn resolve(mount: &mut MountRequest, current_dir: &Path) {
    mount.container_path = clean(Path::new(&mount.container_path));
    match mount.kind {
        MountKind::Bind | MountKind::Overlay => {
            mount.source = clean(&current_dir.join(&mount.source));
        }
        MountKind::Volume
        | MountKind::Tmpfs
        | MountKind::Devpts
        | MountKind::Ramfs
        | MountKind::Image
        | MountKind::Artifact => {}
    }
}

/// The path without `.`, `..` and doubled slashes, as Go's `path.Clean` has it.
fn clean(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    format!("/{}", parts.join("/"))
}

/// The same mount twice is one; two different ones on one path are an error.
fn without_repeats(mounts: Vec<MountRequest>) -> Result<Vec<MountRequest>, MountError> {
    let mut kept: Vec<MountRequest> = Vec::new();
    for mount in mounts {
        let same_path = kept
            .iter()
            .find(|other| other.container_path == mount.container_path);
        match same_path {
            None => kept.push(mount),
            Some(other) if *other == mount => {}
            Some(_) => {
                return Err(MountError::Duplicate {
                    path: mount.container_path,
                });
            }
        }
    }
    Ok(kept)
}

fn image_volume(kind: String) -> Result<String, MountError> {
    match kind.as_str() {
        "bind" | "anonymous" | "tmpfs" | "ignore" => Ok(kind),
        _ => Err(MountError::ImageVolume { kind }),
    }
}

fn shm_size(text: &str) -> Result<u64, MountError> {
    size::parse_size(text).ok_or_else(|| MountError::ShmSize {
        text: text.to_owned(),
    })
}

/// `CONTAINER[:OPTIONS]`.
fn volumes_from(texts: Vec<String>) -> Result<Vec<String>, MountError> {
    for text in &texts {
        let options = text.split_once(':').map_or("", |(_, options)| options);
        for option in options.split(',').filter(|option| !option.is_empty()) {
            if !["ro", "rw", "z", "Z"].contains(&option) {
                return Err(MountError::VolumesFrom {
                    option: option.to_owned(),
                });
            }
        }
    }
    Ok(texts)
}

/// `SOURCE[:TARGET][:MODE]`, or the name of a device of a vendor (`vendor.com/kind=name`).
fn check_device(text: &str) -> Result<(), MountError> {
    let parts: Vec<&str> = text.split(':').collect();
    if cdi::is_name(text) {
        return Ok(());
    }
    let bad_mode = |mode: &str| MountError::DeviceMode {
        mode: mode.to_owned(),
    };
    match parts[..] {
        [source] | [source, _] | [source, _, _] if source.is_empty() => {}
        [_] => return Ok(()),
        [_, second] if is_device_mode(second) || second.starts_with('/') => return Ok(()),
        [_, second] => return Err(bad_mode(second)),
        [_, target, mode] => {
            if !is_device_mode(mode) {
                return Err(bad_mode(mode));
            }
            return if target.starts_with('/') {
                Ok(())
            } else {
                Err(bad_mode(target))
            };
        }
        _ => {}
    }
    Err(MountError::Device {
        text: text.to_owned(),
    })
}

/// `--gpus` by the names that NVIDIA's tool gives them: `all`, so many of them, `device=0,1`.
fn gpus(text: &str) -> Result<Vec<String>, MountError> {
    let name = |gpu: &str| format!("nvidia.com/gpu={gpu}");
    let wrong = || MountError::Gpus {
        text: text.to_owned(),
    };
    // Docker's form has quotes around a list of ids, which the shell's hold together.
    let text = text.trim_matches('"');
    if let Some(ids) = text.strip_prefix("device=") {
        let names: Vec<String> = ids.split(',').map(name).collect();
        return Some(names)
            .filter(|names| names.iter().all(|name| cdi::is_name(name)))
            .ok_or_else(wrong);
    }
    let mut names = Vec::new();
    for field in mount_flag::split_csv(text) {
        match field.split_once('=') {
            Some(("count", count)) => names = counted(count).ok_or_else(wrong)?,
            Some(("device", id)) => names.push(id.to_owned()),
            Some(("driver" | "capabilities" | "options", _)) => {}
            Some(_) => return Err(wrong()),
            None => names = counted(&field).ok_or_else(wrong)?,
        }
    }
    if names.is_empty() {
        return Err(wrong());
    }
    Ok(names.iter().map(|gpu| name(gpu)).collect())
}

/// `all` or the first so many.
fn counted(count: &str) -> Option<Vec<String>> {
    match count {
        "all" | "-1" => Some(vec!["all".to_owned()]),
        number => {
            let number: u32 = number.parse().ok()?;
            Some((0..number).map(|gpu| gpu.to_string()).collect())
        }
    }
}

/// Each of `r`, `w` and `m` at most once.
fn is_device_mode(mode: &str) -> bool {
    let once = |letter: char| mode.matches(letter).count() <= 1;
    !mode.is_empty()
        && mode
            .chars()
            .all(|letter| "rwm".contains(letter) && once(letter))
}

/// Looks at the host: what is to be mounted must be there. Docker makes a missing directory.
pub(crate) fn check_sources(
    request: &ContainerRequest,
    dialect: Dialect,
) -> Result<(), MountError> {
    for mount in &request.mounts {
        if matches!(mount.kind, MountKind::Bind | MountKind::Overlay) {
            check_source(Path::new(&mount.source), dialect)?;
        }
    }
    let paths = request.devices.iter();
    for device in paths.filter(|device| !cdi::is_name(device)) {
        let path = Path::new(device.split(':').next().unwrap_or_default());
        if let Err(error) = path.metadata() {
            return Err(MountError::DeviceSource {
                path: path.to_owned(),
                reason: reason(&error),
            });
        }
    }
    Ok(())
}

fn check_source(path: &Path, dialect: Dialect) -> Result<(), MountError> {
    let Err(error) = path.metadata() else {
        return Ok(());
    };
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    if dialect == Dialect::Docker && missing {
        return std::fs::create_dir_all(path).map_err(|error| MountError::CreateSource {
            path: path.to_owned(),
            reason: reason(&error),
        });
    }
    Err(MountError::Source {
        path: path.to_owned(),
        reason: reason(&error),
    })
}

#[cfg(test)]
mod tests;
