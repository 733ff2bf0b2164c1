// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `artifact`: files that are no images, under names at registries and here.

mod document;
mod extract;
mod media_type;
mod transfer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

pub(in crate::engine) use self::document::{Annotations, ArtifactDocument, TITLE};
pub use self::extract::WhichBlobs;
pub use self::transfer::{ArtifactPull, ArtifactPush};
pub(in crate::engine) use self::transfer::{SendError, send};
use super::Engine;
use super::access::AccessError;
use super::image::ImageError;
use crate::oci::{Digest, Manifest, Reference, ReferenceError};
use crate::state::StateError;
use crate::state::store::Store;
pub use crate::storage::Artifact;
use crate::storage::{ArtifactIntake, Artifacts, Naming, StorageError};

/// What is asked of `artifact add`.
#[derive(Debug, Clone, Default)]
pub struct ArtifactAdd {
    /// The artifact's name, as typed.
    pub name: String,
    /// The files, as typed.
    pub files: Vec<PathBuf>,
    /// Annotations of each file, and of a new artifact.
    pub annotations: BTreeMap<String, String>,
    /// What a new artifact is; empty says nothing.
    pub artifact_type: String,
    /// What the files are; empty: what they look like.
    pub file_type: String,
    /// What becomes of an artifact of that name.
    pub known: Known,
}

/// What becomes of an artifact that has the name already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Known {
    /// There must be none.
    #[default]
    Refused,
    /// It gets the files, too, and must be there.
    Extended,
    /// It goes.
    Replaced,
}

/// An artifact with its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactDetail {
    /// The artifact.
    pub artifact: Artifact,
    /// Its manifest, as it came or was made.
    pub document: serde_json::Value,
    /// The same, as far as we know manifests.
    pub manifest: Manifest,
}

/// Why something could not be done with an artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The store refused, or knows no such artifact.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The configuration of registries.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A registry did not give or take it.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No name at all.
    #[error("artifact name cannot be empty")]
    NoName,
    /// A text that is no name.
    #[error("\"{name}\" is no name of an artifact")]
    Name {
        /// As typed.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// What an artifact is says who makes it.
    #[error("append option is not compatible with type option")]
    TypeOfKnown,
    /// Two files of one name.
    #[error("{name}: file already exists in artifact")]
    FileExists {
        /// Its last part.
        name: String,
    },
    /// Two blobs that want to be called alike.
    #[error("duplicate layers {TITLE} labels within an artifact not allowed")]
    SameTitle,
    /// A file cannot be read.
    #[error("{call} {}", path.display())]
    File {
        /// What was done.
        call: &'static str,
        /// As typed.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A document that is no manifest.
    #[error("the manifest of artifact {name} does not read; remove the artifact")]
    Manifest {
        /// Its name.
        name: String,
    },
    /// Two ways to choose a blob.
    #[error("cannot specify both digest and title")]
    ChosenTwice,
    /// There is nothing to extract.
    #[error("the artifact has no blobs, nothing to extract")]
    NoBlobs,
    /// One file for several blobs.
    #[error(
        "the artifact consists of several blobs and the target \"{}\" is not a directory and \
         neither digest or title was specified to only copy a single blob", target.display()
    )]
    SeveralBlobs {
        /// As typed.
        target: PathBuf,
    },
    /// No blob is what was asked for.
    #[error("no blob with the {what} \"{wanted}\"")]
    NoSuchBlob {
        /// `digest` or `title`.
        what: &'static str,
        /// As typed.
        wanted: String,
    },
    /// Several are.
    #[error("more than one match for the {what} \"{wanted}\"")]
    SeveralSuchBlobs {
        /// `digest` or `title`.
        what: &'static str,
        /// As typed.
        wanted: String,
    },
    /// A title that would lead somewhere else.
    #[error("invalid name: \"{name}\" cannot contain {what}: artifact blob title invalid")]
    Title {
        /// The title.
        name: String,
        /// What it must not have.
        what: &'static str,
    },
    /// Two blobs of one title cannot be mounted beside each other.
    #[error(
        "annotation \"{TITLE}\":\"{title}\" is used in multiple different layers within artifact"
    )]
    SameMountedTitle {
        /// The title.
        title: String,
    },
}

