// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Echo requests: gateways answer for themselves, the world is asked.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use super::super::echoes::Asked;
use super::{ACCEPTED_AT_ONCE, Server};
use crate::network::addresses::HOST;
use crate::sys::socket::{self, Family, Kind};

impl Server {
    /// Containers ask for an echo.
    pub(super) fn take_echoes(&mut self, place: u32) {
        let mut buffer = self.datagrams.take_buffer();
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(request) = self.echoes.next(place, &mut buffer) else {
                break;
            };
            let message = &mut buffer[request.start..request.end];
            if self.is_own(request.asked.to) {
                self.echoes.answer(request.asked, message);
            } else if !self.echoes.pass(request.asked, message)
                && self.begin_echo(request.asked).is_some()
            {
                self.echoes.pass(request.asked, message);
            }
        }
        self.datagrams.put_back(buffer);
    }

    /// The world has answered.
    pub(super) fn pass_echo(&mut self, number: u32) {
        let mut buffer = self.datagrams.take_buffer();
        self.echoes.pass_back(number, &mut buffer);
        self.datagrams.put_back(buffer);
    }

    /// Whether it is an address of the bridges' namespace.
    fn is_own(&self, address: IpAddr) -> bool {
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut plans = self.containers.iter().map(|(_, container)| &container.plan);
        address.is_loopback()
            || address == HOST
            || link_local
            || plans.any(|plan| {
                let mut subnets = plan.networks.iter().flat_map(|network| &network.subnets);
                subnets.any(|subnet| subnet.gateway == Some(address))
            })
    }

    fn begin_echo(&mut self, asked: Asked) -> Option<()> {
        let owner = self.owner_of(asked.from.ip())?;
        let target = self.target_of(owner, SocketAddr::new(asked.to, 0))?;
        let family = Family::of(target.ip());
        if !self.echoes.has_room(owner) || family != Family::of(asked.to) {
            return None;
        }
        let far = self.host.socket(family, Kind::Ping).ok()?;
        socket::connect_to(far.as_fd(), target).ok()?;
        self.echoes.begin(&self.events, asked, owner, far).ok()
    }
}
