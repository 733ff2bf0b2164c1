// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generator of systemd units: that the program finds and writes files as systemd expects it
//! to, and that its own commands take what it writes. What each key becomes is a matter of tables,
//! which Podman's own fixtures judge (tests/conformance.md).

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::process::{Call, Outcome};
use crate::support::sandbox::{IMAGE, program};
use crate::support::{Sandbox, requires};

/// Runs the generator by a link of the name that systemd calls.
fn generate(sandbox: &Sandbox) -> Outcome {
    let link = sandbox.path("coracle-user-generator");
    symlink(program(), &link).unwrap();
    Call::new(&sandbox.shown("coracle-user-generator"))
        .args(["--no-kmsg-log", &sandbox.shown("out/normal")])
        .env("QUADLET_UNIT_DIRS", sandbox.shown("q"))
        .env("PODMAN", "/p")
        .run()
}

#[test]
fn quadlet_files_become_services_whose_commands_run() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir_all(sandbox.path("q/web.container.d")).unwrap();
    let container = format!(
        "[Container]\nImage={IMAGE}\nContainerName=web\nPod=group.pod\nVolume=data.volume:/data\n\
         Label=\"said=two words\"\nHealthCmd=true\nHealthInterval=1h\nDropCapability=all\n\
         Exec=sh -c \"echo $$HOME > /data/there; exec sleep 1000\"\n\
         [Install]\nWantedBy=default.target\n"
    );
    sandbox.file("q/web.container", &container);
    sandbox.file("q/web.container.d/1.conf", "[Container]\nEnvironment=A=b\n");
    sandbox.file("q/data.volume", "[Volume]\nVolumeName=data\nLabel=a=b\n");
    sandbox.file("q/group.pod", "[Pod]\nPodName=group\nNetwork=none\n");
    sandbox.file("q/bad.kube", "[Kube]\n");
    let outcome = generate(&sandbox).expect(1);
    outcome.says("converting \"bad.kube\": no Yaml key specified");

    let link = sandbox.path("out/normal/default.target.wants/web.service");
    assert_eq!(
        fs::read_link(link).unwrap().to_str(),
        Some("../web.service")
    );
    let run = |service: &str, key: &str| {
        let text = fs::read_to_string(sandbox.path("out/normal").join(service)).unwrap();
        let start = format!("{key}=/p ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        // What systemd would make of it.
        let line = line.unwrap().replace("%t/%N.pid", &sandbox.shown("pid"));
        let line = line.replace("$$", "$").replace("\\x20", " ");
        let parts = line.split('"').enumerate();
        let words = parts.flat_map(|(index, part)| {
            let is_quoted = index % 2 == 1;
            let part = if is_quoted {
                vec![part]
            } else {
                part.split_whitespace().collect()
            };
            part.into_iter().map(str::to_owned)
        });
        sandbox.ok(words.collect::<Vec<String>>())
    };
    run("data-volume.service", "ExecStart");
    run("group-pod.service", "ExecStartPre");
    run("group-pod.service", "ExecStart");
    let monitor = fs::read_to_string(sandbox.path("pid")).unwrap();
    assert_eq!(monitor, sandbox.field("group-infra", ".State.ConmonPid"));
    run("web.service", "ExecStart");
    let shown = sandbox.field("web", ".Config.Labels.said");
    assert_eq!(shown, "two words");
    assert_eq!(sandbox.ok(["exec", "web", "sh", "-c", "echo $A"]), "b");
    sandbox.ok(["wait", "--condition", "healthy", "web"]);
    assert_eq!(sandbox.ok(["volume", "ls", "-q"]), "data");
    run("web.service", "ExecStop");
    run("group-pod.service", "ExecStop");
    run("group-pod.service", "ExecStopPost");
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}
