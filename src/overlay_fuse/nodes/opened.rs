// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What nodes keep open, within limits: directories, files and listings.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::{Body, Data, LISTING_LIMIT, LISTING_LIMIT_IN_USE, Table};
use crate::overlay_fuse::backing::{Spot, open_directory};
use crate::overlay_fuse::listing::Listing;
use crate::overlay_fuse::number::NodeId;

impl Table {
    /// A descriptor of a directory in one of its layers.
    pub(in crate::overlay_fuse) fn directory_fd(
        &mut self,
        id: NodeId,
        layer: usize,
    ) -> nix::Result<Arc<OwnedFd>> {
        // From the directory up to the nearest ancestor that is open, then down again.
        let mut closed = Vec::new();
        let mut current = id;
        let mut opened = loop {
            let directory = self.directory(current)?;
            directory.recent = true;
            let removed = directory.removed;
            let parent = directory.parent;
            let part = directory.parts.iter().find(|part| part.layer == layer);
            let part = part.ok_or(Errno::ENOENT)?;
            if let Some(opened) = &part.opened {
                break opened.clone();
            }
            if removed {
                return Err(Errno::ENOENT);
            }
            closed.push(current);
            current = parent;
        };
        while let Some(current) = closed.pop() {
            let name = self.directory(current)?.name.clone();
            opened = Arc::new(open_directory(&opened, &name)?);
            self.keep_directory_fd(current, layer, &opened)?;
        }
        Ok(opened)
    }

    /// Remembers an open directory, and closes one that was not used for long if there are many.
    pub(in crate::overlay_fuse) fn keep_directory_fd(
        &mut self,
        id: NodeId,
        layer: usize,
        opened: &Arc<OwnedFd>,
    ) -> nix::Result<()> {
        let directory = self.directory(id)?;
        directory.recent = true;
        let part = directory.parts.iter_mut().find(|part| part.layer == layer);
        part.ok_or(Errno::ENOENT)?.opened = Some(opened.clone());
        self.open_directories.push_back((id, layer));
        while self.open_directories.len() > self.directory_limit {
            self.close_a_directory();
        }
        Ok(())
    }

    fn close_a_directory(&mut self) {
        let Some((id, layer)) = self.open_directories.pop_front() else {
            return;
        };
        let Ok(directory) = self.directory(id) else {
            return;
        };
        if std::mem::take(&mut directory.recent) {
            self.open_directories.push_back((id, layer));
            return;
        }
        // A directory without a name can never be opened again.
        if !directory.removed
            && let Some(part) = directory.parts.iter_mut().find(|part| part.layer == layer)
        {
            part.opened = None;
        }
    }

    /// The open file of a node, if there is one.
    pub(in crate::overlay_fuse) fn open_file(&mut self, id: NodeId) -> nix::Result<Option<Data>> {
        let file = self.file(id)?;
        file.recent = true;
        Ok(file.data.clone())
    }

    /// Remembers an open file, and closes one that was not used for long if there are many.
    pub(in crate::overlay_fuse) fn keep_file(&mut self, id: NodeId, data: Data) -> nix::Result<()> {
        let file = self.file(id)?;
        file.recent = true;
        if file.data.replace(data).is_none() {
            self.open_files.push_back(id);
        }
        while self.open_files.len() > self.file_limit {
            self.close_a_file();
        }
        Ok(())
    }

    fn close_a_file(&mut self) {
        let Some(id) = self.open_files.pop_front() else {
            return;
        };
        let Ok(file) = self.file(id) else {
            return;
        };
        if std::mem::take(&mut file.recent) {
            self.open_files.push_back(id);
        } else {
            file.data = None;
        }
    }

    /// Remembers a directory's listing, and drops the oldest if there are many: one that nobody is
    /// in the middle of, for it cannot be made again after a change with the same cookies.
    pub(in crate::overlay_fuse) fn keep_listing(&mut self, id: NodeId, listing: Box<Listing>) {
        let Ok(directory) = self.directory(id) else {
            return;
        };
        directory.listing = Some(listing);
        // A directory that is being read is asked for often: it moves to the end.
        self.listed.retain(|other| *other != id);
        self.listed.push_back(id);
        if self.listed.len() > LISTING_LIMIT
            && let Some(oldest) = self.oldest_listing()
            && let Some(oldest) = self.listed.remove(oldest)
            && let Ok(directory) = self.directory(oldest)
        {
            directory.listing = None;
        }
    }

    /// Where in `listed` the one to drop is.
    fn oldest_listing(&mut self) -> Option<usize> {
        if self.listed.len() > LISTING_LIMIT_IN_USE {
            return Some(0);
        }
        (0..self.listed.len()).find(|place| {
            let directory = self.directory(self.listed[*place]);
            directory.map_or(true, |directory| !directory.usage.is_in_the_middle())
        })
    }

    /// As [`Self::spot`], for calls on attributes: an open file needs no search for its name.
    pub(in crate::overlay_fuse) fn open_spot(&mut self, id: NodeId) -> nix::Result<Spot> {
        if let Body::File(file) = &self.node(id)?.body
            && let Some(data) = &file.data
        {
            return Ok(Spot::Nameless(data.opened.clone()));
        }
        self.spot(id)
    }

    /// Where a node's file is on disk: the topmost part of a directory.
    pub(in crate::overlay_fuse) fn spot(&mut self, id: NodeId) -> nix::Result<Spot> {
        let (parent, name, layer) = match &self.node(id)?.body {
            Body::Directory(directory) => {
                let part = directory.parts.first().ok_or(Errno::ESTALE)?;
                if let Some(opened) = &part.opened {
                    return Ok(Spot::Directory(opened.clone()));
                }
                (directory.parent, directory.name.clone(), part.layer)
            }
            Body::File(file) => {
                let Some(link) = file.links.iter().find(|link| link.real) else {
                    let pin = file.pin.clone().ok_or(Errno::ESTALE)?;
                    return Ok(Spot::Nameless(pin));
                };
                (link.parent, link.name.clone(), file.layer)
            }
        };
        let directory = self.directory_fd(parent, layer)?;
        Ok(Spot::Entry { directory, name })
    }
}
