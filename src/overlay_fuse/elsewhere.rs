// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the data of a file is, for an overlay of the kernel's that is mounted above us and reads
//! it there: the answers to `user.overlay.metacopy` and `user.overlay.redirect`, which on disk
//! are attributes of files without data.
//!
//! What is small we serve ourselves. Being asked for the path costs two questions when a file is
//! looked up; being asked for the data one when it is read for the first time.

use std::os::unix::ffi::OsStrExt;

use nix::sys::stat::FileStat;

use super::{DataSource, Options};

/// Files up to this size are served.
const SMALL: i64 = 32 << 10;

/// Whether the data of a file that is shown as of this kind is read elsewhere, where it can be.
pub(super) fn is_large(kind: u32, status: &FileStat) -> bool {
    kind == libc::S_IFREG && status.st_size > SMALL
}

pub(super) const METACOPY: &[u8] = b"user.overlay.metacopy";
pub(super) const REDIRECT: &[u8] = b"user.overlay.redirect";

/// The place of each layer in the other overlay's data-only layers.
#[derive(Debug)]
pub(super) struct Elsewhere(Vec<Option<Vec<u8>>>);

impl Elsewhere {
    /// What the options say, if they do.
    pub(super) fn of(options: &Options) -> Option<Self> {
        let DataSource::Elsewhere { paths } = &options.data else {
            return None;
        };
        let bytes = paths.iter().map(|path| {
            let bytes = path.as_ref()?.as_os_str().as_bytes();
            // The kernel takes no empty part in a path.
            Some(bytes.strip_suffix(b"/").unwrap_or(bytes).to_vec())
        });
        Some(Self(bytes.collect()))
    }

    /// The place of a layer.
    pub(super) fn of_layer(&self, layer: usize) -> Option<&[u8]> {
        self.0.get(layer)?.as_deref()
    }
}
