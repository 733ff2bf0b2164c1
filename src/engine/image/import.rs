// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `import`: an image of one layer from the tar file of a root file system.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;

use super::changes;
use super::commit::ImageFormat;
use super::error::{ImageError, go_reason};
use crate::engine::Engine;
use crate::engine::web::is_url;
use crate::oci::{ContainerConfig, Digest, History, ImageConfiguration, Platform, RootFs};
use crate::state::events::{Action, Event};
use crate::storage::{Expected, LayerRecord, NewImage};

/// What is asked of an import.
#[derive(Debug)]
pub struct ImportRequest {
    /// Where the tar stream comes from.
    pub source: ImportSource,
    /// The name that the image gets, as typed.
    pub name: Option<String>,
    /// `--change`.
    pub changes: Vec<String>,
    /// `--message`.
    pub message: Option<String>,
    /// `--os`, `--arch` and `--variant`; empty parts are the machine's.
    pub platform: Platform,
}

/// Where a tar stream comes from.
#[derive(Debug)]
pub enum ImportSource {
    /// A file of the host, or a URL, as typed.
    Path(PathBuf),
    /// What is open already, such as standard input.
    Open(File),
}

impl Engine {
    /// Makes an image from a root file system and returns its id.
    ///
    /// # Errors
    ///
    /// See [`ImageError`]; nothing is left behind then.
    pub fn import_image(&self, request: ImportRequest) -> Result<Digest, ImageError> {
        let mut config = ContainerConfig::default();
        changes::apply(&mut config, &request.changes)?;
        let names = request.name.as_deref().map(|name| self.new_name(name));
        let names = names.transpose()?;
        let (file, created) = self.open(request.source)?;
        let workplace = self.workplace()?;
        let images = self.images()?;
        let unknown = Expected::default();
        let (layer, pin) = images.layers().add(None, unknown, &file, &*workplace)?;
        let config = ImageConfiguration {
            created: Some(created),
            architecture: request.platform.architecture,
            variant: request.platform.variant,
            os: request.platform.os,
            config,
            rootfs: RootFs {
                diff_ids: vec![layer.record.diff_id.clone()],
                ..RootFs::default()
            },
            history: vec![history(&layer.record, created, request.message)],
            ..ImageConfiguration::default()
        };
        let config = serde_json::to_vec(&config).expect("a configuration has string keys");
        let manifest = ImageFormat::Oci.manifest(&config, std::slice::from_ref(&layer));
        let new = NewImage {
            config: &config,
            manifest: &manifest,
            names: names.as_slice(),
            origin: None,
        };
        let id = images.add(&new, vec![pin])?;
        let name = names.map(|name| name.to_string()).unwrap_or_default();
        self.emit(&[Event::of_image(id.hex(), &name, Action::Import)]);
        Ok(id)
    }
}

impl Engine {
    /// The stream, and when what it holds was made.
    fn open(&self, source: ImportSource) -> Result<(File, Timestamp), ImageError> {
        match source {
            ImportSource::Open(file) => Ok((file, Timestamp::now())),
            ImportSource::Path(path) => match path.to_str().filter(|text| is_url(text)) {
                Some(url) => Ok((self.downloaded(url)?, Timestamp::now())),
                None => open_file(path),
            },
        }
    }
}

fn open_file(path: PathBuf) -> Result<(File, Timestamp), ImageError> {
    let opened = File::open(&path).and_then(|file| {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        Ok((file, metadata.modified()?))
    });
    match opened {
        Ok((file, modified)) => Ok((file, timestamp(modified))),
        Err(error) => Err(ImageError::OpenFile {
            call: "open",
            reason: go_reason(&error),
            path,
        }),
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_else(|_| Timestamp::now())
}

fn history(layer: &LayerRecord, created: Timestamp, message: Option<String>) -> History {
    let hex = layer.diff_id.hex();
    History {
        created: Some(created),
        created_by: format!("/bin/sh -c #(nop) ADD file:{hex} in /"),
        comment: message.unwrap_or_else(|| "imported from tarball".to_owned()),
        ..History::default()
    }
}
