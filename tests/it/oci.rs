// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coracle runtime`: what an engine does with a bundle.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, received, runs};
use crate::support::host::is_root;
use crate::support::requires;
use crate::support::sandbox::program;

#[test]
fn a_bundle_lives_and_its_hooks_see_it() {
    requires!("userns");
    let bundle = Bundle::new();
    let seen = bundle.sandbox.shown("seen");
    let hook = |point: &str| {
        let script = format!(
            "status=$(tr , '\\n' | grep status | cut -d'\"' -f4); echo {point} $status >> {seen}"
        );
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
    };
    let inside = json!([{"path": "/bin/sh", "args": ["sh", "-c", "cat > /dev/shm/state"]}]);
    bundle
        .edit(runs("cat /dev/shm/state; sleep 1000"))
        .edit(|spec| {
            spec["hooks"] = json!({
                "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
                "createContainer": hook("createContainer"), "startContainer": inside,
                "poststart": hook("poststart"), "poststop": hook("poststop"),
            });
        });
    let script = "rt create web --bundle . --pid-file pid >out 2>err </dev/null || exit 9\n\
                  rt state web | grep -c '\"status\": \"created\"'; kill -0 $(cat pid) && echo lives\n\
                  rt create web 2>&1; rt delete missing 2>&1; rt state missing 2>&1\n\
                  rt start web; rt start web 2>&1; rt state web | grep -c '\"status\": \"running\"'\n\
                  rt exec web sh -c 'exit 42'; echo $?; rt exec web nosuch 2>/dev/null; echo $?\n\
                  rt ps -f json web | grep -c $(cat pid); rt list -q; rt delete web 2>&1\n\
                  until grep -q created out; do sleep 0.01; done\n\
                  rt kill web KILL; while rt state web | grep -q running; do :; done\n\
                  rt kill web 2>&1; rt delete web; rt delete --force web; rt list -q";
    let shown = bundle.shell(script).expect(0).stdout;
    let wanted = "1\nlives\nError: container with given ID already exists: web\n\
                  Error: container does not exist: missing\n\
                  Error: container does not exist: missing\n\
                  Error: cannot start container web: it is running\n1\n42\n127\n1\nweb\n\
                  Error: cannot delete container web that is not stopped: running\n\
                  Error: container not running: web\n";
    assert_eq!(shown, wanted);
    let hooks = fs::read_to_string(seen).unwrap();
    let wanted = "prestart creating\ncreateRuntime creating\ncreateContainer creating\n\
                  poststart running\npoststop stopped\n";
    assert_eq!(hooks, wanted);
    let told = fs::read_to_string(bundle.sandbox.path("b/out")).unwrap();
    assert!(
        told.contains(r#""id":"web""#) && told.contains(r#""created""#),
        "{told}"
    );
}

#[test]
fn run_ends_with_the_code_and_leaves_nothing() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle.edit(runs("echo $(id -u) $(ls /proc/self/fd | wc -w); exit 7"));
    let outcome = bundle.shell("rt run one 5</etc/passwd; echo $?; rt list -q");
    assert_eq!(outcome.expect(0).stdout, "0 4\n7\n");
    // A descriptor that was asked for, and none of the others.
    let outcome = bundle.shell("rt run --preserve-fds 1 one 3</etc/passwd 4</etc/group");
    assert_eq!(outcome.expect(7).stdout, "0 5\n");
    // More than there are: a number that is free must not become the runtime's own, held open by
    // the program. The tests' caller may have some open itself.
    bundle
        .shell("rt run --preserve-fds 100 one 3</etc/passwd")
        .expect(7);
    bundle.edit(|spec| spec["process"]["args"] = json!(["/no/such/program"]));
    let outcome = bundle.shell("rt --log log --log-format json run one; echo $?; cat log");
    let outcome = outcome.expect(0);
    assert!(
        outcome.stdout.starts_with("127\n{\"level\":\"error\""),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stderr
            .contains("executable file `/no/such/program` not found")
    );
    bundle.edit(|spec| {
        let failing = json!([{"path": "/bin/false"}]);
        spec["hooks"] = json!({"createRuntime": failing});
    });
    let outcome = bundle.shell("rt run one; echo $?; ls ../o").expect(0);
    assert_eq!(outcome.stdout, "1\n");
    assert!(
        outcome
            .stderr
            .contains("createRuntime hook #0: /bin/false: exit code 1")
    );
    // One after the start ends the container, and those after its end only warn.
    bundle.edit(runs("sleep 1000")).edit(|spec| {
        let failing = json!([{"path": "/bin/false"}]);
        spec["hooks"] = json!({"poststart": failing, "poststop": failing});
    });
    let script = "rt create one >/dev/null </dev/null; rt start one 2>&1; echo $?; ls ../o";
    let outcome = bundle.shell(script).expect(0);
    let wanted = "Error: error running poststart hook #0: /bin/false: exit code 1\n1\n";
    assert_eq!(outcome.stdout, wanted);
    bundle.edit(|spec| spec["hooks"]["poststart"] = json!([]));
    let script = "rt create one >/dev/null </dev/null; rt delete --force one 2>&1";
    let told = bundle.shell(script).expect(0).stdout;
    assert_eq!(
        told,
        "warning: poststop hook failed with exit code 1: /bin/false\n"
    );
    // A log that nobody can read is no log.
    let refused = bundle.shell("rt --log /no/such/log list; rt --log-format xml list");
    let told = refused.expect(125).stderr;
    assert!(
        told.contains("--log /no/such/log") && told.contains("--log-format xml"),
        "{told}"
    );
}

