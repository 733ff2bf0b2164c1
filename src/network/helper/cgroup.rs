// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cgroup that the helper has for itself, so that it does not end with whoever started it. An
//! empty one tells nobody and goes with nobody: the helper, when it ends, steps out of its own and
//! removes it. The next one may be coming into it at that moment, which the kernel decides.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::CGROUP;
use crate::sys::Ignored;

/// A cgroup that was made for a helper.
#[derive(Debug)]
pub struct Cgroup {
    /// Its directory, for clone3(2).
    pub directory: OwnedFd,
    /// Where that is.
    pub path: PathBuf,
    /// The directory of the cgroup that the caller is in.
    pub origin: PathBuf,
}

impl Cgroup {
    /// What tells the helper of it.
    pub(super) fn words(&self) -> [(&'static str, &Path); 2] {
        [(CGROUP[0], &self.path), (CGROUP[1], &self.origin)]
    }
}

/// The way out of it.
#[derive(Debug)]
pub(super) struct Exit {
    parent: OwnedFd,
    name: OsString,
    /// The members of other cgroups, the best one first.
    elsewhere: Vec<File>,
}

impl Exit {
    /// Prepares it, as long as files can be opened.
    pub(super) fn prepared(argv: &[OsString]) -> Option<Self> {
        let after = |word: &str| {
            let at = argv.iter().position(|each| each == word)?;
            argv.get(at + 1).map(Path::new)
        };
        let [own, origin] = CGROUP.map(after);
        let own = own?;
        let (name, parent) = (own.file_name()?, own.parent()?);
        // The origin may end before, and its place takes no process where it has controllers.
        let places = [origin, Some(parent)].into_iter().flatten();
        let members = places.map(|place| place.join("cgroup.procs"));
        let writable = members.map(|path| File::options().write(true).open(path));
        Some(Self {
            parent: File::open(parent).ok()?.into(),
            name: name.to_owned(),
            elsewhere: writable.filter_map(Result::ok).collect(),
        })
    }

    /// The directory that the cgroup is removed from.
    pub(super) fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    /// Leaves, and removes what nobody is in any more. A cgroup that cannot be left stays for the
    /// next helper.
    pub(super) fn take(self) {
        let mut places = self.elsewhere.iter();
        if places.any(|mut members| members.write_all(b"0").is_ok()) {
            unlinkat(&self.parent, &*self.name, UnlinkatFlags::RemoveDir).ignored();
        }
    }
}
