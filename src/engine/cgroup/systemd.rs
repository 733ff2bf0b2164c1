// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two calls that systemd's manager is asked for, over its private socket: a scope around a
//! process, and a process into a scope that is there. Only systemd may move a process out of a
//! login session. The D-Bus wire format is written and read by hand, as far as these calls go.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::geteuid;

/// How long systemd may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// No message that we wait for is longer.
const MESSAGE_MAX: usize = 1 << 20;

/// Why systemd did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// Its socket.
    #[error("ask systemd at {}: {source}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It refused.
    #[error("systemd: {0}")]
    Refused(String),
    /// The job ended in another way.
    #[error("systemd: starting {unit} ended with {result:?}")]
    Job {
        /// The scope.
        unit: String,
        /// In its own word.
        result: String,
    },
}

/// The socket of the manager that this user's processes belong to, if it is there.
pub(super) fn socket() -> Option<PathBuf> {
    let uid = geteuid();
    let path = if uid.is_root() {
        PathBuf::from("/run/systemd/private")
    } else {
        let directory = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
        let usual = || format!("/run/user/{uid}").into();
        let directory = PathBuf::from(directory.unwrap_or_else(usual));
        directory.join("systemd/private")
    };
    fs::symlink_metadata(&path).is_ok().then_some(path)
}

/// Puts the process `pid` into a new scope of that name whose cgroup is the caller's to divide.
pub(super) fn start_scope(unit: &str, slice: Option<&str>, pid: u32) -> Result<(), SystemdError> {
    let mut body = Body::default();
    body.text(unit);
    body.text("fail");
    body.array(|list| {
        list.property("PIDs", "au", |value| value.array_of_u32(&[pid]));
        list.property("Delegate", "b", |value| value.u32(1));
        list.property("Description", "s", |value| value.text("coracle container"));
        // Nothing of it stays, however it ends.
        list.property("CollectMode", "s", |value| value.text("inactive-or-failed"));
        if let Some(slice) = slice {
            list.property("Slice", "s", |value| value.text(slice));
        }
    });
    body.array(|_auxiliary_units| {});
    let call = message("StartTransientUnit", "ssa(sv)a(sa(sv))", &body.0);
    let mut connection = Connection::open()?;
    connection.send(&call)?;
    loop {
        match connection.receive()? {
            Received::Failed(words) => return Err(SystemdError::Refused(words)),
            Received::JobRemoved { unit: of, result } if of == unit => {
                return match result.as_str() {
                    "done" => Ok(()),
                    _ => Err(SystemdError::Job { unit: of, result }),
                };
            }
            Received::Done | Received::JobRemoved { .. } | Received::Other => {}
        }
    }
}

/// Moves the process `pid` into the cgroup `below` (`/name`) of a scope.
pub(super) fn attach(unit: &str, below: &str, pid: u32) -> Result<(), SystemdError> {
    let mut body = Body::default();
    body.text(unit);
    body.text(below);
    body.array_of_u32(&[pid]);
    let call = message("AttachProcessesToUnit", "ssau", &body.0);
    let mut connection = Connection::open()?;
    connection.send(&call)?;
    loop {
        match connection.receive()? {
            Received::Failed(words) => return Err(SystemdError::Refused(words)),
            Received::Done => return Ok(()),
            Received::JobRemoved { .. } | Received::Other => {}
        }
    }
}

/// A connection to the manager itself: nobody stands between, and no name has to be asked for.
struct Connection {
    path: PathBuf,
    stream: UnixStream,
}

