// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The volumes of one container: found or made when it is made, filled from its image and given
//! to its user when it is first started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::kind::Kind;
use super::{VolumeFailure, VolumeRequest, new_record, random_name};
use crate::engine::{Engine, roots};
use crate::runtime::mounts::plan::BENEATH;
use crate::state::record::{ContainerRecord, MountKind, MountRequest};
use crate::state::store::Store;
use crate::state::volumes::{VolumeError, VolumeLock, VolumeRecord, Volumes};
use crate::storage::Image;

/// The volumes of a container whose record is not written yet: nobody can remove them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Held {
    locks: Vec<VolumeLock>,
    made: BTreeSet<String>,
}

/// Volumes that a start fills or gives to the container's user; nobody else does meanwhile.
#[derive(Debug, Default)]
pub(in crate::engine) struct Filling {
    locks: Vec<VolumeLock>,
    places: BTreeMap<PathBuf, String>,
}

impl Engine {
    /// Completes the mounts of `record`: with those of other containers and of its image, and with
    /// names for volumes that have none. All of its volumes exist then.
    pub(in crate::engine) fn hold_volumes(
        &self,
        store: &Store,
        record: &mut ContainerRecord,
    ) -> Result<Held, VolumeFailure> {
        let mut mounts = record.request.mounts.clone();
        for text in &record.request.volumes_from {
            add(&mut mounts, mounts_of(store, text)?);
        }
        add(&mut mounts, self.image_mounts(record)?);
        for mount in mounts
            .iter_mut()
            .filter(|mount| mount.kind == MountKind::Image)
        {
            // Its name may mean another image one day.
            let image = self.mounted_image(&mount.source)?;
            image.id.hex().clone_into(&mut mount.source);
        }
        let mut anonymous = BTreeSet::new();
        for mount in &mut mounts {
            if mount.kind == MountKind::Volume && mount.source.is_empty() {
                mount.source = random_name();
                anonymous.insert(mount.source.clone());
            }
        }
        let mut held = Held::default();
        let mut wanted: Vec<&MountRequest> = mounts
            .iter()
            .filter(|mount| mount.kind == MountKind::Volume)
            .collect();
        wanted.sort_by(|left, right| left.source.cmp(&right.source));
        wanted.dedup_by(|left, right| left.source == right.source);
        let volumes = self.volumes();
        for mount in wanted {
            let is_anonymous = anonymous.contains(&mount.source);
            if let Err(failure) = held.take(&volumes, mount, is_anonymous) {
                held.discard(&volumes);
                return Err(VolumeFailure::Making {
                    name: mount.source.clone(),
                    source: Box::new(failure),
                });
            }
        }
        if mounts != record.request.mounts {
            record.resolved.mounts = Some(mounts);
        }
        Ok(held)
    }

    /// The mounts of a container as they are made: a volume is a bind of its directory, and says
    /// what its first container does with it.
    pub(in crate::engine) fn mounts_to_make(
        &self,
        record: &ContainerRecord,
    ) -> Result<(Vec<MountRequest>, Filling), VolumeFailure> {
        let volumes = self.volumes();
        let mut filling = Filling::default();
        let named = record
            .mounts()
            .iter()
            .filter(|mount| mount.kind == MountKind::Volume);
        let mut names: BTreeMap<&String, bool> = BTreeMap::new();
        for mount in named {
            *names.entry(&mount.source).or_default() |= !is_overlay(mount);
        }
        let mut records = BTreeMap::new();
        for (name, is_written) in names {
            let volume = volumes.load(name)?;
            let volume = if is_written && needs_first_use(&volumes, &volume)? {
                filling.take(&volumes, name)?
            } else {
                volume
            };
            records.insert(name.clone(), volume);
        }
        let mut made = Vec::new();
        for mount in record.mounts() {
            match mount.kind {
                MountKind::Image => {
                    made.push(self.mount_of_image(mount)?);
                    continue;
                }
                MountKind::Artifact => {
                    made.extend(self.mounts_of_artifact(mount)?);
                    continue;
                }
                _ => {}
            }
            let Some(volume) = records.get(&mount.source).filter(|_| is_volume(mount)) else {
                made.push(mount.clone());
                continue;
            };
            let mut shown = shown(&volumes, volume, mount)?;
            let locked = filling.locks.iter().any(|lock| lock.name() == mount.source);
            let is_whole = !mount
                .options
                .iter()
                .any(|option| option.starts_with(SUBPATH));
            if locked && is_whole && !is_overlay(mount) && Kind::of(&volume.options)? == Kind::Own {
                shown.options.push(first_use(volume, mount).to_owned());
                let place = PathBuf::from(&mount.container_path);
                filling.places.insert(place, mount.source.clone());
            }
            made.push(shown);
        }
        Ok((made, filling))
    }
}

impl Engine {
    fn mounted_image(&self, name: &str) -> Result<Image, VolumeFailure> {
        let failed = |words: String| VolumeFailure::Image {
            name: name.to_owned(),
            words,
        };
        let images = self.images()?;
        images
            .resolve(name)
            .map_err(|error| failed(error.to_string()))
    }

