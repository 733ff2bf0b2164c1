// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pods: what their containers share, what becomes of them together, and what a killed command
//! leaves of them.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::limits::has_memory_controller;
use crate::support::host::own_cgroup;
use crate::support::process::PATIENCE;
use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

/// A pod that reaches no network, called `pod`.
fn pod(sandbox: &Sandbox, flags: &[&str]) -> String {
    let mut words = vec!["pod", "create", "--network", "none", "--name", "pod"];
    words.extend(flags);
    sandbox.ok(words)
}

/// A command in a container of the pod, removed at its end.
#[track_caller]
fn inside(sandbox: &Sandbox, script: &str) -> String {
    sandbox.ok(["run", "--rm", "--pod", "pod", IMAGE, "sh", "-c", script])
}

#[track_caller]
fn status(sandbox: &Sandbox) -> String {
    sandbox.ok(["pod", "inspect", "--format", "{{.State}}", "pod"])
}

#[test]
fn containers_of_a_pod_share_what_the_infra_container_holds() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = pod(
        &sandbox,
        &["--hostname", "front", "--add-host", "db:192.0.2.9"],
    );
    assert_eq!(status(&sandbox), "Created");
    let spaces = "for ns in net ipc uts; do readlink /proc/self/ns/$ns; done";
    let first = inside(&sandbox, &format!("{spaces}; touch /dev/shm/mark"));
    assert_eq!(inside(&sandbox, spaces), first);
    let seen = inside(&sandbox, "hostname; ls /dev/shm; cat /etc/hosts");
    assert!(seen.starts_with("front\nmark\n"), "{seen}");
    assert!(seen.contains("192.0.2.9\tdb"), "{seen}");
    sandbox
        .run(["run", "--pod", "pod", "--hostname", "mine", IMAGE, "true"])
        .expect(125)
        .says("cannot set hostname when joining the pod UTS namespace");
    sandbox.ok(["create", "--pod", "pod", "--name", "web", IMAGE, "true"]);
    let row = "{{.Names}} {{.PodName}} {{.IsInfra}}";
    let rows = sandbox.ok(["ps", "-a", "--filter", "pod=pod", "--format", row]);
    assert_eq!(rows, format!("{}-infra pod true\nweb pod false", &id[..12]));
    assert_eq!(sandbox.field("web", ".Pod"), id);
    assert_eq!(status(&sandbox), "Degraded");
    assert_eq!(
        sandbox.ok(["pod", "rm", "pod"]),
        id,
        "nothing but the infra container ran"
    );
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
    sandbox.run(["pod", "exists", "pod"]).expect(1);
}

#[test]
fn shared_processes_have_a_first_one_that_reaps_and_shows_nothing_of_ours() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    pod(&sandbox, &["--share", "+pid"]);
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    sandbox.ok([
        "run", "-d", "--pod", "pod", "--name", "web", IMAGE, "sh", "-c", script,
    ]);
    sandbox.wait_log("web", "ready");
    let seen = inside(&sandbox, "readlink /proc/1/exe; wc -c < /proc/1/exe");
    let (program, bytes) = seen.split_once('\n').unwrap();
    assert_eq!(program, "/pause");
    assert!(bytes.trim().parse::<u32>().unwrap() < 1000, "{bytes}");
    // cat ends with the orphan, whose end of the pipe was the last; then it is to be reaped.
    let reaped = inside(
        &sandbox,
        "(sleep 0.1 &) | cat; tries=10000
        while grep -hqs '^State:.Z' /proc/[0-9]*/status && [ $tries -gt 0 ]; do
            tries=$((tries - 1)); done; [ $tries -gt 0 ] && echo reaped",
    );
    assert_eq!(reaped, "reaped");
    assert_eq!(sandbox.ok(["pod", "stop", "-t", "60", "pod"]), "pod");
    assert_eq!(
        sandbox.field("web", ".State.ExitCode"),
        "7",
        "it ended in peace"
    );
    assert_eq!(status(&sandbox), "Exited");
    sandbox.ok(["pod", "start", "pod"]);
    assert_eq!(status(&sandbox), "Running");
    sandbox.ok(["pod", "restart", "pod"]);
    assert_eq!(status(&sandbox), "Running");
    let top = sandbox.ok(["pod", "top", "pod", "args"]);
    assert!(top.contains("/pause") && top.contains("trap"), "{top}");
    sandbox.ok(["pod", "kill", "pod"]);
    assert_eq!(sandbox.field("web", ".State.ExitCode"), "137");
}

