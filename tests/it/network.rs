// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bridge networks, published ports and names, with servers in containers and clients on loopback
//! and in other containers; and what a network helper that is killed leaves of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use coracle::sys::pidfd::Pidfd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::host::free_port;
use crate::support::process::{Call, PATIENCE};
use crate::support::sandbox::{IMAGE, program};
use crate::support::{Sandbox, host, requires};

/// Says to each client which address it has.
pub(crate) const SERVER: &str = "mkdir -p /www/cgi-bin && cd /www/cgi-bin
    printf '#!/bin/sh\na=${REMOTE_ADDR#*::ffff:}; echo; echo from ${a%%]}\n' > who; chmod +x who
    httpd -p 80 -h /www && echo listening && exec sleep 1000";

/// Asks it, from another container.
const ASK: &str = "wget -qO- http://web/cgi-bin/who";

/// Starts the server as `web` in a network of its own.
pub(crate) fn web(sandbox: &Sandbox, port: u16) {
    sandbox.ok(["network", "create", "front"]);
    let publish = format!("127.0.0.1:{port}:80");
    sandbox.ok([
        "run",
        "-d",
        "--name",
        "web",
        "--network",
        "front",
        "-p",
        &publish,
        IMAGE,
        "sh",
        "-c",
        SERVER,
    ]);
    sandbox.wait_log("web", "listening");
}

/// What the server says to a client on the host.
pub(crate) fn ask(port: u16) -> String {
    let said = answer(port);
    let at = said.find("from ").expect("the server's answer");
    said[at..].trim().to_owned()
}

/// All that is answered on a port, until the connection ends or breaks.
pub(crate) fn answer(port: u16) -> String {
    let mut said = Vec::new();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(stream.write_all(b"GET /cgi-bin/who HTTP/1.0\r\n\r\n"));
    drop(stream.read_to_end(&mut said));
    String::from_utf8_lossy(&said).into_owned()
}

/// A script in a container of a network.
#[track_caller]
fn inside(sandbox: &Sandbox, network: &str, script: &str) -> String {
    sandbox.ok([
        "run",
        "--rm",
        "--network",
        network,
        IMAGE,
        "sh",
        "-c",
        script,
    ])
}

/// The network helper of this sandbox.
fn helper(sandbox: &Sandbox) -> Option<Pid> {
    let place = sandbox.shown("");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        words.contains("network-helper") && words.contains(&place)
    })
    .map(Pid::from_raw)
}

/// Waits for the end of a process that has nothing to live for any more.
pub(crate) fn until_ended(helper: Option<Pid>) {
    // None, when it was quicker than the look at the processes.
    let Some(process) = helper.and_then(|pid| Pidfd::open(pid.as_raw()).ok()) else {
        return;
    };
    let mut ends = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(PATIENCE).unwrap();
    assert_eq!(
        poll(&mut ends, patience),
        Ok(1),
        "it outlives what it was for"
    );
}

#[test]
fn clients_of_the_host_and_of_the_network_reach_a_server_cve_2021_20199() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let port = free_port();
    web(&sandbox, port);
    let of_web = |script: &str| sandbox.ok(["exec", "web", "sh", "-c", script]);
    let gateway = of_web("ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'");
    let address = of_web("hostname -i");
    // An answer to loopback's address would not leave the container.
    assert_eq!(ask(port), format!("from {gateway}"));
    let seen = inside(
        &sandbox,
        "front",
        &format!("{ASK}; hostname -i; nslookup web 127.0.0.11 >/dev/null && echo named"),
    );
    let [from, own, named] = seen.lines().collect::<Vec<_>>()[..] else {
        panic!("{seen}");
    };
    assert_eq!((from, named), (&*format!("from {own}"), "named"));
    let publish = format!("{port}:80");
    sandbox
        .run(["run", "--rm", "-p", &publish, IMAGE, "true"])
        .expect(126)
        .says("address already in use")
        .says("web");
    // From another network there is no way, neither by address nor by name.
    let script = format!("nc -w 5 {address} 80 || echo refused; nslookup web || echo unknown");
    sandbox.ok(["network", "create", "back"]);
    let seen = inside(&sandbox, "back", &script);
    assert!(seen.starts_with("refused"), "{seen}");
    assert!(seen.ends_with("unknown"), "{seen}");
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    drop(TcpListener::bind(("127.0.0.1", port)).expect("the port is free at once"));
}

