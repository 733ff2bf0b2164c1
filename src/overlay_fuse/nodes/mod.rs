// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel knows of us: nodes, their names and their open descriptors.
//!
//! A node stays while the kernel holds lookups on it, while it is the directory of another node,
//! or while it is held ([`Node::held`]). Its number is the inode number of its file, which is
//! what programs see; see the module's paragraph for why.

use std::collections::{HashMap, VecDeque};
use std::ffi::CStr;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use indexmap::IndexMap;
use nix::errno::Errno;
use smallvec::SmallVec;

use super::backing::Name;
use super::layer::NameSet;
use super::listing::Listing;
use super::number::{Key, NodeId, PRIVATE_IDS, ROOT};
use super::usage::Usage;
use crate::layer_format::Opaque;

mod opened;

/// How many directories keep their listing.
const LISTING_LIMIT: usize = 64;

/// How many if there are readers in the middle of them.
const LISTING_LIMIT_IN_USE: usize = 256;

/// A file or directory that the kernel knows.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) lookups: u64,
    /// How many links of other nodes name this one as their directory.
    children: u32,
    /// Stays without lookups: a copied-up file of which other names remain in a lower layer.
    pub(super) held: bool,
    /// It is found by the file on disk that its number names.
    is_natural: bool,
    /// Other files on disk by which it is found: the first one, and the copy of it.
    keys: [Option<Box<Key>>; 2],
    pub(super) body: Body,
}

/// What kind of node it is. Most are files, and each costs memory that a walk of a tree goes
/// through: what most of them do not have is kept elsewhere.
#[derive(Debug)]
pub(super) enum Body {
    Directory(Box<Directory>),
    File(File),
}

impl Body {
    pub(super) fn directory(directory: Directory) -> Self {
        Self::Directory(Box::new(directory))
    }
}

/// A directory through all layers.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) parent: NodeId,
    pub(super) name: Name,
    /// The topmost first.
    pub(super) parts: Vec<Part>,
    /// It has lost its name; its first part stays open.
    pub(super) removed: bool,
    pub(super) listing: Option<Box<Listing>>,
    pub(super) usage: Usage,
    /// Whose group new files get, once known.
    pub(super) group: Option<Group>,
    /// The link count of a directory that was copied up: that of its original, and what became of
    /// its directories since.
    pub(super) links: Option<i64>,
    recent: bool,
    /// Found by its name, since its key belongs to another directory.
    odd: bool,
}

/// Whose group new files of a directory get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Callers,
    /// That of the directory, which has the setgid bit.
    Inherited(u32),
}

/// A directory in one layer.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) layer: usize,
    pub(super) device: u16,
    pub(super) opened: Option<Arc<OwnedFd>>,
    /// The opaque mark, once read.
    pub(super) opaque: Option<Opaque>,
    /// Whether there are names with `.wh.`, once known.
    pub(super) has_dot_wh: Option<bool>,
    /// The names of a lower layer, once it is worth to know them.
    pub(super) names: Option<NameSet>,
    /// How many names were looked for in vain.
    pub(super) misses: u8,
}

/// Everything that is not a directory.
#[derive(Debug)]
pub(super) struct File {
    /// The type bits that are shown.
    pub(super) kind: u32,
    /// The layer that has the file.
    pub(super) layer: usize,
    pub(super) links: Links,
    pub(super) data: Option<Data>,
    /// Kept while no name in `layer` is known.
    pub(super) pin: Option<Arc<OwnedFd>>,
    /// What must be added to the link count of the file on disk.
    pub(super) nlink_bias: i64,
    /// The mode that was last shown has the setuid or setgid bit.
    pub(super) setid: bool,
    /// Whether there is a security.capability attribute, once known.
    pub(super) has_caps: Option<bool>,
    /// It was found with more data than is served beside another overlay.
    pub(super) is_large: bool,
    /// The kernel has asked for data to keep.
    pub(super) is_cached: bool,
    recent: bool,
}

/// The names of a file that are known: one, of most.
pub(super) type Links = SmallVec<[Link; 1]>;

/// A name of a file.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) parent: NodeId,
    pub(super) name: Name,
    /// The name is in the layer that has the file; if not, it is a name of the original of a
    /// copied-up file.
    pub(super) real: bool,
}

/// An open file.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) opened: Arc<OwnedFd>,
    pub(super) writable: bool,
}

impl Part {
    pub(super) fn new(layer: usize, device: u16) -> Self {
        Self {
            layer,
            device,
            opened: None,
            opaque: None,
            has_dot_wh: None,
            names: None,
            misses: 0,
        }
    }
}

