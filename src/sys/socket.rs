// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Internet sockets as the network helper uses them: they never wait, take addresses of the
//! standard library, and can stand for somebody else's address (`IP_TRANSPARENT`).

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol,
    SockType, SockaddrIn, SockaddrIn6, SockaddrLike as _, SockaddrStorage, bind, connect,
    getsockname, getsockopt, listen, recvmsg, sendmsg, setsockopt, shutdown, socket, sockopt,
};

use super::{Called, Ignored, SysError, SysResult};

pub use nix::sys::socket::Shutdown;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6; sockets of it never carry IPv4.
    V6,
}

impl Family {
    /// That of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
    /// ICMP echo without rights, where the host allows it.
    Ping,
}

/// A socket that never waits, in the network namespace of the calling thread.
///
/// # Errors
///
/// What socket(2) says; EACCES for a ping socket that the host does not allow.
pub fn open(family: Family, kind: Kind) -> SysResult<OwnedFd> {
    let domain = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let (kind, protocol) = match (kind, family) {
        (Kind::Stream, _) => (SockType::Stream, None),
        (Kind::Datagram, _) => (SockType::Datagram, None),
        (Kind::Ping, Family::V4) => (SockType::Datagram, Some(SockProtocol::Icmp)),
        (Kind::Ping, Family::V6) => (SockType::Datagram, Some(SockProtocol::IcmpV6)),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket(domain, kind, flags, protocol).called(|| format!("socket({domain:?})"))?;
    if family == Family::V6 {
        setsockopt(&made, sockopt::Ipv6V6Only, &true).called(|| "setsockopt(IPV6_V6ONLY)")?;
    }
    Ok(made)
}

/// A flag of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Small pieces go at once (`TCP_NODELAY`).
    NoDelay,
    /// An address in use by an old connection may be bound (`SO_REUSEADDR`).
    ReuseAddress,
    /// A dead peer is noticed (`SO_KEEPALIVE`).
    KeepAlive,
}

/// Sets a flag.
///
/// # Errors
///
/// What setsockopt(2) says.
pub fn set(socket: BorrowedFd<'_>, flag: Flag) -> SysResult<()> {
    match flag {
        Flag::NoDelay => setsockopt(&socket, sockopt::TcpNoDelay, &true),
        Flag::ReuseAddress => setsockopt(&socket, sockopt::ReuseAddr, &true),
        Flag::KeepAlive => setsockopt(&socket, sockopt::KeepAlive, &true),
    }
    .called(|| format!("setsockopt({flag:?})"))
}

/// Lets a socket be bound to, and be addressed by, addresses that are not this host's.
///
/// # Errors
///
/// EPERM without CAP_NET_ADMIN over the socket's namespace.
pub fn set_transparent(socket: BorrowedFd<'_>, family: Family) -> SysResult<()> {
    match family {
        Family::V4 => set_number(socket, libc::SOL_IP, libc::IP_TRANSPARENT, 1),
        Family::V6 => set_number(socket, libc::SOL_IPV6, libc::IPV6_TRANSPARENT, 1),
    }
}

/// Tells with each datagram whom it was meant for, before it was caught.
///
/// # Errors
///
/// What setsockopt(2) says.
pub fn tell_original_destination(socket: BorrowedFd<'_>, family: Family) -> SysResult<()> {
    match family {
        Family::V4 => set_number(socket, libc::SOL_IP, libc::IP_RECVORIGDSTADDR, 1),
        Family::V6 => set_number(socket, libc::SOL_IPV6, libc::IPV6_RECVORIGDSTADDR, 1),
    }
}