#[test]
fn every_driver_publishes_ports() {
    requires!("userns");
    requires!("pasta");
    requires!("slirp4netns");
    let sandbox = Sandbox::with_image();
    // Behind slirp4netns a client has an address of that network: the container's own if we forward,
    // the gateway's if it does.
    let drivers = [
        (["--network-driver", "native"], "from "),
        (["--network-driver", "pasta"], "from "),
        (["--network", "slirp4netns"], "from 10.0.2.100"),
        (
            ["--network", "slirp4netns:port_handler=slirp4netns"],
            "from 10.0.2.2",
        ),
    ];
    for (driver, from) in drivers {
        let port = free_port();
        let (one, any) = (format!("127.0.0.1:{port}:80"), "127.0.0.1::80");
        let flags = [&driver[..], &["-p", &one]].concat();
        let run = [&["run", "-d", "--name", "web", "-p", any], &flags[..]].concat();
        sandbox.ok([&run[..], &[IMAGE, "sh", "-c", SERVER]].concat());
        sandbox.wait_log("web", "listening");
        let seen = ask(port);
        assert!(seen.starts_with(from), "{driver:?} {seen}");
        let ports = sandbox.ok(["port", "web"]);
        let numbers = ports.lines().map(|line| line.rsplit(':').next().unwrap());
        for number in numbers.map(|number| number.parse().unwrap()) {
            assert!(ask(number).starts_with(from), "{driver:?} {ports}");
        }
        assert_eq!(ports.lines().count(), 2, "{driver:?} {ports}");
        let taken = [&["run", "--rm"], &flags[..], &[IMAGE, "true"]].concat();
        let taken = sandbox.call(taken).env("CORACLE_MODE", "docker").run();
        taken
            .expect(125)
            .says("port is already allocated")
            .says("web");
        sandbox.ok(["rm", "-f", "-t", "0", "web"]);
        drop(TcpListener::bind(("127.0.0.1", port)).expect("the port is free at once"));
    }
    let [_, _, _, (slirp4netns, _)] = drivers;
    let flags = [&slirp4netns[..], &["-p", "[::1]::80"]].concat();
    let run = [&["run", "--rm"], &flags[..], &[IMAGE, "true"]].concat();
    let refused = sandbox.run(run).expect(125);
    refused.says("IPv4 addresses alone");
}

/// What connects containers for which nothing is said, as whom it is called.
#[test]
fn podmans_habits_connect_by_pasta() {
    requires!("userns");
    requires!("pasta");
    let sandbox = Sandbox::with_image();
    let conf = sandbox.file("conf", "[containers]\nnetns = \"none\"\n");
    let native = "[network]\ndefault_rootless_network_cmd = \"native\"\n";
    let native = sandbox.file("native", native);
    let usual = if host::is_root() { "podman" } else { "pasta" };
    let cases: [(&str, &[&str], &str, &str); 8] = [
        ("podman", &[], "", usual),
        ("", &[], "", "podman"),
        ("podman", &["--network", "bridge"], "", "podman"),
        ("podman", &["--network", "private"], "", usual),
        ("podman", &["--network-alias", "db"], "", "podman"),
        ("podman", &["--network-driver", "native"], "", "podman"),
        ("podman", &[], &conf, "none"),
        ("podman", &[], &native, "podman"),
    ];
    for (mode, flags, conf, expected) in cases {
        let create = [
            &["create", "--replace", "--name", "c"],
            flags,
            &[IMAGE, "true"],
        ]
        .concat();
        let mut call = sandbox.call(create).env("CORACLE_MODE", mode);
        if !conf.is_empty() {
            call = call.env("CONTAINERS_CONF_OVERRIDE", conf);
        }
        call.run().expect(0);
        let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}";
        let networks = sandbox.ok(["inspect", "--format", networks, "c"]);
        assert_eq!(networks, expected, "{mode} {flags:?} {conf}");
    }
}