impl Directory {
    pub(super) fn new(parent: NodeId, name: Name, parts: Vec<Part>) -> Self {
        Self {
            parent,
            name,
            parts,
            removed: false,
            listing: None,
            usage: Usage::default(),
            group: None,
            links: None,
            recent: false,
            odd: false,
        }
    }
}

impl File {
    pub(super) fn new(kind: u32, layer: usize) -> Self {
        Self {
            kind,
            layer,
            links: Links::new(),
            data: None,
            pin: None,
            nlink_bias: 0,
            setid: false,
            has_caps: None,
            is_large: false,
            is_cached: false,
            recent: false,
        }
    }
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Table {
    /// In the order in which they came, so that those of a directory are neighbours in memory.
    nodes: IndexMap<NodeId, Node, BuildHasherDefault<IdHasher>>,
    /// Keys of nodes that do not have the key's natural number.
    aliases: HashMap<Key, NodeId, BuildHasherDefault<IdHasher>>,
    /// Directories that are found by their name.
    odd: HashMap<(NodeId, Name), NodeId>,
    next_private: NodeId,
    open_directories: VecDeque<(NodeId, usize)>,
    open_files: VecDeque<NodeId>,
    /// Directories with a listing.
    listed: VecDeque<NodeId>,
    directory_limit: usize,
    file_limit: usize,
}

impl Table {
    /// A table with a root of these parts, which must be open, that keeps at most
    /// `descriptor_limit` descriptors.
    pub(super) fn new(root_key: Key, root_parts: Vec<Part>, descriptor_limit: usize) -> Self {
        let mut table = Self {
            nodes: IndexMap::default(),
            aliases: HashMap::from_iter([(root_key, ROOT)]),
            odd: HashMap::new(),
            next_private: PRIVATE_IDS,
            open_directories: VecDeque::new(),
            open_files: VecDeque::new(),
            listed: VecDeque::new(),
            directory_limit: (descriptor_limit / 2).max(8),
            file_limit: (descriptor_limit / 4).clamp(8, 1024),
        };
        let root = Directory::new(ROOT, Name::from(c"/"), root_parts);
        table.nodes.insert(
            ROOT,
            Node {
                lookups: 1,
                children: 0,
                held: true,
                is_natural: false,
                keys: [Some(Box::new(root_key)), None],
                body: Body::directory(root),
            },
        );
        table
    }

    /// How many nodes there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&mut self, id: NodeId) -> nix::Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::ESTALE)
    }

    pub(super) fn directory(&mut self, id: NodeId) -> nix::Result<&mut Directory> {
        match &mut self.node(id)?.body {
            Body::Directory(directory) => Ok(directory),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn file(&mut self, id: NodeId) -> nix::Result<&mut File> {
        match &mut self.node(id)?.body {
            Body::File(file) => Ok(file),
            Body::Directory(_) => Err(Errno::EISDIR),
        }
    }

    pub(super) fn is_directory(&mut self, id: NodeId) -> nix::Result<bool> {
        Ok(matches!(self.node(id)?.body, Body::Directory(_)))
    }

    /// The node of a file on disk.
    pub(super) fn find(&self, key: Key) -> Option<NodeId> {
        if let Some(id) = self.aliases.get(&key) {
            return Some(*id);
        }
        let id = key.natural_id()?;
        self.nodes.get(&id)?.is_natural.then_some(id)
    }

    /// The node of a directory on disk, which may be seen in more than one place.
    pub(super) fn find_directory(&self, key: Key, parent: NodeId, name: &Name) -> Option<NodeId> {
        let is_same = |id: &NodeId| match self.nodes.get(id).map(|node| &node.body) {
            Some(Body::Directory(directory)) => {
                !directory.removed && directory.parent == parent && directory.name == *name
            }
            Some(Body::File(_)) | None => false,
        };
        if let Some(id) = self.find(key).filter(is_same) {
            return Some(id);
        }
        if self.odd.is_empty() {
            return None;
        }
        self.odd
            .get(&(parent, name.clone()))
            .copied()
            .filter(is_same)
    }

    /// The number that a file on disk has or would have; for listings.
    pub(super) fn number(&self, key: Key) -> NodeId {
        self.find(key)
            .or_else(|| key.natural_id())
            .unwrap_or(PRIVATE_IDS | key.ino)
    }

    /// Makes a node for a file on disk.
    pub(super) fn insert(&mut self, key: Key, body: Body) -> NodeId {
        let is_taken = self.find(key).is_some();
        let natural = key.natural_id().filter(|id| !self.nodes.contains_key(id));
        let id = natural.unwrap_or_else(|| {
            self.next_private += 1;
            self.next_private
        });
        let mut keys = [None, None];
        if !is_taken && natural.is_none() {
            keys[0] = Some(Box::new(key));
            self.aliases.insert(key, id);
        }
        let mut node = Node {
            lookups: 0,
            children: 0,
            held: false,
            is_natural: !is_taken && natural.is_some(),
            keys,
            body,
        };
        if let Body::Directory(directory) = &mut node.body {
            directory.odd = is_taken;
            let (parent, name) = (directory.parent, directory.name.clone());
            if is_taken {
                self.odd.insert((parent, name), id);
            }
            self.adopt(parent);
        }
        self.nodes.insert(id, node);
        id
    }

    /// Lets a node be found by a second file on disk: the copy of the first.
    pub(super) fn add_key(&mut self, id: NodeId, key: Key) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if let Some(old) = node.keys[1].take() {
            self.aliases.remove(&old);
        }
        if key.natural_id() == Some(id) {
            node.is_natural = true;
        } else {
            node.keys[1] = Some(Box::new(key));
            self.aliases.insert(key, id);
        }
    }

    /// The file on disk is gone, and its number may soon be another's.
    pub(super) fn detach(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.is_natural = false;
        for key in std::mem::take(&mut node.keys).into_iter().flatten() {
            if self.aliases.get(&key) == Some(&id) {
                self.aliases.remove(&key);
            }
        }
    }

    /// The kernel was told of a node once more.
    pub(super) fn count_lookup(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.lookups += 1;
        }
    }

