// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generator of systemd units and `generate systemd`: that the program finds and writes files as
//! systemd expects it to, and that its own commands take what it writes. What each key becomes is a matter of tables,
//! which Podman's own fixtures judge (tests/conformance.md).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
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

/// What systemd would make of the command `key` in the file of a service: its words.
fn command(text: &str, key: &str, specifiers: &[(&str, &str)]) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let start = format!("{key}=/p ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    let mut line = line.unwrap().to_owned();
    for (specifier, value) in specifiers {
        line = line.replace(specifier, value);
    }
    let line = line.replace("$$", "$").replace("%%", "%");
    let line = line.replace("\\x20", " ");
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
    words.collect()
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
        sandbox.ok(command(&text, key, &[("%t/%N.pid", &sandbox.shown("pid"))]))
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

/// The services that `generate systemd` writes of `words`, by their names.
fn services_of(sandbox: &Sandbox, words: &[&str]) -> BTreeMap<String, String> {
    let call = sandbox.call([&["generate", "systemd", "--format=json"], words].concat());
    let outcome = call.env("PODMAN", "/p").run().expect(0);
    assert!(outcome.err().contains("DEPRECATED"), "{}", outcome.err());
    serde_json::from_str(outcome.out()).unwrap()
}

#[test]
fn a_service_makes_the_container_that_was_created_by_hand() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "echo $A; echo 50% of it; exec sleep 1000";
    let flags = [
        "create",
        "--name=web",
        "--network=none",
        "-i",
        "--rm=false",
        "-e",
        "A",
    ];
    let words = ["--restart=on-failure:3", IMAGE, "sh", "-c", script];
    let create = sandbox.call([&flags[..], &words].concat());
    create.env("A", "b c").run().expect(0);
    let units = services_of(
        &sandbox,
        &["--new", "--name", "-t=0", "--after=a.service", "web"],
    );
    sandbox.ok(["rm", "web"]);
    let text = &units["container-web"];
    for line in [
        "Environment=\"A=b\\x20c\"",
        "After=a.service",
        "Restart=on-failure",
        "StartLimitBurst=3",
        "TimeoutStopSec=60",
        "Type=notify",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    let id_file = sandbox.shown("web.ctr-id");
    let words = |key| command(text, key, &[("%t/%n.ctr-id", &id_file)]);
    // The second is in the place of one that a crash has left, whose end leaves the file alone.
    for _ in 0..2 {
        let start = sandbox.call(words("ExecStart")).env("A", "b c");
        let id = start.run().expect(0).out().trim().to_owned();
        sandbox.wait_log("web", "of");
        assert_eq!(fs::read_to_string(&id_file).unwrap(), id);
    }
    assert_eq!(sandbox.ok(["logs", "web"]), "b c\n50% of it");
    sandbox.ok(words("ExecStop"));
    sandbox.ok(words("ExecStopPost"));
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}

#[test]
fn a_service_starts_what_is_there() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["pod", "create", "--name=p", "--network=none"]);
    sandbox.ok(["create", "--pod=p", "--name=in", IMAGE, "sleep", "1000"]);
    let units = services_of(&sandbox, &["--name", "-t=0", "--pod-prefix=", "p"]);
    assert!(units.keys().eq(["container-in", "p"]), "{units:?}");
    assert!(units["p"].contains("\nWants=container-in.service\nBefore=container-in.service\n"));
    assert!(units["container-in"].contains("\nBindsTo=p.service\nAfter=p.service\n"));
    for (unit, container) in [("p", "p-infra"), ("container-in", "in")] {
        let container = container.replace(
            "p-infra",
            &sandbox.ok(["pod", "inspect", "-f", "{{.InfraContainerID}}", "p"]),
        );
        let start = sandbox.call(command(&units[unit], "ExecStart", &[]));
        start
            .env("PODMAN_SYSTEMD_UNIT", "u.service")
            .run()
            .expect(0);
        let mut lines = units[unit].lines();
        let file = lines
            .find_map(|line| line.strip_prefix("PIDFile="))
            .unwrap();
        let monitor = sandbox.field(&container, ".State.ConmonPid");
        assert_eq!(fs::read_to_string(file).unwrap(), monitor);
    }
    sandbox.ok(command(&units["container-in"], "ExecStop", &[]));
    sandbox.ok(command(&units["p"], "ExecStopPost", &[]));
    assert_eq!(sandbox.ok(["ps", "-q"]), "");

    let anew = services_of(&sandbox, &["--new", "--name", "-t=0", "p"]);
    sandbox.ok(["pod", "rm", "-f", "p"]);
    let (pod_file, pid_file) = (sandbox.shown("p.pod-id"), sandbox.shown("p.pid"));
    let files = [
        ("%t/pod-p.pod-id", pod_file.as_str()),
        ("%t/pod-p.pid", &pid_file),
        ("%t/%n.ctr-id", &sandbox.shown("in.ctr-id")),
    ];
    let run = |unit: &str, key| sandbox.ok(command(&anew[unit], key, &files));
    run("pod-p", "ExecStartPre");
    run("pod-p", "ExecStart");
    run("container-in", "ExecStart");
    let monitors = sandbox.ok([
        "inspect",
        "-f",
        "{{.State.ConmonPid}}",
        "--type=container",
        &sandbox.ok(["pod", "inspect", "-f", "{{.InfraContainerID}}", "p"]),
    ]);
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), monitors);
    run("container-in", "ExecStop");
    run("container-in", "ExecStopPost");
    run("pod-p", "ExecStop");
    run("pod-p", "ExecStopPost");
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");

    sandbox
        .run(["generate", "systemd", "none"])
        .expect(125)
        .says("none does not refer to a container or pod");
}