/// A command among the bridges reaches containers and, by a program that is ours to choose, the
/// world; it starts the network helper where there is none.
#[test]
fn a_command_among_the_bridges_has_a_way_out() {
    requires!("userns");
    requires!("pasta");
    if host::is_root() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let unshare = |words: &[&str]| {
        let words = [&["unshare", "--rootless-netns"], words].concat();
        sandbox.call(words).env("CORACLE_MODE", "podman")
    };
    let own = "169.254.3.1";
    let addresses = ["ip", "-4", "-o", "address"];
    let native = sandbox.ok([&["unshare", "--rootless-netns"], &addresses[..]].concat());
    assert!(!native.contains(own), "{native}");
    let by_pasta = unshare(&addresses).run().expect(0);
    assert!(by_pasta.out().contains(own), "{}", by_pasta.out());
    let false_one = sandbox.path("pasta");
    std::os::unix::fs::symlink("/bin/false", &false_one).unwrap();
    let call = unshare(&["true"]).env("CONTAINERS_HELPER_BINARY_DIR", sandbox.shown(""));
    call.run().expect(125).says("pasta failed with exit code 1");
    until_ended(helper(&sandbox));
}

/// Binds the ports of the first word on every address, and becomes the rest with them.
const ACTIVATE: &str = "import os, socket, sys
for at, port in enumerate(sys.argv[1].split(',')):
    s = socket.create_server(('::', int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    os.dup2(os.dup(s.fileno()), 30 + at)
    s.detach()
for at in range(2):
    os.dup2(30 + at, 3 + at)
os.closerange(5, 50)
os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='web:rest')
os.execv(sys.argv[2], sys.argv[2:])";

#[test]
fn sockets_that_are_passed_serve_ports_or_go_to_the_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let (port, other) = (free_port(), free_port());
    let (passed, publish) = (format!("{port},{other}"), format!("{port}:80"));
    let script =
        format!("echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; readlink /proc/self/fd/3; {SERVER}");
    let run = [
        "run", "-d", "--name", "web", "-p", &publish, IMAGE, "sh", "-c", &script,
    ];
    let outcome = sandbox
        .call_by(&["python3", "-c", ACTIVATE, &passed], &run)
        .run();
    outcome.expect(0);
    sandbox.wait_log("web", "listening");
    let log = sandbox.ok(["logs", "web"]);
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("1 1 rest"), "{log}");
    assert!(
        lines.next().is_some_and(|line| line.starts_with("socket:")),
        "{log}"
    );
    assert!(ask(port).starts_with("from "));
}

#[test]
fn networks_are_joined_and_left_while_a_container_runs() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let port = free_port();
    web(&sandbox, port);
    sandbox.ok(["network", "create", "back"]);
    let ask_both = "for i in web w; do wget -qO- http://$i/cgi-bin/who || echo none; done";
    assert_eq!(inside(&sandbox, "back", ask_both), "none\nnone");
    sandbox.ok(["network", "connect", "--alias", "w", "back", "web"]);
    let seen = inside(&sandbox, "back", ask_both);
    assert_eq!(seen.matches("from ").count(), 2, "{seen}");
    sandbox.ok(["network", "disconnect", "front", "web"]);
    assert_eq!(inside(&sandbox, "front", ask_both), "none\nnone");
    assert!(ask(port).starts_with("from "), "by the other network");
    let way = sandbox.ok(["exec", "web", "sh", "-c", "ip route | grep default"]);
    let gateway = sandbox.ok([
        "network",
        "inspect",
        "--format",
        "{{range .Subnets}}{{.Gateway}}{{end}}",
        "back",
    ]);
    assert_eq!(way.trim(), format!("default via {gateway} dev eth1"));
    kill(helper(&sandbox).unwrap(), Signal::SIGKILL).unwrap();
    assert!(ask(port).starts_with("from "), "of another helper");
    if !nix::unistd::geteuid().is_root() {
        let address = sandbox.ok(["exec", "web", "hostname", "-i"]);
        let url = format!("http://{address}/cgi-bin/who");
        let seen = sandbox.ok([
            "unshare",
            "--rootless-netns",
            "busybox",
            "wget",
            "-qO-",
            &url,
        ]);
        assert!(seen.starts_with("from "), "{seen}");
    }
}

#[test]
fn a_container_reaches_nothing_of_the_hosts_loopback() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "for a in 127.0.0.1 ::ffff:127.0.0.1 ::1 0.0.0.0 169.254.169.254; do
            nc -w 1 $a {port} </dev/null && echo reached $a; done
         g=$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p')
         nc -w 1 $g {port} </dev/null && echo reached $g; echo done"
    );
    assert_eq!(inside(&sandbox, "bridge", &script), "done");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody came");
}

