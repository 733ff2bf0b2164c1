// SPDX-License-Identifier: Apache-2.0 OR MIT
//! import, load, images, tag, rmi: from archives to containers and back to nothing.

use std::io::Write as _;

use coracle::oci::{Algorithm, Digest};
use serde_json::json;

use crate::support::archives::{Member, docker_archive, file, layer, oci_archive};
use crate::support::registry::Registry;
use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires, rootfs};

/// Hides a file, hides what a directory had, and adds files.
fn top_layer() -> Vec<u8> {
    layer(&[
        file("etc/.wh.issue"),
        file("home/.wh..wh..opq"),
        file("home/new"),
        file("etc/motd"),
    ])
}

#[test]
fn an_image_is_named_listed_and_removed() {
    let sandbox = Sandbox::new();
    let line = "{{.Repository}}:{{.Tag}}";
    assert_eq!(sandbox.ok(["images", "--format", line]), "");
    sandbox.image();
    assert_eq!(sandbox.ok(["images", "--format", line]), IMAGE);
    let id = sandbox.ok(["images", "-q", "--no-trunc"]);
    assert!(Digest::parse(&id).is_ok(), "{id}");
    sandbox.ok(["tag", "small", "quay.io/x/y:z", "other"]);
    let table = sandbox.ok(["images", "--noheading", "--sort", "repository"]);
    let names: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(names, ["localhost/other", "localhost/small", "quay.io/x/y"]);
    assert_eq!(sandbox.ok(["images", "-q"]).lines().count(), 1);
    sandbox.run(["image", "exists", "y:z"]).expect(0);
    // Its digest is no name of its own: nothing is taken away.
    let digest = sandbox.ok(["inspect", "--format", "{{.Digest}}", IMAGE]);
    sandbox.ok(["untag", IMAGE, &format!("{IMAGE}@{digest}")]);
    sandbox.run(["image", "exists", IMAGE]).expect(0);
    sandbox.run(["image", "exists", "nosuch"]).expect(1);
    sandbox
        .run(["rmi", "nosuch"])
        .expect(1)
        .says("nosuch: image not known");
    sandbox.run(["rmi", "-f", "nosuch"]).expect(0);
    let hex = id.strip_prefix("sha256:").unwrap();
    sandbox
        .run(["rmi", &hex[..12]])
        .expect(125)
        .says("please force removal");
    assert_eq!(
        sandbox.ok(["rmi", "other"]),
        "Untagged: localhost/other:latest"
    );
    assert_eq!(
        sandbox.ok(["rmi", "small", "quay.io/x/y:z"]),
        format!("Untagged: {IMAGE}\nUntagged: quay.io/x/y:z\nDeleted: {hex}")
    );
    assert_eq!(sandbox.ok(["images", "-aq"]), "");
    if tool() == Tool::Coracle {
        for room in ["layers", "images", "blobs/sha256", "names/images", "tmp"] {
            let left = std::fs::read_dir(sandbox.path("s").join(room))
                .unwrap()
                .count();
            assert_eq!(left, 0, "{room}");
        }
    }
}

#[test]
fn an_image_in_use_stays_until_it_is_forced() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["create", "--name", "user", IMAGE, "true"]);
    sandbox
        .run(["rmi", IMAGE])
        .expect(2)
        .says("image is in use by a container");
    assert_eq!(sandbox.ok(["image", "prune", "-a", "-f"]), "");
    sandbox.run(["image", "exists", IMAGE]).expect(0);
    sandbox.ok(["rmi", "-f", IMAGE]);
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
    assert_eq!(sandbox.ok(["images", "-aq"]), "");
}

