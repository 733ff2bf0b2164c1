// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a registry into the store: the manifest of this platform, then all layers at once, each as
//! one stream from the network to its files, and at the end the image that names them.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use super::parallel::for_each;
use super::progress::{Step, TransferReport};
use super::pulled::{Novelty, PullCause, PullFailure, PulledImage};
use super::sources::Place;
use crate::oci::{
    Descriptor, Digest, ImageConfiguration, Index, Manifest, Platform, Reference, media_type,
};
use crate::registry::{Fetched, RegistryError};
use crate::runtime::failure::chain;
use crate::storage::{
    Expected, Image, Images, InPlace, Intake, NewImage, Origin, Pin, StorageError, chain_ids,
};

/// Indexes that may stand in each other.
const INDEX_DEPTH: usize = 3;

/// Layers of one image; the overlay of Linux holds no more.
const LAYERS_MAX: usize = 500;

/// What all images of one pull have in common.
pub(super) struct Fetch<'a> {
    pub(super) images: &'a Images,
    pub(super) workplace: &'a InPlace,
    pub(super) platform: &'a Platform,
    /// Whether the command line said that registries need not prove who they are.
    pub(super) is_insecure: bool,
    pub(super) report: &'a dyn TransferReport,
}

/// A manifest with what led to it.
struct Found {
    manifest: Fetched,
    indexes: Vec<Fetched>,
}

/// One layer to get.
struct Job<'a> {
    blob: &'a Descriptor,
    diff_id: &'a Digest,
    parent: Option<&'a Digest>,
}

/// Every tag that the registry has, as names.
pub(super) fn all_tags(place: &Place, name: &Reference) -> Result<Vec<Reference>, PullFailure> {
    let tags = place.registry.tags(place.repository());
    let tags = tags.map_err(|error| initializing(name, &error))?;
    // A tag that is none of a name cannot be pulled by its name.
    Ok(tags.iter().filter_map(|tag| name.with_tag(tag)).collect())
}

