// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Health checks: what they find, who hears of it, and what is done about it.

use crate::crash::process;
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

fn start(sandbox: &Sandbox, name: &str, flags: &[&str], script: &str) {
    let first = ["run", "-d", "--network", "none", "--name", name];
    sandbox.ok([&first[..], flags, &[IMAGE, "sh", "-c", script]].concat());
}

#[test]
fn a_container_becomes_unhealthy_and_healthy_again() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let flags = [
        "--health-cmd",
        "echo looked; test ! -e /bad",
        "--health-interval=100ms",
        "--health-retries=2",
    ];
    start(&sandbox, "web", &flags, "exec sleep 1000");
    sandbox.ok(["wait", "--condition", "healthy", "web"]);
    let status = sandbox.ok(["ps", "--format", "{{.Status}}"]);
    assert!(status.ends_with(" (healthy)"), "{status}");
    sandbox.ok(["exec", "web", "touch", "/bad"]);
    sandbox.ok(["wait", "--condition", "unhealthy", "web"]);
    let of = |health: &str| sandbox.ok(["ps", "-q", "--filter", &format!("health={health}")]);
    assert_eq!(
        (of("healthy").is_empty(), of("unhealthy").is_empty()),
        (true, false)
    );
    let last = "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}";
    let log = sandbox.ok(["inspect", "--format", last, "web"]);
    assert!(log.ends_with("1 looked"), "{log}");
    let outcome = sandbox.run(["healthcheck", "run", "web"]).expect(1);
    assert_eq!(outcome.out(), "unhealthy");
    sandbox.ok(["exec", "web", "rm", "/bad"]);
    sandbox.ok(["wait", "--condition", "healthy", "web"]);
    assert_eq!(sandbox.ok(["healthcheck", "run", "web"]), "");
    sandbox.ok(["stop", "-t", "0", "web"]);
    sandbox
        .run(["healthcheck", "run", "web"])
        .expect(125)
        .says("is not running");
    sandbox.ok(["create", "--name", "plain", IMAGE, "true"]);
    sandbox
        .run(["wait", "--condition", "healthy", "plain"])
        .expect(125)
        .says("has no healthcheck");
}

#[test]
fn flags_have_the_names_that_podman_compose_gives_them() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let named = [
        ("command", "/bin/sh -c true"),
        ("interval", "3s"),
        ("retries", "4"),
        ("start-period", "5s"),
        ("timeout", "6s"),
    ];
    let flags = named.map(|(name, value)| format!("--healthcheck-{name}={value}"));
    let create = ["create", "--name", "web"].into_iter();
    let create = create.chain(flags.iter().map(String::as_str));
    sandbox.ok(create.chain([IMAGE, "true"]));
    let shown = sandbox.field("web", "json .Config.Healthcheck");
    let wanted = "{\"Test\":[\"CMD-SHELL\",\"/bin/sh -c true\"],\"StartPeriod\":5000000000,\
                  \"Interval\":3000000000,\"Timeout\":6000000000,\"Retries\":4}";
    assert_eq!(shown, wanted);
}

#[test]
fn an_unhealthy_container_is_started_again() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let flags = [
        "--health-cmd=test ! -e /bad",
        "--health-interval=disable",
        "--health-retries=1",
        "--health-on-failure=restart",
    ];
    let script = "rm -f /bad; trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done";
    start(&sandbox, "web", &flags, script);
    sandbox.wait_log("web", "up");
    let monitor = process(&sandbox, "web", ".State.ConmonPid");
    sandbox.ok(["exec", "web", "touch", "/bad"]);
    sandbox.run(["healthcheck", "run", "web"]).expect(1);
    // It runs for a moment more before the monitor stops it.
    sandbox.wait_log("web", "up\nup\n");
    sandbox.ok(["wait", "--condition", "running", "web"]);
    assert_eq!(process(&sandbox, "web", ".State.ConmonPid"), monitor);
    assert_eq!(sandbox.field("web", ".RestartCount"), "1");
    assert_eq!(sandbox.field("web", ".State.Health.Status"), "starting");
    sandbox.ok(["stop", "web"]);
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
}

#[test]
fn a_check_that_takes_too_long_is_killed_with_what_it_has_started() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let flags = [
        "--health-cmd=echo begun; sleep 777 & sleep 777",
        "--health-interval=disable",
        "--health-timeout=300ms",
        "--health-retries=1",
    ];
    let script = "trap : CHLD; echo up; while :; do sleep 0.1; done";
    start(&sandbox, "web", &flags, script);
    let outcome = sandbox.run(["healthcheck", "run", "web"]).expect(1);
    assert_eq!(outcome.out(), "unhealthy");
    let output = sandbox.ok(["inspect", "--format", "{{.State.Health.Log}}", "web"]);
    assert!(
        output.contains("begun") && output.contains("exceeded timeout"),
        "{output}"
    );
    let processes = sandbox.ok(["top", "web", "args"]);
    assert!(!processes.contains("777"), "{processes}");
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
}

#[test]
fn a_running_container_is_given_another_check() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    start(&sandbox, "web", &[], "exec sleep 1000");
    sandbox
        .run(["update", "--health-retries=5", "web"])
        .expect(125)
        .says("healthcheck command is not set");
    let check = "--health-cmd=test ! -e /bad";
    sandbox.ok(["update", check, "--health-interval=1h", "web"]);
    sandbox.ok(["wait", "--condition", "healthy", "web"]);
    sandbox.ok(["exec", "web", "touch", "/bad"]);
    let often = ["--health-interval=100ms", "--health-retries=2"];
    sandbox.ok([&["update"], &often[..], &["web"]].concat());
    sandbox.ok(["wait", "--condition", "unhealthy", "web"]);
    sandbox.ok(["update", "--no-healthcheck", "web"]);
    let test = sandbox.field("web", ".Config.Healthcheck.Test");
    assert_eq!(test, "[NONE]");
    sandbox
        .run(["healthcheck", "run", "web"])
        .expect(125)
        .says("has no defined healthcheck");
}
