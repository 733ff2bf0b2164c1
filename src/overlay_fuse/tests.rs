// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The overlay without a mount, against an ordinary directory: what may be done there must do
//! the same here, before and after the kernel forgets everything, after a new mount, and when the
//! upper layer has become a lower one.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat2};
use proptest::prelude::*;

use super::attributes::Shown;
use super::backing::Name;
use super::create::Caller;
use super::data::{Rights, link_target};
use super::number::{NodeId, ROOT};
use super::overlay::Overlay;
use super::rename::Taken;
use super::setattr::Changes;
use super::{Options, Ownership};
use crate::layer_format::FileKind;

/// Something to do to a tree.
#[derive(Debug, Clone)]
enum Deed {
    Create(PathBuf),
    Mkdir(PathBuf),
    Symlink(PathBuf),
    Write(PathBuf, u16, u8),
    Truncate(PathBuf, u16),
    Chmod(PathBuf, u32),
    Unlink(PathBuf),
    Rmdir(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Exchange(PathBuf, PathBuf),
    List(PathBuf),
    Forget,
    Remount,
    /// Puts the upper layer on top of the lower ones and goes on with an empty one.
    Rotate,
}

/// Few names, so that deeds meet each other.
fn a_path() -> impl Strategy<Value = PathBuf> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|names| names.iter().collect())
}

fn a_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => a_path().prop_map(Deed::Create),
        3 => a_path().prop_map(Deed::Mkdir),
        1 => a_path().prop_map(Deed::Symlink),
        2 => (a_path(), 0..9000_u16, any::<u8>())
            .prop_map(|(path, offset, byte)| Deed::Write(path, offset, byte)),
        1 => (a_path(), 0..9000_u16).prop_map(|(path, size)| Deed::Truncate(path, size)),
        1 => (a_path(), prop::sample::select(vec![0o700, 0o751, 0o600, 0o666]))
            .prop_map(|(path, mode)| Deed::Chmod(path, mode)),
        3 => a_path().prop_map(Deed::Unlink),
        3 => a_path().prop_map(Deed::Rmdir),
        2 => (a_path(), a_path()).prop_map(|(old, new)| Deed::Link(old, new)),
        6 => (a_path(), a_path()).prop_map(|(old, new)| Deed::Rename(old, new)),
        1 => (a_path(), a_path()).prop_map(|(old, new)| Deed::Exchange(old, new)),
        1 => a_path().prop_map(Deed::List),
        1 => Just(Deed::Forget),
        1 => Just(Deed::Remount),
        1 => Just(Deed::Rotate),
    ]
}

/// What a layer has at first.
#[derive(Debug, Clone)]
enum Thing {
    File(PathBuf),
    Directory(PathBuf),
}

fn a_layer() -> impl Strategy<Value = Vec<Thing>> {
    let thing = prop_oneof![
        a_path().prop_map(Thing::File),
        a_path().prop_map(Thing::Directory),
    ];
    prop::collection::vec(thing, 0..8)
}

/// The kernel's part: walks, and remembers what it was told of.
struct Client {
    overlay: Overlay,
    known: Vec<NodeId>,
}

impl Client {
    fn new(options: &Options) -> Self {
        Self {
            overlay: Overlay::open(options).unwrap(),
            known: Vec::new(),
        }
    }

    fn child(&mut self, parent: NodeId, name: &Name) -> nix::Result<(NodeId, Shown)> {
        let found = self.overlay.lookup(parent, name)?.ok_or(Errno::ENOENT)?;
        self.overlay.table.count_lookup(found.0);
        self.known.push(found.0);
        Ok(found)
    }

    fn walk(&mut self, path: &Path) -> nix::Result<NodeId> {
        let mut id = ROOT;
        for part in path {
            id = self.child(id, &name(part.as_bytes()))?.0;
        }
        Ok(id)
    }

    fn parent(&mut self, path: &Path) -> nix::Result<(NodeId, Name)> {
        let parent = self.walk(path.parent().unwrap())?;
        Ok((parent, name(path.file_name().unwrap().as_bytes())))
    }

