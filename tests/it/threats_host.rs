// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What others on the machine could make of coracle: programs that are found by a name, words that
//! everybody may read, mounts that somebody has restricted, and containers that see its processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::crash::{kill_and_wait, process};
use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

/// The words of every process that can be seen, a line each.
fn command_lines() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let words = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let line = |words: Vec<u8>| String::from_utf8_lossy(&words).replace('\0', " ");
    words.map(line).collect()
}

/// The helpers may write any map of the user's: the caller's PATH does not choose them.
#[test]
fn programs_with_rights_are_not_looked_for_in_path() {
    requires!("userns,range,unprivileged");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    let called = sandbox.shown("called");
    fs::create_dir(sandbox.path("bin")).unwrap();
    for name in ["newuidmap", "newgidmap", "getsubids"] {
        let path = format!("bin/{name}");
        let script = sandbox.file(
            &path,
            &format!("#!/bin/sh\necho {name} >>{called}\nexit 1\n"),
        );
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", sandbox.shown("bin"), env!("PATH"));
    let rootfs = format!("{}:O", sandbox.rootfs("root"));
    let words = ["run", "--rm", "--network", "none", "--rootfs", &rootfs];
    let count = ["sh", "-c", "wc -l </proc/self/uid_map"];
    let run = sandbox.call([&words[..], &count].concat());
    let lines = run.env("PATH", &path).run().expect(0);
    assert_ne!(lines.out(), "1", "a range is mapped");
    assert!(!sandbox.path("called").exists(), "a stranger was called");
}

#[test]
fn no_process_that_stays_shows_the_words_of_its_command() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    let word = format!("PASSWORD=hunter{}", std::process::id());
    let run = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "-e",
        &word,
    ];
    let check = ["--health-cmd", "sleep 1000", "--health-interval", "1s"];
    sandbox.ok([&run[..], &check, &[IMAGE, "sleep", "1000"]].concat());
    sandbox.ok(["exec", "-d", "-e", &word, "web", "sleep", "1000"]);
    let all = command_lines();
    let telling: Vec<_> = all.iter().filter(|line| line.contains(&word)).collect();
    assert!(telling.is_empty(), "{telling:?}");
    let store = format!("--root {}", sandbox.shown("s"));
    let own = |kind: &str| {
        all.iter()
            .any(|line| line.contains(kind) && line.contains(&store))
    };
    assert!(own("coracle monitor") && own("coracle session"), "{all:?}");
}

/// Pipes and terminals of the caller's belong to it: /dev/stdout is opened anew.
#[test]
fn standard_streams_open_for_the_containers_user() {
    requires!("userns,range");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let script = "cat </dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr";
    let run = [
        "run",
        "--rm",
        "-i",
        "--network",
        "none",
        "-u",
        "guest",
        IMAGE,
    ];
    let exec = ["exec", "-i", "-u", "guest", "web"];
    for words in [&run[..], &exec] {
        let call = sandbox.call([words, &["sh", "-c", script]].concat());
        let seen = call.stdin("in\n").run().expect(0);
        assert_eq!((seen.out(), seen.err()), ("in\nout", "err"));
    }
    let run = [
        "run",
        "--rm",
        "-t",
        "--network",
        "none",
        "-u",
        "guest",
        IMAGE,
    ];
    let seen = sandbox.run([&run[..], &["sh", "-c", "echo out >/dev/stdout"]].concat());
    assert_eq!(seen.expect(0).stdout, "out\r\n");
}

/// The kernel locks them for a user namespace: what forgets them is refused, or undoes them.
#[test]
fn restrictions_of_the_hosts_mounts_stay() {
    requires!("userns");
    let mounts = "mount -t tmpfs -o mode=700 none s && mkdir h && \
                  mount -t tmpfs -o nosuid,nodev,noexec none h";
    let script = r#"
        "$@" import -q small.tar small >/dev/null
        for options in rw ro rbind,ro dev,suid,exec; do
            "$@" run --rm --network none -v $PWD/h:/h:$options small \
                awk '$5 == "/h" { print $6 }' /proc/self/mountinfo || echo refused $?
        done
        "$@" run --rm --network none -v $PWD/h:/h small sh -c 'cp /bin/busybox /h/true && /h/true'
        echo $?
    "#;
    let outcome = Sandbox::new().nested(mounts, script).expect(0);
    let flags = "nosuid,nodev,noexec,relatime";
    let expected = format!("rw,{flags}\nro,{flags}\nro,{flags}\n");
    assert!(outcome.stdout.starts_with(&expected), "{outcome:?}");
    assert!(outcome.stdout.ends_with("\n126\n"), "{outcome:?}");
    let lifted = outcome.stdout.lines().nth(3).unwrap();
    let kept = format!("rw,{flags}");
    assert!(lifted == kept || lifted.starts_with("refused"), "{lifted}");
}

/// `--pid host` is what it says: the root of such a container may signal what its user may. A
/// monitor that it kills is missed, and the container goes with it.
#[test]
fn a_monitor_killed_by_a_container_is_found_out() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("victim", &["sleep", "1000"]);
    let monitor = process(&sandbox, "victim", ".State.ConmonPid");
    let kill = format!("kill -9 {monitor}");
    let words = ["run", "--rm", "--network", "none", "--pid", "host", IMAGE];
    sandbox.ok([&words[..], &["sh", "-c", &kill]].concat());
    kill_and_wait(&[monitor]);
    // Its own one.
    let words = [
        "run",
        "-d",
        "--network",
        "none",
        "--pid",
        "host",
        "--name",
        "own",
    ];
    let script = "read go </dev/shm/go; kill -9 $PPID; sleep 1000";
    let script = format!("mkfifo /dev/shm/go; echo ready; {script}");
    sandbox.ok([&words[..], &[IMAGE, "sh", "-c", &script]].concat());
    sandbox.wait_log("own", "ready");
    let monitor = process(&sandbox, "own", ".State.ConmonPid");
    sandbox.ok(["exec", "own", "sh", "-c", "echo >/dev/shm/go"]);
    assert_eq!(sandbox.ok(["wait", "own"]), "137");
    kill_and_wait(&[monitor]);
    for name in ["victim", "own"] {
        assert_eq!(sandbox.field(name, ".State.Status"), "exited");
        let why = sandbox.field(name, ".State.Error");
        assert!(why.contains("monitor"), "{name}: {why}");
    }
    let shown = sandbox.ok(["ps", "-a", "--format", "{{.Status}}"]);
    assert_eq!(shown.matches("Exited (137)").count(), 2, "{shown}");
}