impl Connection {
    fn open() -> Result<Self, SystemdError> {
        let path = socket().unwrap_or_default();
        let connect = || -> io::Result<UnixStream> {
            let mut stream = UnixStream::connect(&path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            // The kernel tells the other side who we are: the name is the uid in digits, in hex.
            let mut hello = "\0AUTH EXTERNAL ".to_owned();
            for digit in geteuid().to_string().bytes() {
                write!(hello, "{digit:02x}").map_err(io::Error::other)?;
            }
            stream.write_all((hello + "\r\nBEGIN\r\n").as_bytes())?;
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") && line.len() < 1024 {
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                line.extend(byte);
            }
            if line.starts_with(b"OK ") {
                Ok(stream)
            } else {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        };
        match connect() {
            Ok(stream) => Ok(Self { path, stream }),
            Err(source) => Err(SystemdError::Socket { path, source }),
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<(), SystemdError> {
        let sent = self.stream.write_all(message);
        sent.map_err(|source| self.failed(source))
    }

    fn receive(&mut self) -> Result<Received, SystemdError> {
        let mut head = [0; 16];
        let read = self.stream.read_exact(&mut head);
        read.map_err(|source| self.failed(source))?;
        let length = lengths(&head).filter(|(fields, body)| fields + body <= MESSAGE_MAX);
        let Some((fields, body)) = length else {
            return Err(self.failed(io::ErrorKind::InvalidData.into()));
        };
        let mut rest = vec![0; fields.next_multiple_of(8) + body];
        let read = self.stream.read_exact(&mut rest);
        read.map_err(|source| self.failed(source))?;
        let (header, body) = rest.split_at(fields.next_multiple_of(8));
        Ok(understand(head[1], &header[..fields], body))
    }

    fn failed(&self, source: io::Error) -> SystemdError {
        SystemdError::Socket {
            path: self.path.clone(),
            source,
        }
    }
}

/// What of a message matters here.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    /// The call was taken.
    Done,
    /// It was refused, in these words.
    Failed(String),
    /// A job of the manager ended.
    JobRemoved { unit: String, result: String },
    /// Anything else.
    Other,
}

/// The lengths of the header's fields and of the body, from the first 16 bytes. Both ends of the
/// socket are this machine: other byte orders do not come.
fn lengths(head: &[u8; 16]) -> Option<(usize, usize)> {
    let number = |at: usize| {
        let bytes = head[at..at + 4].try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    Some((number(12)?, number(4)?)).filter(|_| head[0] == b'l')
}

fn understand(kind: u8, fields: &[u8], body: &[u8]) -> Received {
    const MEMBER: u8 = 3;
    const ERROR_NAME: u8 = 4;
    let found = texts(fields);
    let field = |code: u8| {
        found
            .iter()
            .find(|(each, _)| *each == code)
            .map(|(_, text)| text)
    };
    let mut reader = Reader { bytes: body, at: 0 };
    match kind {
        2 => Received::Done,
        3 => {
            let name = field(ERROR_NAME).cloned().unwrap_or_default();
            Received::Failed(reader.text().unwrap_or(name))
        }
        4 if field(MEMBER).is_some_and(|member| member == "JobRemoved") => {
            let mut words = || {
                reader.u32()?;
                reader.text()?;
                Some((reader.text()?, reader.text()?))
            };
            words().map_or(Received::Other, |(unit, result)| Received::JobRemoved {
                unit,
                result,
            })
        }
        _ => Received::Other,
    }
}

/// The fields of a header that are texts, with their codes.
fn texts(fields: &[u8]) -> Vec<(u8, String)> {
    let mut reader = Reader {
        bytes: fields,
        at: 0,
    };
    let mut found = Vec::new();
    loop {
        reader.align(8);
        let (Some(code), Some(signature)) = (reader.u8(), reader.signature()) else {
            return found;
        };
        match signature.as_str() {
            "s" | "o" => match reader.text() {
                Some(text) => found.push((code, text)),
                None => return found,
            },
            "g" => drop(reader.signature()),
            "u" => drop(reader.u32()),
            _ => return found,
        }
    }
}

/// Takes values from a message.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.terminated(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.u8()?);
        self.terminated(length)
    }

    fn terminated(&mut self, length: usize) -> Option<String> {
        let bytes = self.take(length.checked_add(1)?)?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }
}

/// A call of the manager's, ready to be sent.
fn message(member: &str, signature: &str, body: &[u8]) -> Vec<u8> {
    const MANAGER: &str = "org.freedesktop.systemd1.Manager";
    let length = u32::try_from(body.len()).expect("we send a few hundred bytes");
    let mut message = Body(vec![b'l', 1, 0, 1]);
    message.u32(length);
    message.u32(1);
    message.array(|fields| {
        fields.field(1, "o", |value| value.text("/org/freedesktop/systemd1"));
        fields.field(2, "s", |value| value.text(MANAGER));
        fields.field(3, "s", |value| value.text(member));
        fields.field(6, "s", |value| value.text("org.freedesktop.systemd1"));
        fields.field(8, "g", |value| value.signature(signature));
    });
    message.align(8);
    message.0.extend(body);
    message.0
}

/// Bytes of a message that is being written.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn u32(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u32(u32::try_from(text.len()).expect("names are short"));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0
            .push(u8::try_from(text.len()).expect("signatures are short"));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    /// An array of structures: its length does not count what aligns the first one.
    fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.0.len() - 4;
        self.align(8);
        let begin = self.0.len();
        fill(self);
        let length = u32::try_from(self.0.len() - begin).expect("we send a few hundred bytes");
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn array_of_u32(&mut self, values: &[u32]) {
        self.u32(u32::try_from(4 * values.len()).expect("one process is moved"));
        for value in values {
            self.u32(*value);
        }
    }