    /// A mount of an image with its layers, topmost first.
    fn mount_of_image(&self, mount: &MountRequest) -> Result<MountRequest, VolumeFailure> {
        let image = self.mounted_image(&mount.source)?;
        let layers = roots::read_only_layers(&image, &self.dirs.places());
        let text = |layer: &PathBuf| layer.to_string_lossy().into_owned();
        let asked = mount.options.iter().map(|option| part_of_image(option));
        let mut options: Vec<String> = asked.collect();
        options.extend(
            layers
                .iter()
                .map(|layer| format!("lowerdir+={}", text(layer))),
        );
        Ok(MountRequest {
            source: layers.first().map(text).unwrap_or_default(),
            options,
            ..mount.clone()
        })
    }

    /// The `VOLUME`s of the image, as `--image-volume` or containers.conf says.
    fn image_mounts(&self, record: &ContainerRecord) -> Result<Vec<MountRequest>, VolumeFailure> {
        if record.resolved.volumes.is_empty() {
            return Ok(Vec::new());
        }
        let configured = &self.containers_conf()?.engine.image_volume_mode;
        let mode = record.request.image_volume.as_ref().or(configured.as_ref());
        let kind = match mode.map(String::as_str) {
            Some("ignore") => return Ok(Vec::new()),
            Some("tmpfs") => MountKind::Tmpfs,
            _ => MountKind::Volume,
        };
        let mount = |path: &String| MountRequest {
            kind,
            source: String::new(),
            container_path: path.clone(),
            options: Vec::new(),
        };
        Ok(record.resolved.volumes.iter().map(mount).collect())
    }
}

/// The mounts of a container with the directories of its volumes in their place, for who looks
/// into it from outside.
pub(in crate::engine) fn host_mounts(
    volumes: &Volumes,
    record: &ContainerRecord,
) -> Vec<MountRequest> {
    let host = |mount: &MountRequest| {
        let volume = volumes
            .load(&mount.source)
            .ok()
            .filter(|_| is_volume(mount));
        let shown = volume.and_then(|volume| shown(volumes, &volume, mount).ok());
        shown.unwrap_or_else(|| mount.clone())
    };
    record.mounts().iter().map(host).collect()
}

