// SPDX-License-Identifier: Apache-2.0 OR MIT
//! rm and wait: what goes, what stays, and the codes that scripts read.

use std::fs;

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

#[test]
fn rm_tells_missing_running_and_removed_apart() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.background("web", &["sleep", "1000"]);
    sandbox.run(["rm", "web"]).expect(2).says(&format!(
        "cannot remove container {id} as it is running - running or paused containers cannot be \
         removed without force: container state improper"
    ));
    sandbox
        .run(["rm", "nosuch"])
        .expect(1)
        .says("no container with ID or name \"nosuch\" found: no such container");
    sandbox.run(["rm", "-f", "nosuch"]).expect(0);
    sandbox.run(["rm", "--ignore", "nosuch"]).expect(0);
    sandbox
        .run(["rm"])
        .expect(125)
        .says("at least one name or id");
    sandbox
        .run(["rm", "-t", "3", "web"])
        .expect(125)
        .says("--force option must be specified to use the --time option");
    assert_eq!(sandbox.ok(["rm", "-f", "-t", "0", "web"]), "web");
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}

#[test]
fn one_that_cannot_be_removed_does_not_keep_the_others() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("up", &["sleep", "1000"]);
    for name in ["one", "two"] {
        sandbox.ok(["create", "--name", name, IMAGE, "true"]);
    }
    let removed = sandbox.run(["rm", "one", "up", "two"]).expect(2);
    assert_eq!(removed.out(), "one\ntwo");
    let removed = sandbox.run(["rm", "--force", "nosuch", "up"]).expect(0);
    assert_eq!((removed.out(), removed.err()), ("up", ""));
}

#[test]
fn rm_all_takes_everything() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let up = sandbox.background("up", &["sleep", "1000"]);
    let idle = sandbox.ok(["create", "--name", "idle", IMAGE, "true"]);
    let removed = sandbox.ok(["rm", "-f", "-a", "-t", "0"]);
    assert!(
        removed.contains(&up) && removed.contains(&idle),
        "{removed}"
    );
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
    assert_eq!(sandbox.ok(["rm", "-a"]), "");
}

#[test]
fn a_container_goes_after_those_in_its_namespaces() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let base = sandbox.ok(["create", "--network", "none", IMAGE, "true"]);
    let shared = format!("--pid=container:{base}");
    let guest = sandbox.ok(["create", "--network", "none", &shared, IMAGE, "true"]);
    sandbox.run(["rm", &base]).expect(125).says(&format!(
        "container {base} has dependent containers which must be removed before it: {guest}"
    ));
    let removed = sandbox.ok(["rm", "--depend", &base]);
    assert!(
        removed.contains(&base) && removed.contains(&guest),
        "{removed}"
    );
}

#[test]
fn rm_while_it_runs_in_the_foreground() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = sandbox
        .call([
            "run",
            "--network",
            "none",
            "--name",
            "web",
            IMAGE,
            "sh",
            "-c",
            "echo up; sleep 1000",
        ])
        .spawn();
    run.wait_for("up");
    assert_eq!(sandbox.ok(["rm", "-f", "-t", "0", "web"]), "web");
    run.finish().expect(137);
    sandbox.run(["container", "exists", "web"]).expect(1);
}

#[test]
fn rm_many_times_at_once() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let removers: Vec<_> = (0..4)
        .map(|_| sandbox.call(["rm", "-f", "-t", "0", "web"]).spawn())
        .collect();
    for remover in removers {
        remover.finish().expect(0);
    }
    assert_eq!(sandbox.ok(["ps", "-aq"]), "");
}

#[test]
fn files_that_the_container_wrote_go_with_it() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // Directories that their owner cannot read, links that lead away, files of other users.
    let script = "mkdir -p /d/e && chmod 0 /d/e && ln -s /etc /d/l && \
                  (chown 1000:1000 /d/e || true); chmod 0 /d; echo x > /etc/passwd";
    sandbox.ok([
        "run",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(sandbox.ok(["rm", "web"]), "web");
    let left = std::fs::read_dir(sandbox.path("s").join("containers"));
    if let Ok(left) = left {
        assert_eq!(left.count(), 0, "nothing of it is left");
    }
}

#[test]
fn wait_prints_codes_in_the_order_asked() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("slow", &["sh", "-c", "sleep 0.5; exit 4"]);
    sandbox.background("fast", &["sh", "-c", "exit 9"]);
    assert_eq!(sandbox.ok(["wait", "slow", "fast"]), "4\n9");
    sandbox.ok(["create", "--name", "idle", IMAGE, "true"]);
    assert_eq!(sandbox.ok(["wait", "idle"]), "0");
    assert_eq!(sandbox.ok(["wait", "--condition=created", "idle"]), "-1");
    sandbox
        .run(["wait", "nosuch"])
        .expect(125)
        .says("no such container");
}

#[test]
fn wait_ends_with_the_first_and_ignores_the_missing() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("ever", &["sleep", "1000"]);
    sandbox.background("soon", &["sh", "-c", "sleep 0.3; exit 6"]);
    assert_eq!(
        sandbox.ok(["wait", "--exit-first-match", "ever", "soon"]),
        "6"
    );
    assert_eq!(sandbox.ok(["wait", "--ignore", "nosuch", "soon"]), "-1\n6");
}

#[test]
fn wait_knows_the_code_of_what_is_removed_with_its_end() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // It lives long enough for both to begin waiting.
    let script = "sleep 2; exit 21";
    let mut run = vec!["run", "-d", "--rm", "--network", "none", "--name", "web"];
    run.extend([IMAGE, "sh", "-c", script]);
    sandbox.ok(run);
    let wait = sandbox.call(["wait", "web"]).spawn();
    let gone = sandbox
        .call(["wait", "--condition=removing", "web"])
        .spawn();
    assert_eq!(wait.finish().expect(0).out(), "21");
    gone.finish().expect(0);
    sandbox.run(["container", "exists", "web"]).expect(1);
}

#[test]
fn wait_sees_a_container_that_starts_and_pauses() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "create",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let wait = sandbox.call(["wait", "--condition=running", "web"]).spawn();
    sandbox.ok(["start", "web"]);
    assert_eq!(wait.finish().expect(0).out(), "-1");
    sandbox
        .run(["wait", "--condition=asleep", "web"])
        .expect(125)
        .says("asleep");
}

#[test]
fn a_directory_that_is_kept_holds_nothing_of_its_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = |script: &str| {
        let words = ["run", "--rm", "--network", "none", IMAGE, "sh", "-c"];
        sandbox.ok(words.into_iter().chain([script]))
    };
    let look = "stat -c '%a %u' /; ls -A / | grep -c secret; true";
    let before = run(look);
    run("echo secret >/secret; chmod 700 /");
    let kept = |path: &str| {
        let entries = fs::read_dir(sandbox.path(path)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    for number in kept("s/spare") {
        assert_eq!(kept(&format!("s/spare/{number}")), ["work"]);
        assert!(kept(&format!("s/spare/{number}/work")).is_empty());
    }
    assert_eq!(run(look), before);
    sandbox.ok(["system", "prune", "-f"]);
    assert!(!sandbox.path("s/spare").exists());
}
