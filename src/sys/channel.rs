// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A typed-message line between two forked processes: a SEQPACKET pair that keeps message borders
//! and can carry one descriptor with each message.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

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

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
