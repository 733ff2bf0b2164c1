// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `diff`: what a container or an image changed of the layers below.

use std::path::PathBuf;

use super::error::FilesError;
use crate::engine::root_source::RootSource;
use crate::engine::{Dialect, Engine};
use crate::state::StateError;
use crate::state::record::ContainerRecord;
use crate::storage::StorageError;
use crate::storage::pack::{Against, Change, changes};

/// What is asked of a comparison.
#[derive(Debug, Clone)]
pub struct DiffRequest {
    /// What kind of things the names mean.
    pub subject: DiffSubject,
    /// Its name.
    pub of: String,
    /// What it is compared with; what lies below it if nothing is named.
    pub with: Option<String>,
}

/// What kind of things a comparison is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffSubject {
    /// Images, and containers where no image has the name; what can be the beginning of an image's
    /// id, and docker's words, name a container first.
    Any,
    /// Containers.
    Container,
    /// Images.
    Image,
}

/// The layers of something, topmost first.
struct Stack {
    top: Vec<PathBuf>,
    below: Vec<PathBuf>,
    /// Paths that its user has mounted something over.
    mounted: Vec<String>,
}

/// What a start makes for its own mounts, and so says nothing of what the container did.
const OWN_PLACES: &[&str] = &[
    "/dev",
    "/etc/apt/apt.conf.d/zz-one-user",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/notify",
    "/run/secrets",
    "/sys",
];

impl Engine {
    /// What differs, by path.
    ///
    /// # Errors
    ///
    /// See [`FilesError`].
    pub fn diff(&self, request: &DiffRequest) -> Result<Vec<Change>, FilesError> {
        let one = self.stack(request.subject, &request.of)?;
        let other = request.with.as_ref();
        let other = other.map(|name| self.stack(request.subject, name));
        let (upper, lower, against) = match other.transpose()? {
            None => (one.top, one.below, Against::Below),
            Some(other) => (
                [one.top, one.below].concat(),
                [other.top, other.below].concat(),
                Against::Other,
            ),
        };
        let mut work = || {
            let found = changes(&upper, &lower, against);
            let found = found.map_err(|error| crate::runtime::failure::chain(&error));
            serde_json::to_vec(&found).expect("paths and words")
        };
        let failed = |words| FilesError::Work {
            action: format!("compare {}", request.of),
            words,
        };
        let answer = self.workplace()?.run(&mut work).map_err(failed)?;
        let mut found: Vec<Change> = serde_json::from_slice::<Result<_, String>>(&answer)
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(failed)?;
        found.retain(|change| {
            let is = |path: &str| path.as_bytes() == change.path;
            !OWN_PLACES.iter().any(|path| is(path)) && !one.mounted.iter().any(|path| is(path))
        });
        Ok(found)
    }

    fn stack(&self, subject: DiffSubject, name: &str) -> Result<Stack, FilesError> {
        match subject {
            DiffSubject::Container => self.container_stack(name),
            DiffSubject::Image => self.image_stack(name),
            DiffSubject::Any if self.means_container(name)? => self.container_stack(name),
            DiffSubject::Any => match self.image_stack(name) {
                Err(FilesError::Storage(StorageError::NoSuchImage { .. })) => {
                    match self.container_stack(name) {
                        Err(FilesError::State(StateError::NoSuchContainer { .. })) => {
                            let name = name.to_owned();
                            Err(FilesError::Neither { name })
                        }
                        result => result,
                    }
                }
                result => result,
            },
        }
    }

    /// Whether `name` is a container's, and not to be looked for among images at first.
    fn means_container(&self, name: &str) -> Result<bool, FilesError> {
        let can_be_id = name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.dialect == Dialect::Podman && !can_be_id {
            return Ok(false);
        }
        let store = self.store()?;
        let id = store.resolve(name);
        Ok(id.is_ok_and(|id| store.is_called(&id, name)))
    }

    fn image_stack(&self, name: &str) -> Result<Stack, FilesError> {
        let image = self.images()?.resolve(name)?;
        let layers = image.layers.iter().rev();
        let mut paths = layers.map(|layer| layer.diff_path.clone());
        Ok(Stack {
            top: paths.next().into_iter().collect(),
            below: paths.collect(),
            mounted: Vec::new(),
        })
    }

    fn container_stack(&self, name: &str) -> Result<Stack, FilesError> {
        let store = self.store()?;
        let record = store.load(&store.resolve(name)?)?;
        let [top, below @ ..] = &self.container_layers(&record, "compare")?[..] else {
            unreachable!("a container has an upper layer");
        };
        let mounts = record.mounts().iter();
        Ok(Stack {
            top: vec![top.clone()],
            below: below.to_vec(),
            mounted: mounts.map(|mount| mount.container_path.clone()).collect(),
        })
    }

    /// The directories that make up a container's tree, topmost first: there is one at least.
    pub(super) fn container_layers(
        &self,
        record: &ContainerRecord,
        action: &'static str,
    ) -> Result<Vec<PathBuf>, FilesError> {
        let mut layers = vec![self.dirs.container(&record.id).join("upper")];
        match self.root_source(record)? {
            RootSource::Layers { directories, .. } => layers.extend(directories),
            RootSource::Overlay(path) => layers.push(path),
            RootSource::Directory(path) => layers = vec![path],
            RootSource::Machine => {
                let name = record.name.clone();
                return Err(FilesError::Machine { name, action });
            }
        }
        Ok(layers)
    }
}
