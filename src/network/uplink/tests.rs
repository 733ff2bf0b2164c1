// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The real programs, in the arrangement of the real thing: the tests run in a user namespace (the
//! holder), the container is a child of it with a user and a network namespace of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::sys::pidfd::WaitOutcome;

const SOON: Duration = Duration::from_secs(20);
const IN_HOLDER: &str = "CORACLE_TEST_IN_HOLDER";

/// Runs the test `name` of this file in a user namespace, once; true inside.
fn in_holder(name: &str) -> bool {
    if std::env::var_os(IN_HOLDER).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("the test's own program");
    let test = format!("network::uplink::tests::{name}");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--"])
        .arg(this)
        .args(["--exact", &test, "--nocapture"])
        .env(IN_HOLDER, "1")
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    false
}

/// The program, or a skip with its reason.
fn program(kind: Kind) -> Option<Program> {
    let directories = ["/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let search = Search {
        directories: &directories,
        kinds: &[kind],
        tun: Path::new(TUN),
    };
    match choose(&search) {
        Ok(program) => Some(program),
        Err(reason) => {
            let required = std::env::var("REQUIRE").unwrap_or_default();
            assert!(!required.contains(kind.name()), "{reason}");
            println!("skip: {reason}");
            None
        }
    }
}

/// A process with the namespaces of a container.
struct Container(Child);

impl Container {
    fn start() -> Self {
        let mut child = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--net",
                "sh",
                "-c",
                "echo; exec sleep 100",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut ready = [0];
        let stdout = child.stdout.as_mut().expect("piped");
        stdout
            .read_exact(&mut ready)
            .expect("the namespaces are there");
        Self(child)
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("an int")
    }

    fn target(&self) -> Target {
        Target::of_process(self.pid())
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.pid())).expect("readable")
    }

    /// What a program in the container's network reads from `address`.
    fn read_from(&self, address: &str) -> String {
        let target = self.pid().to_string();
        let script = format!("exec cat < /dev/tcp/{}", address.replace(':', "/"));
        let output = Command::new("nsenter")
            .args([
                "--preserve-credentials",
                "--user",
                "--net",
                "--target",
                &target,
            ])
            .args(["bash", "-c", &script])
            .output()
            .expect("nsenter runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.0.kill().expect("sleep can be killed");
        self.0.wait().expect("sleep is our child");
    }
}

fn connect(program: Program, request: Request, target: &Target) -> Uplink {
    let starting = start(program, request, target, Forwards::default()).expect("starts");
    starting.ready(SOON).expect("connects")
}

/// Greets whoever connects to the loopback interface of the host.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.expect("a connection");
            stream.write_all(b"hello").expect("the greeting fits");
        }
    });
    port
}