/// Tells with each datagram which of the host's addresses it came to.
///
/// # Errors
///
/// What setsockopt(2) says.
pub fn tell_local_address(socket: BorrowedFd<'_>, family: Family) -> SysResult<()> {
    match family {
        Family::V4 => set_number(socket, libc::SOL_IP, libc::IP_PKTINFO, 1),
        Family::V6 => set_number(socket, libc::SOL_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// A socket that gets every echo request of this network namespace and sends from any address.
/// With each it tells the address that was asked; the packet of IPv4 comes with its header.
///
/// # Errors
///
/// EPERM without CAP_NET_RAW and CAP_NET_ADMIN over the namespace.
pub fn open_for_echo(family: Family) -> SysResult<OwnedFd> {
    let (domain, protocol) = match family {
        Family::V4 => (AddressFamily::Inet, SockProtocol::Icmp),
        Family::V6 => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket(domain, SockType::Raw, flags, protocol)
        .called(|| format!("socket({domain:?}, SOCK_RAW)"))?;
    // A bit that is set keeps a type of message out.
    match family {
        Family::V4 => set_value(
            made.as_fd(),
            SOL_RAW,
            ICMP_FILTER,
            !(1_u32 << ECHO_REQUEST.0),
        )?,
        Family::V6 => {
            let mut filter = [u32::MAX; 8];
            filter[usize::from(ECHO_REQUEST.1 / 32)] = !(1 << (ECHO_REQUEST.1 % 32));
            set_value(made.as_fd(), libc::IPPROTO_ICMPV6, ICMPV6_FILTER, filter)?;
        }
    }
    set_transparent(made.as_fd(), family)?;
    tell_local_address(made.as_fd(), family)?;
    Ok(made)
}

const SOL_RAW: libc::c_int = 255;
const ICMP_FILTER: libc::c_int = 1;
const ICMPV6_FILTER: libc::c_int = 1;
/// The type of an echo request of IPv4, and of IPv6.
pub const ECHO_REQUEST: (u8, u8) = (8, 128);

/// Marks the packets of a socket.
///
/// # Errors
///
/// EPERM without CAP_NET_ADMIN over the socket's namespace.
pub fn set_mark(socket: BorrowedFd<'_>, mark: i32) -> SysResult<()> {
    set_number(socket, libc::SOL_SOCKET, libc::SO_MARK, mark)
}

fn set_number(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> SysResult<()> {
    set_value(socket, level, name, value)
}

fn set_value<T: Copy + std::fmt::Debug>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: T,
) -> SysResult<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).expect("small");
    // SAFETY: `value` is alive during the call and as long as `length` says.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            length,
        )
    };
    Errno::result(done)
        .map(drop)
        .called(|| format!("setsockopt({level}, {name}, {value:?})"))
}

/// Closing the socket resets its connection instead of ending it in order.
///
/// # Errors
///
/// What setsockopt(2) says.
pub fn reset_on_close(socket: BorrowedFd<'_>) -> SysResult<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, sockopt::Linger, &linger).called(|| "setsockopt(SO_LINGER)")
}

/// Gives a socket its own address.
///
/// # Errors
///
/// EADDRINUSE, EADDRNOTAVAIL, EACCES and what else bind(2) says.
pub fn bind_to(socket: BorrowedFd<'_>, address: SocketAddr) -> SysResult<()> {
    bind(socket.as_raw_fd(), &storage(address)).called(|| format!("bind({address})"))
}

/// Takes connections from now on.
///
/// # Errors
///
/// What listen(2) says.
pub fn listen_on(socket: BorrowedFd<'_>) -> SysResult<()> {
    listen(&socket, Backlog::MAXALLOWABLE).called(|| "listen()")
}

/// Whether a connection stands already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// It does.
    Done,
    /// The socket gets writable when it does or does not.
    UnderWay,
}

/// Begins to connect.
///
/// # Errors
///
/// What connect(2) says.
pub fn connect_to(socket: BorrowedFd<'_>, address: SocketAddr) -> SysResult<Connecting> {
    match connect(socket.as_raw_fd(), &storage(address)) {
        Ok(()) => Ok(Connecting::Done),
        Err(Errno::EINPROGRESS) => Ok(Connecting::UnderWay),
        Err(errno) => Err(SysError::new(format!("connect({address})"), errno)),
    }
}

/// What became of a connection that was under way; told once.
///
/// # Errors
///
/// Why there is none.
pub fn take_error(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    match getsockopt(&socket, sockopt::SocketError)? {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// The next connection that waits, with the client's address; `None` when there is none.
///
/// # Errors
///
/// EMFILE and what else accept(2) says.
pub fn accept(listener: BorrowedFd<'_>) -> SysResult<Option<(OwnedFd, SocketAddr)>> {
    // SAFETY: all zeroes are an address of no family.
    let mut name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of_val(&name)).expect("small");
    // SAFETY: the kernel writes no more than `length` says, and both live during the call.
    let raw = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            (&raw mut name).cast(),
            &raw mut length,
            libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
        )
    };
    match Errno::result(raw) {
        Ok(raw) => {
            // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
            let socket = unsafe { OwnedFd::from_raw_fd(raw) };
            // SAFETY: `name` holds what the kernel wrote, and zeroes behind that.
            let name = unsafe { SockaddrStorage::from_raw((&raw const name).cast(), Some(length)) };
            let address = name.as_ref().and_then(address);
            Ok(address.map(|address| (socket, address)))
        }
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => Ok(None),
        Err(errno) => Err(errno).called(|| "accept4()"),
    }
}

