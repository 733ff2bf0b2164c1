// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Volumes: filled from the image, kept, shared, counted and removed.

use std::fs;

use crate::support::host::{Need, has};
use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Outcome, Sandbox, requires, rootfs};

/// `run --rm --network none` of the small image with one volume; what it prints.
fn run(sandbox: &Sandbox, flags: &[&str], command: &[&str]) -> String {
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(flags);
    words.push(IMAGE);
    words.extend(command);
    sandbox.ok(words)
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let listed = sandbox.ok(["volume", "ls", "-q"]);
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn a_volume_has_what_its_first_image_has_there() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let seen = run(&sandbox, &["-v", "etc:/etc"], &["cat", "/etc/passwd"]);
    assert!(seen.starts_with("root:"), "{seen}");
    let state = |name: &str| {
        let template = "{{.NeedsCopyUp}} {{.NeedsChown}} {{.Driver}} {{.Anonymous}}";
        sandbox.ok(["volume", "inspect", "--format", template, name])
    };
    assert_eq!(state("etc"), "false false local false");
    // What is in it stays, whatever the next image has.
    run(
        &sandbox,
        &["-v", "etc:/tmp"],
        &["sh", "-c", "rm /tmp/passwd; echo mine >/tmp/mine"],
    );
    let later = run(
        &sandbox,
        &["-v", "etc:/home:ro"],
        &["sh", "-c", "cat /home/*; touch /home/x || true"],
    );
    assert!(
        later.contains("mine") && !later.contains("/bin/sh"),
        "{later}"
    );
    // Mounted twice, not copied, and with the mode of what it covers.
    let twice = ["-v", "twice:/etc", "-v", "twice:/mnt"];
    assert_eq!(
        run(&sandbox, &twice, &["cmp", "/etc/group", "/mnt/group"]),
        ""
    );
    let script = ["sh", "-c", "ls /etc | wc -l; stat -c %a /tmp"];
    let flags = [
        "-v",
        "bare:/etc:nocopy",
        "-v",
        "open:/tmp",
        "--no-hosts",
        "--no-hostname",
    ];
    let shown = run(&sandbox, &flags, &script);
    assert!(shown.ends_with("1777"), "{shown}");
    assert_eq!(state("bare").split(' ').next(), Some("true"));
}

#[test]
fn volumes_without_a_name_go_with_their_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let archive = sandbox.shown("with.tar");
    fs::write(&archive, crate::support::rootfs::tar()).unwrap();
    sandbox.ok([
        "import",
        "-q",
        "-c",
        "VOLUME /home/guest/data",
        &archive,
        "with",
    ]);
    let keep = [
        "run",
        "--network",
        "none",
        "--name",
        "keep",
        "-v",
        "/own",
        "with",
        "sh",
        "-c",
    ];
    sandbox.ok(keep
        .into_iter()
        .chain(["echo here >/home/guest/data/f; echo there >/own/f"]));
    assert_eq!(names(&sandbox).len(), 2);
    let from = ["--volumes-from", "keep", "--volumes-from", "keep:ro"];
    assert_eq!(
        run(&sandbox, &from, &["cat", "/home/guest/data/f", "/own/f"]),
        "here\nthere"
    );
    assert_eq!(names(&sandbox).len(), 2, "those of another container stay");
    let kinds = sandbox.field(
        "keep",
        "range .Mounts}}{{.Type}} {{.Destination}} {{.RW}};{{end",
    );
    assert_eq!(kinds, "volume /own true;volume /home/guest/data true;");
    sandbox.ok(["rm", "-v", "keep"]);
    assert_eq!(names(&sandbox), Vec::<String>::new());
    let flags = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "/own",
        "with",
        "true",
    ];
    sandbox.ok(flags);
    let ignored = [
        "run",
        "--network",
        "none",
        "--name",
        "x",
        "--image-volume",
        "ignore",
        "with",
    ];
    sandbox.ok(ignored.into_iter().chain(["true"]));
    assert_eq!(names(&sandbox), Vec::<String>::new());
    sandbox
        .run(["run", "--rm", "-v", "a b:/x", IMAGE, "true"])
        .expect(125)
        .says("names must match");
    sandbox
        .run(["run", "--rm", "--name", "x", "-v", "/own", IMAGE, "true"])
        .expect(125);
    assert_eq!(
        names(&sandbox),
        Vec::<String>::new(),
        "nothing is left of what was refused"
    );
}

