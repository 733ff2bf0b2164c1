// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers and images in a real directory.

use std::fs;
use std::path::Path;

use super::*;
use crate::oci::{Digest, Reference};
use crate::state::atomic::Durability::Unsynced;
use crate::state::dirs::Dirs;

pub(super) const ONE_ID: InPlace = InPlace {
    ownership: Ownership::Metadata,
    id_map: String::new(),
};

pub(super) struct Store {
    _root: tempfile::TempDir,
    dirs: Dirs,
    pub(super) images: Images,
}

pub(super) fn store() -> Store {
    let root = tempfile::tempdir().unwrap();
    let dirs = Dirs::new(root.path().join("data"), root.path().join("run"));
    let images = Images::open(&dirs);
    Store {
        _root: root,
        dirs,
        images,
    }
}

pub(super) fn layer_tar(name: &str) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(name.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, name, name.as_bytes())
        .unwrap();
    builder.into_inner().unwrap()
}

impl Store {
    fn layer(&self, parent: Option<&Digest>, name: &str) -> (Layer, Pin) {
        let tar = layer_tar(name);
        let layers = self.images.layers();
        layers
            .add(parent, Expected::default(), &tar[..], &ONE_ID)
            .unwrap()
    }

    /// Removes an image with whatever it is called.
    fn remove(&self, id: &Digest) {
        let names = self.images.names_of(id).unwrap();
        self.images.remove(id, &names, &ONE_ID).unwrap();
    }

