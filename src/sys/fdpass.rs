// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unix sockets of a container's run directory: names of any length, descriptors as messages, and
//! who the other side is.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, connect, getsockopt, listen, recvmsg, sendmsg, socket, socketpair,
    sockopt,
};
use nix::sys::stat::{Mode, fchmod};

use super::{Called, Ignored, SysResult};

/// The most descriptors that one message carries.
const DESCRIPTORS_MAX: usize = 64;

/// Makes the socket `directory/name` and listens on it; only the owner may connect.
///
/// The length of `directory` does not matter, although addresses end at 107 bytes.
///
/// # Errors
///
/// EADDRINUSE when the name is taken, and what open(2), socket(2), bind(2) and listen(2) say.
pub fn listen_in(directory: &Path, name: &str) -> SysResult<OwnedFd> {
    listen_as(SockType::Stream, directory, name)
}

/// As [`listen_in`], for messages that keep their borders (`SOCK_SEQPACKET`).
///
/// # Errors
///
/// As [`listen_in`].
pub fn listen_for_messages_in(directory: &Path, name: &str) -> SysResult<OwnedFd> {
    listen_as(SockType::SeqPacket, directory, name)
}

fn listen_as(kind: SockType, directory: &Path, name: &str) -> SysResult<OwnedFd> {
    let descriptor = unix_socket(kind)?;
    let (_directory, address) = address_in(directory, name)?;
    // The name gets the mode of the unbound socket: no moment in which others could connect.
    fchmod(&descriptor, Mode::S_IRUSR | Mode::S_IWUSR).called(|| "fchmod([socket], 0600)")?;
    bind(descriptor.as_raw_fd(), &address)
        .called(|| format!("bind({})", directory.join(name).display()))?;
    listen(&descriptor, Backlog::MAXCONN).called(|| format!("listen({name})"))?;
    Ok(descriptor)
}

/// Connects to the socket `directory/name`.
///
/// # Errors
///
/// ENOENT when there is none, ECONNREFUSED when nobody listens any more.
pub fn connect_in(directory: &Path, name: &str) -> SysResult<OwnedFd> {
    connect_as(SockType::Stream, directory, name)
}

/// As [`connect_in`], for messages that keep their borders (`SOCK_SEQPACKET`).
///
/// # Errors
///
/// As [`connect_in`].
pub fn connect_for_messages_in(directory: &Path, name: &str) -> SysResult<OwnedFd> {
    connect_as(SockType::SeqPacket, directory, name)
}

fn connect_as(kind: SockType, directory: &Path, name: &str) -> SysResult<OwnedFd> {
    let descriptor = unix_socket(kind)?;
    let (_directory, address) = address_in(directory, name)?;
    connect(descriptor.as_raw_fd(), &address)
        .called(|| format!("connect({})", directory.join(name).display()))?;
    Ok(descriptor)
}

/// Takes the next connection, which never waits on reads and writes; `None` when there is none.
///
/// # Errors
///
/// EMFILE when there is no room for it, and what else accept(2) says.
pub fn accept(listener: BorrowedFd<'_>) -> SysResult<Option<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    match accept4(listener.as_raw_fd(), flags) {
        // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
        Ok(raw) => Ok(Some(unsafe { OwnedFd::from_raw_fd(raw) })),
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => Ok(None),
        Err(errno) => Err(errno).called(|| "accept4()"),
    }
}

/// Two connected stream sockets, closed on exec.
///
/// # Errors
///
/// What socketpair(2) says.
pub fn stream_pair() -> SysResult<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .called(|| "socketpair()")
}

/// The user on the other side of a connection, as this user namespace knows them.
///
/// # Errors
///
/// What getsockopt(2) says.
pub fn peer_uid(connection: BorrowedFd<'_>) -> SysResult<u32> {
    let credentials =
        getsockopt(&connection, sockopt::PeerCredentials).called(|| "getsockopt(SO_PEERCRED)")?;
    Ok(credentials.uid())
}

/// Sends `head` and `body` as one, without waiting; the value is how many bytes of both went.
///
/// # Errors
///
/// EAGAIN when the connection is full, EPIPE when the other side is gone.
pub fn send_now(connection: BorrowedFd<'_>, head: &[u8], body: &[u8]) -> SysResult<usize> {
    sendmsg::<()>(
        connection.as_raw_fd(),
        &[IoSlice::new(head), IoSlice::new(body)],
        &[],
        MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
        None,
    )
    .called(|| "sendmsg()")
}

