// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images that skopeo, podman and buildah wrote come here and go to others, and ours go to them:
//! manifests stay the same byte for byte.

use coracle::oci::Digest;

use crate::support::process::Call;
use crate::support::registry::Registry;
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

const INSECURE: &str = "--tls-verify=false";

/// Another tool, with a store of its own in the sandbox; what it writes.
#[track_caller]
fn peer(sandbox: &Sandbox, program: &str, words: &[&str]) -> String {
    let stores = format!(
        "--root {} --runroot {} --storage-driver vfs",
        sandbox.shown("p"),
        sandbox.shown("q")
    );
    let call = Call::new(program);
    let call = match program {
        "skopeo" => call,
        "podman" => call.args(stores.split(' ')).args([
            "--tmpdir",
            &sandbox.shown("t"),
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
        ]),
        _ => call.args(stores.split(' ')),
    };
    call.args(words).run().expect(0).stdout
}

/// The manifest at a place, as skopeo names places.
#[track_caller]
fn manifest(sandbox: &Sandbox, place: &str) -> String {
    let words: &[&str] = if place.starts_with("docker:") {
        &["inspect", "--raw", INSECURE, place]
    } else {
        &["inspect", "--raw", place]
    };
    peer(sandbox, "skopeo", words)
}

/// An archive of ours for the others to begin with, and the image's id.
fn archive(sandbox: &Sandbox) -> (String, String) {
    let path = sandbox.shown("image.tar");
    sandbox.ok(["save", "-q", "-o", &path, IMAGE]);
    let id = sandbox.ok(["image", "inspect", "--format", "{{.Id}}", IMAGE]);
    sandbox.ok(["rmi", IMAGE]);
    (path, id)
}

#[test]
fn what_other_tools_push_goes_on_under_its_digest() {
    requires!("registry,peers,range");
    let sandbox = Sandbox::with_image();
    let (here, there) = (Registry::open(), Registry::open());
    let (path, id) = archive(&sandbox);
    let source = format!("docker-archive:{path}");
    let pushed = |name: &str| format!("docker://{}", here.name(name));
    for (tag, flags) in [
        ("skopeo:oci", &["-f", "oci"][..]),
        ("skopeo:docker", &["-f", "v2s2"]),
        (
            "skopeo:zstd",
            &["-f", "oci", "--dest-compress-format", "zstd"],
        ),
    ] {
        let copy = ["copy", "-q", "--dest-tls-verify=false"];
        let place = pushed(tag);
        let words = [&copy[..], flags, &[&source, &place]].concat();
        peer(&sandbox, "skopeo", &words);
    }
    peer(&sandbox, "podman", &["load", "-q", "-i", &path]);
    for (program, tag, flags) in [
        ("podman", "podman:docker", &["--format=v2s2"][..]),
        (
            "podman",
            "podman:chunked",
            &["--format=oci", "--compression-format=zstd:chunked"],
        ),
        ("buildah", "buildah:oci", &["--format=oci"]),
        ("buildah", "buildah:docker", &["--format=v2s2"]),
    ] {
        let place = pushed(tag);
        let words = [&["push", "-q", INSECURE], flags, &[IMAGE, &place]].concat();
        peer(&sandbox, program, &words);
    }

    let names = "skopeo:oci skopeo:docker skopeo:zstd podman:docker podman:chunked buildah:oci \
                 buildah:docker";
    for name in names.split_whitespace() {
        let raw = manifest(&sandbox, &pushed(name));
        // The layer is here in one of its forms from the second image on.
        assert_eq!(sandbox.ok(["pull", "-q", INSECURE, &here.name(name)]), id);
        let digest = Digest::sha256(raw.as_bytes()).to_string();
        let inspect = ["image", "inspect", "--format", "{{.Digest}}", &id];
        assert_eq!(sandbox.ok(inspect), digest, "{name}");
        // The name that says where it came from is gone.
        sandbox.ok(["tag", &here.name(name), "kept"]);
        sandbox.ok(["rmi", &here.name(name)]);
        for target in [here.name(&format!("other/{name}")), there.name(name)] {
            sandbox.ok(["push", "-q", INSECURE, "kept", &target]);
            let arrived = manifest(&sandbox, &format!("docker://{target}"));
            assert_eq!(arrived, raw, "{name}");
        }
    }
    sandbox.ok(["rmi", "-a", "-f"]);

    for (program, name) in [("podman", "skopeo:zstd"), ("buildah", "podman:docker")] {
        peer(&sandbox, "podman", &["rmi", "-a", "-f"]);
        let pulled = peer(
            &sandbox,
            program,
            &["pull", "-q", INSECURE, &there.name(name)],
        );
        assert_eq!(
            pulled.trim(),
            id.trim_start_matches("sha256:"),
            "{program}: {pulled}"
        );
    }
    let directory = format!("dir:{}", sandbox.shown("copied"));
    let place = format!("docker://{}", there.name("buildah:oci"));
    peer(
        &sandbox,
        "skopeo",
        &["copy", "-q", "--src-tls-verify=false", &place, &directory],
    );
    assert_eq!(manifest(&sandbox, &directory), manifest(&sandbox, &place));
}

#[test]
fn archives_of_other_tools_leave_as_they_came_and_ours_load_there() {
    requires!("peers,range");
    let sandbox = Sandbox::with_image();
    let (path, id) = archive(&sandbox);
    let source = format!("docker-archive:{path}");
    let zstd = ["-f", "oci", "--dest-compress-format", "zstd"];
    for (transport, form, flags) in [
        ("oci-archive", "oci-archive", &[][..]),
        ("oci", "oci-dir", &zstd),
        ("dir", "", &["-f", "oci", "--dest-compress"]),
        ("docker-archive", "docker-archive", &[]),
    ] {
        let theirs = sandbox.shown(&format!("theirs-{transport}"));
        let ours = sandbox.shown(&format!("ours-{transport}"));
        let place = |path: &str| match transport {
            "dir" => format!("dir:{path}"),
            _ => format!("{transport}:{path}:localhost/web:1"),
        };
        let came = place(&theirs);
        let words = [&["copy", "-q"], flags, &[&source, &came]].concat();
        peer(&sandbox, "skopeo", &words);
        sandbox.ok(["load", "-q", "-i", &theirs]);
        if form.is_empty() {
            sandbox.ok(["push", "-q", &id, &place(&ours)]);
        } else {
            sandbox.ok(["save", "-q", "--format", form, "-o", &ours, "web:1"]);
        }
        sandbox.ok(["rmi", "-a", "-f"]);
        let left = place(&ours);
        assert_eq!(
            manifest(&sandbox, &left),
            manifest(&sandbox, &came),
            "{transport}"
        );
        if transport == "oci" {
            // Podman's `load` takes no layout whose path has capital letters.
            let copied = format!("dir:{}", sandbox.shown("copied"));
            peer(&sandbox, "skopeo", &["copy", "-q", &left, &copied]);
            continue;
        }
        peer(&sandbox, "podman", &["load", "-q", "-i", &ours]);
        let there = peer(&sandbox, "podman", &["images", "-q", "--no-trunc"]);
        assert!(there.trim().ends_with(&id), "{transport}: {there}");
        peer(&sandbox, "podman", &["rmi", "-a", "-f"]);
    }
    let left = std::fs::read_dir(sandbox.path("s/layers")).unwrap().count();
    assert_eq!(left, 0, "kept blobs go with their layers");
}
