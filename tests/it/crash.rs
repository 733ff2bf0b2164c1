// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SIGKILL of anything at any moment, and many commands at once: what comes next is right, and
//! nothing is left behind.

use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::network::until_ended;
use crate::support::host::own_cgroup;
use crate::support::process::PATIENCE;
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

/// The process in a field of inspect: `.State.Pid`, `.State.ConmonPid`.
pub(crate) fn process(sandbox: &Sandbox, container: &str, field: &str) -> Pid {
    let pid = sandbox.field(container, field).parse().expect("a number");
    assert_ne!(pid, 0, "{container} runs");
    Pid::from_raw(pid)
}

/// Kills and waits until there is no such process: its parent may be somebody else.
pub(crate) fn kill_and_wait(processes: &[Pid]) {
    for pid in processes {
        // A container dies with its monitor, perhaps before its turn.
        let killed = kill(*pid, Signal::SIGKILL);
        assert!(matches!(killed, Ok(()) | Err(Errno::ESRCH)), "{killed:?}");
    }
    let deadline = Instant::now() + PATIENCE;
    for pid in processes {
        while !is_gone(*pid) {
            assert!(Instant::now() < deadline, "{pid} does not end");
            std::thread::yield_now();
        }
    }
}

/// Whether it is no more, or only waits for its parent.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let is_zombie = stat.is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('Z'));
    is_zombie || kill(pid, None) == Err(Errno::ESRCH)
}

/// What is left of containers that are no more: files, names, sockets, processes.
fn left_over(sandbox: &Sandbox) -> Vec<String> {
    let mut left = Vec::new();
    for directory in ["s/containers", "s/names/containers", "s/tmp", "r/c"] {
        let entries = fs::read_dir(sandbox.path(directory)).into_iter().flatten();
        left.extend(entries.map(|entry| entry.unwrap().path().display().to_string()));
    }
    let marker = sandbox.shown("s");
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // That of a monitor names its store.
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.contains(&marker) {
            left.push(line.replace('\0', " "));
        }
    }
    left
}

#[track_caller]
fn assert_nothing_left(sandbox: &Sandbox) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left_over(sandbox);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left over: {left:#?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_monitor_takes_its_container_with_it() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let container = process(&sandbox, "web", ".State.Pid");
    let monitor = process(&sandbox, "web", ".State.ConmonPid");
    kill_and_wait(&[monitor]);
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.ok(["ps", "-q"]), "");
    let status = sandbox.ok(["ps", "-a", "--format", "{{.Status}}"]);
    assert!(status.starts_with("Exited (137)"), "{status}");
    sandbox.run(["kill", "web"]).expect(125);
    let why = sandbox.field("web", ".State.Error");
    assert!(why.contains("monitor"), "{why}");
    assert_eq!(sandbox.ok(["wait", "web"]), "137");
    sandbox.ok(["start", "web"]);
    assert_eq!(sandbox.field("web", ".State.Status"), "running");
    assert!(is_gone(container));
    kill_and_wait(&[process(&sandbox, "web", ".State.ConmonPid")]);
    sandbox
        .run(["stop", "-t", "0", "web"])
        .expect(125)
        .says("exit code could not be retrieved: conmon process killed");
    assert_eq!(sandbox.ok(["stop", "web"]), "web", "told once");
    assert_eq!(sandbox.ok(["rm", "-f", "web"]), "web");
    assert_nothing_left(&sandbox);
}

