// SPDX-License-Identifier: Apache-2.0 OR MIT
//! commit, diff, export, cp and save: files in and out of containers and images.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::Value;

use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

/// The paths in a tar stream.
fn members(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_a_container_changed_is_told_exported_and_committed() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "echo new >/root/new; rm /etc/os-release; rm -rf /tmp; mkdir /tmp; \
                  echo y >/tmp/y; ln /root/new /root/twin; ln -s new /root/link";
    let run = ["run", "--name", "c", "--network", "none", IMAGE, "sh", "-c"];
    sandbox.ok(run.iter().copied().chain([script]));
    let changes = sandbox.ok(["diff", "c"]);
    for line in [
        "A /root/new",
        "D /etc/os-release",
        "C /etc",
        "A /tmp/y",
        "A /root/link",
    ] {
        assert!(
            changes.lines().any(|found| found == line),
            "{line}: {changes}"
        );
    }
    assert!(!changes.contains("/proc"), "{changes}");
    let json: Value = serde_json::from_str(&sandbox.ok(["diff", "--format", "json", "c"])).unwrap();
    assert_eq!(json["deleted"], serde_json::json!(["/etc/os-release"]));
    // By its name, also where an image's id begins with that.
    let image = sandbox.ok(["images", "-q", IMAGE]);
    sandbox.ok(["rename", "c", &image[..2]]);
    assert_eq!(sandbox.ok(["diff", &image[..2]]), changes);
    sandbox.ok(["rename", &image[..2], "c"]);

    let path = sandbox.path("c.tar");
    sandbox.ok(["export", "-o", &path.to_string_lossy(), "c"]);
    let exported = members(&fs::read(&path).unwrap());
    assert!(
        exported.iter().any(|name| name == "root/new"),
        "{exported:?}"
    );
    assert!(!exported.iter().any(|name| name == "etc/os-release"));

    let change = [
        "-c",
        "CMD [\"cat\", \"/root/twin\"]",
        "-c",
        "ENV A=b",
        "-f",
        "docker",
        "-m",
        "why",
    ];
    let commit = ["commit", "-q"]
        .into_iter()
        .chain(change)
        .chain(["c", "made:1"]);
    let id = sandbox.ok(commit);
    assert_eq!(
        sandbox.ok(["run", "--rm", "--network", "none", "made:1"]),
        "new"
    );
    let look = "ls /etc /tmp; echo $A; stat -c %h /root/new";
    let shown = sandbox.ok(["run", "--rm", "--network", "none", &id, "sh", "-c", look]);
    let words: Vec<_> = shown.split_whitespace().collect();
    assert!(
        !words.contains(&"os-release") && words.contains(&"y"),
        "{shown}"
    );
    assert!(
        words.contains(&"b") && words.last() == Some(&"2"),
        "{shown}"
    );
    let history = sandbox.ok(["history", "--format", "{{.Comment}}", "made:1"]);
    assert_eq!(history.lines().next(), Some("why"));
    sandbox.ok(["commit", "-q", "-s", "c", "flat"]);
    let layers = ["image", "inspect", "-f", "{{len .RootFS.Layers}}", "flat"];
    assert_eq!(sandbox.ok(layers), "1");
    sandbox
        .run(["commit", "-c", "BOGUS=x", "c"])
        .expect(125)
        .says("did not understand change instruction \"BOGUS x\"");
}

