// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Extended attributes: which are shown, and under which name they are kept.
//!
//! Attributes of the layer format are neither shown nor settable: a process in the container
//! could otherwise hide files of lower layers or make its own files root's. The kernel's overlay
//! lets `user.overlay.NAME` pass as `user.overlay.overlay.NAME`, and root's `trusted.overlay.NAME`
//! likewise; so do we.

use std::ffi::{CStr, CString};

use nix::errno::Errno;

use super::Xattrs;
use super::content::Content;
use super::elsewhere::{METACOPY, REDIRECT};
use super::ids::Owner;
use super::nodes::Body;
use super::number::{NodeId, ROOT};
use super::overlay::{Overlay, UPPER};
use crate::layer_format::{capabilities_of_any_root, capabilities_of_root, is_reserved_xattr};
use crate::sys::xattr::{self, Place, SetMode};

/// Where file capabilities are kept that the kernel must not act on outside of the container.
pub(super) const RECORDED_CAPABILITY: &CStr = c"user.containers.override_security.capability";

/// File capabilities, where the kernel acts on them.
pub(super) const CAPABILITY: &CStr = c"security.capability";
const OVERLAY: &[u8] = b"user.overlay.";

/// What an overlay above us sets in its layers, which are files here; and how it is kept.
const ESCAPED: [(&[u8], &[u8]); 2] = [
    (OVERLAY, b"user.overlay.overlay."),
    (b"trusted.overlay.", b"trusted.overlay.overlay."),
];
const ACL: &[u8] = b"system.posix_acl_";

/// How a layer keeps attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keeping {
    /// Capabilities are recorded.
    metadata: bool,
    acl: bool,
}

/// The name under which an attribute is kept; `None` if it cannot be.
fn kept_name(name: &[u8], keeping: Keeping) -> Option<CString> {
    let mut escaped = ESCAPED.iter().filter_map(|(shown, kept)| {
        let rest = name.strip_prefix(*shown)?;
        Some([*kept, rest].concat())
    });
    let kept = if let Some(kept) = escaped.next() {
        kept
    } else if is_reserved_xattr(name) || (name.starts_with(ACL) && !keeping.acl) {
        return None;
    } else if name == CAPABILITY.to_bytes() && keeping.metadata {
        RECORDED_CAPABILITY.to_bytes().to_vec()
    } else {
        name.to_vec()
    };
    CString::new(kept).ok()
}

/// The name under which a kept attribute is shown; `None` if it is not.
fn shown_name(kept: &CStr, keeping: Keeping) -> Option<Vec<u8>> {
    let name = kept.to_bytes();
    for (shown, kept) in ESCAPED {
        if let Some(rest) = name.strip_prefix(kept) {
            return Some([shown, rest].concat());
        }
    }
    if kept == RECORDED_CAPABILITY && keeping.metadata {
        return Some(CAPABILITY.to_bytes().to_vec());
    }
    let is_hidden = is_reserved_xattr(name)
        || (name.starts_with(ACL) && !keeping.acl)
        || (name == CAPABILITY.to_bytes() && keeping.metadata);
    (!is_hidden).then(|| name.to_vec())
}

impl Overlay {
    fn keeping(&self, layer: usize) -> Keeping {
        Keeping {
            metadata: self.layers[layer].metadata,
            acl: self.acl,
        }
    }

    fn layer_of(&mut self, id: NodeId) -> nix::Result<usize> {
        match &self.table.node(id)?.body {
            Body::Directory(directory) => directory
                .parts
                .first()
                .map(|part| part.layer)
                .ok_or(Errno::ESTALE),
            Body::File(file) => Ok(file.layer),
        }
    }

    /// Reads an attribute into `buffer`, or only its size into an empty one.
    pub(super) fn get_xattr(
        &mut self,
        id: NodeId,
        name: &[u8],
        buffer: &mut [u8],
    ) -> nix::Result<usize> {
        self.has_xattrs()?;
        if self.elsewhere.is_some() && name.starts_with(OVERLAY) {
            return self.where_data_is(id, name, buffer);
        }
        // The kernel asks before the first write to each file that is opened.
        if name == CAPABILITY.to_bytes() && self.has_no_capabilities(id) {
            return Err(Errno::ENODATA);
        }
        let layer = self.layer_of(id)?;
        let Some(kept) = kept_name(name, self.keeping(layer)) else {
            let is_acl = name.starts_with(ACL);
            return Err(if is_acl {
                Errno::EOPNOTSUPP
            } else {
                Errno::ENODATA
            });
        };
        let spot = self.table.spot(id)?;
        if name == CAPABILITY.to_bytes() && self.translates_capabilities(layer) {
            let value = xattr::get_vec(spot.place(), &kept).unwrap_or_default();
            let value = self.capability_shown(layer, value.ok_or(Errno::ENODATA)?);
            if !buffer.is_empty() {
                let place = buffer.get_mut(..value.len()).ok_or(Errno::ERANGE)?;
                place.copy_from_slice(&value);
            }
            return Ok(value.len());
        }
        match xattr::get(spot.place(), &kept, buffer) {
            // A file without `user.` attributes has not this one either.
            Err(Errno::EOPNOTSUPP | Errno::EPERM) if name == CAPABILITY.to_bytes() => {
                Err(Errno::ENODATA)
            }
            answer => answer,
        }
    }

    /// Whether a file is known to have no capabilities.
    fn has_no_capabilities(&mut self, id: NodeId) -> bool {
        let file = self.table.file(id);
        file.is_ok_and(|file| file.has_caps == Some(false))
    }