#[test]
fn quadlet_files_are_installed_listed_and_removed() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("app")).unwrap();
    sandbox.file("app/web.container", "[Container]\nImage=i\n");
    sandbox.file("app/page", "hello\n");
    let call = |words: &[&str]| {
        let call = sandbox.call([&["quadlet"], words].concat());
        call.env("XDG_CONFIG_HOME", sandbox.shown("config"))
            .env(
                "QUADLET_UNIT_DIRS",
                sandbox.shown("config/containers/systemd"),
            )
            // No systemd of this machine is to be asked.
            .env("PATH", "/nowhere")
            .run()
    };
    // Root's are in /etc.
    if !nix::unistd::getuid().is_root() {
        let app = sandbox.shown("app");
        let installed = call(&["install", &app]).expect(0);
        installed.says("until systemd reads its files anew");
        call(&["install", &app])
            .expect(125)
            .says("already exists, refusing to overwrite");
        call(&["install", "--replace", "--reload-systemd=false", &app]).expect(0);
        let row = "{{.Name}} {{.UnitName}} {{.Status}} {{.App}}";
        let listed = call(&["list", "--noheading", "--format", row]).expect(0);
        assert_eq!(
            listed.out(),
            "web.container web.service Not loaded .app.app"
        );
        assert_eq!(call(&["ls", "-q", "-f", "name=x*"]).expect(0).out(), "");
        let text = call(&["print", "web.container"]).expect(0);
        assert_eq!(text.out(), "[Container]\nImage=i");
        assert_eq!(
            call(&["rm", "web.container"]).expect(0).out(),
            "web.container"
        );
        assert_eq!(
            fs::read_dir(sandbox.path("config/containers/systemd"))
                .unwrap()
                .count(),
            0
        );
    }
    call(&["rm", "web.container"])
        .expect(125)
        .says("could not locate quadlet");
    call(&["rm", "-i", "web.container"]).expect(0);
}

/// A web server with one quadlet file, a page that never ends, and nothing else.
fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let (head, body) = match request.split(' ').nth(1).unwrap_or_default() {
                "/web.container" | "/evil?x" | "/?x" => {
                    ("200 OK", "[Container]\nImage=i\n".to_owned())
                }
                "/download?id=7" => (
                    "200 OK\r\nContent-Disposition: attachment; filename=\"named.volume\"",
                    "[Volume]\n".to_owned(),
                ),
                "/moved.volume" => ("302 Found\r\nLocation: /download?id=7", String::new()),
                "/long.container" => ("200 OK", "#".repeat((1 << 20) + 1)),
                "/page.html" => ("200 OK", "hello\n".to_owned()),
                _ => ("404 Not Found", "no".to_owned()),
            };
            let length = body.len();
            // A client that has read enough hangs up.
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n");
            let answer = format!("{head}Connection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    address.to_string()
}

#[test]
fn quadlet_files_are_installed_from_the_web() {
    if nix::unistd::getuid().is_root() {
        // Root's are in /etc.
        return;
    }
    let sandbox = Sandbox::new();
    let server = web_server();
    let place = sandbox.shown("config/containers/systemd");
    let call = |words: &[&str]| {
        let call = sandbox.call([&["quadlet"], words].concat());
        call.env("XDG_CONFIG_HOME", sandbox.shown("config"))
            .env("QUADLET_UNIT_DIRS", &place)
            .env("PATH", "/nowhere")
            .run()
    };
    let url = |path: &str| format!("http://ana:secret@{server}{path}");
    let installed = call(&["install", &url("/web.container"), &url("/page.html")]).expect(0);
    assert_eq!(
        installed.out(),
        format!("{place}/web.container\n{place}/page.html")
    );
    let text = call(&["print", "web.container"]).expect(0);
    assert_eq!(text.out(), "[Container]\nImage=i");
    let listed = fs::read_to_string(sandbox.path("config/containers/systemd/.web.container.asset"));
    assert_eq!(listed.unwrap(), "page.html\n");
    let named = call(&["install", &url("/download?id=7")]).expect(0);
    assert_eq!(named.out(), format!("{place}/named.volume"));
    let named = call(&["install", "--replace", &url("/moved.volume")]).expect(0);
    assert_eq!(named.out(), format!("{place}/named.volume"));
    for (path, words) in [
        ("/web.container", "already exists, refusing to overwrite"),
        ("/gone.container", "/gone.container: "),
        ("/long.container", "is too long: more than 1048576 bytes"),
        ("/evil?x", "\"\" is not a supported Quadlet file type"),
        ("/?x", "its address and its server name no file"),
    ] {
        let refused = call(&["install", &url(path)]).expect(125);
        assert!(!refused.err().contains("secret"), "{}", refused.err());
        refused.says(words);
    }
    let refused = call(&["install", "ftp://x/web.container"]).expect(125);
    assert!(!refused.err().contains("systemd"), "nothing is new to it");
    refused.says("files come from paths, and from http:// and https:// addresses");
    assert_eq!(
        call(&["rm", "web.container", "named.volume"])
            .expect(0)
            .out(),
        "web.container\nnamed.volume"
    );
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}
