// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is who: id maps, groups, namespaces of others, and the one file that no container may get.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::support::sandbox::{IMAGE, program};
use crate::support::{Sandbox, host, requires};

/// `run --rm --network none` of the small image.
fn line<'a>(flags: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(flags);
    words.push(IMAGE);
    words.extend(command);
    words
}

/// Numbers with one blank between them, a line each.
fn squeezed(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether the kernel's overlay is forced, which cannot serve maps without the caller.
fn kernel_alone() -> bool {
    std::env::var("CORACLE_TEST_ENGINE").is_ok_and(|engine| engine == "kernel")
}

#[test]
fn maps_are_those_that_podman_writes() {
    requires!("userns,range,fuse,unprivileged");
    let sandbox = Sandbox::with_image();
    let own = nix::unistd::geteuid().as_raw();
    let keep = format!("0 1 5\n{own} 0 1");
    let cases: &[(&str, &str, bool)] = &[
        ("--userns=keep-id:size=6", &keep, true),
        (
            "--userns=keep-id:uid=5,gid=5,size=10",
            "0 1 5\n5 0 1\n6 6 4",
            true,
        ),
        ("--uidmap=+5:0:1", "0 1 5\n5 0 1\n6 6 65531", true),
        ("--userns=nomap", "0 1 65536", false),
        ("--userns=auto:size=500", "0 1 500", false),
        ("--uidmap=0:10001:10002", "0 10001 10002", false),
        ("--uidmap=u0:1:5", "0 1 5", false),
    ];
    for (flag, wanted, holds_caller) in cases {
        if kernel_alone() && !holds_caller {
            continue;
        }
        let shown = sandbox.ok(line(&[flag], &["cat", "/proc/self/uid_map"]));
        assert_eq!(squeezed(&shown), *wanted, "{flag}");
    }
    sandbox
        .run(line(&["--uidmap=0:@5:1"], &["true"]))
        .expect(125)
        .says("parent ID UID 5 is not mapped/delegated");
}

#[test]
fn a_map_without_the_caller_reaches_what_it_is_given() {
    requires!("userns,range,fuse");
    if kernel_alone() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let closed = sandbox.path("closed");
    fs::create_dir(&closed).unwrap();
    let file = sandbox.file("closed/file", "content\n");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let volume = format!("{file}:/file:ro");
    let script = "cat /file; stat -c %u:%g /etc/hosts /etc; touch /new && stat -c %u:%g /new";
    for flag in ["--userns=nomap", "--uidmap=0:100:1000"] {
        if host::is_root() && flag == "--userns=nomap" {
            continue;
        }
        let shown = sandbox.ok(line(&[flag, "-v", &volume], &["sh", "-c", script]));
        assert_eq!(shown, "content\n0:0\n0:0\n0:0", "{flag}");
    }
    // A group that a small map does not hold is not the program's.
    let groups = sandbox.ok(line(&["--gidmap=0:5:3"], &["id", "-G"]));
    assert!(groups.split(' ').all(|group| group.len() == 1), "{groups}");
}

/// First id outside and how many, of each extent of a container's map.
fn own_ids(sandbox: &Sandbox, container: &str) -> Vec<(u32, u32)> {
    let map = sandbox.ok(["exec", container, "cat", "/proc/self/uid_map"]);
    let extent = |line: &str| {
        let numbers: Vec<u32> = line
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        (numbers[1], numbers[2])
    };
    map.lines().map(extent).collect()
}

#[test]
fn automatic_maps_are_each_containers_own() {
    requires!("userns,range,fuse");
    if kernel_alone() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let run = |name: &str| {
        let userns = ["run", "-d", "--network", "none", "--userns", "auto"];
        sandbox.call(
            userns
                .into_iter()
                .chain(["--name", name, IMAGE, "sleep", "1000"]),
        )
    };
    let names = ["one", "two", "three"];
    let made: Vec<_> = names.iter().map(|name| run(name).spawn()).collect();
    for running in made {
        running.finish().expect(0);
    }
    let mut maps: Vec<(u32, u32)> = names
        .iter()
        .flat_map(|name| own_ids(&sandbox, name))
        .collect();
    maps.sort_unstable();
    let total: u32 = maps.iter().map(|(_, count)| count).sum();
    assert_eq!(total, 3 * 1024, "{maps:?}");
    let apart = |pair: &[(u32, u32)]| pair[0].0 + pair[0].1 <= pair[1].0;
    assert!(maps.windows(2).all(apart), "{maps:?}");
    let before = own_ids(&sandbox, "two");
    sandbox.ok(["restart", "-t", "0", "two"]);
    assert_eq!(own_ids(&sandbox, "two"), before);
    let large = format!("{}:x:60000:60000::/:/bin/sh\n", "big");
    let rootfs = sandbox.rootfs("large");
    fs::write(sandbox.path("large/etc/passwd"), large).unwrap();
    let auto = [
        "run",
        "--rm",
        "--network",
        "none",
        "--userns",
        "auto",
        "--rootfs",
    ];
    let count = ["sh", "-c", "set -- $(cat /proc/self/uid_map); echo $3"];
    let largest = sandbox.run(
        auto.into_iter()
            .chain([format!("{rootfs}:O").as_str()])
            .chain(count),
    );
    assert_eq!(largest.expect(0).out(), "60001");
}

#[test]
fn a_volume_for_the_container_belongs_to_its_user() {
    requires!("userns,range,fuse");
    let sandbox = Sandbox::with_image();
    fs::create_dir_all(sandbox.path("v/below")).unwrap();
    let volume = format!("{}:/v:U", sandbox.shown("v"));
    let script = ["sh", "-c", "touch /v/below/x && stat -c %u:%g /v /v/below"];
    for map in ["host", "nomap", "auto", "keep-id:uid=7"] {
        if kernel_alone() && ["nomap", "auto"].contains(&map) {
            continue;
        }
        for user in ["0:0", "1000:1001"] {
            let flags = ["--userns", map, "-u", user, "-v", &volume];
            let owners = sandbox.ok(line(&flags, &script));
            assert_eq!(owners, format!("{user}\n{user}"), "{map}");
        }
    }
}

#[test]
fn a_directory_of_a_group_without_an_id_inside_is_no_obstacle() {
    requires!("userns,range,unprivileged,group");
    let sandbox = Sandbox::with_image();
    // Made by a first command, and the way to the files that are mounted on /etc.
    sandbox.ok(line(&[], &["true"]));
    let group = host::other_group();
    nix::unistd::chown(&sandbox.path("r"), None, group).unwrap();
    fs::create_dir(sandbox.path("v")).unwrap();
    nix::unistd::chown(&sandbox.path("v"), None, group).unwrap();
    fs::set_permissions(sandbox.path("v"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(sandbox.path("v/below")).unwrap();
    let volume = format!("{}:/v", sandbox.shown("v/below"));
    let flags = ["--userns", "keep-id", "-v", &volume];
    sandbox.ok(line(
        &flags,
        &["sh", "-c", "test -s /etc/hostname && touch /v/x"],
    ));
    assert!(sandbox.path("v/below/x").exists());
}

#[test]
fn one_id_alone_denies_setgroups_and_a_range_does_not_cve_2014_8989() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "cat /proc/self/setgroups /proc/self/uid_map";
    let shown = squeezed(&sandbox.ok(line(&[], &["sh", "-c", script])));
    let wanted = if host::has(host::Need::Range) {
        shown.starts_with("allow\n0 0")
    } else {
        shown == "deny\n0 0 1"
    };
    assert!(wanted, "{shown}");
}

#[test]
fn keep_groups_keeps_what_the_caller_has() {
    requires!("userns,range,unprivileged");
    let sandbox = Sandbox::with_image();
    let script = ["sh", "-c", "grep ^Groups: /proc/self/status | wc -w"];
    let count = |flags: &[&str]| sandbox.ok(line(flags, &script)).parse::<usize>().unwrap() - 1;
    let own = nix::unistd::getgroups().unwrap().len();
    assert_eq!(count(&["--group-add", "keep-groups"]), own);
    // As crun is told it.
    let annotation = ["--annotation", "run.oci.keep_original_groups=1"];
    assert_eq!(count(&annotation), own);
    assert_eq!(count(&["--user", "1000:1000"]), 1);
    let keeping = ["-d", "--name", "keeping", "--group-add", "keep-groups"];
    sandbox.ok(line(&keeping, &["sleep", "1000"]));
    let words = sandbox.ok(["exec", "keeping"].into_iter().chain(script));
    assert_eq!(words.parse::<usize>().unwrap() - 1, own);
    sandbox
        .run(line(
            &["--group-add", "keep-groups", "--group-add", "5"],
            &["true"],
        ))
        .expect(125)
        .says("keep-groups");
}

#[test]
fn processes_have_the_name_that_they_were_called_by() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // A link to busybox, by PATH; then a script, which is not its interpreter.
    assert_eq!(sandbox.ok(line(&[], &["cat", "/proc/self/comm"])), "cat");
    let rootfs = sandbox.rootfs("rootfs");
    let script = sandbox.file("rootfs/bin/called-so", "#!/bin/sh\ncat /proc/$$/comm\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let overlay = format!("{rootfs}:O");
    let flags = ["run", "--rm", "--network", "none", "--rootfs", &overlay];
    let shown = sandbox.ok(flags.into_iter().chain(["called-so"]));
    assert_eq!(shown, "called-so");
}

#[test]
fn a_container_never_gets_the_engines_binary_cve_2019_5736_cve_2016_9962() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // As `cargo install` leaves it: the caller's own, and so the container's root may write it.
    let own = sandbox.shown("coracle");
    fs::copy(program(), &own).unwrap();
    let before = fs::read(&own).unwrap();
    let refused = "a container may not execute the engine's own binary";
    let by = |words: &[&str]| sandbox.call_copy(&own, words).run();
    by(&line(&[], &["/proc/self/exe"]))
        .expect(126)
        .says(refused);
    let script = sandbox.file("evil", "#!/proc/self/exe\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let volume = format!("{script}:/evil:ro");
    by(&line(&["-v", &volume], &["/evil"]))
        .expect(126)
        .says(refused);
    // The program that `exec` is told to run is swapped all the time, and whatever process there
    // is, its file is opened for writing.
    let attack = "while :; do ln -sfn /proc/self/exe /turn; ln -sfn /bin/true /turn; done &\n\
        while :; do for exe in /proc/[0-9]*/exe; do \
        [ $exe = /proc/1/exe ] || echo spoilt 2>/dev/null >>$exe; done; done 2>/dev/null &\n\
        echo ready; sleep 1000";
    let run = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "attacker",
        IMAGE,
    ];
    by(&[&run[..], &["sh", "-c", attack]].concat()).expect(0);
    sandbox.wait_log("attacker", "ready");
    for _ in 0..20 {
        let turned = by(&["exec", "attacker", "/turn"]);
        assert!([0, 126, 127].contains(&turned.code), "{}", turned.stderr);
    }
    by(&["rm", "-f", "-t", "0", "attacker"]).expect(0);
    assert!(fs::read(&own).unwrap() == before, "the binary was changed");
}

#[test]
fn namespaces_of_another_container_are_joined() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--ipc",
        "shareable",
        "--name",
        "giver",
        IMAGE,
        "sh",
        "-c",
        "echo shared >/dev/shm/note; echo ready; sleep 1000",
    ]);
    sandbox.wait_log("giver", "ready");
    let (note, link) = ("cat /dev/shm/note", "readlink /proc/self/ns/");
    let joined = sandbox.ok(line(&["--ipc", "container:giver"], &["sh", "-c", note]));
    assert_eq!(joined, "shared");
    // It stays that container's whatever the container is called.
    let later = ["--name", "later", "--ipc", "container:giver", IMAGE];
    sandbox.ok([&["create"], &later[..], &["sh", "-c", note]].concat());
    sandbox.ok(["rename", "giver", "other"]);
    assert_eq!(sandbox.ok(["start", "-a", "later"]), "shared");
    sandbox.ok(["rename", "other", "giver"]);
    for (flag, kind) in [("--cgroupns", "cgroup"), ("--uts", "uts"), ("--pid", "pid")] {
        let script = format!("{link}{kind}");
        let own = sandbox.ok(["exec", "giver", "sh", "-c", &script]);
        let theirs = sandbox.ok(line(&[flag, "container:giver"], &["sh", "-c", &script]));
        assert_eq!(own, theirs, "{flag}");
    }
    sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--ipc",
        "private",
        "--name",
        "keeper",
        IMAGE,
        "sleep",
        "1000",
    ]);
    sandbox
        .run(line(&["--ipc", "container:keeper"], &["true"]))
        .expect(125)
        .says("is not allowed: non-shareable IPC");
    let nothing = line(&["--ipc", "none"], &["sh", "-c", "ls /dev/shm"]);
    assert_ne!(
        sandbox.run(nothing).code,
        0,
        "there is no /dev/shm with none"
    );
}