    /// Whether file capabilities on disk count for another root than in the container.
    fn translates_capabilities(&self, layer: usize) -> bool {
        self.elsewhere.is_some() || self.layers[layer].owners.is_some()
    }

    fn capability_shown(&self, layer: usize, value: Vec<u8>) -> Vec<u8> {
        if let Some(owners) = &self.layers[layer].owners {
            return capabilities_of_any_root(value, owners.root_outside().0);
        }
        let root = self.ids.shown(Owner { uid: 0, gid: 0 });
        capabilities_of_root(value, root.uid)
    }

    /// The names of all attributes, each ended by NUL.
    pub(super) fn list_xattrs(&mut self, id: NodeId) -> nix::Result<Vec<u8>> {
        self.has_xattrs()?;
        let layer = self.layer_of(id)?;
        let keeping = self.keeping(layer);
        let spot = self.table.spot(id)?;
        let mut names = Vec::new();
        for kept in xattr::list_vec(spot.place())? {
            if let Some(shown) = shown_name(&kept, keeping) {
                names.extend_from_slice(&shown);
                names.push(0);
            }
        }
        Ok(names)
    }

    /// Sets an attribute.
    pub(super) fn set_xattr(
        &mut self,
        id: NodeId,
        name: &[u8],
        value: &[u8],
        mode: SetMode,
    ) -> nix::Result<()> {
        let kept = self.settable(id, name)?;
        if name == CAPABILITY.to_bytes()
            && let Ok(file) = self.table.file(id)
        {
            file.has_caps = Some(true);
        }
        let spot = self.table.spot(id)?;
        xattr::set(spot.place(), &kept, value, mode)
    }

    /// Removes an attribute.
    pub(super) fn remove_xattr(&mut self, id: NodeId, name: &[u8]) -> nix::Result<()> {
        let kept = self.settable(id, name)?;
        let spot = self.table.spot(id)?;
        xattr::remove(spot.place(), &kept)
    }

    fn has_xattrs(&self) -> nix::Result<()> {
        match self.xattrs {
            Xattrs::Shown => Ok(()),
            Xattrs::Off => Err(Errno::EOPNOTSUPP),
        }
    }

    fn settable(&mut self, id: NodeId, name: &[u8]) -> nix::Result<CString> {
        self.has_xattrs()?;
        if self.work.is_none() {
            return Err(Errno::EROFS);
        }
        let kept = kept_name(name, self.keeping(UPPER)).ok_or(Errno::EOPNOTSUPP)?;
        self.copy_up(id, Content::All)?;
        Ok(kept)
    }

    /// Copies the attributes of a file to its copy in the upper layer.
    pub(super) fn copy_xattrs(
        &self,
        layer: usize,
        original: Place<'_>,
        copy: Place<'_>,
    ) -> nix::Result<()> {
        for kept in xattr::list_vec(original)? {
            let name = shown_name(&kept, self.keeping(layer));
            let target = name.and_then(|name| kept_name(&name, self.keeping(UPPER)));
            let Some(target) = target else {
                continue;
            };
            let Some(value) = xattr::get_vec(original, &kept)? else {
                continue;
            };
            match xattr::set(copy, &target, &value, SetMode::Either) {
                // Labels and the like belong to the host; the kernel's overlay lets them go too.
                Ok(()) | Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::EINVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Answers what the overlay above asks of a node.
    fn where_data_is(&mut self, id: NodeId, name: &[u8], buffer: &mut [u8]) -> nix::Result<usize> {
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
        let Some(mut path) = paths
            .and_then(|paths| paths.of_layer(layer))
            .map(<[u8]>::to_vec)
        else {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        let recorded = Keeping {
            metadata: true,
            acl: false,
        };
        let real = Keeping {
            metadata: false,
            acl: true,
        };
        let table: [(&str, Keeping, Option<&str>); 10] = [
            ("user.comment", recorded, Some("user.comment")),
            (
                "user.overlay.opaque",
                real,
                Some("user.overlay.overlay.opaque"),
            ),
            (
                "trusted.overlay.opaque",
                recorded,
                Some("trusted.overlay.overlay.opaque"),
            ),
            ("user.containers.override_stat", real, None),
            ("user.fuseoverlayfs.opaque", recorded, None),
            ("security.capability", real, Some("security.capability")),
            (
                "security.capability",
                recorded,
                Some("user.containers.override_security.capability"),
            ),
            (
                "system.posix_acl_access",
                real,
                Some("system.posix_acl_access"),
            ),
            ("system.posix_acl_access", recorded, None),
            ("security.selinux", recorded, Some("security.selinux")),
        ];
        for (name, keeping, expected) in table {
            let kept = kept_name(name.as_bytes(), keeping);
            let text = kept.as_deref().map(|kept| kept.to_str().unwrap());
            assert_eq!(text, expected, "{name}");
            if let Some(kept) = kept {
                let shown = shown_name(&kept, keeping);
                assert_eq!(shown.as_deref(), Some(name.as_bytes()));
            }
        }
    }

    #[test]
    fn names_that_are_hidden() {
        let recorded = Keeping {
            metadata: true,
            acl: false,
        };
        let hidden = [
            c"user.overlay.opaque",
            c"user.containers.override_stat",
            c"user.fuseoverlayfs.origin",
            c"system.posix_acl_default",
            c"security.capability",
        ];
        for name in hidden {
            assert_eq!(shown_name(name, recorded), None, "{name:?}");
        }
    }
}