/// A frame with another's address is dropped before the bridge learns from it.
#[test]
fn a_container_cannot_speak_for_another() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    web(&sandbox, free_port());
    let address = sandbox.ok(["exec", "web", "hostname", "-i"]);
    let rights = "--cap-add=net_admin,net_raw";
    let words = ["run", "-d", "--network", "front", rights];
    let rest = ["--name", "liar", IMAGE, "sleep", "1000"];
    sandbox.ok([&words[..], &rest].concat());
    let liar = |script: &str| sandbox.run(["exec", "liar", "sh", "-c", script]);
    let ask = format!("wget -qO- http://{address}/cgi-bin/who");
    let own = liar(&ask).expect(0);
    let own = own.out().trim_start_matches("from ");
    let other = format!("{}.77", own.rsplit_once('.').unwrap().0);
    let lies = [
        format!("ip addr del {own}/24 dev eth0; ip addr add {other}/24 dev eth0"),
        format!(
            "ip addr del {other}/24 dev eth0; ip addr add {own}/24 dev eth0; {ask} >/dev/null || \
             echo unheard; ip link set eth0 down; ip link set eth0 address 02:00:5e:00:00:01; \
             ip link set eth0 up; \
             grep -q 02:00:5e /sys/class/net/eth0/address || echo refused"
        ),
    ];
    for lie in lies {
        assert_eq!(liar(&lie).expect(0).out(), "", "with its own it is heard");
        let heard = liar(&format!("timeout 1 {ask}"));
        assert_ne!(heard.code, 0, "after {lie}: {heard:?}");
    }
}

#[test]
fn a_helper_that_is_killed_comes_back_with_all_it_served() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let port = free_port();
    web(&sandbox, port);
    let first = ask(port);
    let killed = helper(&sandbox).expect("a container needs it");
    kill(killed, Signal::SIGKILL).unwrap();
    // The port is bound all the time: whoever comes meanwhile waits in its queue.
    assert_eq!(ask(port), first);
    let seen = inside(&sandbox, "front", ASK);
    assert!(seen.starts_with("from "), "{seen}");
    assert_ne!(helper(&sandbox), Some(killed));
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    until_ended(helper(&sandbox));
    drop(TcpListener::bind(("127.0.0.1", port)).expect("the port is free"));
}

#[test]
fn who_comes_before_the_monitors_starts_the_helper_for_all() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let port = free_port();
    web(&sandbox, port);
    let monitor = sandbox.ok(["inspect", "--format", "{{.State.ConmonPid}}", "web"]);
    let monitor = Pid::from_raw(monitor.trim().parse().unwrap());
    for _ in 0..2 {
        kill(monitor, Signal::SIGSTOP).unwrap();
        kill(helper(&sandbox).unwrap(), Signal::SIGKILL).unwrap();
        let first = sandbox.ok(["run", "-d", "--network", "front", IMAGE, "sleep", "1000"]);
        kill(monitor, Signal::SIGCONT).unwrap();
        // It is connected anew: the port's queue is served again.
        assert!(ask(port).starts_with("from "));
        assert!(inside(&sandbox, "front", ASK).starts_with("from "));
        let asked = sandbox.ok(["exec", &first, "sh", "-c", ASK]);
        assert!(asked.starts_with("from "), "{asked}");
        // The next one has the bridges of the one before, and all who are on them.
        kill(helper(&sandbox).unwrap(), Signal::SIGKILL).unwrap();
        assert!(inside(&sandbox, "front", ASK).starts_with("from "));
    }
}

/// A copy of the tool whose helper says that it is of an older revision.
fn older(sandbox: &Sandbox) -> String {
    let path = sandbox.shown("older");
    let numbers = r"\([0-9]*[.][0-9]*[.][0-9]*\)";
    let script = format!("s/\\(coracle-network-helper={numbers}[.]\\)[1-9]/\\10/");
    fs::copy(program(), &path).unwrap();
    let sed = Call::new("sed")
        .env("LC_ALL", "C")
        .args(["-i", &script, &path]);
    sed.run().expect(0);
    assert!(
        fs::read(&path).unwrap() != fs::read(program()).unwrap(),
        "{script}"
    );
    path
}

