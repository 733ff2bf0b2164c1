// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the helper begins: out of whatever started it, into its namespace, and down to the rights
//! that it needs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl;

use super::super::INHERIT;
use super::super::cgroup::Exit;
use super::super::confinement;
use super::super::datagrams::Datagrams;
use super::super::echoes::Echoes;
use super::super::events::{Events, Token, Watch};
use super::super::firewall::{CATCH_PORT, Echo, Hold};
use super::super::host::Host;
use super::super::protocol::{self, Reply};
use super::super::queue::Queue;
use super::super::relay::Relay;
use super::super::remembered;
use super::super::slab::Slab;
use super::super::topology::{Origin, Topology};
use super::outbound::Tries;
use super::{Server, Stage, transparent, watch_listener};
use crate::network::dns::NameServer;
use crate::sys::process::{rlimit, set_rlimit};
use crate::sys::signals;
use crate::sys::socket::{self, Family, Flag, Kind};
use crate::sys::stream::drop_standard_streams;
use crate::sys::{Called, Ignored, SysResult, fdpass};

/// Whom the host asks for names.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Descriptors that are not connections: ports, containers, and those who ask for names.
const OTHER_DESCRIPTORS: u64 = 1536;

/// How long the containers of the helper before this one may take to come.
const COME_BACK_WITHIN: Duration = Duration::from_secs(2);

/// How long clients are told why there is no helper.
const REFUSES_FOR: Duration = Duration::from_secs(2);

/// How long after one of them the others may come.
const OTHERS_COME_WITHIN: Duration = Duration::from_millis(300);

/// The helper's `main`: standard input is its control socket.
pub fn main(argv: &[OsString]) -> ExitCode {
    prctl::set_name(c"coracle-net").ignored();
    let inherits = argv.iter().any(|word| word == INHERIT);
    let (Ok((control, origin)), Some(directory)) = (taken(inherits), argv.get(2)) else {
        return ExitCode::FAILURE;
    };
    let exit = Exit::prepared(argv);
    for signal in [libc::SIGHUP, libc::SIGPIPE, libc::SIGINT, libc::SIGTERM] {
        signals::ignore(signal).ignored();
    }
    signals::unblock_all().ignored();
    // Nothing is executed here, whoever may come to rule this process.
    prctl::set_no_new_privs().ignored();
    let code = serve(control, &origin, (Path::new(directory), exit.as_ref()));
    // Nobody can come any more.
    if let Some(exit) = exit {
        exit.take();
    }
    code
}

/// Where its socket and its cgroup are.
type Places<'l> = (&'l Path, Option<&'l Exit>);

