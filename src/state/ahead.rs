// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Documents of many objects, read ahead by a second thread: half of what a long list costs is
//! opening and reading files, and the other half is what they are made into. Reading allocates
//! nothing for each of them, for two threads that allocate wait for each other: shared evenly
//! between them, the list of 1,100 containers took as long as by one. Whoever waits for documents
//! reads the next that nobody has begun with.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::atomic::append_document;

/// From so many objects on there is a second thread: below, it costs more than it saves.
const AHEAD_FROM: usize = 128;
/// Objects that are handed over at once.
const BATCH: usize = 32;
/// Batches that may wait, so that they do not fill the memory of a store that has very many.
const WAITING: usize = 64;
/// Room for the documents of most batches: no more than the heap keeps for the next one. What is
/// mapped by itself is unmapped again, for which each thread waits until the other knows.
const ROOM: usize = 60 << 10;

/// One document, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document<'a> {
    /// There was none.
    Absent,
    /// There it is.
    Text(&'a [u8]),
    /// It was not read, or could not be: whoever needs it reads it.
    Unread,
}

/// Calls `each` for every object of `names`, in their order, with the documents `files` of its
/// directory below `root`.
pub fn read_ahead<T: AsRef<str> + Sync, const FILES: usize>(
    root: &Path,
    names: &[T],
    files: [&'static str; FILES],
    mut each: impl FnMut(&T, [Document<'_>; FILES]),
) {
    if names.len() < AHEAD_FROM {
        for name in names {
            each(name, [Document::Unread; FILES]);
        }
        return;
    }
    let shelves = Shelves {
        root,
        names,
        files,
        begun: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel(WAITING);
        let shelves = &shelves;
        let reader = move || {
            while let Some(batch) = shelves.next() {
                if sender.send(batch).is_err() {
                    return;
                }
            }
        };
        // Where there may be no more threads, all is read here.
        let reader = thread::Builder::new().spawn_scoped(scope, reader);
        let mut read: Vec<Option<Batch<FILES>>> = Vec::new();
        read.resize_with(names.len().div_ceil(BATCH), || None);
        for (number, names) in names.chunks(BATCH).enumerate() {
            let batch = shelves.wait_for(number, &mut read, &batches);
            for (index, name) in names.iter().enumerate() {
                each(name, batch.documents(index));
            }
        }
        drop(reader);
    });
}

/// What two threads read, batch by batch.
struct Shelves<'a, T, const FILES: usize> {
    root: &'a Path,
    names: &'a [T],
    files: [&'static str; FILES],
    /// Batches that somebody reads, or has read.
    begun: AtomicUsize,
}

impl<T: AsRef<str>, const FILES: usize> Shelves<'_, T, FILES> {
    /// Reads the first batch that nobody has begun with; its number comes with it.
    fn next(&self) -> Option<(usize, Batch<FILES>)> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let names = self.names.chunks(BATCH).nth(number)?;
        Some((number, Batch::read(self.root, names, self.files)))
    }

    /// This batch, from the other thread or read here; `read` keeps those that come before their
    /// time.
    fn wait_for(
        &self,
        number: usize,
        read: &mut [Option<Batch<FILES>>],
        batches: &Receiver<(usize, Batch<FILES>)>,
    ) -> Batch<FILES> {
        loop {
            if let Some(batch) = read[number].take() {
                return batch;
            }
            let come = batches.try_recv().ok().or_else(|| self.next());
            let Some((number, batch)) = come.or_else(|| batches.recv().ok()) else {
                // The other thread has died with it: who needs the documents reads them.
                return Batch::default();
            };
            read[number] = Some(batch);
        }
    }
}

/// The documents of some objects that follow each other.
#[derive(Debug)]
struct Batch<const FILES: usize> {
    bytes: Vec<u8>,
    places: Vec<[Place; FILES]>,
}

/// Where a document is in a batch.
#[derive(Debug, Clone)]
enum Place {
    Nowhere,
    At(Range<usize>),
    Unread,
}

impl<const FILES: usize> Default for Batch<FILES> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<const FILES: usize> Batch<FILES> {
    fn read<T: AsRef<str>>(root: &Path, names: &[T], files: [&'static str; FILES]) -> Self {
        let mut batch = Self {
            bytes: Vec::with_capacity(ROOM),
            places: Vec::with_capacity(names.len()),
        };
        let mut path = PathBuf::with_capacity(root.as_os_str().len() + 128);
        path.push(root);
        for name in names {
            path.push(name.as_ref());
            let places = files.map(|file| {
                path.push(file);
                let place = batch.append(&path);
                path.pop();
                place
            });
            batch.places.push(places);
            path.pop();
        }
        batch
    }

    fn append(&mut self, path: &Path) -> Place {
        let start = self.bytes.len();
        match append_document(path, &mut self.bytes) {
            Ok(()) => Place::At(start..self.bytes.len()),
            Err(error) => {
                self.bytes.truncate(start);
                match error.kind() {
                    io::ErrorKind::NotFound => Place::Nowhere,
                    // Whoever needs it meets the error, and tells it.
                    _ => Place::Unread,
                }
            }
        }
    }

    fn documents(&self, index: usize) -> [Document<'_>; FILES] {
        let Some(places) = self.places.get(index) else {
            return [Document::Unread; FILES];
        };
        places.each_ref().map(|place| match place {
            Place::Nowhere => Document::Absent,
            Place::At(range) => Document::Text(&self.bytes[range.clone()]),
            Place::Unread => Document::Unread,
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's files survive no crash")]
mod tests {
    use std::fs;

    use super::*;

    fn read(root: &Path, names: &[String]) -> Vec<String> {
        let mut seen = Vec::new();
        read_ahead(root, names, ["a", "b"], |name, documents| {
            let words = documents.map(|document| match document {
                Document::Absent => "absent".to_owned(),
                Document::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Document::Unread => "unread".to_owned(),
            });
            seen.push(format!("{name}: {}", words.join(" ")));
        });
        seen
    }

    #[test]
    fn every_document_comes_once_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
        let large = "x".repeat(9000);
        for name in &names {
            let own = directory.path().join(name);
            fs::create_dir(&own).unwrap();
            fs::write(own.join("a"), name).unwrap();
        }
        fs::write(directory.path().join("n7/b"), &large).unwrap();
        fs::write(directory.path().join("n8/b"), "").unwrap();
        fs::create_dir(directory.path().join("n9/b")).unwrap();
        fs::remove_dir_all(directory.path().join("n10")).unwrap();
        let seen = read(directory.path(), &names);
        assert_eq!(seen.len(), names.len());
        for (name, seen) in names.iter().zip(&seen) {
            let expected = match name.as_str() {
                "n7" => format!("n7: n7 {large}"),
                "n8" => "n8: n8 ".to_owned(),
                "n9" => "n9: n9 unread".to_owned(),
                "n10" => "n10: absent absent".to_owned(),
                name => format!("{name}: {name} absent"),
            };
            assert_eq!(*seen, expected);
        }
        // So few are not worth a thread.
        assert_eq!(read(directory.path(), &names[..1]), ["n0: unread unread"]);
    }
}
