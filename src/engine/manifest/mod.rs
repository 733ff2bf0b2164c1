// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest`: lists of images for several platforms, made here and pushed as one name.

mod artifact;
mod index;
mod push;

use std::collections::BTreeMap;

pub use self::artifact::{ListedFiles, Subject, Titles};
pub use self::index::InstanceChanges;
use self::index::{IndexDocument, descriptor, digest_of, platform_of};
pub use self::push::{ManifestPushRequest, PushedInstances};
use super::access::{Access, AccessError, Place};
use super::artifact::ArtifactError;
use super::image::ImageError;
use super::{Engine, Report};
use crate::oci::{Digest, ImageConfiguration, Manifest, Platform, Reference, ReferenceError};
use crate::registry::{Fetched, Patience, Registry, RegistryError};
use crate::state::StateError;
use crate::storage::{Image, Images, InstanceSource, ManifestList, StorageError};

/// The transport of registries.
const DOCKER: &str = "docker://";
/// The transport of this store.
const STORAGE: &str = "containers-storage:";

/// Whether a name may have a list already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amend {
    /// It must not.
    No,
    /// Its list is changed.
    Yes,
}

/// What of an image for several platforms is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichInstances {
    /// The one for this machine, or for what the flags say.
    Fitting,
    /// All (`--all`).
    All,
}

/// Why a list could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The store refused, or knows no such list.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The configuration of registries.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A text that is no image name.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Files that are added to a list.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A text that is no name at a registry.
    #[error("parsing reference \"{name}\"")]
    Reference {
        /// As typed.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// The name has an image or a list.
    #[error(
        "creating manifest: image name \"{name}\" is already associated with image \"{id}\": that \
         name is already in use"
    )]
    InUse {
        /// The full name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// The registry did not give the image.
    #[error("reading image \"docker://{name}\": pinging container registry {host}")]
    Read {
        /// The full name.
        name: String,
        /// Its registry.
        host: String,
        /// What it said.
        source: Box<RegistryError>,
    },
    /// The registry did not take the list or an image of it.
    #[error("copying to docker://{name}")]
    Write {
        /// The full name.
        name: String,
        /// What it said.
        source: Box<RegistryError>,
    },
    /// An image for several platforms has none for this one.
    #[error("no image in \"{name}\" is for {platform}; --all adds those of every platform")]
    NoInstance {
        /// The full name.
        name: String,
        /// What was looked for.
        platform: Platform,
    },
    /// Only what is in this store can be compressed anew.
    #[error(
        "image {name} of the list is at its registry alone: pull it, and add it from local storage, \
         to push it in another compression"
    )]
    NotHere {
        /// The digest of its manifest.
        name: String,
    },
    /// A document that is not what it should be.
    #[error("\"{name}\" is no image or manifest list")]
    NotAnImage {
        /// The full name.
        name: String,
    },
    /// The list does not have the instance.
    #[error("no image with digest {digest} in manifest list {list}")]
    NotInList {
        /// What was looked for.
        digest: String,
        /// The list as typed.
        list: String,
    },
}

impl ManifestError {
    /// Whether it only says that there is no such list.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Storage(StorageError::NoSuchImage { .. }))
    }
}

impl Engine {
    /// Makes a list; its id.
    ///
    /// # Errors
    ///
    /// [`ManifestError::InUse`], unless `amend` says that it may be there.
    pub fn create_manifest(&self, name: &str, amend: Amend) -> Result<Digest, ManifestError> {
        let images = self.list_store()?;
        let full = self.new_name(name)?;
        match (images.find(&full.to_string()), amend) {
            (Err(StorageError::NoSuchImage { .. }), _) => {}
            (Err(error), _) => return Err(error.into()),
            (Ok((id, _)), Amend::No) => {
                let name = full.to_string();
                let id = id.hex().to_owned();
                return Err(ManifestError::InUse { name, id });
            }
            (Ok(_), Amend::Yes) => return Ok(images.manifest_list(&full.to_string())?.id),
        }
        Ok(images.create_list(&IndexDocument::empty().to_bytes(), &full)?)
    }

    /// Adds an image of this store or of a registry to a list; the list's id.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Read`] and its kin; no such list.
    pub fn add_to_manifest(
        &self,
        list: &str,
        image: &str,
        which: WhichInstances,
        changes: &InstanceChanges,
        access: &Access,
        report: &dyn Report,
    ) -> Result<Digest, ManifestError> {
        let images = self.list_store()?;
        let mut list = images.manifest_list(list)?;
        let mut added = match Self::image_here(&images, image)? {
            Some(found) => vec![instance_here(&images, &found)?],
            None => instances_there(image, which, changes, access, report)?,
        };
        let mut index = document(&list)?;
        for (instance, source) in &mut added {
            changes.apply(instance);
            let Some(digest) = digest_of(instance) else {
                let name = image.to_owned();
                return Err(ManifestError::NotAnImage { name });
            };
            index.add(instance.clone());
            list.instances.insert(digest, source.clone());
        }
        list.index = index.to_bytes();
        images.change_list(&list)?;
        Ok(list.id)
    }

