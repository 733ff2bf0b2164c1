// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A tree as a tar stream, made while it is read.

use std::collections::{HashMap, btree_map};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use super::PackError;
use super::layer::{Attributes, LayerRoot};
use super::merge::{Entry, Found, MergedDirectory};
use crate::layer_format::{DOT_WH_OPAQUE, DOT_WH_PREFIX, FileKind};
use crate::storage::tar::{END, FileTime, Member, MemberKind, padding, printable, write_header};
use crate::storage::unpack::RootDirectory;
use crate::sys::xattr::Place;
use crate::sys::{Called, SysError, SysResult};

/// The longest path that an archive can name to the kernel.
const PATH_MAX: usize = 4095;

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that the layers show together.
    Whole,
    /// The topmost layer alone, with `.wh.` files for what it hides of the others.
    Changes,
}

/// A tree as a tar stream. Nothing is read before the first byte is asked for.
#[derive(Debug)]
pub struct TreeStream {
    paths: Vec<PathBuf>,
    stack: Vec<LayerRoot>,
    scope: Scope,
    frames: Option<Vec<Frame>>,
    /// Paths of files with several names.
    links: HashMap<(u64, u64), Vec<u8>>,
    out: Vec<u8>,
    taken: usize,
    data: Option<Data>,
    ended: bool,
}

/// A directory whose entries are being written.
#[derive(Debug)]
struct Frame {
    directory: MergedDirectory,
    /// Its path with a slash at the end; empty for the root.
    path: Vec<u8>,
    entries: btree_map::IntoIter<CString, Entry>,
}

/// The content of the file whose header was written last.
#[derive(Debug)]
struct Data {
    file: File,
    path: Vec<u8>,
    left: u64,
    padding: usize,
}

impl TreeStream {
    /// The tree that the layers at `paths` show, topmost first. A layer that is not there is empty.
    pub fn new(paths: Vec<PathBuf>, scope: Scope) -> Self {
        Self {
            paths,
            stack: Vec::new(),
            scope,
            frames: None,
            links: HashMap::new(),
            out: Vec::new(),
            taken: 0,
            data: None,
            ended: false,
        }
    }

    /// Writes the next member's header, or the end, into `out`.
    fn advance(&mut self) -> Result<(), PackError> {
        if self.frames.is_none() {
            return self.begin();
        }
        loop {
            let frames = self.frames.as_mut().expect("it was begun");
            let Some(frame) = frames.last_mut() else {
                self.out.extend(END);
                self.ended = true;
                return Ok(());
            };
            let Some((name, entry)) = frame.entries.next() else {
                frames.pop();
                continue;
            };
            let path = [&frame.path[..], name.to_bytes()].concat();
            match entry {
                Entry::Present(found) => self.write_entry(path, &name, &found)?,
                Entry::Hidden if self.scope == Scope::Changes => self.write_whiteout(&name),
                Entry::Hidden => {}
            }
            if !self.out.is_empty() {
                return Ok(());
            }
        }
    }

    fn begin(&mut self) -> Result<(), PackError> {
        let refused = |source| refused(b"/", source);
        let mut below = Vec::new();
        for path in std::mem::take(&mut self.paths) {
            match LayerRoot::open(&path) {
                Err(error) if error.errno == Errno::ENOENT => {}
                layer if self.scope == Scope::Whole || self.stack.is_empty() => {
                    self.stack.push(layer.map_err(refused)?);
                }
                layer => below.push(layer.map_err(refused)?),
            }
        }
        let root = MergedDirectory::root(&self.stack).map_err(refused)?;
        if let Some((directory, layer, _)) = root.top(&self.stack)
            && let Some(attributes) = layer.attributes(directory, c".").map_err(refused)?
        {
            let usual = match below.first() {
                Some(below) => below.root_directory().map_err(refused)?,
                None => RootDirectory::default(),
            };
            // A layer says whose the root is only where that is new.
            if layer.root_directory().map_err(refused)? != usual {
                let mut member = member(b"./".to_vec(), MemberKind::Directory, &attributes);
                member.xattrs = layer.xattrs(Place::Directory(directory)).map_err(refused)?;
                write_header(&member, &mut self.out);
            }
        }
        self.frames = Some(Vec::new());
        self.push(root, Vec::new())
    }

    /// Goes on with the entries of `directory`.
    fn push(&mut self, directory: MergedDirectory, path: Vec<u8>) -> Result<(), PackError> {
        let entries = directory
            .entries(&self.stack)
            .map_err(|source| refused(&path, source))?;
        let hides = match directory.top(&self.stack) {
            Some((_, _, is_opaque)) => is_opaque && self.scope == Scope::Changes,
            None => false,
        };
        if hides && !path.is_empty() {
            let mark = [&path[..], DOT_WH_OPAQUE.to_bytes()].concat();
            write_header(&empty_file(mark), &mut self.out);
        }
        let frame = Frame {
            directory,
            path,
            entries: entries.into_iter(),
        };
        self.frames.get_or_insert_default().push(frame);
        Ok(())
    }

    fn write_whiteout(&mut self, name: &CStr) {
        let frame = self.frames.as_ref().and_then(|frames| frames.last());
        let path = frame.map_or(&[][..], |frame| &frame.path);
        let path = [path, DOT_WH_PREFIX, name.to_bytes()].concat();
        write_header(&empty_file(path), &mut self.out);
    }

