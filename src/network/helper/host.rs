// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets of the host. A socket belongs to the network namespace of the thread that makes it,
//! and the thread that serves has left the host's for ever: another one stays there and makes
//! sockets, some ahead of their use, since each hand-over wakes a thread twice.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::errno::Errno;

use super::confinement;
use crate::network::addresses;
use crate::sys::socket::{self, Family, Flag, Kind};
use crate::sys::{Ignored, SysError, SysResult, caps};

/// How many sockets are made at once, once one was needed.
const AHEAD: usize = 32;

/// More are asked for when this few are left.
const FEW: usize = 8;

/// The thread's stack: it does nothing but call the kernel.
const STACK_BYTES: usize = 64 * 1024;

/// What the thread is asked for.
enum Wish {
    /// Nothing: the thread tells that it is there.
    Presence,
    Sockets(Family, Kind, usize),
    Address(Family),
}

/// What it gives.
enum Gift {
    Presence,
    Socket(Family, Kind, SysResult<OwnedFd>),
    Address(Option<IpAddr>),
}

/// The way to the host's network.
#[derive(Debug)]
pub(super) struct Host {
    wishes: Sender<Wish>,
    gifts: Receiver<Gift>,
    tcp: [Shelf; 2],
}

/// Sockets of one kind.
#[derive(Debug, Default)]
struct Shelf {
    ready: VecDeque<OwnedFd>,
    ordered: usize,
}

impl Host {
    /// Starts the thread, which stays in the network namespace of the caller.
    ///
    /// # Errors
    ///
    /// What clone(2) says.
    pub(super) fn start(resolv_conf: &Path) -> SysResult<Self> {
        let resolv_conf = resolv_conf.to_owned();
        let (wishes, asked) = channel();
        let (given, gifts) = channel();
        let builder = thread::Builder::new()
            .name("host".to_owned())
            .stack_size(STACK_BYTES);
        let work = move || {
            // Sockets of the host take no right over the user's namespace.
            caps::set(0, 0, 0).ignored();
            confinement::leave_files(&resolv_conf, None);
            drop(resolv_conf);
            while let Ok(wish) = asked.recv() {
                if grant(&wish, &given).is_none() {
                    return;
                }
            }
        };
        builder.spawn(work).map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw);
            SysError::new("clone(thread)", errno)
        })?;
        Ok(Self {
            wishes,
            gifts,
            tcp: Default::default(),
        })
    }

    /// Waits until the thread has given up what it does not need: the process's filter would keep
    /// it from that.
    ///
    /// # Errors
    ///
    /// ESRCH when it has ended.
    pub(super) fn wait(&self) -> SysResult<()> {
        self.wish(Wish::Presence)?;
        self.gifts.recv().map(drop).map_err(|_gone| gone())
    }

    /// A socket of the host's network.
    ///
    /// # Errors
    ///
    /// What socket(2) says.
    pub(super) fn socket(&mut self, family: Family, kind: Kind) -> SysResult<OwnedFd> {
        if kind != Kind::Stream {
            self.wish(Wish::Sockets(family, kind, 1))?;
            return self.wait_for(family, kind);
        }
        self.take_gifts();
        let shelf = &mut self.tcp[place(family)];
        let socket = shelf.ready.pop_front();
        if shelf.ready.len() <= FEW && shelf.ordered == 0 {
            shelf.ordered = AHEAD;
            self.wish(Wish::Sockets(family, kind, AHEAD))?;
        }
        match socket {
            Some(socket) => Ok(socket),
            None => self.wait_for(family, kind),
        }
    }

    /// The first address by which others could reach this host.
    pub(super) fn address(&mut self, family: Family) -> Option<IpAddr> {
        self.wish(Wish::Address(family)).ok()?;
        loop {
            match self.gifts.recv().ok()? {
                Gift::Address(address) => return address,
                Gift::Socket(family, _, socket) => drop(self.shelve(family, socket)),
                Gift::Presence => {}
            }
        }
    }

    /// Gives sockets back that nobody has asked for.
    pub(super) fn forget(&mut self) {
        self.take_gifts();
        for shelf in &mut self.tcp {
            shelf.ready = VecDeque::new();
        }
    }

    fn take_gifts(&mut self) {
        while let Ok(Gift::Socket(family, _, socket)) = self.gifts.try_recv() {
            // One that could not be made is missed later, and then told.
            drop(self.shelve(family, socket));
        }
    }

    /// Only sockets for TCP are made ahead.
    fn shelve(&mut self, family: Family, socket: SysResult<OwnedFd>) -> SysResult<()> {
        let shelf = &mut self.tcp[place(family)];
        shelf.ordered = shelf.ordered.saturating_sub(1);
        shelf.ready.push_back(socket?);
        Ok(())
    }

    fn wait_for(&mut self, wanted: Family, kind: Kind) -> SysResult<OwnedFd> {
        loop {
            match self.gifts.recv() {
                Ok(Gift::Socket(family, got, socket)) => {
                    if got != kind {
                        self.shelve(family, socket)?;
                    } else if family == wanted {
                        if kind == Kind::Stream {
                            let shelf = &mut self.tcp[place(family)];
                            shelf.ordered = shelf.ordered.saturating_sub(1);
                        }
                        return socket;
                    } else {
                        self.shelve(family, socket)?;
                    }
                }
                Ok(Gift::Address(_) | Gift::Presence) => {}
                Err(_) => return Err(gone()),
            }
        }
    }

    fn wish(&self, wish: Wish) -> SysResult<()> {
        self.wishes.send(wish).map_err(|_gone| gone())
    }
}

fn gone() -> SysError {
    SysError::new("socket()", Errno::ESRCH)
}

const fn place(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// A socket of the world's side: a peer there that has vanished is noticed.
fn made(family: Family, kind: Kind) -> SysResult<OwnedFd> {
    let made = socket::open(family, kind)?;
    if kind == Kind::Stream {
        socket::set(made.as_fd(), Flag::NoDelay).ignored();
        socket::set(made.as_fd(), Flag::KeepAlive).ignored();
    }
    Ok(made)
}

/// `None` when nobody listens any more.
fn grant(wish: &Wish, given: &Sender<Gift>) -> Option<()> {
    match *wish {
        Wish::Presence => given.send(Gift::Presence).ok()?,
        Wish::Sockets(family, kind, count) => {
            for _ in 0..count {
                let socket = made(family, kind);
                given.send(Gift::Socket(family, kind, socket)).ok()?;
            }
        }
        Wish::Address(family) => {
            let address = addresses::of_host(&[]);
            let address = address.filter(|address| Family::of(*address) == family);
            given.send(Gift::Address(address)).ok()?;
        }
    }
    Some(())
}
