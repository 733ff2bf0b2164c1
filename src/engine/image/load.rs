// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `load`: the images of an archive.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::download::is_url;
use super::error::{ImageError, go_reason};
use super::progress::{Step, TransferReport};
use crate::config::policy::Policy;
use crate::engine::{Dialect, Engine};
use crate::oci::{Digest, ImageConfiguration, Reference};
use crate::storage::archive::{self, ArchiveForm, ArchivedImage};
use crate::storage::{Expected, Images, NewImage, Pin, Workplace};

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
}

impl LoadRequest {
    /// All images of an archive.
    pub fn all(source: LoadSource) -> Self {
        Self {
            source,
            which: WhichArchived::All,
            policy: None,
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
        let workplace = self.workplace()?;
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
        let images = self.images()?;
        let loaded = archived.iter();
        loaded
            .map(|image| self.keep_archived(&images, image, &*workplace, report))
            .collect()
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

    fn keep_archived(
        &self,
        images: &Images,
        archived: &ArchivedImage,
        workplace: &dyn Workplace,
        report: &dyn TransferReport,
    ) -> Result<LoadedImage, ImageError> {
        let config = ImageConfiguration::from_json(&archived.config)
            .expect("the archive's reader has read it before");
        let names = archived.names.iter().map(|name| self.new_name(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let digest = &Digest::sha256(&archived.manifest);
        report.step(Step::Found { name: None, digest });
        let mut pins: Vec<Pin> = Vec::with_capacity(archived.layers.len());
        let mut parent: Option<Digest> = None;
        for (diff_id, blob) in config.rootfs.diff_ids.iter().zip(&archived.layers) {
            let expected = Expected {
                diff_id: Some(diff_id),
                blob_digest: blob.blob_digest.as_ref(),
                blob_type: blob.blob_type.as_deref(),
            };
            let digest = blob.blob_digest.as_ref().unwrap_or(diff_id);
            let size_bytes = blob.size_bytes();
            report.step(Step::Layer { digest, size_bytes });
            let layers = images.layers();
            let (layer, pin) = layers.add(parent.as_ref(), expected, blob.reader(), workplace)?;
            if let Some(digest) = &blob.blob_digest {
                layers.keep_blob(&layer, digest, || blob.reader())?;
            }
            report.step(Step::LayerDone { digest });
            pins.push(pin);
            parent = Some(layer.chain_id);
        }
        let digest = &Digest::sha256(&archived.config);
        report.step(Step::Config { digest });
        report.step(Step::Manifest);
        let new = NewImage {
            config: &archived.config,
            manifest: &archived.manifest,
            names: &names,
            origin: None,
        };
        Ok(LoadedImage {
            id: images.add(&new, pins)?,
            names: names.iter().map(ToString::to_string).collect(),
        })
    }
}