#[test]
fn archives_of_both_kinds_become_containers() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let docker = docker_archive(&json!(["localhost/a:1", "b:2"]), &top_layer());
    let path = sandbox.path("docker.tar");
    std::fs::write(&path, &docker).unwrap();
    let loaded = sandbox.ok(["load", "-q", "-i", &path.to_string_lossy()]);
    assert_eq!(
        loaded,
        "Loaded image: localhost/a:1\nLoaded image: localhost/b:2"
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed
        .write_all(&oci_archive("c:3", &top_layer(), Algorithm::Sha256))
        .unwrap();
    let loaded = sandbox
        .call(["load"])
        .stdin(packed.finish().unwrap())
        .run()
        .expect(0);
    assert_eq!(loaded.out(), "Loaded image: localhost/c:3");
    assert_eq!(sandbox.ok(["images", "-q"]).lines().count(), 1);
    let script = "ls /home; ls /etc; cat /etc/motd";
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "c:3",
        "sh",
        "-c",
        script,
    ];
    let shown = sandbox.ok(run);
    let words: Vec<_> = shown.split_whitespace().collect();
    assert_eq!(words[0], "new");
    assert!(
        !words.contains(&"issue") && !words.contains(&"guest"),
        "{shown}"
    );
    assert!(
        words.contains(&"motd") && words.contains(&"os-release"),
        "{shown}"
    );
    let missing = ["run", "--rm", "--network", "none", "b:2"];
    sandbox.run(missing).expect(1).says("/etc/issue");
    let steps = sandbox.ok(["history", "--format", "{{.CreatedBy}} {{.Comment}}", "a:1"]);
    assert_eq!(steps, "second the last\nnothing \nfirst");
    let label = sandbox.ok(["image", "inspect", "-f", "{{.Config.Labels.kind}}", "a:1"]);
    assert_eq!(label, "test");
}

#[test]
fn owners_are_those_of_the_image_whoever_unpacked_it() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let owned = |path, mode, uid, gid| Member {
        mode,
        owner: (uid, gid),
        ..file(path)
    };
    let mut members = vec![
        owned("data/root", 0o600, 0, 0),
        owned("data/guest", 0o640, 1000, 1001),
        owned("data/setid", 0o6755, 0, 0),
        owned("data/closed", 0, 5, 6),
    ];
    let forced = std::env::var("CORACLE_TEST_ENGINE").unwrap_or_default();
    // Other tools refuse an image with such an owner, and so does the hybrid engine.
    let has_far = tool() == Tool::Coracle && forced != "hybrid";
    if has_far {
        members.push(owned("data/far", 0o604, 172_761_424, 445_605));
    }
    let top = layer(&members);
    let path = sandbox.path("owners.tar");
    std::fs::write(&path, docker_archive(&json!(["owners:1"]), &top)).unwrap();
    sandbox.ok(["load", "-q", "-i", &path.to_string_lossy()]);
    let script = "cat /proc/self/uid_map; echo ids; cd /data; stat -c '%n %u:%g %a' *";
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "owners:1",
        "sh",
        "-c",
        script,
    ];
    let shown = sandbox.ok(run);
    let (map, shown) = shown.split_once("ids\n").unwrap();
    let has_one_id = map.split_whitespace().last() == Some("1");
    let owner = |uid: u64, gid: u64| {
        if is_mapped(map, uid) && is_mapped(map, gid) {
            format!("{uid}:{gid}")
        } else if has_one_id && tool() == Tool::Coracle {
            // Root's to look at: nobody could write a file that is nobody's.
            "0:0".to_owned()
        } else {
            // What the kernel shows of an id that the container does not have.
            "65534:65534".to_owned()
        }
    };
    let mut expected = vec![
        format!("closed {} 0", owner(5, 6)),
        format!("guest {} 640", owner(1000, 1001)),
        "root 0:0 600".to_owned(),
        "setid 0:0 6755".to_owned(),
    ];
    if has_far {
        // The kernel's overlay, where it is forced, cannot show an owner that is kept as metadata.
        let far = match forced.as_str() {
            "kernel" if !is_mapped(map, 172_761_424) => "0:0".to_owned(),
            _ => owner(172_761_424, 445_605),
        };
        expected.insert(1, format!("far {far} 604"));
    }
    assert_eq!(shown, expected.join("\n"));
}