    fn image(&self, layers: &[&str], names: &[&str]) -> Digest {
        let mut diff_ids = Vec::new();
        let mut pins = Vec::new();
        let mut parent = None;
        for name in layers {
            let (layer, pin) = self.layer(parent.as_ref(), name);
            diff_ids.push(layer.record.diff_id);
            parent = Some(layer.chain_id);
            pins.push(pin);
        }
        let config = serde_json::json!({"architecture": "amd64", "os": "linux",
            "config": {"Cmd": ["/bin/sh"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string();
        let manifest = format!("{{\"of\": {config}}}");
        let names: Vec<_> = names
            .iter()
            .map(|name| Reference::parse_local(name).unwrap())
            .collect();
        let new = NewImage {
            config: config.as_bytes(),
            manifest: manifest.as_bytes(),
            names: &names,
            origin: None,
        };
        self.images.add(&new, pins).unwrap()
    }

    fn layer_count(&self) -> usize {
        entries(&self.dirs.layers())
    }
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).map_or(0, Iterator::count)
}

#[test]
fn images_are_found_as_people_name_them() {
    let store = store();
    let id = store.image(
        &["a", "b"],
        &["web:1", "quay.io/x/y:latest", "docker.io/library/z:3"],
    );
    for text in [
        "web:1",
        "localhost/web:1",
        "quay.io/x/y",
        "x/y",
        "y",
        "z:3",
        "docker.io/z:3",
        id.hex(),
        id.short(),
        &id.hex()[..3],
        &id.to_string(),
    ] {
        assert_eq!(store.images.resolve(text).unwrap().id, id, "{text}");
    }
    let image = store.images.resolve("web:1").unwrap();
    assert_eq!(image.name.as_deref(), Some("localhost/web:1"));
    assert_eq!(image.config.config.cmd, ["/bin/sh"]);
    assert_eq!(fs::read(image.layers[1].diff_path.join("b")).unwrap(), b"b");
    let by_digest = format!("quay.io/x/y@{}", image.digest);
    assert_eq!(store.images.resolve(&by_digest).unwrap().id, id);
    for text in [
        "web",
        "",
        "none",
        "z",
        "Web:1",
        "/",
        "eb:1",
        "quay.io/y",
        &"f".repeat(64),
    ] {
        let error = store.images.resolve(text).unwrap_err();
        assert!(
            error.to_string().contains("image not known"),
            "{text}: {error}"
        );
    }
    assert!(
        store
            .images
            .resolve(&format!("web@{}", Digest::sha256(b"")))
            .is_err()
    );
}

#[test]
fn a_name_moves_to_the_newest_image() {
    let store = store();
    let first = store.image(&["a"], &["web"]);
    let second = store.image(&["b"], &["web"]);
    assert_eq!(store.images.resolve("web").unwrap().id, second);
    assert!(store.images.names_of(&first).unwrap().is_empty());
    let other = Reference::parse_local("other").unwrap();
    store.images.tag(&first, &other).unwrap();
    store
        .images
        .untag(&first, "localhost/other:latest")
        .unwrap();
    let error = store
        .images
        .untag(&first, "localhost/web:latest")
        .unwrap_err();
    assert!(matches!(error, StorageError::NoSuchName { .. }));
}

#[test]
fn a_name_that_came_meanwhile_keeps_its_image() {
    let store = store();
    let id = store.image(&["a"], &["one"]);
    let known = store.images.list().unwrap().remove(0).names;
    let other = Reference::parse_local("other").unwrap();
    store.images.tag(&id, &other).unwrap();
    for known in [&known[..], &[]] {
        let removed = store.images.remove(&id, known, &ONE_ID);
        let Err(StorageError::NamedMeanwhile { name, .. }) = removed else {
            panic!("{removed:?}");
        };
        assert!(!known.contains(&name));
    }
    assert!(store.images.resolve("other").is_ok());
    store.remove(&id);
    assert!(store.images.resolve("other").is_err());
}

#[test]
fn layers_live_as_long_as_something_names_them() {
    let store = store();
    let first = store.image(&["base", "a"], &["one"]);
    let second = store.image(&["base", "b"], &["two"]);
    assert_eq!(store.layer_count(), 3);
    store.remove(&first);
    assert_eq!(store.layer_count(), 2);
    assert!(store.images.resolve("one").is_err());
    let image = store.images.resolve("two").unwrap();
    let container = store.dirs.containers().join("c");
    fs::create_dir_all(&container).unwrap();
    let record = serde_json::json!({"resolved": {"layers": [image.layers[0].chain_id.hex()]}});
    fs::File::create(container.join("container.json"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, record.to_string().as_bytes()))
        .unwrap();
    let pins = image.pin(&store.images).unwrap();
    store.remove(&second);
    assert_eq!(store.layer_count(), 2, "pinned");
    drop(pins);
    store.images.collect(&ONE_ID).unwrap();
    assert_eq!(store.layer_count(), 1, "named by the container");
    fs::remove_dir_all(&container).unwrap();
    store.images.collect(&ONE_ID).unwrap();
    assert_eq!(store.layer_count(), 0);
    assert_eq!(entries(&store.dirs.blobs()), 0);
    assert_eq!(entries(&store.dirs.tmp()), 0);
    assert!(store.images.list().unwrap().is_empty());
}

#[test]
fn a_layer_that_is_not_what_it_should_be_leaves_nothing() {
    let store = store();
    let other = Digest::sha256(b"other");
    let tar = layer_tar("x");
    let right = Digest::sha256(&tar);
    let layers = store.images.layers();
    for expected in [
        Expected {
            diff_id: Some(&other),
            ..Expected::default()
        },
        Expected {
            diff_id: Some(&right),
            blob_digest: Some(&other),
            ..Expected::default()
        },
    ] {
        let error = layers.add(None, expected, &tar[..], &ONE_ID).unwrap_err();
        assert!(matches!(error, StorageError::WrongDigest { .. }), "{error}");
    }
    let expected = Expected {
        diff_id: Some(&right),
        ..Expected::default()
    };
    let error = layers
        .add(None, expected, &tar[..700], &ONE_ID)
        .unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
    assert_eq!((store.layer_count(), entries(&store.dirs.tmp())), (0, 0));
    layers.add(None, expected, &tar[..], &ONE_ID).unwrap();
    assert_eq!(store.layer_count(), 1);
}

#[test]
fn many_want_the_same_layer_at_once() {
    let store = store();
    let tar = layer_tar(&"n".repeat(90));
    let diff_id = Digest::sha256(&tar);
    let expected = Expected {
        diff_id: Some(&diff_id),
        ..Expected::default()
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (layer, _pin) = store
                    .images
                    .layers()
                    .add(None, expected, &tar[..], &ONE_ID)
                    .unwrap();
                assert_eq!(fs::read_dir(&layer.diff_path).unwrap().count(), 1);
            });
        }
    });
    assert_eq!((store.layer_count(), entries(&store.dirs.tmp())), (1, 0));
}

#[test]
fn what_a_killed_process_left_is_taken_over() {
    let store = store();
    let tar = layer_tar("x");
    let diff_id = Digest::sha256(&tar);
    let left = store.dirs.tmp().join(format!("layer-{}", diff_id.hex()));
    fs::create_dir_all(left.join("diff/half")).unwrap();
    let expected = Expected {
        diff_id: Some(&diff_id),
        ..Expected::default()
    };
    let (layer, _pin) = store
        .images
        .layers()
        .add(None, expected, &tar[..], &ONE_ID)
        .unwrap();
    assert!(!layer.diff_path.join("half").exists());
}