#[test]
fn files_are_copied_in_every_direction() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let source = sandbox.path("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("one"), "one").unwrap();
    fs::write(source.join("sub/two"), "two").unwrap();
    symlink("one", source.join("link")).unwrap();
    let bound = sandbox.path("bound");
    fs::create_dir(&bound).unwrap();
    let source = source.display().to_string();
    let bind = format!("{}:/bound", bound.display());
    let options = [
        "--network",
        "none",
        "-v",
        &bind,
        "--tmpfs",
        "/memory",
        IMAGE,
    ];
    let sleep = ["sleep", "1000"];
    let run = ["run", "-d", "--name", "runs"].into_iter();
    sandbox.ok(run.chain(options).chain(sleep));
    let create = ["create", "--name", "waits"].into_iter();
    sandbox.ok(create.chain(options).chain(sleep));
    for name in ["runs", "waits"] {
        sandbox.ok(["cp", &source, &format!("{name}:/root/new")]);
        sandbox.ok([
            "cp",
            &format!("{source}/one"),
            &format!("{name}:/bound/{name}"),
        ]);
        assert_eq!(text(&bound.join(name)), "one");
        let back = sandbox.path(&format!("back-{name}"));
        sandbox.ok([
            "cp",
            &format!("{name}:/root/new/."),
            &back.to_string_lossy(),
        ]);
        assert_eq!(text(&back.join("sub/two")), "two");
        assert!(back.join("link").is_symlink());
        sandbox.ok([
            "cp",
            &format!("{name}:/root/new/link"),
            &format!("{}/x", back.display()),
        ]);
        assert_eq!(text(&back.join("x")), "one");
    }
    sandbox.ok(["cp", &format!("{source}/."), "runs:/memory"]);
    sandbox.ok(["cp", "runs:/memory/sub", "waits:/root/"]);
    sandbox.ok(["start", "waits"]);
    assert_eq!(sandbox.ok(["exec", "waits", "cat", "/root/sub/two"]), "two");
    let stream = sandbox.run(["cp", "waits:/root/sub", "-"]).expect(0);
    assert_eq!(members(stream.stdout.as_bytes()), ["sub/", "sub/two"]);
    let missing = format!("{source}/nope");
    for (from, to, words) in [
        (
            "runs:/nope",
            "/tmp",
            "\"/nope\" could not be found on container runs",
        ),
        (&missing, "runs:/tmp", "could not be found on the host"),
        (
            &source,
            "runs:/bound/runs",
            "destination must be a directory",
        ),
        ("nobody:/x", "/tmp", "container \"nobody\" does not exist"),
    ] {
        sandbox.run(["cp", from, to]).expect(125).says(words);
    }
}

#[test]
fn a_hostile_container_reaches_nothing_of_the_host_by_cp_cve_2018_15664_cve_2019_14271() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    let secret = sandbox.path("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("file"), "host").unwrap();
    let links = format!(
        "ln -s {0}/file /root/file; ln -s {0} /root/dir; ln -s / /root/top; \
         ln -s /proc/self/fd /root/fd; cp /bin/busybox /root/set; chmod 4755 /root/set; sleep 1000",
        secret.display()
    );
    let run = [
        "run",
        "-d",
        "--name",
        "evil",
        "--network",
        "none",
        IMAGE,
        "sh",
        "-c",
    ];
    sandbox.ok(run.into_iter().chain([links.as_str()]));
    let set = [
        "exec",
        "evil",
        "sh",
        "-c",
        "until test -u /root/set; do :; done",
    ];
    sandbox.ok(set);
    let out = sandbox.path("out");
    fs::create_dir(&out).unwrap();
    let to = out.display().to_string();
    for from in [
        "/root/file",
        "/root/dir/file",
        "/root/fd/3",
        "/proc/self/exe",
    ] {
        sandbox
            .run(["cp", &format!("evil:{from}"), &to])
            .expect(125);
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    let mine = sandbox.path("mine");
    fs::write(&mine, "mine").unwrap();
    let mine = mine.display().to_string();
    sandbox
        .run(["cp", &mine, "evil:/root/dir/file"])
        .expect(125);
    sandbox.ok(["cp", &mine, "evil:/root/top/etc/mine"]);
    assert_eq!(sandbox.ok(["exec", "evil", "cat", "/etc/mine"]), "mine");
    assert_eq!(text(&secret.join("file")), "host");
    sandbox.ok(["cp", "evil:/root/set", &to]);
    let copied = fs::metadata(out.join("set")).unwrap();
    assert_eq!(
        copied.permissions().mode() & 0o7000,
        0,
        "{:o}",
        copied.mode()
    );
}

#[test]
fn what_is_saved_is_the_same_image_when_it_is_loaded() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "run",
        "--name",
        "c",
        "--network",
        "none",
        IMAGE,
        "sh",
        "-c",
        "rm /etc/group; echo a >/a",
    ]);
    sandbox.ok(["commit", "-q", "c", "made:1"]);
    sandbox.ok(["rm", "c"]);
    let facts = "{{.Id}} {{.RootFS.Layers}}";
    let before = sandbox.ok(["image", "inspect", "-f", facts, "made:1"]);
    let archives: [&[&str]; 5] = [
        &["docker-archive"],
        &["oci-archive"],
        &["oci-archive", "--uncompressed"],
        &["oci-dir"],
        &["docker-dir", "--compress"],
    ];
    for (at, format) in archives.into_iter().enumerate() {
        let path = sandbox.path(&format!("archive-{at}"));
        let path = path.to_string_lossy().into_owned();
        sandbox.ok(["save", "-q", "-o", &path, "--format"]
            .into_iter()
            .chain(format.iter().copied())
            .chain(["made:1"]));
        sandbox.ok(["rmi", "made:1"]);
        let loaded = sandbox.ok(["load", "-q", "-i", &path]);
        let id = loaded.trim_start_matches("Loaded image: ").to_owned();
        assert_eq!(
            sandbox.ok(["image", "inspect", "-f", facts, &id]),
            before,
            "{format:?}"
        );
        sandbox.ok(["tag", &id, "made:1"]);
    }
    let several = sandbox.path("several");
    sandbox.ok([
        "save",
        "-m",
        "-o",
        &several.to_string_lossy(),
        "made:1",
        IMAGE,
    ]);
    sandbox.ok(["rmi", "-a"]);
    let loaded = sandbox.ok(["load", "-q", "-i", &several.to_string_lossy()]);
    assert_eq!(
        loaded,
        format!("Loaded image: localhost/made:1\nLoaded image: {IMAGE}")
    );
    let look = [
        "run",
        "--rm",
        "--network",
        "none",
        "made:1",
        "sh",
        "-c",
        "cat /a; ls /etc",
    ];
    let shown = sandbox.ok(look);
    assert!(
        shown.starts_with('a') && !shown.contains("group"),
        "{shown}"
    );
    sandbox
        .run(["save", "nosuch"])
        .expect(125)
        .says("image not known");
}

