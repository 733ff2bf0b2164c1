// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives of our own: Docker's and the image specification's, as a tar file or a directory. What
//! stands in them is said here; how it gets there is the sink's.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use serde_json::json;

use super::files::blob_name;
use super::sink::{Output, Sink};
use crate::oci::{Descriptor, Digest, Index, Manifest, media_type};
use crate::storage::Layer;

/// The annotation that holds an image's name in an index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image on its way out.
#[derive(Debug)]
pub struct OutgoingImage {
    /// Its configuration, as it is kept.
    pub config: Vec<u8>,
    /// Its manifest, as it is kept.
    pub manifest: Vec<u8>,
    /// The names that it has in the archive.
    pub names: Vec<String>,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
}

/// What kind of archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveForm {
    /// `manifest.json` with plain layers, as `docker load` reads it.
    Docker,
    /// `index.json` and `blobs/`.
    Oci,
    /// One image, blobs by their digests beside `manifest.json`; Docker's documents.
    Directory,
    /// The same with documents of the kind that the image has.
    DirectoryAsIs,
}

/// Whether layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerForm {
    /// Plain tar streams.
    Plain,
    /// gzip.
    Gzip,
}

/// Writes `images`. What has to wait for its size is kept in an unnamed file in `scratch`.
///
/// # Errors
///
/// A layer that cannot be put together again or is damaged; what writing says.
pub fn write(
    images: &[OutgoingImage],
    form: ArchiveForm,
    layers: LayerForm,
    output: &Output,
    scratch: &Path,
) -> io::Result<()> {
    let mut archive = Archive {
        sink: Sink::new(output, scratch)?,
        layers,
        written: HashMap::new(),
    };
    match form {
        ArchiveForm::Docker => archive.docker(images)?,
        ArchiveForm::Oci => archive.oci(images)?,
        ArchiveForm::Directory => {
            for image in images {
                archive.directory(image, Types::DOCKER)?;
            }
        }
        ArchiveForm::DirectoryAsIs => {
            for image in images {
                archive.directory(image, Types::of(image))?;
            }
        }
    }
    archive.sink.finish()
}

struct Archive<'a> {
    sink: Sink<'a>,
    layers: LayerForm,
    /// Blobs by the diff ids of their layers, or by their own digests: images share layers.
    written: HashMap<Digest, (Digest, u64)>,
}

