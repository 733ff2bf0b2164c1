// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moves packets between containers, the table and the host's servers. One descriptor tells when
//! there is something to do; nothing here waits.

mod early;
mod forwarding;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use early::EarlyQueries;
use forwarding::Waiting;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::answer::{Answer, Transport, answer, may_come};
use super::stream::{Condition, Stream};
use super::table::Table;
use super::upstream::HostServers;
use crate::network::plan::ConnectionPlan;
use crate::sys::socket::{Family, Kind, accept, receive_from, send_to};
use crate::sys::{Called, Ignored, SysResult};

/// Connections, of all containers and of one.
const STREAMS_MAX: usize = 256;
const STREAMS_OF_ONE_MAX: usize = 64;
/// How long a connection may stand.
const STREAM_TIME: Duration = Duration::from_secs(20);
/// Datagrams that are taken from one socket before others have their turn.
const BATCH: usize = 64;
/// The longest datagram.
const DATAGRAM_BYTES: usize = 65_535;

/// Who asks over a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// A container, whose own socket it is.
    Container(String),
    /// Whoever has the source address in the network with this id: a gateway's socket.
    Network(String),
}

/// Makes sockets in the host's network.
pub(super) type HostSockets<'a> = &'a mut dyn FnMut(Family, Kind) -> SysResult<OwnedFd>;

/// The name server of a user's networks.
#[derive(Debug)]
pub struct NameServer {
    epoll: Epoll,
    entries: HashMap<u64, Entry>,
    waiting: HashMap<u64, Waiting>,
    table: Table,
    host: HostServers,
    early: EarlyQueries,
    /// The next number of an entry or of a query.
    next: u64,
    /// How many queries there were.
    turn: usize,
    buffer: Vec<u8>,
}

/// A descriptor that is watched.
#[derive(Debug)]
enum Entry {
    Datagrams(Asker, OwnedFd),
    Listener(Asker, OwnedFd),
    Stream {
        container: String,
        stream: Stream,
        ends: Instant,
    },
    /// A server that was asked, and under which number.
    Server {
        query: u64,
        id: u16,
        socket: OwnedFd,
    },
    ServerStream {
        query: u64,
        stream: Stream,
    },
}

/// The way back.
#[derive(Debug, Clone, Copy)]
enum Back {
    Datagram(u64, SocketAddr),
    Stream(u64),
}

