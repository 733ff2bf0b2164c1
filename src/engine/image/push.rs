// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `push`: layers that the registry does not have are put together again, compressed and sent,
//! several at once; then the configuration, and at the end the manifest.
//!
//! An image arrives under the digest that it came under where each layer can be had as its manifest
//! names it: from the registry itself, from another of its repositories, as a blob that is kept, or
//! from a registry that the image was pulled from.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use super::error::ImageError;
use super::parallel::for_each;
use super::progress::{Step, TransferReport};
use super::pull::insist;
use super::pulled::{PullCause, PullFailure};
use super::push_manifest::{ManifestFormat, Sent, compression_of, form_of, rewrite};
use super::relay::Origins;
use super::sources::Place;
use crate::engine::Engine;
use crate::engine::access::AccessRequest;
use crate::oci::{Descriptor, Digest, Manifest, Reference};
use crate::registry::{Blob, Patience, RegistryError, growing};
use crate::runtime::failure::chain;
use crate::state::events::{Action, Event};
use crate::storage::{Compressed, Image, Images, Layer, Origin, Packing, compress, unnamed_file};
use crate::sys::Ignored;

/// Repositories that a blob is asked from before it is sent.
const SIBLINGS_MAX: usize = 4;

/// A layer of so many bytes is sent while it is compressed; a smaller one has fewer requests to
/// wait for if it is not.
const SENT_EARLY: u64 = 4 << 20;

/// What `push` is asked for.
#[derive(Debug, Clone, Default)]
pub struct PushRequest {
    /// The image, as typed.
    pub image: String,
    /// The name at the registry, as typed; `None` is the image's own.
    pub destination: Option<String>,
    /// How new layers are compressed.
    pub packing: Packing,
    /// Which layers need not be compressed anew.
    pub reused: ReusedForms,
    /// Whose manifest is written; `None` keeps the image's.
    pub format: Option<ManifestFormat>,
    /// How the registry is reached.
    pub access: AccessRequest,
    /// How long the registry is waited for.
    pub patience: Patience,
}

/// Which compressed forms of a layer are good enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReusedForms {
    /// The one that the image came with, however it is compressed.
    #[default]
    Any,
    /// Those that are compressed as new layers are.
    SameCompression,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedImage {
    /// The full name that it has at the registry.
    pub name: Reference,
    /// The digest of the manifest there.
    pub digest: Digest,
    /// The length of the manifest in bytes.
    pub size_bytes: usize,
}

/// One push.
struct Push<'a> {
    place: &'a Place,
    images: &'a Images,
    image: &'a Image,
    /// Repositories of the same registry that may have the layers.
    siblings: Vec<String>,
    origins: Origins<'a>,
    packing: Packing,
    reused: ReusedForms,
    scratch: std::path::PathBuf,
    report: &'a dyn TransferReport,
}

impl Engine {
    /// Gives an image to a registry.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// See [`ImageError`].
    pub fn push(
        &self,
        request: &PushRequest,
        report: &dyn TransferReport,
    ) -> Result<PushedImage, ImageError> {
        let images = self.images()?;
        let image = images.resolve(&request.image)?;
        let name = destination(request, &image)?;
        let access = self.access(request.access.clone())?;
        let place = Place::new(access.push_place(&name, report)?, request.patience);
        let others = self.access(request.access.for_others())?;
        let pins = image.pin(&images)?;
        let push = Push {
            siblings: siblings(&images, &image, &name),
            origins: Origins {
                access: &others,
                known: image.origins.clone(),
                patience: request.patience,
                report,
                asked: OnceLock::new(),
            },
            place: &place,
            images: &images,
            image: &image,
            packing: request.packing,
            reused: request.reused,
            scratch: self.dirs.tmp(),
            report,
        };
        report.step(Step::Trying(&name.to_string()));
        let (digest, size_bytes) = self.in_child(|_| {
            let attempt = || push.run(&name, request.format);
            insist(request.patience, report, attempt)
        })?;
        drop(pins);
        let origin = Origin {
            repository: name.repository(),
            is_insecure: request.access.is_insecure(),
        };
        // It only saves work: an image of another store cannot be written to.
        drop(images.note_origin(&image.id, &origin));
        let typed = request.destination.as_ref().unwrap_or(&request.image);
        self.emit(&[Event::of_image(image.id.hex(), typed, Action::Push)]);
        Ok(PushedImage {
            name,
            digest,
            size_bytes,
        })
    }

