// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks that meet the world: many ports, several servers of one name, a network that comes and
//! goes under traffic, and, in a network namespace that the test makes, a host without a way out,
//! whose name servers change, and clients of other addresses.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::network::{SERVER, answer, ask, web};
use crate::support::host::free_port;
use crate::support::process::PATIENCE;
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, host, requires};

/// The first of so many ports in a row that nobody has.
fn free_row(count: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut starts = (10_000..30_000).step_by(usize::from(count));
    let found = starts.find(|first| (*first..first + count).all(is_free));
    found.expect("a row of free ports")
}

#[test]
fn a_thousand_ports_are_published_and_free_again() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let first = free_row(1000);
    let publish = format!("127.0.0.1:{first}-{}:1000-1999", first + 999);
    let servers = SERVER.replace(
        "httpd -p 80 -h /www",
        "for p in 1000 1500 1999; do httpd -p $p -h /www; done",
    );
    let run = [
        "run", "-d", "--name", "web", "-p", &publish, IMAGE, "sh", "-c", &servers,
    ];
    sandbox.ok(run);
    sandbox.wait_log("web", "listening");
    assert_eq!(sandbox.ok(["port", "web"]).lines().count(), 1000);
    for offset in [0, 500, 999] {
        assert!(ask(first + offset).starts_with("from "), "{offset}");
    }
    sandbox.ok(["rm", "-f", "-t", "0", "web"]);
    for port in first..first + 1000 {
        drop(TcpListener::bind(("127.0.0.1", port)).expect("it is free"));
    }
}

#[test]
fn servers_of_one_name_come_in_turn() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["network", "create", "front"]);
    let mut own = BTreeSet::new();
    for name in ["one", "two", "three"] {
        let run = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "front",
            "--network-alias",
            "pool",
        ];
        sandbox.ok(run.iter().chain(&[IMAGE, "sleep", "1000"]));
        own.insert(sandbox.ok(["exec", name, "hostname", "-i"]));
    }
    let script = "for i in 1 2 3 4 5 6; do
        nslookup pool 127.0.0.11 | sed -n 's/^Address: //p' | head -n 1; done";
    let first: Vec<String> = sandbox
        .ok([
            "run",
            "--rm",
            "--network",
            "front",
            IMAGE,
            "sh",
            "-c",
            script,
        ])
        .lines()
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(first.len(), 6);
    assert_eq!(first.into_iter().collect::<BTreeSet<_>>(), own);
}

#[test]
fn a_network_comes_and_goes_under_traffic() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let port = free_port();
    web(&sandbox, port);
    sandbox.ok(["network", "create", "back"]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut answers = 0;
            while !over.load(Ordering::Relaxed) {
                assert!(ask(port).starts_with("from "));
                answers += 1;
            }
            answers
        });
        for _ in 0..5 {
            sandbox.ok(["network", "connect", "back", "web"]);
            let links = sandbox.ok(["exec", "web", "ls", "/sys/class/net"]);
            assert_eq!(links.lines().count(), 3, "{links}");
            sandbox.ok(["network", "disconnect", "back", "web"]);
        }
        over.store(true, Ordering::Relaxed);
        assert!(client.join().unwrap() > 0);
    });
    let links = sandbox.ok(["exec", "web", "ls", "/sys/class/net"]);
    assert_eq!(links, "eth0\nlo");
}

/// Asks for the address of `web` whenever the last answer is too old.
const PROXY: &str =
    "user root; daemon off; master_process off; error_log stderr; pid /tmp/pid; events {}
