// SPDX-License-Identifier: Apache-2.0 OR MIT
//! exec: commands beside a container's own.

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

#[test]
fn exec_codes_and_streams() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let cases: [(&[&str], i32); 5] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["nosuchcommand"], 127),
        (&["/etc"], 126),
    ];
    for (command, code) in cases {
        let mut arguments = vec!["exec", "web"];
        arguments.extend(command);
        let outcome = sandbox.run(arguments);
        assert_eq!(outcome.code, code, "{command:?}: {}", outcome.stderr);
    }
    let both = sandbox
        .run(["exec", "web", "sh", "-c", "echo out; echo err >&2"])
        .expect(0);
    assert_eq!(
        (both.stdout.as_str(), both.stderr.as_str()),
        ("out\n", "err\n")
    );
    let echoed = sandbox
        .call(["exec", "-i", "web", "cat"])
        .stdin("in\n")
        .run();
    assert_eq!(echoed.expect(0).stdout, "in\n");
    let big = sandbox.ok([
        "exec",
        "web",
        "sh",
        "-c",
        "head -c 300000 /dev/zero | tr '\\0' x",
    ]);
    assert_eq!(big.len(), 300_000);
}

#[test]
fn exec_runs_where_and_as_whom_it_was_told() {
    requires!("userns,range");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "-e",
        "FROM=run",
        "-w",
        "/tmp",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let script = "echo $(id -u):$(id -g) $(pwd) $FROM $MORE";
    assert_eq!(
        sandbox.ok(["exec", "web", "sh", "-c", script]),
        "0:0 /tmp run"
    );
    let told = sandbox.ok([
        "exec",
        "-u",
        "guest",
        "-w",
        "/etc",
        "-e",
        "FROM=exec",
        "-e",
        "MORE=more",
        "web",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(told, "1000:1000 /etc exec more");
    let refused = sandbox.run(["exec", "-w", "/no/such", "web", "true"]);
    assert!(
        (126..=127).contains(&refused.code),
        "{}: {}",
        refused.code,
        refused.stderr
    );
}

#[test]
fn exec_shares_everything_with_the_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    sandbox.ok(["exec", "web", "sh", "-c", "echo made > /made"]);
    let script = "cat /proc/1/cmdline | tr '\\0' ' '; for n in mnt pid ipc uts net user; do \
                  test \"$(readlink /proc/1/ns/$n)\" = \"$(readlink /proc/self/ns/$n)\" || echo $n differs; done";
    assert_eq!(
        sandbox.ok(["exec", "web", "sh", "-c", script]),
        "sleep 1000"
    );
    assert_eq!(sandbox.ok(["exec", "web", "cat", "/made"]), "made");
    let rights = "grep -E '^(CapEff|Seccomp):' /proc/self/status | tr -s '\\t' ' '";
    let inside = sandbox.ok(["exec", "web", "sh", "-c", rights]);
    assert!(
        inside.contains("00000000800405fb") && inside.contains("Seccomp: 2"),
        "{inside}"
    );
}

#[test]
fn exec_in_the_background_and_in_nothing() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("web", "mkfifo /told");
    sandbox.ok(["exec", "-d", "web", "sh", "-c", "echo told > /told"]);
    assert_eq!(sandbox.ok(["exec", "web", "cat", "/told"]), "told");
    sandbox.ok(["stop", "-t", "0", "web"]);
    let refused = sandbox.run(["exec", "web", "true"]);
    assert!(refused.code >= 125, "{}", refused.code);
    assert!(
        refused
            .stderr
            .contains("can only create exec sessions on running containers"),
        "{}",
        refused.stderr
    );
    sandbox
        .run(["exec", "nosuch", "true"])
        .expect(125)
        .says("no such container");
    sandbox.run(["exec", "web"]).expect(125);
}

#[test]
fn exec_without_a_session() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let bare = ["exec", "--no-session"];
    let run = |rest: &[&str]| sandbox.run([&bare, rest].concat());
    assert_eq!(run(&["web", "echo", "hello"]).expect(0).out(), "hello");
    run(&["web", "sh", "-c", "exit 42"]).expect(42);
    run(&["web", "nonexistentcommand"]).expect(127);
    for other in ["--detach", "--detach-keys=ctrl-x"] {
        run(&[other, "web", "true"])
            .expect(125)
            .says("--no-session cannot be used with --detach or --detach-keys");
    }
}

#[test]
fn what_exec_started_ends_with_the_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let session = sandbox
        .call(["exec", "web", "sh", "-c", "echo up; sleep 1000"])
        .spawn();
    session.wait_for("up");
    sandbox.ok(["kill", "web"]);
    session.finish().expect(137);
}
