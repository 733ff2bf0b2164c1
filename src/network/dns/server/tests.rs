// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The server with real sockets, on the loopback interface alone.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::message::query;
use super::super::table::tests::plan;
use super::*;
use crate::sys::socket::{bind_to, listen_on, local_address, open};

/// A server for one container, and where it answers over UDP and TCP.
struct Room {
    directory: tempfile::TempDir,
    server: NameServer,
    datagrams: SocketAddr,
    streams: SocketAddr,
}

fn bound(kind: Kind) -> (OwnedFd, SocketAddr) {
    let socket = open(Family::V4, kind).unwrap();
    bind_to(socket.as_fd(), "127.0.0.1:0".parse().unwrap()).unwrap();
    if kind == Kind::Stream {
        listen_on(socket.as_fd()).unwrap();
    }
    let address = local_address(socket.as_fd()).unwrap();
    (socket, address)
}

fn room(servers: &[SocketAddr]) -> Room {
    let directory = tempfile::tempdir().unwrap();
    let mut server = NameServer::new(directory.path().join("resolv.conf")).unwrap();
    let mut plan = plan(&["web"], &[], &[("front", "10.1.0.2/24")]);
    plan.dns_servers = servers.to_vec();
    server.set_container("c1", &plan);
    let (datagrams, udp) = bound(Kind::Datagram);
    let (listener, tcp) = bound(Kind::Stream);
    let asker = Asker::Container("c1".to_owned());
    server.serve(asker, datagrams, listener).unwrap();
    Room {
        directory,
        server,
        datagrams: udp,
        streams: tcp,
    }
}

impl Room {
    fn asking(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(self.datagrams).unwrap();
        client
    }

    /// Works until `done`.
    fn work(&mut self, mut done: impl FnMut() -> bool) {
        let give_up = Instant::now() + Duration::from_secs(10);
        while !done() {
            assert!(Instant::now() < give_up, "nothing came");
            let mut polled = [PollFd::new(self.server.as_fd(), PollFlags::POLLIN)];
            poll(&mut polled, PollTimeout::from(20_u8)).unwrap();
            self.server.go_on(&mut |family, kind| open(family, kind));
        }
    }

    /// What comes back for a query over UDP.
    fn ask(&mut self, packet: &[u8]) -> Vec<u8> {
        let client = self.asking();
        client.send(packet).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut reply = vec![0; 4096];
        let mut length = None;
        self.work(|| {
            length = client.recv(&mut reply).ok();
            length.is_some()
        });
        reply.truncate(length.unwrap());
        reply
    }
}

/// Answers every query over UDP with `code` and no record.
fn upstream(code: u8) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            buffer[2] |= 0x80;
            buffer[3] = code;
            socket.send_to(&buffer[..length], from).unwrap();
        }
    });
    address
}

#[test]
fn own_names_are_answered_over_udp_and_tcp() {
    let mut room = room(&[]);
    let packet = query(7, "web", 1, None);
    let reply = room.ask(&packet);
    assert_eq!(
        (&reply[..2], &reply[reply.len() - 4..]),
        (&[0, 7][..], &[10, 1, 0, 2][..])
    );
    let mut client = TcpStream::connect(room.streams).unwrap();
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    // In pieces, and twice.
    let twice = [&length[..], &packet, &length, &packet].concat();
    client.write_all(&twice[..5]).unwrap();
    room.work(|| true);
    client.write_all(&twice[5..]).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut replies = vec![0; 2 * (2 + reply.len())];
    let mut have = 0;
    let wanted = replies.len();
    room.work(|| {
        have += client.read(&mut replies[have..]).unwrap_or(0);
        have == wanted
    });
    assert_eq!(replies[2..2 + reply.len()], reply);
}

#[test]
fn other_names_are_asked_for_elsewhere() {
    // The first is dead, the second knows nothing, the third says that there is none.
    let dead = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut room = room(&[dead, upstream(2), upstream(3)]);
    let reply = room.ask(&query(0x55aa, "example.com", 1, None));
    assert_eq!((&reply[..2], reply[3] & 0xf), (&[0x55, 0xaa][..], 3));
    assert!(room.server.waiting.is_empty() && room.server.entries.len() == 2);
    room.server.remove_container("c1");
    assert!(room.server.entries.is_empty());
}

#[test]
fn a_host_without_servers_asks_nobody() {
    let mut room = room(&[]);
    let example = query(1, "example.com", 1, None);
    assert_eq!(room.ask(&example)[3] & 0xf, 2);
    // Nobody but the file says whom to ask.
    assert!(!room.directory.path().join("resolv.conf").exists());
}

/// "No such name" would be believed while the containers of an older helper come one by one.
#[test]
fn names_that_come_later_are_waited_for() {
    let mut room = room(&[upstream(3)]);
    room.server.expect_containers(Duration::from_secs(2));
    let client = room.asking();
    let mut reply = [0; 512];
    client.set_nonblocking(true).unwrap();
    client.send(&query(9, "db", 1, None)).unwrap();
    // The others are not kept from their answers.
    assert_eq!(room.ask(&query(8, "example.com", 1, None))[3] & 0xf, 3);
    assert_eq!(room.ask(&query(8, "web", 1, None))[3] & 0xf, 0);
    assert!(client.recv(&mut reply).is_err());
    let mut plan = plan(&["db"], &[], &[("front", "10.1.0.3/24")]);
    plan.dns_servers = Vec::new();
    room.server.set_container("c2", &plan);
    assert!(
        room.server
            .deadline()
            .is_some_and(|now| now <= Instant::now())
    );
    let mut length = 0;
    room.work(|| {
        length = client.recv(&mut reply).unwrap_or(0);
        length > 0
    });
    assert_eq!(
        (reply[1], &reply[length - 4..length]),
        (9, &[10, 1, 0, 3][..])
    );
    // One that nobody has is told in the end.
    assert_eq!(room.ask(&query(7, "nobody", 1, None))[3] & 0xf, 3);
}