#[test]
fn a_volume_in_use_is_not_removed() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    assert_eq!(
        sandbox.ok(["volume", "create", "--label", "a=b", "data"]),
        "data"
    );
    sandbox
        .run(["volume", "create", "data"])
        .expect(125)
        .says("volume already exists");
    sandbox.ok(["volume", "create", "--ignore", "data"]);
    sandbox.ok(["create", "--name", "user", "-v", "data:/d", IMAGE, "true"]);
    sandbox
        .run(["volume", "rm", "data"])
        .expect(2)
        .says("volume is being used");
    assert_eq!(
        sandbox.ok(["volume", "ls", "-q", "--filter", "dangling=true"]),
        ""
    );
    assert_eq!(
        sandbox.ok(["volume", "ls", "-q", "--filter", "label=a=b"]),
        "data"
    );
    assert_eq!(
        sandbox.ok([
            "ps",
            "-aq",
            "--filter",
            "volume=data",
            "--format",
            "{{.Names}}"
        ]),
        "user"
    );
    assert_eq!(sandbox.ok(["volume", "prune", "-f"]), "");
    sandbox.ok(["volume", "rm", "-f", "-t", "0", "data"]);
    sandbox.run(["container", "exists", "user"]).expect(1);
    sandbox.run(["volume", "exists", "data"]).expect(1);
    sandbox.ok([
        "volume",
        "create",
        "-o",
        "type=tmpfs",
        "-o",
        "o=size=1M",
        "quick",
    ]);
    let shown = run(
        &sandbox,
        &["-v", "quick:/q"],
        &["grep", " /q ", "/proc/mounts"],
    );
    assert!(
        shown.contains("tmpfs") && shown.contains("size=1024k"),
        "{shown}"
    );
    let device = format!("device={}", sandbox.shown(""));
    sandbox.ok([
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        &device,
        "here",
    ]);
    sandbox.file("hello", "hello");
    assert_eq!(
        run(&sandbox, &["-v", "here:/h"], &["cat", "/h/hello"]),
        "hello"
    );
    assert_eq!(sandbox.ok(["volume", "prune", "-f"]), "here\nquick");
}

#[test]
fn a_container_never_names_a_volume_that_is_gone() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    for round in 0..6 {
        let name = format!("c{round}");
        let create = ["create", "--name", &name, "-v", "race:/r", IMAGE, "true"];
        let calls = [
            sandbox.call(create).spawn(),
            sandbox.call(["volume", "rm", "race"]).spawn(),
            sandbox.call(["volume", "prune", "-f"]).spawn(),
        ];
        let [made, ..] = calls.map(crate::support::process::Running::finish);
        made.expect(0);
        sandbox.run(["volume", "exists", "race"]).expect(0);
        sandbox.ok(["rm", &name]);
    }
}

#[test]
fn dockers_words_for_volumes() {
    if tool() != Tool::Coracle {
        return;
    }
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let docker = |words: &[&str]| sandbox.call(words).env("CORACLE_MODE", "docker").run();
    assert_eq!(
        docker(&["volume", "create", "data"]).expect(0).out(),
        "data"
    );
    assert_eq!(
        docker(&["volume", "create", "data"]).expect(0).out(),
        "data"
    );
    let table = docker(&["volume", "ls"]).expect(0);
    assert_eq!(table.stdout, "DRIVER    VOLUME NAME\nlocal     data\n");
    let id = sandbox.ok(["create", "-v", "data:/d", IMAGE, "true"]);
    let used = format!("remove data: volume is in use - [{id}]");
    docker(&["volume", "rm", "data"]).expect(1).says(&used);
    docker(&["volume", "rm", "x"])
        .expect(1)
        .says("get x: no such volume");
    sandbox.ok(["rm", &id]);
    let kept = docker(&["volume", "prune", "-f"]).expect(0);
    assert_eq!(kept.stdout, "Total reclaimed space: 0B\n");
    let all = docker(&["volume", "prune", "-a", "-f"]).expect(0);
    assert_eq!(
        all.stdout,
        "Deleted Volumes:\ndata\n\nTotal reclaimed space: 0B\n"
    );
}

#[test]
fn the_content_of_a_volume_travels() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "mkdir /v/d; echo one >/v/d/file; ln -s d/file /v/link; chmod 640 /v/d/file; \
                  chown 7:8 /v/d/file 2>/dev/null; stat -c '%a %u:%g' /v/d/file";
    let owner = run(&sandbox, &["-v", "from:/v"], &["sh", "-c", script]);
    let archive = sandbox.shown("content.tar");
    sandbox.ok(["volume", "export", "from", "-o", &archive]);
    sandbox.ok(["volume", "create", "to"]);
    sandbox.ok(["volume", "import", "to", &archive]);
    // What is there is written over, and no image fills it any more.
    sandbox.ok(["volume", "import", "to", &archive]);
    let script = "cat /etc/link; stat -c '%a %u:%g' /etc/d/file; ls /etc";
    let flags = ["-v", "to:/etc", "--no-hosts", "--no-hostname"];
    let seen = run(&sandbox, &flags, &["sh", "-c", script]);
    assert!(seen.starts_with(&format!("one\n{owner}\nd\n")), "{seen}");
    assert!(
        !seen.contains("passwd\n") || tool() == Tool::Podman,
        "{seen}"
    );
    let outside = sandbox.run(["volume", "mount", "to"]);
    assert!(outside.stderr.contains("unshare"), "{outside:?}");
    let garbage = sandbox.file("garbage", &"no archive ".repeat(100));
    let nothing = sandbox.run(["volume", "import", "to", &garbage]);
    assert_eq!(nothing.code, 125, "{nothing:?}");
    sandbox.ok(["volume", "rm", "from", "to"]);
}

