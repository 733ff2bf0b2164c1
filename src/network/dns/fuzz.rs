// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What containers and servers of the world say to the name server, for the fuzzer.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use super::answer::{Answer, Transport, answer, may_come};
use super::message::{self, Query, is_refusal, set_id};
use super::stream::{Condition, Stream};
use super::table::Table;
use crate::network::plan::ConnectionPlan;

/// Who asks: in a network with names, in one that reaches nobody, and somebody unknown.
const ASKERS: [&str; 3] = ["web", "shut", "nobody"];

/// Two networks, each with a container.
const PLANS: &str = r#"[
    {"networks": [{"id": "f", "name": "front", "bridge": "br1", "dns_enabled": true,
        "subnets": [{"network": "10.1.0.0/24", "gateway": "10.1.0.1"},
                    {"network": "fd00::/64", "gateway": "fd00::1"}]}],
     "attachments": [{"network": "f", "interface": "eth0", "mac": "02:00:00:00:00:01",
        "addresses": ["10.1.0.2/24", "fd00::2/64"], "aliases": ["www"]}],
     "names": ["web"], "dns_servers": ["10.9.9.9:53"]},
    {"networks": [{"id": "b", "name": "back", "bridge": "br2", "internal": true,
        "dns_enabled": true, "subnets": [{"network": "10.2.0.0/24", "gateway": "10.2.0.1"}]}],
     "attachments": [{"network": "b", "interface": "eth0", "mac": "02:00:00:00:00:02",
        "addresses": ["10.2.0.2/24"], "aliases": []}],
     "names": ["shut"]}
]"#;

fn table() -> Table {
    let plans: Vec<ConnectionPlan> = serde_json::from_str(PLANS).expect("written above");
    let mut table = Table::default();
    for (name, plan) in ASKERS.iter().zip(&plans) {
        table.set(name, plan);
    }
    table
}

/// The first byte says who asks, and how; the rest is the message.
///
/// # Panics
///
/// When a reply is none, or not to this query.
pub(crate) fn query(bytes: &[u8]) {
    let Some((first, packet)) = bytes.split_first() else {
        return;
    };
    let asker = ASKERS[usize::from(first & 3) % ASKERS.len()];
    let transport = match first & 4 {
        0 => Transport::Datagram,
        _ => Transport::Stream,
    };
    let table = table();
    may_come(packet, &table, asker);
    let parsed = Query::parse(packet);
    match answer(packet, &table, asker, transport, usize::from(first >> 3)) {
        Answer::Silence => assert!(parsed.is_err(), "a query goes without an answer"),
        Answer::Forward { query, servers } => {
            assert_eq!(parsed.as_ref(), Ok(&*query));
            assert!(asker != "shut", "{servers:?} are out of its reach");
        }
        Answer::Reply(reply) => {
            assert_eq!(reply[..2], packet[..2]);
            assert!(reply[2] & 0x80 != 0, "it is no reply");
            let Ok(query) = parsed else { return };
            assert!(reply.len() <= transport.bytes_max(&query));
            assert!(query.is_answered_by(&reply, query.id()));
            assert!(message::ends(&reply) == Some(reply.len()), "{reply:?}");
        }
    }
}

/// The first two bytes are the length of a query, which follows; the rest is what a server says.
pub(crate) fn reply(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (asked, said) = rest.split_at(length);
    let Ok(query) = Query::parse(asked) else {
        return;
    };
    let mut said = said.to_vec();
    set_id(&mut said, query.id());
    query.is_answered_by(&said, query.id());
    is_refusal(&said);
}

/// A connection on which these bytes come.
///
/// # Panics
///
/// When messages hold more than what came.
pub(crate) fn stream(bytes: &[u8]) {
    let (Ok((ours, theirs)), bytes) = (UnixStream::pair(), &bytes[..bytes.len().min(1 << 15)])
    else {
        return;
    };
    let (mut theirs, _) = (theirs, ours.set_nonblocking(true));
    theirs.write_all(bytes).expect("the buffer holds more");
    drop(theirs);
    let mut stream = Stream::new(ours.into());
    assert_eq!(stream.fill(), Condition::Ended);
    let mut taken = 0;
    while let Some(message) = stream.take() {
        taken += 2 + message.len();
        stream.put(&message);
    }
    assert!(taken <= bytes.len());
}
