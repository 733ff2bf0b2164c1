// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rulesets as messages (uapi/linux/netfilter/nf_tables.h).

use super::super::{CREATE, EXCLUSIVE, Message, REQUEST};
use super::{
    AddressFamily, Chain, Checksum, Comparison, Expression, Field, Hook, KeyPart, Refusal,
    Register, SUBSYSTEM, Set, Table, TableFamily, Verdict,
};

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

/// `NLM_F_APPEND`.
const APPEND: u16 = 0x800;
/// `NFTA_LIST_ELEM`.
const ELEMENT: u16 = 1;

/// The messages that put `table` in the place of whatever has its name.
pub fn replace(table: &Table) -> Vec<Message> {
    let mut delete = new(table.family, DELETE_TABLE, 0, "delete table");
    delete.text(1, &table.name);
    // Deleting what is not there is refused.
    let mut messages = vec![new_table(table, CREATE), delete];
    messages.extend(add(table));
    messages
}

fn new_table(table: &Table, flags: u16) -> Message {
    let mut message = new(table.family, NEW_TABLE, flags, "add table");
    message.text(1, &table.name);
    message
}

/// The messages that make `table`, of which there must be none. Where a table is replaced, closing
/// the socket waits until the old one is gone: ten milliseconds.
pub fn add(table: &Table) -> Vec<Message> {
    let mut messages = vec![new_table(table, CREATE | EXCLUSIVE)];
    for (id, set) in (1..).zip(&table.sets) {
        messages.push(new_set(table, set, id));
        if !set.elements.is_empty() {
            messages.push(elements(table.family, &table.name, set, NEW_ELEMENTS));
        }
    }
    messages.extend(table.chains.iter().map(|chain| new_chain(table, chain)));
    for chain in &table.chains {
        let rules = chain.rules.iter();
        messages.extend(rules.map(|rule| new_rule(table, chain, rule)));
    }
    messages
}

/// Adds the elements of `set` to the one of that name.
pub fn add_elements(family: TableFamily, table: &str, set: &Set) -> Message {
    elements(family, table, set, NEW_ELEMENTS)
}

/// Takes the elements of `set` out of the one of that name.
pub fn delete_elements(family: TableFamily, table: &str, set: &Set) -> Message {
    elements(family, table, set, DELETE_ELEMENTS)
}

fn new(family: TableFamily, kind: u16, flags: u16, what: impl Into<String>) -> Message {
    let family = match family {
        TableFamily::Inet => 1,
        TableFamily::Ip => 2,
        TableFamily::Bridge => 7,
    };
    let kind = u16::from(SUBSYSTEM) << 8 | kind;
    Message::new(kind, REQUEST | flags, what, &[family, 0, 0, 0])
}

fn new_set(table: &Table, set: &Set, id: u32) -> Message {
    let what = format!("add set {}", set.name);
    let mut message = new(table.family, NEW_SET, CREATE, what);
    let length = set.key.iter().map(|part| part.padded()).sum::<usize>();
    let kind = set.key.iter().fold(0, |all, part| all << 6 | part.kind());
    message
        .text(1, &table.name)
        .text(2, &set.name)
        .network_number(3, 0)
        .network_number(4, kind)
        .network_number(5, u32::try_from(length).expect("a key is short"))
        .network_number(10, id);
    message
}

impl KeyPart {
    const fn padded(self) -> usize {
        match self {
            Self::Interface | Self::V6 => 16,
            Self::Ether => 8,
            Self::V4 => 4,
        }
    }

    /// What `nft list` takes it for.
    const fn kind(self) -> u32 {
        match self {
            Self::V4 => 7,
            Self::V6 => 8,
            Self::Ether => 9,
            Self::Interface => 41,
        }
    }
}

fn elements(family: TableFamily, table: &str, set: &Set, kind: u16) -> Message {
    let what = format!("elements of set {}", set.name);
    let mut message = new(family, kind, CREATE, what);
    message.text(1, table).text(2, &set.name);
    message.nested(3, |list| {
        for element in &set.elements {
            list.nested(ELEMENT, |entry| {
                entry.nested(1, |key| {
                    key.attribute(1, element);
                });
            });
        }
    });
    message
}