#[test]
fn what_is_changed_over_a_source_is_thrown_away() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("source")).unwrap();
    sandbox.file("source/file", "theirs");
    let bind = format!("{}:/bind:O", sandbox.shown("source"));
    let fill = ["run", "--rm", "--network=none", "-v", "data:/v", IMAGE];
    let write = ["sh", "-c", "echo theirs > /v/file; chown 7:8 /v; true"];
    sandbox.ok([&fill[..], &write].concat());
    let script = "cat /bind/file /v/file; stat -c %u:%g /v; \
                  echo ours > /bind/file; echo ours > /v/file; mkdir -m 0 /v/new; sleep 0";
    let first = ["run", "--network=none", "--name=web", "-v", &bind];
    let rest = ["-v", "data:/v:O", IMAGE, "sh", "-c", script];
    let owner = if has(Need::Range) { "7:8" } else { "0:0" };
    let expected = format!("theirstheirs\n{owner}");
    assert_eq!(sandbox.ok([&first[..], &rest].concat()), expected);
    assert_eq!(sandbox.ok(["start", "-a", "web"]), expected);
    assert_eq!(
        fs::read_to_string(sandbox.path("source/file")).unwrap(),
        "theirs"
    );
    sandbox.ok(["rm", "web"]);
}

/// `run --rm` of `script` with a mount.
fn with_mount(sandbox: &Sandbox, mount: &str, script: &str) -> Outcome {
    let run = ["run", "--rm", "--network", "none", "--mount", mount];
    sandbox.run([&run[..], &[IMAGE, "sh", "-c", script]].concat())
}

#[test]
fn a_part_of_a_volume_is_mounted_and_no_link_leads_out_of_it() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let fill = "mkdir -p /all/a/b; echo deep >/all/a/b/file; ln -s a/b /all/in; \
                ln -s /root /all/out; ln -s ../../../../../../root /all/up";
    with_mount(&sandbox, "type=volume,src=data,dst=/all", fill).expect(0);
    let part = |path: &str| format!("type=volume,src=data,dst=/part,volume-subpath={path}");
    for path in ["a/b", "in"] {
        let shown = with_mount(&sandbox, &part(path), "cat /part/file");
        assert_eq!(shown.expect(0).out(), "deep");
    }
    for path in ["out", "up", "nosuch"] {
        let refused = with_mount(&sandbox, &part(path), "ls /part");
        assert!(refused.code >= 125, "{path}: {}", refused.stdout);
        refused.says("does not exist");
    }
    for path in ["../a", "/a"] {
        with_mount(&sandbox, &part(path), "true")
            .expect(125)
            .says("subpath must be a relative path within the volume");
    }
    let made = part("in");
    sandbox.ok([
        "create",
        "--name",
        "web",
        "--network",
        "none",
        "--mount",
        &made,
        IMAGE,
        "true",
    ]);
    sandbox.ok(["cp", &sandbox.file("new", "new\n"), "web:/part/new"]);
    let all = with_mount(
        &sandbox,
        "type=volume,src=data,dst=/all",
        "cat /all/a/b/new",
    );
    assert_eq!(all.expect(0).out(), "new");
}