#[test]
fn the_environment_is_what_programs_expect() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle
        .edit(runs("echo $ONE $HOME $LISTEN_FDS $LISTEN_PID; cat <&3"))
        .edit(|spec| {
            let path = "PATH=/bin:/usr/bin";
            spec["process"]["env"] = json!([path, "ONE=1", "HOME=", "ONE=2", "ONE=3"]);
        });
    // The home that the image's database has for root; a socket of the caller's, as from systemd.
    let script = "LISTEN_FDS=1 rt run t 3<config.json 4</etc/passwd | head -c 12; rt run .t 2>&1";
    let shown = bundle.shell(script).expect(1).stdout;
    assert!(shown.starts_with("3 /root 1 1\n"), "{shown}");
    assert!(shown.contains("invalid container ID format"), "{shown}");
}

#[test]
fn a_create_that_was_killed_leaves_what_delete_removes() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle.edit(runs("sleep 1000"));
    // The program itself and not a shell around it.
    let create = format!("{} runtime --root ../o create c", program());
    let script = "for ms in 02 04 06 08 10 12 14 16 18 20 22 25 30 35 40 60; do\n\
                  (CREATE </dev/null >/dev/null 2>&1 & \
                  sleep 0.0$ms; kill -9 $!; wait) 2>/dev/null\n\
                  pid=$(rt state c 2>/dev/null | grep '\"pid\"' | tr -dc 0-9)\n\
                  rt delete --force c || echo left; test -e ../o/c && echo there\n\
                  grep -s '^State:.[^Z]' /proc/${pid:-0}/status; done; :";
    let outcome = bundle.shell(&script.replace("CREATE", &create));
    assert_eq!(outcome.expect(0).stdout, "");
}

#[test]
fn a_terminal_goes_to_the_console_socket() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle.edit(|spec| {
        spec["process"]["terminal"] = json!(true);
        spec["process"]["consoleSize"] = json!({"height": 10, "width": 20});
        spec["process"]["args"] = json!(["sh", "-c", "stty size; tty; ls -l /dev/console"]);
    });
    let refused = bundle.shell("rt create t 2>&1").expect(1);
    assert!(refused.stdout.contains("without setting console socket"));
    let listener = UnixListener::bind(bundle.sandbox.path("s.sock")).unwrap();
    let create = "rt create --console-socket ../s.sock t </dev/null >/dev/null";
    bundle.shell(create).expect(0);
    let (connection, _) = listener.accept().unwrap();
    let mut name = [0_u8; 64];
    let (_, mut sent) = coracle::sys::fdpass::receive(connection.as_fd(), &mut name).unwrap();
    bundle.shell("rt start t").expect(0);
    let mut master = fs::File::from(sent.pop().expect("a descriptor came"));
    let mut shown = Vec::new();
    // EIO is how a terminal ends.
    drop(master.read_to_end(&mut shown));
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains("10 20") && shown.contains("/dev/pts/0"),
        "{shown}"
    );
    assert!(shown.contains("136,"), "{shown}");
    bundle.shell("rt delete --force t").expect(0);
}