    fn make(&mut self, path: &Path, kind: FileKind, mode: u32, target: &[u8]) -> nix::Result<()> {
        let (parent, name) = self.parent(path)?;
        let caller = Caller {
            owner: self.overlay.plain_owner,
            umask: 0o022,
        };
        let made = self
            .overlay
            .create(parent, &name, kind, mode, target, caller)?;
        self.overlay.table.count_lookup(made.id);
        self.known.push(made.id);
        Ok(())
    }

    fn set(&mut self, path: &Path, changes: &Changes) -> nix::Result<()> {
        let id = self.walk(path)?;
        self.overlay.set_attributes(id, changes).map(drop)
    }

    fn rename(&mut self, old: &Path, new: &Path, taken: Taken) -> nix::Result<()> {
        // The kernel has looked up both before it asks.
        self.walk(old)?;
        self.walk(new).ok();
        let (from, to) = (self.parent(old)?, self.parent(new)?);
        self.overlay.rename((from.0, &from.1), (to.0, &to.1), taken)
    }

    fn forget(&mut self) {
        for id in std::mem::take(&mut self.known) {
            self.overlay.table.forget(id, 1);
        }
    }

    fn act(&mut self, deed: &Deed) -> nix::Result<()> {
        match deed {
            Deed::Create(path) => self.make(path, FileKind::Regular, 0o666, b""),
            Deed::Mkdir(path) => self.make(path, FileKind::Directory, 0o777, b""),
            Deed::Symlink(path) => self.make(path, FileKind::Symlink, 0o777, b"nowhere"),
            Deed::Write(path, offset, byte) => {
                let id = self.walk(path)?;
                let offset = u64::from(*offset);
                self.overlay
                    .write(id, offset, &[*byte; 5], Rights::Kept)
                    .map(drop)
            }
            Deed::Truncate(path, size) => {
                let size = Some(u64::from(*size));
                self.set(
                    path,
                    &Changes {
                        size,
                        ..Changes::default()
                    },
                )
            }
            Deed::Chmod(path, mode) => {
                let mode = Some(*mode);
                self.set(
                    path,
                    &Changes {
                        mode,
                        ..Changes::default()
                    },
                )
            }
            Deed::Unlink(path) => {
                self.walk(path)?;
                let (parent, name) = self.parent(path)?;
                self.overlay.unlink(parent, &name)
            }
            Deed::Rmdir(path) => {
                self.walk(path)?;
                let (parent, name) = self.parent(path)?;
                self.overlay.rmdir(parent, &name)
            }
            Deed::Link(old, new) => {
                let id = self.walk(old)?;
                let (parent, name) = self.parent(new)?;
                self.overlay.link(id, parent, &name)?;
                self.overlay.table.count_lookup(id);
                self.known.push(id);
                Ok(())
            }
            Deed::Rename(old, new) => self.rename(old, new, Taken::Replace),
            Deed::Exchange(old, new) => self.rename(old, new, Taken::Exchange),
            Deed::List(path) => {
                let id = self.walk(path)?;
                let listing = self.overlay.take_listing(id, 0)?;
                self.overlay.return_listing(id, listing);
                Ok(())
            }
            Deed::Forget | Deed::Remount | Deed::Rotate => Ok(()),
        }
    }

    /// Everything below a directory, one line for each file, in a fixed order.
    fn tell(&mut self, id: NodeId, path: &str, told: &mut Vec<String>) {
        let listing = self.overlay.take_listing(id, 0).unwrap();
        let mut names: Vec<_> = listing.after(0).to_vec();
        self.overlay.return_listing(id, listing);
        names.sort_by(|one, other| one.name.cmp(&other.name));
        for listed in names {
            let path = format!("{path}/{}", listed.name.to_str().unwrap());
            let (child, shown) = self.child(id, &listed.name).unwrap();
            assert_eq!(listed.kind, shown.kind(), "{path}");
            if shown.kind() == libc::S_IFDIR {
                told.push(format!("{path} {:o}", shown.mode));
                self.tell(child, &path, told);
                continue;
            }
            let content = if shown.kind() == libc::S_IFLNK {
                link_target(&self.overlay.table.spot(child).unwrap()).unwrap()
            } else {
                let read = self.overlay.read(child, 0, 16384).unwrap();
                self.overlay.buffer[..read].to_vec()
            };
            let sum = checksum(&content);
            let (mode, links) = (shown.mode, shown.nlink);
            told.push(format!("{path} {mode:o} {links} {} {sum}", content.len()));
        }
    }
}