#[test]
fn an_image_is_mounted_and_what_is_written_to_it_goes() {
    requires!("userns,overlay");
    let sandbox = Sandbox::with_image();
    let shown = with_mount(
        &sandbox,
        &format!("type=image,src={IMAGE},dst=/other"),
        "/other/bin/busybox echo runs; touch /other/file",
    );
    let shown = shown.expect(1);
    assert_eq!(shown.out(), "runs");
    shown.says("Read-only file system");
    let writable = format!("type=image,src={IMAGE},dst=/other,rw=true");
    for _ in 0..2 {
        let script = "test ! -e /other/file && echo new >/other/file && cat /other/file";
        let shown = with_mount(&sandbox, &writable, script);
        assert_eq!(shown.expect(0).out(), "new");
    }
    with_mount(
        &sandbox,
        "type=image,src=localhost/nosuch,dst=/other",
        "true",
    )
    .expect(125)
    .says("localhost/nosuch");
    // One that is mounted is in use.
    let archive = sandbox.file("small.tar", "");
    fs::write(&archive, rootfs::tar()).unwrap();
    sandbox.ok([
        "import",
        "-q",
        "-c",
        "ENV other=yes",
        &archive,
        "localhost/other",
    ]);
    let other = "type=image,src=localhost/other,dst=/other";
    sandbox.ok([
        "create",
        "--name",
        "web",
        "--network",
        "none",
        "--mount",
        other,
        IMAGE,
        "true",
    ]);
    let mounts = "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}";
    let mounts = sandbox.ok(["container", "inspect", "--format", mounts, "web"]);
    assert_eq!(mounts, "image /other false");
    sandbox
        .run(["rmi", "localhost/other"])
        .expect(2)
        .says("image used by");
}

/// It may be the host's own, which takes no links from a user and gets no nodes from root.
#[test]
fn a_dev_of_the_callers_is_left_as_it_is() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let directory = sandbox.path("dev");
    fs::create_dir(&directory).unwrap();
    sandbox.file("dev/mark", "");
    let run = |volume: &str, script: &str| {
        let pts = "type=devpts,destination=/dev/pts";
        let flags = [
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            volume,
            "--mount",
            pts,
        ];
        sandbox.ok(flags.into_iter().chain([IMAGE, "sh", "-c", script]))
    };
    let own = format!("{}:/dev", sandbox.shown("dev"));
    assert_eq!(run(&own, "ls -A /dev"), "mark\npts");
    let names = fs::read_dir(directory).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let script =
        "echo x >/dev/null && test -c /dev/zero && ls /dev/pts && stat -c %a /dev/pts/ptmx";
    assert_eq!(run("/dev:/dev:rslave", script), "ptmx\n666");
}

#[test]
fn a_part_of_an_image_is_mounted_and_no_link_leads_out_of_it() {
    requires!("userns,overlay");
    let sandbox = Sandbox::with_image();
    let script = "mkdir -p /data/sub; echo part >/data/sub/file; ln -s /data/sub /inside; \
                  ln -s ../../../../../etc /data/up; ln -s /proc/self/root /data/out";
    sandbox.ok([
        "run",
        "--network=none",
        "--name",
        "made",
        IMAGE,
        "sh",
        "-c",
        script,
    ]);
    sandbox.ok(["commit", "-q", "made", "localhost/parts"]);
    let part = |path: &str| format!("type=image,src=localhost/parts,dst=/part,subpath={path}");
    for path in ["/data/sub", "data/sub", "./data/sub/", "inside"] {
        let shown = with_mount(&sandbox, &part(path), "cat /part/file; touch /part/x");
        let shown = shown.expect(1);
        assert_eq!(shown.out(), "part", "{path}");
        shown.says("Read-only file system");
    }
    let etc = with_mount(&sandbox, &part("/etc"), "ls /part | grep -c hostname");
    assert_eq!(etc.expect(1).out(), "0", "nothing but the image's own");
    let file = with_mount(&sandbox, &part("/data/sub/file"), "cat /part");
    assert_eq!(file.expect(0).out(), "part", "a file on a file");
    let writable = part("/data") + ",rw=true";
    for _ in 0..2 {
        let script = "test ! -e /part/new && echo new >/part/new && cat /part/new /part/sub/file";
        let shown = with_mount(&sandbox, &writable, script);
        assert_eq!(shown.expect(0).out(), "new\npart");
    }
    // The image's own /etc, however far up the link leads.
    let up = with_mount(&sandbox, &part("data/up"), "ls /part/passwd /part/group");
    assert_eq!(up.expect(0).out(), "/part/group\n/part/passwd");
    with_mount(&sandbox, &part("data/out"), "ls /part").expect(125);
    with_mount(&sandbox, &part("/data/nope"), "true")
        .expect(125)
        .says("mount image on /part: there is no /data/nope in it");
    with_mount(&sandbox, &part("../etc"), "true")
        .expect(125)
        .says("subpath must be a path within the image");
    let of = |name: &str| {
        let mount = format!("type=image,src=localhost/parts,dst=/part,{name}=/data");
        sandbox.ok(["create", "--name", name, "--mount", &mount, IMAGE, "true"]);
        let format = "{{(index .Mounts 0).SubPath}} {{(index .Mounts 0).RW}}";
        sandbox.ok(["container", "inspect", "--format", format, name])
    };
    assert_eq!(of("subpath"), "/data false");
    assert_eq!(of("image-subpath"), "/data false");
}
