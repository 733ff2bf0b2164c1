// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--sdnotify`: what a service manager hears of a container.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

const SCRIPT: &str = "echo \"[$NOTIFY_SOCKET]\"; exec sleep 1000";

/// What systemd would be.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn of(sandbox: &Sandbox) -> Self {
        let path = sandbox.path("manager");
        let socket = UnixDatagram::bind(&path).unwrap();
        let patience = Some(Duration::from_secs(30));
        socket.set_read_timeout(patience).unwrap();
        Self { socket, path }
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 200];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn starts(&self, sandbox: &Sandbox, mode: &str, flags: &[&str]) -> String {
        let first = ["run", "-d", "--network=none", "--name", mode, "--sdnotify"];
        let words = [
            &first[..],
            &[mode],
            flags,
            &["--", IMAGE, "sh", "-c", SCRIPT],
        ];
        let call = sandbox.call(words.concat());
        call.env("NOTIFY_SOCKET", &self.path).run().expect(0);
        sandbox.wait_log(mode, "]");
        sandbox.ok(["logs", mode])
    }
}

#[test]
fn the_service_manager_hears_of_the_monitor() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let manager = Manager::of(&sandbox);
    let main = |name: &str| format!("MAINPID={}", sandbox.field(name, ".State.ConmonPid"));

    assert_eq!(manager.starts(&sandbox, "conmon", &[]), "[]");
    assert_eq!(manager.hears(), format!("{}\nREADY=1", main("conmon")));

    let flags = ["--health-cmd", "test -e /good", "--health-interval=100ms"];
    assert_eq!(manager.starts(&sandbox, "healthy", &flags), "[]");
    assert_eq!(manager.hears(), main("healthy"));
    sandbox.ok(["exec", "healthy", "touch", "/good"]);
    assert_eq!(manager.hears(), "READY=1");

    assert_eq!(manager.starts(&sandbox, "ignore", &[]), "[]");
    let inside = manager.starts(&sandbox, "container", &[]);
    assert_eq!(inside, "[/run/notify/notify.sock]");
    // Nothing was said of the one that is to be ignored.
    assert_eq!(manager.hears(), main("container"));
    // The container's own socket, where its mount comes from: no other user of the host looks into
    // a FUSE root.
    let id = sandbox.field("container", ".Id");
    let socket = sandbox.path(&format!("r/c/{}/notify/notify.sock", &id[..16]));
    let container = UnixDatagram::unbound().unwrap();
    container
        .send_to(b"MAINPID=1\nREADY=1\nFDSTORE=1", &socket)
        .unwrap();
    assert_eq!(manager.hears(), "READY=1");
}

/// Starts a container, runs the words behind it if there are any, and says how the monitor ended:
/// an orphan's status is told to the process that adopts it, which is the service manager's part.
const ADOPT: &str = "
import ctypes, os, subprocess, sys
assert ctypes.CDLL(None).prctl(36, 1) == 0
tool, words = sys.argv[1:sys.argv.index('@')], sys.argv[sys.argv.index('@') + 1:]
start, then = words[2:2 + int(words[1])], words[2 + int(words[1]):]
subprocess.run(tool + start, check=True, stdout=subprocess.DEVNULL)
monitor = int(open(words[0]).read())
if then: subprocess.run(tool + then, check=True, stdout=subprocess.DEVNULL)
print(os.waitstatus_to_exitcode(os.waitpid(monitor, 0)[1]))";

#[test]
fn the_monitor_ends_with_the_exit_code_of_its_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let restarts: &[&str] = &["--restart", "on-failure:1"];
    let stop: &[&str] = &["stop", "-t", "0"];
    let cases = [
        ("well", "exit 0", &[][..], &[][..], "0"),
        ("badly", "exit 7", &[], &[], "7"),
        ("again", "exit 9", restarts, &[], "9"),
        // What was stopped has not failed.
        ("stopped", "exec sleep 1000", &[], stop, "0"),
    ];
    for (name, script, flags, then, expected) in cases {
        let pidfile = sandbox.path(name).display().to_string();
        let start = ["run", "-d", "--network=none", "--name", name];
        let pid = ["--conmon-pidfile", &pidfile, "--sdnotify", "conmon"];
        let start = [&start[..], &pid, flags, &[IMAGE, "sh", "-c", script]].concat();
        let count = start.len().to_string();
        let mut words = [&["@", &*pidfile, &*count], &start[..], then].concat();
        if !then.is_empty() {
            words.push(name);
        }
        let adopted = sandbox.call_by(&["python3", "-c", ADOPT], &words).run();
        assert_eq!(adopted.expect(0).out().trim(), expected, "{name}");
    }
}