    fn write_entry(
        &mut self,
        mut path: Vec<u8>,
        name: &CStr,
        found: &Found,
    ) -> Result<(), PackError> {
        if path.len() >= PATH_MAX {
            let path = printable(&path);
            return Err(PackError::PathTooLong { path });
        }
        let attributes = found.attributes;
        let frame = self.frames.as_ref().and_then(|frames| frames.last());
        let frame = frame.expect("the entry came from it");
        let (directory, layer) = frame.directory.place(&self.stack, found);
        let refused = |source| refused(&path, source);
        let entry = Place::Entry(directory, name);
        let mut made = match attributes.kind {
            // What a socket was bound to is gone; archives have no word for it.
            FileKind::Socket => return Ok(()),
            FileKind::Directory => member(path.clone(), MemberKind::Directory, &attributes),
            FileKind::Regular => member(path.clone(), MemberKind::File, &attributes),
            FileKind::Pipe => member(path.clone(), MemberKind::Fifo, &attributes),
            FileKind::Symlink => {
                let mut link = member(path.clone(), MemberKind::Symlink, &attributes);
                link.link = read_link(directory, name, &attributes).map_err(refused)?;
                link
            }
            FileKind::CharDevice { major, minor } => {
                let mut device = member(path.clone(), MemberKind::CharDevice, &attributes);
                device.device = (major, minor);
                device
            }
            FileKind::BlockDevice { major, minor } => {
                let mut device = member(path.clone(), MemberKind::BlockDevice, &attributes);
                device.device = (major, minor);
                device
            }
        };
        if attributes.is_directory() {
            made.xattrs = layer.xattrs(entry).map_err(refused)?;
            let child = frame.directory.child(&self.stack, name, found);
            let child = child.map_err(refused)?;
            path.push(b'/');
            made.path.clone_from(&path);
            write_header(&made, &mut self.out);
            return self.push(child, path);
        }
        if attributes.links > 1 {
            if let Some(first) = self.links.get(&attributes.identity) {
                made.kind = MemberKind::HardLink;
                made.link.clone_from(first);
                write_header(&made, &mut self.out);
                return Ok(());
            }
            self.links.insert(attributes.identity, path.clone());
        }
        if made.kind == MemberKind::File {
            let file = open_file(directory, name).map_err(refused)?;
            made.xattrs = layer
                .xattrs(Place::Descriptor(file.as_fd()))
                .map_err(refused)?;
            made.stored_size = attributes.size;
            self.data = Some(Data {
                file,
                path,
                left: attributes.size,
                padding: padding(attributes.size),
            });
        }
        write_header(&made, &mut self.out);
        Ok(())
    }
}

impl Read for TreeStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.taken < self.out.len() {
                let left = &self.out[self.taken..];
                let length = left.len().min(buffer.len());
                buffer[..length].copy_from_slice(&left[..length]);
                self.taken += length;
                return Ok(length);
            }
            self.out.clear();
            self.taken = 0;
            if let Some(data) = &mut self.data {
                if data.left > 0 {
                    return data.read(buffer);
                }
                self.out.extend(&END[..data.padding]);
                self.data = None;
                continue;
            }
            if self.ended {
                return Ok(0);
            }
            self.advance()?;
        }
    }
}

impl Data {
    /// A file that became shorter since its header was written is filled up with zeros: the header
    /// cannot be taken back, and who writes while he is read gets no promise.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut length = match self.file.read(&mut buffer[..most]) {
            Err(error) => {
                let path = printable(&self.path);
                return Err(io::Error::other(format!("read {path:?}: {error}")));
            }
            Ok(length) => length,
        };
        if length == 0 {
            buffer[..most].fill(0);
            length = most;
        }
        self.left -= length as u64;
        Ok(length)
    }
}

fn refused(path: &[u8], source: SysError) -> PackError {
    PackError::File {
        path: printable(path),
        source,
    }
}

/// Seconds alone: what other tools write, and what they compare.
fn member(path: Vec<u8>, kind: MemberKind, attributes: &Attributes) -> Member {
    Member {
        path,
        kind,
        mode: attributes.mode,
        uid: u64::from(attributes.uid),
        gid: u64::from(attributes.gid),
        modified: FileTime {
            seconds: attributes.seconds,
            nanoseconds: 0,
        },
        link: Vec::new(),
        device: (0, 0),
        stored_size: 0,
        sparse: None,
        xattrs: Vec::new(),
    }
}

/// A mark in the language of archives.
fn empty_file(path: Vec<u8>) -> Member {
    Member {
        path,
        kind: MemberKind::File,
        mode: 0,
        uid: 0,
        gid: 0,
        modified: FileTime {
            seconds: 0,
            nanoseconds: 0,
        },
        link: Vec::new(),
        device: (0, 0),
        stored_size: 0,
        sparse: None,
        xattrs: Vec::new(),
    }
}

fn open_file(directory: BorrowedFd<'_>, name: &CStr) -> SysResult<File> {
    // Without O_NONBLOCK a pipe that took the file's place would hold us up.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::empty())
        .map(File::from)
        .called(|| format!("openat({name:?})"))
}

fn read_link(
    directory: BorrowedFd<'_>,
    name: &CStr,
    attributes: &Attributes,
) -> SysResult<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    if !attributes.is_stand_in {
        let target = readlinkat(directory, name).called(|| format!("readlinkat({name:?})"))?;
        return Ok(target.into_vec());
    }
    let mut target = Vec::new();
    open_file(directory, name)?
        .take(PATH_MAX as u64)
        .read_to_end(&mut target)
        .called(|| format!("read({name:?})"))?;
    Ok(target)
}
