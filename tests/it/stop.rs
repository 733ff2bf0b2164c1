// SPDX-License-Identifier: Apache-2.0 OR MIT
//! stop, kill, pause: what reaches the container, how long it may take, and what is recorded.

use std::time::{Duration, Instant};

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

/// Says which signals arrive, and ends with 7 on SIGQUIT.
const LISTENER: &str = "for s in HUP INT USR1 USR2 TERM WINCH; do trap \"echo got $s\" $s; done; \
                        trap 'echo bye; exit 7' QUIT";

#[test]
fn stop_sends_the_stop_signal_and_waits() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("web", "trap 'echo leaving; exit 5' TERM");
    let started = Instant::now();
    assert_eq!(sandbox.ok(["stop", "web"]), "web");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "it obeyed, so no wait"
    );
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "5");
    assert!(sandbox.ok(["logs", "web"]).ends_with("leaving"));
    // Again, and before it ever ran, is no error.
    assert_eq!(sandbox.ok(["stop", "web"]), "web");
    sandbox.ok(["create", "--name", "new", IMAGE, "true"]);
    assert_eq!(sandbox.ok(["stop", "new"]), "new");
    assert_eq!(sandbox.field("new", ".State.Status"), "created");
}

#[test]
fn stop_resorts_to_sigkill_when_the_time_is_over() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("deaf", "trap '' TERM");
    let started = Instant::now();
    let stopped = sandbox.run(["stop", "-t", "1", "deaf"]).expect(0).says(
        "StopSignal SIGTERM failed to stop container deaf in 1 seconds, resorting to SIGKILL",
    );
    assert_eq!(stopped.out(), "deaf");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(sandbox.field("deaf", ".State.ExitCode"), "137");
    sandbox.ok(["start", "deaf"]);
    let at_once = sandbox.run(["stop", "--time=0", "deaf"]).expect(0);
    assert_eq!(at_once.err(), "");
}

#[test]
fn the_container_chooses_its_stop_signal_and_time() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = format!("{LISTENER}; echo ready; while :; do sleep 0.1; done");
    sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "--stop-signal",
        "SIGQUIT",
        "--stop-timeout",
        "1",
        IMAGE,
        "sh",
        "-c",
        &script,
    ]);
    sandbox.wait_log("web", "ready");
    sandbox.ok(["stop", "web"]);
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "7");
    let refused = sandbox.run(["create", "--stop-signal", "NOPE", IMAGE, "true"]);
    refused.expect(125).says("invalid signal: NOPE");
}

#[test]
fn stop_all_stops_what_runs_and_prints_ids() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let one = sandbox.background("one", &["sleep", "1000"]);
    let two = sandbox.background("two", &["sleep", "1000"]);
    sandbox.ok(["create", "--name", "idle", IMAGE, "true"]);
    let stopped = sandbox.ok(["stop", "-a", "-t", "0"]);
    assert!(
        stopped.contains(&one) && stopped.contains(&two),
        "{stopped}"
    );
    assert_eq!(sandbox.ok(["ps", "-q"]), "");
    assert_eq!(sandbox.field("idle", ".State.Status"), "created");
}

#[test]
fn what_is_missing_is_told_or_ignored() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let words = "no container with name or ID \"nosuch\" found: no such container";
    for verb in [
        "stop", "kill", "restart", "pause", "unpause", "wait", "start",
    ] {
        sandbox.run([verb, "nosuch"]).expect(125).says(words);
        sandbox.run([verb]).expect(125);
    }
    assert_eq!(sandbox.ok(["stop", "--ignore", "nosuch"]), "");
    let file = sandbox.shown("no-such-file");
    sandbox
        .run(["stop", "--cidfile", &file])
        .expect(125)
        .says(&format!(
            "reading CIDFile: open {file}: no such file or directory"
        ));
    assert_eq!(sandbox.ok(["stop", "--ignore", "--cidfile", &file]), "");
}

