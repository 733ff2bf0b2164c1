// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest push`: the images of a list first, the list at the end, so that whoever finds the list
//! finds all of it.

use std::sync::Arc;

use super::{IndexDocument, ManifestError, document, tag_or_digest};
use crate::engine::Engine;
use crate::engine::access::{Access, AccessRequest, Place};
use crate::engine::artifact::{self, SendError};
use crate::engine::image::{
    ManifestFormat, PushRequest, ReusedForms, Step, TransferReport, download,
};
use crate::oci::{Descriptor, Digest, Manifest, Reference, media_type};
use crate::registry::{Blob, Patience, Registry, RegistryError};
use crate::storage::{Artifacts, InstanceSource, Instances, LayerCompression, Packing};

/// Which images of a list are pushed with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PushedInstances {
    /// All.
    #[default]
    All,
    /// None: they are there already.
    None,
}

/// What `manifest push` is asked for.
#[derive(Debug, Clone, Default)]
pub struct ManifestPushRequest {
    /// The list as typed.
    pub list: String,
    /// The name at the registry, as typed; `None` is the list's own.
    pub destination: Option<String>,
    /// Which images go with it.
    pub instances: PushedInstances,
    /// How new layers are compressed.
    pub packing: Packing,
    /// Which layers need not be compressed anew.
    pub reused: ReusedForms,
    /// What each image is compressed with once more, beside the first form (`--add-compression`).
    pub added: Vec<LayerCompression>,
    /// Whose words manifests and the list have; `None` keeps them.
    pub format: Option<ManifestFormat>,
    /// How the registry is reached.
    pub access: AccessRequest,
    /// How long the registry is waited for.
    pub patience: Patience,
}

/// Where a list goes.
struct Target<'a> {
    name: &'a Reference,
    place: Place,
    registry: Registry,
    patience: Patience,
    scratch: std::path::PathBuf,
}

impl Engine {
    /// Gives a list, and the images in it, to a registry; the list's full name and digest there.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// What a push of each of its images says; [`ManifestError::Write`].
    pub fn push_manifest(
        &self,
        request: &ManifestPushRequest,
        report: &dyn TransferReport,
    ) -> Result<(Reference, Digest), ManifestError> {
        let images = self.list_store()?;
        let list = images.manifest_list(&request.list)?;
        let own = || images.find(&request.list).ok().and_then(|(_, name)| name);
        let name = request.destination.clone().or_else(own);
        let name = name.unwrap_or_else(|| request.list.clone());
        let name = Reference::parse_normalized(&name)
            .map_err(|source| ManifestError::Reference { name, source })?;
        let mut index = document(&list)?;
        if let Some(format) = request.format {
            index.set_format(format);
        }
        // These run in children: no thread of the client may be here yet.
        if request.instances == PushedInstances::All {
            let in_order = index.digests();
            self.push_images_here(request, &name, &mut index, &list.instances, report)?;
            for compression in &request.added {
                let instances = in_order.iter().map(|digest| list.instances.get(digest));
                let instances: Vec<_> = instances.collect();
                let once_more = (*compression, &instances[..]);
                self.push_once_more(request, &name, &mut index, once_more, report)?;
            }
        }
        let access = self.access(request.access.clone())?;
        let place = access.push_place(&name, report)?;
        let (endpoint, who) = (place.endpoint.clone(), place.credentials.clone());
        let target = Target {
            name: &name,
            registry: Registry::new(endpoint, who, request.patience),
            place,
            patience: request.patience,
            scratch: self.dirs.tmp(),
        };
        if request.instances == PushedInstances::All {
            target.copy_images_there(&access, &list.instances, report)?;
            target.send_artifacts(&self.artifacts()?, &list.instances, report)?;
        }
        report.step(Step::Manifest);
        let digest = target.put_index(&index)?;
        Ok((name, digest))
    }

    /// Pushes the images of this store by their digests, and writes down the digests under which
    /// they arrived.
    fn push_images_here(
        &self,
        request: &ManifestPushRequest,
        name: &Reference,
        index: &mut IndexDocument,
        instances: &Instances,
        report: &dyn TransferReport,
    ) -> Result<(), ManifestError> {
        for (digest, source) in instances {
            let InstanceSource::Image(id) = source else {
                continue;
            };
            let pushed = self.push(
                &PushRequest {
                    image: id.hex().to_owned(),
                    destination: Some(name.at_digest(digest.clone()).to_string()),
                    packing: request.packing,
                    reused: request.reused,
                    format: request.format,
                    access: request.access.clone(),
                    patience: request.patience,
                },
                report,
            )?;
            let kind = request.format.map(manifest_type);
            index.moved(digest, &pushed.digest, pushed.size_bytes, kind);
        }
        Ok(())
    }
}