#[test]
fn a_stream_that_nobody_reads_to_its_end_ends_quietly() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let image = sandbox.image();
    sandbox.ok(["create", "--name", "c", "--network=none", image, "true"]);
    for words in ["export c", "cp c:/ -", &format!("save {image}")] {
        let script = "{ \"$@\"; echo $? >&3; } 3>&2 | head -c 10 >/dev/null";
        let words: Vec<&str> = words.split(' ').collect();
        let call = sandbox.call_by(&["sh", "-c", script, "sh"], &words);
        let outcome = call.run();
        assert_eq!(outcome.err(), "141", "{words:?}");
    }
}

/// As podman, which sorts mounts by the depth of their place.
#[test]
fn what_every_container_has_stands_in_what_the_user_mounts() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let [etc, given] = ["etc", "given"].map(|name| {
        std::fs::create_dir(sandbox.path(name)).unwrap();
        sandbox.shown(name)
    });
    std::fs::write(sandbox.path("given/hosts"), "the caller's\n").unwrap();
    let prints = |flags: &[&str], script: &str| {
        let run = ["run", "--rm", "--network=none", "--hostname=here"];
        sandbox.ok([&run[..], flags, &[IMAGE, "sh", "-c", script]].concat())
    };
    let place = |host: &str, options: &str| format!("{host}:/etc{options}");
    let hosts = "grep -c here /etc/hosts; cat /etc/hostname";
    assert_eq!(prints(&["-v", &place(&etc, "")], hosts), "1\nhere");
    assert_eq!(prints(&["--tmpfs=/etc"], hosts), "1\nhere");
    // Nothing is made in what may only be read.
    let listed = "grep -c here /etc/hosts; ls /etc";
    assert_eq!(prints(&["-v", &place(&given, ":ro")], listed), "1\nhosts");
    let left = std::fs::read(sandbox.path("given/hosts")).unwrap();
    assert_eq!(left, b"the caller's\n");
    if tool() == Tool::Coracle {
        assert_eq!(
            prints(&["--tmpfs=/run"], "ls -a /run"),
            ".\n..\n.containerenv"
        );
    }
    assert_eq!(
        prints(&["--tmpfs=/sys", "--tmpfs=/dev"], "ls -d /sys /dev/shm"),
        "/dev/shm\n/sys"
    );
}