    /// The names of an image's repository, for `push --all-tags`.
    ///
    /// # Errors
    ///
    /// [`ImageError::Name`] for a text that is no name of a repository.
    pub fn names_of_repository(&self, text: &str) -> Result<Vec<String>, ImageError> {
        let name = Reference::parse(text).map_err(|source| ImageError::Name {
            name: text.to_owned(),
            source,
        })?;
        if name.tag().is_some() || name.digest().is_some() {
            return Err(ImageError::TagWithAllTags);
        }
        let repositories = [
            name.clone()
                .with_domain(crate::oci::LOCAL_DOMAIN)
                .repository(),
            name.with_domain(crate::oci::DOCKER_DOMAIN).repository(),
        ];
        let mut found = Vec::new();
        for listed in self.images()?.list()? {
            found.extend(listed.names.into_iter().filter(|name| {
                let name = Reference::parse(name);
                name.is_ok_and(|name| repositories.contains(&name.repository()))
            }));
        }
        found.sort();
        Ok(found)
    }
}

/// The full name at the registry.
fn destination(request: &PushRequest, image: &Image) -> Result<Reference, ImageError> {
    let own = image.name.as_deref();
    let Some(text) = request.destination.as_deref().or(own) else {
        let image = request.image.clone();
        return Err(ImageError::NoDestination { image });
    };
    match Reference::parse_normalized(text) {
        Ok(name) => Ok(name),
        Err(source) => Err(ImageError::Name {
            name: text.to_owned(),
            source,
        }),
    }
}

/// Other repositories of the registry that images with these layers were pulled from or pushed to.
fn siblings(images: &Images, image: &Image, name: &Reference) -> Vec<String> {
    let mut origins = image.origins.clone();
    // What cannot be listed is no help.
    for other in images.list().unwrap_or_default() {
        let mut layers = other.image.layers.iter();
        if layers.any(|layer| image.layers.contains(layer)) {
            origins.extend(other.image.origins);
        }
    }
    let mut siblings: Vec<String> = Vec::new();
    for origin in origins {
        let Ok(other) = Reference::parse(&origin.repository) else {
            continue;
        };
        let path = other.path();
        let is_near = other.domain() == name.domain() && path != name.path();
        if is_near && !siblings.iter().any(|known| known == path) {
            siblings.push(path.to_owned());
        }
    }
    siblings.truncate(SIBLINGS_MAX);
    siblings
}

