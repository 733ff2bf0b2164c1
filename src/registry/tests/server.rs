// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A registry that does what a test tells it, faults among it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::registry::{Absence, Credentials, Endpoint, Patience, Registry, Trust};

/// A request that came.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    /// With what stands behind the question mark.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server answers.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The length that it announces; its body's if `None`.
    pub(super) announced: Option<usize>,
    /// How the body goes over the wire.
    pub(super) manner: Manner,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    Whole,
    /// So many bytes, then the connection ends.
    Cut(usize),
    /// So many bytes, then nothing for a long time.
    Stall(usize),
    /// One byte now and then.
    Drip,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            announced: None,
            manner: Manner::Whole,
        }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }
}

type Handler = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// A server on a port of its own, until the test ends.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `handler` is told a request and how many came before it for the same method and path.
    pub(super) fn start(handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
                thread::spawn(move || serve(connection.unwrap(), &*handler, &log));
            }
        });
        Self { address, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn registry(&self, credentials: Credentials) -> Registry {
        let endpoint = Endpoint::of_domain(&self.address.to_string(), Trust::Insecure);
        Registry::new(endpoint, credentials, PATIENCE)
    }
}

/// Short, for tests.
pub(super) const PATIENCE: Patience = Patience {
    retries: 2,
    delay: Some(Duration::from_millis(5)),
    stall: Duration::from_millis(400),
    absence: Absence::Final,
};

fn serve(stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Seen>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    // TLS begins with this byte; nobody speaks it here.
    if reader
        .fill_buf()
        .unwrap_or_default()
        .first()
        .is_none_or(|first| *first == 0x16)
    {
        return;
    }
    let Some(seen) = read_request(&mut reader) else {
        return;
    };
    let before = {
        let mut log = log.lock().unwrap();
        let same = |one: &&Seen| one.method == seen.method && one.path == seen.path;
        let before = log.iter().filter(same).count();
        log.push(seen.clone());
        before
    };
    let reply = handler(&seen, before);
    // A client that goes away is what some tests are about.
    drop(write_reply(&mut writer, &reply, seen.method == "HEAD"));
}

fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let mut seen = Seen {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Seen::default()
    };
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        seen.headers.push((name.to_owned(), value.to_owned()));
    }
    if seen.header("transfer-encoding").is_some() {
        seen.body = read_chunks(reader)?;
        return Some(seen);
    }
    let length = seen
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    seen.body = vec![0; length];
    reader.read_exact(&mut seen.body).ok()?;
    Some(seen)
}

/// A body whose length nobody knew when it began; `None` if it breaks off.
fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

fn write_reply(writer: &mut TcpStream, reply: &Reply, is_head: bool) -> std::io::Result<()> {
    let length = reply.announced.unwrap_or(reply.body.len());
    write!(
        writer,
        "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {length}\r\n",
        reply.status
    )?;
    for (name, value) in &reply.headers {
        write!(writer, "{name}: {value}\r\n")?;
    }
    writer.write_all(b"\r\n")?;
    if is_head {
        return Ok(());
    }
    match reply.manner {
        Manner::Whole => writer.write_all(&reply.body),
        Manner::Cut(count) => writer.write_all(&reply.body[..count]),
        Manner::Stall(count) => {
            writer.write_all(&reply.body[..count])?;
            writer.flush()?;
            thread::sleep(Duration::from_secs(10));
            Ok(())
        }
        Manner::Drip => {
            for byte in &reply.body {
                writer.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
    }
}
