// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a transfer tells while it goes on. It may be told from several threads, and from a child
//! of the process that asked.

use crate::engine::{Report, Silent};
use crate::oci::{Descriptor, Digest, Reference};

/// A step of a pull or push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// How a short name was understood, in words.
    Resolved(&'a str),
    /// A name is tried.
    Trying(&'a str),
    /// The registry has answered.
    Found {
        /// The name that was pulled.
        name: Option<&'a Reference>,
        /// The digest of what the name leads to.
        digest: &'a Digest,
    },
    /// A layer begins.
    Layer {
        /// The digest of its blob.
        digest: &'a Digest,
        /// Its length in bytes.
        size_bytes: u64,
    },
    /// A layer is there already.
    LayerExists {
        /// The digest of its blob.
        digest: &'a Digest,
    },
    /// Nothing of the image is missing.
    AllThere {
        /// The blobs of its layers.
        layers: &'a [Descriptor],
        /// The digest of its configuration.
        config: &'a Digest,
    },
    /// Bytes of a layer went by.
    Bytes {
        /// The digest of its blob.
        digest: &'a Digest,
        /// How many more.
        count: usize,
    },
    /// A layer is finished.
    LayerDone {
        /// The digest of its blob.
        digest: &'a Digest,
    },
    /// The configuration goes by.
    Config {
        /// Its digest.
        digest: &'a Digest,
    },
    /// The manifest is written, as the last thing.
    Manifest,
}

/// Who is told of the steps.
pub trait TransferReport: Report + Sync {
    /// A step was made.
    fn step(&self, step: Step<'_>);
}

impl TransferReport for Silent {
    fn step(&self, _step: Step<'_>) {}
}
