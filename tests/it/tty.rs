// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Terminals: sizes, signals, raw mode and its end, leaving and coming back.

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

/// What ctrl-p, ctrl-q sends.
const DETACH: &str = "\x10\x11";

#[test]
fn a_shell_has_the_terminal_and_its_size() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = ["run", "-it", "--rm", "--network", "none", IMAGE, "sh"];
    let mut terminal = sandbox.terminal(run);
    terminal.type_in("tty; echo size $(stty size) $TERM\n");
    terminal.wait_for("/dev/pts/0");
    terminal.wait_for("size 24 80 xterm");
    assert!(!terminal.is_cooked(), "raw while it is attached");
    terminal.resize(40, 100);
    // The new size is on its way: the shell asks until it has come.
    terminal.type_in("until [ \"$(stty size)\" = '40 100' ]; do :; done; echo now $(stty size)\n");
    terminal.wait_for("now 40 100");
    terminal.type_in("exit 7\n");
    terminal.wait_end();
    assert!(terminal.is_cooked(), "the mode is given back");
    assert_eq!(terminal.finish(), 7);
}

#[test]
fn interrupt_and_end_of_file_reach_the_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "trap 'echo caught' INT; echo ready; until read -r line; do :; done; \
                  echo got $line; cat; exit 4";
    let mut run = vec!["run", "-it", "--rm", "--network", "none"];
    run.extend([IMAGE, "sh", "-c", script]);
    let mut terminal = sandbox.terminal(run);
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    terminal.wait_for("caught");
    terminal.type_in("word\n");
    terminal.wait_for("got word");
    terminal.type_in("\x04");
    terminal.wait_end();
    assert_eq!(terminal.finish(), 4);
}

#[test]
fn leaving_and_coming_back() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mut run = vec!["run", "-it", "--network", "none", "--name", "web"];
    run.extend([IMAGE, "sh"]);
    let mut terminal = sandbox.terminal(run);
    terminal.type_in("left=behind; echo here$((40+2))\n");
    terminal.wait_for("here42");
    terminal.type_in(DETACH);
    terminal.wait_end();
    assert!(terminal.is_cooked(), "the mode is given back");
    assert_eq!(terminal.finish(), 0);
    assert_eq!(sandbox.field("web", ".State.Status"), "running");
    let mut terminal = sandbox.terminal(["attach", "web"]);
    terminal.type_in("echo still $left; exit 3\n");
    terminal.wait_for("still behind");
    terminal.wait_end();
    assert_eq!(terminal.finish(), 3);
}

#[test]
fn other_keys_can_be_chosen_to_leave() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mut run = vec!["run", "-it", "--network", "none", "--name", "web"];
    run.extend(["--detach-keys", "ctrl-x,y", IMAGE, "sh"]);
    let mut terminal = sandbox.terminal(run);
    terminal.type_in("echo up$((1+1))\n");
    terminal.wait_for("up2");
    terminal.type_in("\x18y");
    assert_eq!(terminal.finish(), 0);
    assert_eq!(sandbox.field("web", ".State.Running"), "true");
}

#[test]
fn a_terminal_without_ours_is_a_terminal_still() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let mut run = vec!["run", "-t", "--rm", "--network", "none", IMAGE];
    run.extend(["sh", "-c", "test -t 1 && echo a terminal"]);
    assert_eq!(sandbox.run(run).expect(0).stdout, "a terminal\r\n");
    let mut run = vec![
        "run",
        "-d",
        "-t",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
    ];
    run.extend(["sh", "-c", "tty; stty size"]);
    sandbox.ok(run);
    sandbox.ok(["wait", "web"]);
    assert!(sandbox.ok(["logs", "web"]).starts_with("/dev/pts/0"));
}
