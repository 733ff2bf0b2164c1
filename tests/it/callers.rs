// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs of others that call podman, as Debian has them: distrobox and podman-compose.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::support::process::Call;
use crate::support::sandbox::{IMAGE, Tool, program, tool};
use crate::support::{Sandbox, host, requires};

/// What the box lacks of what distrobox looks for, as nothing, so that it installs no packages.
const STAND_INS: &str = "printf '%s\\n' sudo pinentry wget curl less bc time lsof | \
                         xargs -I@ ln -sf /bin/true /usr/local/bin/@";

/// A program that finds coracle under the name of podman, with this sandbox's store and the engine
/// that is coracle's own choice, and a home of its own.
struct Caller<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
}

impl<'a> Caller<'a> {
    fn new(sandbox: &'a Sandbox, name: &'static str) -> Self {
        for directory in ["bin", "home"] {
            fs::create_dir_all(sandbox.path(directory)).unwrap();
        }
        let script = format!(
            "#!/bin/bash\nexport CONTAINERS_CONF=/dev/null\n\
             exec -a podman '{}' --root '{}' --runroot '{}' \"$@\"\n",
            program(),
            sandbox.shown("s"),
            sandbox.shown("r")
        );
        let path = sandbox.file("bin/podman", &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { sandbox, name }
    }

    fn call(&self, words: &[&str]) -> Call {
        let path = std::env::var("PATH").unwrap();
        let home = self.sandbox.shown("home");
        Call::new("env")
            .args(["-C", &home, self.name])
            .args(words)
            .env("PATH", format!("{}:{path}", self.sandbox.shown("bin")))
            .env("HOME", home)
            .env("SHELL", "/bin/bash")
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        self.call(words).run().expect(0).out().to_owned()
    }
}

#[test]
fn distrobox_leads_a_box_through_its_life() {
    requires!("userns,range,unprivileged,fuse,debian,distrobox");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    let archive = host::debian().expect("it is required");
    sandbox.ok(["import", "-q", &archive, "localhost/debian:12"]);
    let distrobox = Caller::new(&sandbox, "distrobox");
    let image = ["--image", "localhost/debian:12", "--no-entry"];
    let create = ["create", "--name", "box", "--pre-init-hooks", STAND_INS];
    distrobox.ok(&[&create[..], &image].concat());

    // Who enters is the caller, at home.
    let script = "id -un; id -u; pwd; touch made; tty; true";
    let told = distrobox.ok(&["enter", "box", "--", "sh", "-c", script]);
    let own = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(own).unwrap().unwrap().name;
    let home = sandbox.shown("home");
    assert_eq!(told, format!("{name}\n{own}\n{home}\nnot a tty"));
    let made = fs::metadata(sandbox.path("home/made")).unwrap();
    assert_eq!(made.uid(), own.as_raw());
    let code = distrobox.call(&["enter", "box", "--", "sh", "-c", "exit 7"]);
    code.run().expect(7);
    // With a terminal, too, and in a directory of the host.
    let line = "cd / && distrobox enter box -- sh -c 'tty; pwd'";
    let script = Caller {
        name: "script",
        ..distrobox
    };
    let told = script.ok(&["-qec", line, "/dev/null"]);
    assert!(told.ends_with("/dev/pts/0\r\n/run/host"), "{told:?}");

    // Root is one of the range, and what it makes stays.
    let root = "id -u && touch /root/kept && chown daemon /root/kept";
    let told = distrobox.ok(&["enter", "box", "--", "su", "-c", root]);
    assert_eq!(told, "0");
    assert!(distrobox.ok(&["list"]).contains("| running "));
    distrobox.ok(&["stop", "--yes", "box"]);
    assert!(distrobox.ok(&["list"]).contains("| exited "));
    let look = ["enter", "box", "--", "su", "-c", "stat -c %U /root/kept"];
    assert_eq!(distrobox.ok(&look), "daemon");
    distrobox.ok(&["rm", "--force", "box"]);
    assert!(!distrobox.ok(&["list"]).contains("box "));
}

const COMPOSE: &str = r#"
version: "3"
services:
  store:
    image: IMAGE
    init: true
    command: ["sh", "-c", "echo \"$$WORDS\" >/data/words; exec httpd -f -p 6000 -h /data"]
    environment: {WORDS: well met}
    volumes: ["data:/data"]
    networks: [back]
  web:
    image: IMAGE
    init: true
    depends_on: [store]
    command: ["sh", "-c", "until wget -q -O /tmp/words store:6000/words; do sleep 0.1; done; exec httpd -f -p 8000 -h /tmp"]
    volumes: ["data:/seen:ro"]
    ports: ["127.0.0.1::8000"]
    networks: [back, front]
    healthcheck: {test: "test -e /tmp/words", interval: 100ms, retries: 100}
  client:
    image: IMAGE
    init: true
    depends_on: [web]
    command: ["sh", "-c", "until wget -q -O - web:8000/words; do sleep 0.1; done; exec sleep 1000"]
    networks: [front]
networks: {back: {}, front: {}}
volumes: {data: {}}
"#;

#[test]
fn podman_compose_brings_services_up_and_down() {
    requires!("userns,podman-compose");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    let compose = Caller::new(&sandbox, "podman-compose");
    let file = COMPOSE.replace("IMAGE", IMAGE);
    sandbox.file("home/docker-compose.yml", &file);
    compose.ok(&["--project-name", "site", "up", "-d"]);
    sandbox.wait_log("site_client_1", "well met");
    sandbox.ok(["wait", "--condition", "healthy", "site_web_1"]);
    let call = |words: &[&str]| compose.ok(&[&["--project-name", "site"], words].concat());
    let listed = call(&["ps"]);
    for service in ["store", "web", "client"] {
        assert!(listed.contains(&format!(" site_{service}_1")), "{listed}");
    }
    assert_eq!(listed.matches("  Up ").count(), 3, "{listed}");
    assert!(call(&["logs"]).contains("well met"));
    let look = ["exec", "-T", "web", "cat", "/seen/words"];
    assert!(call(&look).starts_with("well met"));

    let address = sandbox.ok(["port", "site_web_1", "8000"]);
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .write_all(b"GET /words HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("well met\n"), "{answer}");

    call(&["down", "-v"]);
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
    assert_eq!(sandbox.ok(["volume", "ls", "-q"]), "");
}
