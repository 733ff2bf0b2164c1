// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a query gets: computed from its bytes, who asks and the table, without any socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::message::{Code, Kind, Malformed, Query, Record, reply_to_malformed};
use super::table::{Found, Table};

/// What is to be done about a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Silence,
    /// This is sent back.
    Reply(Vec<u8>),
    /// Somebody else knows.
    Forward {
        /// The query.
        query: Box<Query>,
        /// Whom to ask; empty is whom the host asks.
        servers: Vec<SocketAddr>,
    },
}

/// How the query came, and how long the reply may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As long as the asker says.
    Datagram,
    /// As long as it gets.
    Stream,
}

impl Transport {
    /// How long a reply may be.
    pub fn bytes_max(self, query: &Query) -> usize {
        match self {
            Self::Datagram => query.udp_bytes_max(),
            Self::Stream => usize::from(u16::MAX),
        }
    }
}

/// What `container` gets for `packet`. Of several addresses another one comes first each `turn`.
pub fn answer(
    packet: &[u8],
    table: &Table,
    container: &str,
    transport: Transport,
    turn: usize,
) -> Answer {
    let query = match Query::parse(packet) {
        Ok(query) => query,
        Err(malformed) => return told(packet, malformed),
    };
    let reply = |code, records: &[Record]| {
        Answer::Reply(query.reply(code, records, transport.bytes_max(&query)))
    };
    if !query.in_internet {
        return reply(Code::Refused, &[]);
    }
    let found = if query.kind == Kind::Ptr
        && let Some(address) = address_of(&query.name)
    {
        match table.name_of(container, address) {
            Ok(name) => return reply(Code::NoError, &[Record::Name(name)]),
            Err(found) => found,
        }
    } else {
        table.find(container, &query.name)
    };
    match found {
        Found::Known(addresses) => {
            // A name without an address of this family is a name all the same, and nobody else's.
            let mut fitting: Vec<Record> = addresses
                .into_iter()
                .filter(|address| fits(query.kind, *address))
                .map(Record::Address)
                .collect();
            let count = fitting.len().max(1);
            fitting.rotate_left(turn % count);
            reply(Code::NoError, &fitting)
        }
        Found::Missing => reply(Code::NxDomain, &[]),
        Found::Foreign => match table.servers(container) {
            Some(servers) => Answer::Forward {
                query: Box::new(query),
                servers,
            },
            None => reply(Code::NxDomain, &[]),
        },
    }
}

/// Whether a container that is not here yet may have the name that `packet` asks for: nobody knows
/// it, and it is not one of the world's, which have dots.
pub fn may_come(packet: &[u8], table: &Table, container: &str) -> bool {
    let Ok(query) = Query::parse(packet) else {
        return false;
    };
    match table.find(container, &query.name) {
        Found::Known(_) => false,
        Found::Missing => true,
        Found::Foreign => !query.name.contains('.'),
    }
}

fn told(packet: &[u8], malformed: Malformed) -> Answer {
    reply_to_malformed(packet, malformed).map_or(Answer::Silence, Answer::Reply)
}

fn fits(kind: Kind, address: IpAddr) -> bool {
    match kind {
        Kind::A => address.is_ipv4(),
        Kind::Aaaa => address.is_ipv6(),
        Kind::Any => true,
        Kind::Ptr | Kind::Other => false,
    }
}

/// The address that a name below `in-addr.arpa` or `ip6.arpa` stands for.
fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<u8> = digits
            .split('.')
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?;
        let [d, c, b, a] = parts.try_into().ok()?;
        return Some(Ipv4Addr::new(a, b, c, d).into());
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let mut bits: u128 = 0;
    let mut count = 0;
    for digit in digits.split('.').rev() {
        let value = u128::from_str_radix(digit, 16).ok();
        bits = bits << 4 | value.filter(|_| digit.len() == 1)?;
        count += 1;
    }
    (count == 32).then(|| Ipv6Addr::from_bits(bits).into())
}

#[cfg(test)]
mod tests {
    use super::super::message::query;
    use super::super::table::tests::table;
    use super::*;

    /// The code, the number of records, and the last four bytes of the reply.
    fn asked(container: &str, name: &str, kind: u16, turn: usize) -> Option<(u8, u8, [u8; 4])> {
        let packet = query(1, name, kind, None);
        match answer(&packet, &table(), container, Transport::Datagram, turn) {
            Answer::Reply(reply) => {
                let end = reply[reply.len() - 4..].try_into().unwrap();
                Some((reply[3] & 0xf, reply[7], end))
            }
            Answer::Forward { .. } => None,
            Answer::Silence => panic!("{name} is a good query"),
        }
    }

    #[test]
    fn queries_get_what_they_ask_for() {
        assert_eq!(asked("c1", "web2", 1, 0), Some((0, 1, [10, 1, 0, 3])));
        let nothing = |name: &str, kind: u16| asked("c1", name, kind, 0).map(|it| (it.0, it.1));
        // Known, and without an address of this family, or a type that nobody has.
        assert_eq!(nothing("web2", 28), Some((0, 0)));
        assert_eq!(nothing("web2", 15), Some((0, 0)));
        assert_eq!(nothing("nobody.dns.podman", 1), Some((3, 0)));
        assert_eq!(nothing("3.0.1.10.in-addr.arpa", 12), Some((0, 1)));
        assert_eq!(nothing("9.0.1.10.in-addr.arpa", 12), Some((3, 0)));
        assert_eq!(nothing("example.com", 1), None);
        assert_eq!(nothing("8.8.8.8.in-addr.arpa", 12), None);
        assert_eq!(asked("c5", "example.com", 1, 0).map(|it| it.0), Some(3));
    }

    #[test]
    fn addresses_of_one_name_come_in_turn() {
        let last = |turn| asked("c1", "www", 1, turn).map(|it| (it.1, it.2));
        assert_eq!(last(0), Some((2, [10, 1, 0, 3])));
        assert_eq!(last(1), Some((2, [10, 1, 0, 2])));
        assert_eq!(last(2), last(0));
    }

    #[test]
    fn names_of_addresses() {
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        let cases = [
            ("2.1.0.10.in-addr.arpa", Some("10.0.1.2")),
            ("1.0.10.in-addr.arpa", None),
            ("x.1.0.10.in-addr.arpa", None),
            ("300.1.0.10.in-addr.arpa", None),
            (six, Some("fd00::1")),
            ("1.0.ip6.arpa", None),
            ("web", None),
        ];
        for (name, expected) in cases {
            let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(address_of(name), expected, "{name}");
        }
    }

    #[test]
    fn garbage_is_answered_or_not_and_never_forwarded() {
        let table = table();
        let to = |packet: &[u8]| answer(packet, &table, "c1", Transport::Datagram, 0);
        assert_eq!(to(b"x"), Answer::Silence);
        let mut no_question = query(1, "web", 1, None);
        no_question[5] = 0;
        assert!(matches!(to(&no_question), Answer::Reply(reply) if reply[3] & 0xf == 1));
    }
}