fn serve(control: OwnedFd, origin: &Origin, places: Places<'_>) -> ExitCode {
    let started = control
        .try_clone()
        .called(|| "fcntl(F_DUPFD_CLOEXEC)")
        .and_then(|control| Server::start(control, origin, places));
    match started {
        Ok(server) => {
            // The server closes its own when it retires.
            drop(control);
            match server.serve() {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            refuse(&control, &error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// What was handed over.
fn taken(inherits: bool) -> SysResult<(OwnedFd, Origin)> {
    let duplicate = |fd: std::os::fd::BorrowedFd<'_>| {
        fd.try_clone_to_owned().called(|| "fcntl(F_DUPFD_CLOEXEC)")
    };
    let control = duplicate(std::io::stdin().as_fd())?;
    let origin = if inherits {
        Origin::Inherited(duplicate(std::io::stdout().as_fd())?)
    } else {
        Origin::New
    };
    drop_standard_streams()?;
    let nonblocking = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
    fcntl(&control, nonblocking).called(|| "fcntl(O_NONBLOCK)")?;
    Ok((control, origin))
}

impl Server {
    fn start(control: OwnedFd, origin: &Origin, (directory, exit): Places<'_>) -> SysResult<Self> {
        let descriptors_max = raise_descriptors();
        // The host's network says whether its users may ask for an echo.
        let echo = match socket::open(Family::V4, Kind::Ping) {
            Ok(_allowed) => Echo::Relayed,
            Err(_) => Echo::Refused,
        };
        // This thread is about to leave that network; the other one stays.
        let host = Host::start(Path::new(RESOLV_CONF))?;
        let mut topology = Topology::enter(origin, remembered::hold(directory), echo)?;
        remembered::keep(directory, topology.hold());
        let events = Events::new()?;
        let queue = match topology.hold() {
            Hold::Queue | Hold::OldQueue => Queue::open().ok(),
            Hold::Nothing => None,
        };
        match &queue {
            Some(queue) => events.watch(queue.as_fd(), Watch::Readable, Token::Queue)?,
            // Rules that wait for nobody would hold everything.
            None => topology.hold_nothing()?,
        }
        let echoes = match topology.echo() {
            Echo::Relayed => Echoes::open(&events)?,
            Echo::Refused => Echoes::none(),
        };
        watch_listener(&events, &control, Token::Control)?;
        let caught_tcp = vec![
            catch(IpAddr::V4(Ipv4Addr::LOCALHOST))?,
            catch(IpAddr::V6(Ipv6Addr::LOCALHOST))?,
        ];
        for (place, listener) in (0..).zip(&caught_tcp) {
            watch_listener(&events, listener, Token::CaughtTcp(place))?;
        }
        let caught_udp = vec![
            catch_datagrams(IpAddr::V4(Ipv4Addr::LOCALHOST))?,
            catch_datagrams(IpAddr::V6(Ipv6Addr::LOCALHOST))?,
        ];
        for (place, listener) in (0..).zip(&caught_udp) {
            watch_listener(&events, listener, Token::CaughtUdp(place))?;
        }
        let mut names = NameServer::new(PathBuf::from(RESOLV_CONF))?;
        if let Origin::Inherited(_) = origin {
            names.expect_containers(COME_BACK_WITHIN);
        }
        events.watch(names.as_fd(), Watch::Readable, Token::Names(0))?;
        confinement::drop_rights()?;
        confinement::leave_files(Path::new(RESOLV_CONF), exit.map(Exit::parent));
        host.wait()?;
        confinement::close_in()?;
        Ok(Self {
            events,
            control: Some(control),
            topology,
            host,
            relay: Relay::new(),
            tries: Tries::new(queue),
            datagrams: Datagrams::new(),
            echoes,
            names,
            clients: Slab::new(),
            containers: Slab::new(),
            owners: HashMap::new(),
            ports: Slab::new(),
            caught_tcp,
            caught_udp,
            descriptors_max,
            ends_at: None,
            stage: Stage::Serving,
        })
    }
}

/// The socket that gets the connections of one family.
fn catch(loopback: IpAddr) -> SysResult<OwnedFd> {
    let listener = transparent(Kind::Stream, SocketAddr::new(loopback, CATCH_PORT))?;
    // Connections have it from their listener.
    socket::set(listener.as_fd(), Flag::NoDelay)?;
    socket::listen_on(listener.as_fd())?;
    Ok(listener)
}

/// The socket that gets the first datagrams of one family.
fn catch_datagrams(loopback: IpAddr) -> SysResult<OwnedFd> {
    let made = transparent(Kind::Datagram, SocketAddr::new(loopback, CATCH_PORT))?;
    socket::tell_original_destination(made.as_fd(), Family::of(loopback))?;
    Ok(made)
}

/// As many descriptors as the hard limit allows; the value is how many of these connections get.
fn raise_descriptors() -> usize {
    let (soft, hard) = rlimit(libc::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let soft = match set_rlimit(libc::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    usize::try_from(soft.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX)
}

/// Answers those who have come, and those who come within a moment of the last: the command and
/// the monitor of one container ask for themselves, and each has to know why, to try something else.
fn refuse(control: &OwnedFd, words: &str) {
    let reply = Reply::Unsupported {
        words: words.to_owned(),
    };
    let mut until = Instant::now() + REFUSES_FOR;
    while Instant::now() < until {
        match fdpass::accept(control.as_fd()) {
            Ok(Some(client)) => {
                refuse_client(&client, &reply);
                until = Instant::now() + OTHERS_COME_WITHIN;
            }
            Ok(None) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Reads the question first: a socket that is closed with something unread resets its peer, whose
/// answer is lost then.
fn refuse_client(client: &OwnedFd, reply: &Reply) {
    let blocking = fcntl(client, FcntlArg::F_SETFL(OFlag::empty()));
    if blocking.is_ok() && protocol::receive::<protocol::Request>(client.as_fd()).is_ok() {
        protocol::send(client.as_fd(), reply, &[]).ignored();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::helper::protocol::Request;

    #[test]
    fn everyone_who_has_come_is_told_why_there_is_no_helper() {
        let directory = tempfile::tempdir().unwrap();
        let control = fdpass::listen_for_messages_in(directory.path(), "socket").unwrap();
        fcntl(&control, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let come = || fdpass::connect_for_messages_in(directory.path(), "socket").unwrap();
        let clients = [come(), come(), come()];
        for client in &clients {
            protocol::send(client.as_fd(), &Request::Retire, &[]).unwrap();
        }
        refuse(&control, "no rules");
        for client in &clients {
            let (reply, _) = protocol::receive(client.as_fd()).unwrap().unwrap();
            assert!(matches!(reply, Reply::Unsupported { words } if words == "no rules"));
        }
    }
}