    /// Changes an instance of a list, named by its digest or by the name of an image; the list's
    /// id.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NotInList`].
    pub fn annotate_manifest(
        &self,
        list: &str,
        instance: &str,
        changes: &InstanceChanges,
    ) -> Result<Digest, ManifestError> {
        self.change_instance(list, instance, |index, digest| {
            index.annotate(digest, changes)
        })
    }

    /// Annotates a whole list, and says what it is about; its id.
    ///
    /// # Errors
    ///
    /// No such list; no such subject.
    pub fn annotate_index(
        &self,
        list: &str,
        annotations: &BTreeMap<String, String>,
        subject: Option<Subject<'_>>,
    ) -> Result<Digest, ManifestError> {
        let images = self.list_store()?;
        let mut list = images.manifest_list(list)?;
        let mut index = document(&list)?;
        index.annotate_all(annotations);
        if let Some(subject) = subject {
            index.set_subject(self.subject(&images, &subject)?);
        }
        list.index = index.to_bytes();
        images.change_list(&list)?;
        Ok(list.id)
    }

    /// Takes an instance out of a list; the list's id.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NotInList`].
    pub fn remove_from_manifest(
        &self,
        list: &str,
        instance: &str,
    ) -> Result<Digest, ManifestError> {
        self.change_instance(list, instance, IndexDocument::remove)
    }

    fn change_instance(
        &self,
        name: &str,
        instance: &str,
        change: impl FnOnce(&mut IndexDocument, &Digest) -> bool,
    ) -> Result<Digest, ManifestError> {
        let images = self.list_store()?;
        let mut list = images.manifest_list(name)?;
        let not_there = || ManifestError::NotInList {
            digest: instance.to_owned(),
            list: name.to_owned(),
        };
        let digest = match Digest::parse(instance) {
            Ok(digest) => digest,
            Err(_) => match self.listed_file(&list, instance)? {
                Some(digest) => digest,
                None => images.resolve(instance)?.digest,
            },
        };
        let mut index = document(&list)?;
        if !change(&mut index, &digest) {
            return Err(not_there());
        }
        let left = index.digests();
        list.instances.retain(|digest, _| left.contains(digest));
        list.index = index.to_bytes();
        images.change_list(&list)?;
        self.artifacts()?.collect()?;
        Ok(list.id)
    }

