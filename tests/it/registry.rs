// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a registry is reached: certificates, passwords, tokens, proxies.

use std::fs;

use crate::support::front::{Fault, Front};
use crate::support::process::Outcome;
use crate::support::registry::{NOWHERE, PASSWORD, Registry, USER};
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

const INSECURE: &str = "--tls-verify=false";

fn creds() -> String {
    format!("--creds={USER}:{PASSWORD}")
}

/// One line that says `words`.
#[track_caller]
fn refused(outcome: Outcome, words: &str) {
    let outcome = outcome.expect(125).says(words);
    assert_eq!(outcome.err().lines().count(), 1, "{}", outcome.err());
}

#[test]
fn a_certificate_of_its_own_is_believed_where_the_user_says_so() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let (registry, other) = (Registry::with_tls(), Registry::with_tls());
    let name = registry.name("team/web:1");
    let creds = creds();
    let certificates = |registry: &Registry| {
        let directory = registry.certificates();
        format!("--cert-dir={}", directory.display())
    };
    let push = |flags: &[&str]| {
        let words = ["push", "-q", &creds]
            .into_iter()
            .chain(flags.iter().copied());
        sandbox.run(words.chain([IMAGE, &name]))
    };
    refused(push(&[]), "certificate signed by unknown authority");
    let wrong = certificates(&other);
    refused(push(&[&wrong]), "certificate signed by unknown authority");
    push(&[INSECURE]).expect(0);
    push(&[&certificates(&registry)]).expect(0);
    let by_name = name.replace("127.0.0.1", "localhost");
    let pull = ["pull", "-q", &creds, &certificates(&registry), &by_name];
    refused(sandbox.run(pull), "certificate not valid for name");

    // The user's own certs.d and login do for all that follows.
    let directory = format!("config/containers/certs.d/{}", registry.address);
    fs::create_dir_all(sandbox.path(&directory)).unwrap();
    let certificate = registry.certificates().join("ca.crt");
    fs::copy(certificate, sandbox.path(&directory).join("own.crt")).unwrap();
    let auth_file = format!("--authfile={}", sandbox.shown("auth.json"));
    let as_user = |words: &[&str]| {
        let call = sandbox.call(words.iter().copied().chain([auth_file.as_str()]));
        call.env("XDG_CONFIG_HOME", sandbox.shown("config")).run()
    };
    let login = ["login", "-u", USER, "-p", PASSWORD, &registry.address];
    as_user(&login).expect(0);
    sandbox.ok(["rmi", IMAGE]);
    as_user(&["pull", "-q", &name]).expect(0);
    as_user(&["push", "-q", &name, &registry.name("other/web:2")]).expect(0);
    as_user(&["search", "--list-tags", &registry.name("other/web")]).expect(0);
    as_user(&["logout", &registry.address]).expect(0);
    refused(
        as_user(&["pull", "-q", "--policy=always", &name]),
        "authentication required",
    );
}

#[test]
fn tokens_are_asked_for_what_is_done_and_no_more() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let front = Front::with_tokens(&registry);
    let name = |rest: &str| format!("{}/{rest}", front.address);
    let creds = creds();
    let push = |flags: &[&str], name: &str| {
        let words = ["push", "-q", INSECURE]
            .into_iter()
            .chain(flags.iter().copied());
        sandbox.run(words.chain([IMAGE, name]))
    };
    let web = name("team/web:1");
    refused(push(&[], &web), "authentication required");
    refused(
        push(&["--creds=ana:wrong"], &web),
        "incorrect username or password",
    );
    push(&[&creds], &web).expect(0);
    // Whoever is nobody may pull.
    sandbox.ok(["rmi", IMAGE]);
    sandbox.ok(["pull", "-q", INSECURE, &web]);
    let before = front.seen().len();
    let copied = sandbox.run(["push", "-q", INSECURE, &creds, &web, &name("other/web:2")]);
    copied.expect(0);
    let seen = front.seen().split_off(before);
    let has = |words: &str| seen.iter().any(|line| line.contains(words));
    assert!(has("mount=sha256"), "{seen:#?}");
    assert!(has("scope=repository%3Ateam%2Fweb%3Apull&"), "{seen:#?}");
    assert!(!has("PATCH"), "{seen:#?}");
    assert_eq!(
        seen.iter().filter(|line| line.contains("/token")).count(),
        2,
        "{seen:#?}"
    );
}