    /// The kernel dropped `count` of the lookups that it was told of.
    pub(super) fn forget(&mut self, id: NodeId, count: u64) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.lookups = node.lookups.saturating_sub(count);
        }
        self.release(id);
    }

    /// Drops a node that nobody needs, and then its directories if they were needed for it only.
    pub(super) fn release(&mut self, id: NodeId) {
        let mut candidates = vec![id];
        while let Some(id) = candidates.pop() {
            let is_needed = |node: &Node| node.lookups > 0 || node.children > 0 || node.held;
            if id == ROOT || self.nodes.get(&id).is_none_or(is_needed) {
                continue;
            }
            self.detach(id);
            let Some(node) = self.nodes.swap_remove(&id) else {
                continue;
            };
            match node.body {
                Body::Directory(directory) => {
                    if directory.odd {
                        self.odd.remove(&(directory.parent, directory.name));
                    }
                    self.orphan(directory.parent);
                    candidates.push(directory.parent);
                }
                Body::File(file) => {
                    for link in file.links {
                        self.orphan(link.parent);
                        candidates.push(link.parent);
                    }
                }
            }
        }
    }

    fn adopt(&mut self, parent: NodeId) {
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children += 1;
        }
    }

    fn orphan(&mut self, parent: NodeId) {
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children = node.children.saturating_sub(1);
        }
    }

    /// Makes a name of a file known; a name that is known already may become real.
    pub(super) fn add_link(&mut self, id: NodeId, new: Link) -> nix::Result<()> {
        let file = self.file(id)?;
        let same = |link: &&mut Link| link.parent == new.parent && link.name == new.name;
        if let Some(link) = file.links.iter_mut().find(same) {
            link.real |= new.real;
            return Ok(());
        }
        if new.real {
            file.pin = None;
        }
        let parent = new.parent;
        file.links.push(new);
        self.adopt(parent);
        Ok(())
    }

    /// A file has lost a name.
    pub(super) fn drop_link(&mut self, id: NodeId, parent: NodeId, name: &CStr) -> nix::Result<()> {
        let file = self.file(id)?;
        let is_it = |link: &Link| link.parent == parent && link.name.as_ref() == name;
        let Some(position) = file.links.iter().position(is_it) else {
            return Ok(());
        };
        file.links.swap_remove(position);
        self.orphan(parent);
        self.release(parent);
        Ok(())
    }

    /// A directory has more or fewer directories in it.
    pub(super) fn count_directories(&mut self, id: NodeId, more: i64) {
        if let Ok(directory) = self.directory(id)
            && let Some(links) = &mut directory.links
        {
            *links += more;
        }
    }

    /// A directory has another place.
    pub(super) fn move_directory(
        &mut self,
        id: NodeId,
        parent: NodeId,
        name: &Name,
    ) -> nix::Result<()> {
        let directory = self.directory(id)?;
        let old = (
            directory.parent,
            std::mem::replace(&mut directory.name, name.clone()),
        );
        directory.parent = parent;
        if directory.odd {
            self.odd.remove(&old);
            self.odd.insert((parent, name.clone()), id);
        }
        self.adopt(parent);
        self.orphan(old.0);
        self.count_directories(parent, 1);
        self.count_directories(old.0, -1);
        self.release(old.0);
        Ok(())
    }
}

/// Spreads numbers that mostly differ in their lower bits; nothing here is chosen by others.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio; the rotation brings the good upper bits down.
        self.0 = (self.0 ^ number)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(26);
    }
}

#[cfg(test)]
mod tests;