/// Whether a map of ids, as /proc/self/uid_map shows it, has `id` inside.
fn is_mapped(map: &str, id: u64) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        id >= numbers[0] && id - numbers[0] < numbers[2]
    })
}

#[test]
fn many_loads_of_one_archive_at_once_leave_one_image() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("many.tar");
    std::fs::write(&path, docker_archive(&json!(["many:1"]), &top_layer())).unwrap();
    let path = path.to_string_lossy();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| sandbox.ok(["load", "-q", "-i", &path]));
        }
    });
    assert_eq!(sandbox.ok(["images", "-q"]).lines().count(), 1);
    if tool() == Tool::Coracle {
        let layers = std::fs::read_dir(sandbox.path("s/layers")).unwrap().count();
        let unfinished = std::fs::read_dir(sandbox.path("s/tmp")).unwrap().count();
        assert_eq!((layers, unfinished), (2, 0));
    }
}

#[test]
fn a_load_that_is_killed_leaves_nothing_that_hinders_the_next() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("killed.tar");
    // Large enough to be caught in the middle.
    let data = vec![b'x'; 64 << 20];
    let top = layer(&[Member {
        data: &data,
        ..file("large")
    }]);
    std::fs::write(&path, docker_archive(&json!(["killed:1"]), &top)).unwrap();
    let path = path.to_string_lossy();
    for _ in 0..3 {
        let running = sandbox.call(["load", "-q", "-i", &path]).spawn();
        running.signal(nix::sys::signal::Signal::SIGKILL);
        drop(running.finish());
    }
    sandbox.ok(["load", "-q", "-i", &path]);
    assert_eq!(sandbox.ok(["images", "-q"]).lines().count(), 1);
    sandbox.ok(["rmi", "-a"]);
    assert_eq!(sandbox.ok(["images", "-aq"]), "");
}

#[test]
fn changes_and_a_message_go_into_an_imported_image() {
    let sandbox = Sandbox::new();
    let changes = [
        "import",
        "-q",
        "-c",
        "CMD [\"echo\",\"hi\"]",
        "--change",
        "ENV=A=b",
        "-c",
        "LABEL k=v",
        "-m",
        "a message",
        "-",
        "changed:1",
    ];
    let imported = sandbox.call(changes).stdin(rootfs::tar()).run().expect(0);
    assert!(Digest::parse(imported.out()).is_ok());
    let format = "{{.Config.Cmd}} {{.Config.Env}} {{.Config.Labels}} {{.Comment}}";
    let shown = sandbox.ok(["image", "inspect", "--format", format, "changed:1"]);
    assert_eq!(shown, "[echo hi] [A=b] map[k:v] a message");
    let wrong = ["import", "-c", "FOO bar", "-"];
    let refused = sandbox.call(wrong).stdin(rootfs::tar()).run().expect(125);
    refused.says("invalid change \"FOO bar\" - invalid instruction FOO");
    let cut = &rootfs::tar()[..100_000];
    let cut = sandbox.call(["import", "-", "cut"]).stdin(cut).run();
    assert_ne!(cut.code, 0);
    sandbox.run(["image", "exists", "cut"]).expect(1);
}

#[test]
fn hostile_archives_are_refused_and_touch_nothing() {
    if tool() == Tool::Podman {
        // It cleans such paths, and takes a text for an empty archive.
        return;
    }
    let sandbox = Sandbox::new();
    let mut up = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.as_old_mut().name[..11].copy_from_slice(b"../../evil\0");
    header.set_cksum();
    up.append(&header, &b""[..]).unwrap();
    let up = up.into_inner().unwrap();
    let refused = sandbox.call(["import", "-", "evil"]).stdin(up).run();
    assert_ne!(refused.code, 0);
    let text = sandbox
        .call(["import", "-", "text"])
        .stdin("no tar at all\n".repeat(99))
        .run();
    assert_ne!(text.code, 0);
    let load = sandbox
        .call(["load"])
        .stdin(rootfs::tar())
        .run()
        .expect(125);
    load.says("payload does not match any of the supported image formats");
    assert_eq!(sandbox.ok(["images", "-aq"]), "");
}

