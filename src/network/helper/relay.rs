// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Connections joined to connections. The kernel speaks TCP on both sides; data goes from one
//! socket to the other through a pipe by splice(2) and is never seen here. A pipe is taken from a
//! pool only while data is in it, so thousands of quiet connections cost their descriptors alone.

mod pipes;

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};

use self::pipes::{Pipe, Pipes};
use super::events::{Event, Events, Token, Watch};
use super::shares::Shares;
use super::slab::Slab;
use crate::sys::socket::{self, Shutdown};
use crate::sys::{Ignored, SysResult};

/// The most that one call moves.
const PIECE_BYTES: usize = 1024 * 1024;

/// How often one connection may move before the others have their turn.
const TURN: usize = 16;

/// All joined connections.
#[derive(Debug)]
pub(super) struct Relay {
    flows: Slab<Flow>,
    shares: Shares,
    pipes: Pipes,
    /// Connections whose turn ended with more to move.
    unfinished: Vec<u32>,
}

/// Two connections that are one.
#[derive(Debug)]
struct Flow {
    near: Side,
    far: Side,
    /// Whether the far side is still being connected.
    connecting: bool,
    /// The number of the container that it belongs to.
    owner: u32,
    queued: bool,
}

/// One of them, with what was read from it and not yet written to the other.
#[derive(Debug)]
struct Side {
    socket: OwnedFd,
    readable: bool,
    writable: bool,
    /// Whether the peer was seen to send nothing more.
    ending: bool,
    /// Whether its end was read.
    ended: bool,
    /// Whether its end was passed on.
    told: bool,
    pipe: Option<Pipe>,
    held: usize,
}

impl Side {
    const fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            readable: false,
            writable: false,
            ending: false,
            ended: false,
            told: false,
            pipe: None,
            held: 0,
        }
    }

    fn note(&mut self, event: Event) {
        self.readable |= event.readable();
        self.writable |= event.writable();
        self.ending |= event.ended();
    }
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing can be moved now.
    Done,
    /// More can be.
    More,
    /// A side is broken.
    Broken,
}

impl Relay {
    pub(super) const fn new() -> Self {
        Self {
            flows: Slab::new(),
            shares: Shares::new(),
            pipes: Pipes::new(),
            unfinished: Vec::new(),
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.flows.len() == 0
    }

    /// How many descriptors they take.
    pub(super) fn descriptors(&self) -> usize {
        2 * (self.flows.len() + self.pipes.taken())
    }

    /// Whether something can be moved at once.
    pub(super) fn is_busy(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Nothing has happened for a while: gives memory back.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            self.pipes.clear();
        }
    }

    /// Joins `near`, which stands, with `far`, which is being connected; `owner` is a container.
    /// Neither waits with small pieces for a full packet (`TCP_NODELAY`), which may never come.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2) says; both are closed then.
    pub(super) fn join(
        &mut self,
        events: &Events,
        near: OwnedFd,
        far: OwnedFd,
        owner: u32,
    ) -> SysResult<()> {
        let number = self.flows.add(Flow {
            near: Side::new(near),
            far: Side::new(far),
            connecting: true,
            owner,
            queued: false,
        });
        self.shares.add(owner);
        let flow = self.flows.get(number).expect("it was just added");
        let (near, far) = (flow.near.socket.as_fd(), flow.far.socket.as_fd());
        let watched = events.watch(far, Watch::Changes, Token::Far(number));
        // Who has connected has often sent something already: that is told now.
        let watched =
            watched.and_then(|()| events.watch(near, Watch::Changes, Token::Near(number)));
        if watched.is_err() {
            self.remove(number);
        }
        watched
    }

    /// Something happened to one side of a connection.
    pub(super) fn handle(&mut self, event: Event) {
        let (Token::Near(number) | Token::Far(number)) = event.token else {
            return;
        };
        let Some(flow) = self.flows.get_mut(number) else {
            return;
        };
        match event.token {
            Token::Near(_) => flow.near.note(event),
            _ => flow.far.note(event),
        }
        if flow.connecting {
            if event.failed() {
                return self.break_off(number);
            }
            if !flow.far.writable {
                return;
            }
            flow.connecting = false;
        }
        self.move_on(number);
    }

