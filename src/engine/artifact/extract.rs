// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blobs of an artifact out of the store: as files of the host, and as mounts of a container.

use std::fs::File;
use std::io;
use std::path::Path;

use super::document::TITLE;
use super::{ArtifactError, detail};
use crate::engine::Engine;
use crate::oci::{Descriptor, Digest, Manifest};
use crate::runtime::mounts::plan::INTO;
use crate::state::record::{MountKind, MountRequest};
use crate::storage::{Artifacts, StorageError};

/// Which blobs of an artifact are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WhichBlobs {
    /// All.
    #[default]
    All,
    /// The one of this digest, as typed.
    Digest(String),
    /// The one of this title.
    Title(String),
}

impl WhichBlobs {
    /// What the two options say, of which empty ones say nothing.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::ChosenTwice`].
    pub fn of(digest: &str, title: &str) -> Result<Self, ArtifactError> {
        match (digest, title) {
            ("", "") => Ok(Self::All),
            (digest, "") => Ok(Self::Digest(digest.to_owned())),
            ("", title) => Ok(Self::Title(title.to_owned())),
            _ => Err(ArtifactError::ChosenTwice),
        }
    }

    /// The chosen blobs.
    fn of_manifest<'m>(
        &self,
        manifest: &'m Manifest,
    ) -> Result<Vec<&'m Descriptor>, ArtifactError> {
        let layers = manifest.layers.iter();
        let (what, wanted, found): (_, _, Vec<_>) = match self {
            Self::All => return Ok(layers.collect()),
            Self::Digest(wanted) => {
                let fits = |blob: &&Descriptor| blob.digest.to_string() == *wanted;
                ("digest", wanted, layers.filter(fits).collect())
            }
            Self::Title(wanted) => {
                let fits = |blob: &&Descriptor| title(blob) == Some(wanted);
                ("title", wanted, layers.filter(fits).collect())
            }
        };
        let wanted = wanted.clone();
        match found.len() {
            0 => Err(ArtifactError::NoSuchBlob { what, wanted }),
            1 => Ok(found),
            _ => Err(ArtifactError::SeveralSuchBlobs { what, wanted }),
        }
    }

    /// What the file of a chosen blob is called: who asked for a digest gets that.
    fn file_name(&self, blob: &Descriptor) -> Result<String, ArtifactError> {
        match self {
            Self::Digest(_) => Ok(digest_name(&blob.digest)),
            Self::All | Self::Title(_) => file_name(blob),
        }
    }
}

impl Engine {
    /// Copies blobs of an artifact to a file, or into a directory under their titles.
    ///
    /// # Errors
    ///
    /// See [`ArtifactError`]; files that were written before stay.
    pub fn extract_artifact(
        &self,
        text: &str,
        target: &Path,
        which: &WhichBlobs,
    ) -> Result<(), ArtifactError> {
        let store = self.artifacts()?;
        let manifest = manifest_with_blobs(&store, text)?;
        let blobs = which.of_manifest(&manifest)?;
        if target.is_dir() {
            // Security: every name is known to lead nowhere else before anything is written.
            let names = blobs.iter().map(|blob| which.file_name(blob));
            let names = names.collect::<Result<Vec<_>, _>>()?;
            for (blob, name) in blobs.iter().zip(names) {
                copy(&store, &blob.digest, &target.join(name))?;
            }
            return Ok(());
        }
        match blobs[..] {
            [blob] => copy(&store, &blob.digest, target),
            _ => Err(ArtifactError::SeveralBlobs {
                target: target.to_owned(),
            }),
        }
    }

    /// A mount of an artifact as binds of its blobs, which nobody can write to: they are the store's
    /// own files.
    pub(in crate::engine) fn mounts_of_artifact(
        &self,
        mount: &MountRequest,
    ) -> Result<Vec<MountRequest>, ArtifactError> {
        let option = |key: &str| {
            let mut options = mount.options.iter();
            options.find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
        };
        let (digest, title) = (option("digest"), option("title"));
        let which = WhichBlobs::of(digest.unwrap_or_default(), title.unwrap_or_default())?;
        let store = self.artifacts()?;
        let manifest = manifest_with_blobs(&store, &mount.source)?;
        let blobs = which.of_manifest(&manifest)?;
        let name = option("name").filter(|name| !name.is_empty());
        if let [blob] = blobs[..] {
            let name = name.map_or_else(|| which.file_name(blob), |name| Ok(name.to_owned()))?;
            let into = format!("{INTO}={name}");
            let place = mount.container_path.clone();
            return Ok(vec![bind(&store, &blob.digest, place, vec![into])?]);
        }
        let mut made: Vec<MountRequest> = Vec::new();
        for (at, blob) in blobs.into_iter().enumerate() {
            let name = match name {
                Some(name) => format!("{name}-{at}"),
                None => which.file_name(blob)?,
            };
            let place = Path::new(&mount.container_path).join(&name);
            let place = place.to_string_lossy().into_owned();
            if made.iter().any(|other| other.container_path == place) {
                return Err(ArtifactError::SameMountedTitle { title: name });
            }
            made.push(bind(&store, &blob.digest, place, Vec::new())?);
        }
        Ok(made)
    }
}