#[test]
fn a_damaged_image_is_listed_and_can_be_removed() {
    let store = store();
    let id = store.image(&["a"], &["web"]);
    let kept = store.image(&["b"], &["kept"]);
    fs::remove_file(store.dirs.blobs().join(id.hex())).unwrap();
    assert!(store.images.resolve("web").is_err());
    let listed = store.images.list().unwrap();
    assert_eq!(
        listed
            .iter()
            .filter(|listed| listed.damage.is_some())
            .count(),
        1
    );
    // As a power cut may leave it.
    let record = store.dirs.images().join(format!("{}.json", id.hex()));
    fs::File::create(&record).unwrap();
    let listed = store.images.list().unwrap();
    assert_eq!(listed.len(), 2);
    assert!(store.images.collect(&ONE_ID).is_err(), "it may name layers");
    store.remove(&id);
    assert_eq!(store.images.list().unwrap()[0].image.id, kept);
    assert_eq!(store.layer_count(), 1);
}

#[test]
fn the_root_is_as_below_whichever_layer_came_first() {
    let store = store();
    let layers = store.images.layers();
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o700);
    builder.append_data(&mut header, "./", &b""[..]).unwrap();
    let lowest = builder.into_inner().unwrap();
    let uppers = [layer_tar("middle"), layer_tar("top")];
    let diff_ids: Vec<_> = [&lowest, &uppers[0], &uppers[1]]
        .map(|tar| Digest::sha256(tar))
        .into();
    let chain = super::chain_ids(&diff_ids);
    let mut pins = Vec::new();
    for (at, tar) in [(2_usize, &uppers[1]), (1, &uppers[0]), (0, &lowest)] {
        let parent = at.checked_sub(1).map(|below| &chain[below]);
        let (layer, pin) = layers
            .add(parent, Expected::default(), &tar[..], &ONE_ID)
            .unwrap();
        assert_eq!(layer.chain_id, chain[at]);
        pins.push(pin);
    }
    layers.settle_roots(&chain, &ONE_ID).unwrap();
    for layer in &chain {
        let diff = std::fs::File::open(layers.read(layer).unwrap().diff_path).unwrap();
        let place = crate::sys::xattr::Place::Descriptor(std::os::fd::AsFd::as_fd(&diff));
        let said = crate::layer_format::read_override_stat(place).unwrap();
        assert_eq!(said.unwrap().mode, 0o700, "{layer}");
    }
}

#[test]
fn what_a_killed_process_left_between_two_steps_goes() {
    let store = store();
    let id = store.image(&["a"], &["web"]);
    let rooms = [
        store.dirs.images(),
        store.dirs.blobs(),
        store.dirs.names("images"),
    ];
    let files = || rooms.iter().map(|room| entries(room)).sum::<usize>();
    let before = files();
    for room in &rooms {
        fs::File::create(room.join(".something.0123456789abcdef.tmp")).unwrap();
    }
    fs::File::create(store.dirs.blobs().join(Digest::sha256(b"nobody's").hex())).unwrap();
    let gone = Digest::sha256(b"never kept");
    super::names::set(
        &super::names::of_images(&store.dirs),
        "localhost/gone:1",
        &gone,
    )
    .unwrap();
    // A name whose file has all its text, but not yet its place, is none.
    let names = store.dirs.names("images");
    let whole = fs::read(names.join("localhost%2Fweb:latest"));
    let half = names.join(".localhost%2Fhalf:1.0123456789abcdef.tmp");
    crate::state::atomic::write_new_file(&half, &whole.unwrap(), Unsynced).unwrap();
    assert_eq!(store.images.names_of(&id).unwrap().len(), 1);
    assert_eq!(files(), before + 6);
    store.images.collect(&ONE_ID).unwrap();
    assert_eq!(files(), before);
    assert_eq!(store.images.resolve("web").unwrap().id, id);
    // Another image's index stays when an image goes that came under it, too.
    let other = store.image(&["b"], &["other"]);
    for image in [&id, &other] {
        store.images.note_index(image, b"an index of both").unwrap();
    }
    store.remove(&other);
    let index = Digest::sha256(b"an index of both");
    assert_eq!(store.images.document(&index).unwrap(), b"an index of both");
}
