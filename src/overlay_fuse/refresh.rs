// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes of many files for one request.
//!
//! Once the kernel has read a file through us it holds the access time that it knows for too old,
//! and asks for the file's attributes before the next stat(2): one request for each file of a tree
//! that was read, where a listing brings those of a whole directory. But the kernel keeps listings
//! too, and one from its cache brings no attributes. So where much of a directory was read since it
//! was listed, its listing is taken from the kernel, and whoever lists it next, as most do who walk
//! a tree to read it again, pays for all files at once. Measured: the second `cat` of 50,000 files
//! takes 0.62 s in place of 0.87 (one processor).

use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;

use fuser::{INodeNo, Notifier};

use super::nodes::{Body, NodeId};
use super::overlay::Overlay;

/// Fewer files are asked for sooner than a directory is listed.
const FEW: u32 = 16;

/// A listing costs a quarter of what a request costs for each of its files.
const PART: u32 = 4;

/// The files of a directory whose attributes came with its listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ReadCount {
    /// How many more are to be read until it is listed anew; 0 is never.
    reads_left: u32,
}

impl ReadCount {
    /// A directory of so many names was listed.
    pub(super) fn with_names(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            reads_left: if count < FEW {
                0
            } else {
                (count / PART).max(FEW)
            },
        }
    }

    /// Counts the first read of a file; true if it is the one to act on.
    fn count(&mut self) -> bool {
        let is_counted = self.reads_left > 0;
        self.reads_left = self.reads_left.saturating_sub(1);
        is_counted && self.reads_left == 0
    }
}

/// Takes listings from the kernel, in a thread of its own: the kernel waits for the pages of the
/// listing, and whoever reads them may wait for an answer of ours.
#[derive(Debug)]
pub(super) struct Refresher(Sender<NodeId>);

impl Refresher {
    fn start(notifier: Notifier) -> std::io::Result<Self> {
        let (sender, directories) = channel();
        let tell = move || {
            for id in directories {
                // It can only be that the kernel does not know the directory any more.
                drop(notifier.inval_inode(INodeNo(id), 0, 0));
            }
        };
        let thread = Builder::new().name("refresher".to_owned());
        thread.stack_size(STACK).spawn(tell)?;
        Ok(Self(sender))
    }
}

/// A notification has 40 bytes.
const STACK: usize = 64 * 1024;

impl Overlay {
    /// The kernel has read the beginning of a file.
    pub(super) fn count_read(&mut self, id: NodeId) {
        let Ok(node) = self.table.node(id) else {
            return;
        };
        let Body::File(file) = &node.body else {
            return;
        };
        let Some(parent) = file.links.first().map(|link| link.parent) else {
            return;
        };
        let Ok(directory) = self.table.directory(parent) else {
            return;
        };
        if directory.read_count.count() {
            self.refresh(parent);
        }
    }

    fn refresh(&mut self, directory: NodeId) {
        if self.refresher.is_none()
            && let Some(notifier) = self.notifier.get()
        {
            // Without it everything works, only slower.
            self.refresher = Refresher::start(notifier.clone()).ok();
        }
        if let Some(refresher) = &self.refresher {
            refresher.0.send(directory).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_until_refreshed(names: usize) -> Option<u32> {
        let mut left = ReadCount::with_names(names);
        (1..1000).find(|_| left.count())
    }

    #[test]
    fn a_directory_is_listed_anew_once_when_much_of_it_was_read() {
        let table = [(0, None), (15, None), (16, Some(16)), (100, Some(25))];
        for (names, expected) in table {
            assert_eq!(reads_until_refreshed(names), expected, "{names}");
        }
        let mut left = ReadCount::with_names(20);
        let acted = (0..1000).filter(|_| left.count()).count();
        assert_eq!(acted, 1);
    }
}