#[test]
fn what_shares_the_hosts_pids_is_found_after_its_monitor_was_killed() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // Without a cgroup nothing but its mounts tells whose a process is.
    // Both have their programs before the monitor is killed: a FUSE overlay ends as well.
    let script = "cd /dev/shm; mkfifo up stay; exec 4<>up
        for i in 1 2; do setsid sh -c 'exec 3<>stay; echo $$ >up; read _ <&3' & done
        read one <&4; read other <&4; echo $one; echo $other; echo $$ ready; wait";
    let flags = [
        "run",
        "-d",
        "--network",
        "none",
        "--pid",
        "host",
        "--cgroups",
        "disabled",
    ];
    let image = sandbox.image();
    let rest = ["--name", "web", image, "sh", "-c", script];
    sandbox.ok([&flags[..], &rest].concat());
    sandbox.wait_log("web", "ready");
    let log = sandbox.ok(["logs", "web"]);
    let first_word = |line: &str| line.split(' ').next()?.parse().ok().map(Pid::from_raw);
    let processes: Vec<Pid> = log.lines().filter_map(first_word).collect();
    assert_eq!(processes.len(), 3, "{log}");
    kill_and_wait(&[process(&sandbox, "web", ".State.ConmonPid")]);
    // The first process ends with its monitor, in its own time.
    until_ended(processes.last().copied());
    sandbox
        .run(["rm", "-f", "web"])
        .expect(0)
        .says("2 processes that it left running were ended");
    for pid in processes {
        until_ended(Some(pid));
    }
    assert_nothing_left(&sandbox);
}

#[test]
fn a_killed_container_has_its_code() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    kill_and_wait(&[process(&sandbox, "web", ".State.Pid")]);
    assert_eq!(sandbox.ok(["wait", "web"]), "137");
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "137");
    assert_eq!(sandbox.ok(["rm", "web"]), "web");
    assert_nothing_left(&sandbox);
}

#[test]
fn cleanup_finishes_what_a_killed_monitor_left() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.background("web", &["sleep", "1000"]);
    sandbox
        .run(["container", "cleanup", "web"])
        .expect(125)
        .says(&format!(
            "container {id} is running or paused, refusing to clean up"
        ));
    kill_and_wait(&[process(&sandbox, "web", ".State.ConmonPid")]);
    assert_eq!(sandbox.ok(["container", "cleanup", "web"]), "web");
    assert_eq!(sandbox.ok(["ps", "-aq", "--no-trunc"]), id);
    assert_eq!(sandbox.ok(["container", "cleanup", "--rm", "-a"]), id);
    assert_nothing_left(&sandbox);
}

#[test]
fn everything_killed_at_once_is_told_and_goes() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mut run = vec!["run", "--rm", "--network", "none", "--name", "front"];
    run.extend([IMAGE, "sh", "-c", "echo up; sleep 1000"]);
    let front = sandbox.call(run).spawn();
    front.wait_for("up");
    sandbox.background("back", &["sleep", "1000"]);
    let mut processes = vec![front.pid()];
    for name in ["front", "back"] {
        // The monitor first: it would clean up after a container that ended before it.
        processes.push(process(&sandbox, name, ".State.ConmonPid"));
        processes.push(process(&sandbox, name, ".State.Pid"));
    }
    kill_and_wait(&processes);
    assert_eq!(sandbox.ok(["ps", "-q"]), "");
    assert_eq!(sandbox.ok(["ps", "-aq"]).lines().count(), 2);
    let name = [
        "run",
        "--rm",
        "--network",
        "none",
        "--replace",
        "--name",
        "front",
        IMAGE,
    ];
    let again = name.into_iter().chain(["echo", "again"]);
    assert_eq!(sandbox.ok(again), "again");
    assert_eq!(sandbox.ok(["rm", "back"]), "back");
    assert_nothing_left(&sandbox);
}

#[test]
fn a_killed_command_leaves_the_container_to_its_monitor() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "trap 'exit 6' TERM; echo up; while :; do sleep 0.05; done";
    let mut run = vec!["run", "--network", "none", "--name", "web"];
    run.extend([IMAGE, "sh", "-c", script]);
    let command = sandbox.call(run).spawn();
    command.wait_for("up");
    kill_and_wait(&[command.pid()]);
    assert_eq!(sandbox.field("web", ".State.Status"), "running");
    sandbox.ok(["stop", "web"]);
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "6");
}

