// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lines for the host's journal, in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) and
//! with the fields that conmon gives them. The journal is a copy for who reads it there: the log
//! file has every line, so one that the journal cannot take at once is not waited for.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::protocol::OutputStream;
use super::supervision::JournalFields;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The journal as one container writes to it.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    /// What every entry says, ready to be sent.
    fields: Vec<u8>,
}

impl Journal {
    /// `None` where no journal runs.
    pub(super) fn open(fields: &JournalFields) -> Option<Self> {
        if !Path::new(SOCKET).exists() {
            return None;
        }
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self {
            socket,
            fields: encode(fields),
        })
    }

    /// Sends one line, or the beginning of one that has no end yet.
    pub(super) fn write(&self, stream: OutputStream, line: &[u8]) {
        let entry = self.entry(stream, line);
        // Whoever cannot take it now has it in the log file.
        self.socket.send_to(&entry, SOCKET).ok();
    }

    fn entry(&self, stream: OutputStream, line: &[u8]) -> Vec<u8> {
        let (text, partial) = match line.strip_suffix(b"\n") {
            Some(text) => (text, &b""[..]),
            None => (line, &b"CONTAINER_PARTIAL_MESSAGE=true\n"[..]),
        };
        let priority: &[u8] = match stream {
            OutputStream::Stdout => b"\nPRIORITY=6\n",
            OutputStream::Stderr => b"\nPRIORITY=3\n",
        };
        [b"MESSAGE=", text, priority, partial, &self.fields].concat()
    }
}

/// The fields that are the same in every entry; none holds a line's end.
fn encode(fields: &JournalFields) -> Vec<u8> {
    let short = fields.id.get(..12).unwrap_or(&fields.id);
    let identifier = if fields.tag.is_empty() {
        &fields.name
    } else {
        &fields.tag
    };
    let pairs = [
        ("CONTAINER_ID_FULL", fields.id.as_str()),
        ("CONTAINER_ID", short),
        ("CONTAINER_NAME", &fields.name),
        ("CONTAINER_TAG", &fields.tag),
        ("IMAGE_NAME", &fields.image),
        ("SYSLOG_IDENTIFIER", identifier),
    ];
    let mut bytes = Vec::new();
    for (key, value) in pairs {
        if !value.is_empty() {
            let value = value.replace('\n', " ");
            bytes.extend_from_slice(format!("{key}={value}\n").as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_was_written_and_by_whom() {
        let fields = JournalFields {
            id: "0123456789abcdef".into(),
            name: "web".into(),
            tag: String::new(),
            image: "localhost/small:latest".into(),
        };
        let journal = Journal {
            socket: UnixDatagram::unbound().unwrap(),
            fields: encode(&fields),
        };
        let whose = "CONTAINER_ID_FULL=0123456789abcdef\nCONTAINER_ID=0123456789ab\n\
                     CONTAINER_NAME=web\nIMAGE_NAME=localhost/small:latest\nSYSLOG_IDENTIFIER=web\n";
        let text = |stream, line: &[u8]| String::from_utf8(journal.entry(stream, line)).unwrap();
        assert_eq!(
            text(OutputStream::Stdout, b"one\n"),
            format!("MESSAGE=one\nPRIORITY=6\n{whose}")
        );
        assert_eq!(
            text(OutputStream::Stderr, b"hal"),
            format!("MESSAGE=hal\nPRIORITY=3\nCONTAINER_PARTIAL_MESSAGE=true\n{whose}")
        );
    }
}