#[test]
fn a_container_is_found_by_its_id_file_and_as_the_latest() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let file = sandbox.shown("cid");
    let id = sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--cidfile",
        &file,
        IMAGE,
        "sleep",
        "1000",
    ]);
    assert_eq!(
        std::fs::read_to_string(sandbox.path("cid")).unwrap().trim(),
        id
    );
    assert_eq!(sandbox.ok(["stop", "-t", "0", "--cidfile", &file]), id);
    sandbox.ok(["start", &id]);
    assert_eq!(sandbox.ok(["kill", "--latest"]), id);
    sandbox
        .run(["stop", "--latest", "--all"])
        .expect(125)
        .says("--all and --latest cannot be used together");
    sandbox
        .run(["stop", "--all", &id])
        .expect(125)
        .says("no arguments are needed with --all");
    assert_eq!(sandbox.ok(["rm", "--cidfile", &file]), id);
    assert!(
        !sandbox.path("cid").exists(),
        "the file goes with its container"
    );
}

#[test]
fn kill_delivers_every_way_of_naming_a_signal() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("web", LISTENER);
    let cases = [
        ("HUP", "HUP"),
        ("SIGINT", "INT"),
        ("usr1", "USR1"),
        ("12", "USR2"),
        ("-TERM", "TERM"),
        ("-28", "WINCH"),
    ];
    for (typed, name) in cases {
        assert_eq!(
            sandbox.ok(["kill", &format!("--signal={typed}"), "web"]),
            "web"
        );
        sandbox.wait_log("web", &format!("got {name}"));
    }
    sandbox.ok(["kill", "-s", "QUIT", "web"]);
    assert_eq!(sandbox.ok(["wait", "web"]), "7");
    let id = sandbox.field("web", ".Id");
    sandbox.run(["kill", "web"]).expect(125).says(&format!(
        "can only kill running containers. {id} is in state exited: container state improper"
    ));
    assert_eq!(sandbox.ok(["kill", "--all"]), "");
    for typed in ["NOPE", "0", "SIG", ""] {
        let refused = sandbox.run(["kill", &format!("--signal={typed}"), "web"]);
        refused.expect(125).says("invalid signal: ");
    }
    let refused = sandbox.run(["kill", "--signal=65", "web"]).expect(125);
    refused.says("valid signals are 1 through 64");
}

#[test]
fn kill_without_a_signal_returns_when_it_is_dead() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    assert_eq!(sandbox.ok(["kill", "web"]), "web");
    assert_eq!(sandbox.field("web", ".State.Running"), "false");
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "137");
}

#[test]
fn stop_while_kill_comes_in_between() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("deaf", "trap 'echo heard' TERM");
    let stop = sandbox.call(["stop", "-t", "30", "deaf"]).spawn();
    sandbox.wait_log("deaf", "heard");
    assert_eq!(sandbox.field("deaf", ".State.Status"), "stopping");
    assert_eq!(sandbox.ok(["kill", "deaf"]), "deaf");
    stop.finish().expect(0);
    assert_eq!(sandbox.field("deaf", ".State.ExitCode"), "137");
}

#[test]
fn pause_stands_still_until_unpause() {
    requires!("userns,cgroup");
    let sandbox = Sandbox::with_image();
    let id = sandbox.background("web", &["sleep", "1000"]);
    assert_eq!(sandbox.ok(["pause", "web"]), "web");
    assert_eq!(sandbox.field("web", ".State.Status"), "paused");
    sandbox
        .run(["pause", "web"])
        .expect(125)
        .says(&format!("\"{id}\" is already paused"));
    sandbox.run(["rm", "web"]).expect(2).says("it is paused");
    assert_eq!(sandbox.ok(["unpause", "--all"]), id);
    assert_eq!(sandbox.field("web", ".State.Status"), "running");
    sandbox
        .run(["unpause", "web"])
        .expect(125)
        .says("is not paused, can't unpause");
    sandbox.ok(["pause", "web"]);
    assert_eq!(sandbox.ok(["rm", "-f", "web"]), "web");
    sandbox.ok(["create", "--name", "idle", IMAGE, "true"]);
    sandbox
        .run(["pause", "idle"])
        .expect(125)
        .says("is not running, can't pause");
}

/// toolbox calls it before the first container.
#[test]
fn a_migration_stops_what_runs() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    assert_eq!(sandbox.ok(["system", "migrate"]), "");
    let id = sandbox.background_ready("web", "trap exit TERM");
    let told = sandbox.ok(["system", "migrate"]);
    assert_eq!(told, format!("stopped {id}"));
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    let other = sandbox.run(["system", "migrate", "--new-runtime", "crun"]);
    other.expect(125).says("--new-runtime crun: not supported");
}