impl Fetch<'_> {
    /// Gets one image.
    pub(super) fn one(&self, place: &Place, name: &Reference) -> Result<PulledImage, PullFailure> {
        let reference = match name.digest() {
            Some(digest) => digest.to_string(),
            None => name.tag().unwrap_or(crate::oci::DEFAULT_TAG).to_owned(),
        };
        let registry = &place.registry;
        let first = registry.manifest(place.repository(), &reference);
        let first = first.map_err(|error| initializing(name, &error))?;
        let digest = first.digest.clone();
        self.report.step(Step::Found {
            name: Some(name),
            digest: &digest,
        });
        let found = self.choose(place, name, first)?;
        let kept = match name.digest() {
            Some(digest) => name.at_digest(digest.clone()),
            None => name.clone(),
        };
        let (id, novelty) = match self.already(&found, &kept)? {
            Some(known) => known,
            None => (self.bring(place, name, &found, &kept)?, Novelty::New),
        };
        for index in &found.indexes {
            let noted = self.images.note_index(&id, &index.bytes);
            noted.map_err(|error| copying(name, &error))?;
        }
        Ok(PulledImage {
            id,
            name: kept.to_string(),
            digest,
            novelty,
        })
    }

    /// The manifest for the platform.
    fn choose(
        &self,
        place: &Place,
        name: &Reference,
        first: Fetched,
    ) -> Result<Found, PullFailure> {
        let mut indexes = Vec::new();
        let mut document = first;
        while is_index(&document.media_type) {
            let index: Index = parse(name, "index", &document.bytes)?;
            let entry = index.for_platform(self.platform);
            let Some(entry) = entry.filter(|_| indexes.len() < INDEX_DEPTH) else {
                return Err(self.no_platform(name));
            };
            let reference = entry.digest.to_string();
            indexes.push(document);
            let next = place.registry.manifest(place.repository(), &reference);
            document = next.map_err(|error| initializing(name, &error))?;
        }
        match document.media_type.as_str() {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => Ok(Found {
                manifest: document,
                indexes,
            }),
            other => Err(PullFailure::other(format!(
                "initializing source docker://{name}: a manifest of the type {other:?} is not \
                 supported"
            ))),
        }
    }

    fn no_platform(&self, name: &Reference) -> PullFailure {
        let Platform {
            architecture,
            os,
            variant,
        } = self.platform;
        PullFailure {
            words: format!(
                "choosing an image from manifest list docker://{name}: no image found in image \
                 index for architecture \"{architecture}\", variant \"{variant}\", OS \"{os}\""
            ),
            cause: PullCause::NotFound,
            name: name.familiar(),
            reason: None,
        }
    }

    /// An image of exactly this manifest that is here; it gets the name if it does not have it.
    fn already(
        &self,
        found: &Found,
        kept: &Reference,
    ) -> Result<Option<(Digest, Novelty)>, PullFailure> {
        let manifest: Manifest = parse(kept, "manifest", &found.manifest.bytes)?;
        let Ok(image) = self.images.resolve(manifest.config.digest.hex()) else {
            return Ok(None);
        };
        if !image.manifests.contains(&found.manifest.digest)
            || image.check_id_map(&self.workplace.id_map).is_err()
        {
            return Ok(None);
        }
        let all_there = || {
            let (layers, config) = (&manifest.layers, &manifest.config.digest);
            self.report.step(Step::AllThere { layers, config });
        };
        let names = self.images.names_of(&image.id);
        let names = names.map_err(|error| copying(kept, &error))?;
        if names.contains(&kept.to_string()) && image.digest == found.manifest.digest {
            all_there();
            return Ok(Some((image.id, Novelty::UpToDate)));
        }
        match self.name_again(&image, &found.manifest.bytes, kept) {
            Ok(id) => {
                all_there();
                Ok(Some((id, Novelty::New)))
            }
            // A layer went away meanwhile.
            Err(StorageError::MissingLayer { .. }) => Ok(None),
            Err(error) => Err(copying(kept, &error)),
        }
    }

    fn name_again(
        &self,
        image: &Image,
        manifest: &[u8],
        name: &Reference,
    ) -> Result<Digest, StorageError> {
        let pins = image.pin(self.images)?;
        let new = NewImage {
            config: &self.images.document(&image.id)?,
            manifest,
            names: std::slice::from_ref(name),
            origin: Some(&self.origin(name)),
        };
        self.images.add(&new, pins)
    }

    fn origin(&self, name: &Reference) -> Origin {
        Origin {
            repository: name.repository(),
            is_insecure: self.is_insecure,
        }
    }

    fn bring(
        &self,
        place: &Place,
        name: &Reference,
        found: &Found,
        kept: &Reference,
    ) -> Result<Digest, PullFailure> {
        let manifest: Manifest = parse(name, "manifest", &found.manifest.bytes)?;
        check_layers(name, &manifest)?;
        let registry = &place.registry;
        let config = registry.blob_bytes(place.repository(), &manifest.config);
        let config = config.map_err(|error| initializing(name, &error))?;
        let document: ImageConfiguration = parse(name, "configuration", &config)?;
        check_config(name, &manifest, &document)?;
        let pins = self.layers(place, name, &manifest, &document)?;
        let layers = self.images.layers();
        layers
            .settle_roots(&chain_ids(&document.rootfs.diff_ids), self.workplace)
            .map_err(|error| copying(name, &error))?;
        let digest = &manifest.config.digest;
        self.report.step(Step::Config { digest });
        self.report.step(Step::Manifest);
        let new = NewImage {
            config: &config,
            manifest: &found.manifest.bytes,
            names: std::slice::from_ref(kept),
            origin: Some(&self.origin(name)),
        };
        self.images
            .add(&new, pins)
            .map_err(|error| copying(name, &error))
    }

    /// Gets the layers that are not here, several at once.
    fn layers(
        &self,
        place: &Place,
        name: &Reference,
        manifest: &Manifest,
        config: &ImageConfiguration,
    ) -> Result<Vec<Pin>, PullFailure> {
        let chain = chain_ids(&config.rootfs.diff_ids);
        let (mut jobs, mut pins) = (Vec::new(), Vec::new());
        for (at, blob) in manifest.layers.iter().enumerate() {
            let digest = &blob.digest;
            let pin = self.images.layers().pin(&chain[at]);
            if let Some(pin) = pin.map_err(|error| copying(name, &error))? {
                self.report.step(Step::LayerExists { digest });
                pins.push(pin);
                continue;
            }
            let size_bytes = blob.size;
            self.report.step(Step::Layer { digest, size_bytes });
            jobs.push(Job {
                blob,
                diff_id: &config.rootfs.diff_ids[at],
                parent: at.checked_sub(1).map(|below| &chain[below]),
            });
        }
        // The longest first: what begins last should not be what takes longest.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.blob.size));
        let layers = self.images.layers();
        let taken = layers.take_in(self.workplace, |intake| {
            for_each(&jobs, |job, is_over| {
                self.layer(place, job, intake, is_over)
            })
        });
        let (fetched, kept) = taken.map_err(|error| copying(name, &error))?;
        fetched.map_err(|words| {
            let words = format!("unable to copy from source docker://{name}: {words}");
            PullFailure::other(words)
        })?;
        pins.extend(kept.map_err(|error| copying(name, &error))?);
        Ok(pins)
    }

    /// One layer, from the network to its files.
    fn layer(
        &self,
        place: &Place,
        job: &Job<'_>,
        intake: &Intake<'_>,
        is_over: &AtomicBool,
    ) -> Result<(), String> {
        let digest = &job.blob.digest;
        let mut broken = None;
        let reader = Watched {
            inner: Counted::new(
                place.registry.blob(place.repository(), job.blob),
                digest,
                self.report,
            ),
            is_over,
            broken: &mut broken,
        };
        let expected = Expected {
            diff_id: Some(job.diff_id),
            blob_digest: Some(digest),
            blob_type: Some(&job.blob.media_type),
        };
        let added = intake.add(job.parent, expected, reader);
        match (added, broken) {
            (Ok(()), _) => {
                self.report.step(Step::LayerDone { digest });
                Ok(())
            }
            // What came too short does not unpack; why it was too short says more.
            (Err(_), Some(words)) => Err(words),
            (Err(error), None) => Err(format!("layer {digest}: {}", chain(&error))),
        }
    }
}

