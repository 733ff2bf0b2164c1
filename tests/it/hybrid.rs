// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The hybrid engine: containers with ids of their own share the layers of an image, and what they
//! change is read by everything else as if the FUSE overlay had written it.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::sandbox::{IMAGE, program};
use crate::support::{Sandbox, host, requires};

/// A sandbox with the image where the engine works; `None` is a skip.
fn sandbox() -> Option<Sandbox> {
    let engine = std::env::var("CORACLE_TEST_ENGINE").unwrap_or_default();
    if engine == "fuse" {
        // The other passes do the same.
        return None;
    }
    let sandbox = Sandbox::with_image();
    let status = "{{index .Store.GraphStatus \"Engine for other ids\"}}";
    let found = sandbox.ok(["info", "--format", status]);
    if found == "hybrid" {
        return Some(sandbox);
    }
    host::lacks("hybrid", &found);
    None
}

/// A map for each way of shifting ids.
const MAPS: [&str; 2] = ["--userns=auto:size=2000", "--userns=keep-id:uid=7,gid=8"];

/// Changes of every kind, as the container's root.
const CHANGES: &str = "set -e; umask 022
    mkdir -p /new/deep; echo text > /new/file; chown 5:6 /new/file; chmod 4750 /new/file
    ln /new/file /new/linked; ln -s ../etc /new/way; mkfifo /new/pipe; chown -h 9:9 /new/way
    cat /bin/busybox > /new/big; chown 77:0 /new/deep; chmod 1777 /new/deep
    echo more >> /etc/passwd; chown 3 /etc/group; mv /etc/group /etc/groups
    rm -r /home; mkdir /home; echo in > /home/in; chown -R 12:13 /home
    cp -p /bin/busybox /new/copy; mv /bin/busybox /bin/busybox-1
    /bin/busybox-1 mv /bin/busybox-1 /bin/busybox
    chmod 700 /var";

/// What all files of a tree are: their owners, modes, kinds, sizes and content.
const LIST: &str = "test $(stat -c %d /bin/busybox) = $(stat -c %d /bin) || echo devices differ
    find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run \
    -o -path /etc/hosts -o -path /etc/hostname -o -path /etc/resolv.conf \\) -prune \
    -o -exec stat -c '%n %u:%g %a %F %s' {} + | grep -v directory | sort
    find / -xdev -type d -exec stat -c '%n %u:%g %a' {} + | grep -v '^/[dprs]' | sort
    find /new /bin /home /etc/passwd -type f -exec md5sum {} + | sort";

/// Runs `script` in a container that stays, by `engine` and with the map `flag`.
fn changed(sandbox: &Sandbox, engine: &str, flag: &str, name: &str) -> String {
    let script = format!("{CHANGES}\n{LIST}");
    let option = format!("engine={engine}");
    let words = [
        "--storage-opt",
        &option,
        "run",
        "--network",
        "none",
        "--user",
        "0:0",
    ];
    let rest = ["--name", name, flag, IMAGE, "sh", "-c", &script];
    let listed = sandbox.call(words.into_iter().chain(rest)).run().expect(0);
    let used = sandbox.field(name, ".GraphDriver.Data.Engine");
    assert_eq!(used, engine, "{flag}");
    listed.stdout
}

#[test]
fn what_a_container_with_other_ids_changes_is_as_with_fuse() {
    requires!("userns,range,fuse,overlay");
    let Some(sandbox) = sandbox() else { return };
    for (number, flag) in MAPS.into_iter().enumerate() {
        if host::is_root() && flag.starts_with("--userns=keep-id") {
            continue;
        }
        let (one, other) = (format!("hybrid{number}"), format!("fuse{number}"));
        let shown = changed(&sandbox, "hybrid", flag, &one);
        assert_eq!(shown, changed(&sandbox, "fuse", flag, &other), "{flag}");
        assert!(shown.contains("/new/file 5:6 4750"), "{shown}");
        assert!(!shown.contains("devices differ"), "{shown}");
        let differs = |name: &str| {
            let found = sandbox.ok(["diff", name]);
            let mut lines: Vec<String> = found.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(differs(&one), differs(&other), "{flag}");
        let committed = |name: &str| {
            sandbox.ok(["commit", "-q", name, name]);
            let engine = [
                "--storage-opt",
                "engine=kernel",
                "run",
                "--rm",
                "--network",
                "none",
            ];
            let rest = ["--user", "0:0", name, "sh", "-c", LIST];
            let listed = sandbox.call(engine.into_iter().chain(rest)).run();
            listed.expect(0).stdout
        };
        assert_eq!(committed(&one), committed(&other), "{flag}");
        let file = sandbox.file("given", "given\n");
        for name in [&one, &other] {
            sandbox.ok(["cp", &file, &format!("{name}:/new/given")]);
        }
        let exported = |name: &str| {
            let tar = sandbox.shown("exported.tar");
            sandbox.ok(["export", "-o", &tar, name]);
            members(Path::new(&tar))
        };
        assert_eq!(exported(&one), exported(&other), "{flag}");
        if !host::is_root() {
            assert_eq!(mounted(&sandbox, &one), mounted(&sandbox, &other), "{flag}");
        }
        // It goes on with what it changed, by another path.
        let again = sandbox.run(["start", "-a", &one]).out().to_owned();
        assert!(!again.contains("/new/given 65534"), "{again}");
    }
}

/// What `mount` shows of a container's tree in `unshare`.
fn mounted(sandbox: &Sandbox, container: &str) -> String {
    let (program, root, run) = (program(), sandbox.shown("s"), sandbox.shown("r"));
    let script = format!(
        "cd $('{program}' --root '{root}' --runroot '{run}' mount {container}) \
         && stat -c '%n %u:%g %a' new/file etc/passwd etc/groups home/in bin"
    );
    sandbox.ok(["unshare", "sh", "-c", &script])
}

/// Path, owner, mode and size of each file in an archive.
fn members(tar: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let (path, header) = (entry.path().unwrap(), entry.header());
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let (mode, size) = (header.mode().unwrap(), entry.size());
        format!("{} {uid}:{gid} {mode:o} {size}", path.display())
    });
    entries.collect()
}