#[test]
fn one_image_of_an_archive_is_taken_by_its_name() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["tag", sandbox.image(), "first:1"]);
    sandbox.ok([
        "import",
        "-q",
        "-c",
        "CMD=x",
        &sandbox_tar(&sandbox),
        "second:1",
    ]);
    let docker = sandbox.shown("two.tar");
    sandbox.ok(["save", "-q", "-m", "-o", &docker, "first:1", "second:1"]);
    let oci = sandbox.shown("oci");
    sandbox.ok(["push", "-q", "second:1", &format!("oci:{oci}:tagged")]);
    sandbox.ok(["rmi", "-a", "-f"]);
    let names = || sandbox.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    for (source, name) in [
        (
            format!("docker-archive:{docker}:localhost/second:1"),
            "localhost/second:1",
        ),
        (format!("docker-archive:{docker}:@0"), "localhost/first:1"),
        (format!("oci:{oci}:tagged"), "localhost/tagged:latest"),
    ] {
        let id = sandbox.ok(["pull", "-q", &source]);
        assert_eq!(names(), name, "{source}");
        assert_eq!(
            sandbox.ok(["pull", &format!("containers-storage:{name}")]),
            id
        );
        sandbox.ok(["rmi", &id]);
    }
    let missing = sandbox.run(["pull", &format!("docker-archive:{docker}:third")]);
    missing
        .expect(125)
        .says("no image \"third\" is in the archive");

    let policy = sandbox.file("policy.json", r#"{"default": [{"type": "reject"}]}"#);
    let flag = format!("--signature-policy={policy}");
    let refused = sandbox.run(["load", &flag, "-i", &docker]).expect(125);
    refused.says(&format!(
        "Running image docker-archive:{docker} is rejected by policy"
    ));
    assert_eq!(names(), "");
}

fn sandbox_tar(sandbox: &Sandbox) -> String {
    let path = sandbox.path("rootfs.tar");
    std::fs::write(&path, rootfs::tar()).unwrap();
    path.display().to_string()
}

#[test]
fn archives_come_from_the_web() {
    use std::io::{Read as _, Write as _};
    requires!("userns");
    let sandbox = Sandbox::new();
    let archive = docker_archive(&json!(["brought:1"]), &top_layer());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://ana:secret@{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let (status, body) = if request[..length].starts_with(b"GET /a.tar") {
                ("200 OK", &archive[..])
            } else {
                ("404 Not Found", &b"no"[..])
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(body).unwrap();
        }
    });
    let loaded = sandbox.ok(["load", "-i", &format!("{url}/a.tar")]);
    assert_eq!(loaded, "Loaded image: localhost/brought:1");
    let missing = sandbox.run(["import", &format!("{url}/b.tar")]).expect(125);
    assert!(!missing.err().contains("secret"), "{}", missing.err());
    missing.says("Error: download http://127.0.0.1");
}

/// A tool with one image, `other/web:1`, which its `save` writes.
const OTHER_TOOL: &str = r#"#!/bin/sh
case $1 in
images) printf '0e3bbc2\tlocalhost/other:1\t2MB\n1f\t<none>:<none>\t1MB\n' ;;
save) [ "$2" = localhost/other:1 ] || { echo "$2: no such image" >&2; exit 125; }
    cat "${0%/*}/other.tar" ;;
esac
"#;