impl Engine {
    /// Pushes the images of this store in another compression, and adds them to the list behind what
    /// is there, by the number of their instance.
    fn push_once_more(
        &self,
        request: &ManifestPushRequest,
        name: &Reference,
        index: &mut IndexDocument,
        (compression, instances): (LayerCompression, &[Option<&InstanceSource>]),
        report: &dyn TransferReport,
    ) -> Result<(), ManifestError> {
        for (number, source) in instances.iter().enumerate() {
            let id = match source {
                Some(InstanceSource::Image(id)) => id,
                Some(InstanceSource::Artifact) => continue,
                Some(InstanceSource::Registry(_)) | None => {
                    let name = index.digests().get(number).map(ToString::to_string);
                    let name = name.unwrap_or_default();
                    return Err(ManifestError::NotHere { name });
                }
            };
            let pushed = self.push(
                &PushRequest {
                    image: id.hex().to_owned(),
                    destination: Some(name.at_digest(id.clone()).to_string()),
                    packing: compression.into(),
                    reused: ReusedForms::SameCompression,
                    // Docker's words have none for zstd.
                    format: Some(ManifestFormat::Oci),
                    access: request.access.clone(),
                    patience: request.patience,
                },
                report,
            )?;
            index.add_variant(number, &pushed.digest, pushed.size_bytes, compression);
        }
        Ok(())
    }
}

fn manifest_type(format: ManifestFormat) -> &'static str {
    match format {
        ManifestFormat::Oci => media_type::OCI_MANIFEST,
        ManifestFormat::Docker => media_type::DOCKER_MANIFEST,
    }
}

impl Target<'_> {
    fn copy_images_there(
        &self,
        access: &Access,
        instances: &Instances,
        report: &dyn TransferReport,
    ) -> Result<(), ManifestError> {
        for (digest, source) in instances {
            let InstanceSource::Registry(name) = source else {
                continue;
            };
            let source = Reference::parse(name).map_err(|source| ManifestError::Reference {
                name: name.clone(),
                source,
            })?;
            let source = source.at_digest(digest.clone());
            self.copy_image(access, &source, digest, report)?;
        }
        Ok(())
    }

    fn send_artifacts(
        &self,
        store: &Artifacts,
        instances: &Instances,
        report: &dyn TransferReport,
    ) -> Result<(), ManifestError> {
        let target = (&self.registry, self.place.reference.path());
        for (digest, source) in instances {
            if *source != InstanceSource::Artifact {
                continue;
            }
            let sent = artifact::send(store, digest, target, &digest.to_string(), report);
            sent.map_err(|error| match error {
                SendError::Storage(error) => error.into(),
                SendError::Registry(error) => self.failed(error),
            })?;
        }
        Ok(())
    }

    /// Copies one image from wherever it is to be had.
    fn copy_image(
        &self,
        access: &Access,
        source: &Reference,
        digest: &Digest,
        report: &dyn TransferReport,
    ) -> Result<(), ManifestError> {
        let mut first_error = None;
        for place in access.pull_places(source, report)? {
            if place.endpoint.authority == self.place.endpoint.authority
                && place.reference.path() == self.place.reference.path()
            {
                return Ok(());
            }
            let (endpoint, who) = (place.endpoint.clone(), place.credentials.clone());
            let from = Registry::new(endpoint, who, self.patience);
            match self.copy_from(&from, &place, digest) {
                Ok(()) => return Ok(()),
                Err(error) => first_error.get_or_insert(error),
            };
        }
        match first_error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn copy_from(
        &self,
        from: &Registry,
        place: &Place,
        digest: &Digest,
    ) -> Result<(), ManifestError> {
        let repository = place.reference.path();
        let read = |source| ManifestError::Read {
            name: place.reference.to_string(),
            host: place.endpoint.authority.clone(),
            source: Box::new(source),
        };
        let fetched = from
            .manifest(repository, &digest.to_string())
            .map_err(read)?;
        let manifest: Manifest = serde_json::from_slice(&fetched.bytes).map_err(|_document| {
            let name = place.reference.to_string();
            ManifestError::NotAnImage { name }
        })?;
        let blobs = manifest.layers.iter().chain([&manifest.config]);
        for blob in blobs {
            self.copy_blob(from, place, blob)?;
        }
        let (reference, kind) = (digest.to_string(), &fetched.media_type);
        let to = self.place.reference.path();
        let put = self
            .registry
            .put_manifest(to, &reference, kind, &fetched.bytes);
        put.map(drop).map_err(|source| self.failed(source))
    }

    fn copy_blob(
        &self,
        from: &Registry,
        place: &Place,
        blob: &Descriptor,
    ) -> Result<(), ManifestError> {
        let to = self.place.reference.path();
        let failed = |source| self.failed(source);
        if self.registry.has_blob(to, &blob.digest).map_err(failed)? {
            return Ok(());
        }
        if place.endpoint.authority == self.place.endpoint.authority {
            let repository = place.reference.path();
            let mounted = self.registry.mount_blob(to, &blob.digest, repository);
            if mounted.map_err(failed)? {
                return Ok(());
            }
        }
        let file = download(from, place.reference.path(), blob, &self.scratch);
        let file = file.map_err(|source| ManifestError::Read {
            name: place.reference.to_string(),
            host: place.endpoint.authority.clone(),
            source: Box::new(source),
        })?;
        let sent = Blob {
            file: Arc::new(file),
            size_bytes: blob.size,
            digest: blob.digest.clone(),
        };
        self.registry.upload(to, &sent).map_err(failed)
    }

    fn put_index(&self, index: &IndexDocument) -> Result<Digest, ManifestError> {
        let reference = tag_or_digest(&self.place.reference);
        let (path, bytes) = (self.place.reference.path(), index.to_bytes());
        let put = self
            .registry
            .put_manifest(path, &reference, index.media_type(), &bytes);
        put.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: RegistryError) -> ManifestError {
        let name = self.name.to_string();
        ManifestError::Write {
            name,
            source: Box::new(source),
        }
    }
}
