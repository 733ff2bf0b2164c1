// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ps: who is there, in which columns, through which filters.

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

#[test]
fn ps_shows_what_runs_and_all_on_request() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let header = sandbox.ok(["ps"]);
    let columns = [
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ];
    let mut from = 0;
    for column in columns {
        let at = header[from..]
            .find(column)
            .unwrap_or_else(|| panic!("{column} in {header}"));
        from += at + column.len();
    }
    let up = sandbox.background("up", &["sleep", "1000"]);
    sandbox.background("done", &["sh", "-c", "exit 2"]);
    sandbox.ok(["wait", "done"]);
    sandbox.ok(["create", "--name", "new", IMAGE, "true"]);
    assert_eq!(sandbox.ok(["ps", "-q"]), up[..12]);
    assert_eq!(sandbox.ok(["ps", "-q", "--no-trunc"]), up);
    let all = sandbox.ok(["ps", "-a", "--format", "{{.Names}}|{{.Status}}|{{.Image}}"]);
    assert_eq!(all.lines().count(), 3, "{all}");
    assert!(all.contains("up|Up "), "{all}");
    assert!(all.contains("done|Exited (2) "), "{all}");
    assert!(all.contains(&format!("new|Created|{IMAGE}")), "{all}");
    let table = sandbox.ok(["ps", "-a"]);
    assert!(
        table.contains("\"sleep 1000\"") || table.contains("sleep 1000"),
        "{table}"
    );
}

#[test]
fn filters_choose() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "create",
        "--name",
        "one",
        "--label",
        "tier=front",
        IMAGE,
        "true",
    ]);
    sandbox.ok([
        "create",
        "--name",
        "two",
        "--label",
        "tier=back",
        "--label",
        "x=1",
        IMAGE,
        "true",
    ]);
    sandbox.background("three", &["sh", "-c", "exit 4"]);
    sandbox.ok(["wait", "three"]);
    let cases: [(&[&str], &str); 9] = [
        (&["name=o"], "one two"),
        (&["name=^one$"], "one"),
        (&["label=tier"], "one two"),
        (&["label=tier=back"], "two"),
        (&["label=tier", "label=x=1"], "two"),
        (&["status=created"], "one two"),
        (&["status=exited"], "three"),
        (&["exited=4"], "three"),
        (&["status=created", "name=two"], "two"),
    ];
    for (filters, expected) in cases {
        let mut arguments = vec!["ps", "-a", "--format", "{{.Names}}"];
        for filter in filters {
            arguments.extend(["--filter", filter]);
        }
        let shown = sandbox.ok(arguments);
        let mut names: Vec<&str> = shown.lines().collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{filters:?}");
    }
    sandbox.run(["ps", "--filter", "nosuch=1"]).expect(125);
    sandbox.run(["ps", "--filter", "nosuch"]).expect(125);
}

#[test]
fn verbs_take_filters_too() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let label = |name: &str, value: &str| {
        sandbox.ok([
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            name,
            "--label",
            value,
            IMAGE,
            "sleep",
            "1000",
        ])
    };
    let front = label("one", "tier=front");
    let back = label("two", "tier=back");
    assert_eq!(
        sandbox.ok(["stop", "-t", "0", "--filter", "label=tier=front"]),
        front
    );
    assert_eq!(sandbox.ok(["rm", "--filter", "status=exited"]), front);
    assert_eq!(
        sandbox.ok(["rm", "-f", "-t0", "--filter", "name=two"]),
        back
    );
    sandbox
        .run(["stop", "--filter", "name=two", "two"])
        .expect(125)
        .says("--filter takes no arguments");
    sandbox
        .run(["stop", "--filter", "name"])
        .expect(125)
        .says("invalid filter");
}

#[test]
fn docker_mode_quotes_words_and_hides_the_ports_of_what_has_ended() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let line = ["create", "-p", "18089:80", IMAGE, "sh", "-c", "exit 0"];
    sandbox.ok(line);
    let template = "{{.Command}}|{{.Ports}}|";
    let call = sandbox.call(["ps", "-a", "--format", template]);
    let outcome = call.env("CORACLE_MODE", "docker").run().expect(0);
    assert_eq!(outcome.out(), "\"sh -c 'exit 0'\"||");
}