#[test]
fn namespaces_of_a_container_that_is_not_there_leave_none_behind() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    for (flag, kind) in [
        ("--network", "net"),
        ("--ipc", "ipc"),
        ("--pid", "pid"),
        ("--uts", "uts"),
        ("--userns", "user"),
        ("--cgroupns", "cgroup"),
    ] {
        let words = format!(
            "Error: looking up container to share {kind} namespace with: no container with name or \
             ID \"nobody\" found: no such container\n"
        );
        let outcome = sandbox.run(["run", flag, "container:nobody", IMAGE, "true"]);
        assert_eq!(outcome.expect(125).stderr, words, "{flag}");
    }
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}

#[test]
fn whoever_joins_a_container_has_its_ids() {
    requires!("userns");
    requires!("range");
    let sandbox = Sandbox::with_image();
    let giver = ["--userns", "keep-id", "--name", "giver"];
    sandbox.ok([
        &["run", "-d", "--network", "none"],
        &giver[..],
        &[IMAGE, "sleep", "1000"],
    ]
    .concat());
    let map = ["cat", "/proc/self/uid_map"];
    let theirs = sandbox.ok([&["exec", "giver"], &map[..]].concat());
    let owner = "ls -ldn /bin | awk '{print $3}'";
    let owner = sandbox.ok(["exec", "giver", "sh", "-c", owner]);
    let script = "ls -ldn /bin | awk '{print $3}'; touch /tmp/note; chown 5:6 /tmp/note; \
                  ls -ln /tmp/note | awk '{print $3, $4}'";
    for flags in [
        &["--userns", "container:giver", "--network", "none"][..],
        &["--network", "container:giver"],
        &["--ipc", "container:giver", "--network", "none"],
    ] {
        let run = |more: &[&str], command: &[&str]| {
            sandbox.ok([&["run"], flags, more, &[IMAGE], command].concat())
        };
        assert_eq!(run(&["--rm"], &map), theirs, "{flags:?}");
        let written = run(&["--name", "joined"], &["sh", "-c", script]);
        assert_eq!(written, format!("{owner}\n5 6"), "{flags:?}");
        // What it has written belongs to the same ids elsewhere, where an engine translates them.
        if !kernel_alone() {
            sandbox.ok(["commit", "-q", "joined", "committed"]);
            let seen = "ls -ln /tmp/note | awk '{print $3, $4}'";
            let seen = [
                "run",
                "--rm",
                "--network",
                "none",
                "committed",
                "sh",
                "-c",
                seen,
            ];
            assert_eq!(sandbox.ok(seen), "5 6", "{flags:?}");
        }
        sandbox.ok(["rm", "joined"]);
    }
    let told = sandbox.run(line(
        &["--userns", "nomap", "--ipc", "container:giver"],
        &map,
    ));
    let told = told.expect(0);
    assert_eq!(told.stdout.trim(), theirs.trim());
    told.says("--userns nomap");
    let dependent = ["create", "--userns", "container:giver", IMAGE, "true"];
    sandbox.ok(dependent);
    sandbox.run(["rm", "-f", "-t", "0", "giver"]).expect(125);
    sandbox.ok(["stop", "-t", "0", "giver"]);
    sandbox
        .run(line(&["--userns", "container:giver"], &["true"]))
        .expect(125)
        .says("cannot join the user namespace of container");
    sandbox
        .run(line(&["--userns", "ns:/proc/self/ns/user"], &["true"]))
        .expect(125)
        .says(
            "--userns ns:PATH is not supported: --userns container:NAME joins that of a container",
        );
}

