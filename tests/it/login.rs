// SPDX-License-Identifier: Apache-2.0 OR MIT
//! login, logout and search: who we are at a registry, and where that is kept.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::process::{Call, Outcome};
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::{Sandbox, requires};

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn log_in(sandbox: &Sandbox, flags: &[&str], registry: &Registry) -> Call {
    let mut arguments = vec![
        "login",
        "--tls-verify=false",
        "-u",
        USER,
        "--password-stdin",
    ];
    arguments.extend(flags);
    arguments.push(&registry.address);
    sandbox.call(arguments)
}

#[test]
fn a_login_is_checked_kept_and_forgotten() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let registry = Registry::with_login();
    let address = &registry.address;
    let file = sandbox.path("auth/auth.json");
    let flag = format!("--authfile={}", file.display());
    let wrong = log_in(&sandbox, &[&flag], &registry).stdin("wrong").run();
    wrong.expect(125).says(&format!(
        "Error: logging into \"{address}\": invalid username/password"
    ));
    assert!(!file.exists());
    let secure = sandbox.call(["login", "-u", USER, "-p", PASSWORD, &flag, address]);
    secure
        .run()
        .expect(125)
        .says("HTTP response to HTTPS client");

    let right = log_in(&sandbox, &[&flag], &registry);
    let right = right.stdin(format!("{PASSWORD}\n")).run().expect(0);
    assert_eq!(right.out(), "Login Succeeded!");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(json(&file)["auths"][address]["auth"], "YW5hOnM6ZWNyZXQ=");
    assert_eq!(sandbox.ok(["login", "--get-login", &flag, address]), USER);

    registry.make_tag("team/web", "1.0");
    let search = |flags: &[&str]| {
        let all = ["search", "--tls-verify=false", "--format", "{{.Name}}"];
        let term = registry.name("web");
        let words = all.into_iter().chain(flags.iter().copied());
        sandbox.run(words.chain([term.as_str()]))
    };
    assert_eq!(search(&[&flag]).expect(0).out(), registry.name("team/web"));
    let pair = format!("--creds={USER}:{PASSWORD}");
    assert_eq!(search(&[&pair]).expect(0).out(), registry.name("team/web"));
    search(&["--creds=ana:wrong"])
        .expect(125)
        .says("authentication required");

    let out = sandbox.ok(["logout", &flag, address]);
    assert_eq!(out, format!("Removed login credentials for {address}"));
    assert_eq!(json(&file)["auths"], serde_json::json!({}));
    let again = sandbox.run(["logout", &flag, address]).expect(125);
    again.says(&format!("not logged into {address}"));
    let nobody = sandbox.run(["login", "--get-login", &flag, address]);
    nobody
        .expect(125)
        .says(&format!("not logged into {address}"));
}

/// Docker's mode with a configuration directory and a `PATH` of the sandbox's.
fn docker(sandbox: &Sandbox, call: Call) -> Outcome {
    let path = std::env::var("PATH").unwrap_or_default();
    call.env("CORACLE_MODE", "docker")
        .env("DOCKER_CONFIG", sandbox.path("config"))
        .env("PATH", format!("{}:{path}", sandbox.shown("bin")))
        .run()
}

#[test]
fn docker_needs_no_flag_for_this_machine_and_has_its_words() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let registry = Registry::with_login();
    let address = &registry.address;
    fs::create_dir(sandbox.path("config")).unwrap();
    sandbox.file("config/config.json", r#"{"detachKeys": "ctrl-q"}"#);
    let call = sandbox.call(["login", "-u", USER, "-p", PASSWORD, address]);
    let outcome = docker(&sandbox, call)
        .expect(0)
        .says("stored unencrypted in");
    assert_eq!(outcome.out(), "Login Succeeded");
    let call = sandbox.call(["login", "-u", USER, "-p", "wrong", address]);
    docker(&sandbox, call).expect(1).says(&format!(
        "Error response from daemon: Get \"http://{address}/v2/\": "
    ));
    let file = sandbox.path("config/config.json");
    assert_eq!(json(&file)["detachKeys"], "ctrl-q");
    assert!(json(&file)["auths"][address]["auth"].is_string());
    for line in ["Removing login credentials for", "Not logged in to"] {
        let outcome = docker(&sandbox, sandbox.call(["logout", address])).expect(0);
        assert_eq!(outcome.out(), format!("{line} {address}"));
    }
}

/// Keeps one login in a file.
const HELPER: &str = r#"#!/bin/sh
file=${0%/*}/kept
case $1 in
store) cat > "$file" ;;
get) [ -s "$file" ] && cat "$file" || { echo credentials not found in native keychain; exit 1; } ;;
erase) rm "$file" ;;
esac
"#;

#[test]
fn a_helper_keeps_the_login_and_a_missing_one_is_told() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let registry = Registry::with_login();
    let address = &registry.address;
    for directory in ["bin", "config"] {
        fs::create_dir(sandbox.path(directory)).unwrap();
    }
    let helper = sandbox.file("bin/docker-credential-box", HELPER);
    fs::set_permissions(helper, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.file("config/config.json", r#"{"credsStore": "box"}"#);
    let call = sandbox.call(["login", "-u", USER, "-p", PASSWORD, address]);
    docker(&sandbox, call).expect(0);
    assert_eq!(json(&sandbox.path("bin/kept"))["Secret"], PASSWORD);
    let file = json(&sandbox.path("config/config.json"));
    assert_eq!(file["auths"][address], serde_json::json!({}));

    registry.make_tag("web", "1.0");
    let search = || docker(&sandbox, sandbox.call(["search", &registry.name("web")]));
    assert!(search().expect(0).out().contains(&registry.name("web")));
    docker(&sandbox, sandbox.call(["logout", address])).expect(0);
    assert!(!sandbox.path("bin/kept").exists());

    sandbox.file("config/config.json", r#"{"credsStore": "gone"}"#);
    let outcome = search().expect(1).says("authentication required");
    let told = outcome
        .err()
        .matches("docker-credential-gone is not installed");
    assert_eq!(told.count(), 1, "{}", outcome.err());
}

#[test]
fn searching_follows_the_configuration() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    for repository in ["web", "team/web", "other"] {
        registry.make_tag(repository, "1.0");
    }
    registry.make_tag("web", "2.0");
    let conf = sandbox.file(
        "registries.conf",
        &format!(
            "unqualified-search-registries = ['{address}']\n\
             [[registry]]\nlocation = '{address}'\ninsecure = true\n\
             [aliases]\nshort = '{address}/web'\n",
            address = registry.address
        ),
    );
    let search = |words: &[&str]| {
        let line = ["search"].iter().chain(words).copied();
        let call = sandbox.call(line).env("CONTAINERS_REGISTRIES_CONF", &conf);
        call.run()
    };
    let found = search(&["--format", "{{.Name}}", "web"]).expect(0);
    let expected = [registry.name("web"), registry.name("team/web")];
    assert_eq!(found.out(), expected.join("\n"));
    let tags = search(&["--list-tags", "--format", "{{.Tag}}", "short"]).expect(0);
    let mut tags: Vec<&str> = tags.out().lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1.0", "2.0"]);
    let limited = search(&["--limit", "1", "--format", "{{.Name}}", "web"]).expect(0);
    assert_eq!(limited.out(), expected[0]);

    let old = sandbox.file(
        "old.conf",
        "[registries.search]\nregistries = ['docker.io']\n",
    );
    let refused = sandbox
        .call(["search", "web"])
        .env("CONTAINERS_REGISTRIES_CONF", &old);
    refused
        .run()
        .expect(125)
        .says("must be in v2 format but is in v1");
}