http {
    access_log off; client_body_temp_path /tmp/1; proxy_temp_path /tmp/2;
    fastcgi_temp_path /tmp/3; uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5;
    server {
        listen 80; resolver 127.0.0.11 ipv6=off; proxy_connect_timeout 1s;
        location / { set $name web; proxy_pass http://$name; }
    }
}";

#[test]
fn nginx_finds_a_server_that_comes_back_under_another_address() {
    requires!("userns,nginx");
    let sandbox = Sandbox::with_image();
    let (direct, proxied) = (free_port(), free_port());
    web(&sandbox, direct);
    let configuration = sandbox.file("proxy.conf", PROXY);
    let publish = format!("127.0.0.1:{proxied}:80");
    let nginx = host::nginx().expect("it is required");
    let mut run: Vec<_> = ["run", "-d", "--name", "proxy", "--network", "front", "-p"].into();
    let volumes = ["/usr", "/lib", "/lib64"].map(|place| format!("{place}:{place}:ro"));
    let own = [
        format!("{configuration}:/proxy.conf:ro"),
        format!("{nginx}:/nginx:ro"),
    ];
    run.push(&publish);
    run.extend(volumes.iter().chain(&own).flat_map(|one| ["-v", one]));
    sandbox.ok(run
        .into_iter()
        .chain([IMAGE, "/nginx", "-c", "/proxy.conf"]));
    let until = Instant::now() + PATIENCE;
    let served = || {
        while !answer(proxied).contains("from ") {
            assert!(Instant::now() < until, "{}", answer(proxied));
            sleep(Duration::from_millis(100));
        }
    };
    served();
    let address = || sandbox.ok(["exec", "web", "hostname", "-i"]);
    let first = address();
    sandbox.ok(["stop", "-t", "0", "web"]);
    let taken = ["run", "-d", "--network", "front", "--ip", &first, IMAGE];
    sandbox.ok(taken.iter().chain(&["sleep", "1000"]));
    sandbox.ok(["start", "web"]);
    assert_ne!(address(), first);
    served();
}

/// A host with loopback alone, two name servers, and a client in another network namespace.
const WORLD: &str = r#"ip link set lo up
python3 -c '
import socket, threading
def serve(local, address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((local, 53))
    while True:
        query, peer = server.recvfrom(512)
        end = query.index(0, 12) + 5
        is_a = query[end - 4:end - 2] == b"\0\x01"
        record = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04" + socket.inet_aton(address) if is_a else b""
        head = query[:2] + b"\x81\x80\0\x01\0" + bytes([is_a]) + b"\0\0\0\0"
        server.sendto(head + query[12:end] + record, peer)
for pair in ("127.0.0.2", "10.9.9.1"), ("127.0.0.3", "10.9.9.2"):
    threading.Thread(target=serve, args=pair, daemon=True).start()
import time; time.sleep(60)
' >/dev/null 2>&1 &
unshare -n sh -c 'touch apart
    until ip addr add 10.55.0.2/24 dev w1; do sleep 0.1; done; ip link set w1 up
    ip addr add fd55::2/64 dev w1 nodad; until [ -e go ]; do sleep 0.1; done
    until grep -s from said.new; do sleep 0.1
        printf "GET /cgi-bin/who HTTP/1.0\r\n\r\n" | busybox nc -w 5 10.55.0.1 8080 | tail -n 1 >said.new
    done; mv said.new said
    python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
said = None
while not said:
    s.sendto(b\"x\", (\"10.55.0.1\", 8081))
    try:
        said = s.recv(99).decode()
    except socket.timeout:
        pass
open(\"echoed.new\", \"w\").write(said + \"\\n\")"; mv echoed.new echoed
    i=0; until [ -e over ] || [ $((i += 1)) = 600 ]; do sleep 0.1; done' >/dev/null 2>&1 &
client=$!; until [ -e apart ]; do sleep 0.1; done
ip link add w0 type veth peer name w1 netns $client && ip addr add 10.55.0.1/24 dev w0 &&
    ip addr add fd55::1/64 dev w0 nodad && ip link set w0 up &&
    echo 0 0 >/proc/sys/net/ipv4/ping_group_range && echo nameserver 127.0.0.2 >resolv && mount --bind resolv /etc/resolv.conf"#;

/// Says by datagrams which address a client has.
const ECHO: &str = r#"import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 81))
while True:
    client = s.recvfrom(99)[1]
    s.sendto(("datagrams from " + client[0]).encode(), client)"#;

#[test]
fn a_host_without_a_way_out_changes_its_name_servers_and_has_clients() {
    requires!("userns,unprivileged");
    let script = format!(
        r#""$@" import -q small.tar small >/dev/null
        "$@" network create --ipv6 both >/dev/null
        "$@" run -d --name web --network both --cap-add NET_RAW -v /usr:/usr:ro \
            -v /lib:/lib:ro -v /lib64:/lib64:ro -p 8080:80 -p 8081:81/udp small sh -c '{}' >/dev/null
        for server in 127.0.0.2 127.0.0.3; do
            echo nameserver $server >resolv
            "$@" exec web nslookup elsewhere | sed -n 's/^Address: 10/10/p'
        done
        touch go
        "$@" exec -d web python3 -c '{ECHO}' >/dev/null
        for file in said echoed; do until [ -e $file ]; do sleep 0.1; done; cat $file; done
        for to in 10.55.0.2 fd55::2 10.55.0.1 gateway 10.55.0.3; do
            [ $to != gateway ] || to=$("$@" exec web ip route | sed -n "s/^default via \\([^ ]*\\).*/\\1/p")
            "$@" exec web ping -c 3 -W 1 $to >/dev/null 2>&1 && echo echo || echo silence
        done
        touch over
        "$@" rm -f -t 0 web >/dev/null"#,
        SERVER
            .replace('\'', "\"")
            .replace("${", "\\${")
            .replace("$a", "\\$a")
    );
    let sandbox = Sandbox::new();
    let outcome = sandbox.nested_in("-UrmCn", WORLD, &script).expect(0);
    let seen = "10.9.9.1\n10.9.9.2\nfrom 10.55.0.2\ndatagrams from 10.55.0.2";
    let echoes = "echo\necho\necho\necho\nsilence";
    assert_eq!(outcome.out(), format!("{seen}\n{echoes}"));
}