    /// Whether there is a list of that name or id.
    ///
    /// # Errors
    ///
    /// An image of that name that is no list.
    pub fn manifest_exists(&self, name: &str) -> Result<bool, ManifestError> {
        match self.list_store()?.manifest_list(name) {
            Ok(_) => Ok(true),
            Err(StorageError::NoSuchImage { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that `name` is a list.
    ///
    /// # Errors
    ///
    /// An image that is no list; no such image.
    pub fn check_manifest(&self, name: &str) -> Result<(), ManifestError> {
        self.list_store()?.manifest_list(name)?;
        Ok(())
    }

    /// The document of a list of this store, else of the manifest or index at a registry.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Read`].
    pub fn inspect_manifest(
        &self,
        name: &str,
        access: &Access,
        report: &dyn Report,
    ) -> Result<Vec<u8>, ManifestError> {
        match self.list_store()?.manifest_list(name) {
            Ok(list) => Ok(list.index),
            Err(StorageError::NoSuchImage { .. } | StorageError::NotAList { .. }) => {
                Ok(fetch(name, access, report)?.fetched.bytes)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The index of what refers to a manifest at a registry, such as signatures; an empty one if
    /// nothing does.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Read`].
    pub fn referrers(
        &self,
        name: &str,
        access: &Access,
        report: &dyn Report,
    ) -> Result<Vec<u8>, ManifestError> {
        let subject = fetch(name, access, report)?;
        let digest = Digest::sha256(&subject.fetched.bytes);
        let repository = subject.place.reference.path();
        match subject.registry.referrers(repository, &digest) {
            Err(error) if error.is_not_found() => Ok(NO_REFERRERS.as_bytes().to_vec()),
            found => found.map_err(|source| ManifestError::Read {
                name: subject.name.to_string(),
                host: subject.place.endpoint.authority.clone(),
                source: Box::new(source),
            }),
        }
    }

    /// An image of this store, if that is what `text` names: one with a transport says so itself.
    fn image_here(images: &Images, text: &str) -> Result<Option<Image>, ManifestError> {
        if text.starts_with(DOCKER) {
            return Ok(None);
        }
        let local = text.strip_prefix(STORAGE);
        match images.resolve(local.unwrap_or(text)) {
            Ok(image) => Ok(Some(image)),
            Err(StorageError::NoSuchImage { .. }) if local.is_none() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn list_store(&self) -> Result<Images, ManifestError> {
        Ok(self.images()?)
    }
}

fn document(list: &ManifestList) -> Result<IndexDocument, ManifestError> {
    IndexDocument::parse(&list.index).ok_or_else(|| ManifestError::NotAnImage {
        name: list.id.short().to_owned(),
    })
}

type Instance = (serde_json::Value, InstanceSource);

fn instance_here(images: &Images, image: &Image) -> Result<Instance, ManifestError> {
    let bytes = images.manifest(image)?;
    let kind = serde_json::from_slice::<Manifest>(&bytes).map(|manifest| manifest.media_type);
    let kind = kind.unwrap_or_default();
    let kind = if kind.is_empty() {
        crate::oci::media_type::OCI_MANIFEST
    } else {
        &kind
    };
    let instance = descriptor(kind, &bytes, &image.digest, &image.config.platform());
    Ok((instance, InstanceSource::Image(image.id.clone())))
}

/// A manifest or index with where it came from.
struct Read {
    name: Reference,
    place: Place,
    registry: Registry,
    fetched: Fetched,
}

/// What a registry answers of a manifest that nothing refers to.
const NO_REFERRERS: &str = r#"{
    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []
}"#;

fn fetch(text: &str, access: &Access, report: &dyn Report) -> Result<Read, ManifestError> {
    let bare = text.strip_prefix(DOCKER).unwrap_or(text);
    let typed = Reference::parse(bare).map_err(|source| ManifestError::Reference {
        name: text.to_owned(),
        source,
    })?;
    let mut first_error = None;
    for name in access.resolve(&typed)?.candidates {
        for place in access.pull_places(&name, report)? {
            let (endpoint, who) = (place.endpoint.clone(), place.credentials.clone());
            let registry = Registry::new(endpoint, who, Patience::default());
            match registry.manifest(place.reference.path(), &tag_or_digest(&place.reference)) {
                Ok(fetched) => {
                    return Ok(Read {
                        name,
                        place,
                        registry,
                        fetched,
                    });
                }
                Err(source) => {
                    first_error.get_or_insert(ManifestError::Read {
                        name: name.to_string(),
                        host: place.endpoint.authority,
                        source: Box::new(source),
                    });
                }
            }
        }
    }
    let name = text.to_owned();
    Err(first_error.unwrap_or(ManifestError::NotAnImage { name }))
}

fn tag_or_digest(reference: &Reference) -> String {
    let digest = reference.digest().map(ToString::to_string);
    digest.unwrap_or_else(|| reference.tag().unwrap_or("latest").to_owned())
}

fn instances_there(
    text: &str,
    which: WhichInstances,
    changes: &InstanceChanges,
    access: &Access,
    report: &dyn Report,
) -> Result<Vec<Instance>, ManifestError> {
    let read = fetch(text, access, report)?;
    let source = InstanceSource::Registry(read.name.to_string());
    let Some(index) = IndexDocument::parse(&read.fetched.bytes) else {
        let platform = platform_there(&read)?;
        let Fetched {
            bytes,
            media_type,
            digest,
        } = &read.fetched;
        return Ok(vec![(
            descriptor(media_type, bytes, digest, &platform),
            source,
        )]);
    };
    let mut wanted = Platform::host();
    if let Some(architecture) = &changes.architecture {
        wanted = Platform {
            architecture: architecture.clone(),
            variant: changes.variant.clone().unwrap_or_default(),
            ..wanted
        };
    }
    let fits = |instance: &&serde_json::Value| match which {
        WhichInstances::All => true,
        WhichInstances::Fitting => platform_of(instance).is_some_and(|found| {
            found.architecture == wanted.architecture && found.os == wanted.os
        }),
    };
    let found = index.instances().iter().filter(fits).cloned();
    let mut found: Vec<Instance> = found.map(|instance| (instance, source.clone())).collect();
    if which == WhichInstances::Fitting {
        found.truncate(1);
    }
    if found.is_empty() && which == WhichInstances::Fitting {
        return Err(ManifestError::NoInstance {
            name: read.name.to_string(),
            platform: wanted,
        });
    }
    Ok(found)
}

/// The platform of a manifest, which only its configuration says.
fn platform_there(read: &Read) -> Result<Platform, ManifestError> {
    let not_an_image = || ManifestError::NotAnImage {
        name: read.name.to_string(),
    };
    let manifest: Manifest =
        serde_json::from_slice(&read.fetched.bytes).map_err(|_document| not_an_image())?;
    let repository = read.place.reference.path();
    let config = read.registry.blob_bytes(repository, &manifest.config);
    let config = config.map_err(|source| ManifestError::Read {
        name: read.name.to_string(),
        host: read.place.endpoint.authority.clone(),
        source: Box::new(source),
    })?;
    let config = ImageConfiguration::from_json(&config).map_err(|_document| not_an_image())?;
    Ok(config.platform())
}