impl NameServer {
    /// One that forwards to the servers that `resolv_conf` names.
    ///
    /// # Errors
    ///
    /// What epoll_create1(2) says.
    pub fn new(resolv_conf: PathBuf) -> SysResult<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).called(|| "epoll_create1()")?,
            entries: HashMap::new(),
            waiting: HashMap::new(),
            table: Table::default(),
            host: HostServers::of(resolv_conf),
            early: EarlyQueries::default(),
            next: 0,
            turn: 0,
            buffer: Vec::new(),
        })
    }

    /// There are containers that this server does not know yet: those who ask for a name that may
    /// be theirs wait so long.
    pub fn expect_containers(&mut self, within: Duration) {
        self.early = EarlyQueries::until(Instant::now() + within);
    }

    /// Adds a container, or changes what it is in.
    pub fn set_container(&mut self, container: &str, plan: &ConnectionPlan) {
        self.table.set(container, plan);
        self.early.look_again();
    }

    /// Forgets a container and closes its sockets.
    pub fn remove_container(&mut self, container: &str) {
        self.table.remove(container);
        self.close_where(|entry| match entry {
            Entry::Datagrams(asker, _) | Entry::Listener(asker, _) => {
                *asker == Asker::Container(container.to_owned())
            }
            Entry::Stream {
                container: whose, ..
            } => whose == container,
            Entry::Server { .. } | Entry::ServerStream { .. } => false,
        });
        let queries = self.waiting.iter();
        let gone = queries.filter(|(_, waiting)| waiting.container == container);
        for query in gone.map(|(query, _)| *query).collect::<Vec<_>>() {
            self.forget(query);
        }
    }

    /// Closes the sockets of a network's gateway.
    pub fn remove_network(&mut self, network: &str) {
        self.close_where(|entry| match entry {
            Entry::Datagrams(asker, _) | Entry::Listener(asker, _) => {
                *asker == Asker::Network(network.to_owned())
            }
            Entry::Stream { .. } | Entry::Server { .. } | Entry::ServerStream { .. } => false,
        });
    }

    /// Serves who asks over these sockets: one of datagrams, and a listening one. Neither waits.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says.
    pub fn serve(&mut self, asker: Asker, datagrams: OwnedFd, listener: OwnedFd) -> SysResult<()> {
        self.add(
            Entry::Datagrams(asker.clone(), datagrams),
            EpollFlags::EPOLLIN,
        )?;
        self.add(Entry::Listener(asker, listener), EpollFlags::EPOLLIN)?;
        Ok(())
    }

    /// When [`NameServer::go_on`] is to be called even if nothing can be read.
    pub fn deadline(&self) -> Option<Instant> {
        let queries = self.waiting.values().map(|one| one.patience.min(one.ends));
        let streams = self.entries.values().filter_map(|entry| match entry {
            Entry::Stream { ends, .. } => Some(*ends),
            Entry::Datagrams(..)
            | Entry::Listener(..)
            | Entry::Server { .. }
            | Entry::ServerStream { .. } => None,
        });
        queries.chain(streams).chain(self.early.deadline()).min()
    }

    /// Does what there is to do; `sockets` belong to the host's network.
    pub fn go_on(&mut self, sockets: HostSockets<'_>) {
        let mut events = [EpollEvent::empty(); BATCH];
        if let Ok(count) = self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            for event in &events[..count] {
                self.handle(event.data(), sockets);
            }
        }
        self.answer_early(sockets);
        self.expire(sockets);
        if self.waiting.is_empty() && self.waiting.capacity() > BATCH {
            self.waiting.shrink_to_fit();
            self.entries.shrink_to_fit();
        }
    }

    fn add(&mut self, entry: Entry, flags: EpollFlags) -> SysResult<u64> {
        let number = self.number();
        self.epoll
            .add(entry.as_fd(), EpollEvent::new(flags, number))
            .called(|| "epoll_ctl(EPOLL_CTL_ADD)")?;
        self.entries.insert(number, entry);
        Ok(number)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn handle(&mut self, number: u64, sockets: HostSockets<'_>) {
        match self.entries.get(&number) {
            Some(Entry::Datagrams(..)) => self.take_datagrams(number, sockets),
            Some(Entry::Listener(..)) => self.take_connections(number),
            Some(Entry::Stream { .. }) => self.serve_stream(number, sockets),
            Some(Entry::Server { .. }) => self.take_reply(number, sockets),
            Some(Entry::ServerStream { .. }) => self.take_stream_reply(number, sockets),
            // Closed by what came before.
            None => {}
        }
    }

    fn take_datagrams(&mut self, number: u64, sockets: HostSockets<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(DATAGRAM_BYTES, 0);
        for _ in 0..BATCH {
            let Some(Entry::Datagrams(asker, socket)) = self.entries.get(&number) else {
                break;
            };
            let Ok(received) = receive_from(socket.as_fd(), &mut buffer) else {
                break;
            };
            let Some(from) = received.from else {
                continue;
            };
            let Some(container) = who(&self.table, asker, from.ip()) else {
                continue;
            };
            let packet = &buffer[..received.length];
            let back = Back::Datagram(number, from);
            if self.early.is_open() && may_come(packet, &self.table, &container) {
                self.early.keep(container, packet.to_vec(), back);
                continue;
            }
            self.answer_datagram(container, packet, back, sockets);
        }
        self.buffer = buffer;
    }

    fn answer_datagram(
        &mut self,
        container: String,
        packet: &[u8],
        back: Back,
        sockets: HostSockets<'_>,
    ) {
        self.turn = self.turn.wrapping_add(1);
        let transport = Transport::Datagram;
        match answer(packet, &self.table, &container, transport, self.turn) {
            Answer::Silence => {}
            Answer::Reply(reply) => self.send_back(back, &reply),
            Answer::Forward { query, servers } => {
                self.forward(container, *query, packet.to_vec(), servers, back, sockets);
            }
        }
    }

    /// Answers those who asked for what was not here yet.
    fn answer_early(&mut self, sockets: HostSockets<'_>) {
        for one in self.early.take_due() {
            if self.early.is_open() && may_come(&one.packet, &self.table, &one.container) {
                self.early.keep(one.container, one.packet, one.back);
            } else {
                self.answer_datagram(one.container, &one.packet, one.back, sockets);
            }
        }
    }

    fn take_connections(&mut self, number: u64) {
        let streams = |entry: &&Entry| matches!(entry, Entry::Stream { .. });
        let mut room = STREAMS_MAX.saturating_sub(self.entries.values().filter(streams).count());
        while let Some(Entry::Listener(asker, socket)) = self.entries.get(&number)
            && let Ok(Some((connection, from))) = accept(socket.as_fd())
        {
            let container = who(&self.table, asker, from.ip());
            let Some(container) = container.filter(|one| room > 0 && self.takes_stream(one)) else {
                continue;
            };
            room -= 1;
            let entry = Entry::Stream {
                container,
                stream: Stream::new(connection),
                ends: Instant::now() + STREAM_TIME,
            };
            // Who is not served asks again.
            drop(self.add(entry, changes()));
        }
    }

    fn takes_stream(&self, container: &str) -> bool {
        let its = |entry: &&Entry| matches!(entry, Entry::Stream { container: whose, .. } if whose == container);
        self.entries.values().filter(its).count() < STREAMS_OF_ONE_MAX
    }

    fn serve_stream(&mut self, number: u64, sockets: HostSockets<'_>) {
        let Some(Entry::Stream { stream, .. }) = self.entries.get_mut(&number) else {
            return;
        };
        let mut condition = stream.flush();
        if condition == Condition::Open {
            condition = stream.fill();
        }
        while let Some(Entry::Stream {
            stream, container, ..
        }) = self.entries.get_mut(&number)
            && let Some(packet) = stream.take()
        {
            self.turn = self.turn.wrapping_add(1);
            match answer(
                &packet,
                &self.table,
                container,
                Transport::Stream,
                self.turn,
            ) {
                Answer::Silence => condition = Condition::Ended,
                Answer::Reply(reply) => condition = stream.put(&reply),
                Answer::Forward { query, servers } => {
                    let container = container.clone();
                    self.forward(
                        container,
                        *query,
                        packet,
                        servers,
                        Back::Stream(number),
                        sockets,
                    );
                }
            }
        }
        let waits = |one: &Waiting| matches!(one.back, Back::Stream(back) if back == number);
        if condition == Condition::Ended && !self.waiting.values().any(waits) {
            self.close(number);
        }
    }

    fn send_back(&mut self, back: Back, reply: &[u8]) {
        match back {
            Back::Datagram(number, to) => {
                if let Some(Entry::Datagrams(_, socket)) = self.entries.get(&number) {
                    // Who has no room asks again.
                    send_to(socket.as_fd(), reply, to, None).ignored();
                }
            }
            Back::Stream(number) => {
                if let Some(Entry::Stream { stream, .. }) = self.entries.get_mut(&number)
                    && stream.put(reply) == Condition::Ended
                {
                    self.close(number);
                }
            }
        }
    }

    fn expire(&mut self, sockets: HostSockets<'_>) {
        let now = Instant::now();
        let due = self.waiting.iter();
        let due = due.filter(|(_, one)| one.patience <= now || one.ends <= now);
        let due: Vec<(u64, bool)> = due
            .map(|(number, one)| (*number, one.ends <= now))
            .collect();
        for (number, is_over) in due {
            if is_over {
                self.give_up(number);
            } else {
                self.ask_next(number, sockets);
            }
        }
        self.close_where(|entry| match entry {
            Entry::Stream { ends, .. } => *ends <= now,
            Entry::Datagrams(..)
            | Entry::Listener(..)
            | Entry::Server { .. }
            | Entry::ServerStream { .. } => false,
        });
    }

    fn close_where(&mut self, gone: impl Fn(&Entry) -> bool) {
        let numbers = self.entries.iter().filter(|(_, entry)| gone(entry));
        for number in numbers.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            // One that stays open elsewhere would tell for ever.
            self.epoll.delete(entry.as_fd()).ignored();
        }
    }
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagrams(_, socket)
            | Self::Listener(_, socket)
            | Self::Server { socket, .. } => socket.as_fd(),
            Self::Stream { stream, .. } | Self::ServerStream { stream, .. } => stream.as_fd(),
        }
    }
}

impl AsFd for NameServer {
    /// Readable when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn changes() -> EpollFlags {
    EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET
}

fn who(table: &Table, asker: &Asker, from: IpAddr) -> Option<String> {
    match asker {
        Asker::Container(container) => Some(container.clone()),
        Asker::Network(network) => table.owner(network, from).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
