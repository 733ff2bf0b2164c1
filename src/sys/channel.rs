// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A typed-message line between two processes, forked from one or met at a socket: SEQPACKET, which
//! keeps message borders, and can carry one descriptor with each message.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    accept4, bind, connect, listen, recvmsg, sendmsg, socket, socketpair,
};
use nix::sys::stat::{Mode, fchmod};

use super::fdpass::address_in;
use super::{Called, SysResult};

/// The longest message; longer texts are cut by the sender.
pub const LONGEST: usize = 8192;

/// One end of the line; closed at exec.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// What arrived.
#[derive(Debug)]
pub struct Message {
    /// The bytes; empty when the other end is closed.
    pub bytes: Vec<u8>,
    /// The descriptor sent along.
    pub fd: Option<OwnedFd>,
}

impl Channel {
    /// Makes both ends.
    ///
    /// # Errors
    ///
    /// socketpair(2)'s.
    pub fn pair() -> SysResult<(Self, Self)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .called(|| "socketpair(SOCK_SEQPACKET)")?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// Makes the socket `directory/name` for [`Self::accept`]; only the owner may connect.
    ///
    /// # Errors
    ///
    /// EADDRINUSE when the name is taken, and what socket(2), bind(2) and listen(2) say.
    pub fn listen_in(directory: &Path, name: &str) -> SysResult<OwnedFd> {
        let listener = unconnected()?;
        let (_directory, address) = address_in(directory, name)?;
        // The name gets the mode of the unbound socket.
        fchmod(&listener, Mode::S_IRUSR | Mode::S_IWUSR).called(|| "fchmod([socket], 0600)")?;
        bind(listener.as_raw_fd(), &address)
            .called(|| format!("bind({})", directory.join(name).display()))?;
        listen(&listener, Backlog::MAXCONN).called(|| format!("listen({name})"))?;
        Ok(listener)
    }

    /// Connects to the socket `directory/name`.
    ///
    /// # Errors
    ///
    /// ENOENT when there is none, ECONNREFUSED when nobody listens any more.
    pub fn connect_in(directory: &Path, name: &str) -> SysResult<Self> {
        let socket = unconnected()?;
        let (_directory, address) = address_in(directory, name)?;
        connect(socket.as_raw_fd(), &address)
            .called(|| format!("connect({})", directory.join(name).display()))?;
        Ok(Self { socket })
    }

    /// Waits for the next who connects.
    ///
    /// # Errors
    ///
    /// accept(2)'s.
    pub fn accept(listener: BorrowedFd<'_>) -> SysResult<Self> {
        loop {
            match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::ECONNABORTED) => {}
                accepted => {
                    let raw = accepted.called(|| "accept4()")?;
                    // SAFETY: the kernel has just returned `raw` to us and no one else knows it.
                    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
                    return Ok(Self { socket });
                }
            }
        }
    }

    /// Sends one message, with a descriptor if there is one.
    ///
    /// # Errors
    ///
    /// sendmsg(2)'s; EPIPE when the other end is gone.
    pub fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> SysResult<()> {
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let raw: Vec<RawFd> = fd.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() {
            &rights[..0]
        } else {
            &rights[..]
        };
        let parts = [IoSlice::new(bytes)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.socket.as_raw_fd(), &parts, control, flags, None)
            .map(drop)
            .called(|| "sendmsg")
    }

    /// Waits for one message.
    ///
    /// # Errors
    ///
    /// recvmsg(2)'s.
    pub fn receive(&self) -> SysResult<Message> {
        let mut bytes = vec![0_u8; LONGEST];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let (length, received) = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let answer =
                recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), flags);
            let message = match answer {
                // ECONNRESET: the other end was closed with a message of ours unread. It is told
                // once, before what was sent to us and still waits here.
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::ECONNRESET) => continue,
                answer => answer.called(|| "recvmsg")?,
            };
            let mut fds = Vec::new();
            for control in message.cmsgs().called(|| "recvmsg(control)")? {
                if let ControlMessageOwned::ScmRights(raw) = control {
                    fds.extend(raw);
                }
            }
            break (message.bytes, fds);
        };
        bytes.truncate(length);
        let owned = received.into_iter().map(|raw| {
            // SAFETY: the kernel has just installed `raw` for us and no one else knows it.
            unsafe { OwnedFd::from_raw_fd(raw) }
        });
        Ok(Message {
            bytes,
            fd: owned.collect::<Vec<_>>().pop(),
        })
    }
}

fn unconnected() -> SysResult<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).called(|| "socket(AF_UNIX)")
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
