// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cgroup of a pod that is limited as a whole or was given a place. The first of its containers
//! that starts makes it, the last one that ends takes it along, and those between find it by a file
//! in the pod's run directory.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::divide::hand_down;
use super::limits::{COUNTED, apply, bring, controllers};
use super::near::{come_in, come_near};
use super::wanted::{PodCgroup, Wanted};
use super::{ContainerCgroup, directory, mount_point};
use crate::engine::limits::LimitError;
use crate::state::atomic::{self, Durability};
use crate::state::locks::{Contention, DirectoryLock};
use crate::sys::{Called, SysError};

/// How often the last container may end while another starts.
const ATTEMPTS: u32 = 10;

/// The file with its path.
const FILE: &str = "cgroup";

/// Who starts a container in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Starter {
    /// It goes into the same unit of systemd, which lives as long as somebody is in it.
    Comes,
    /// It has to stay where it is.
    Stays,
}

impl PodCgroup {
    /// Makes the cgroup of a container in it, and itself where it is not there: below the place
    /// that `find` finds.
    pub(super) fn enter(
        &self,
        wanted: &Wanted,
        starter: Starter,
        find: impl Fn() -> Result<PathBuf, LimitError>,
    ) -> Result<ContainerCgroup, LimitError> {
        let _lock =
            DirectoryLock::take(&self.run_directory, Contention::Wait).map_err(LimitError::Make)?;
        let mut tries = 0;
        loop {
            let place = match self.existing(&wanted.name(), starter)? {
                Some(place) => place,
                None => self.remember(find()?.join(self.name()))?,
            };
            match self.make_in(&place, wanted) {
                // The last container has ended just now.
                Err(LimitError::Make(error))
                    if error.errno == Errno::ENOENT && tries < ATTEMPTS =>
                {
                    tries += 1;
                }
                made => return made,
            }
        }
    }

    /// Where it is, if a container called so can be started in it.
    fn existing(&self, name: &str, starter: Starter) -> Result<Option<PathBuf>, LimitError> {
        let Some(place) = place(&self.run_directory) else {
            return Ok(None);
        };
        let path = format!("{place}/{name}");
        let reached = match starter {
            Starter::Comes => come_in(&path),
            Starter::Stays => come_near(&path),
        };
        match reached {
            Ok(()) => Ok(Some(PathBuf::from(place))),
            // A second one would be a second limit.
            Err(error) if is_populated(&place) => Err(error.into()),
            // Its scope has just ended.
            Err(_) => Ok(None),
        }
    }

    fn remember(&self, place: PathBuf) -> Result<PathBuf, LimitError> {
        let path = self.run_directory.join(FILE);
        let text = place.to_string_lossy();
        atomic::replace_file(&path, text.as_bytes(), Durability::Unsynced)
            .map_err(LimitError::Make)?;
        Ok(place)
    }

    fn make_in(&self, place: &Path, wanted: &Wanted) -> Result<ContainerCgroup, LimitError> {
        let Some(mounted) = mount_point() else {
            return Err(LimitError::Make(SysError::new(
                "statfs(/sys/fs/cgroup)",
                Errno::ENOENT,
            )));
        };
        let directory = mounted.join(place.strip_prefix("/").unwrap_or(place));
        match fs::create_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made
                .called(|| format!("mkdir({})", directory.display()))
                .map_err(LimitError::Make)?,
        }
        let path = place.join(wanted.name());
        let own = directory.join(wanted.name());
        // As long as it is there, nobody removes that of the pod.
        let made = ContainerCgroup::at(&own, path.to_string_lossy().into_owned());
        let limited = made.map_err(LimitError::Make).and_then(|made| {
            self.limit(&directory, wanted)?;
            wanted.limit(&own).map(|()| made)
        });
        if limited.is_err() {
            drop(fs::remove_dir(&own));
            drop(fs::remove_dir(&directory));
        }
        limited
    }

    /// Limits the pod, and hands down what its container needs.
    fn limit(&self, directory: &Path, wanted: &Wanted) -> Result<(), LimitError> {
        let needed = wanted.controllers();
        if !bring(directory, &needed).is_empty() {
            return Err(wanted.lacking(&needed));
        }
        apply(directory, &self.settings, &self.instead)?;
        for counted in COUNTED {
            drop(hand_down(directory, &[counted]));
        }
        let own = controllers(&wanted.settings);
        hand_down(directory, &own).map_err(|_refused| wanted.lacking(&own))
    }
}

fn is_populated(place: &str) -> bool {
    let events = directory(place).map(|directory| directory.join("cgroup.events"));
    let events = events.and_then(|path| fs::read_to_string(path).ok());
    events.is_some_and(|text| text.lines().any(|line| line == "populated 1"))
}

/// The path of the cgroup of the pod with that run directory, if it is there.
pub(in crate::engine) fn place(run_directory: &Path) -> Option<String> {
    let text = fs::read_to_string(run_directory.join(FILE)).ok()?;
    directory(&text).is_some().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_gone_is_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(place(directory.path()), None);
        let path = directory.path().join(FILE);
        atomic::replace_file(&path, b"/coracle-pod-that-never-was", Durability::Unsynced).unwrap();
        assert_eq!(place(directory.path()), None);
    }
}
