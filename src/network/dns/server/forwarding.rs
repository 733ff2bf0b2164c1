// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Queries that nobody here can answer: the host's servers are asked in turn, and what the first of
//! them knows goes back.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollFlags;

use super::super::message::{Code, Query, is_refusal, set_id};
use super::super::stream::{Condition, Stream};
use super::{Back, DATAGRAM_BYTES, Entry, HostSockets, NameServer, changes};
use crate::sys::process::random_bytes;
use crate::sys::socket::{Family, Kind, connect_to};
use crate::sys::{Called, SysResult};

/// Queries that wait for the host's servers, of all containers and of one.
const WAITING_MAX: usize = 1024;
const WAITING_OF_ONE_MAX: usize = 128;
/// After this another server is asked as well.
const PATIENCE: Duration = Duration::from_secs(1);
/// After this nobody is waited for.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// A query that the host's servers were asked.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) container: String,
    pub(super) query: Query,
    pub(super) packet: Vec<u8>,
    pub(super) servers: Vec<SocketAddr>,
    /// How many of them were asked.
    pub(super) asked: usize,
    pub(super) entries: Vec<u64>,
    pub(super) back: Back,
    /// When the next one is asked.
    pub(super) patience: Instant,
    pub(super) ends: Instant,
    /// What a server said that knew nothing.
    pub(super) refusal: Option<Vec<u8>>,
}

impl NameServer {
    pub(super) fn forward(
        &mut self,
        container: String,
        query: Query,
        packet: Vec<u8>,
        servers: Vec<SocketAddr>,
        back: Back,
        sockets: HostSockets<'_>,
    ) {
        let of_one = |one: &&Waiting| one.container == container;
        let full = self.waiting.len() >= WAITING_MAX
            || self.waiting.values().filter(of_one).count() >= WAITING_OF_ONE_MAX;
        let servers = if servers.is_empty() {
            self.host.now().to_vec()
        } else {
            servers
        };
        if full || servers.is_empty() {
            let reply = query.reply(Code::ServFail, &[], usize::from(u16::MAX));
            self.send_back(back, &reply);
            return;
        }
        let now = Instant::now();
        let number = self.number();
        let waiting = Waiting {
            container,
            query,
            packet,
            servers,
            asked: 0,
            entries: Vec::new(),
            back,
            patience: now,
            ends: now + ANSWER_TIME,
            refusal: None,
        };
        self.waiting.insert(number, waiting);
        self.ask_next(number, sockets);
    }

    /// Asks the next server, or gives up when there is none left and nobody is waited for.
    pub(super) fn ask_next(&mut self, number: u64, sockets: HostSockets<'_>) {
        loop {
            let Some(waiting) = self.waiting.get_mut(&number) else {
                return;
            };
            let Some(server) = waiting.servers.get(waiting.asked).copied() else {
                waiting.patience = waiting.ends;
                if waiting.entries.is_empty() {
                    self.give_up(number);
                }
                return;
            };
            waiting.asked += 1;
            waiting.patience = Instant::now() + PATIENCE;
            if let Ok(entry) = self.ask(number, server, sockets) {
                if let Some(waiting) = self.waiting.get_mut(&number) {
                    waiting.entries.push(entry);
                }
                return;
            }
        }
    }

    fn ask(&mut self, number: u64, server: SocketAddr, sockets: HostSockets<'_>) -> SysResult<u64> {
        let waiting = &self.waiting[&number];
        let family = Family::of(server.ip());
        match waiting.back {
            Back::Datagram(..) => {
                // A socket of its own for each: nobody guesses its port and the number.
                let socket = sockets(family, Kind::Datagram)?;
                connect_to(socket.as_fd(), server)?;
                let id = u16::from_ne_bytes(random_bytes());
                let mut packet = waiting.packet.clone();
                set_id(&mut packet, id);
                nix::unistd::write(&socket, &packet).called(|| format!("send({server})"))?;
                let entry = Entry::Server {
                    query: number,
                    id,
                    socket,
                };
                self.add(entry, EpollFlags::EPOLLIN)
            }
            Back::Stream(_) => {
                let socket = sockets(family, Kind::Stream)?;
                connect_to(socket.as_fd(), server)?;
                let mut stream = Stream::new(socket);
                stream.put(&waiting.packet);
                let entry = Entry::ServerStream {
                    query: number,
                    stream,
                };
                self.add(entry, changes())
            }
        }
    }

    pub(super) fn take_reply(&mut self, entry: u64, sockets: HostSockets<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(DATAGRAM_BYTES, 0);
        if let Some(Entry::Server { query, id, socket }) = self.entries.get(&entry) {
            let (number, id) = (*query, *id);
            // ECONNREFUSED: nobody serves there.
            match nix::unistd::read(socket, &mut buffer) {
                Ok(length) => {
                    let packet = &buffer[..length];
                    let answers = |one: &Waiting| one.query.is_answered_by(packet, id);
                    // Anything else is somebody's who only guesses.
                    if self.waiting.get(&number).is_some_and(answers) {
                        self.take_answer(number, entry, packet.to_vec(), sockets);
                    }
                }
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
                Err(_) => self.lose(number, entry, sockets),
            }
        }
        self.buffer = buffer;
    }

    pub(super) fn take_stream_reply(&mut self, entry: u64, sockets: HostSockets<'_>) {
        let Some(Entry::ServerStream { query, stream }) = self.entries.get_mut(&entry) else {
            return;
        };
        let number = *query;
        let ended = stream.flush() == Condition::Ended || stream.fill() == Condition::Ended;
        let reply = stream.take();
        match (reply, self.waiting.get(&number)) {
            (Some(packet), Some(one)) if one.query.is_answered_by(&packet, one.query.id()) => {
                self.take_answer(number, entry, packet, sockets);
            }
            (Some(_), _) => self.lose(number, entry, sockets),
            (None, _) if ended => self.lose(number, entry, sockets),
            (None, _) => {}
        }
    }

    /// A server has said something: its word is passed on, unless another one may know better.
    fn take_answer(
        &mut self,
        number: u64,
        entry: u64,
        mut packet: Vec<u8>,
        sockets: HostSockets<'_>,
    ) {
        let Some(waiting) = self.waiting.get_mut(&number) else {
            return;
        };
        set_id(&mut packet, waiting.query.id());
        if is_refusal(&packet) {
            waiting.refusal = Some(packet);
            self.lose(number, entry, sockets);
            return;
        }
        let back = waiting.back;
        self.forget(number);
        self.send_back(back, &packet);
    }

    /// From this server nothing more is to be hoped for.
    fn lose(&mut self, number: u64, entry: u64, sockets: HostSockets<'_>) {
        self.close(entry);
        if let Some(waiting) = self.waiting.get_mut(&number) {
            waiting.entries.retain(|one| *one != entry);
            self.ask_next(number, sockets);
        }
    }

    pub(super) fn give_up(&mut self, number: u64) {
        let Some(waiting) = self.forget(number) else {
            return;
        };
        let fail = || {
            waiting
                .query
                .reply(Code::ServFail, &[], usize::from(u16::MAX))
        };
        let reply = waiting.refusal.clone().unwrap_or_else(fail);
        self.send_back(waiting.back, &reply);
    }

    pub(super) fn forget(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        for entry in &waiting.entries {
            self.close(*entry);
        }
        Some(waiting)
    }
}
