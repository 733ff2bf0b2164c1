// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `load`: the images of an archive.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::archived::Load;
use super::error::{ImageError, go_reason};
use super::progress::TransferReport;
use super::pulled::PullFailure;
use super::save::ArchiveEvent;
use crate::config::policy::Policy;
use crate::engine::web::is_url;
use crate::engine::{Dialect, Engine};
use crate::oci::{Digest, Reference};
use crate::runtime::failure::chain;
use crate::state::events::{Action, Event};
use crate::storage::StorageError;
use crate::storage::archive::{self, ArchiveForm, ArchivedImage};

/// Where an archive comes from.
#[derive(Debug)]
pub enum LoadSource {
    /// A file or directory of the host, or a URL.
    Path(PathBuf),
    /// What is open already, such as standard input.
    Open(File),
}

/// What `load` is asked for.
#[derive(Debug)]
pub struct LoadRequest {
    /// The archive.
    pub source: LoadSource,
    /// Which of its images.
    pub which: WhichArchived,
    /// `--signature-policy`.
    pub policy: Option<PathBuf>,
    /// What is told of it.
    pub told: ArchiveEvent,
}

impl LoadRequest {
    /// All images of an archive.
    pub fn all(source: LoadSource) -> Self {
        Self {
            source,
            which: WhichArchived::All,
            policy: None,
            told: ArchiveEvent {
                action: Action::LoadFromArchive,
                name: String::new(),
            },
        }
    }
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: Digest,
    /// Its names in the archive, complete.
    pub names: Vec<String>,
}

/// Which images of an archive are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WhichArchived {
    /// All of them.
    #[default]
    All,
    /// The one of that name, or `@N`, the number N from 0 on.
    One(String),
}

impl Engine {
    /// Keeps the images of an archive, and tells the steps.
    ///
    /// # Errors
    ///
    /// See [`ImageError`]; images of the archive before the failing one stay.
    pub fn load_images(
        &self,
        request: LoadRequest,
        report: &dyn TransferReport,
    ) -> Result<Vec<LoadedImage>, ImageError> {
        let scratch = self.dirs.tmp();
        let (archived, path) = match request.source {
            LoadSource::Open(file) => (archive::open_file(file, &scratch)?, None),
            LoadSource::Path(path) if path.to_str().is_some_and(is_url) => {
                let file = self.downloaded(&path.to_string_lossy())?;
                (archive::open_file(file, &scratch)?, None)
            }
            LoadSource::Path(path) => {
                if let Err(error) = std::fs::metadata(&path) {
                    let reason = go_reason(&error);
                    let call = "stat";
                    return Err(ImageError::OpenFile { call, path, reason });
                }
                (archive::open_path(&path, &scratch)?, Some(path))
            }
        };
        let archived = match &request.which {
            WhichArchived::All => archived,
            WhichArchived::One(name) => vec![self.one_archived(archived, name)?],
        };
        self.ask_policy(&archived, path.as_deref(), request.policy.as_deref())?;
        let names = archived.iter().map(|image| {
            let names = image.names.iter().map(|name| self.new_name(name));
            names.collect::<Result<Vec<_>, _>>()
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let images = &self.images()?;
        let ids = self.in_child(|workplace| {
            let load = Load {
                images,
                workplace,
                report,
            };
            let pairs = archived.iter().zip(&names);
            let ids = pairs.map(|(image, names)| load.one(image, names));
            let ids: Result<Vec<Digest>, StorageError> = ids.collect();
            ids.map_err(|error| PullFailure::other(chain(&error)))
        })?;
        let told: Vec<Event> = ids.iter().map(|id| request.told.of(id)).collect();
        self.emit(&told);
        let loaded = ids.into_iter().zip(names).map(|(id, names)| LoadedImage {
            id,
            names: names.iter().map(ToString::to_string).collect(),
        });
        Ok(loaded.collect())
    }
}

impl Engine {
    /// Whether policy.json lets the images in; Docker knows no such file.
    fn ask_policy(
        &self,
        archived: &[ArchivedImage],
        path: Option<&Path>,
        named: Option<&Path>,
    ) -> Result<(), ImageError> {
        let Some(first) = archived.first().filter(|_| self.dialect == Dialect::Podman) else {
            return Ok(());
        };
        let path = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        let is_directory = path.as_ref().is_some_and(|path| path.is_dir());
        let transport = match first.form {
            ArchiveForm::Docker => "docker-archive",
            ArchiveForm::Oci if is_directory => "oci",
            ArchiveForm::Oci => "oci-archive",
            ArchiveForm::Directory | ArchiveForm::DirectoryAsIs => "dir",
        };
        let policy = Policy::load(&|name| std::env::var_os(name), named);
        let checked = policy.and_then(|policy| policy.check_file(transport, path.as_deref()));
        checked.map_err(|error| ImageError::Access(error.into()))
    }

    /// The image that is meant by `name`, with that name alone.
    fn one_archived(
        &self,
        archived: Vec<ArchivedImage>,
        name: &str,
    ) -> Result<ArchivedImage, ImageError> {
        let missing = || ImageError::NotInArchive {
            name: name.to_owned(),
        };
        let mut images = archived.into_iter();
        if let Some(number) = name.strip_prefix('@') {
            let number: usize = number.parse().map_err(|_not_a_number| missing())?;
            return images.nth(number).ok_or_else(missing);
        }
        let wanted = Reference::parse_normalized(name).ok();
        let local = self.new_name(name).ok();
        let is_it = |found: &String| {
            found == name
                || Reference::parse_normalized(found).is_ok_and(|full| {
                    let full = Some(full);
                    full == wanted || full == local
                })
        };
        images
            .find_map(|mut image| {
                image.names.retain(is_it);
                (!image.names.is_empty()).then_some(image)
            })
            .ok_or_else(missing)
    }
}