impl ArtifactError {
    /// Whether it only says that there is no such artifact.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Storage(StorageError::NoSuchArtifact { .. }))
    }
}

impl ArtifactDetail {
    /// Bytes of its blobs.
    pub fn size_bytes(&self) -> u64 {
        self.manifest.layers.iter().map(|layer| layer.size).sum()
    }
}

impl Engine {
    /// Makes an artifact of files, or adds them to one; the digest of its manifest.
    ///
    /// # Errors
    ///
    /// See [`ArtifactError`]; nothing has changed then.
    pub fn add_artifact(&self, request: &ArtifactAdd) -> Result<Digest, ArtifactError> {
        let store = self.artifacts()?;
        if request.known == Known::Extended && !request.artifact_type.is_empty() {
            return Err(ArtifactError::TypeOfKnown);
        }
        let (name, was) = match request.known {
            Known::Extended => {
                let known = store.find(&request.name)?;
                (known.name, Some(known.digest))
            }
            Known::Refused | Known::Replaced => (checked_name(&request.name)?, None),
        };
        if request.known == Known::Refused && store.find(&name).is_ok_and(|one| one.name == name) {
            return Err(StorageError::ArtifactExists { name }.into());
        }
        let intake = store.intake()?;
        let mut document = match &was {
            Some(digest) => known_document(&store, &intake, &name, digest)?,
            None => new_document(&intake, request)?,
        };
        check_file_names(&document, &request.files)?;
        for path in &request.files {
            add_file(&mut document, &intake, path, request)?;
        }
        let naming = match (&was, request.known) {
            (Some(digest), _) => Naming::Change(digest),
            (None, Known::Replaced) => Naming::Replace,
            (None, Known::Refused | Known::Extended) => Naming::New,
        };
        Ok(store.add(&intake, &document.to_bytes(), &name, naming)?)
    }

    /// An artifact by its name or the first digits of its digest.
    ///
    /// # Errors
    ///
    /// See [`ArtifactError`].
    pub fn artifact(&self, text: &str) -> Result<ArtifactDetail, ArtifactError> {
        if text.is_empty() {
            return Err(ArtifactError::NoName);
        }
        let store = self.artifacts()?;
        detail(&store, store.find(text)?)
    }

    /// All artifacts, by their names. One whose manifest does not read is left out: a check says
    /// what is wrong with it.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub fn list_artifacts(&self) -> Result<Vec<ArtifactDetail>, ArtifactError> {
        let store = self.artifacts()?;
        let all = store.list()?.into_iter();
        Ok(all.filter_map(|one| detail(&store, one).ok()).collect())
    }

    /// Removes an artifact; the digest of its manifest.
    ///
    /// # Errors
    ///
    /// See [`ArtifactError`].
    pub fn remove_artifact(&self, text: &str) -> Result<Digest, ArtifactError> {
        if text.is_empty() {
            return Err(ArtifactError::NoName);
        }
        let store = self.artifacts()?;
        let artifact = store.find(text)?;
        store.remove(&artifact)?;
        Ok(artifact.digest)
    }

    /// Removes all artifacts; the digests of their manifests.
    ///
    /// # Errors
    ///
    /// What removing the first that stays says.
    pub fn remove_artifacts(&self) -> Result<Vec<Digest>, ArtifactError> {
        let store = self.artifacts()?;
        let mut removed = Vec::new();
        for artifact in store.list()? {
            match store.remove(&artifact) {
                // Somebody else was faster.
                Err(StorageError::NoSuchArtifact { .. }) => {}
                result => {
                    result?;
                    removed.push(artifact.digest);
                }
            }
        }
        Ok(removed)
    }

    /// The artifacts of this user's store, which is checked, and made where there is none.
    pub(in crate::engine) fn artifacts(&self) -> Result<Artifacts, StateError> {
        Store::open(self.dirs.clone())?;
        Ok(Artifacts::open(&self.dirs))
    }
}

/// The name as typed, if it is one.
fn checked_name(text: &str) -> Result<String, ArtifactError> {
    if text.is_empty() {
        return Err(ArtifactError::NoName);
    }
    reference(text).map(|_| text.to_owned())
}

