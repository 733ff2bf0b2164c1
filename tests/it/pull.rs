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
        assert_eq!(failed.err().lines().count(), 1, "{}", failed.err());
    }
    let never = sandbox.run(["run", "--pull=never", "--rm", &missing, "true"]);
    never.expect(125).says("image not known");
    sandbox.ok(["pull", "-q", INSECURE, &creds, &name]);
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
