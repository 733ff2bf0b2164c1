// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole files, replaced in one step: a reader sees the old text or the new one, never half.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

use crate::sys::fs::{Renaming, rename as rename_at};
use crate::sys::random::random_bytes;
use crate::sys::{Called, SysResult};

/// Whether a change must outlive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Written to the disk before the call returns.
    Synced,
    /// Written when the kernel finds the time; still whole or absent after a crash of ours.
    Unsynced,
}

/// Replaces `path` by a file with these bytes and mode 0600. Without [`Durability::Synced`] the
/// bytes are JSON, and a full disk is no obstacle while the file is there already: what runs must
/// be ended, and its end recorded, to make room.
///
/// # Errors
///
/// The first system call that was refused; nothing is left behind.
pub fn replace_file(path: &Path, bytes: &[u8], durability: Durability) -> SysResult<()> {
    let temporary = temporary_name(path)?;
    let put = match durability {
        Durability::Synced => rename,
        Durability::Unsynced => exchange,
    };
    let replaced = write_new_file(&temporary, bytes, durability)
        .and_then(|()| put(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)));
    match (replaced, durability) {
        (Err(error), Durability::Unsynced) if is_full(error.errno) => {
            return overwrite(path, bytes).map_err(|_still_full| error);
        }
        (replaced, _) => replaced?,
    }
    match durability {
        Durability::Synced => sync_directory(path.parent().unwrap_or(Path::new("."))),
        Durability::Unsynced => Ok(()),
    }
}

/// A file that waits, whole, to be put in the place of another; dropped before, it is removed.
#[derive(Debug)]
pub struct StagedFile {
    temporary: PathBuf,
    path: PathBuf,
}

/// Writes what is to replace `path`, as [`replace_file`] without durability does.
///
/// # Errors
///
/// The first system call that was refused; nothing is left behind.
pub fn stage_file(path: &Path, bytes: &[u8]) -> SysResult<StagedFile> {
    let staged = StagedFile {
        temporary: temporary_name(path)?,
        path: path.to_owned(),
    };
    write_new_file(&staged.temporary, bytes, Durability::Unsynced).map(|()| staged)
}

impl StagedFile {
    /// Puts the file in its place.
    ///
    /// # Errors
    ///
    /// What rename(2) says.
    pub fn put(self) -> SysResult<()> {
        exchange(&self.temporary, &self.path)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After `put` there is nothing of that name.
        drop(fs::remove_file(&self.temporary));
    }
}

fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::ENOSPC | Errno::EDQUOT)
}

/// Writes over the file at `path`, in the block that it has: one call, and spaces behind the text
/// in place of what was longer, so that a reader sees one text or the other.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut text = bytes.to_vec();
    text.resize(text.len().max(length), b' ');
    file.write_all_at(&text, 0)
}

/// Writes a file with mode 0600 that must not exist yet.
///
/// # Errors
///
/// EEXIST when it does; a symbolic link at its place counts as existing.
pub fn write_new_file(path: &Path, bytes: &[u8], durability: Durability) -> SysResult<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .called(|| format!("open({})", path.display()))?;
    file.write_all(bytes)
        .called(|| format!("write({})", path.display()))?;
    match durability {
        Durability::Synced => file
            .sync_all()
            .called(|| format!("fsync({})", path.display())),
        Durability::Unsynced => Ok(()),
    }
}

/// Renames `from` to `to`, by rename(2).
///
/// # Errors
///
/// What rename(2) says, with both paths.
pub fn rename(from: &Path, to: &Path) -> SysResult<()> {
    fs::rename(from, to).called(|| format!("rename({}, {})", from.display(), to.display()))
}