fn open_descriptors(pid: i32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("readable");
    let links = entries.map(|entry| std::fs::read_link(entry.expect("an entry").path()));
    let links = links.filter_map(Result::ok);
    links
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn slirp4netns_connects_and_ends() {
    if !in_holder("slirp4netns_connects_and_ends") {
        return;
    }
    let Some(program) = program(Kind::Slirp4netns) else {
        return;
    };
    let container = Container::start();
    let port = greeter();
    let options = slirp4netns::Options::parse(["allow_host_loopback=true"]).expect("valid");
    let uplink = connect(
        program.clone(),
        Request::Slirp4netns(options),
        &container.target(),
    );
    assert_eq!(
        uplink.resolvers,
        ["10.0.2.3".parse::<std::net::IpAddr>().unwrap()]
    );
    let host = uplink.host.expect("the host is reachable");
    assert_eq!(container.read_from(&format!("{host}:{port}")), "hello");
    assert!(container.proc("net/fib_trie").contains("10.0.2.100"));
    drop(uplink.exit);
    assert_eq!(
        uplink.pidfd.wait(Some(SOON)),
        Ok(WaitOutcome::Ended),
        "the exit descriptor"
    );

    let container = Container::start();
    let request = Request::Slirp4netns(slirp4netns::Options::default());
    let uplink = connect(program, request, &container.target());
    assert_eq!(uplink.host, None);
    let pid = uplink.pid;
    uplink.stop().expect("stops");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn pasta_connects_and_ends() {
    if !in_holder("pasta_connects_and_ends") {
        return;
    }
    let Some(program) = program(Kind::Pasta) else {
        return;
    };
    let container = Container::start();
    let uplink = connect(program, Request::Pasta(vec![]), &container.target());
    assert_eq!(
        uplink.resolvers,
        ["169.254.1.1".parse::<std::net::IpAddr>().unwrap()]
    );
    let devices = container.proc("net/dev");
    assert!(
        devices
            .lines()
            .any(|line| !line.contains("lo:") && line.contains(':')),
        "{devices}"
    );
    let pid = uplink.pid;
    uplink.stop().expect("stops");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

/// The kernel ends it with the thread that started it, although it has joined other namespaces.
#[test]
fn pasta_ends_with_who_started_it() {
    if !in_holder("pasta_ends_with_who_started_it") {
        return;
    }
    let Some(program) = program(Kind::Pasta) else {
        return;
    };
    let container = Container::start();
    let target = container.target();
    let monitor = std::thread::spawn(move || connect(program, Request::Pasta(vec![]), &target));
    let uplink = monitor.join().expect("connects");
    assert_eq!(uplink.pidfd.wait(Some(SOON)), Ok(WaitOutcome::Ended));
}

#[test]
fn programs_hold_nothing_of_ours() {
    if !in_holder("programs_hold_nothing_of_ours") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    std::fs::File::create(&path).expect("a file");
    let leaked = std::fs::File::open(&path).expect("a file");
    let leaked = nix::unistd::dup(&leaked).expect("a copy that nobody marked");
    let requests = [
        Request::Pasta(vec![]),
        Request::Slirp4netns(slirp4netns::Options::default()),
    ];
    for request in requests {
        let Some(program) = program(request.kind()) else {
            continue;
        };
        let container = Container::start();
        let uplink = connect(program, request, &container.target());
        let open = open_descriptors(uplink.pid);
        assert!(!open.iter().any(|name| name.contains("secret")), "{open:?}");
        uplink.stop().expect("stops");
    }
    drop(leaked);
}

#[test]
fn failures_tell_what_the_program_said() {
    if !in_holder("failures_tell_what_the_program_said") {
        return;
    }
    let requests = [
        Request::Pasta(vec![]),
        Request::Slirp4netns(slirp4netns::Options::default()),
    ];
    for request in requests {
        let Some(program) = program(request.kind()) else {
            continue;
        };
        let name = program.kind.name();
        let target = Target {
            userns: None,
            netns: PathBuf::from("/no/such/namespace"),
        };
        let starting = start(program, request, &target, Forwards::default()).expect("starts");
        let error = starting
            .ready(SOON)
            .expect_err("there is no such namespace")
            .to_string();
        assert!(
            error.starts_with(&format!("{name} failed with exit code 1: ")),
            "{error}"
        );
        assert!(
            error.contains("/no/such/namespace") || error.contains("No such file"),
            "{error}"
        );
    }
}

/// A program of that name that runs `script`.
fn stand_in(directory: &Path, kind: Kind, script: &str) -> Program {
    let path = directory.join(kind.name());
    let mut file = std::fs::File::create(&path).expect("a file");
    writeln!(file, "#!/bin/sh\n{script}").expect("written");
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, permissions).expect("ours");
    Program { kind, path }
}

#[test]
fn silent_programs_are_killed_in_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = stand_in(
        directory.path(),
        Kind::Pasta,
        "echo busy >&2; exec sleep 100",
    );
    let target = Target::of_process(1);
    let starting = start(
        program,
        Request::Pasta(vec![]),
        &target,
        Forwards::default(),
    )
    .expect("starts");
    let error = starting
        .ready(Duration::from_millis(300))
        .expect_err("it never connects");
    assert_eq!(
        error.to_string(),
        "pasta did not connect the container within 300ms: busy"
    );

    let program = stand_in(directory.path(), Kind::Pasta, "exec >&-; exec sleep 100");
    let starting = start(
        program,
        Request::Pasta(vec![]),
        &target,
        Forwards::default(),
    )
    .expect("starts");
    let error = starting
        .ready(Duration::from_millis(100))
        .expect_err("it closed its pipe");
    assert!(matches!(error, UplinkError::TimedOut { .. }), "{error}");

    let program = stand_in(directory.path(), Kind::Pasta, "exec sleep 100");
    let starting = start(
        program,
        Request::Pasta(vec![]),
        &target,
        Forwards::default(),
    )
    .expect("starts");
    starting.cancel().expect("cancelled");
}

#[test]
fn an_older_pasta_is_asked_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = "case \"$*\" in *--map-guest-addr*)\n\
                  echo \"pasta: unrecognized option '--map-guest-addr'\" >&2; exit 1;; esac\n\
                  echo $$; exec sleep 100";
    let program = stand_in(directory.path(), Kind::Pasta, script);
    let uplink = connect(program, Request::Pasta(vec![]), &Target::of_process(1));
    assert_eq!(uplink.host, None);
    uplink.stop().expect("stops");
}

#[test]
fn floods_of_words_are_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let script =
        "head -c 200000 /dev/zero | tr '\\0' x >&2 2>/dev/null; echo ready; exec sleep 100";
    let program = stand_in(directory.path(), Kind::Pasta, script);
    let uplink = connect(program, Request::Pasta(vec![]), &Target::of_process(1));
    uplink.stop().expect("stops");
}

#[test]
fn reasons_against_every_program() {
    let directory = tempfile::tempdir().expect("a directory");
    let directories = [directory.path().to_owned()];
    let device = directory.path().join("tun");
    let search = |kinds| Search {
        directories: &directories,
        kinds,
        tun: &device,
    };
    let reason = |kinds| choose(&search(kinds)).map_err(|reason| reason.to_string());
    let missing = format!(
        "{} does not exist (as root: modprobe tun)",
        device.display()
    );
    assert_eq!(
        reason(&Kind::ALL),
        Err(format!(
            "pasta and slirp4netns are not installed (package passt or slirp4netns); {missing}"
        ))
    );
    let program = stand_in(directory.path(), Kind::Slirp4netns, "");
    assert_eq!(reason(&Kind::ALL), Err(missing));
    std::fs::File::create(&device).expect("a file");
    assert_eq!(reason(&Kind::ALL), Ok(program));
    assert_eq!(
        reason(&[Kind::Pasta]),
        Err("pasta is not installed (package passt)".to_owned())
    );
}
