// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives that other tools write, and damaged ones.

use std::io::Write;

use serde_json::json;

use super::*;

/// Files of an archive, in order; a content that starts with `->` is a symbolic link.
type Content = Vec<(String, Vec<u8>)>;

fn tar_file(files: &Content) -> File {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_mode(0o644);
        if let Some(target) = content.strip_prefix(b"->") {
            header.set_entry_type(::tar::EntryType::Symlink);
            header.set_size(0);
            let target = std::str::from_utf8(target).unwrap();
            builder.append_link(&mut header, name, target).unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder
                .append_data(&mut header, name, &content[..])
                .unwrap();
        }
    }
    written(&builder.into_inner().unwrap())
}

fn written(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file
}

fn open(file: File) -> Result<Vec<ArchivedImage>, ArchiveError> {
    open_file(file, &std::env::temp_dir())
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    let document = json!({"architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    document.to_string().into_bytes()
}

fn contents(image: &ArchivedImage) -> Vec<Vec<u8>> {
    let read = |layer: &ArchivedLayer| {
        let mut bytes = Vec::new();
        layer.reader().read_to_end(&mut bytes).unwrap();
        bytes
    };
    image.layers.iter().map(read).collect()
}

fn docker_files() -> Content {
    let manifest = json!([
        {"Config": "c.json", "RepoTags": ["web:1", "web:2"], "Layers": ["a/layer.tar", "b.tar"]},
        {"Config": "c.json", "RepoTags": null, "Layers": ["./b.tar", "a/layer.tar"]},
    ]);
    vec![
        ("b.tar".to_owned(), b"second".to_vec()),
        ("a/layer.tar".to_owned(), b"->../first.tar".to_vec()),
        ("first.tar".to_owned(), b"first".to_vec()),
        ("c.json".to_owned(), config(&[b"first", b"second"])),
        (
            "manifest.json".to_owned(),
            manifest.to_string().into_bytes(),
        ),
    ]
}

#[test]
fn docker_archives_hold_several_images_and_links() {
    let images = open(tar_file(&docker_files())).unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!(images[0].names, ["web:1", "web:2"]);
    assert_eq!(
        contents(&images[0]),
        [b"first".to_vec(), b"second".to_vec()]
    );
    assert_eq!(
        contents(&images[1]),
        [b"second".to_vec(), b"first".to_vec()]
    );
    assert!(images[1].names.is_empty());
    let manifest: serde_json::Value = serde_json::from_slice(&images[0].manifest).unwrap();
    assert_eq!(
        manifest["layers"][0]["digest"],
        Digest::sha256(b"first").to_string()
    );
}

#[test]
fn a_compressed_archive_or_a_pipe_is_read_as_well() {
    let mut plain = Vec::new();
    tar_file(&docker_files()).read_to_end(&mut plain).unwrap();
    let compressed = zstd::encode_all(&plain[..], 1).unwrap();
    assert_eq!(open(written(&compressed)).unwrap().len(), 2);
    let (read, write) = std::io::pipe().unwrap();
    let writer = std::thread::spawn(move || (&write).write_all(&plain));
    let pipe = std::os::fd::OwnedFd::from(read);
    let images = open(pipe.into()).unwrap();
    assert_eq!(contents(&images[0])[1], b"second");
    writer.join().unwrap().unwrap();
}

fn oci_files(annotations: &serde_json::Value) -> Content {
    let blob = |bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        (format!("blobs/sha256/{}", digest.hex()), bytes.to_vec())
    };
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": Digest::sha256(bytes), "size": bytes.len()});
    let config = config(&[b"plain"]);
    let manifest = json!({"schemaVersion": 2, "config": describe("c", &config),
        "layers": [describe("l", b"packed")]});
    let manifest = manifest.to_string().into_bytes();
    let platform = |architecture: &str, mut descriptor: serde_json::Value| {
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        descriptor
    };
    let inner = json!({"schemaVersion": 2, "manifests": [
        platform("other", describe("m", b"not here")),
        platform(&Platform::host().architecture, describe("m", &manifest)),
    ]});
    let inner = inner.to_string().into_bytes();
    let mut top = describe(crate::oci::media_type::OCI_INDEX, &inner);
    top["annotations"] = annotations.clone();
    let index = json!({"schemaVersion": 2, "manifests": [top]});
    vec![
        ("oci-layout".to_owned(), b"{}".to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        blob(&inner),
        blob(&manifest),
        blob(&config),
        blob(b"packed"),
    ]
}

#[test]
fn image_layouts_choose_the_machines_platform_and_the_fullest_name() {
    for (annotations, names) in [
        (json!({}), vec![]),
        (
            json!({"org.opencontainers.image.ref.name": "web:1"}),
            vec!["web:1"],
        ),
        (
            json!({"org.opencontainers.image.ref.name": "1", "io.containerd.image.name": "a.b/web:1"}),
            vec!["a.b/web:1"],
        ),
    ] {
        let files = oci_files(&annotations);
        let images = open(tar_file(&files)).unwrap();
        assert_eq!(images[0].names, names);
        assert_eq!(contents(&images[0]), [b"packed".to_vec()]);
        assert_eq!(
            images[0].layers[0].blob_digest,
            Some(Digest::sha256(b"packed"))
        );
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in &files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap().write_all(content).unwrap();
        }
        assert_eq!(
            open_path(directory.path(), directory.path()).unwrap().len(),
            1
        );
    }
}

fn words(files: &Content) -> String {
    match open(tar_file(files)) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn damaged_archives_are_refused_by_name() {
    let without = |name: &str| {
        let mut files = docker_files();
        files.retain(|(known, _)| known != name);
        files
    };
    let with = |name: &str, content: &[u8]| {
        let mut files = without(name);
        files.push((name.to_owned(), content.to_vec()));
        files
    };
    let manifest = |layers: serde_json::Value| {
        json!([{"Config": "c.json", "Layers": layers}])
            .to_string()
            .into_bytes()
    };
    for (files, expected) in [
        (vec![], "neither manifest.json"),
        (without("manifest.json"), "neither manifest.json"),
        (
            without("first.tar"),
            "names \"a/layer.tar\", which is not in it",
        ),
        (without("c.json"), "names \"c.json\""),
        (with("manifest.json", b"[]"), "neither manifest.json"),
        (
            with("manifest.json", b"{"),
            "manifest.json in the archive is damaged",
        ),
        (with("c.json", b"3"), "c.json in the archive is damaged"),
        (
            with("manifest.json", &manifest(json!(["b.tar"]))),
            "has 1 layers, but 2",
        ),
        (
            with(
                "manifest.json",
                &manifest(json!(["../../etc/passwd", "b.tar"])),
            ),
            "not in it",
        ),
        (with("a/layer.tar", b"->layer.tar"), "names \"a/layer.tar\""),
        (
            with("c.json", &vec![b' '; 5 << 20]),
            "c.json in the archive is too long",
        ),
    ] {
        let words = words(&files);
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn a_document_that_is_not_its_digest_is_refused() {
    let mut files = oci_files(&json!({}));
    for (name, content) in &mut files {
        if name.starts_with("blobs/") && content.starts_with(b"{") {
            content.push(b' ');
        }
    }
    let words = words(&files);
    assert!(words.contains("does not match"), "{words}");
}

#[test]
fn what_is_no_archive_says_so() {
    for bytes in [&b"some text, long enough to be a header of a tar file"[..]; 2] {
        let error = open(written(&bytes.repeat(20))).unwrap_err();
        assert!(
            error.to_string().contains("payload does not match"),
            "{error}"
        );
    }
    let mut cut = Vec::new();
    tar_file(&docker_files()).read_to_end(&mut cut).unwrap();
    cut.truncate(600);
    assert!(open(written(&cut)).is_err());
}