/// Puts `from` in the place of `to`, as rename(2) does, but by an exchange of the two and the
/// removal of the old file under its new name: ext4 starts to write a file to the disk when it is
/// renamed over another, which takes milliseconds and is of no use here.
fn exchange(from: &Path, to: &Path) -> SysResult<()> {
    let swap = || rename_at(AT_FDCWD, from, AT_FDCWD, to, Renaming::Exchange);
    match swap() {
        Ok(()) => fs::remove_file(from)
            .called(|| format!("rename({}, {})", from.display(), to.display()))
            // It was no file that can be replaced: it gets its name back.
            .inspect_err(|_| swap().unwrap_or_default()),
        // Nothing is there yet, or the file system cannot do it.
        Err(Errno::ENOENT | Errno::EINVAL | Errno::ENOSYS) => rename(from, to),
        Err(errno) => {
            Err(errno).called(|| format!("renameat2({}, {})", from.display(), to.display()))
        }
    }
}

/// Makes the entries of a directory outlive a power cut.
///
/// # Errors
///
/// What open(2) and fsync(2) say.
pub fn sync_directory(path: &Path) -> SysResult<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .called(|| format!("fsync({})", path.display()))
}

/// A name beside `path` that nobody can guess, and that sweeping recognises by its end.
fn temporary_name(path: &Path) -> SysResult<PathBuf> {
    let random = u64::from_ne_bytes(random_bytes()?);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{random:016x}{TEMPORARY_SUFFIX}")))
}

/// How the names of half-written files end.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Whether a file of this name is what a killed process left half-written.
pub fn is_half_written(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX)
}

/// No record, and no document of an image, is larger.
const LARGEST: usize = 32 << 20;

/// Reads a file of our own: it is small, and one read that comes back short has all of it. With
/// the look at its size and the read behind its end, a list of a thousand containers would make
/// four thousand calls more. A pipe in its place is empty: nobody is waited for.
///
/// # Errors
///
/// What open(2) and read(2) say; that it is larger than any file of ours.
pub fn read_document(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    append_document(path.as_ref(), &mut bytes)?;
    Ok(bytes)
}

/// Reads a file as [`read_document`] does, onto the end of `bytes`; what stands there behind its
/// old end after an error is nothing.
///
/// # Errors
///
/// As [`read_document`].
pub fn append_document(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    // Not open(), after which musl closes it on exec once more: a call for each document.
    let opened = openat(AT_FDCWD, path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(io::Error::from)?);
    let start = bytes.len();
    let mut end = start;
    let mut room = 4 << 10;
    bytes.resize(start + room, 0);
    loop {
        match file.read(&mut bytes[end..]) {
            Ok(count) => end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if end < bytes.len() {
            bytes.truncate(end);
            return Ok(());
        }
        if end - start > LARGEST {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        room *= 4;
        bytes.resize(start + room, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn what_is_no_document_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        mkfifo(&path, Mode::S_IRUSR).unwrap();
        assert_eq!(read_document(&path).unwrap(), b"");
        let path = directory.path().join("large");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read_document(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_staged_file_is_seen_when_it_is_put_and_leaves_nothing_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        for text in ["first", "second"] {
            stage_file(&path, text.as_bytes()).unwrap().put().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        drop(stage_file(&path, b"third").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn replaces_the_whole_file_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        for durability in [Durability::Synced, Durability::Unsynced] {
            replace_file(&path, b"a longer first text", durability).unwrap();
            replace_file(&path, b"second", durability).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"second");
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_text_is_written_over_another_of_any_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        overwrite(&path, b"{}").unwrap_err();
        write_new_file(&path, b"{\"a\":1}", Durability::Unsynced).unwrap();
        for (text, expected) in [("{}", "{}     "), ("{\"long\":123}", "{\"long\":123}")] {
            overwrite(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }

    #[test]
    fn a_refused_replacement_leaves_the_old_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("is a directory");
        fs::create_dir(&path).unwrap();
        let error = replace_file(&path, b"text", Durability::Unsynced).unwrap_err();
        assert_eq!(error.errno, Errno::EISDIR);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_is_never_written_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        symlink("elsewhere", &link).unwrap();
        let error = write_new_file(&link, b"text", Durability::Unsynced).unwrap_err();
        assert_eq!(error.errno, Errno::EEXIST);
    }
}
