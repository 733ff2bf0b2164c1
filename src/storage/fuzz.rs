// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parsers of archives as the fuzzer calls them.

use std::fs::File;
use std::os::fd::AsFd;

use super::tar::{Limits, RecipeWriter, TarStream};
use super::unpack::{Destination, Ownership, RootDirectory, unpack};

/// Reads an archive to its end.
pub(crate) fn tar(bytes: &[u8]) {
    let mut stream = TarStream::new(bytes, Limits::default());
    while let Ok(Some(_member)) = stream.next_member() {}
    drop(stream.drain());
}

/// Unpacks an archive: nothing beside its directory changes.
pub(crate) fn layer(bytes: &[u8]) {
    let room = tempfile_in_memory();
    let (root, recipe) = (room.join("root"), room.join("recipe"));
    std::fs::create_dir_all(&root).expect("a directory in memory");
    File::create(room.join("beside")).expect("a file in memory");
    let opened = File::open(&root).expect("it was made");
    let destination = Destination {
        root: opened.as_fd(),
        ownership: Ownership::Metadata,
        usual_root: RootDirectory::default(),
    };
    let recipe = File::create(&recipe).and_then(RecipeWriter::new);
    drop(unpack(bytes, destination, recipe.ok()));
    let mut beside: Vec<_> = std::fs::read_dir(&room)
        .expect("it was made")
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    beside.sort();
    assert_eq!(beside, ["beside", "recipe", "root"]);
    drop(crate::state::tree::remove_tree(&room));
}

fn tempfile_in_memory() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    let top = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    top.join(format!(
        "coracle-fuzz-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ))
}
