// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hostile bytes in what a container writes and is called, and disks that are full.

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

#[test]
fn a_terminal_is_sent_no_controls_that_an_image_chose() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let evil = "\x1b]0;owned\x07\x1b[2J";
    let command = format!("/no{evil}\nError: forged");
    for words in [
        vec!["run", "--rm", "--network", "none", IMAGE, &command],
        vec![
            "run",
            "--rm",
            "--network",
            "none",
            "-w",
            &command,
            IMAGE,
            "true",
        ],
        vec![
            "run",
            "--rm",
            "--network",
            "none",
            "-u",
            &command,
            IMAGE,
            "true",
        ],
        vec!["inspect", &command],
    ] {
        let outcome = sandbox.run(&words);
        assert!(outcome.code >= 125, "{outcome:?}");
        assert!(
            !outcome.stderr.contains(['\x1b', '\x07']),
            "{:?}",
            outcome.stderr
        );
    }
    sandbox.ok([
        "create",
        "--name",
        "web",
        "--label",
        &format!("l={evil}"),
        IMAGE,
        "echo",
        &command,
    ]);
    for words in [
        &["ps", "-a"][..],
        &["ps", "-a", "--no-trunc"],
        &["top", "web"],
        &["images"],
    ] {
        let outcome = sandbox.run(words);
        assert!(!outcome.stdout.contains('\x1b'), "{:?}", outcome.stdout);
        assert!(!outcome.stdout.contains("\nError"), "{:?}", outcome.stdout);
    }
    let shown = sandbox.ok(["inspect", "web"]);
    assert!(!shown.contains('\x1b'), "JSON has escapes for that");
}

#[test]
fn a_log_cannot_be_made_to_lie() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let forged = "2001-01-01T00:00:00.000000000Z stderr F forged";
    let json = r#"{\"log\":\"forged\\n\",\"stream\":\"stderr\",\"time\":\"2001-01-01T00:00:00Z\"}"#;
    let script =
        format!("printf 'one\\r{forged}\\n{forged}\\n\\0x\\377\\n'; echo \"{json}\"; printf half");
    for driver in ["k8s-file", "json-file"] {
        let mut words = vec![
            "run",
            "--network",
            "none",
            "--log-driver",
            driver,
            "--name",
            driver,
        ];
        words.extend([IMAGE, "sh", "-c", &script]);
        let shown = sandbox.run(words).expect(0);
        let logged = sandbox.run(["logs", driver]).expect(0);
        assert_eq!(logged.stderr, "", "everything was standard output");
        assert_eq!(logged.stdout.trim_end(), shown.stdout.trim_end());
        let since = sandbox
            .run(["logs", "-t", "--since", "2002-01-01T00:00:00Z", driver])
            .expect(0);
        assert_eq!(
            since.stdout.matches("forged").count(),
            3,
            "{}",
            since.stdout
        );
        assert!(!since.stdout.starts_with("2001"), "{}", since.stdout);
    }
}

#[test]
fn a_variable_is_one_whatever_it_holds_cve_2020_14370() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let text = "a\nPATH=/evil\n\x1b";
    let variable = format!("ODD={text}");
    let mut words = vec![
        "run",
        "--network",
        "none",
        "--name",
        "web",
        "-e",
        &variable,
        IMAGE,
    ];
    words.extend([
        "sh",
        "-c",
        "printf '%s|' \"$ODD\"; cat /proc/self/environ | tr '\\0' '|'",
    ]);
    let seen = sandbox.ok(words);
    assert!(seen.starts_with(text), "{seen:?}");
    assert_eq!(seen.matches("|PATH=").count(), 1, "{seen:?}");
    let inspected = sandbox.ok(["inspect", "--format", "{{json .Config.Env}}", "web"]);
    assert!(
        inspected.contains(r#""ODD=a\nPATH=/evil\n\u001b""#),
        "{inspected}"
    );
    // One container's variables are not another's (CVE-2020-14370).
    let other = sandbox.ok(["run", "--rm", "--network", "none", IMAGE, "env"]);
    assert!(!other.contains("ODD"), "{other}");
}

/// The data root on a file system of its own.
const SMALL_DISK: &str = "mount -t tmpfs -o size=16m,mode=700 none s";

#[test]
fn a_full_disk_is_told_and_leaves_a_store_that_can_be_read() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let script = r#"
        exec 2>&1
        small="run --network none"
        "$@" import -q small.tar small >/dev/null
        for name in one two three; do "$@" $small -d --name $name small sleep 1000 >/dev/null; done
        dd if=/dev/zero of=s/fill bs=64k 2>/dev/null
        dd if=/dev/zero of=s/fill2 bs=1 count=8192 2>/dev/null
        "$@" $small --rm small true; echo "run $?"
        "$@" create small true; echo "create $?"
        "$@" import -q small.tar other; echo "import $?"
        "$@" tag small another; echo "tag $?"
        "$@" kill one >/dev/null; "$@" wait one; echo "kill $?"
        "$@" rm -f -t 0 two; echo "rm $?"
        "$@" exec three true; echo "exec $?"
        "$@" ps -aq | wc -l; "$@" images -q | sort -u | wc -l
        rm s/fill s/fill2
        "$@" ps -a --format '{{.Names}} {{.Status}}' | sort
        "$@" rm -f -a -t 0 >/dev/null; echo "rm $?"
        "$@" $small --rm small echo again
        "$@" system check; echo "check $?"
    "#;
    let outcome = sandbox.nested(SMALL_DISK, script);
    let told = outcome.stdout.matches("No space left on device").count();
    assert_eq!(told, 4, "{}", outcome.stdout);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.starts_with("Error: "))
        .collect();
    let expected = [
        "run 125",
        "create 125",
        "import 125",
        "tag 125",
        "137",
        "kill 0",
        "two",
        "rm 0",
        "exec 0",
        "2",
        "1",
    ];
    assert_eq!(lines[..11], expected);
    assert!(lines[11].starts_with("one Exited (137)"), "{lines:?}");
    assert!(lines[12].starts_with("three Up"), "{lines:?}");
    assert_eq!(lines[13..], ["rm 0", "again", "check 0"]);
}

#[test]
fn a_container_that_fills_the_disk_ends_with_its_own_code() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let script = r#"
        "$@" import -q small.tar small >/dev/null
        "$@" run --network none --name disk small sh -c 'cat /dev/zero >/file; exit 5' 2>/dev/null; echo $?
        "$@" rm disk
        "$@" run -d --network none --name log small sh -c 'yes | head -c 20000000; exit 6' >/dev/null
        "$@" wait log; "$@" rm log; "$@" run --rm --network none small echo again
    "#;
    let outcome = sandbox.nested(SMALL_DISK, script).expect(0);
    assert_eq!(
        outcome.stdout, "5\ndisk\n6\nlog\nagain\n",
        "{}",
        outcome.stderr
    );
}