fn new_chain(table: &Table, chain: &Chain) -> Message {
    let what = format!("add chain {}", chain.name);
    let mut message = new(table.family, NEW_CHAIN, CREATE, what);
    let hook = match chain.hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    };
    message
        .text(1, &table.name)
        .text(3, &chain.name)
        .nested(4, |place| {
            place
                .network_number(1, hook)
                .network_number(2, chain.priority.cast_unsigned());
        })
        .network_number(5, ACCEPT)
        .text(7, "filter");
    message
}

fn new_rule(table: &Table, chain: &Chain, rule: &[Expression]) -> Message {
    let what = format!("add rule to {}", chain.name);
    let mut message = new(table.family, NEW_RULE, CREATE | APPEND, what);
    message.text(1, &table.name).text(2, &chain.name);
    message.nested(4, |list| {
        for expression in rule {
            list.nested(ELEMENT, |entry| {
                entry.text(1, expression.name());
                entry.nested(2, |data| expression.encode(data));
            });
        }
    });
    message
}

/// `NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF`: only the addresses of the interface that a packet came by
/// are local to it, not those of other bridges.
const FIB_DESTINATION_ON_INPUT: u32 = 2 | 8;
const ACCEPT: u32 = 1;
const DROP: u32 = 0;
const QUEUE: u32 = 3;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