/// Sends `bytes`, which must not be empty, together with `descriptors`; the value is how many
/// bytes went.
///
/// # Errors
///
/// EAGAIN when a non-blocking socket is full, EPIPE when the other side is gone.
pub fn send(
    connection: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> SysResult<usize> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights };
    sendmsg::<()>(
        connection.as_raw_fd(),
        &[IoSlice::new(bytes)],
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .called(|| format!("sendmsg({} descriptors)", raw.len()))
}

/// Receives bytes into `buffer` and the descriptors that came with them; 0 bytes is the end.
///
/// # Errors
///
/// EAGAIN when nothing is there on a non-blocking socket.
pub fn receive(connection: BorrowedFd<'_>, buffer: &mut [u8]) -> SysResult<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(
        connection.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )
    .called(|| "recvmsg()")?;
    let mut descriptors = Vec::new();
    for message in message.cmsgs().called(|| "recvmsg()")? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            // SAFETY: the kernel has just made these descriptors for us; no one else knows them.
            let owned = raw
                .into_iter()
                .map(|raw| unsafe { OwnedFd::from_raw_fd(raw) });
            descriptors.extend(owned);
        }
    }
    Ok((message.bytes, descriptors))
}

/// Closes `descriptor` where nobody waits for what that sets off, such as the sync of a file system
/// that has no other user: it goes into a socket that only this socket's own message holds, and
/// what is held so the kernel frees in a thread of its own. Kernels before 6.10 do it here.
///
/// The thread looks when a Unix socket of anybody is closed, and not again when it is looking just
/// then: what it has passed by stays open until the next one is closed.
pub fn close_later(descriptor: OwnedFd) {
    let Ok((reader, writer)) = stream_pair() else {
        return;
    };
    send(writer.as_fd(), b"x", &[reader.as_fd(), descriptor.as_fd()]).ignored();
    // Only the message has these two before the writer's end makes the thread look: it takes what
    // is open here as well for something in use.
    drop(descriptor);
    drop(reader);
    drop(writer);
}

fn unix_socket(kind: SockType) -> SysResult<OwnedFd> {
    socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).called(|| "socket(AF_UNIX)")
}

/// An address that fits whatever the directory's length is, good while the descriptor is open.
pub(super) fn address_in(directory: &Path, name: &str) -> SysResult<(Option<OwnedFd>, UnixAddr)> {
    let path = directory.join(name);
    match UnixAddr::new(&path) {
        Ok(address) => Ok((None, address)),
        Err(Errno::ENAMETOOLONG) => {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let directory = open(directory, flags, Mode::empty())
                .called(|| format!("open({})", directory.display()))?;
            let short = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
            let address = UnixAddr::new(&PathBuf::from(short))
                .called(|| format!("bind({})", path.display()))?;
            Ok((Some(directory), address))
        }
        Err(errno) => Err(errno).called(|| format!("bind({})", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn listens_in_a_directory_of_any_length() {
        let temporary = tempfile::tempdir().unwrap();
        for directory in [
            temporary.path().join("short"),
            temporary.path().join("x".repeat(200)),
        ] {
            std::fs::create_dir(&directory).unwrap();
            let listener = listen_in(&directory, "attach.sock").unwrap();
            let mode = std::fs::metadata(directory.join("attach.sock")).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600);
            let client = connect_in(&directory, "attach.sock").unwrap();
            let uid = nix::unistd::getuid().as_raw();
            assert_eq!(peer_uid(client.as_fd()).unwrap(), uid);
            let again = listen_in(&directory, "attach.sock").unwrap_err();
            assert_eq!(again.errno, Errno::EADDRINUSE);
            drop(listener);
            let gone = connect_in(&directory, "attach.sock").unwrap_err();
            assert_eq!(gone.errno, Errno::ECONNREFUSED);
        }
    }

    #[test]
    fn descriptors_travel_with_bytes() {
        let (left, right) = stream_pair().unwrap();
        let (read, write) = nix::unistd::pipe().unwrap();
        assert_eq!(send(left.as_fd(), b"one", &[write.as_fd()]).unwrap(), 3);
        drop(write);
        let mut buffer = [0; 16];
        let (length, mut descriptors) = receive(right.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"one");
        let write = descriptors.pop().unwrap();
        nix::unistd::write(&write, b"through").unwrap();
        drop(write);
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn what_is_closed_later_is_closed() {
        let (read, write) = nix::unistd::pipe().unwrap();
        close_later(write);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut end = [PollFd::new(read.as_fd(), PollFlags::POLLIN)];
        while poll(&mut end, PollTimeout::from(50_u8)).unwrap() == 0 {
            assert!(Instant::now() < deadline, "the pipe is still open");
            // The kernel may have been looking for another test's sockets just then.
            drop(stream_pair().unwrap());
        }
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "");
    }
}