#[test]
fn a_newer_command_takes_over_from_an_older_helper() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let older = older(&sandbox);
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:80");
    sandbox.ok(["network", "create", "front"]);
    let web = ["run", "-d", "--name", "web", "--network", "front", "-p"];
    let web = [&web[..], &[&publish, IMAGE, "sh", "-c", SERVER]].concat();
    sandbox.call_copy(&older, &web).run().expect(0);
    sandbox.wait_log("web", "listening");
    let gateway = ask(port);
    let (first, mut begun) = (helper(&sandbox), Vec::new());
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(b"GET /cgi-bin/who").unwrap();
    let seen = inside(&sandbox, "front", ASK);
    assert!(seen.starts_with("from "), "{seen}");
    assert_eq!(ask(port), gateway, "the port is served again");
    // What the older one had begun it carries to its end.
    connection.write_all(b" HTTP/1.0\r\n\r\n").unwrap();
    connection.read_to_end(&mut begun).unwrap();
    drop(connection);
    assert!(String::from_utf8_lossy(&begun).contains(&gateway));
    until_ended(first);
    let second = helper(&sandbox).expect("a container needs it");
    let ask_again = ["run", "--rm", "--network", "front", IMAGE, "sh", "-c", ASK];
    let outcome = sandbox.call_copy(&older, &ask_again).run().expect(0);
    assert!(outcome.stdout.starts_with("from "), "{outcome:?}");
    assert_eq!(helper(&sandbox), Some(second), "a newer one serves all");
}

/// What stands in the status of each of the helper's threads.
fn statuses(helper: Pid) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{helper}/task"))
        .unwrap()
        .flatten();
    let status = threads.map(|thread| fs::read_to_string(thread.path().join("status")).unwrap());
    status.collect()
}

#[test]
fn the_helper_keeps_no_more_rights_than_it_needs() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    web(&sandbox, free_port());
    let helper = helper(&sandbox).expect("a container needs it");
    let threads = statuses(helper);
    assert_eq!(threads.len(), 2);
    for status in &threads {
        let word = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!((&*word("NoNewPrivs:"), &*word("Seccomp:")), ("1", "2"));
        // Low ports, interfaces, and moving into network namespaces; the thread in the host's
        // network has nothing.
        let rights = u64::from_str_radix(&word("CapPrm:"), 16).unwrap();
        assert!(
            rights == 0 || rights == 1 << 10 | 1 << 12 | 1 << 21,
            "{status}"
        );
        assert_eq!(word("CapInh:").trim_matches('0'), "");
    }
    // In no container's cgroup, nor that of the command which started it.
    let cgroup = |process: &str| fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    // Above the root of the tree, which never ends, there is no place.
    let is_at_root = cgroup("self").lines().any(|line| line == "0::/");
    if host::has(host::Need::Cgroup) && !is_at_root {
        let own = cgroup(&helper.to_string());
        assert!(own.contains("/coracle-network\n"), "{own}");
        assert!(!cgroup("self").contains("coracle-network"));
        assert!(inside(&sandbox, "front", ASK).starts_with("from "));
        sandbox.ok(["rm", "-f", "-t", "0", "web"]);
        until_ended(Some(helper));
        // Helpers of other tests are in it too, each until its end.
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let mounted = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let places = mounted.map(|place| Path::new(place).join(own.unwrap()));
        let stays = |place: &PathBuf| {
            let events = fs::read_to_string(place.join("cgroup.events"));
            events.is_ok_and(|events| events.contains("populated 0"))
        };
        let until = Instant::now() + PATIENCE;
        while places.iter().any(stays) {
            assert!(Instant::now() < until, "an empty cgroup stays");
            sleep(Duration::from_millis(20));
        }
    }
}

/// The first process changes its ids while its network is connected.
#[test]
fn a_container_whose_root_is_another_id_is_connected_whenever_it_starts() {
    requires!("range");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["network", "create", "front"]);
    let keep = ["run", "--rm", "--userns", "keep-id", "--network", "front"];
    for _ in 0..10 {
        let links = sandbox.ok(keep.iter().chain(&[IMAGE, "ls", "/sys/class/net"]));
        assert_eq!(links, "eth0\nlo");
    }
}

#[test]
fn several_first_containers_at_once_share_their_network() {
    requires!("userns");
    let command = ["run", "--rm", "--network", "front", IMAGE, "true"];
    for _ in 0..3 {
        let sandbox = Sandbox::with_image();
        sandbox.ok(["network", "create", "front"]);
        let running: Vec<_> = (0..4).map(|_| sandbox.call(command).spawn()).collect();
        for one in running {
            one.finish().expect(0);
        }
    }
}