impl Held {
    fn take(
        &mut self,
        volumes: &Volumes,
        mount: &MountRequest,
        anonymous: bool,
    ) -> Result<(), VolumeFailure> {
        // Between the two another process may make or remove it.
        loop {
            match volumes.lock(&mount.source) {
                Ok(lock) => {
                    self.locks.push(lock);
                    return Ok(());
                }
                // A name that is none is refused when it is to be made.
                Err(VolumeError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let request = VolumeRequest {
                name: Some(mount.source.clone()),
                options: volume_options(mount),
                anonymous,
                ..VolumeRequest::default()
            };
            match volumes.create(&new_record(request)?) {
                Ok(lock) => {
                    self.made.insert(mount.source.clone());
                    self.locks.push(lock);
                    return Ok(());
                }
                Err(VolumeError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes what was made for a container that is not to be.
    pub(in crate::engine) fn discard(self, volumes: &Volumes) {
        for lock in self.locks {
            if self.made.contains(lock.name()) {
                drop(volumes.remove(&lock));
            }
        }
    }
}

impl Filling {
    /// Locks a volume, and reads it again: somebody may have filled it meanwhile.
    fn take(&mut self, volumes: &Volumes, name: &str) -> Result<VolumeRecord, VolumeFailure> {
        let lock = volumes.lock(name)?;
        let mut volume = volumes.load(name)?;
        if !needs_first_use(volumes, &volume)? {
            return Ok(volume);
        }
        if is_empty(volumes, name) {
            self.locks.push(lock);
        } else {
            volume.needs_chown = false;
            volumes.save(&volume)?;
        }
        Ok(volume)
    }

    /// Which volume is mounted where, of those that are to be filled.
    pub(in crate::engine) fn places(&self) -> &BTreeMap<PathBuf, String> {
        &self.places
    }
}

/// Writes down that the files of an image are in a volume. Whoever starts the container holds the
/// volume's lock.
pub(in crate::engine) fn mark_filled(volumes: &Volumes, name: &str) -> Result<(), VolumeError> {
    let volume = VolumeRecord {
        needs_copy_up: false,
        needs_chown: false,
        ..volumes.load(name)?
    };
    volumes.save(&volume)
}

fn needs_first_use(volumes: &Volumes, volume: &VolumeRecord) -> Result<bool, VolumeFailure> {
    let own = Kind::of(&volume.options)? == Kind::Own;
    // Once it has files nothing is copied any more: only the mark may have to be taken off.
    let open = volume.needs_chown || volume.needs_copy_up && is_empty(volumes, &volume.name);
    Ok(own && open)
}

/// One that the caller cannot look into was given to a user, who has closed it.
fn is_empty(volumes: &Volumes, name: &str) -> bool {
    let entries = std::fs::read_dir(volumes.data(name));
    entries.is_ok_and(|mut entries| entries.next().is_none())
}

fn first_use(volume: &VolumeRecord, mount: &MountRequest) -> &'static str {
    let no_copy = mount.options.iter().any(|option| option == "nocopy");
    if volume.needs_copy_up && !no_copy {
        FILL
    } else {
        OWN
    }
}

/// Whether `option` of a mount is meant for the first use of a volume.
pub(in crate::engine) fn is_first_use(option: &str) -> bool {
    [FILL, OWN].contains(&option)
}

/// What the runtime does on the first use of a volume.
const FILL: &str = "x-coracle.fill";
const OWN: &str = "x-coracle.own";

fn is_volume(mount: &MountRequest) -> bool {
    mount.kind == MountKind::Volume
}

/// What of a source a mount of [`host_mounts`] shows, if not all of it.
pub(in crate::engine) fn beneath(mount: &MountRequest) -> Option<&str> {
    let mut options = mount.options.iter();
    options.find_map(|option| option.strip_prefix(BENEATH)?.strip_prefix('='))
}

/// Whether the volume stays as it is, empty or not.
fn is_overlay(mount: &MountRequest) -> bool {
    mount.options.iter().any(|option| option == "O")
}

/// What a volume shows, as a mount of another kind.
fn shown(
    volumes: &Volumes,
    volume: &VolumeRecord,
    mount: &MountRequest,
) -> Result<MountRequest, VolumeFailure> {
    let asked = mount.options.iter();
    let asked: Vec<String> = asked
        .filter(|o| !o.starts_with(VOLUME_OPTION))
        .map(|o| match o.strip_prefix(SUBPATH) {
            Some(path) => format!("{BENEATH}={path}"),
            None => o.clone(),
        })
        .collect();
    let directory = if is_overlay(mount) {
        MountKind::Overlay
    } else {
        MountKind::Bind
    };
    let (kind, source, given) = match Kind::of(&volume.options)? {
        Kind::Own => (directory, volumes.data(&volume.name), Vec::new()),
        Kind::Bind { host_path, options } => (directory, host_path, options),
        Kind::Tmpfs { options } => (MountKind::Tmpfs, PathBuf::new(), options),
    };
    let mut options: Vec<String> = Vec::new();
    // Nobody's devices and setuid programs come out of a volume, unless that is asked for.
    let defaults = ["nosuid", "nodev"].map(str::to_owned);
    let is_undone = |flag: &String| asked.iter().chain(&given).any(|one| one == &flag[2..]);
    options.extend(defaults.into_iter().filter(|flag| !is_undone(flag)));
    options.extend(given);
    options.extend(match kind {
        // What says how a directory is bound means nothing to memory.
        MountKind::Tmpfs => asked
            .into_iter()
            .filter(|o| ["ro", "rw"].contains(&o.as_str()))
            .collect(),
        _ => asked,
    });
    Ok(MountRequest {
        kind,
        source: source.to_string_lossy().into_owned(),
        container_path: mount.container_path.clone(),
        options,
    })
}

/// `subpath=PATH` of `--mount`: no link in it leads out of the volume or the image.
const SUBPATH: &str = "subpath=";

/// An option of an image's mount as the runtime knows it.
fn part_of_image(option: &str) -> String {
    match option.strip_prefix(SUBPATH) {
        Some(path) => format!("{BENEATH}={}", path.trim_start_matches('/')),
        None => option.to_owned(),
    }
}

/// `volume-opt=KEY=VALUE` of `--mount`.
const VOLUME_OPTION: &str = "volume-opt=";

fn volume_options(mount: &MountRequest) -> BTreeMap<String, String> {
    let options = mount
        .options
        .iter()
        .filter_map(|o| o.strip_prefix(VOLUME_OPTION));
    let pair = |option: &str| {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        (key.to_owned(), value.to_owned())
    };
    options.map(pair).collect()
}

/// Those of `more` whose place is free.
fn add(mounts: &mut Vec<MountRequest>, more: Vec<MountRequest>) {
    for mount in more {
        if mounts
            .iter()
            .all(|one| one.container_path != mount.container_path)
        {
            mounts.push(mount);
        }
    }
}

/// `CONTAINER[:OPTIONS]`: the binds and volumes that the container has.
fn mounts_of(store: &Store, text: &str) -> Result<Vec<MountRequest>, VolumeFailure> {
    let (container, options) = text.split_once(':').unwrap_or((text, ""));
    let record = store
        .resolve(container)
        .and_then(|id| store.load(&id))
        .map_err(|source| VolumeFailure::VolumesFrom {
            container: container.to_owned(),
            source,
        })?;
    let taken = record.mounts().iter().filter(|mount| match mount.kind {
        MountKind::Bind | MountKind::Volume => true,
        MountKind::Tmpfs
        | MountKind::Overlay
        | MountKind::Devpts
        | MountKind::Ramfs
        | MountKind::Image
        | MountKind::Artifact => false,
    });
    let with_options = |mount: &MountRequest| {
        let mut mount = mount.clone();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            mount.options.retain(|old| {
                !["ro", "rw"].contains(&old.as_str()) || !["ro", "rw"].contains(&option)
            });
            mount.options.push(option.to_owned());
        }
        mount
    };
    Ok(taken.map(with_options).collect())
}
