// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks that meet the world: many ports, several servers of one name, a network that comes and
//! goes under traffic, and, in a network namespace that the test makes, a host without a way out,
//! whose name servers change, and clients of other addresses.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::network::{SERVER, ask, free_port, web};
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

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
    for i in 1 2 3; do echo x | busybox nc -u -w 1 10.55.0.1 8081; done
    until grep -s from said.new; do sleep 0.1
        printf "GET /cgi-bin/who HTTP/1.0\r\n\r\n" | busybox nc -w 5 10.55.0.1 8080 | tail -n 1 >said.new
    done; mv said.new said' >/dev/null 2>&1 &
client=$!; until [ -e apart ]; do sleep 0.1; done
ip link add w0 type veth peer name w1 netns $client && ip addr add 10.55.0.1/24 dev w0 &&
    ip addr add fd55::1/64 dev w0 nodad && ip link set w0 up &&
    echo 0 0 >/proc/sys/net/ipv4/ping_group_range && echo nameserver 127.0.0.2 >resolv && mount --bind resolv /etc/resolv.conf"#;

#[test]
fn a_host_without_a_way_out_changes_its_name_servers_and_has_clients() {
    requires!("userns,unprivileged");
    let script = format!(
        r#""$@" import -q small.tar small >/dev/null
        "$@" network create --ipv6 both >/dev/null
        "$@" run -d --name web --network both -p 8080:80 -p 8081:81/udp small sh -c '{}' >/dev/null
        for server in 127.0.0.2 127.0.0.3; do
            echo nameserver $server >resolv
            "$@" exec web nslookup elsewhere | sed -n 's/^Address: 10/10/p'
        done
        touch go
        "$@" exec -d web nc -u -l -p 81
        until [ -e said ]; do sleep 0.1; done; cat said
        for i in 1 2 3 4 5 6 7 8 9 0; do
            "$@" exec web grep -q :0051.0200370A /proc/net/udp && echo datagrams too && break
        done
        for to in 10.55.0.2 fd55::2 10.55.0.1 gateway 10.55.0.3; do
            [ $to != gateway ] || to=$("$@" exec web ip route | sed -n "s/^default via \\([^ ]*\\).*/\\1/p")
            "$@" exec web ping -c 1 -W 2 $to >/dev/null 2>&1 && echo echo || echo silence
        done
        "$@" rm -f -t 0 web >/dev/null"#,
        SERVER
            .replace('\'', "\"")
            .replace("${", "\\${")
            .replace("$a", "\\$a")
    );
    let sandbox = Sandbox::new();
    let outcome = sandbox.nested_in("-UrmCn", WORLD, &script).expect(0);
    let seen = "10.9.9.1\n10.9.9.2\nfrom 10.55.0.2\ndatagrams too";
    let echoes = "echo\necho\necho\necho\nsilence";
    assert_eq!(outcome.out(), format!("{seen}\n{echoes}"));
}
