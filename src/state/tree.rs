// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removal of whole trees that a container may have written: never follows a link, opens what was
//! closed with chmod, and says when files of other ids need the user's namespace.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::sys::{Called, SysError, SysResult};

/// Why a tree was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveTreeError {
    /// Something in it belongs to another id; the rest may be gone already.
    #[error("{} holds files of other user ids of your range", path.display())]
    NeedsNamespace {
        /// The tree.
        path: PathBuf,
    },
    /// The kernel refused for another reason.
    #[error("remove {}", path.display())]
    Refused {
        /// The tree.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
}

/// Removes the file or tree `path`; one that is not there is no error.
///
/// # Errors
///
/// [`RemoveTreeError::NeedsNamespace`] when it must be called again inside the user's namespace.
pub fn remove_tree(path: &Path) -> Result<(), RemoveTreeError> {
    let refused = |source| RemoveTreeError::Refused {
        path: path.to_owned(),
        source,
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refused(SysError::new("unlinkat()", Errno::EBUSY)));
    };
    let parent = match File::open(parent) {
        Ok(parent) => parent,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error_of("open", parent, error))),
    };
    let name = CString::new(name.as_bytes()).expect("a path holds no NUL");
    match Removal::default().remove_entry(parent.as_fd(), &name, None) {
        Ok(()) => Ok(()),
        Err(Obstacle::Foreign) => Err(RemoveTreeError::NeedsNamespace {
            path: path.to_owned(),
        }),
        Err(Obstacle::Refused(source)) => Err(refused(source)),
    }
}

/// Threads that remove: the disk is what they wait for, not a processor. With eight it takes twice
/// as long where the blocks of each file are given back one by one.
const REMOVERS: usize = 32;

/// Parts that are as good as more of them, and how deep they are looked for.
const PARTS: usize = 256;
const PARTS_DEPTH: usize = 6;

/// Removes trees that nobody uses or changes any more, as [`remove_tree`] does, but many files at
/// once: a file system that tells the disk of each freed block waits for its answer.
///
/// # Errors
///
/// Those of [`remove_tree`], one for each of the trees that are still there.
pub fn remove_trees(trees: &[PathBuf]) -> Vec<RemoveTreeError> {
    let parts = parts(trees);
    let next = AtomicUsize::new(0);
    let remove_parts = || {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            // What is left of it stands in the way of its tree, and is told there.
            drop(remove_tree(part));
        }
    };
    thread::scope(|scope| {
        for _ in 0..REMOVERS.min(parts.len()) {
            // Where there may be no more threads, those that there are do it.
            let spawned = thread::Builder::new().spawn_scoped(scope, remove_parts);
            if spawned.is_err() {
                break;
            }
        }
    });
    let removed = trees.iter().map(|tree| remove_tree(tree));
    removed.filter_map(Result::err).collect()
}

/// Directories in `trees` that can be removed beside each other.
fn parts(trees: &[PathBuf]) -> Vec<PathBuf> {
    let mut parts = trees.to_vec();
    for _ in 0..PARTS_DEPTH {
        if parts.len() >= PARTS {
            break;
        }
        let deeper: Vec<PathBuf> = parts.iter().flat_map(|part| directories(part)).collect();
        if deeper.is_empty() {
            break;
        }
        parts = deeper;
    }
    parts
}

/// The directories in a directory, and no links to any.
fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

/// Removes the file or tree `name` in the open directory `parent`; nothing is looked up by path.
///
/// # Errors
///
/// As [`remove_tree`].
pub fn remove_entry(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), RemoveTreeError> {
    let path = || PathBuf::from(name.to_string_lossy().into_owned());
    match Removal::default().remove_entry(parent, name, None) {
        Ok(()) => Ok(()),
        Err(Obstacle::Foreign) => Err(RemoveTreeError::NeedsNamespace { path: path() }),
        Err(Obstacle::Refused(source)) => Err(RemoveTreeError::Refused {
            path: path(),
            source,
        }),
    }
}

