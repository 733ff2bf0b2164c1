// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sources of mounts that were opened for the init stage, and how they are called.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::plan::MountOp;

/// What the root of the hybrid engine is called: no path of a plan begins like that.
pub const ROOT: &str = "//root";

/// The type of an image in the plan. Its parameters are `lowerdir+` for each layer, topmost first,
/// and `upperdir` and `workdir` if it can be written.
pub const IMAGE: &str = "x-coracle.image";

/// Descriptors that were opened for the stage, each under the path that the plan names.
#[derive(Debug, Default)]
pub struct Sources {
    opened: Vec<(PathBuf, OwnedFd)>,
}

impl Sources {
    /// Keeps one more.
    pub fn add(&mut self, path: PathBuf, opened: OwnedFd) {
        self.opened.push((path, opened));
    }

    /// The next descriptor of `path`, if there is one: each mount of a source has its own.
    pub fn take(&mut self, path: &Path) -> Option<OwnedFd> {
        let place = self.opened.iter().position(|(known, _)| known == path)?;
        Some(self.opened.remove(place).1)
    }
}

/// What a source whose ids are mapped is called: a plain mount of the same path has another one.
pub(super) fn mapped_name(op: &MountOp) -> PathBuf {
    Path::new("//idmap").join(
        op.container_path
            .strip_prefix("/")
            .unwrap_or(&op.container_path),
    )
}

/// What the source of a bind is called; a part of it has a name of its own.
pub(super) fn source_name(op: &MountOp, host_path: &Path) -> PathBuf {
    let Some(beneath) = &op.beneath else {
        return host_path.to_owned();
    };
    let whole = host_path.strip_prefix("/").unwrap_or(host_path);
    Path::new("//beneath").join(whole).join(beneath)
}

/// What an overlay that is made is called among the sources.
pub fn overlay_name(op: &MountOp) -> PathBuf {
    let path = op.container_path.strip_prefix("/");
    Path::new("//overlay").join(path.unwrap_or(&op.container_path))
}