#[test]
fn a_pod_ends_with_its_last_container_if_it_is_to() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    pod(&sandbox, &["--exit-policy", "stop"]);
    sandbox.ok(["run", "--pod", "pod", IMAGE, "true"]);
    assert_eq!(status(&sandbox), "Exited");
    pod(&sandbox, &["--replace"]);
    sandbox.ok(["run", "--pod", "pod", IMAGE, "true"]);
    assert_eq!(status(&sandbox), "Degraded");
    assert_eq!(sandbox.ok(["pod", "prune", "-f"]), "");
    sandbox.ok(["pod", "stop", "pod"]);
    sandbox.ok(["pod", "prune", "-f"]);
    assert_eq!(sandbox.ok(["pod", "ps", "-q"]), "");
}

#[test]
fn what_runs_and_what_holds_the_pod_is_not_removed_alone() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = pod(&sandbox, &["--label", "tier=front"]);
    let web = sandbox.ok(["run", "-d", "--pod", "pod", IMAGE, "sleep", "1000"]);
    sandbox
        .run(["pod", "rm", "pod"])
        .expect(125)
        .says(&format!(
            "not all containers could be removed from pod {id}"
        ))
        .says(&format!("cannot remove container {web} as it is running"));
    let infra = sandbox.ok(["pod", "inspect", "--format", "{{.InfraContainerID}}", "pod"]);
    for force in [&["rm"][..], &["rm", "-f"]] {
        let words = force.iter().copied().chain([infra.as_str()]);
        sandbox
            .run(words)
            .expect(125)
            .says("and cannot be removed without removing the pod");
    }
    let row = "{{.Name}} {{.Status}} {{.NumberOfContainers}} {{.Label \"tier\"}}";
    let filtered = ["pod", "ps", "--filter", "label=tier=front", "--format", row];
    assert_eq!(sandbox.ok(filtered), "pod Running 2 front");
    let removed = sandbox.ok(["rm", "-f", "--depend", &infra]);
    assert!(
        removed.contains(&web) && removed.contains(&infra),
        "{removed}"
    );
    sandbox
        .run(["pod", "inspect", "pod"])
        .expect(125)
        .says("no such pod pod");
    // A container that cannot be made takes the pod with it that was made for it.
    sandbox.background("web", &["true"]);
    let taken = [
        "create",
        "--pod",
        "new:fresh",
        "--name",
        "web",
        IMAGE,
        "true",
    ];
    sandbox.run(taken).expect(125).says("already in use by");
    sandbox.run(["pod", "exists", "fresh"]).expect(1);
}

#[test]
fn a_pods_cgroup_is_there_as_long_as_one_of_its_containers_runs() {
    requires!("userns,cgroup");
    let sandbox = Sandbox::with_image();
    let parent = format!("coracle-test-parent-{}", std::process::id());
    let id = pod(&sandbox, &["--cgroup-parent", &parent]);
    let asked = |format: &str| sandbox.ok(["pod", "inspect", "--format", format, "pod"]);
    let before = asked("{{.CgroupParent}} [{{.CgroupPath}}]");
    assert_eq!(before, format!("{parent} []"));
    let run = ["run", "-d", "--pod", "pod", "--name", "web", IMAGE];
    sandbox.ok([&run[..], &["sleep", "1000"]].concat());
    let path = asked("{{.CgroupPath}}");
    let name = format!("{parent}/coracle-pod-{}", &id[..12]);
    assert!(path.ends_with(&name), "{path}");
    let own = own_cgroup().unwrap();
    let (place, parent) = (own.join(&name), own.join(&parent));
    let below = || {
        let entries = fs::read_dir(&place).unwrap().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    assert_eq!(below(), 2, "the container and the infra container");
    let of_web = sandbox.field("web", ".State.CgroupPath");
    assert!(of_web.starts_with(&format!("{path}/coracle-")), "{of_web}");
    sandbox.ok(["exec", "web", "true"]);
    sandbox.ok(["pod", "pause", "pod"]);
    sandbox.ok(["pod", "unpause", "pod"]);
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    assert!(place.exists(), "the infra container is in it");
    sandbox.ok(["pod", "stop", "-t", "0", "pod"]);
    assert!(!place.exists());
    // Those that start at once make one.
    let starts = ["one", "two", "three", "four"].map(|name| {
        let words = [
            "run", "-d", "--pod", "pod", "--name", name, IMAGE, "sleep", "1000",
        ];
        sandbox.call(words).spawn()
    });
    for start in starts {
        start.finish().expect(0);
    }
    assert_eq!(below(), 5);
    sandbox.ok(["pod", "rm", "-f", "-t", "0", "pod"]);
    assert!(!place.exists());
    fs::remove_dir(parent).unwrap();
}

#[test]
fn limits_of_a_pod_are_kept_and_hold_for_each_of_its_containers() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let flags = [
        "-m=64m",
        "--cpus=1.5",
        "--cpuset-cpus=0",
        "--cpu-shares=512",
        "--blkio-weight=50",
    ];
    pod(&sandbox, &flags);
    let format = "{{.CreateCgroup}} {{.MemoryLimit}} {{.MemorySwap}} {{.CPUQuota}} {{.CPUPeriod}} \
                  {{.CPUSetCPUs}} {{.CPUShares}} {{.BlkioWeight}}";
    assert_eq!(
        sandbox.ok(["pod", "inspect", "--format", format, "pod"]),
        "true 67108864 134217728 150000 100000 0 512 50"
    );
    let document = sandbox.ok(["pod", "inspect", "pod"]);
    assert!(document.contains("\"cpuset_cpus\": \"0\""), "{document}");
    for flag in ["--cgroups=disabled", "--cgroup-parent=/x"] {
        sandbox
            .run(["create", "--pod", "pod", flag, IMAGE, "true"])
            .expect(125)
            .says("is not for pod pod, which was created with limits");
    }
    for (flags, words) in [
        (["-m=64m", "--memory-swap=3m"], "minimum memoryswap limit"),
        (
            ["-m=64m", "--share-parent=false"],
            "limits of a pod need the cgroup",
        ),
        (
            ["--device-read-bps=/dev/zero:1", ""],
            "/dev/zero: not a block device",
        ),
    ] {
        let words_of = flags.into_iter().filter(|flag| !flag.is_empty());
        let refused = sandbox.run(["pod", "create"].into_iter().chain(words_of));
        refused.expect(125).says(words);
    }
    if !has_memory_controller() {
        let refused = sandbox.run(["run", "--rm", "--pod", "pod", IMAGE, "true"]);
        refused
            .expect(125)
            .says("--memory, --cpu-shares, --cpus, --cpuset-cpus, --blkio-weight cannot be held");
        assert_eq!(sandbox.ok(["ps", "-q"]), "");
    }
    sandbox.ok(["pod", "rm", "pod"]);
}