fn error_of(call: &str, path: &Path, error: std::io::Error) -> SysError {
    let result: SysResult<()> = Err(error).called(|| format!("{call}({})", path.display()));
    result.expect_err("it was made from an error")
}

enum Obstacle {
    Foreign,
    Refused(SysError),
}

/// Deeper directories are moved up to the top first, so that neither descriptors nor the stack
/// run out however deep a container made its tree.
const MAX_DEPTH: usize = 64;

/// How often a directory is emptied to which something comes meanwhile. A network file system and
/// FUSE give a file that is still open another name there each time that it is removed.
const ROUNDS: u32 = 100;

#[derive(Default)]
struct Removal {
    depth: usize,
    moved_up: u64,
}

impl Removal {
    fn remove_entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        top: Option<BorrowedFd<'_>>,
    ) -> Result<(), Obstacle> {
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR) => self.remove_directory(parent, name, top),
            Err(Errno::EACCES | Errno::EPERM) => {
                make_writable(parent)?;
                match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
                    Ok(()) | Err(Errno::ENOENT) => Ok(()),
                    Err(Errno::EISDIR) => self.remove_directory(parent, name, top),
                    Err(errno) => Err(obstacle(parent, "unlinkat", name, errno)),
                }
            }
            Err(errno) => Err(obstacle(parent, "unlinkat", name, errno)),
        }
    }

    fn remove_directory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        top: Option<BorrowedFd<'_>>,
    ) -> Result<(), Obstacle> {
        // An empty directory goes at once, whoever owns it.
        if remove_empty(parent, name)? {
            return Ok(());
        }
        if let Some(top) = top
            && self.depth >= MAX_DEPTH
        {
            return self.move_up(parent, name, top);
        }
        let directory = open_directory(parent, name)?;
        self.depth += 1;
        for round in 1.. {
            let found = entries(&directory)?;
            let is_last = found.is_empty() || round == ROUNDS;
            for (entry, kind) in found {
                let top = top.unwrap_or(directory.as_fd());
                if kind == Some(Type::Directory) {
                    self.remove_directory(directory.as_fd(), &entry, Some(top))?;
                } else {
                    self.remove_entry(directory.as_fd(), &entry, Some(top))?;
                }
            }
            if remove_empty(parent, name)? {
                break;
            }
            if is_last {
                let not_empty = sys_error("rmdir", name, Errno::ENOTEMPTY);
                return Err(Obstacle::Refused(not_empty));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn move_up(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        top: BorrowedFd<'_>,
    ) -> Result<(), Obstacle> {
        loop {
            self.moved_up += 1;
            let new = CString::new(format!(".deep-{}", self.moved_up)).expect("it holds no NUL");
            match renameat(parent, name, top, new.as_c_str()) {
                Ok(()) => return Ok(()),
                // Somebody's directory of that name: the next number may be free.
                Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
                Err(Errno::EACCES | Errno::EPERM) => {
                    make_writable(parent)?;
                    renameat(parent, name, top, new.as_c_str())
                        .map_err(|errno| obstacle(parent, "renameat", name, errno))?;
                    return Ok(());
                }
                Err(errno) => return Err(obstacle(parent, "renameat", name, errno)),
            }
        }
    }
}

/// Whether the directory is gone now; not when there is still something in it.
fn remove_empty(parent: BorrowedFd<'_>, name: &CStr) -> Result<bool, Obstacle> {
    match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Err(Errno::EACCES | Errno::EPERM) => {
            make_writable(parent)?;
            match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => Ok(true),
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
                Err(errno) => Err(obstacle(parent, "rmdir", name, errno)),
            }
        }
        Err(errno) => Err(obstacle(parent, "rmdir", name, errno)),
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Obstacle> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let first = openat(parent, name, flags, Mode::empty());
    let opened = match first {
        Err(Errno::EACCES) => {
            fchmodat(parent, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)
                .map_err(|errno| refusal("chmod", name, errno))?;
            openat(parent, name, flags, Mode::empty())
        }
        Ok(_) | Err(_) => first,
    };
    opened.map_err(|errno| refusal("openat", name, errno))
}

/// All names of a directory at once: a listing that is read while it is emptied skips some.
fn entries(directory: &OwnedFd) -> Result<Vec<(CString, Option<Type>)>, Obstacle> {
    let here = c".";
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = Dir::openat(directory, here, flags, Mode::empty())
        .map_err(|errno| refusal("openat", here, errno))?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let entry = entry.map_err(|errno| refusal("getdents", here, errno))?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push((name.to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

/// A container's root may have closed a directory that is ours, as overlay does with `work`.
fn make_writable(directory: BorrowedFd<'_>) -> Result<(), Obstacle> {
    fchmod(directory, Mode::S_IRWXU).map_err(|errno| refusal("fchmod", c".", errno))
}

fn refusal(call: &str, name: &CStr, errno: Errno) -> Obstacle {
    match errno {
        Errno::EACCES | Errno::EPERM => Obstacle::Foreign,
        errno => Obstacle::Refused(sys_error(call, name, errno)),
    }
}

/// A refusal in a directory of ours has another reason than its owner, such as an immutable file.
fn obstacle(parent: BorrowedFd<'_>, call: &str, name: &CStr, errno: Errno) -> Obstacle {
    let ours = fstat(parent).is_ok_and(|stat| stat.st_uid == geteuid().as_raw());
    if ours {
        Obstacle::Refused(sys_error(call, name, errno))
    } else {
        refusal(call, name, errno)
    }
}

fn sys_error(call: &str, name: &CStr, errno: Errno) -> SysError {
    SysError::new(format!("{call}({})", name.to_string_lossy()), errno)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn removes_closed_directories_and_never_follows_links() {
        let outside = tempfile::tempdir().unwrap();
        let kept = outside.path().join("kept");
        fs::create_dir(&kept).unwrap();
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        symlink(&kept, tree.join("a/link")).unwrap();
        File::create(tree.join("a/b/file")).unwrap();
        for (path, mode) in [("a/b/c", 0), ("a/b", 0o500), ("a", 0)] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(kept.exists());
        remove_tree(&tree).unwrap();
    }

    #[test]
    fn a_tree_may_be_deeper_than_descriptors_and_paths_allow() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut directory = OwnedFd::from(File::open(&tree).unwrap());
        for _ in 0..3000 {
            nix::sys::stat::mkdirat(&directory, "deep", Mode::S_IRWXU).unwrap();
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
            directory = openat(&directory, "deep", flags, Mode::empty()).unwrap();
        }
        drop(directory);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn several_trees_go_at_once() {
        let root = tempfile::tempdir().unwrap();
        let tree = |name: &str| root.path().join(name);
        for (name, width) in [("wide", 40), ("narrow", 1), ("empty", 0)] {
            fs::create_dir(tree(name)).unwrap();
            for at in 0..width {
                let deep = tree(name).join(format!("{at}/b/c/d/e/f/g/h"));
                fs::create_dir_all(&deep).unwrap();
                File::create(deep.join("file")).unwrap();
                File::create(tree(name).join(format!("{at}/file"))).unwrap();
                symlink("/", tree(name).join(format!("{at}/link"))).unwrap();
            }
        }
        File::create(tree("file")).unwrap();
        let trees = ["wide", "narrow", "empty", "file", "missing"].map(tree);
        assert!(remove_trees(&trees).is_empty());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    /// As a network file system does, which gives a file that is open another name.
    #[test]
    fn a_directory_that_is_filled_again_and_again_is_given_up_in_the_end() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(File::create(tree.join("again")));
                }
            });
            let removed = remove_tree(&tree);
            done.store(true, Ordering::Relaxed);
            let given_up = |error: &RemoveTreeError| match error {
                RemoveTreeError::Refused { source, .. } => source.errno == Errno::ENOTEMPTY,
                RemoveTreeError::NeedsNamespace { .. } => false,
            };
            assert!(removed.as_ref().err().is_none_or(given_up), "{removed:?}");
        });
    }

    #[test]
    fn a_file_is_a_tree_too() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        File::create(&file).unwrap();
        remove_tree(&file).unwrap();
        assert!(!file.exists());
    }
}