/// The socket's own address; of a caught connection the one that was meant.
///
/// # Errors
///
/// What getsockname(2) says.
pub fn local_address(socket: BorrowedFd<'_>) -> SysResult<SocketAddr> {
    let name = getsockname::<SockaddrStorage>(socket.as_raw_fd()).called(|| "getsockname()")?;
    address(&name).ok_or_else(|| SysError::new("getsockname()", Errno::EAFNOSUPPORT))
}

/// Ends one direction of a connection, or both.
pub fn end(socket: BorrowedFd<'_>, which: Shutdown) {
    // ENOTCONN: the other side was faster.
    shutdown(socket.as_raw_fd(), which).ignored();
}

/// A datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How long it is.
    pub length: usize,
    /// Who sent it; nothing on a connected socket's errors.
    pub from: Option<SocketAddr>,
    /// Whom it was meant for, where that is told.
    pub original: Option<SocketAddr>,
    /// Which local address it came to, where that is told.
    pub local: Option<IpAddr>,
}

/// Takes the next datagram.
///
/// # Errors
///
/// EAGAIN when there is none, and what was told about those that were sent before.
pub fn receive_from(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Errno> {
    let mut control = nix::cmsg_space!(libc::sockaddr_in6, libc::in6_pktinfo, [i32; 2]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let mut received = Received {
        length: message.bytes,
        from: message.address.as_ref().and_then(address),
        original: None,
        local: None,
    };
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::Ipv4OrigDstAddr(name) => {
                received.original = Some(SocketAddrV4::from(SockaddrIn::from(name)).into());
            }
            ControlMessageOwned::Ipv6OrigDstAddr(name) => {
                received.original = Some(SocketAddrV6::from(SockaddrIn6::from(name)).into());
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let bits = u32::from_be(info.ipi_spec_dst.s_addr);
                received.local = Some(IpAddr::V4(bits.into()));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                received.local = Some(IpAddr::V6(info.ipi6_addr.s6_addr.into()));
            }
            _ => {}
        }
    }
    Ok(received)
}

/// Sends a datagram to `to`, from the local address `from` if that is given.
///
/// # Errors
///
/// EAGAIN when there is no room, and what else sendmsg(2) says.
pub fn send_to(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    from: Option<IpAddr>,
) -> Result<usize, Errno> {
    let parts = [IoSlice::new(bytes)];
    let (raw, flags, to) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT, storage(to));
    match from {
        Some(IpAddr::V4(from)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: from.to_bits().to_be(),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(raw, &parts, &control, flags, Some(&to))
        }
        Some(IpAddr::V6(from)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: from.octets(),
                },
                ipi6_ifindex: 0,
            };
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(raw, &parts, &control, flags, Some(&to))
        }
        None => sendmsg(raw, &parts, &[], flags, Some(&to)),
    }
}

/// The address in the kernel's form.
fn storage(address: SocketAddr) -> SockaddrStorage {
    SockaddrStorage::from(address)
}

/// The address in the standard library's form.
fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in();
    let v6 = || storage.as_sockaddr_in6();
    v4.map(|name| SocketAddrV4::from(*name).into())
        .or_else(|| v6().map(|name| SocketAddrV6::from(*name).into()))
}

/// Sends a datagram on a connected socket.
///
/// # Errors
///
/// EAGAIN when there is no room, ECONNREFUSED when one before it found nobody.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    nix::sys::socket::send(socket.as_raw_fd(), bytes, flags)
}

/// Takes the next datagram of a connected socket.
///
/// # Errors
///
/// EAGAIN when there is none, ECONNREFUSED when one that was sent found nobody.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    nix::sys::socket::recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)
}