impl Register {
    const fn number(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

/// Where a field is found.
enum Place {
    /// A key of `meta`.
    Meta(u32),
    /// Base, offset and length in the packet.
    Payload(u32, u32, u32),
    Socket,
    Fib,
}

impl Field {
    const fn place(self) -> Place {
        match self {
            Self::EtherType => Place::Meta(1),
            Self::Mark => Place::Meta(3),
            Self::InputInterface => Place::Meta(6),
            Self::NetworkProtocol => Place::Meta(15),
            Self::TransportProtocol => Place::Meta(16),
            Self::TransparentSocket => Place::Socket,
            Self::DestinationKind => Place::Fib,
            Self::EtherSource => Place::Payload(0, 6, 6),
            Self::V4Source => Place::Payload(1, 12, 4),
            Self::V4Destination => Place::Payload(1, 16, 4),
            Self::V6Source => Place::Payload(1, 8, 16),
            Self::V6Destination => Place::Payload(1, 24, 16),
            Self::ArpSource => Place::Payload(1, 14, 4),
            Self::SourcePort => Place::Payload(2, 0, 2),
            Self::DestinationPort => Place::Payload(2, 2, 2),
            Self::TcpFlags => Place::Payload(2, 13, 1),
            Self::IcmpType => Place::Payload(2, 0, 1),
        }
    }
}

impl Expression {
    const fn name(&self) -> &'static str {
        match self {
            Self::SetMark(_) => "meta",
            Self::Load(field, _) => match field.place() {
                Place::Meta(_) => "meta",
                Place::Payload(..) => "payload",
                Place::Socket => "socket",
                Place::Fib => "fib",
            },
            Self::Mask(_) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::Lookup(..) => "lookup",
            Self::Catch(_) => "tproxy",
            Self::Store(..) => "payload",
            Self::Refuse(_) => "reject",
            Self::OldQueue(_) => "target",
            Self::End(Verdict::Queue(_)) => "queue",
            Self::Value(..) | Self::End(Verdict::Accept | Verdict::Drop) => "immediate",
        }
    }

    fn encode(&self, to: &mut Message) {
        match self {
            Self::Load(field, register) => load(*field, *register, to),
            Self::Mask(mask) => {
                let length = u32::try_from(mask.len()).expect("a mask is short");
                to.network_number(1, 1)
                    .network_number(2, 1)
                    .network_number(3, length);
                data(to, 4, mask);
                data(to, 5, &vec![0; mask.len()]);
            }
            Self::Compare(comparison, value) => {
                let operation = u32::from(*comparison == Comparison::IsNot);
                to.network_number(1, 1).network_number(2, operation);
                data(to, 3, value);
            }
            Self::Lookup(set, comparison) => {
                to.text(1, set).network_number(2, 1);
                to.network_number(5, u32::from(*comparison == Comparison::IsNot));
            }
            Self::Value(register, value) => {
                to.network_number(1, register.number());
                data(to, 2, value);
            }
            // The register three is filled by the expression before: see `set_mark`.
            Self::SetMark(_) => {
                to.network_number(2, 3)
                    .network_number(3, Register::Three.number());
            }
            Self::Catch(family) => {
                to.network_number(1, protocol_number(*family))
                    .network_number(2, Register::One.number())
                    .network_number(3, Register::Two.number());
            }
            Self::Store(field, checksum) => store(*field, *checksum, to),
            Self::Refuse(refusal) => refuse(*refusal, to),
            Self::OldQueue(number) => old_queue(*number, to),
            Self::End(Verdict::Queue(number)) => {
                to.attribute(1, &number.to_be_bytes())
                    .attribute(2, &1_u16.to_be_bytes());
            }
            Self::End(verdict) => end(*verdict, to),
        }
    }
}

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
const fn protocol_number(family: AddressFamily) -> u32 {
    match family {
        AddressFamily::V4 => 2,
        AddressFamily::V6 => 10,
    }
}

fn load(field: Field, register: Register, to: &mut Message) {
    let register = register.number();
    match field.place() {
        Place::Meta(key) => {
            to.network_number(1, register).network_number(2, key);
        }
        Place::Payload(base, offset, length) => {
            to.network_number(1, register)
                .network_number(2, base)
                .network_number(3, offset)
                .network_number(4, length);
        }
        Place::Socket => {
            to.network_number(1, 0).network_number(2, register);
        }
        // The address type, which is result number 3.
        Place::Fib => {
            to.network_number(1, register)
                .network_number(2, 3)
                .network_number(3, FIB_DESTINATION_ON_INPUT);
        }
    }
}

/// `NFT_PAYLOAD_CSUM_INET`.
const INTERNET_CHECKSUM: u32 = 1;

fn store(field: Field, checksum: Checksum, to: &mut Message) {
    let Place::Payload(base, offset, length) = field.place() else {
        // The kernel refuses what names no place.
        return;
    };
    let sum_offset = match checksum {
        Checksum::Tcp => 16,
        Checksum::Udp => 6,
    };
    to.network_number(2, base)
        .network_number(3, offset)
        .network_number(4, length)
        .network_number(5, Register::One.number())
        .network_number(6, INTERNET_CHECKSUM)
        .network_number(7, sum_offset);
}

fn refuse(refusal: Refusal, to: &mut Message) {
    let (kind, code) = match refusal {
        Refusal::TcpReset => (1, 0),
        Refusal::NoRoute => (2, 0),
        Refusal::PortUnreachable => (2, 1),
        Refusal::HostUnreachable => (2, 2),
        Refusal::Prohibited => (2, 3),
    };
    to.network_number(1, kind).attribute(2, &[code]);
}

/// `xt_NFQ_info_v1`: the queue's number and how many there are.
fn old_queue(number: u16, to: &mut Message) {
    let mut info = number.to_ne_bytes().to_vec();
    info.extend(1_u16.to_ne_bytes());
    info.extend([0; 4]);
    to.text(1, "NFQUEUE")
        .network_number(2, 1)
        .attribute(3, &info);
}

fn end(verdict: Verdict, to: &mut Message) {
    let code = match verdict {
        Verdict::Accept => ACCEPT,
        Verdict::Drop => DROP,
        Verdict::Queue(_) => QUEUE,
    };
    to.network_number(1, VERDICT);
    to.nested(2, |data| {
        data.nested(2, |verdict| {
            verdict.network_number(1, code);
        });
    });
}

fn data(to: &mut Message, kind: u16, value: &[u8]) {
    to.nested(kind, |nest| {
        nest.attribute(1, value);
    });
}