impl Push<'_> {
    fn run(
        &self,
        name: &Reference,
        format: Option<ManifestFormat>,
    ) -> Result<(Digest, usize), PullFailure> {
        let failed =
            |words: String| PullFailure::other(format!("copying to docker://{name}: {words}"));
        let bytes = self.images.manifest(self.image);
        let bytes = bytes.map_err(|error| failed(chain(&error)))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| failed(format!("its manifest is damaged: {error}")))?;
        let first = &self.image.id;
        self.report.step(Step::Found {
            name: None,
            digest: first,
        });
        let layers = self.layers(name, &manifest)?;
        let written = rewrite(&bytes, &manifest, &layers, format).map_err(failed)?;
        self.report.step(Step::Config {
            digest: &manifest.config.digest,
        });
        self.config(&manifest.config)
            .map_err(|error| refused(name, &error))?;
        self.report.step(Step::Manifest);
        let reference = name
            .tag()
            .map_or_else(|| Digest::sha256(&written.bytes).to_string(), str::to_owned);
        let registry = &self.place.registry;
        let digest = registry
            .put_manifest(
                self.place.repository(),
                &reference,
                &written.media_type,
                &written.bytes,
            )
            .map_err(|error| refused(name, &error))?;
        Ok((digest, written.bytes.len()))
    }

    /// The layers as the registry has them now, lowest first.
    fn layers(&self, name: &Reference, manifest: &Manifest) -> Result<Vec<Sent>, PullFailure> {
        let layers = &self.image.layers;
        let sent: Vec<Mutex<Option<Sent>>> = layers.iter().map(|_| Mutex::default()).collect();
        let jobs: Vec<usize> = (0..layers.len()).collect();
        for_each(&jobs, |&at, _| {
            let done = self.layer(name, &layers[at], manifest.layers.get(at))?;
            *sent[at].lock().expect("setting does not panic") = Some(done);
            Ok(())
        })?;
        let sent = sent
            .into_iter()
            .map(|one| one.into_inner().expect("setting does not panic"));
        Ok(sent.map(|one| one.expect("every layer was sent")).collect())
    }

    fn layer(
        &self,
        name: &Reference,
        layer: &Layer,
        known: Option<&Descriptor>,
    ) -> Result<Sent, PullFailure> {
        let refused = |error: RegistryError| refused(name, &error);
        let known = known.filter(|known| self.may_stay(known));
        if let Some(known) = known
            && self.send_as_it_was(layer, known).map_err(refused)?
        {
            return Ok(Sent::AsItWas);
        }
        for form in layer.forms() {
            let fits = compression_of(&form) == Some(self.packing.compression);
            if fits && self.send_at_hand(layer, &form).map_err(refused)? {
                return Ok(Sent::Anew(form));
            }
        }
        let label = &layer.record.diff_id;
        self.report.step(Step::Layer {
            digest: label,
            size_bytes: layer.record.content.size_bytes,
        });
        let blob = self.pack_and_send(layer).map_err(|error| match error {
            Unsent::Unpacked(words) => PullFailure::other(format!(
                "copying to docker://{name}: layer {label}: {words}"
            )),
            Unsent::Refused(error) => refused(error),
        })?;
        self.report.step(Step::LayerDone { digest: label });
        if known.is_some_and(|known| known.digest == blob.digest) {
            return Ok(Sent::AsItWas);
        }
        let form = form_of(&blob, self.packing.compression);
        // A layer of another store cannot be written to.
        layer.note_form(form.clone()).ignored();
        Ok(Sent::Anew(form))
    }

    /// Whether a layer may be at the registry under the digest that its manifest says.
    fn may_stay(&self, known: &Descriptor) -> bool {
        match (compression_of(known), self.reused) {
            (None, _) => false,
            (Some(_), ReusedForms::Any) => true,
            (Some(compression), ReusedForms::SameCompression) => {
                compression == self.packing.compression
            }
        }
    }

    /// Sees to it that the registry has a layer under the digest that its manifest says, if there
    /// is a way.
    fn send_as_it_was(&self, layer: &Layer, known: &Descriptor) -> Result<bool, RegistryError> {
        if self.send_at_hand(layer, known)? {
            return Ok(true);
        }
        match self.origins.blob(known, &self.scratch) {
            Some(file) => self.send(known, file).map(|()| true),
            None => Ok(false),
        }
    }

    /// Sees to it that the registry has a layer's blob, if it has it or we keep it.
    fn send_at_hand(&self, layer: &Layer, blob: &Descriptor) -> Result<bool, RegistryError> {
        let digest = &blob.digest;
        if self.is_there(digest)? {
            self.report.step(Step::LayerExists { digest });
            return Ok(true);
        }
        match layer.kept_blob(digest) {
            Some((file, _)) => self.send(blob, file).map(|()| true),
            None => Ok(false),
        }
    }

    fn send(&self, blob: &Descriptor, file: File) -> Result<(), RegistryError> {
        let (digest, size_bytes) = (&blob.digest, blob.size);
        self.report.step(Step::Layer { digest, size_bytes });
        self.upload(&Blob {
            file: Arc::new(file),
            size_bytes,
            digest: digest.clone(),
        })?;
        self.report.step(Step::LayerDone { digest });
        Ok(())
    }

    fn upload(&self, blob: &Blob) -> Result<(), RegistryError> {
        let Place { registry, .. } = self.place;
        registry.upload(self.place.repository(), blob)
    }

    /// Whether the repository has a blob, or takes it from another one.
    fn is_there(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let Place { registry, .. } = self.place;
        let repository = self.place.repository();
        if registry.has_blob(repository, digest)? {
            return Ok(true);
        }
        for sibling in &self.siblings {
            if registry.mount_blob(repository, digest, sibling)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Compresses a layer, and sees to it that the registry has the blob: what there is of it is on
    /// its way meanwhile.
    fn pack_and_send(&self, layer: &Layer) -> Result<Compressed, Unsent> {
        let most_bytes = layer.record.content.size_bytes;
        if most_bytes < SENT_EARLY {
            return self.pack_then_send(layer);
        }
        let (maker, growing) = growing(most_bytes);
        let Place { registry, .. } = self.place;
        let repository = self.place.repository();
        let sent = thread::scope(|scope| {
            let sending = scope.spawn(|| registry.upload_growing(repository, growing));
            // Whatever ends early here lets go of `maker`, and that ends the upload.
            let blob = self.pack(layer, |block| {
                maker.add(block);
                Ok(())
            })?;
            if self.is_there(&blob.digest).map_err(Unsent::Refused)? {
                return Ok(Some(blob));
            }
            maker.finish();
            let upload = sending.join().expect("the sender returns its errors");
            let ended =
                upload.and_then(|upload| registry.end_upload(repository, upload, &blob.digest));
            Ok(ended.is_ok().then_some(blob))
        })?;
        match sent {
            Some(blob) => Ok(blob),
            // With all ways that there are, and with words if none leads there.
            None => self.pack_then_send(layer),
        }
    }

    /// The same one after the other, with a file between.
    fn pack_then_send(&self, layer: &Layer) -> Result<Compressed, Unsent> {
        let file = unnamed_file(&self.scratch).map_err(|error| Unsent::Unpacked(error.to_string()));
        let file = Arc::new(file?);
        let blob = self.pack(layer, |block| (&*file).write_all(block))?;
        if !self.is_there(&blob.digest).map_err(Unsent::Refused)? {
            let whole = Blob {
                file,
                size_bytes: blob.size_bytes,
                digest: blob.digest.clone(),
            };
            self.upload(&whole).map_err(Unsent::Refused)?;
        }
        Ok(blob)
    }

    /// Gives `sink` the layer as a compressed blob; what was put together is what it once was, or it
    /// fails.
    fn pack(
        &self,
        layer: &Layer,
        sink: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Compressed, Unsent> {
        let words = |error: &dyn fmt::Display| Unsent::Unpacked(error.to_string());
        let diff_id = &layer.record.diff_id;
        let stream = layer.stream().map_err(|error| words(&error))?;
        let watched = super::fetch::Counted::new(stream, diff_id, self.report);
        let packed = compress(watched, self.packing, diff_id.algorithm(), sink);
        let packed = packed.map_err(|error| words(&error))?;
        if packed.plain_digest != *diff_id {
            return Err(Unsent::Unpacked(format!(
                "its files were changed: what is put together has the digest {}",
                packed.plain_digest
            )));
        }
        Ok(packed)
    }

    fn config(&self, descriptor: &Descriptor) -> Result<(), RegistryError> {
        if self.is_there(&descriptor.digest)? {
            return Ok(());
        }
        let bytes = self.images.document(&self.image.id);
        let bytes = bytes.map_err(|error| RegistryError::Input(io::Error::other(error)))?;
        let (registry, repository) = (&self.place.registry, self.place.repository());
        registry.upload_bytes(repository, &descriptor.digest, bytes)
    }
}

/// Why a layer is not at the registry.
enum Unsent {
    /// It could not be put together.
    Unpacked(String),
    Refused(RegistryError),
}

/// Why the registry did not take something.
pub(in crate::engine) fn refused(name: &Reference, error: &RegistryError) -> PullFailure {
    let words = format!("trying to push docker://{name}: {}", chain(error));
    let failure = PullFailure::of_registry(words, name, error);
    match failure.cause {
        // Docker has other words for a push than for a pull: ours are good enough for both.
        PullCause::Denied | PullCause::NotFound => PullFailure::other(failure.words),
        PullCause::PlainHttp | PullCause::NobodyThere | PullCause::Other => failure,
    }
}