#[test]
fn a_container_whose_metadata_nobody_serves_is_stopped() {
    requires!("userns,range,fuse,overlay");
    let Some(sandbox) = sandbox() else { return };
    let run = [
        "--storage-opt",
        "engine=hybrid",
        "run",
        "-d",
        "--network",
        "none",
    ];
    let rest = [
        "--name",
        "left",
        IMAGE,
        "sh",
        "-c",
        "echo kept > /kept; echo ready; sleep 1000",
    ];
    let id = sandbox.call(run.into_iter().chain(rest)).run().expect(0);
    sandbox.wait_log("left", "ready");
    let state = sandbox.path(&format!("s/containers/{}/state.json", id.out()));
    let state: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    let server = state["helpers"][0]["pid"].as_i64().unwrap();
    kill(
        Pid::from_raw(i32::try_from(server).unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    sandbox.ok(["wait", "left"]);
    sandbox
        .run(["logs", "left"])
        .expect(0)
        .says("the container's root file system has ended");
    let kept = sandbox.shown("kept");
    sandbox.ok(["cp", "left:/kept", &kept]);
    assert_eq!(fs::read_to_string(kept).unwrap(), "kept\n");
}

#[test]
fn where_it_cannot_be_had_the_engine_says_why() {
    requires!("userns");
    if host::has(host::Need::Range)
        || std::env::var("CORACLE_TEST_ENGINE").is_ok_and(|e| e == "fuse")
    {
        return;
    }
    let sandbox = Sandbox::with_image();
    let words = [
        "--storage-opt",
        "engine=hybrid",
        "run",
        "--rm",
        "--network",
        "none",
        IMAGE,
        "true",
    ];
    let refused = sandbox.call(words).run().expect(125);
    refused.says("needs a range of subordinate ids");
}

/// The processors that a thread may use, by its directory in proc(5).
fn processors(thread: &Path) -> String {
    let status = fs::read_to_string(thread.join("status")).unwrap();
    let mut lines = status.lines();
    let found = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    found.unwrap().trim().to_owned()
}

/// While a container starts its stage and the server are kept to one.
#[test]
fn all_processors_are_there_for_the_program_and_in_the_end_for_the_server() {
    requires!("userns,range,fuse,overlay");
    let Some(sandbox) = sandbox() else { return };
    let own = processors(Path::new("/proc/thread-self"));
    let hybrid = ["--storage-opt", "engine=hybrid", "run", "--network", "none"];
    let show = "grep Cpus_allowed_list: /proc/self/status | cut -f2";
    for init in ["--init=true", "--init=false"] {
        let rest = ["--rm", "--userns=keep-id", init, IMAGE, "sh", "-c", show];
        let shown = sandbox.call(hybrid.into_iter().chain(rest)).run().expect(0);
        assert_eq!(shown.out(), own, "{init}");
    }
    let script = "i=0; while [ $i -lt 200 ]; do [ -e /bin/none-$i ] || i=$((i+1)); done
        echo ready; sleep 1000";
    let rest = ["-d", "--name", "asks", IMAGE, "sh", "-c", script];
    let id = sandbox.call(hybrid.into_iter().chain(rest)).run().expect(0);
    sandbox.wait_log("asks", "ready");
    let state = sandbox.path(&format!("s/containers/{}/state.json", id.out()));
    let state: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    let server = format!("/proc/{}/task", state["helpers"][0]["pid"]);
    let threads = fs::read_dir(server).unwrap().flatten();
    let found: Vec<_> = threads.map(|thread| processors(&thread.path())).collect();
    assert!(found.contains(&own), "{found:?}");
}
