// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the data of a file is, for an overlay of the kernel's that is mounted above us and reads
//! it there: the answers to `user.overlay.metacopy` and `user.overlay.redirect`, which on disk
//! are attributes of files without data.
//!
//! What is small we serve ourselves. Being asked for the path costs two questions when a file is
//! looked up; being asked for the data one when it is read for the first time.

use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::nodes::{NodeId, ROOT};
use super::overlay::Overlay;
use super::{DataSource, Options};

/// Files up to this size are served.
const SMALL: i64 = 32 << 10;

/// Whether the data of a file that is shown as of this kind is read elsewhere, where it can be.
pub(super) fn is_large(kind: u32, status: &FileStat) -> bool {
    kind == libc::S_IFREG && status.st_size > SMALL
}

const METACOPY: &[u8] = b"user.overlay.metacopy";
const REDIRECT: &[u8] = b"user.overlay.redirect";

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
}

impl Overlay {
    /// Answers what the overlay above asks of a node.
    pub(super) fn where_data_is(
        &mut self,
        id: NodeId,
        name: &[u8],
        buffer: &mut [u8],
    ) -> nix::Result<usize> {
        if name != METACOPY && name != REDIRECT {
            return Err(Errno::ENODATA);
        }
        let Ok(file) = self.table.file(id) else {
            return Err(Errno::ENODATA);
        };
        // Of nearly all files this is asked once, so it must cost nothing; layers do not change.
        if !file.is_large {
            return Err(Errno::ENODATA);
        }
        let layer = file.layer;
        let paths = self.elsewhere.as_ref();
        let Some(mut path) = paths.and_then(|paths| paths.0.get(layer)?.clone()) else {
            return Err(Errno::ENODATA);
        };
        if name == METACOPY {
            return Ok(0);
        }
        self.append_path(id, &mut path)?;
        if buffer.is_empty() {
            return Ok(path.len());
        }
        let place = buffer.get_mut(..path.len()).ok_or(Errno::ERANGE)?;
        place.copy_from_slice(&path);
        Ok(path.len())
    }

    /// Appends a file's path below the root. In layers that nobody changes it is the same in all.
    fn append_path(&mut self, id: NodeId, path: &mut Vec<u8>) -> nix::Result<()> {
        let link = self.table.file(id)?.links.iter().find(|link| link.real);
        let link = link.ok_or(Errno::ESTALE)?;
        let (mut parent, mut names) = (link.parent, vec![link.name.clone()]);
        while parent != ROOT {
            let directory = self.table.directory(parent)?;
            names.push(directory.name.clone());
            parent = directory.parent;
        }
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name.to_bytes());
        }
        Ok(())
    }
}
