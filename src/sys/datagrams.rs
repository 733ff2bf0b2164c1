// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Datagrams of connected sockets, many at once: received by one call, and sent by one call too
//! where they are of one length, for the kernel takes such a row through its layers as one packet.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// How many are taken at once.
pub const BATCH: usize = 64;

/// The longest.
const DATAGRAM_BYTES: usize = 65536;

/// The longest row that is sent as one packet: what the length field of IPv4 takes, without headers.
const ROW_BYTES_MAX: usize = 65535 - 60 - 8;

/// Room for a batch. Its pages are touched as far as datagrams are long.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Batch {
    /// Without any memory yet.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            lengths: Vec::new(),
        }
    }

    fn datagram(&self, number: usize) -> &[u8] {
        &self.bytes[number * DATAGRAM_BYTES..][..self.lengths[number]]
    }

    /// Takes what has come, at most [`BATCH`]; the value is how many those are.
    ///
    /// # Errors
    ///
    /// EAGAIN when nothing has, ECONNREFUSED when one that was sent found nobody.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; BATCH * DATAGRAM_BYTES];
        }
        let mut parts: Vec<_> = self
            .bytes
            .chunks_exact_mut(DATAGRAM_BYTES)
            .map(part)
            .collect();
        let mut headers: Vec<_> = parts.iter_mut().map(header).collect();
        let most = count_of(&headers);
        // SAFETY: every header points to one part, every part to bytes of ours, all alive during
        // the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                most,
                flags(libc::MSG_DONTWAIT),
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(Errno::result(count)?).unwrap_or_default();
        self.lengths.clear();
        let lengths = headers[..count]
            .iter()
            .map(|header| header.msg_len as usize);
        self.lengths.extend(lengths);
        Ok(count)
    }

    /// Sends all that was received, on another socket. What finds no room is lost, as on any wire.
    pub fn send(&self, socket: BorrowedFd<'_>) {
        let mut next = 0;
        while next < self.lengths.len() {
            let count = row(&self.lengths[next..]);
            let sent = count > 1 && self.send_row(socket, next, count).is_ok();
            if !sent {
                self.send_apart(socket, next, count);
            }
            next += count;
        }
    }

    /// Sends datagrams of one length, of which the last may be shorter.
    fn send_row(&self, socket: BorrowedFd<'_>, first: usize, count: usize) -> Result<(), Errno> {
        use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
        let datagrams = (first..first + count).map(|number| self.datagram(number));
        let parts: Vec<_> = datagrams.map(std::io::IoSlice::new).collect();
        let length = u16::try_from(self.lengths[first]).map_err(|_long| Errno::EMSGSIZE)?;
        let row = [ControlMessage::UdpGsoSegments(&length)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(socket.as_raw_fd(), &parts, &row, flags, None) {
            // One before it found nobody: told once.
            Err(Errno::ECONNREFUSED) => {
                sendmsg::<()>(socket.as_raw_fd(), &parts, &row, flags, None).map(drop)
            }
            // There is no room for them apart either.
            Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn send_apart(&self, socket: BorrowedFd<'_>, first: usize, count: usize) {
        let datagrams = (first..first + count).map(|number| self.datagram(number));
        let mut parts: Vec<_> = datagrams.map(read_part).collect();
        let mut headers: Vec<_> = parts.iter_mut().map(header).collect();
        let mut next = 0;
        while next < headers.len() {
            let rest = &mut headers[next..];
            let count = count_of(rest);
            // SAFETY: every header points to one part, every part to bytes of ours, all alive
            // during the call, which only reads them.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    count,
                    flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL),
                )
            };
            // One that cannot go keeps the others from nothing.
            next += usize::try_from(sent).unwrap_or_default().max(1);
        }
    }
}

/// How many of these lengths are one row: all but the last the same, and the last no longer.
fn row(lengths: &[usize]) -> usize {
    let first = lengths[0];
    let mut count = 1;
    let mut total = first;
    while let Some(length) = lengths.get(count)
        && first > 0
        && (1..=first).contains(length)
        && total + length <= ROW_BYTES_MAX
        && lengths[count - 1] == first
    {
        total += length;
        count += 1;
    }
    count
}

fn part(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

/// For calls that only read.
fn read_part(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

fn count_of(headers: &[libc::mmsghdr]) -> libc::c_uint {
    libc::c_uint::try_from(headers.len()).expect("a batch at most")
}

fn header(part: &mut libc::iovec) -> libc::mmsghdr {
    // Field by field: musl has padding between them that has no public name.
    // SAFETY: numbers and pointers, for which all zeros is "none".
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    header
}

/// With the type that the C library gives them in calls for many datagrams.
#[cfg(target_env = "gnu")]
fn flags(bits: libc::c_int) -> libc::c_int {
    bits
}

/// With the type that the C library gives them in calls for many datagrams.
#[cfg(not(target_env = "gnu"))]
fn flags(bits: libc::c_int) -> libc::c_uint {
    bits.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn rows_are_of_one_length() {
        let cases: [(&[usize], usize); 8] = [
            (&[5], 1),
            (&[5, 5, 5], 3),
            (&[5, 5, 3, 5], 3),
            (&[5, 6], 1),
            (&[5, 0], 1),
            (&[0, 0], 1),
            (&[40_000, 40_000], 1),
            (&[30_000, 30_000, 30_000], 2),
        ];
        for (lengths, expected) in cases {
            assert_eq!(row(lengths), expected, "{lengths:?}");
        }
    }

    #[test]
    fn each_arrives_as_it_was() {
        let pair = || {
            let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
            let [one, other] = &sockets;
            one.connect(other.local_addr().unwrap()).unwrap();
            other.connect(one.local_addr().unwrap()).unwrap();
            sockets
        };
        let ([from, near], [far, to]) = (pair(), pair());
        let mut sent: Vec<Vec<u8>> = (0..40_u8).map(|number| vec![number; 1400]).collect();
        sent[20].truncate(7);
        sent[30].clear();
        sent.push(vec![9; 65_000]);
        for datagram in &sent {
            from.send(datagram).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(batch.receive(near.as_fd()), Ok(sent.len()));
        batch.send(far.as_fd());
        let mut buffer = vec![0; 70_000];
        for datagram in &sent {
            let length = to.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], datagram);
        }
        assert_eq!(batch.receive(near.as_fd()), Err(Errno::EAGAIN));
    }
}
