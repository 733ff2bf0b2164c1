// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The root directories of layers that were unpacked beside the ones below them. Most archives do
//! not say whose the root is: it is as in the layer below, which was not there to be looked at.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Layers, root_directory};
use crate::layer_format::read_override_stat;
use crate::oci::Digest;
use crate::storage::error::StorageError;
use crate::storage::unpack::{Ownership, set_root_directory};
use crate::storage::workplace::Workplace;
use crate::sys::xattr::Place;
use crate::sys::{Called, SysResult};

/// A layer that does not say whose its root is, and the one below it.
struct Unsaid {
    below: PathBuf,
    diff: PathBuf,
}

impl Layers {
    /// Gives the layers of `chain`, lowest first, the roots that they do not say. To be done
    /// before an image names them; what is right stays untouched.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unpack`] with what could not be changed.
    pub fn settle_roots(
        &self,
        chain: &[Digest],
        workplace: &dyn Workplace,
    ) -> Result<(), StorageError> {
        let mut unsaid = Vec::new();
        let mut is_settled = true;
        for pair in chain.windows(2) {
            let (below, layer) = (self.read(&pair[0])?.diff_path, self.read(&pair[1])?);
            // Those of another store are settled, and not ours to change.
            if layer.record.content.root_is_member
                || !layer.diff_path.starts_with(self.dirs.layers())
            {
                continue;
            }
            is_settled &= are_alike(&below, &layer.diff_path);
            let diff = layer.diff_path;
            unsaid.push(Unsaid { below, diff });
        }
        if is_settled {
            return Ok(());
        }
        let ownership = workplace.ownership();
        let settled = || unsaid.iter().try_for_each(|one| settle(one, ownership));
        let mut work = || match settled() {
            Ok(()) => Vec::new(),
            Err(error) => crate::storage::error::chain(&error).into_bytes(),
        };
        match workplace.run(&mut work) {
            Ok(words) if words.is_empty() => Ok(()),
            Ok(words) => {
                let words = String::from_utf8_lossy(&words).into_owned();
                Err(StorageError::Unpack { words })
            }
            Err(words) => Err(StorageError::Unpack { words }),
        }
    }
}

/// Whether two roots are the same to whoever looks from anywhere.
fn are_alike(below: &Path, diff: &Path) -> bool {
    let look = |path: &Path| {
        let opened = File::open(path).ok()?;
        let stat = opened.metadata().ok()?;
        let said = read_override_stat(Place::Descriptor(opened.as_fd())).ok()?;
        Some((stat.uid(), stat.gid(), stat.mode(), said))
    };
    matches!((look(below), look(diff)), (Some(one), Some(other)) if one == other)
}

fn settle(unsaid: &Unsaid, ownership: Ownership) -> SysResult<()> {
    let diff = &unsaid.diff;
    let wanted = root_directory(&unsaid.below);
    if root_directory(diff) == wanted {
        return Ok(());
    }
    let opened = File::open(diff).called(|| format!("open({})", diff.display()))?;
    set_root_directory(opened.as_fd(), ownership, wanted)?;
    // The layer's files went to the disk before this.
    opened
        .sync_all()
        .called(|| format!("fsync({})", diff.display()))
}