#[test]
fn images_of_another_tool_are_taken_over() {
    use std::os::unix::fs::PermissionsExt as _;
    requires!("userns");
    let sandbox = Sandbox::with_image();
    std::fs::create_dir(sandbox.path("bin")).unwrap();
    let program = sandbox.file("bin/podman", OTHER_TOOL);
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.ok(["tag", sandbox.image(), "other:1"]);
    sandbox.ok([
        "save",
        "-q",
        "-o",
        &sandbox.shown("bin/other.tar"),
        "localhost/other:1",
    ]);
    sandbox.ok(["rmi", "-f", "-a"]);
    let path = format!(
        "{}:{}",
        sandbox.shown("bin"),
        std::env::var("PATH").unwrap()
    );
    let import = |words: &[&str]| {
        let line = ["image", "import-from", "podman"]
            .iter()
            .chain(words)
            .copied();
        sandbox.call(line).env("PATH", &path).run()
    };
    let listed = import(&[]).expect(0);
    assert_eq!(
        listed.out(),
        "0e3bbc2\tlocalhost/other:1\t2MB\n1f\t<none>\t1MB"
    );
    assert_eq!(
        import(&["--all"]).expect(0).out(),
        "Loaded image: localhost/other:1"
    );
    sandbox.ok(["image", "exists", "other:1"]);
    import(&["gone"])
        .expect(125)
        .says("`podman save` did not work");
    let none = sandbox
        .call(["image", "import-from", "docker"])
        .env("PATH", sandbox.shown("bin"));
    none.run().expect(125).says("docker is not installed");
}

#[test]
fn digests_of_sha512_stay_what_they_are() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    let bytes = oci_archive("long:1", &top_layer(), Algorithm::Sha512);
    let (came, left) = (sandbox.path("came.tar"), sandbox.shown("left.tar"));
    std::fs::write(&came, bytes).unwrap();
    sandbox.ok(["load", "-q", "-i", &came.to_string_lossy()]);
    let inspect = ["image", "inspect", "--format", "{{.Id}} {{.Digest}}"];
    let inspect = |name: &str| sandbox.ok([&inspect[..], &[name]].concat());
    let expected = inspect("long:1");
    let name = registry.name("long:1");
    sandbox.ok(["save", "-q", "--format=oci-archive", "-o", &left, "long:1"]);
    sandbox.ok(["push", "-q", "--tls-verify=false", "long:1", &name]);
    for bring in [["load", "-i", &left], ["pull", "--tls-verify=false", &name]] {
        sandbox.ok(["rmi", "-a"]);
        sandbox.ok([&bring[..], &["-q"]].concat());
        let name = sandbox.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        assert_eq!(inspect(&name), expected);
    }
}

#[test]
fn a_container_brings_its_image_from_an_archive_and_takes_it_along() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let path = sandbox.path("docker.tar");
    std::fs::write(&path, docker_archive(&json!(["brought:1"]), &top_layer())).unwrap();
    let archive = &format!("docker-archive:{}", path.display());
    let isolated = ["--network", "none"];
    let run = [
        &["run", "--rm"][..],
        &isolated,
        &[archive, "cat", "/etc/motd"],
    ]
    .concat();
    let shown = sandbox.run(run).expect(0);
    assert_eq!(shown.out(), "x");
    for line in [
        "Getting image source signatures",
        "Copying blob",
        "Writing manifest",
    ] {
        assert!(shown.err().contains(line), "{}", shown.err());
    }
    let create = [
        &["create", "--name", "made"][..],
        &isolated,
        &[archive, "true"],
    ]
    .concat();
    sandbox.ok(create);
    let name = sandbox.ok(["inspect", "--format", "{{.ImageName}}", "made"]);
    assert_eq!(name, "localhost/brought:1");
    let background = [
        "run",
        "-d",
        "--rmi",
        "--name",
        "last",
        "--stop-timeout",
        "0",
    ];
    let background = [&background[..], &isolated, &["brought:1", "sleep", "60"]].concat();
    // Another container keeps it.
    sandbox.ok(&background);
    sandbox.ok(["stop", "last"]);
    sandbox.run(["image", "exists", "brought:1"]).expect(0);
    sandbox.ok(["rm", "made"]);
    sandbox.ok(&background);
    sandbox.ok(["stop", "last"]);
    sandbox.run(["image", "exists", "brought:1"]).expect(1);
}

#[test]
fn several_missing_images_are_told_on_lines_of_their_own() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(["rmi", "a", "b"]).expect(1);
    let lines: Vec<&str> = outcome.err().lines().skip(1).collect();
    assert_eq!(lines, ["\t* a: image not known", "\t* b: image not known"]);
}
