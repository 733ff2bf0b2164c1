// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands that look: inspect, top, port, info, version, and what their templates can say.

use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

#[test]
fn inspect_shows_what_was_asked_for_and_what_is() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "--label",
        "tier=front",
        "-e",
        "A=b",
        "-v",
        "/usr:/mnt:ro",
        "--cap-add",
        "NET_ADMIN",
        "--cap-drop",
        "CHOWN",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let cases = [
        (".Id", id.as_str()),
        (".ID", &id),
        (".Name", "web"),
        (".State.Status", "running"),
        (".State.Running", "true"),
        (".State.ExitCode", "0"),
        (".Path", "sleep"),
        (".Args", "[1000]"),
        (".Config.Cmd", "[sleep 1000]"),
        (".Config.Entrypoint", "[]"),
        (".Config.Labels.tier", "front"),
        (".Config.Labels.nosuch", "<no value>"),
        (".HostConfig.NetworkMode", "none"),
        (".HostConfig.CapAdd", "[CAP_NET_ADMIN]"),
        (".HostConfig.CapDrop", "[CAP_CHOWN]"),
        (".HostConfig.RestartPolicy.Name", "no"),
        (".HostConfig.Binds", "[/usr:/mnt:ro,rprivate,rbind]"),
        ("(index .Mounts 0).Destination", "/mnt"),
        ("(index .Mounts 0).RW", "false"),
        (".NetworkSettings.Ports", "map[]"),
    ];
    for (field, expected) in cases {
        assert_eq!(sandbox.field("web", field), expected, "{field}");
    }
    let pid: i32 = sandbox.field("web", ".State.Pid").parse().unwrap();
    assert!(pid > 1);
    let whole = sandbox.ok(["inspect", "web"]);
    let document: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(document[0]["Config"]["Labels"]["tier"], "front");
    assert!(
        document[0]["Config"]["Env"]
            .as_array()
            .unwrap()
            .contains(&"A=b".into())
    );
    assert_eq!(document.as_array().unwrap().len(), 1);
}

#[test]
fn inspect_tells_each_name_that_means_nothing() {
    let sandbox = Sandbox::with_image();
    let outcome = sandbox.run(["inspect", "nosuch"]).expect(125);
    assert_eq!(outcome.out(), "[]");
    assert!(
        outcome.stderr.contains("no such object: \"nosuch\""),
        "{}",
        outcome.stderr
    );
    let mixed = sandbox.run(["inspect", "--format", "{{.Id}}", "nosuch", IMAGE, "other"]);
    let mixed = mixed.expect(125);
    assert_eq!(mixed.out().len(), 64, "{}", mixed.stdout);
    assert!(mixed.stderr.contains("other"), "{}", mixed.stderr);
    let image_id = sandbox.ok(["inspect", "--type", "image", "--format", "{{.Id}}", IMAGE]);
    sandbox
        .run(["inspect", "--type", "container", IMAGE])
        .expect(125);
    assert_eq!(image_id, mixed.out());
}

#[test]
fn a_template_that_does_not_fit_says_where() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "create",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "true",
    ]);
    let cases = [
        ("{{.Nosuch}}", "can't evaluate field Nosuch in type"),
        ("{{nosuch}}", "function \"nosuch\" not defined"),
        ("{{.Id", "bad character U+007B"),
        ("{{index .Mounts 3}}", "index out of range: 3"),
    ];
    for (format, message) in cases {
        let outcome = sandbox
            .run(["inspect", "--format", format, "web"])
            .expect(125);
        assert!(
            outcome.stderr.contains("template: inspect:"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains(message),
            "{format}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn top_shows_processes_as_the_container_knows_them_cve_2022_1227() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let pid = sandbox.field("web", ".State.Pid");
    // Programs of the container's are not asked, neither here nor there.
    let programs = "for p in ps nsenter; do rm -f /bin/$p /usr/bin/$p; \
                    printf '#!/bin/sh\\ntouch /asked' > /bin/$p; chmod 755 /bin/$p; done";
    sandbox.ok(["exec", "web", "sh", "-c", programs]);
    let usual = sandbox.ok(["top", "web"]);
    let headings: Vec<&str> = usual.lines().next().unwrap().split_whitespace().collect();
    let expected = [
        "USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND",
    ];
    assert_eq!(headings, expected);
    let chosen = sandbox.ok(["top", "web", "pid,hpid", "ppid", "seccomp"]);
    let first: Vec<&str> = chosen.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(first, ["1", &pid, "0", "filter"]);
    let by_ps = sandbox.ok(["top", "web", "-eo", "pid,ppid,args"]);
    assert!(
        by_ps.lines().any(|line| line.ends_with("sleep 1000")),
        "{by_ps}"
    );
    assert!(
        by_ps.lines().skip(1).all(|line| !line.starts_with(&pid)),
        "{by_ps}"
    );
    sandbox.run(["top", "web", "-eo", "nosuch"]).expect(125);
    if tool() == Tool::Coracle {
        sandbox.ok(["exec", "web", "test", "!", "-e", "/asked"]);
    }
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    let gone = sandbox.run(["top", "web"]).expect(125);
    assert!(gone.stderr.contains("no such container"), "{}", gone.stderr);
}

#[test]
fn port_answers_for_containers_that_publish_nothing() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "create",
        "--network",
        "none",
        "--expose",
        "80",
        "--name",
        "web",
        IMAGE,
        "true",
    ]);
    assert_eq!(sandbox.ok(["port", "web"]), "");
    assert_eq!(sandbox.ok(["port", "--all"]), "");
    let refused = sandbox.run(["port", "web", "80/tcp"]).expect(125);
    assert!(refused.stderr.contains("80/tcp"), "{}", refused.stderr);
    sandbox.run(["port", "nosuch"]).expect(125);
    assert_eq!(sandbox.ok(["ps", "-a", "--format", "{{.Ports}}"]), "80/tcp");
}

#[test]
fn info_and_version_answer_scripts_of_both_tools() {
    let sandbox = Sandbox::with_image();
    // A pass that forces an engine does so by an option of the store.
    let options = match std::env::var("CORACLE_TEST_ENGINE") {
        Ok(engine) if !engine.is_empty() => format!("map[engine:{engine}]"),
        _ => "map[]".to_owned(),
    };
    let cases = [
        ("{{.Host.OCIRuntime.Name}}", "coracle"),
        ("{{.Host.OS}}", "linux"),
        ("{{.Store.GraphDriverName}}", "overlay"),
        ("{{.OSType}}", "linux"),
        ("{{.Store.GraphOptions}}", options.as_str()),
        ("{{index .Store.GraphOptions \"nosuch\"}}", "<no value>"),
    ];
    for (format, expected) in cases {
        assert_eq!(
            sandbox.ok(["info", "--format", format]),
            expected,
            "{format}"
        );
    }
    let json = sandbox.ok(["info", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["store"]["containerStore"]["number"], 0);
    let yaml = sandbox.ok(["info"]);
    assert!(yaml.starts_with("host:\n  arch: "), "{yaml}");
    let version = sandbox.ok(["version", "--format", "{{.Client.Version}}"]);
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        sandbox.ok(["version", "--format", "{{.Server.Version}}"]),
        version
    );
    assert!(sandbox.ok(["version"]).contains("API Version:"));
}