fn bind(
    store: &Artifacts,
    digest: &Digest,
    container_path: String,
    more: Vec<String>,
) -> Result<MountRequest, StorageError> {
    let (_, path) = store.blob(digest)?;
    let options = ["bind", "ro"].map(str::to_owned).into_iter();
    Ok(MountRequest {
        kind: MountKind::Bind,
        source: path.to_string_lossy().into_owned(),
        container_path,
        options: options.chain(more).collect(),
    })
}

fn manifest_with_blobs(store: &Artifacts, text: &str) -> Result<Manifest, ArtifactError> {
    if text.is_empty() {
        return Err(ArtifactError::NoName);
    }
    let manifest = detail(store, store.find(text)?)?.manifest;
    if manifest.layers.is_empty() {
        return Err(ArtifactError::NoBlobs);
    }
    Ok(manifest)
}

fn title(blob: &Descriptor) -> Option<&String> {
    blob.annotations
        .get(TITLE)
        .filter(|title| !title.is_empty())
}

fn digest_name(digest: &Digest) -> String {
    digest.to_string().replace(':', "-")
}

/// The title of a blob, else its digest.
///
/// Security: whoever made the artifact chose the title, so that it must be a name and no path.
fn file_name(blob: &Descriptor) -> Result<String, ArtifactError> {
    let Some(title) = title(blob) else {
        return Ok(digest_name(&blob.digest));
    };
    let refused = |what| {
        let name = title.clone();
        Err(ArtifactError::Title { name, what })
    };
    match title.as_str() {
        "." | ".." => refused("a directory alone"),
        title if title.contains('/') => refused("/"),
        title if title.contains('\0') => refused("a NUL"),
        title => Ok(title.to_owned()),
    }
}

fn copy(store: &Artifacts, digest: &Digest, target: &Path) -> Result<(), ArtifactError> {
    let (mut blob, _) = store.blob(digest)?;
    let failed = |call: &'static str| {
        let path = target.to_owned();
        move |source| ArtifactError::File { call, path, source }
    };
    let mut file = File::create(target).map_err(failed("create"))?;
    io::copy(&mut blob, &mut file).map_err(failed("write"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(content: &str, title: &str) -> Descriptor {
        let mut blob = Descriptor::of("text/plain", content.as_bytes());
        blob.annotations.insert(TITLE.to_owned(), title.to_owned());
        blob
    }

    #[test]
    fn titles_are_names_and_no_paths() {
        assert_eq!(file_name(&blob("a", "read me")).unwrap(), "read me");
        let digest = Digest::sha256(b"a");
        let named = format!("sha256-{}", digest.hex());
        assert_eq!(file_name(&blob("a", "")).unwrap(), named);
        for title in ["../../../../tmp/evil", "a/b", "/", ".", "..", "a\0b"] {
            assert!(file_name(&blob("a", title)).is_err(), "{title}");
        }
        let evil = file_name(&blob("a", "../evil")).unwrap_err().to_string();
        assert!(evil.starts_with("invalid name: \"../evil\" cannot contain /"));
        let by_digest = WhichBlobs::Digest(digest.to_string());
        assert_eq!(by_digest.file_name(&blob("a", "../x")).unwrap(), named);
    }

    #[test]
    fn blobs_are_chosen_by_digest_or_title() {
        let manifest = Manifest {
            schema_version: 2,
            media_type: String::new(),
            config: blob("{}", ""),
            layers: vec![blob("a", "one"), blob("b", "two"), blob("b", "three")],
            annotations: std::collections::BTreeMap::new(),
        };
        let chosen = |digest: &str, title: &str| {
            let which = WhichBlobs::of(digest, title);
            let blobs = which.and_then(|which| Ok(which.of_manifest(&manifest)?.len()));
            blobs.map_err(|error| error.to_string())
        };
        let refused = |words: &str| Err(words.to_owned());
        assert_eq!(chosen("", ""), Ok(3));
        assert_eq!(chosen("", "two"), Ok(1));
        assert_eq!(chosen(&Digest::sha256(b"a").to_string(), ""), Ok(1));
        assert_eq!(chosen("", "x"), refused("no blob with the title \"x\""));
        assert_eq!(chosen("x", ""), refused("no blob with the digest \"x\""));
        assert!(chosen(&Digest::sha256(b"b").to_string(), "").is_err());
        assert_eq!(
            chosen("x", "y"),
            refused("cannot specify both digest and title")
        );
    }
}
