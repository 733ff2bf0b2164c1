// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Volumes: making them, who uses them, and removing those that nobody does. A volume is in use as
//! long as the record of a container names it: whoever makes such a record holds the volume's lock
//! until it is written, and whoever removes a volume holds it while looking.

mod check;
mod content;
mod error;
mod filter;
mod kind;
mod listed;
mod mounts;
mod removal;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use kind::OptionError;
pub(super) use mounts::{Filling, beneath, host_mounts, is_first_use, mark_filled};
pub(super) use removal::remove_files;
pub use removal::{PruneScope, RemovedVolume};

pub use error::VolumeFailure;
use filter::VolumeFilters;
use kind::Kind;
pub use listed::ListedVolume;

use super::users::Users;
use super::{Engine, Report};
use crate::runtime::failure::chain;
use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::record::MountKind;
use crate::state::store::Store;
use crate::state::volumes::{VolumeError, VolumeRecord, Volumes};
use crate::sys::process::random_bytes;

/// What is asked of a new volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Its name; a new one is made up without it.
    pub name: Option<String>,
    /// `--driver`; empty is `local`.
    pub driver: String,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--opt`.
    pub options: BTreeMap<String, String>,
    /// Made for one container.
    pub anonymous: bool,
    /// `--uid`.
    pub uid: Option<u32>,
    /// `--gid`.
    pub gid: Option<u32>,
    /// What becomes of one of the same name.
    pub existing: Existing,
}

/// What becomes of a volume that is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// The command fails.
    #[default]
    Refuse,
    /// It is taken as it is (`--ignore`, and always with docker).
    Keep,
}

/// Whether a list of volumes knows who uses them: for that every container is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// It does.
    Read,
    /// It need not.
    Left,
}

impl Engine {
    pub(super) fn volumes(&self) -> Volumes {
        Volumes::open(&self.dirs)
    }

    /// Makes a volume; the value is its name.
    ///
    /// # Errors
    ///
    /// See [`VolumeFailure`]; nothing is left behind then.
    pub fn create_volume(&self, request: VolumeRequest) -> Result<String, VolumeFailure> {
        // The tree of the store is there then.
        self.store()?;
        let existing = request.existing;
        let record = new_record(request)?;
        match self.volumes().create(&record) {
            Ok(lock) => {
                drop(lock);
                self.give_to_owner(&record);
                Ok(record.name)
            }
            Err(VolumeError::Exists { name }) if existing == Existing::Keep => Ok(name),
            Err(error) => Err(error.into()),
        }
    }

    /// `--uid` and `--gid`, as ids of a container with the usual map.
    fn give_to_owner(&self, record: &VolumeRecord) {
        if record.uid.is_none() && record.gid.is_none() {
            return;
        }
        let data = self.volumes().data(&record.name);
        let give = || {
            let owned = std::os::unix::fs::chown(&data, record.uid, record.gid);
            owned
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
                .into_bytes()
        };
        // Who has one id alone has a volume of his own id.
        drop(crate::runtime::apart::run_mapped(
            &crate::runtime::subid::holder_map(),
            &self.dirs.run_root,
            give,
        ));
    }

    /// The volumes that the filters let through, by name.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and a store that cannot be read. One whose record is
    /// damaged is told and left out.
    pub fn list_volumes(
        &self,
        filters: &[String],
        uses: Uses,
        report: &dyn Report,
    ) -> Result<Vec<ListedVolume>, VolumeFailure> {
        let filters = VolumeFilters::parse(&self.volumes(), filters)?;
        let users = if uses == Uses::Read || filters.ask_for_users() {
            self.volume_users()?
        } else {
            Users::default()
        };
        let volumes = self.volumes();
        let mut all = Vec::new();
        volumes.load_all(&volumes.list()?, |name, loaded| match loaded {
            Ok(record) => {
                let one = listed(&volumes, name, record, &users);
                if filters.let_through(&one) {
                    all.push(one);
                }
            }
            // It was removed meanwhile.
            Err(VolumeError::Missing { .. }) => {}
            Err(error) => report.warning(&chain(&error)),
        });
        Ok(all)
    }

    /// The volume that `text` names.
    ///
    /// # Errors
    ///
    /// [`VolumeError::Missing`].
    pub fn volume(&self, text: &str) -> Result<ListedVolume, VolumeFailure> {
        let volumes = self.volumes();
        let name = volumes.resolve(text)?;
        let record = volumes.load(&name)?;
        Ok(listed(&volumes, &name, record, &self.volume_users()?))
    }

    /// Whether there is a volume of this very name.
    pub fn volume_exists(&self, name: &str) -> bool {
        self.volumes().load(name).is_ok()
    }

    fn volume_users(&self) -> Result<Users, VolumeFailure> {
        Ok(read_users(&self.store()?)?)
    }
}

fn listed(volumes: &Volumes, name: &str, record: VolumeRecord, users: &Users) -> ListedVolume {
    ListedVolume {
        mountpoint: volumes.data(name),
        users: users.of(name),
        record,
    }
}

/// Which containers use which volume.
fn read_users(store: &Store) -> Result<Users, StateError> {
    Users::read(store, |summary| {
        let mounts = summary.mounts().iter();
        let named = mounts.filter(|mount| mount.kind == MountKind::Volume);
        named.map(|mount| mount.source.clone()).collect()
    })
}

fn new_record(request: VolumeRequest) -> Result<VolumeRecord, VolumeFailure> {
    let anonymous = request.anonymous;
    let name = request.name.unwrap_or_else(random_name);
    if !["", "local"].contains(&request.driver.as_str()) {
        return Err(VolumeFailure::Driver {
            name,
            driver: request.driver,
        });
    }
    let kind = Kind::of(&request.options)?;
    let own = kind == Kind::Own;
    Ok(VolumeRecord {
        name,
        created: Timestamp::now(),
        labels: request.labels,
        needs_copy_up: !request.options.contains_key("nocopy"),
        options: request.options,
        anonymous,
        // What was there before belongs to whom it belongs to.
        needs_chown: own && request.uid.is_none() && request.gid.is_none(),
        uid: request.uid,
        gid: request.gid,
    })
}

/// As long as an id: nobody types it.
fn random_name() -> String {
    let bytes: [u8; 32] = random_bytes();
    ContainerId::from_random(&bytes).to_string()
}