#[test]
fn registries_behind_a_proxy_are_reached_through_it() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let (secure, plain) = (Registry::with_tls(), Registry::open());
    let nowhere = |registry: &Registry| {
        let (_, port) = registry.address.split_once(':').unwrap();
        format!("{NOWHERE}:{port}/web:1")
    };
    let certificates = format!("--cert-dir={}", secure.certificates().display());
    let creds = creds();
    for (registry, flags, seen) in [
        (
            &secure,
            vec![certificates.as_str(), &creds],
            "CONNECT registry.test:",
        ),
        (&plain, vec![INSECURE], "PUT http://registry.test:"),
    ] {
        let proxy = Front::proxy(registry);
        let address = format!("http://{}", proxy.address);
        let name = nowhere(registry);
        let run = |words: &[&str], own: &str| {
            let call = sandbox.call(words.iter().chain(&flags).copied().chain([name.as_str()]));
            let call = call
                .env("HTTPS_PROXY", &address)
                .env("http_proxy", &address);
            call.env("NO_PROXY", own).run()
        };
        sandbox.ok(["tag", IMAGE, &name]);
        run(&["push", "-q"], "example.com").expect(0);
        sandbox.ok(["rmi", &name]);
        run(&["pull", "-q"], "").expect(0);
        assert!(
            proxy.seen().iter().any(|line| line.starts_with(seen)),
            "{:?}",
            proxy.seen()
        );
        let before = proxy.seen().len();
        let direct = run(&["pull", "-q", "--policy=always", "--retry=0"], ".test");
        refused(direct, NOWHERE);
        assert_eq!(proxy.seen().len(), before);
    }
    // This machine's own registries are reached without.
    let name = plain.name("web:1");
    let push = sandbox.call(["push", "-q", INSECURE, IMAGE, &name]);
    push.env("HTTP_PROXY", "http://127.0.0.1:1").run().expect(0);
    let dead = sandbox.call(["pull", "-q", "--retry=0", "registry.test/web"]);
    refused(dead.env("HTTPS_PROXY", "http://127.0.0.1:1").run(), "proxy");
}

#[test]
fn a_registry_that_fails_is_asked_again_or_named_in_one_line() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let direct = registry.name("web:1");
    sandbox.ok(["push", "-q", INSECURE, IMAGE, &direct]);
    sandbox.ok(["rmi", IMAGE]);
    let busy = Fault::Status("503 Service Unavailable", "");
    let broken = Fault::Status("500 Internal Server Error", "");
    let soon = Fault::Status("429 Too Many Requests", "Retry-After: 1\r\n");
    let later = Fault::Status("429 Too Many Requests", "Retry-After: 3600\r\n");
    for (fault, times, expected) in [
        (Fault::Cut, 2, Ok(())),
        (Fault::Cut, 100, Err("broke off after")),
        (Fault::Flip, 1, Err("does not match")),
        (Fault::Long, 1, Err("where its manifest says")),
        (busy, 2, Ok(())),
        (broken, 100, Err("500 Internal Server Error")),
        (soon, 1, Ok(())),
        (later, 1, Err("too many requests")),
    ] {
        let front = Front::faulty(&registry, fault, times);
        let name = format!("{}/web:1", front.address);
        let flags = ["--retry=3", "--retry-delay=10ms", INSECURE];
        let pull = |name: &str| sandbox.run([&["pull", "-q"], &flags[..], &[name]].concat());
        match expected {
            Ok(()) => drop(pull(&name).expect(0)),
            Err(words) => refused(pull(&name), words),
        }
        pull(&direct).expect(0);
        sandbox.ok(["rmi", "-a", "-f"]);
    }
}

#[test]
fn a_layer_whose_upload_breaks_off_is_sent_once_more() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    // So long that it is sent while it is compressed.
    let write = "head -c 9000000 /dev/urandom >/large";
    sandbox.ok(["run", "--name", "large", IMAGE, "sh", "-c", write]);
    sandbox.ok(["commit", "-q", "large", "large"]);
    let front = Front::without(&registry, "PATCH");
    let push = |name: &str| {
        let file = sandbox.shown("digest");
        sandbox.ok(["push", "-q", INSECURE, "--digestfile", &file, "large", name]);
        fs::read_to_string(&file).unwrap()
    };
    let name = format!("{}/large:1", front.address);
    let digest = push(&name);
    let seen = front.seen();
    assert!(
        seen.iter().any(|line| line.starts_with("PATCH ")),
        "{seen:#?}"
    );
    sandbox.ok(["pull", "-q", INSECURE, "--policy=always", &name]);
    assert_eq!(push(&registry.name("direct:1")), digest);
}

#[test]
fn what_several_want_at_once_is_fetched_once() {
    requires!("registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let front = Front::proxy(&registry);
    let name = format!("{}/web:1", front.address);
    sandbox.ok(["push", "-q", INSECURE, IMAGE, &name]);
    sandbox.ok(["rmi", IMAGE]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| sandbox.ok(["pull", "-q", INSECURE, &name]));
        }
    });
    assert_eq!(sandbox.ok(["images", "-q"]).lines().count(), 1);
    let seen = front.seen();
    // The push has asked for the layer before the configuration, which each pull reads for itself.
    let layer = seen.iter().find_map(|line| line.strip_prefix("HEAD "));
    let get = format!("GET {}", layer.unwrap());
    assert_eq!(
        seen.iter().filter(|line| **line == get).count(),
        1,
        "{seen:#?}"
    );
}
