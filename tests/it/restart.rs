// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Restart policies: who comes back, when, as whom; and how that is ended.

use std::time::Instant;

use nix::unistd::Pid;

use crate::crash::{kill_and_wait, process};
use crate::support::process::PATIENCE;
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

fn start(sandbox: &Sandbox, name: &str, policy: &str, script: &str) {
    let flags = ["run", "-d", "--network", "none", "--name", name];
    let rest = ["--restart", policy, IMAGE, "sh", "-c", script];
    sandbox.ok([&flags[..], &rest].concat());
}

#[track_caller]
fn wait_field(sandbox: &Sandbox, container: &str, field: &str, wanted: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = sandbox.field(container, field);
        if wanted(&value) {
            return;
        }
        assert!(Instant::now() < deadline, "{field} stays {value}");
    }
}

fn wait_pause(sandbox: &Sandbox, container: &str) {
    wait_field(sandbox, container, ".RestartCount", |count| {
        count.parse::<u32>().unwrap() >= 3
    });
    wait_field(sandbox, container, ".State.Status", |status| {
        status == "restarting"
    });
}

#[test]
fn a_killed_program_comes_back_as_often_as_its_policy_says() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    start(&sandbox, "web", "on-failure:2", "echo up; exec sleep 1000");
    let monitor = process(&sandbox, "web", ".State.ConmonPid");
    let mut last = Pid::from_raw(0);
    for (count, ups) in [("0", "up\n"), ("1", "up\nup\n"), ("2", "up\nup\nup\n")] {
        let new_one = |pid: &str| pid != "0" && pid != last.to_string();
        wait_field(&sandbox, "web", ".State.Pid", new_one);
        assert_eq!(sandbox.field("web", ".RestartCount"), count);
        assert_eq!(process(&sandbox, "web", ".State.ConmonPid"), monitor);
        last = process(&sandbox, "web", ".State.Pid");
        sandbox.wait_log("web", ups);
        kill_and_wait(&[last]);
    }
    assert_eq!(sandbox.ok(["wait", "web"]), "137");
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.ok(["logs", "web"]), "up\nup\nup");
    // A start of the user's begins to count anew, and a stop of the user's is the end.
    sandbox.ok(["start", "web"]);
    assert_eq!(sandbox.field("web", ".RestartCount"), "0");
    sandbox.ok(["stop", "-t", "0", "web"]);
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.field("web", ".State.ConmonPid"), "0");
}

#[test]
fn stop_and_rm_end_the_pause_before_a_restart() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    start(&sandbox, "web", "always", "exit 3");
    wait_pause(&sandbox, "web");
    let status = sandbox.ok(["ps", "-a", "--format", "{{.Status}}"]);
    assert!(status.starts_with("Restarting (3)"), "{status}");
    sandbox.run(["rm", "web"]).expect(2);
    assert_eq!(sandbox.ok(["stop", "web"]), "web");
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.field("web", ".State.ConmonPid"), "0");
    let on_boot = |answer| ["ps", "-aq", "--filter", answer].map(str::to_owned);
    assert_ne!(sandbox.ok(on_boot("should-start-on-boot=true")), "");
    sandbox.ok(["start", "web"]);
    wait_pause(&sandbox, "web");
    sandbox.ok(["rm", "-f", "web"]);
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}

#[test]
fn a_monitor_killed_in_the_pause_leaves_the_truth() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    start(&sandbox, "web", "unless-stopped", "exit 3");
    wait_pause(&sandbox, "web");
    kill_and_wait(&[process(&sandbox, "web", ".State.ConmonPid")]);
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "3");
    let why = sandbox.field("web", ".State.Error");
    assert!(why.contains("killed before it was started again"), "{why}");
    let on_boot = ["ps", "-aq", "--filter", "should-start-on-boot=true"];
    assert_ne!(sandbox.ok(on_boot), "", "nobody has stopped it");
    sandbox.ok(["start", "web"]);
    sandbox.ok(["stop", "web"]);
    assert_eq!(sandbox.ok(on_boot), "");
    sandbox.ok(["rm", "web"]);
}
