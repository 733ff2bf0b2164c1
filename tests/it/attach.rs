// SPDX-License-Identifier: Apache-2.0 OR MIT
//! attach: many at once, much output, and one that comes too late.

use nix::sys::signal::Signal;

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

#[test]
fn twenty_attached_see_all_of_it() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "until test -e /go; do echo tick; sleep 0.05; done; \
                  head -c 4000000 /dev/zero | tr '\\0' x; exit 4";
    sandbox.background("web", &["sh", "-c", script]);
    let attach = || {
        let attached = sandbox.call(["attach", "--no-stdin", "web"]).spawn();
        attached.wait_for("tick");
        attached
    };
    let attached: Vec<_> = (0..20).map(|_| attach()).collect();
    sandbox.ok(["exec", "web", "touch", "/go"]);
    for one in attached {
        let outcome = one.finish().expect(4);
        assert_eq!(outcome.stdout.matches('x').count(), 4_000_000);
    }
    assert_eq!(sandbox.ok(["wait", "web"]), "4");
    sandbox.run(["attach", "web"]).expect(125).says("running");
    let log = sandbox.run(["logs", "web"]).expect(0).stdout;
    assert_eq!(log.matches('x').count(), 4_000_000);
}

#[test]
fn who_stops_reading_holds_neither_output_nor_log() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // In the foreground and attached, as after Ctrl-S in their terminals.
    let script = "until test -e /go; do echo tick; sleep 0.05; done; \
                  head -c 4000000 /dev/zero | tr '\\0' x; echo; echo done; exit 4";
    let run = [
        "run",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "sh",
        "-c",
    ];
    sandbox.image();
    let foreground = sandbox.call([&run[..], &[script]].concat()).spawn();
    foreground.wait_for("tick");
    let attached = sandbox.call(["attach", "--no-stdin", "web"]).spawn();
    attached.wait_for("tick");
    let commands = [foreground, attached];
    for command in &commands {
        command.signal(Signal::SIGSTOP);
    }
    sandbox.ok(["exec", "web", "touch", "/go"]);
    assert_eq!(sandbox.ok(["wait", "web"]), "4");
    let log = sandbox.ok(["logs", "web"]);
    assert_eq!(log.matches('x').count(), 4_000_000);
    assert!(log.ends_with("done"));
    for command in &commands {
        command.signal(Signal::SIGCONT);
    }
    for command in commands {
        let seen = command.finish().expect(4).stdout;
        assert_eq!(seen.matches('x').count(), 4_000_000);
    }
}