    /// Gives those a turn that had more to move.
    pub(super) fn go_on(&mut self) {
        for number in std::mem::take(&mut self.unfinished) {
            if let Some(flow) = self.flows.get_mut(number) {
                flow.queued = false;
                self.move_on(number);
            }
        }
    }

    /// Ends all connections of a container.
    pub(super) fn end_of(&mut self, owner: u32) {
        let owned = self.flows.iter().filter(|(_, flow)| flow.owner == owner);
        for number in owned.map(|(number, _)| number).collect::<Vec<_>>() {
            self.break_off(number);
        }
    }

    /// How many connections a container has.
    pub(super) fn count_of(&self, owner: u32) -> usize {
        self.shares.of(owner)
    }

    /// All events of a round are done.
    pub(super) fn settle(&mut self) {
        self.flows.settle();
    }

    fn move_on(&mut self, number: u32) {
        let Some(flow) = self.flows.get_mut(number) else {
            return;
        };
        let out = pump(&mut self.pipes, &mut flow.near, &mut flow.far);
        let back = pump(&mut self.pipes, &mut flow.far, &mut flow.near);
        if out == Turn::Broken || back == Turn::Broken {
            self.break_off(number);
        } else if flow.near.told && flow.far.told {
            self.remove(number);
        } else if (out == Turn::More || back == Turn::More) && !flow.queued {
            flow.queued = true;
            self.unfinished.push(number);
        }
    }

    fn remove(&mut self, number: u32) -> Option<Flow> {
        let mut flow = self.flows.remove(number)?;
        self.shares.remove(flow.owner);
        for side in [&mut flow.near, &mut flow.far] {
            self.pipes.give_back(side.pipe.take(), side.held);
        }
        Some(flow)
    }

    /// What broke on one side is a reset on the other.
    fn break_off(&mut self, number: u32) {
        if let Some(flow) = self.remove(number) {
            socket::reset_on_close(flow.near.socket.as_fd()).ignored();
            socket::reset_on_close(flow.far.socket.as_fd()).ignored();
        }
    }
}

fn pump(pipes: &mut Pipes, from: &mut Side, to: &mut Side) -> Turn {
    let mut turn = Turn::More;
    for _ in 0..TURN {
        if from.held == 0 {
            if !from.readable || from.ended || !to.writable {
                turn = Turn::Done;
                break;
            }
            match fill(pipes, from) {
                Ok(()) => {}
                Err(Errno::EAGAIN) => {
                    from.readable = false;
                    turn = Turn::Done;
                    break;
                }
                Err(_) => return Turn::Broken,
            }
        }
        match drain(from, to) {
            Ok(()) => {}
            Err(Errno::EAGAIN) => {
                to.writable = false;
                turn = Turn::Done;
                break;
            }
            Err(_) => return Turn::Broken,
        }
    }
    if from.held == 0 {
        pipes.give_back(from.pipe.take(), 0);
        if from.ended && !from.told {
            socket::end(to.socket.as_fd(), Shutdown::Write);
            from.told = true;
        }
    }
    turn
}

/// Reads what is there into the pipe.
fn fill(pipes: &mut Pipes, from: &mut Side) -> Result<(), Errno> {
    if from.pipe.is_none() {
        from.pipe = Some(pipes.take()?);
    }
    let pipe = from.pipe.as_ref().expect("there is one now");
    let moved = move_some(&from.socket, &pipe.write, PIECE_BYTES)?;
    from.ended = moved == 0;
    from.held = moved;
    // The pipe was not full, for each of its slots holds a byte at least: nothing more was there,
    // and more is told by another event. An end is told only once, and must be read.
    if moved < pipe.slots && !from.ending {
        from.readable = false;
    }
    Ok(())
}

/// Writes what is in the pipe.
fn drain(from: &mut Side, to: &Side) -> Result<(), Errno> {
    while from.held > 0 {
        let pipe = from.pipe.as_ref().expect("what is held is in it");
        from.held -= move_some(&pipe.read, &to.socket, from.held)?;
    }
    Ok(())
}

fn move_some(from: &OwnedFd, to: &OwnedFd, most: usize) -> Result<usize, Errno> {
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
    loop {
        match splice(from, None, to, None, most, flags) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
