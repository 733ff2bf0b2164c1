// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From create to rm: states, names, ids, exit codes.

use crate::support::host::Need;
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, host, requires};

#[test]
fn a_container_goes_from_created_to_gone() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.ok([
        "create",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sh",
        "-c",
        "echo hello; exit 3",
    ]);
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(sandbox.field("web", ".State.Status"), "created");
    assert_eq!(sandbox.ok(["start", "web"]), "web");
    assert_eq!(sandbox.ok(["wait", "web"]), "3");
    assert_eq!(sandbox.field("web", ".State.Status"), "exited");
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "3");
    assert_eq!(sandbox.ok(["logs", "web"]), "hello");
    let other = sandbox.run(["start", "-a", "web"]).expect(3);
    assert_eq!(other.out(), "hello");
    assert_eq!(sandbox.ok(["rm", "web"]), "web");
    sandbox.run(["container", "exists", "web"]).expect(1);
}

#[test]
fn names_ids_and_prefixes_mean_the_same() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.ok(["create", "--name", "web", IMAGE, "true"]);
    for word in ["web", &id, &id[..12], &id[..4]] {
        assert_eq!(sandbox.field(word, ".Id"), id, "{word}");
    }
    for word in ["we", "webb", "0000000000000000", ""] {
        let outcome = sandbox.run(["container", "inspect", word]);
        assert_eq!(outcome.code, 125, "{word}: {}", outcome.stdout);
    }
}

#[test]
fn a_name_belongs_to_one_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let first = sandbox.ok(["create", "--name", "web", IMAGE, "true"]);
    let refused = sandbox
        .run(["create", "--name", "web", IMAGE, "true"])
        .expect(125)
        .says("already in use");
    assert!(refused.stderr.contains(&first), "{}", refused.stderr);
    let second = sandbox.ok(["create", "--replace", "--name", "web", IMAGE, "true"]);
    assert_eq!(sandbox.field("web", ".Id"), second);
    sandbox.run(["container", "exists", &first]).expect(1);
    for name in ["-web", "we/b", "we b", ".web"] {
        sandbox
            .run(["create", &format!("--name={name}"), IMAGE, "true"])
            .expect(125)
            .says("names must match");
    }
}

#[test]
fn rename_moves_the_name() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.background("web", &["sleep", "1000"]);
    sandbox.ok(["create", "--name", "db", IMAGE, "true"]);
    sandbox.ok(["rename", "web", "front"]);
    assert_eq!(sandbox.field("front", ".Id"), id);
    sandbox.run(["container", "exists", "web"]).expect(1);
    sandbox
        .run(["rename", "front", "db"])
        .expect(125)
        .says("already in use");
    sandbox.run(["rename", "front", "a/b"]).expect(125);
    sandbox
        .run(["rename", "nosuch", "c"])
        .expect(125)
        .says("no such container");
    sandbox.run(["rename", "front"]).expect(125);
    let name = sandbox.ok(["create", "--name", "web", IMAGE, "true"]);
    assert_ne!(name, id);
}

#[test]
fn start_is_told_as_typed_and_again_is_no_error() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let create = |name: &str| {
        sandbox.ok([
            "create",
            "--network",
            "none",
            "--name",
            name,
            IMAGE,
            "sleep",
            "1000",
        ])
    };
    let (one, _two) = (create("one"), create("two"));
    assert_eq!(
        sandbox.ok(["start", &one[..12], "two"]),
        format!("{}\ntwo", &one[..12])
    );
    assert_eq!(sandbox.ok(["start", "one"]), "one");
    let three = create("three");
    assert_eq!(sandbox.ok(["start", "--all"]), three);
    sandbox
        .run(["start", "nosuch"])
        .expect(125)
        .says("no such container");
    sandbox.run(["start"]).expect(125).says("at least one");
    sandbox
        .run(["start", "--all", "one"])
        .expect(125)
        .says("either start all containers or the container(s) provided in the arguments");
    sandbox
        .run(["start", "-a", "one", "two"])
        .expect(125)
        .says("you cannot start and attach multiple containers at once");
}

#[test]
fn each_start_is_a_new_run() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script =
        "test -e /seen && echo again || echo first; touch /seen; exit $(wc -l < /count || echo 0)";
    sandbox.ok([
        "create",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sh",
        "-c",
        script,
    ]);
    let first = sandbox.run(["start", "-a", "web"]);
    let second = sandbox.run(["start", "-a", "web"]);
    assert_eq!((first.out(), second.out()), ("first", "again"));
    assert!(sandbox.ok(["logs", "web"]).contains("again"));
}

#[test]
fn restart_gives_a_new_process() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background_ready("web", "trap 'exit 0' TERM");
    let before = sandbox.field("web", ".State.Pid");
    assert_eq!(sandbox.ok(["restart", "-t", "5", "web"]), "web");
    let after = sandbox.field("web", ".State.Pid");
    assert_eq!(sandbox.field("web", ".State.Status"), "running");
    assert_ne!(before, after);
    sandbox.ok(["stop", "-t", "0", "web"]);
    // One that does not run is just started.
    sandbox.ok(["restart", "web"]);
    assert_eq!(sandbox.field("web", ".State.Status"), "running");
    let created = sandbox.ok([
        "create",
        "--network",
        "none",
        "--name",
        "new",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let restarted = sandbox.ok(["restart", "--running", "-t", "0"]);
    assert!(!restarted.contains(&created), "{restarted}");
    assert_eq!(sandbox.field("new", ".State.Status"), "created");
    sandbox
        .run(["restart", "nosuch"])
        .expect(125)
        .says("no such container");
}

#[test]
fn a_container_whose_program_is_systemd_has_what_that_needs() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = |flags: &[&str], script: &str| {
        let first = ["run", "--rm", "--network", "none", "--name", "web"];
        sandbox.ok([&first[..], flags, &[IMAGE, "sh", "-c", script]].concat())
    };
    let script = "for place in /run /run/lock /tmp /var/log/journal; do
            grep -q \"^tmpfs $place \" /proc/mounts && echo $place; done;
        test -e /run/.containerenv; echo $? ${#container_uuid};
        mkdir /sys/fs/cgroup/own && echo made; true";
    let told = run(&["--systemd=always"], script);
    let places = "/run\n/run/lock\n/tmp\n/var/log/journal\n0 32";
    let rest = told.strip_prefix(places);
    // A session of systemd's has them made where the user could not.
    let is_made = rest == Some("\nmade");
    assert!(
        is_made || rest == Some("") && !host::has(Need::Cgroup),
        "{told}"
    );
    assert_eq!(
        run(
            &[],
            "grep -c ' /run/lock ' /proc/mounts; echo $container_uuid"
        ),
        "0"
    );

    let mode = |flags: &[&str]| {
        let first = ["create", "--name", "web", "--replace"];
        sandbox.ok([&first[..], flags, &[IMAGE, "/sbin/init"]].concat());
        let signal = sandbox.field("web", ".Config.StopSignal");
        (sandbox.field("web", ".Config.SystemdMode"), signal)
    };
    let wanted = |mode: &str, signal: &str| (mode.to_owned(), signal.to_owned());
    assert_eq!(mode(&[]), wanted("true", "SIGRTMIN+3"));
    assert_eq!(mode(&["--systemd=false"]), wanted("false", "SIGTERM"));
    assert_eq!(mode(&["--stop-signal=INT"]), wanted("true", "SIGINT"));
}
