// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From an archive into the store: all layers of an image at once, then the image that names them.

use super::parallel::for_each;
use super::progress::{Step, TransferReport};
use crate::oci::{Digest, ImageConfiguration, Reference};
use crate::storage::archive::{ArchivedImage, ArchivedLayer};
use crate::storage::{Expected, Images, InPlace, NewImage, Pin, StorageError, chain_ids};

/// One load.
pub(super) struct Load<'a> {
    pub(super) images: &'a Images,
    pub(super) workplace: &'a InPlace,
    pub(super) report: &'a dyn TransferReport,
}

/// One layer to unpack.
struct Job<'a> {
    blob: &'a ArchivedLayer,
    diff_id: &'a Digest,
    parent: Option<&'a Digest>,
}

impl Load<'_> {
    /// Keeps one image.
    pub(super) fn one(
        &self,
        archived: &ArchivedImage,
        names: &[Reference],
    ) -> Result<Digest, StorageError> {
        let config = ImageConfiguration::from_json(&archived.config)
            .expect("the archive's reader has read it before");
        let digest = &Digest::sha256(&archived.manifest);
        self.report.step(Step::Found { name: None, digest });
        let diff_ids = &config.rootfs.diff_ids;
        let chain = chain_ids(diff_ids);
        let pins = self.layers(archived, diff_ids, &chain)?;
        let layers = self.images.layers();
        layers.settle_roots(&chain, self.workplace)?;
        let blobs: Vec<_> = chain.iter().zip(&archived.layers).collect();
        for_each(&blobs, |(chain_id, blob), _| match &blob.blob_digest {
            Some(digest) => layers.keep_blob(&layers.read(chain_id)?, digest, || blob.reader()),
            None => Ok(()),
        })?;
        let digest = &Digest::sha256(&archived.config);
        self.report.step(Step::Config { digest });
        self.report.step(Step::Manifest);
        let new = NewImage {
            config: &archived.config,
            manifest: &archived.manifest,
            names,
            origin: None,
        };
        self.images.add(&new, pins)
    }

    /// Unpacks the layers that are not here, several at once.
    fn layers(
        &self,
        archived: &ArchivedImage,
        diff_ids: &[Digest],
        chain: &[Digest],
    ) -> Result<Vec<Pin>, StorageError> {
        let below = std::iter::once(None).chain(chain.iter().map(Some));
        let triples = diff_ids.iter().zip(&archived.layers).zip(below);
        let jobs = triples.map(|((diff_id, blob), parent)| Job {
            blob,
            diff_id,
            parent,
        });
        let mut jobs: Vec<Job<'_>> = jobs.collect();
        for job in &jobs {
            let (digest, size_bytes) = (job.digest(), job.blob.size_bytes());
            self.report.step(Step::Layer { digest, size_bytes });
        }
        // The longest first: what begins last should not be what takes longest.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.blob.size_bytes()));
        let layers = self.images.layers();
        let (unpacked, kept) = layers.take_in(self.workplace, |intake| {
            for_each(&jobs, |job, _| {
                let expected = Expected {
                    diff_id: Some(job.diff_id),
                    blob_digest: job.blob.blob_digest.as_ref(),
                    blob_type: job.blob.blob_type.as_deref(),
                };
                intake.add(job.parent, expected, job.blob.reader())?;
                let digest = job.digest();
                self.report.step(Step::LayerDone { digest });
                Ok(())
            })
        })?;
        unpacked.and(kept)
    }
}

impl Job<'_> {
    /// What the layer is called while it comes.
    fn digest(&self) -> &Digest {
        self.blob.blob_digest.as_ref().unwrap_or(self.diff_id)
    }
}
