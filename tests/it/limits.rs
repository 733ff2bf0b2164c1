// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Limits: what is kept of them, what a host says that cannot hold them, and stats. That they hold
//! is measured where controllers are delegated: `tests/limits/run`.

use std::fs;

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

const ASKED: &str = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} \
                     {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}";

#[test]
fn limits_are_recorded_and_updated() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "create",
        "--name",
        "box",
        "-m",
        "64m",
        "--pids-limit=20",
        IMAGE,
        "true",
    ]);
    let asked = || sandbox.ok(["inspect", "--format", ASKED, "box"]);
    assert_eq!(asked(), "67108864 134217728 20 0 no");
    sandbox.ok([
        "update",
        "--cpus",
        "1.5",
        "--restart",
        "always",
        "--memory-swap=-1",
        "box",
    ]);
    assert_eq!(asked(), "67108864 -1 20 1500000000 always");
    let refused = sandbox.run(["update", "--memory-swap", "1m", "box"]);
    refused
        .expect(125)
        .says("minimum memoryswap limit should be larger than memory limit");
    let refused = sandbox.run(["update", "--device-read-bps=/dev/zero:10mb", "box"]);
    refused.expect(125).says("/dev/zero: not a block device");
    assert_eq!(
        asked(),
        "67108864 -1 20 1500000000 always",
        "refusals change nothing"
    );
    let refused = sandbox.run(["create", "--cgroups=disabled", "-m", "64m", IMAGE, "true"]);
    refused
        .expect(125)
        .says("cannot set resource limits when cgroups are disabled");
}

#[test]
fn a_limit_that_cannot_be_held_is_refused_and_nothing_is_left() {
    requires!("userns");
    if has_memory_controller() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let run = ["run", "--rm", "--network=none"];
    let refused = sandbox.run([&run[..], &["-m", "64m", IMAGE, "true"]].concat());
    refused
        .expect(125)
        .says("--memory cannot be held on this host: ");
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
    // To be without a limit takes nothing.
    sandbox.ok([&run[..], &["--pids-limit=-1", "-m", "0", IMAGE, "true"]].concat());
    sandbox.background("web", &["sleep", "1000"]);
    let refused = sandbox.run(["update", "--pids-limit", "5", "web"]);
    refused.expect(125).says("--pids-limit cannot be ");
    assert_eq!(sandbox.field("web", ".HostConfig.PidsLimit"), "0");
}

#[test]
fn stats_count_what_a_container_uses() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // Where no cgroup counts, the kernel counts in ticks of 10 ms.
    sandbox.background_ready("web", "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done");
    let format = "{{.Name}} {{.PIDs}} {{gt .CPUNano 0}} {{gt .MemLimit 0}}";
    let once = ["stats", "--no-stream", "--no-reset", "--format"];
    let line = sandbox.ok([&once[..], &[format]].concat());
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(
        (words[0], words[2], words[3]),
        ("web", "true", "true"),
        "{line}"
    );
    assert!(words[1].parse::<u32>().unwrap() >= 1, "{line}");
    let json = sandbox.ok([&once[..], &["json", "web"]].concat());
    assert!(json.contains("\"cpu_percent\": \""), "{json}");
    sandbox.ok(["stop", "-t", "0", "web"]);
    assert_eq!(
        sandbox.ok([&once[..], &["{{.Name}}"]].concat()),
        "",
        "it does not run"
    );
    let all = sandbox.ok([&once[..], &["{{.Name}} {{.PIDS}}", "--all"]].concat());
    assert_eq!(all, "web 0");
    sandbox
        .run(["stats", "--no-stream", "nope"])
        .expect(125)
        .says("no such container");
}

pub(crate) fn has_memory_controller() -> bool {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::"));
    let file = format!("/sys/fs/cgroup{}/cgroup.controllers", path.unwrap_or("/"));
    fs::read_to_string(file).is_ok_and(|text| text.contains("memory"))
}