#[test]
fn the_listener_of_a_filter_goes_to_its_agent() {
    requires!("userns");
    let bundle = Bundle::new();
    let path = bundle.sandbox.shown("agent.sock");
    bundle
        .edit(runs("mkdir /dev/shm/x; sleep 1000"))
        .edit(|spec| {
            spec["linux"]["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": path,
                "listenerMetadata": "words for the agent",
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
            });
        });
    // Nobody there to ask: the program must not run.
    let refused = bundle.shell("rt run t; echo $?; ls ../o").expect(0);
    assert_eq!(refused.stdout, "1\n");
    assert!(
        refused.stderr.contains("seccomp listener"),
        "{}",
        refused.stderr
    );
    let agent = UnixListener::bind(&path).unwrap();
    let script = "rt create --pid-file pid t </dev/null >out 2>&1; rt start t; cat pid";
    let pid: i64 = bundle
        .shell(script)
        .expect(0)
        .stdout
        .trim()
        .parse()
        .unwrap();
    let (listener, told) = received(&agent);
    let shown = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&listener)
    );
    let shown = fs::read_link(shown).unwrap();
    assert_eq!(shown.to_str(), Some("anon_inode:seccomp notify"));
    let known = (&told["metadata"], &told["pid"], &told["fds"]);
    let wanted = (
        json!("words for the agent"),
        json!(pid),
        json!(["seccompFd"]),
    );
    assert_eq!(known, (&wanted.0, &wanted.1, &wanted.2));
    assert_eq!(told["state"]["id"], "t");
    // An agent that is gone answers nothing: the call is as if it did not exist.
    drop(listener);
    let script = "until grep -q mkdir out; do sleep 0.05; done; cat out";
    let failed = bundle.shell(script).expect(0).stdout;
    assert!(failed.contains("Function not implemented"), "{failed}");
    // A session has a filter of its own.
    let script = "(exec >second 2>&1; rt exec t mkdir /dev/shm/y) &";
    bundle.shell(script).expect(0);
    let (listener, told) = received(&agent);
    assert_eq!(told["state"]["status"], "running");
    assert_ne!(told["pid"], json!(pid));
    drop(listener);
    let script = "until grep -q mkdir second; do sleep 0.05; done; cat second; rt delete -f t";
    let failed = bundle.shell(script).expect(0).stdout;
    assert!(failed.contains("Function not implemented"), "{failed}");
    bundle.edit(|spec| spec["linux"]["seccomp"]["listenerPath"] = json!(""));
    bundle.shell("rt run t").expect(1);
}

#[test]
fn mounts_take_the_words_of_the_specification() {
    requires!("userns");
    let bundle = Bundle::new();
    let rootfs = bundle.sandbox.path("b/rootfs");
    std::os::unix::fs::symlink("../made/for/it", rootfs.join("etc/dangling")).unwrap();
    std::os::unix::fs::symlink("nowhere", rootfs.join("link")).unwrap();
    fs::write(bundle.sandbox.path("b/file"), "of the host").unwrap();
    std::os::unix::fs::symlink("file", bundle.sandbox.path("b/a-link")).unwrap();
    let mounted =
        "awk '$5 == \"/strict\" || $5 == \"/closed\" { print $5, $6 }' /proc/self/mountinfo";
    bundle
        .edit(runs(&format!(
            "cat /made/for/it /link; echo; readlink /link2; {mounted}; cat /closed/in; \
             touch /closed/x 2>&1; pwd; cat /proc/sys/kernel/domainname"
        )))
        .edit(|spec| {
            spec["process"]["cwd"] = json!("/some/dir");
            spec["domainname"] = json!("a.domain");
            let mut add = |to: &str, source: &str, options: &[&str]| {
                let kind = if source == "tmpfs" { "tmpfs" } else { "bind" };
                let mount = json!({"destination": to, "type": kind, "source": source,
                    "options": options});
                spec["mounts"].as_array_mut().unwrap().push(mount);
            };
            add("/etc/dangling", "file", &["bind"]);
            add("/link", "file", &["bind", "dest-nofollow"]);
            add("/link2", "a-link", &["bind", "src-nofollow"]);
            add("/strict", "tmpfs", &["strictatime", "nosuid", "rnodev"]);
            add("/closed", "tmpfs", &["ro"]);
            add("/closed/in", "file", &["bind"]);
        });
    let outcome = bundle.shell("rt run t").expect(0);
    let wanted = "of the hostof the host\nfile\n/strict rw,nosuid,nodev\n/closed ro,relatime\n\
                  of the hosttouch: /closed/x: Read-only file system\n/some/dir\na.domain\n";
    assert_eq!(outcome.stdout, wanted);
    // The root is closed, and the places that were missing are inside of it.
    assert!(bundle.sandbox.path("b/rootfs/made/for/it").exists());
    bundle.edit(|spec| spec["mounts"][0]["destination"] = json!("/"));
    let refused = bundle.shell("rt run t").expect(1).stderr;
    assert!(refused.contains("it is the container's root"), "{refused}");
}