/// What a name means at registries.
fn reference(text: &str) -> Result<Reference, ArtifactError> {
    Reference::parse_normalized(text).map_err(|source| ArtifactError::Name {
        name: text.to_owned(),
        source,
    })
}

fn detail(store: &Artifacts, artifact: Artifact) -> Result<ArtifactDetail, ArtifactError> {
    let bytes = store.manifest(&artifact.digest)?;
    let damaged = |_| ArtifactError::Manifest {
        name: artifact.name.clone(),
    };
    let manifest = serde_json::from_slice(&bytes).map_err(damaged)?;
    let document = serde_json::from_slice(&bytes).map_err(damaged)?;
    Ok(ArtifactDetail {
        artifact,
        document,
        manifest,
    })
}

fn new_document(
    intake: &ArtifactIntake,
    request: &ArtifactAdd,
) -> Result<ArtifactDocument, ArtifactError> {
    let mut document = ArtifactDocument::new(&request.artifact_type);
    document.annotate_all(&request.annotations);
    document.date();
    intake.add(document::EMPTY)?;
    Ok(document)
}

/// The document of an artifact, whose blobs stay as long as `intake` does.
fn known_document(
    store: &Artifacts,
    intake: &ArtifactIntake,
    name: &str,
    digest: &Digest,
) -> Result<ArtifactDocument, ArtifactError> {
    let artifact = Artifact {
        name: name.to_owned(),
        digest: digest.clone(),
    };
    let known = detail(store, artifact)?.manifest;
    for blob in known.layers.iter().chain([&known.config]) {
        if !intake.hold(&blob.digest) {
            let digest = blob.digest.clone();
            return Err(StorageError::MissingBlob { digest }.into());
        }
    }
    let name = name.to_owned();
    ArtifactDocument::parse(&store.manifest(digest)?).ok_or(ArtifactError::Manifest { name })
}

fn check_file_names(document: &ArtifactDocument, files: &[PathBuf]) -> Result<(), ArtifactError> {
    let mut names: Vec<String> = document.titles().map(str::to_owned).collect();
    for path in files {
        let name = file_name(path);
        if names.contains(&name) {
            return Err(ArtifactError::FileExists { name });
        }
        names.push(name);
    }
    Ok(())
}

fn add_file(
    document: &mut ArtifactDocument,
    intake: &ArtifactIntake,
    path: &Path,
    request: &ArtifactAdd,
) -> Result<(), ArtifactError> {
    let mut annotations = request.annotations.clone();
    let title = annotations.entry(TITLE.to_owned());
    let title = title.or_insert_with(|| file_name(path)).clone();
    if document.titles().any(|known| known == title) {
        return Err(ArtifactError::SameTitle);
    }
    let (digest, size, looks_like) = take_in(intake, path)?;
    let kind = match request.file_type.as_str() {
        "" => looks_like,
        kind => kind,
    };
    document.add(kind, (&digest, size), &annotations);
    Ok(())
}

/// Takes a file into the store: its digest, its length and what it looks like.
pub(in crate::engine) fn take_in(
    intake: &ArtifactIntake,
    path: &Path,
) -> Result<(Digest, u64, &'static str), ArtifactError> {
    let failed = |call: &'static str| {
        let path = path.to_owned();
        move |source| ArtifactError::File { call, path, source }
    };
    let mut file = File::open(path).map_err(failed("open"))?;
    let mut first = Vec::new();
    let mut look = Read::by_ref(&mut file).take(media_type::LOOKED_AT as u64);
    look.read_to_end(&mut first).map_err(failed("read"))?;
    let kind = media_type::by_content(&first);
    let added = intake.add(Cursor::new(first).chain(file));
    let (digest, size) = added.map_err(|error| match error {
        StorageError::Input(source) => failed("read")(source),
        other => other.into(),
    })?;
    Ok((digest, size, kind))
}

/// What a file in a manifest list is, where nobody says it: by its name, else by its beginning.
pub(in crate::engine) fn listed_type(path: &Path, looks_like: &'static str) -> &'static str {
    let by_name = media_type::by_name(&file_name(path));
    media_type::without_parameters(by_name.unwrap_or(looks_like))
}

/// The last part of a path.
pub(in crate::engine) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
