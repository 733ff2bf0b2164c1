// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Image archives as other tools write them, and layers with whatever a test wants in them.

use std::io::Write as _;

use coracle::oci::{Algorithm, Digest, Digester};
use serde_json::{Value, json};

use crate::support::rootfs;

/// One member of a layer.
pub(crate) struct Member<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) data: &'a [u8],
}

pub(crate) fn file(path: &str) -> Member<'_> {
    Member {
        path,
        kind: tar::EntryType::Regular,
        mode: 0o644,
        owner: (0, 0),
        data: b"x\n",
    }
}

pub(crate) fn layer(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(member.owner.0);
        header.set_gid(member.owner.1);
        header.set_mtime(1_600_000_000);
        header.set_size(member.data.len() as u64);
        builder
            .append_data(&mut header, member.path, member.data)
            .unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn configuration(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    let document = json!({
        "created": "2020-09-13T12:26:40Z", "architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["cat", "/etc/issue"], "Labels": {"kind": "test"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "first"}, {"created_by": "nothing", "empty_layer": true},
                    {"created_by": "second", "comment": "the last"}],
    });
    document.to_string().into_bytes()
}

pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The small root file system below a layer that hides and adds things, as `docker save` writes it.
pub(crate) fn docker_archive(names: &Value, top: &[u8]) -> Vec<u8> {
    let layers = [rootfs::tar(), top];
    let manifest = json!([{"Config": "c.json", "RepoTags": names, "Layers": ["1.tar", "2.tar"]}]);
    archive(&[
        ("c.json", &configuration(&layers)),
        ("1.tar", layers[0]),
        ("2.tar", layers[1]),
        ("manifest.json", manifest.to_string().as_bytes()),
    ])
}

pub(crate) fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut digester = Digester::new(algorithm);
    digester.update(bytes);
    digester.finish()
}

/// The same in the image specification's layout, with compressed layers.
pub(crate) fn oci_archive(name: &str, top: &[u8], algorithm: Algorithm) -> Vec<u8> {
    let zstd = zstd::encode_all(rootfs::tar(), 1).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(top).unwrap();
    let gzip = gzip.finish().unwrap();
    let describe = |kind: &str, bytes: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": kind, "digest": digest(algorithm, bytes), "size": bytes.len()})
    };
    let config = configuration(&[rootfs::tar(), top]);
    let manifest = json!({
        "schemaVersion": 2,
        "config": describe("config.v1+json", &config),
        "layers": [describe("layer.v1.tar+zstd", &zstd), describe("layer.v1.tar+gzip", &gzip)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = describe("manifest.v1+json", &manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    let blob = |bytes: &[u8]| {
        let digest = digest(algorithm, bytes);
        format!("blobs/{}/{}", algorithm.name(), digest.hex())
    };
    archive(&[
        ("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}"),
        ("index.json", index.as_bytes()),
        (&blob(&manifest), &manifest),
        (&blob(&config), &config),
        (&blob(&zstd), &zstd),
        (&blob(&gzip), &gzip),
    ])
}
