// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs of the host at points of a container's life, as hooks.d describes them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

/// Notes the point, and what it hears of the container there.
fn hook(sandbox: &Sandbox, when: &str, stages: &[&str]) -> String {
    let directory = sandbox.path("hooks.d");
    fs::create_dir_all(&directory).unwrap();
    for stage in stages {
        let program = directory.join(stage);
        let log = sandbox.shown("log");
        let script = format!(
            "#!/bin/sh\nread state; case $state in *'\"pid\"'*) pid=yes;; *) pid=no;; esac\n\
             echo {stage} $pid $(echo \"$state\" | grep -o '\"status\":\"[a-z]*\"') >>{log}\n"
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = program.display();
        let text = format!(
            r#"{{"version":"1.0.0","hook":{{"path":"{path}"}},"when":{when},"stages":["{stage}"]}}"#
        );
        fs::write(directory.join(format!("{stage}.json")), text).unwrap();
    }
    directory.display().to_string()
}

#[test]
fn hooks_run_at_each_point_of_every_run() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let stages = [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ];
    let hooks = hook(&sandbox, r#"{"commands":["^true$"]}"#, &stages);
    let run = [
        "run",
        "--name",
        "c",
        "--network",
        "none",
        "--hooks-dir",
        &hooks,
        IMAGE,
    ];
    sandbox.ok([&run[..], &["true"]].concat());
    let once = "prestart yes \"status\":\"creating\"\n\
                createRuntime yes \"status\":\"creating\"\n\
                createContainer yes \"status\":\"creating\"\n\
                poststart yes \"status\":\"running\"\n\
                poststop no \"status\":\"stopped\"\n";
    let log = || fs::read_to_string(sandbox.path("log")).unwrap_or_default();
    assert_eq!(log(), once);
    // The record knows the directory.
    sandbox.ok(["start", "-a", "c"]);
    assert_eq!(log(), once.repeat(2));
    // Another program is not meant.
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "--hooks-dir",
        &hooks,
        IMAGE,
    ];
    sandbox.ok([&run[..], &["echo"]].concat());
    assert_eq!(log(), once.repeat(2));
}

#[test]
fn a_hook_that_fails_keeps_the_program_from_running() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let hooks = hook(&sandbox, r#"{"always":true}"#, &["prestart"]);
    let path = sandbox.path("hooks.d/prestart");
    fs::write(&path, "#!/bin/sh\nexit 3\n").unwrap();
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "--hooks-dir",
        &hooks,
        IMAGE,
        "echo",
        "ran",
    ];
    let outcome = sandbox.run(run).expect(125);
    assert_eq!(outcome.stdout, "");
    let wanted = format!(
        "error running prestart hook #0: {}: exit code 3",
        path.display()
    );
    outcome.says(&wanted);
    fs::write(sandbox.path("hooks.d/x.json"), "{}").unwrap();
    sandbox.run(run).expect(125).says("x.json: missing field");
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}
