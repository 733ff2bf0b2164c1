// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories as several layers show them together.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::layer::{Attributes, LayerRoot, names, open_directory};
use crate::layer_format::{DOT_WH_OPAQUE, DotWh, Opaque, is_xattr_whiteout, read_opaque};
use crate::sys::xattr::Place;
use crate::sys::{Called, SysResult};

/// One directory, with what each layer has of it, topmost first.
#[derive(Debug)]
pub(super) struct MergedDirectory {
    parts: Vec<Part>,
}

/// A directory of one layer.
#[derive(Debug)]
struct Part {
    /// The layer's place in the stack.
    layer: usize,
    directory: OwnedFd,
    mark: Opaque,
}

/// A name in a merged directory.
#[derive(Debug)]
pub(super) enum Entry {
    /// A file or directory, as the topmost layer that has it shows it.
    Present(Found),
    /// A whiteout of the topmost layer.
    Hidden,
}

/// What stands under a name.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) attributes: Attributes,
    /// Which part of the directory has it.
    part: usize,
}

impl MergedDirectory {
    /// The root of a stack.
    pub(super) fn root(stack: &[LayerRoot]) -> SysResult<Self> {
        let mut parts = Vec::new();
        for (layer, root) in stack.iter().enumerate() {
            if push_part(&mut parts, layer, root.root()?)? == Opaque::Yes {
                break;
            }
        }
        Ok(Self { parts })
    }

    /// Everything in the directory by name.
    pub(super) fn entries(&self, stack: &[LayerRoot]) -> SysResult<BTreeMap<CString, Entry>> {
        let mut entries: BTreeMap<CString, Entry> = BTreeMap::new();
        for (index, part) in self.parts.iter().enumerate() {
            let mut hidden_here = Vec::new();
            for name in names(part.directory.as_fd())? {
                match DotWh::of(name.to_bytes()) {
                    DotWh::Plain => {}
                    DotWh::Whiteout(hidden) => {
                        hidden_here.push(CString::new(hidden).expect("part of a C string"));
                        continue;
                    }
                    DotWh::Opaque | DotWh::Reserved => continue,
                }
                if entries.contains_key(&name) {
                    continue;
                }
                if let Some(entry) = part.entry(index, &stack[part.layer], &name)? {
                    entries.insert(name, entry);
                }
            }
            for name in hidden_here {
                entries.entry(name).or_insert(Entry::Hidden);
            }
        }
        Ok(entries)
    }

    /// What stands under `name`, if anything is shown there.
    pub(super) fn find(&self, stack: &[LayerRoot], name: &CStr) -> SysResult<Option<Found>> {
        for (index, part) in self.parts.iter().enumerate() {
            match part.entry(index, &stack[part.layer], name)? {
                Some(Entry::Present(found)) => return Ok(Some(found)),
                Some(Entry::Hidden) => return Ok(None),
                None if part.has_dot_wh(name) => return Ok(None),
                None => {}
            }
        }
        Ok(None)
    }

    /// The directory `name` in it, which `found` is.
    pub(super) fn child(&self, stack: &[LayerRoot], name: &CStr, found: &Found) -> SysResult<Self> {
        let mut parts = Vec::new();
        for (index, part) in self.parts.iter().enumerate().skip(found.part) {
            match part.entry(index, &stack[part.layer], name)? {
                Some(Entry::Present(found)) if found.attributes.is_directory() => {}
                None if !part.has_dot_wh(name) => continue,
                Some(Entry::Present(_) | Entry::Hidden) | None => break,
            }
            let opened = open_directory(part.directory.as_fd(), name)?;
            if push_part(&mut parts, part.layer, opened)? == Opaque::Yes {
                break;
            }
        }
        Ok(Self { parts })
    }

    /// The directory of the layer that shows `found`, and that layer.
    pub(super) fn place<'a>(
        &'a self,
        stack: &'a [LayerRoot],
        found: &Found,
    ) -> (BorrowedFd<'a>, &'a LayerRoot) {
        let part = &self.parts[found.part];
        (part.directory.as_fd(), &stack[part.layer])
    }

    /// The topmost layer's own descriptor, its layer, and whether it hides what is below.
    pub(super) fn top<'a>(
        &'a self,
        stack: &'a [LayerRoot],
    ) -> Option<(BorrowedFd<'a>, &'a LayerRoot, bool)> {
        let part = self.parts.first()?;
        let is_opaque = part.mark == Opaque::Yes;
        Some((part.directory.as_fd(), &stack[part.layer], is_opaque))
    }
}

impl Part {
    fn entry(&self, index: usize, layer: &LayerRoot, name: &CStr) -> SysResult<Option<Entry>> {
        let directory = self.directory.as_fd();
        let Some(attributes) = layer.attributes(directory, name)? else {
            return Ok(None);
        };
        let by_attribute = || {
            self.mark == Opaque::XattrWhiteouts
                && attributes.size == 0
                && is_xattr_whiteout(Place::Entry(directory, name))
        };
        if attributes.is_whiteout() || by_attribute() {
            return Ok(Some(Entry::Hidden));
        }
        Ok(Some(Entry::Present(Found {
            attributes,
            part: index,
        })))
    }

    /// Whether the plain file form of a whiteout hides `name`.
    fn has_dot_wh(&self, name: &CStr) -> bool {
        let mut file = b".wh.".to_vec();
        file.extend_from_slice(name.to_bytes());
        let file = CString::new(file).expect("a C string holds no NUL");
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        file.as_c_str() != DOT_WH_OPAQUE
            && nix::sys::stat::fstatat(&self.directory, file.as_c_str(), flags).is_ok()
    }
}

fn push_part(parts: &mut Vec<Part>, layer: usize, directory: OwnedFd) -> SysResult<Opaque> {
    let mark = read_opaque(Place::Descriptor(directory.as_fd())).called(|| "getxattr(opaque)")?;
    parts.push(Part {
        layer,
        directory,
        mark,
    });
    Ok(mark)
}