#[test]
fn the_kernel_shares_as_the_specification_says() {
    requires!("userns");
    let bundle = Bundle::new();
    let script =
        "cut -d' ' -f19,41 /proc/self/stat; ionice -p 1; grep -c ' local ' /proc/self/numa_maps";
    bundle.edit(runs(script)).edit(|spec| {
        spec["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 19});
        spec["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
        spec["linux"]["memoryPolicy"] = json!({"mode": "MPOL_LOCAL"});
    });
    let shown = bundle.shell("rt run t").stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..2], ["19 3", "best-effort: prio 6"], "{shown}");
    if fs::exists("/proc/self/numa_maps").unwrap() {
        assert_ne!(lines[2], "0", "{shown}");
    }
    bundle.edit(|spec| spec["linux"]["memoryPolicy"]["nodes"] = json!("x"));
    let refused = bundle.shell("rt run t").expect(1).stderr;
    assert!(refused.contains("linux.memoryPolicy.nodes"), "{refused}");
}

#[test]
fn what_a_spec_asks_in_vain_is_told_and_not_refused() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle
        .edit(runs("grep -c CapAmb:.*0000020$ /proc/self/status"))
        .edit(|spec| {
            let sets = &mut spec["process"]["capabilities"];
            sets["bounding"] = json!(["CAP_KILL", "CAP_CHOWN", "CAP_OF_TOMORROW"]);
            sets["permitted"] = json!(["CAP_KILL", "CAP_CHOWN"]);
            sets["inheritable"] = json!(["CAP_KILL"]);
            sets["ambient"] = json!(["CAP_KILL", "CAP_CHOWN"]);
            // As without a path.
            for namespace in spec["linux"]["namespaces"].as_array_mut().unwrap() {
                namespace["path"] = json!("");
            }
        });
    let shown = bundle.shell("rt run t; rt --log log run t; cat log 1>&2");
    let shown = shown.expect(0);
    assert_eq!(shown.stdout, "1\n1\n");
    for words in [
        "warning: ignoring unknown or unavailable capabilities: [CAP_OF_TOMORROW]\n",
        "warning: can't raise ambient capability CAP_CHOWN: it is not in the inheritable set\n",
        " level=warning msg=\"can't raise ambient capability CAP_CHOWN",
    ] {
        assert_eq!(shown.stderr.matches(words).count(), 1, "{}", shown.stderr);
    }
    let rootfs = bundle.sandbox.path("b/rootfs");
    fs::remove_dir(rootfs.join("proc")).unwrap();
    std::os::unix::fs::symlink("tmp", rootfs.join("proc")).unwrap();
    let refused = bundle.shell("rt run t").expect(1).stderr;
    assert!(
        refused.contains("mount proc on /proc: it must be mounted on ordinary directory"),
        "{refused}"
    );
}

#[test]
fn hooks_have_the_environment_and_say_why() {
    requires!("userns");
    let bundle = Bundle::new();
    let hook = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    bundle.edit(runs("true")).edit(|spec| {
        spec["process"]["env"] = json!(["PATH=/bin:/usr/bin", "ONE=two"]);
        spec["hooks"] = json!({"startContainer": hook("test $ONE$HOME = two/root")});
    });
    bundle.shell("rt run t").expect(0);
    bundle.edit(|spec| {
        spec["process"]["terminal"] = json!(true);
        spec["hooks"] = json!({"startContainer": hook("cat /no/such/file")});
    });
    let told = bundle.shell("rt run t </dev/null").expect(1).stderr;
    assert!(
        told.contains("exit code 1: cat: ") && told.contains("/no/such/file"),
        "{told}"
    );
}

