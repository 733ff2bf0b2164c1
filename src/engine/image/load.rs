// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `load`: the images of an archive.

use std::fs::File;
use std::path::PathBuf;

use super::error::{ImageError, go_reason};
use super::progress::{Step, TransferReport};
use crate::engine::Engine;
use crate::oci::{Digest, ImageConfiguration};
use crate::storage::archive::{self, ArchivedImage};
use crate::storage::{Expected, Images, NewImage, Pin, Workplace};

/// Where an archive comes from.
#[derive(Debug)]
pub enum LoadSource {
    /// A file or directory of the host.
    Path(PathBuf),
    /// What is open already, such as standard input.
    Open(File),
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: Digest,
    /// Its names in the archive, complete.
    pub names: Vec<String>,
}

impl Engine {
    /// Keeps every image of an archive, and tells the steps.
    ///
    /// # Errors
    ///
    /// See [`ImageError`]; images of the archive before the failing one stay.
    pub fn load_images(
        &self,
        source: LoadSource,
        report: &dyn TransferReport,
    ) -> Result<Vec<LoadedImage>, ImageError> {
        let workplace = self.workplace()?;
        let scratch = self.dirs.tmp();
        let archived = match source {
            LoadSource::Open(file) => archive::open_file(file, &scratch)?,
            LoadSource::Path(path) => {
                if let Err(error) = std::fs::metadata(&path) {
                    let reason = go_reason(&error);
                    let call = "stat";
                    return Err(ImageError::OpenFile { call, path, reason });
                }
                archive::open_path(&path, &scratch)?
            }
        };
        let images = self.images()?;
        let loaded = archived.iter();
        loaded
            .map(|image| self.keep_archived(&images, image, &*workplace, report))
            .collect()
    }
}

impl Engine {
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
