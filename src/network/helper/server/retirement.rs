// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a helper whose place a newer one takes: everything that the other needs becomes
//! free, and only the connections that are carried already stay, each until it ends.

use std::os::fd::AsFd;
use std::path::PathBuf;

use super::super::datagrams::Datagrams;
use super::super::echoes::Echoes;
use super::outbound::Tries;
use super::start::RESOLV_CONF;
use super::{Server, Stage};
use crate::network::dns::NameServer;

impl Server {
    /// Gives up all but what [`Relay`](super::Relay) carries. Who is served learns it last, by the
    /// end of the connection.
    pub(super) fn retire(&mut self) {
        self.stage = Stage::Retired;
        self.control = None;
        self.caught_tcp.clear();
        self.caught_udp.clear();
        self.tries = Tries::new(None);
        self.datagrams = Datagrams::new();
        self.echoes = Echoes::none();
        if let Ok(nobodys) = NameServer::new(PathBuf::from(RESOLV_CONF)) {
            self.names = nobodys;
        }
        for number in numbers(self.ports.iter()) {
            if let Some(port) = self.ports.remove(number) {
                // The monitor has a copy, by which it would tell for ever.
                self.events.forget(port.socket.as_fd());
            }
        }
        self.ports.settle();
        for number in numbers(self.clients.iter()) {
            self.clients.remove(number);
        }
        self.clients.settle();
    }
}

fn numbers<'a, T: 'a>(things: impl Iterator<Item = (u32, &'a T)>) -> Vec<u32> {
    things.map(|(number, _)| number).collect()
}