fn name(bytes: &[u8]) -> Name {
    Name::from(CString::new(bytes).unwrap())
}

fn checksum(content: &[u8]) -> u64 {
    content.iter().zip(1..).fold(7, |sum, (byte, place)| {
        sum * 31 % 1_000_000_007 + u64::from(*byte) * place
    })
}

/// The same deed in an ordinary directory.
fn act_plainly(root: &Path, deed: &Deed) -> std::io::Result<()> {
    let regular = |path: &Path| {
        let is_regular = root.join(path).symlink_metadata()?.is_file();
        is_regular
            .then_some(())
            .ok_or(std::io::ErrorKind::InvalidInput)?;
        File::options().write(true).open(root.join(path))
    };
    match deed {
        Deed::Create(path) => {
            let made = File::options()
                .write(true)
                .create_new(true)
                .open(root.join(path))?;
            made.set_permissions(fs::Permissions::from_mode(0o644))
        }
        Deed::Mkdir(path) => {
            fs::create_dir(root.join(path))?;
            fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o755))
        }
        Deed::Symlink(path) => symlink("nowhere", root.join(path)),
        Deed::Write(path, offset, byte) => {
            let mut file = regular(path)?;
            file.seek(SeekFrom::Start(u64::from(*offset)))?;
            file.write_all(&[*byte; 5])
        }
        Deed::Truncate(path, size) => regular(path)?.set_len(u64::from(*size)),
        Deed::Chmod(path, mode) => {
            regular(path)?.set_permissions(fs::Permissions::from_mode(*mode))
        }
        Deed::Unlink(path) => fs::remove_file(root.join(path)),
        Deed::Rmdir(path) => fs::remove_dir(root.join(path)),
        Deed::Link(old, new) => fs::hard_link(root.join(old), root.join(new)),
        Deed::Rename(old, new) => fs::rename(root.join(old), root.join(new)),
        Deed::Exchange(old, new) => {
            let here = File::open(root)?;
            renameat2(&here, old, &here, new, RenameFlags::RENAME_EXCHANGE)?;
            Ok(())
        }
        Deed::List(path) => fs::read_dir(root.join(path)).map(drop),
        Deed::Forget | Deed::Remount | Deed::Rotate => Ok(()),
    }
}

fn tell_plainly(directory: &Path, path: &str, told: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        let status = entry.path().symlink_metadata().unwrap();
        if status.is_dir() {
            told.push(format!("{path} {:o}", status.mode()));
            tell_plainly(&entry.path(), &path, told);
            continue;
        }
        let content = if status.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            target.as_os_str().as_bytes().to_vec()
        } else {
            fs::read(entry.path()).unwrap()
        };
        let sum = checksum(&content);
        let (mode, links) = (status.mode(), status.nlink());
        told.push(format!("{path} {mode:o} {links} {} {sum}", content.len()));
    }
}

/// Whether a file that stays has one name less after a deed. Where its names are in a lower layer,
/// their count there stays, and shows once the node is forgotten: so it does in the kernel's
/// overlay, too, where there is no index.
fn takes_a_link(root: &Path, deed: &Deed) -> bool {
    let (Deed::Unlink(path) | Deed::Rename(_, path)) = deed else {
        return false;
    };
    let status = root.join(path).symlink_metadata();
    status.is_ok_and(|status| !status.is_dir() && status.nlink() > 1)
}