    fn property(&mut self, name: &str, signature: &str, value: impl FnOnce(&mut Self)) {
        self.align(8);
        self.text(name);
        self.signature(signature);
        value(self);
    }

    fn field(&mut self, code: u8, signature: &str, value: impl FnOnce(&mut Self)) {
        self.align(8);
        self.0.push(code);
        self.signature(signature);
        value(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a message apart as the other side does.
    fn received(message: &[u8]) -> Received {
        let (fields, body) = lengths(message[..16].try_into().unwrap()).unwrap();
        let start = 16 + fields.next_multiple_of(8);
        assert_eq!(message.len(), start + body);
        understand(message[1], &message[16..16 + fields], &message[start..])
    }

    #[test]
    fn messages_are_written_as_they_are_read() {
        let mut body = Body::default();
        body.u32(7);
        body.text("/org/freedesktop/systemd1/job/7");
        body.text("coracle-x.scope");
        body.text("done");
        let mut signal = message("JobRemoved", "uoss", &body.0);
        assert_eq!(
            received(&signal),
            Received::Other,
            "a call is nothing to us"
        );
        signal[1] = 4;
        let removed = Received::JobRemoved {
            unit: "coracle-x.scope".to_owned(),
            result: "done".to_owned(),
        };
        assert_eq!(received(&signal), removed);
        signal[1] = 2;
        assert_eq!(received(&signal), Received::Done);
        let mut words = Body::default();
        words.text("no such unit");
        let mut refusal = message("x", "s", &words.0);
        refusal[1] = 3;
        assert_eq!(
            received(&refusal),
            Received::Failed("no such unit".to_owned())
        );
    }

    #[test]
    fn arrays_do_not_count_what_aligns_them() {
        let mut body = Body::default();
        body.array(|list| list.property("PIDs", "au", |value| value.array_of_u32(&[258])));
        let expected = [
            &[24, 0, 0, 0, 0, 0, 0, 0][..],
            &[4, 0, 0, 0],
            b"PIDs\0",
            &[2],
            b"au\0",
            &[0, 0, 0, 4, 0, 0, 0, 2, 1, 0, 0],
        ];
        assert_eq!(body.0, expected.concat());
    }

    #[test]
    fn damaged_messages_are_nothing() {
        for length in 0..40 {
            let bytes = vec![0xff_u8; length];
            assert_eq!(understand(4, &bytes, &bytes), Received::Other);
        }
        assert_eq!(lengths(&[0; 16]), None);
    }
}
