// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with blobs, layers and images.

use std::io;
use std::path::PathBuf;

use crate::oci::{Digest, Platform, ReferenceError};
use crate::sys::SysError;

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No image has this name or id.
    #[error("{name}: image not known")]
    NoSuchImage {
        /// The name as typed.
        name: String,
    },
    /// No artifact has this name or digest.
    #[error("{name}: artifact does not exist")]
    NoSuchArtifact {
        /// As typed.
        name: String,
    },
    /// An artifact has the name.
    #[error("{name}: artifact already exists")]
    ArtifactExists {
        /// As typed.
        name: String,
    },
    /// The artifact of a name was changed while it was added to.
    #[error("{name}: somebody else has changed the artifact meanwhile: try again")]
    ArtifactChanged {
        /// As typed.
        name: String,
    },
    /// A file of an artifact is not there.
    #[error(
        "blob {digest} of an artifact is missing; remove the artifact with `artifact rm` and pull \
         or add it again"
    )]
    MissingBlob {
        /// Which.
        digest: Digest,
    },
    /// What a blob is made of does not read.
    #[error("read")]
    Input(#[source] io::Error),
    /// A blob that came is not what its manifest says.
    #[error("blob {expected} does not match: what came has the digest {found}")]
    WrongBlob {
        /// What the manifest says.
        expected: Digest,
        /// What the bytes say.
        found: Digest,
    },
    /// Several images' ids start like this.
    #[error("{prefix} is ambiguous: {count} images have ids that start with it")]
    AmbiguousId {
        /// The prefix as typed.
        prefix: String,
        /// How many images fit.
        count: usize,
    },
    /// The image does not have this name.
    #[error("{name}: tag not known")]
    NoSuchName {
        /// The full name.
        name: String,
    },
    /// The image was to be removed, and somebody has given it a name.
    #[error("image {} is called {name} since it was looked for: try again", id.short())]
    NamedMeanwhile {
        /// The image.
        id: Digest,
        /// The name that was not known.
        name: String,
    },
    /// The image is not a list of images.
    #[error("{name}: image is not a manifest list")]
    NotAList {
        /// As typed.
        name: String,
    },
    /// A list has no image for a platform.
    #[error(
        "choosing an image from manifest list {name}: no image found in manifest list for \
         architecture \"{}\", variant \"{}\", OS \"{}\" that is in local storage",
        platform.architecture, platform.variant, platform.os
    )]
    NoInstance {
        /// The list.
        name: String,
        /// What was looked for.
        platform: Platform,
    },
    /// An image is for another machine.
    #[error("{name}: image does not provide the platform {platform}")]
    NotForPlatform {
        /// As typed.
        name: String,
        /// What was looked for.
        platform: Platform,
    },
    /// The text is no image name.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A file of the store cannot be read or written.
    #[error("{action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A call on a file of the store was refused.
    #[error("{action}")]
    Call {
        /// What was being done.
        action: &'static str,
        /// The call.
        source: SysError,
    },
    /// A document of the store does not read.
    #[error("{} is damaged; remove the image with `rmi -f` and load it again", path.display())]
    Damaged {
        /// The document.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A layer of an image is not there.
    #[error("layer {chain_id} is missing; remove the image with `rmi -f` and load it again")]
    MissingLayer {
        /// The layer.
        chain_id: Digest,
    },
    /// A layer's content is not what its image says.
    #[error("layer {expected} does not match: its content has the digest {found}")]
    WrongDigest {
        /// What the image says.
        expected: Digest,
        /// What the bytes say.
        found: Digest,
    },
    /// A layer could not be unpacked.
    #[error("unpack layer: {words}")]
    Unpack {
        /// Why, with every cause.
        words: String,
    },
    /// A removed layer's files could not be deleted.
    #[error(
        "the files of a removed layer cannot be deleted: {words}; what is left is in {}: if its \
         owners are ids of an old range, put that range back and prune, or delete it as root",
        path.display()
    )]
    LeftBehind {
        /// Where they are.
        path: PathBuf,
        /// Why they could not.
        words: String,
    },
    /// The user's namespace cannot be reached.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    /// The layers were unpacked for another range of ids.
    #[error(
        "the layers of this image were unpacked for the id range {layers}, but the range is {now} \
         now; put the old range back into /etc/subuid and /etc/subgid, or remove the image and \
         load it again"
    )]
    RangeChanged {
        /// The range of the layers.
        layers: String,
        /// Today's.
        now: String,
    },
}

impl StorageError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    pub(crate) fn call(action: &'static str) -> impl FnOnce(SysError) -> Self {
        move |source| Self::Call { action, source }
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
