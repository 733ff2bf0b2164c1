// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The work directory: where files are finished before they get their name in the upper layer,
//! and where whiteouts come from. Nothing in it outlives a mount.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, renameat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::OverlayError;
use super::backing::{Name, open_directory};
use super::layer::read_directory;
use crate::layer_format::{WhiteoutForm, write_whiteout};
use crate::sys::fs::{Renaming, rename};

/// Our corner of the work directory; the kernel's overlay uses `work` and `index` beside it.
const CORNER: &CStr = c"coracle";

/// One whiteout that all others are hard links of: a link costs less than an inode.
const WHITEOUT: &CStr = c"whiteout";

/// The open work directory.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) directory: Arc<OwnedFd>,
    /// The form that the upper layer's file system takes.
    pub(super) form: WhiteoutForm,
    serial: u64,
}

impl Work {
    /// Opens and empties the work directory at `path` for the upper layer with root `upper`.
    pub(super) fn prepare(path: &Path, upper: &OwnedFd) -> Result<Self, OverlayError> {
        let failed = |source| OverlayError::Work {
            path: path.to_owned(),
            source,
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = open(path, flags, Mode::empty()).map_err(failed)?;
        let device = |opened: &OwnedFd| fstat(opened).map(|status| status.st_dev);
        if device(&parent).map_err(failed)? != device(upper).map_err(failed)? {
            return Err(OverlayError::WorkElsewhere {
                path: path.to_owned(),
            });
        }
        let directory = empty_corner(&parent).map_err(failed)?;
        let form = write_whiteout(directory.as_fd(), WHITEOUT).map_err(failed)?;
        Ok(Self {
            directory: Arc::new(directory),
            form,
            serial: 0,
        })
    }

    /// A name that nothing in the work directory has.
    pub(super) fn fresh_name(&mut self) -> Name {
        self.serial += 1;
        let name = CString::new(format!("#{}", self.serial)).expect("a number holds no NUL");
        Name::from(name)
    }

    /// Hides a name that the upper layer does not have.
    pub(super) fn add_whiteout(&self, directory: &OwnedFd, name: &CStr) -> nix::Result<()> {
        match self.form {
            WhiteoutForm::DotWh => write_whiteout(directory.as_fd(), name).map(drop),
            WhiteoutForm::Device => {
                let no_follow = AtFlags::empty();
                match linkat(&self.directory, WHITEOUT, directory, name, no_follow) {
                    // Too many links, or a file system without links.
                    Err(Errno::EMLINK | Errno::EPERM | Errno::EOPNOTSUPP) => {
                        write_whiteout(directory.as_fd(), name).map(drop)
                    }
                    answer => answer,
                }
            }
        }
    }

    /// Puts a whiteout in the place of a file that is not a directory.
    pub(super) fn replace_file(&mut self, directory: &OwnedFd, name: &CStr) -> nix::Result<()> {
        if self.form == WhiteoutForm::DotWh {
            self.add_whiteout(directory, name)?;
            return unlinkat(directory, name, UnlinkatFlags::NoRemoveDir);
        }
        let whiteout = self.fresh_name();
        self.add_whiteout(&self.directory, &whiteout)?;
        renameat(&self.directory, whiteout.as_ref(), directory, name).inspect_err(|_errno| {
            self.discard(&whiteout);
        })
    }

    /// Puts a whiteout in the place of a directory and removes what it held, which must be
    /// whiteouts only.
    pub(super) fn replace_directory(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
    ) -> nix::Result<()> {
        if self.form == WhiteoutForm::DotWh {
            self.add_whiteout(directory, name)?;
            return self.remove_directory(directory, name);
        }
        let whiteout = self.fresh_name();
        self.add_whiteout(&self.directory, &whiteout)?;
        let exchanged = exchange(&self.directory, &whiteout, directory, name);
        self.discard(&whiteout);
        exchanged
    }

    /// Removes a directory that holds whiteouts only, at one stroke for those who look.
    pub(super) fn remove_directory(&mut self, directory: &OwnedFd, name: &CStr) -> nix::Result<()> {
        match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            answer => return answer,
        }
        let trash = self.fresh_name();
        renameat(directory, name, &self.directory, trash.as_ref())?;
        self.discard(&trash);
        Ok(())
    }

    /// Gives a finished file or directory its name, where a whiteout of the same name may be.
    pub(super) fn publish(
        &self,
        finished: &CStr,
        directory: &OwnedFd,
        name: &CStr,
        replaced: Replaced,
    ) -> nix::Result<()> {
        match replaced {
            Replaced::Nothing => renameat(&self.directory, finished, directory, name),
            Replaced::WhiteoutBy(Shape::Other) => {
                renameat(&self.directory, finished, directory, name)
            }
            Replaced::WhiteoutBy(Shape::Directory) => {
                exchange(&self.directory, finished, directory, name)?;
                self.discard(finished);
                Ok(())
            }
        }
    }

    /// Removes something unfinished. What cannot be removed now goes when the directory is
    /// prepared again.
    pub(super) fn discard(&self, name: &CStr) {
        remove_tree(&self.directory, name).ok();
    }
}

/// What a finished file meets at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    Nothing,
    /// A whiteout, replaced by something of this shape.
    WhiteoutBy(Shape),
}

/// rename(2) treats directories and all else differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Directory,
    Other,
}

/// Swaps two names.
fn exchange(one: &OwnedFd, one_name: &CStr, other: &OwnedFd, other_name: &CStr) -> nix::Result<()> {
    rename(one, one_name, other, other_name, Renaming::Exchange)
}

fn empty_corner(parent: &OwnedFd) -> nix::Result<OwnedFd> {
    match remove_tree(parent, CORNER) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    mkdirat(parent, CORNER, Mode::S_IRWXU)?;
    open_directory(parent, CORNER)
}

/// Removes a file or a directory with all that is in it.
fn remove_tree(directory: &OwnedFd, name: &CStr) -> nix::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR | Errno::EPERM) => {}
        answer => return answer,
    }
    let inner = open_directory(directory, name)?;
    for entry in read_directory(&inner)? {
        remove_tree(&inner, &entry.name)?;
    }
    unlinkat(directory, name, UnlinkatFlags::RemoveDir)
}