#[test]
fn a_session_in_the_background_has_an_id_and_a_file() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.background("web", &["sleep", "1000"]);
    let session = sandbox.ok([
        "exec",
        "-d",
        "web",
        "sh",
        "-c",
        "until test -e /end; do :; done",
    ]);
    assert_eq!(session.len(), 64, "{session}");
    let file = format!("s/containers/{id}/exec/{session}/exec_pid");
    assert!(sandbox.path(&file).exists(), "{file}");
    assert_eq!(sandbox.field("web", ".ExecIDs"), format!("[{session}]"));
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    let path = sandbox.path(&file);
    watch
        .add_watch(&path, AddWatchFlags::IN_DELETE_SELF)
        .unwrap();
    sandbox.ok(["exec", "web", "touch", "/end"]);
    let mut ready = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    let told = poll(&mut ready, PollTimeout::from(10_000_u16)).unwrap();
    assert_eq!(told, 1, "{file} outlives its session");
    assert_eq!(sandbox.field("web", ".ExecIDs"), "[]");
}

#[test]
fn descriptors_that_are_not_open_are_told() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let cases: [(&[&str], &str); 4] = [
        (
            &["run", "--rm", "--preserve-fd", "77", IMAGE, "true"],
            "77 is not available - the preserve-fd",
        ),
        (
            &["exec", "--preserve-fd", "77", "web", "true"],
            "77 is not available - the preserve-fd",
        ),
        (
            &["exec", "--preserve-fds", "70", "web", "true"],
            "is not available - the preserve-fds",
        ),
        (
            &["exec", "--preserve-fd", "1", "web", "true"],
            "cannot preserve FD 1",
        ),
    ];
    for (arguments, words) in cases {
        sandbox.run(arguments).expect(125).says(words);
    }
}

