// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The index of names: `names/<kind>/<name>` is a symbolic link whose text is the object's id. It
//! is made in one exclusive call with its content, so a name is never half-written, and two
//! objects never have the same one.
//!
//! The id stands there in base 64: what has less than 60 bytes ext4 keeps in the link's inode. The
//! path of the object's directory took a block of the disk, to be found and freed with each
//! container; links of that kind are still read.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::id::ContainerId;
use super::locks::{Contention, DirectoryLock};
use crate::sys::{Called, SysResult};

/// Whether a container can be called that.
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    first && name.len() <= 255 && bytes.all(rest)
}

/// The names of containers.
#[derive(Debug, Clone)]
pub(super) struct Names {
    directory: PathBuf,
}

/// What became of an attempt to take a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// The name is ours.
    Taken,
    /// The name is that container's; it may have gone without giving it back.
    HeldBy(ContainerId),
}

impl Names {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The container that `name` stands for; `None` when nobody has it.
    pub(super) fn get(&self, name: &str) -> SysResult<Option<ContainerId>> {
        let path = self.path(name);
        match fs::read_link(&path) {
            Ok(target) => Ok(id_of(&target)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error).called(|| format!("readlink({})", path.display())),
        }
    }

    /// Takes the name for `id`, unless somebody has it.
    pub(super) fn claim(&self, name: &str, id: &ContainerId) -> SysResult<Claim> {
        let path = self.path(name);
        loop {
            match symlink(target_of(id), &path) {
                Ok(()) => return Ok(Claim::Taken),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).called(|| format!("symlink({})", path.display())),
            }
            match self.get(name)? {
                Some(holder) => return Ok(Claim::HeldBy(holder)),
                None if path.symlink_metadata().is_ok() => self.remove_foreign(&path)?,
                // Given back between the two calls.
                None => {}
            }
        }
    }

    /// Gives the name back if it is still `id`'s.
    ///
    /// Under the lock of the index: between the look and the removal somebody else may find the
    /// name orphaned, remove it and take it.
    pub(super) fn release(&self, name: &str, id: &ContainerId) -> SysResult<()> {
        let _lock = DirectoryLock::take(&self.directory, Contention::Wait)?;
        if self.get(name)?.as_ref() != Some(id) {
            return Ok(());
        }
        let path = self.path(name);
        fs::remove_file(&path).called(|| format!("unlink({})", path.display()))
    }

    /// Every name with its container.
    pub(super) fn all(&self) -> SysResult<Vec<(String, ContainerId)>> {
        let listed = || format!("readdir({})", self.directory.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).called(listed)? {
            let Ok(name) = entry.called(listed)?.file_name().into_string() else {
                continue;
            };
            if let Some(id) = self.get(&name)? {
                names.push((name, id));
            }
        }
        Ok(names)
    }

    /// Removes what stands in the way of a name and is no link of ours.
    fn remove_foreign(&self, path: &Path) -> SysResult<()> {
        let _lock = DirectoryLock::take(&self.directory, Contention::Wait)?;
        let is_ours = fs::read_link(path).is_ok_and(|target| id_of(&target).is_some());
        if is_ours {
            return Ok(());
        }
        fs::remove_file(path).called(|| format!("unlink({})", path.display()))
    }
}

fn target_of(id: &ContainerId) -> String {
    URL_SAFE_NO_PAD.encode(id.to_bytes())
}

fn id_of(target: &Path) -> Option<ContainerId> {
    let text = target.file_name()?.to_str()?;
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        Some(bytes) => Some(ContainerId::from_random(&bytes)),
        None => ContainerId::parse(text),
    }
}

/// EINVAL: something other than a link.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_podman() {
        for name in ["a", "web-1", "A.b_c", "0", &"x".repeat(255)] {
            assert!(is_valid(name), "{name}");
        }
        for name in [
            "",
            "-a",
            ".a",
            "_a",
            "a/b",
            "a b",
            "ä",
            "a\n",
            &"x".repeat(256),
        ] {
            assert!(!is_valid(name), "{name}");
        }
    }

    #[test]
    fn a_name_has_one_holder_and_is_given_back_by_it_only() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(directory.path().to_owned());
        let first = ContainerId::from_random(&[1; 32]);
        let second = ContainerId::from_random(&[2; 32]);
        assert_eq!(names.claim("web", &first).unwrap(), Claim::Taken);
        let held = Claim::HeldBy(first.clone());
        assert_eq!(names.claim("web", &second).unwrap(), held);
        names.release("web", &second).unwrap();
        assert_eq!(names.get("web").unwrap(), Some(first.clone()));
        assert_eq!(names.all().unwrap(), [("web".to_owned(), first.clone())]);
        names.release("web", &first).unwrap();
        assert_eq!(names.get("web").unwrap(), None);
    }

    #[test]
    fn a_name_fits_into_its_inode_and_links_of_old_stores_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(directory.path().to_owned());
        let id = ContainerId::from_random(&[0xfe; 32]);
        names.claim("new", &id).unwrap();
        let text = fs::read_link(directory.path().join("new")).unwrap();
        assert!(text.as_os_str().len() < 60, "{text:?}");
        symlink(
            Path::new("../../containers").join(id.as_str()),
            directory.path().join("old"),
        )
        .unwrap();
        for name in ["new", "old"] {
            assert_eq!(names.get(name).unwrap().as_ref(), Some(&id), "{name}");
        }
    }

    #[test]
    fn a_file_in_the_way_of_a_name_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(directory.path().to_owned());
        fs::File::create(directory.path().join("web")).unwrap();
        assert_eq!(names.get("web").unwrap(), None);
        let id = ContainerId::from_random(&[1; 32]);
        assert_eq!(names.claim("web", &id).unwrap(), Claim::Taken);
    }
}
