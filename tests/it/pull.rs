// SPDX-License-Identifier: Apache-2.0 OR MIT
//! pull and push: to a registry and back, with other tools in between.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

const INSECURE: &str = "--tls-verify=false";

fn inspected(sandbox: &Sandbox, image: &str, field: &str) -> String {
    sandbox.ok(["image", "inspect", "--format", field, image])
}

#[test]
fn an_image_comes_back_as_it_went() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let (first, copy) = (registry.name("team/web:1"), registry.name("other/web:2"));
    let id = inspected(&sandbox, IMAGE, "{{.Id}}");
    let digest_file = sandbox.path("digest");
    let flag = format!("--digestfile={}", digest_file.display());
    sandbox.ok(["push", INSECURE, &flag, IMAGE, &first]);
    let digest = std::fs::read_to_string(&digest_file).unwrap();

    // The layers are there now: the same manifest arrives under another name without a byte.
    let pulled = sandbox.run(["pull", INSECURE, &first]).expect(0);
    assert_eq!(pulled.out(), id);
    pulled.says(&format!("Trying to pull {first}..."));
    sandbox.ok(["push", "-q", INSECURE, &first, &copy]);
    for name in [IMAGE, &first] {
        sandbox.ok(["rmi", name]);
    }
    let by_digest = format!("{}@{digest}", registry.name("other/web"));
    assert_eq!(sandbox.ok(["pull", "-q", INSECURE, &by_digest]), id);
    assert_eq!(inspected(&sandbox, &id, "{{.Digest}}"), digest);
    sandbox.ok(["rmi", &id]);
    let ran = sandbox.run([
        "run",
        "--rm",
        "--network=none",
        INSECURE,
        &copy,
        "echo",
        "here",
    ]);
    assert_eq!(ran.expect(0).out(), "here");
}

#[test]
fn a_pull_that_fails_says_why_in_one_line() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::with_login();
    let name = registry.name("web:1");
    let creds = format!("--creds={USER}:{PASSWORD}");
    sandbox.ok(["push", "-q", INSECURE, &creds, IMAGE, &name]);
    let missing = registry.name("web:2");
    for (flags, name, words) in [
        (
            vec![INSECURE],
            &name,
            "unauthorized: authentication required",
        ),
        (
            vec![INSECURE, "--creds=ana:wrong"],
            &name,
            "unauthorized: authentication required",
        ),
        (vec![INSECURE, &creds], &missing, "manifest unknown"),
        (
            vec![&creds],
            &name,
            "server gave HTTP response to HTTPS client",
        ),
    ] {
        let mut arguments = vec!["pull", "-q"];
        arguments.extend(flags);
        arguments.push(name);
        let failed = sandbox.run(arguments).expect(125);
        let failed = failed.says(words);
        let errors = failed
            .err()
            .lines()
            .filter(|line| !line.starts_with("hint: "));
        assert_eq!(errors.count(), 1, "{}", failed.err());
    }
    let never = sandbox.run(["run", "--pull=never", "--rm", &missing, "true"]);
    never.expect(125).says("image not known");
    sandbox.ok(["pull", "-q", INSECURE, &creds, &name]);
}

#[test]
fn a_pull_of_what_is_there_is_told_in_the_words_of_each_tool() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let name = registry.name("team/web:1");
    sandbox.ok(["push", "-q", INSECURE, IMAGE, &name]);
    let pull = |flag: &str| sandbox.run(["pull", INSECURE, flag, &name]).expect(0);
    pull("--policy=always").says("Writing manifest to image destination");
    assert_eq!(pull("--policy=newer").err(), "");

    let docker = |name: &str| {
        let call = sandbox.call(["pull", name]);
        call.env("CORACLE_MODE", "docker").run()
    };
    sandbox.ok(["rmi", &name]);
    let mut lines = vec![];
    for status in ["Downloaded newer image", "Image is up to date"] {
        let outcome = docker(&name).expect(0);
        lines = outcome.out().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "1: Pulling from team/web");
        assert_eq!(
            lines[lines.len() - 2],
            format!("Status: {status} for {name}")
        );
        assert_eq!(lines[lines.len() - 1], name);
    }
    assert_eq!(lines.len(), 4, "{lines:?}");
    let missing = docker(&registry.name("team/none:1")).expect(1);
    assert_eq!(missing.out(), "");
    missing.says("Error response from daemon: manifest for ");
    let nobody = docker("127.0.0.1:1/web:1").expect(1);
    assert_eq!(
        nobody.err(),
        "Error response from daemon: Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: \
         connect: connection refused"
    );
}