#[test]
fn sessions_and_terminals_are_as_with_other_runtimes() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle.edit(|spec| {
        spec["process"]["args"] = json!(["sh", "-c", "uname -m; echo end"]);
        spec["linux"]["personality"] = json!({"domain": "LINUX32", "flags": []});
    });
    // Somebody who reads a pipe wants lines, whatever the program has.
    assert_eq!(
        bundle.shell("rt run t </dev/null").expect(0).stdout,
        "i686\nend\n"
    );
    let offsets = "uname -m; tr -s ' ' ' ' < /proc/self/timens_offsets";
    let process = json!({"cwd": "/", "args": ["sh", "-c", offsets]});
    fs::write(bundle.sandbox.path("b/p"), process.to_string()).unwrap();
    bundle.edit(runs("sleep 1000")).edit(|spec| {
        let time = json!({"type": "time"});
        spec["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(time);
        spec["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 7, "nanosecs": 9}});
    });
    let script = "rt run -d t </dev/null >/dev/null 2>&1; rt exec --process /dev/fd/3 t 3<p\n\
                  rt exec --pid-file /no/such/pid t true 2>/dev/null; echo $?\n\
                  rt kill t KILL; while rt state t | grep -q running; do :; done\n\
                  rt kill t 0 2>&1; rt kill --all t; echo $?; rt delete t";
    let wanted = "i686\nmonotonic 7 9\nboottime 0 0\n255\nError: container not running: t\n0\n";
    assert_eq!(bundle.shell(script).expect(0).stdout, wanted);
}

/// What engines and suites give to runtimes, and the forms in which they do.
#[test]
fn engines_are_met_halfway() {
    requires!("userns");
    let bundle = Bundle::new();
    let flags = "--rootless=true --cgroup-manager=cgroupfs --log-format=text";
    for version in ["1.0.0", "1.2.1-dev", "1.9.3"] {
        bundle
            .edit(runs("echo runs"))
            .edit(|spec| spec["ociVersion"] = json!(version));
        let run = format!("rt {flags} run --no-pivot --no-new-keyring t --bundle . </dev/null");
        assert_eq!(bundle.shell(&run).expect(0).stdout, "runs\n", "{version}");
    }
    bundle.edit(runs(
        "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done",
    ));
    let script = "for signal in '' 15 9 TERM KILL SIGKILL; do\n\
                  rt run -d t </dev/null >out 2>&1; until grep -q ready out; do sleep 0.05; done\n\
                  rt kill t $signal; while rt state t | grep -q running; do sleep 0.05; done\n\
                  rt delete t && echo gone; done; rt --systemd-cgroup list -q\n\
                  rt features | grep -c ociVersionMax; rt kill t nonsense 2>&1";
    let told = bundle.shell(script).stdout;
    let (gone, rest) = told.split_at("gone\n".len() * 6);
    assert_eq!(gone, "gone\n".repeat(6), "{told}");
    assert!(rest.starts_with("1\nError: "), "{told}");
}

/// Root may show the files of most file systems under other ids; for everybody else, and where the
/// file system cannot, the mount is refused, for it would show what it must not.
#[test]
fn a_mount_shows_other_ids_where_the_kernel_lets_it() {
    requires!("userns");
    let bundle = Bundle::new();
    let data = bundle.sandbox.path("b/data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "of the host").unwrap();
    let map = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    let forms = [
        ("idmap=uids=0-1000-1;gids=0-2000-1", None),
        ("ridmap=uids=0-1000-1;gids=0-2000-1", None),
        ("rbind", Some((map(1000), map(2000)))),
    ];
    bundle.edit(runs("stat -c %u:%g /data/file; cat /data/file"));
    for (option, maps) in forms {
        bundle.edit(|spec| {
            let mounts = spec["mounts"].as_array_mut().unwrap();
            mounts.retain(|mount| mount["destination"] != "/data");
            let mut mount = json!({"destination": "/data", "type": "bind", "source": "data",
                "options": ["bind", "ro", option]});
            if let Some((uids, gids)) = maps {
                mount["uidMappings"] = uids;
                mount["gidMappings"] = gids;
            }
            mounts.push(mount);
        });
        let outcome = bundle.shell("rt run t");
        if outcome.code == 0 && is_root() {
            assert_eq!(outcome.stdout, "1000:2000\nof the host", "{option}");
            continue;
        }
        let outcome = outcome.expect(1);
        assert_eq!(outcome.stdout, "", "{option}");
        let why = "cannot be mapped for /data: that takes the rights of root over its file system";
        assert!(outcome.stderr.contains(why), "{option}: {outcome:?}");
    }
    let rest = bundle.shell("rt list -q; rt state t").expect(1);
    assert_eq!(rest.stdout, "", "{rest:?}");
}

/// A bundle without mounts of its own has the /dev of its root: nothing there leads out, neither
/// for the masks nor for the terminal.
#[test]
fn a_dev_of_the_image_masks_and_shows_nothing_else_cve_2025_31133_cve_2025_52565() {
    requires!("userns");
    let bundle = Bundle::new();
    let canary = bundle.sandbox.file("canary", "untouched\n");
    let secret = bundle.sandbox.path("b/rootfs/etc/secret");
    fs::write(&secret, "secret\n").unwrap();
    bundle
        .edit(runs("cat /etc/secret; echo spoilt > /etc/secret; true"))
        .edit(|spec| {
            spec["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
            spec["linux"]["maskedPaths"] = json!(["/etc/secret"]);
        });
    let dev = bundle.sandbox.path("b/rootfs/dev");
    for terminal in [false, true] {
        bundle.edit(|spec| spec["process"]["terminal"] = json!(terminal));
        for target in [&*canary, "/etc/secret", "/proc/sys/kernel/hostname"] {
            for name in ["null", "console", "ptmx", "pts", "tty"] {
                fs::remove_dir_all(&dev).unwrap();
                fs::create_dir(&dev).unwrap();
                std::os::unix::fs::symlink(target, dev.join(name)).unwrap();
                let outcome = bundle.shell("rt run t </dev/null; rt delete -f t");
                let case = format!("{name} to {target}, terminal {terminal}: {outcome:?}");
                assert!(!outcome.stdout.contains("secret"), "{case}");
                assert_eq!(
                    fs::read_to_string(&canary).unwrap(),
                    "untouched\n",
                    "{case}"
                );
                assert_eq!(fs::read_to_string(&secret).unwrap(), "secret\n", "{case}");
            }
        }
    }
}

/// The stage that waits lets nobody look into it, and hands its namespaces out to its owner.
#[test]
fn a_container_that_is_only_created_is_entered() {
    requires!("userns");
    let bundle = Bundle::new();
    let time = json!({"type": "time"});
    bundle
        .edit(runs("cat /dev/shm/made; exec sleep 1000"))
        .edit(|spec| {
            let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.push(time);
            spec["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "0"});
        });
    let script = "rt create t </dev/null >out 2>&1; rt state t | grep status\n\
                  rt exec t sh -c 'echo entered > /dev/shm/made; cat /proc/self/comm; hostname; \
                  grep Cpus_allowed_list /proc/self/status; \
                  { echo x >> /proc/1/exe; cat /proc/1/environ; } 2>/dev/null; readlink /proc/1/fd/0 /proc/1/exe /proc/1/cwd'\n\
                  rt start t; until grep -q entered out; do sleep 0.05; done\n\
                  rt exec t echo again; rt delete -f t";
    let outcome = bundle.shell(script);
    let wanted = "  \"status\": \"created\",\ncat\ncoracle\nCpus_allowed_list:\t0\nagain\n";
    assert_eq!(outcome.stdout, wanted, "{outcome:?}");
    bundle.edit(|spec| spec["process"]["execCPUAffinity"] = json!({"final": "8000"}));
    let script = "rt run -d t </dev/null >out 2>&1; rt exec t true; rt delete -f t";
    let refused = bundle.shell(script).stderr;
    assert!(refused.contains("execCPUAffinity"), "{refused}");
}

#[test]
fn each_step_is_told_to_who_debugs() {
    requires!("userns");
    let bundle = Bundle::new();
    bundle.edit(runs("true"));
    let script = "rt --debug run t; rt --log log --log-format json --log-level debug run t";
    let outcome = bundle.shell(script).expect(0);
    assert_eq!(outcome.stdout, "");
    let steps = [
        "mount proc on /proc",
        "enter the root",
        "find and execute [\"sh\"",
        "delete container t",
    ];
    let line = "level=debug msg=\"";
    assert!(
        outcome.stderr.lines().all(|each| each.contains(line)),
        "{outcome:?}"
    );
    let log = fs::read_to_string(bundle.sandbox.path("b/log")).unwrap();
    let parsed = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<String> = parsed.map(|line| line["msg"].to_string()).collect();
    let (told, shown) = (
        told.join("\n").replace('\\', ""),
        outcome.stderr.replace('\\', ""),
    );
    for step in steps {
        assert!(
            shown.contains(step) && told.contains(step),
            "{step}: {shown}\n{told}"
        );
    }
    // What fails is the last that was told.
    bundle.edit(|spec| spec["mounts"][1]["destination"] = json!("/bin/sh"));
    let refused = bundle.shell("rt --debug run t 2>&1 | tail -n 2").stdout;
    let [step, error] = refused.lines().collect::<Vec<_>>()[..] else {
        panic!("{refused}");
    };
    assert!(step.contains("on /bin/sh\""), "{refused}");
    assert!(
        error.starts_with("Error: mount ") && error.contains("on /bin/sh: "),
        "{refused}"
    );
}