/// A stream that ends when another layer has failed, and that keeps why it broke off.
struct Watched<'a, R> {
    inner: R,
    is_over: &'a AtomicBool,
    broken: &'a mut Option<String>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over.load(Ordering::Relaxed) {
            return Err(io::Error::other("another layer has failed"));
        }
        self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                *self.broken = Some(error.to_string());
            }
        })
    }
}

/// A stream that tells how it goes on.
pub(in crate::engine) struct Counted<'a, R> {
    inner: R,
    digest: &'a Digest,
    report: &'a dyn TransferReport,
}

impl<'a, R: Read> Counted<'a, R> {
    pub(in crate::engine) fn new(
        inner: R,
        digest: &'a Digest,
        report: &'a dyn TransferReport,
    ) -> Self {
        Self {
            inner,
            digest,
            report,
        }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let digest = self.digest;
        self.report.step(Step::Bytes { digest, count });
        Ok(count)
    }
}

fn is_index(kind: &str) -> bool {
    kind == media_type::OCI_INDEX || kind == media_type::DOCKER_INDEX
}

/// Whether a manifest and a configuration can be one image's.
fn check_config(
    name: &Reference,
    manifest: &Manifest,
    config: &ImageConfiguration,
) -> Result<(), PullFailure> {
    let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if layers == diff_ids {
        return Ok(());
    }
    Err(PullFailure::other(format!(
        "unable to copy from source docker://{name}: its manifest has {layers} layers, its \
         configuration {diff_ids}"
    )))
}

/// Refuses what is no layer that a registry gives away, before anything is fetched.
fn check_layers(name: &Reference, manifest: &Manifest) -> Result<(), PullFailure> {
    let refuse = |words: String| {
        let words = format!("unable to copy from source docker://{name}: {words}");
        Err(PullFailure::other(words))
    };
    if manifest.layers.len() > LAYERS_MAX {
        return refuse(format!("{} layers are too many", manifest.layers.len()));
    }
    for layer in &manifest.layers {
        let (kind, digest) = (layer.media_type.as_str(), &layer.digest);
        if kind.contains("foreign") || kind.contains("nondistributable") {
            return refuse(format!(
                "layer {digest} is a foreign layer, which registries do not give away"
            ));
        }
        if kind.ends_with("+encrypted") {
            return refuse(format!("layer {digest} is encrypted"));
        }
        if !kind.contains("tar") && !kind.is_empty() {
            return refuse(format!(
                "{kind:?} is no layer of an image: it is an artifact"
            ));
        }
    }
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(
    name: &Reference,
    what: &str,
    bytes: &[u8],
) -> Result<T, PullFailure> {
    serde_json::from_slice(bytes).map_err(|error| {
        PullFailure::other(format!(
            "initializing source docker://{name}: its {what} is damaged: {error}"
        ))
    })
}

pub(in crate::engine) fn initializing(name: &Reference, error: &RegistryError) -> PullFailure {
    let pinging = match error {
        RegistryError::NoAnswer { url, .. } => ping_words(url),
        _ => String::new(),
    };
    let words = format!(
        "initializing source docker://{name}: {pinging}{}",
        chain(error)
    );
    PullFailure::of_registry(words, name, error)
}

/// Podman's words for a registry that does not answer at all.
fn ping_words(url: &str) -> String {
    let host = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next());
    host.map_or_else(String::new, |host| {
        format!("pinging container registry {host}: ")
    })
}

fn copying(name: &Reference, error: &StorageError) -> PullFailure {
    let words = chain(error);
    PullFailure::other(format!(
        "unable to copy from source docker://{name}: {words}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_layer_of_a_registry_is_refused_by_name() {
        let name = Reference::parse("quay.io/a/b:1").unwrap();
        let check = |kinds: &[&str]| {
            let manifest = Manifest {
                schema_version: 2,
                media_type: media_type::OCI_MANIFEST.to_owned(),
                config: Descriptor::of(media_type::OCI_CONFIG, b""),
                layers: kinds.iter().map(|kind| Descriptor::of(kind, b"")).collect(),
                annotations: std::collections::BTreeMap::new(),
            };
            check_layers(&name, &manifest).map_err(|failure| failure.words)
        };
        assert_eq!(
            check(&[media_type::OCI_LAYER_GZIP, media_type::DOCKER_LAYER, ""]),
            Ok(())
        );
        for (kind, words) in [
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                "is a foreign layer",
            ),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                "is a foreign layer",
            ),
            (
                "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                "is encrypted",
            ),
            ("application/wasm", "it is an artifact"),
        ] {
            let error = check(&[media_type::OCI_LAYER, kind]).unwrap_err();
            assert!(error.starts_with("unable to copy from source docker://quay.io/a/b:1: "));
            assert!(error.contains(words), "{error}");
        }
        let many = vec![media_type::OCI_LAYER; LAYERS_MAX + 1];
        assert!(
            check(&many)
                .unwrap_err()
                .ends_with("501 layers are too many")
        );
    }
}