#[test]
fn a_command_killed_at_any_moment_leaves_pods_that_can_be_removed() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mut run = vec!["run", "-d", "--network", "none", "--pod", "new:"];
    run.extend([IMAGE, "sleep", "1000"]);
    for round in 0..30_u64 {
        let words = if round % 3 == 2 {
            vec!["pod", "rm", "-f", "-a"]
        } else {
            run.clone()
        };
        let command = sandbox.call(words).spawn();
        command.wait_at_most(Duration::from_micros(round * 1500));
        kill(command.pid(), Signal::SIGKILL).ok();
        sandbox.ok(["pod", "ps"]);
    }
    // A monitor that has just been forked may still be on its way.
    let deadline = Instant::now() + PATIENCE;
    let left = || {
        let directories = ["s/pods", "s/containers", "r/c"];
        let entries = directories.map(|name| fs::read_dir(sandbox.path(name)));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    while !left().is_empty() {
        assert!(Instant::now() < deadline, "left over: {:#?}", left());
        sandbox.ok(["pod", "rm", "-f", "-a"]);
        sandbox.ok(["rm", "-f", "-a", "-t", "0"]);
        sandbox.run(["system", "check", "--repair"]);
    }
}

#[test]
fn what_a_pod_gives_its_containers_is_shown() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("v")).unwrap();
    let volume = format!("{}:/v:ro", sandbox.shown("v"));
    sandbox.ok(["create", "--name=from", "-v=named:/named", IMAGE, "true"]);
    let flags = [
        "-v",
        &volume,
        "--device=/dev/null:/dev/nothing:rw",
        "--volumes-from=from",
    ];
    pod(&sandbox, &flags);
    let asked = |format: &str| sandbox.ok(["pod", "inspect", "--format", format, "pod"]);
    let mounts = "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}},{{end}}";
    let shown = asked(mounts);
    let mut shown: Vec<&str> = shown.split_terminator(',').collect();
    shown.sort_unstable();
    assert_eq!(shown, ["bind /v false", "volume /named true"]);
    assert_eq!(asked("{{.VolumesFrom}}"), "[from]");
    let document = sandbox.ok(["pod", "inspect", "pod"]);
    for key in ["\"mounts\": [", "\"volumes_from\": ["] {
        assert!(document.contains(key), "{document}");
    }
    if tool() == Tool::Coracle {
        assert_eq!(
            asked("{{(index .Devices 0).PathInContainer}}"),
            "/dev/nothing"
        );
    }
    let run = [
        "run",
        "--rm",
        "--pod=pod",
        IMAGE,
        "ls",
        "-d",
        "/v",
        "/named",
        "/dev/nothing",
    ];
    assert_eq!(sandbox.ok(run), "/dev/nothing\n/named\n/v");
}