#[test]
fn a_registry_that_is_not_there_yet_is_waited_for_if_that_is_asked_for() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let retry = ["--retry=2", "--retry-delay=10ms"];
    let mut arguments = vec!["pull", "-q", INSECURE];
    arguments.extend(retry);
    arguments.push("127.0.0.1:1/web");
    let outcome = sandbox.run(arguments).expect(125);
    let outcome = outcome.says("Failed, retrying in 10ms ... (2/2). Error: initializing source");
    assert_eq!(outcome.err().lines().count(), 3, "{}", outcome.err());
    let at_once = sandbox.run(["pull", "-q", INSECURE, "127.0.0.1:1/web"]);
    assert_eq!(at_once.expect(125).err().lines().count(), 1);
}

#[test]
fn a_pull_killed_at_any_moment_does_not_hinder_the_next() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let name = registry.name("web:1");
    sandbox.ok(["push", "-q", INSECURE, IMAGE, &name]);
    sandbox.ok(["rmi", "-a"]);
    let pull = ["pull", "-q", INSECURE, &name];
    for moment in [5, 20, 40, 80] {
        let running = sandbox.call(pull).spawn();
        running.wait_at_most(Duration::from_millis(moment));
        kill(running.pid(), Signal::SIGKILL).ok();
        drop(running.finish());
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| sandbox.ok(pull));
        }
    });
    assert_eq!(sandbox.ok(["images", "-q"]).lines().count(), 1);
    sandbox.ok(["system", "check"]);
    sandbox.ok(["rmi", &name]);
    for directory in ["s/layers", "s/tmp"] {
        let left = std::fs::read_dir(sandbox.path(directory)).unwrap().count();
        assert_eq!(left, 0, "{directory}");
    }
}

#[test]
fn policies_platforms_and_all_tags() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let name = registry.name("web:1");
    let older = inspected(&sandbox, IMAGE, "{{.Id}}");
    sandbox.ok(["push", "-q", INSECURE, IMAGE, &name]);
    sandbox.ok(["pull", "-q", INSECURE, &name]);
    // Another image under the same name, which nobody here has heard of.
    sandbox.ok(["create", "--name", "changed", IMAGE, "true"]);
    let newer = sandbox.ok(["commit", "-q", "--change", "ENV a=b", "changed", "changed"]);
    // The registry has its lowest layer: nobody compresses that to learn it.
    let pushed = sandbox.run(["push", INSECURE, "changed", &name]).expect(0);
    pushed.says("skipped: already exists");
    let with = |policy: &str, name: &str| {
        let policy = format!("--policy={policy}");
        sandbox.run(["pull", "-q", INSECURE, "--retry=0", &policy, name])
    };
    for (policy, expected) in [("never", &older), ("missing", &older), ("newer", &newer)] {
        assert_eq!(with(policy, &name).expect(0).out(), *expected, "{policy}");
    }
    sandbox.ok(["tag", IMAGE, &name]);
    let run = [
        "run",
        "--rm",
        "--network=none",
        INSECURE,
        "--pull=always",
        &name,
    ];
    let ran = sandbox.run([&run[..], &["sh", "-c", "echo $a"]].concat());
    assert_eq!(ran.expect(0).out(), "b");
    // A registry that does not answer is no hindrance where the image is here.
    let gone = "127.0.0.1:1/web:1";
    sandbox.ok(["tag", IMAGE, gone]);
    assert_eq!(with("newer", gone).expect(0).out(), older);
    with("always", gone).expect(125).says("connection refused");
    with("never", &registry.name("none"))
        .expect(125)
        .says("image not known");

    for (architecture, image) in [("arm64", IMAGE), ("riscv64", "changed")] {
        let flag = format!("--arch={architecture}");
        sandbox.ok(["manifest", "create", "-a", "list"]);
        sandbox.ok(["manifest", "add", &flag, "list", image]);
    }
    sandbox.ok([
        "manifest",
        "push",
        "-q",
        INSECURE,
        "list",
        &registry.name("web:list"),
    ]);
    let list = registry.name("web:list");
    for (flag, expected) in [
        ("--platform=linux/arm64", Some(&older)),
        ("--arch=riscv64", Some(&newer)),
        ("--os=plan9", None),
    ] {
        let pulled = sandbox.run(["pull", "-q", INSECURE, flag, &list]);
        match expected {
            Some(id) => assert_eq!(pulled.expect(0).out(), id, "{flag}"),
            None => drop(pulled.expect(125).says("no image found in image index for")),
        }
    }
    sandbox.ok(["rm", "changed"]);
    sandbox.ok(["rmi", "-a", "-f"]);
    let all = sandbox.run([
        "pull",
        "-q",
        "-a",
        INSECURE,
        "--arch=riscv64",
        &registry.name("web"),
    ]);
    let mut ids: Vec<String> = all.expect(0).out().lines().map(str::to_owned).collect();
    ids.dedup();
    assert_eq!(ids, [newer]);
    let format = "{{.Repository}}:{{.Tag}}";
    let names = sandbox.ok(["images", "--sort=repository", "--format", format]);
    assert_eq!(names.lines().collect::<Vec<_>>(), [name, list]);
}