/// Takes the counts of links out of what was told of files.
fn without_links(told: &mut [String]) {
    for line in told {
        let words: Vec<&str> = line.split(' ').collect();
        if let [path, mode, _links, size, sum] = words[..] {
            *line = [path, mode, size, sum].join(" ");
        }
    }
}

/// Makes what a layer has at first; what does not fit over what is there is left out.
fn fill(layer: &Path, things: &[Thing]) {
    for thing in things {
        match thing {
            Thing::File(path) => {
                fs::create_dir_all(layer.join(path.parent().unwrap())).ok();
                if let Ok(mut file) = File::create_new(layer.join(path)) {
                    file.write_all(path.as_os_str().as_bytes()).unwrap();
                }
            }
            Thing::Directory(path) => {
                fs::create_dir_all(layer.join(path)).ok();
            }
        }
    }
    set_modes(layer);
}

/// The same modes everywhere, whatever mask the tests run with.
fn set_modes(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let mode = if entry.file_type().unwrap().is_dir() {
            set_modes(&entry.path());
            0o755
        } else {
            0o644
        };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Copies what a client sees at first into an ordinary directory.
fn flatten(client: &mut Client, id: NodeId, target: &Path) {
    for name in client.overlay.names(id).unwrap() {
        let (child, shown) = client.child(id, &name).unwrap();
        let path = target.join(name.to_str().unwrap());
        if shown.kind() == libc::S_IFDIR {
            fs::create_dir(&path).unwrap();
            flatten(client, child, &path);
        } else {
            let read = client.overlay.read(child, 0, 16384).unwrap();
            let mut copy = File::create_new(&path).unwrap();
            copy.write_all(&client.overlay.buffer[..read]).unwrap();
        }
    }
}

fn compare(ownership: Ownership, layers: &[Vec<Thing>], deeds: &[Deed]) {
    let stage = tempfile::tempdir().unwrap();
    let path = |name: &str| stage.path().join(name);
    let mut options = Options {
        upper: Some(path("upper")),
        work: Some(path("work")),
        ownership,
        ..Options::default()
    };
    for (number, things) in layers.iter().enumerate() {
        options.lower.push(path(&number.to_string()));
        fs::create_dir(path(&number.to_string())).unwrap();
        fill(&path(&number.to_string()), things);
    }
    for name in ["upper", "work", "plain"] {
        fs::create_dir(path(name)).unwrap();
    }
    let mut client = Client::new(&options);
    flatten(&mut client, ROOT, &path("plain"));
    set_modes(&path("plain"));
    let mut has_lost_links = false;
    for deed in deeds {
        let has_rotated = options.lower.len() > layers.len();
        has_lost_links |= has_rotated && takes_a_link(&path("plain"), deed);
        match deed {
            Deed::Forget => client.forget(),
            Deed::Remount => client = Client::new(&options),
            Deed::Rotate => {
                let fresh = path(&format!("upper{}", options.lower.len()));
                fs::create_dir(&fresh).unwrap();
                options
                    .lower
                    .insert(0, options.upper.replace(fresh).unwrap());
                client = Client::new(&options);
            }
            deed => {
                // What is refused is refused by the kernel, or tested elsewhere.
                if act_plainly(&path("plain"), deed).is_ok() {
                    assert_eq!(client.act(deed), Ok(()), "{deed:?}");
                }
            }
        }
        let (mut told, mut expected) = (Vec::new(), Vec::new());
        tell_plainly(&path("plain"), "", &mut expected);
        client.tell(ROOT, "", &mut told);
        if has_lost_links {
            without_links(&mut told);
            without_links(&mut expected);
        }
        assert_eq!(told, expected, "after {deed:?}");
    }
    client.forget();
    assert_eq!(client.overlay.table.len(), 1, "nodes that nobody needs");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn deeds_do_what_they_do_elsewhere(
        layers in prop::collection::vec(a_layer(), 1..4),
        deeds in prop::collection::vec(a_deed(), 1..40),
        is_recorded in any::<bool>(),
    ) {
        let ownership = if is_recorded { Ownership::Metadata } else { Ownership::Real };
        compare(ownership, &layers, &deeds);
    }
}