impl Archive<'_> {
    fn docker(&mut self, images: &[OutgoingImage]) -> io::Result<()> {
        let mut manifest = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for image in images {
            let mut paths = Vec::new();
            for layer in &image.layers {
                let name = format!("{}.tar", layer.record.diff_id.hex());
                if !self.written.contains_key(&layer.record.diff_id) {
                    self.sink.plain_layer(&name, layer)?;
                    let known = (layer.record.diff_id.clone(), 0);
                    self.written.insert(layer.record.diff_id.clone(), known);
                }
                paths.push(name);
            }
            let config = format!("{}.json", Digest::sha256(&image.config).hex());
            self.sink.document(&config, &image.config)?;
            let top = image
                .layers
                .last()
                .map(|layer| layer.chain_id.hex().to_owned());
            for name in &image.names {
                if let Some((repository, tag)) = name.rsplit_once(':') {
                    let tags = repositories.entry(repository.to_owned()).or_default();
                    tags.insert(tag.to_owned(), top.clone().unwrap_or_default());
                }
            }
            let names = (!image.names.is_empty()).then_some(&image.names);
            manifest.push(json!({"Config": config, "RepoTags": names, "Layers": paths}));
        }
        self.sink
            .document("repositories", &to_json(&repositories))?;
        self.sink.document("manifest.json", &to_json(&manifest))
    }

    fn oci(&mut self, images: &[OutgoingImage]) -> io::Result<()> {
        self.sink
            .document("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        self.sink.directory("blobs/")?;
        self.sink.directory("blobs/sha256/")?;
        let mut index = Index {
            schema_version: 2,
            media_type: media_type::OCI_INDEX.to_owned(),
            ..Index::default()
        };
        for image in images {
            let types = Types::OCI;
            let (manifest, config) = self.manifest(image, types, blob_name)?;
            self.document_once(&blob_name(&config), &image.config)?;
            let mut descriptor = Descriptor::of(types.manifest, &manifest);
            self.document_once(&blob_name(&descriptor.digest), &manifest)?;
            if image.names.is_empty() {
                index.manifests.push(descriptor.clone());
            }
            for name in &image.names {
                let name = (REF_NAME.to_owned(), name.clone());
                descriptor.annotations = BTreeMap::from([name]);
                index.manifests.push(descriptor.clone());
            }
        }
        self.sink.document("index.json", &to_json(&index))
    }

    /// The layout of the transport `dir:`.
    fn directory(&mut self, image: &OutgoingImage, types: Types) -> io::Result<()> {
        self.sink
            .document("version", b"Directory Transport Version: 1.1\n")?;
        let (manifest, config) = self.manifest(image, types, |digest| digest.hex().to_owned())?;
        self.sink.document(config.hex(), &image.config)?;
        self.sink.document("manifest.json", &manifest)
    }

    /// Writes the layers and returns the manifest that names them: the image's own where it names
    /// just these. With it comes the digest under which it names the configuration.
    fn manifest(
        &mut self,
        image: &OutgoingImage,
        types: Types,
        name: fn(&Digest) -> String,
    ) -> io::Result<(Vec<u8>, Digest)> {
        let own = serde_json::from_slice::<Manifest>(&image.manifest).ok();
        let own = own.filter(|own| own.media_type.is_empty() || own.media_type == types.manifest);
        let mut layers = Vec::new();
        for (at, layer) in image.layers.iter().enumerate() {
            let known = own.as_ref().and_then(|own| own.layers.get(at));
            layers.push(self.described_layer(layer, known, types, name)?);
        }
        if let Some(own) = &own {
            let digests = own.layers.iter().map(|layer| &layer.digest);
            if digests.eq(layers.iter().map(|layer| &layer.digest))
                && own.config.media_type == types.config
            {
                return Ok((image.manifest.clone(), own.config.digest.clone()));
            }
        }
        let config = Descriptor::of(types.config, &image.config);
        let digest = config.digest.clone();
        let manifest = to_json(&Manifest {
            schema_version: 2,
            media_type: types.manifest.to_owned(),
            config,
            layers,
            annotations: own.map(|own| own.annotations).unwrap_or_default(),
        });
        Ok((manifest, digest))
    }

    /// Writes a layer: the blob that its manifest names if it is kept, else one made now.
    fn described_layer(
        &mut self,
        layer: &Layer,
        known: Option<&Descriptor>,
        types: Types,
        name: fn(&Digest) -> String,
    ) -> io::Result<Descriptor> {
        let (media_type, known) = match self.layers {
            LayerForm::Plain => (types.plain, None),
            LayerForm::Gzip => (types.gzip, known),
        };
        if let Some(known) = known
            && self.kept_layer(layer, &known.digest, name)?
        {
            return Ok(known.clone());
        }
        let (digest, size) = self.layer(layer, name)?;
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            size,
            digest,
            platform: None,
            annotations: BTreeMap::new(),
        })
    }

    /// Writes a blob that is kept; whether it is.
    fn kept_layer(
        &mut self,
        layer: &Layer,
        digest: &Digest,
        name: fn(&Digest) -> String,
    ) -> io::Result<bool> {
        if self.written.contains_key(digest) {
            return Ok(true);
        }
        let Some((file, size)) = layer.kept_blob(digest) else {
            return Ok(false);
        };
        self.sink.blob(&name(digest), file, size)?;
        self.written.insert(digest.clone(), (digest.clone(), size));
        Ok(true)
    }

    fn layer(&mut self, layer: &Layer, name: fn(&Digest) -> String) -> io::Result<(Digest, u64)> {
        let diff_id = &layer.record.diff_id;
        if let Some(known) = self.written.get(diff_id) {
            return Ok(known.clone());
        }
        let blob = match self.layers {
            LayerForm::Plain => {
                self.sink.plain_layer(&name(diff_id), layer)?;
                (diff_id.clone(), layer.record.content.size_bytes)
            }
            LayerForm::Gzip => self.sink.packed_layer(layer, name)?,
        };
        self.written.insert(diff_id.clone(), blob.clone());
        Ok(blob)
    }

    fn document_once(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let digest = Digest::sha256(bytes);
        if self.written.contains_key(&digest) {
            return Ok(());
        }
        self.sink.document(name, bytes)?;
        self.written.insert(digest.clone(), (digest, 0));
        Ok(())
    }
}

/// Media types of one family.
#[derive(Clone, Copy)]
struct Types {
    manifest: &'static str,
    config: &'static str,
    plain: &'static str,
    gzip: &'static str,
}

impl Types {
    /// Those of the image's own manifest.
    fn of(image: &OutgoingImage) -> Self {
        let own = serde_json::from_slice::<Manifest>(&image.manifest);
        match own {
            Ok(own) if own.media_type != media_type::DOCKER_MANIFEST => Self::OCI,
            Ok(_) | Err(_) => Self::DOCKER,
        }
    }

    const OCI: Self = Self {
        manifest: media_type::OCI_MANIFEST,
        config: media_type::OCI_CONFIG,
        plain: media_type::OCI_LAYER,
        gzip: media_type::OCI_LAYER_GZIP,
    };
    const DOCKER: Self = Self {
        manifest: media_type::DOCKER_MANIFEST,
        config: media_type::DOCKER_CONFIG,
        plain: media_type::DOCKER_LAYER_PLAIN,
        gzip: media_type::DOCKER_LAYER,
    };
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has string keys")
}