#[test]
fn a_command_killed_at_any_moment_leaves_nothing_that_rm_does_not_find() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mut run = vec!["run", "-d", "--rm", "--network", "none"];
    run.extend([IMAGE, "sleep", "1000"]);
    for round in 0..40_u64 {
        let command = sandbox.call(run.clone()).spawn();
        command.wait_at_most(Duration::from_micros(round * 500));
        kill(command.pid(), Signal::SIGKILL).ok();
    }
    let records = fs::read_dir(sandbox.path("s/containers")).unwrap();
    let ids: Vec<_> = records.map(|record| record.unwrap().file_name()).collect();
    // A monitor that has just been forked may still be on its way.
    let deadline = Instant::now() + PATIENCE;
    while !left_over(&sandbox).is_empty() {
        assert!(
            Instant::now() < deadline,
            "left over: {:#?}",
            left_over(&sandbox)
        );
        sandbox.ok(["rm", "-f", "-a", "-t", "0"]);
        sandbox.run(["system", "check", "--repair"]);
    }
    for id in ids {
        let name = format!("coracle-{}", &id.to_str().unwrap()[..12]);
        let left = own_cgroup()
            .map(|own| own.join(name))
            .filter(|left| left.exists());
        assert_eq!(left, None, "a cgroup is left");
    }
}

#[test]
fn a_removal_killed_at_any_moment_is_finished_by_the_next() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    for round in 0..20_u64 {
        sandbox.background("web", &["sleep", "1000"]);
        let removal = sandbox.call(["rm", "-f", "-t", "0", "web"]).spawn();
        removal.wait_at_most(Duration::from_micros(round * 700));
        kill(removal.pid(), Signal::SIGKILL).ok();
        sandbox.ok(["ps", "-a"]);
        sandbox.ok(["rm", "-f", "-i", "-t", "0", "web"]);
    }
    // One that was killed when the name was free already: the next is that of another container.
    sandbox.background("web", &["sleep", "1000"]);
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    assert_nothing_left(&sandbox);
}

#[test]
fn a_killed_file_system_stops_its_container_which_starts_again() {
    requires!("userns,fuse");
    let sandbox = Sandbox::with_image();
    let fuse = ["--storage-opt", "engine=fuse"];
    let run = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sh",
        "-c",
        "echo kept >>/file; sleep 1000",
    ];
    sandbox.ok(fuse.into_iter().chain(run));
    sandbox.ok(["exec", "web", "sh", "-c", "until test -s /file; do :; done"]);
    let monitor = process(&sandbox, "web", ".State.ConmonPid");
    let container = process(&sandbox, "web", ".State.Pid");
    let children = fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    let children = children
        .split_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().unwrap()));
    let server: Vec<Pid> = children.filter(|pid| *pid != container).collect();
    assert_eq!(server.len(), 1, "the monitor's other child");
    kill_and_wait(&server);
    assert_eq!(sandbox.ok(["wait", "web"]), "137");
    let told = sandbox.run(["logs", "web"]).expect(0);
    told.says("the process that served the container's root file system has ended");
    sandbox.ok(["start", "web"]);
    let script = "until test $(wc -l </file) = 2; do :; done; cat /etc/issue";
    let issue = sandbox.ok(["exec", "web", "sh", "-c", script]);
    assert_eq!(issue, "a small root file system");
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    assert_nothing_left(&sandbox);
}

#[test]
fn many_at_once_end_right() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let many = 24;
    let calls: Vec<_> = (0..many)
        .map(|code| {
            let script = format!("echo {code}; exit {code}");
            let mut run = vec!["run", "--rm", "--network", "none", IMAGE, "sh", "-c"];
            run.push(&script);
            (code, sandbox.call(run).spawn())
        })
        .collect();
    for (code, call) in calls {
        assert_eq!(call.finish().expect(code).out(), code.to_string());
    }
    assert_nothing_left(&sandbox);
}

#[test]
fn verbs_at_the_same_time_as_the_end() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    for round in 0..10 {
        let name = format!("web{round}");
        sandbox.background(&name, &["sh", "-c", "exit 3"]);
        // One of them meets the container before its end, another while it ends, another after.
        let verbs = [
            vec!["wait", &name],
            vec!["stop", "-t", "0", &name],
            vec!["kill", &name],
            vec!["inspect", &name],
            vec!["restart", "-t", "0", &name],
        ];
        let calls: Vec<_> = verbs
            .into_iter()
            .map(|verb| sandbox.call(verb).spawn())
            .collect();
        for call in calls {
            let outcome = call.finish();
            assert!([0, 125].contains(&outcome.code), "{outcome:?}");
        }
        sandbox.ok(["rm", "-f", "-t", "0", &name]);
    }
    assert_nothing_left(&sandbox);
}
