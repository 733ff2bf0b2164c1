// SPDX-License-Identifier: Apache-2.0 OR MIT
//! logs: what a container wrote, all of it, once.

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

#[test]
fn logs_show_what_was_written() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "for i in 1 2 3 4 5; do echo line $i; done; echo problem >&2";
    sandbox.background("web", &["sh", "-c", script]);
    sandbox.ok(["wait", "web"]);
    let all = sandbox.run(["logs", "web"]).expect(0);
    assert_eq!(all.stdout, "line 1\nline 2\nline 3\nline 4\nline 5\n");
    assert_eq!(all.stderr, "problem\n");
    let last = sandbox.run(["logs", "--tail", "2", "web"]).expect(0);
    assert_eq!(last.stdout.lines().count() + last.stderr.lines().count(), 2);
    let none = sandbox.run(["logs", "--tail=0", "web"]).expect(0);
    assert_eq!(none.stdout, "");
    let stamped = sandbox.run(["logs", "-t", "web"]).expect(0);
    for line in stamped.stdout.lines() {
        let (time, text) = line.split_once(' ').expect("a time stands before the text");
        assert!(time.starts_with("20") && time.contains('T'), "{line}");
        assert!(text.starts_with("line"), "{line}");
    }
    let later = sandbox
        .run(["logs", "--since", "2199-01-01T00:00:00Z", "web"])
        .expect(0);
    assert_eq!(later.stdout, "");
    sandbox
        .run(["logs", "nosuch"])
        .expect(125)
        .says("no such container");
}

#[test]
fn logs_follow_until_the_end() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("web", "trap 'echo last; exit' TERM");
    let follower = sandbox.call(["logs", "-f", "web"]).spawn();
    follower.wait_for("ready");
    sandbox.ok(["stop", "web"]);
    let seen = follower.finish().expect(0);
    assert_eq!(seen.stdout, "ready\nlast\n");
}

#[test]
fn long_lines_come_out_whole() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "head -c 50000 /dev/zero | tr '\\0' a; echo; echo short";
    sandbox.background("web", &["sh", "-c", script]);
    sandbox.ok(["wait", "web"]);
    let lines = sandbox.run(["logs", "web"]).expect(0).stdout;
    let lengths: Vec<usize> = lines.lines().map(str::len).collect();
    assert_eq!(lengths, [50_000, 5]);
}

#[test]
fn a_last_line_without_its_end_is_shown() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sh", "-c", "echo one; printf 'no end'"]);
    sandbox.ok(["wait", "web"]);
    assert_eq!(sandbox.ok(["logs", "web"]), "one\nno end");
    assert_eq!(sandbox.ok(["logs", "--tail=1", "web"]), "no end");
}

#[test]
fn log_drivers_keep_or_drop() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = |driver: &str| {
        let flag = format!("--log-driver={driver}");
        let name = format!("--name=with-{driver}");
        let outcome = sandbox.run([
            "run",
            "--network",
            "none",
            &flag,
            &name,
            IMAGE,
            "echo",
            "kept",
        ]);
        assert_eq!(outcome.expect(0).out(), "kept");
    };
    run("k8s-file");
    assert_eq!(sandbox.ok(["logs", "with-k8s-file"]), "kept");
    run("none");
    let refused = sandbox.run(["logs", "with-none"]);
    assert_eq!(refused.code, 125, "{}", refused.stdout);
    let path = sandbox.field("with-k8s-file", ".HostConfig.LogConfig.Path");
    let text = std::fs::read_to_string(path).unwrap();
    let words: Vec<&str> = text.trim().split(' ').skip(1).collect();
    assert_eq!(words, ["stdout", "F", "kept"], "{text}");
}