#[test]
fn what_a_container_leaves_in_the_hosts_pid_namespace_ends_with_it() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mark = format!("{}.25", 900_000 + std::process::id());
    let script = format!("setsid sleep {mark} & echo ready; exec sleep 1000");
    sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--pid",
        "host",
        "--name",
        "guest",
        IMAGE,
        "sh",
        "-c",
        &script,
    ]);
    sandbox.wait_log("guest", "ready");
    let left = || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let marked = |line: &Vec<u8>| String::from_utf8_lossy(line).split('\0').any(|w| w == mark);
        lines.filter(marked).count()
    };
    sandbox.ok(["kill", "guest"]);
    sandbox.ok(["rm", "-f", "-t", "0", "guest"]);
    assert_eq!(left(), 0, "a process of the container lives on");
}

/// The image's directories belong to nobody who is inside.
#[test]
fn mounts_have_a_place_where_root_is_not_among_the_ids() {
    requires!("userns,unprivileged");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("given")).unwrap();
    fs::write(sandbox.path("given/file"), "words\n").unwrap();
    let given = sandbox.shown("given");
    let [new, usr, file] = ["/new/path", "/usr/new", "/etc/new/file"];
    let binds = [
        format!("{given}:{new}"),
        format!("{given}:{usr}"),
        format!("{given}/file:{file}"),
    ];
    let script = format!("cat {new}/file {usr}/file {file}; touch /tm/x && echo t; id -u");
    let uid = nix::unistd::geteuid().as_raw();
    for (user, id) in [(&["--userns", "keep-id"][..], uid), (&["--user", "7"], 7)] {
        let mut words = vec!["run", "--rm", "--network", "none", "--tmpfs", "/tm"];
        words.extend(user);
        for bind in &binds {
            words.extend(["-v", bind]);
        }
        words.extend([IMAGE, "sh", "-c", &script]);
        let said = sandbox.ok(words);
        assert_eq!(said, format!("words\nwords\nwords\nt\n{id}"));
    }
}

/// As ssh-agent does, which serves its own user and nobody else.
#[test]
fn an_agent_of_the_host_knows_its_user_in_a_container() {
    requires!("userns,unprivileged");
    let sandbox = Sandbox::with_image();
    let uid = nix::unistd::geteuid().as_raw();
    let listener = UnixListener::bind(sandbox.path("agent")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let peer = getsockopt(&stream, PeerCredentials).unwrap();
            writeln!(stream, "{}", peer.uid() == uid).unwrap();
        }
    });
    let agent = format!("{}:/agent", sandbox.shown("agent"));
    let client = "use IO::Socket::UNIX; my $agent = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}) \
                  or die $!; print <$agent>, \"$<\\n\"";
    let said = sandbox.ok([
        "run",
        "--rm",
        "--network",
        "none",
        "--userns",
        "keep-id",
        "-v",
        &agent,
        "-e",
        "SSH_AUTH_SOCK=/agent",
        "--rootfs",
        "/:O",
        "perl",
        "-e",
        client,
    ]);
    assert_eq!(said, format!("true\n{uid}"));
}
