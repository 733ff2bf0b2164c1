// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of the bridges' namespace, as data: what is caught, what is refused, and who may send
//! from which address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::netlink::nft::{
    AddressFamily, Chain, Comparison, Expression, Field, Hook, KeyPart, Refusal, Register, Set,
    Table, TableFamily, Verdict, interface_key, set_mark,
};
use crate::network::plan::{NetworkPlan, Prefix};

use Comparison::{Is, IsNot};
use Expression::{Compare, End, Load, Lookup, Mask, Refuse, Value};
use Register::{One, Two};

/// The table of what is caught.
pub(super) const TABLE: &str = "coracle";

/// The table of who may send.
pub(super) const PORTS_TABLE: &str = "coracle_ports";

/// The mark of packets for sockets of ours, which the rule of routes knows.
pub(super) const CAUGHT: u32 = 1;

/// The mark of a first packet whose connection the far side refused.
pub(super) const REFUSED: u32 = 2;

/// The mark of a first packet whose far side cannot be reached.
pub(super) const UNREACHABLE: u32 = 3;

/// The port on loopback that catches.
pub(super) const CATCH_PORT: u16 = 15001;

/// How first packets of connections are held until the far side has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// By the `queue` of nftables.
    Queue,
    /// By the older `NFQUEUE`.
    OldQueue,
    /// Not at all: a connection stands before it is known whether it can.
    Nothing,
}

/// Whether echo requests are answered for the far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// They are caught.
    Relayed,
    /// They are refused.
    Refused,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
const V4: u8 = 2;
const V6: u8 = 10;
const RTN_LOCAL: u32 = 2;
const RTN_BROADCAST: u32 = 3;
const RTN_MULTICAST: u32 = 5;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST6: u8 = 128;

type Rule = Vec<Expression>;

fn is(field: Field, value: &[u8]) -> [Expression; 2] {
    [Load(field, One), Compare(Is, value.to_vec())]
}

fn from_any(set: &str) -> [Expression; 2] {
    [Load(Field::InputInterface, One), Lookup(set.to_owned(), Is)]
}

fn protocol(number: u8) -> [Expression; 2] {
    is(Field::TransportProtocol, &[number])
}

fn kind(kind: u32) -> [Expression; 2] {
    is(Field::DestinationKind, &kind.to_ne_bytes())
}

fn rule<const N: usize>(parts: [&[Expression]; N]) -> Rule {
    parts.concat()
}

/// What is caught in a namespace with these networks.
pub(super) fn catching(networks: &[&NetworkPlan], hold: Hold, echo: Echo) -> Table {
    let names = |networks: &mut dyn Iterator<Item = &&NetworkPlan>| {
        networks
            .map(|network| interface_key(&network.bridge))
            .collect()
    };
    let set = |name: &str, elements| Set {
        name: name.to_owned(),
        key: vec![KeyPart::Interface],
        elements,
    };
    let chain = |name: &str, priority, rules| Chain {
        name: name.to_owned(),
        hook: Hook::Prerouting,
        priority,
        rules,
    };
    let mut chains = Vec::new();
    if hold != Hold::Nothing {
        chains.push(chain("hold", -160, hold_rules(networks, hold)));
    }
    chains.push(chain("catch", -150, catch_rules(networks, echo)));
    Table {
        family: TableFamily::Inet,
        name: TABLE.to_owned(),
        sets: vec![
            set("bridges", names(&mut networks.iter())),
            set(
                "internal",
                names(&mut networks.iter().filter(|network| network.internal)),
            ),
        ],
        chains,
    }
}

/// First packets that leave the networks.
fn hold_rules(networks: &[&NetworkPlan], hold: Hold) -> Vec<Rule> {
    let accept = [End(Verdict::Accept)];
    let outside = [
        Load(Field::InputInterface, One),
        Lookup("bridges".to_owned(), IsNot),
    ];
    // Most packets are neither.
    let no_tcp = [
        Load(Field::TransportProtocol, One),
        Compare(IsNot, vec![TCP]),
    ];
    let later = [
        Load(Field::TcpFlags, One),
        Mask(vec![SYN | ACK]),
        Compare(IsNot, vec![SYN]),
    ];
    let mut rules = vec![
        rule([&no_tcp, &accept]),
        rule([&later, &accept]),
        rule([&outside, &accept]),
        rule([&from_any("internal"), &accept]),
        rule([
            &kind(RTN_LOCAL),
            &is(Field::DestinationPort, &53_u16.to_be_bytes()),
            &accept,
        ]),
    ];
    // The gateway's own address stands for the host, which is asked as well.
    let not_local = [
        Load(Field::DestinationKind, One),
        Compare(IsNot, RTN_LOCAL.to_ne_bytes().to_vec()),
    ];
    for network in subnets(networks) {
        rules.push(rule([&not_local, &within(network), &accept]));
    }
    let queue = match hold {
        Hold::Queue => End(Verdict::Queue(0)),
        Hold::OldQueue | Hold::Nothing => Expression::OldQueue(0),
    };
    rules.push(vec![queue]);
    rules
}

const SYN: u8 = 2;
const ACK: u8 = 16;

fn catch_rules(networks: &[&NetworkPlan], echo: Echo) -> Vec<Rule> {
    let accept = [End(Verdict::Accept)];
    let to_names = is(Field::DestinationPort, &53_u16.to_be_bytes());
    let mark = set_mark(CAUGHT);
    let mut rules = vec![
        // Every later packet of what was caught, in both directions.
        rule([&is(Field::TransparentSocket, &[1]), &mark, &accept]),
        rule([
            &[
                Load(Field::InputInterface, One),
                Lookup("bridges".to_owned(), IsNot),
            ],
            &accept,
        ]),
        // Answers to whoever has joined this namespace to reach containers.
        rule([
            &is(Field::TransparentSocket, &[0]),
            &kind(RTN_LOCAL),
            &accept,
        ]),
        rule([&protocol(UDP), &kind(RTN_LOCAL), &to_names, &accept]),
        rule([&protocol(TCP), &kind(RTN_LOCAL), &to_names, &accept]),
        rule([&protocol(ICMP), &kind(RTN_LOCAL), &accept]),
        rule([&protocol(ICMP6), &kind(RTN_LOCAL), &accept]),
        // Neighbours are asked for by multicast.
        rule([&protocol(ICMP6), &kind(RTN_MULTICAST), &accept]),
        rule([&protocol(ICMP6), &within_link_local(), &accept]),
        rule([&kind(RTN_BROADCAST), &[End(Verdict::Drop)]]),
        rule([&kind(RTN_MULTICAST), &[End(Verdict::Drop)]]),
    ];
    let refusals = [
        rule([
            &from_any("internal"),
            &protocol(TCP),
            &[Refuse(Refusal::TcpReset)],
        ]),
        rule([&from_any("internal"), &[Refuse(Refusal::NoRoute)]]),
        rule([
            &is(Field::Mark, &REFUSED.to_ne_bytes()),
            &protocol(TCP),
            &[Refuse(Refusal::TcpReset)],
        ]),
        rule([
            &is(Field::Mark, &UNREACHABLE.to_ne_bytes()),
            &[Refuse(Refusal::HostUnreachable)],
        ]),
    ];
    rules.extend(refusals);
    // The gateway stands for the host.
    rules.extend(catches(&kind(RTN_LOCAL)));
    let prohibited = [Refuse(Refusal::Prohibited)];
    for network in subnets(networks) {
        rules.push(rule([&within(network), &prohibited]));
    }
    rules.extend(catches(&[]));
    if echo == Echo::Relayed {
        for (number, kind) in [(ICMP, ECHO_REQUEST), (ICMP6, ECHO_REQUEST6)] {
            rules.push(rule([
                &protocol(number),
                &is(Field::IcmpType, &[kind]),
                &mark,
                &accept,
            ]));
        }
    }
    rules.push(prohibited.to_vec());
    rules
}

/// TCP and UDP of both families, where `condition` holds.
fn catches(condition: &[Expression]) -> Vec<Rule> {
    let families = [
        (AddressFamily::V4, V4, Ipv4Addr::LOCALHOST.octets().to_vec()),
        (AddressFamily::V6, V6, Ipv6Addr::LOCALHOST.octets().to_vec()),
    ];
    let mark = set_mark(CAUGHT);
    let mut rules = Vec::new();
    for (family, number, loopback) in families {
        for transport in [TCP, UDP] {
            rules.push(rule([
                condition,
                &is(Field::NetworkProtocol, &[number]),
                &protocol(transport),
                // Bound to loopback: otherwise packets for this very port would find the socket
                // before any rule does.
                &[
                    Value(One, loopback.clone()),
                    Value(Two, CATCH_PORT.to_be_bytes().to_vec()),
                    Expression::Catch(family),
                ],
                &mark,
                &[End(Verdict::Accept)],
            ]));
        }
    }
    rules
}

fn subnets<'a>(networks: &'a [&NetworkPlan]) -> impl Iterator<Item = Prefix> + 'a {
    let subnets = networks.iter().flat_map(|network| &network.subnets);
    subnets.map(|subnet| subnet.network)
}

/// The destination is in `network`.
fn within(network: Prefix) -> Rule {
    let (family, field, bytes) = match network.network().address {
        IpAddr::V4(address) => (V4, Field::V4Destination, address.octets().to_vec()),
        IpAddr::V6(address) => (V6, Field::V6Destination, address.octets().to_vec()),
    };
    let mask = mask(network.length, bytes.len());
    rule([
        &is(Field::NetworkProtocol, &[family]),
        &[Load(field, One), Mask(mask), Compare(Is, bytes)],
    ])
}

fn within_link_local() -> Rule {
    within(Prefix::new(LINK_LOCAL, 10))
}

const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0));

/// `length` bits set, of `bytes` bytes.
fn mask(length: u8, bytes: usize) -> Vec<u8> {
    let length = usize::from(length);
    let byte = |at: usize| {
        let bits = length.saturating_sub(8 * at).min(8);
        u8::try_from(0xff00_u32 >> bits & 0xff).expect("masked")
    };
    (0..bytes).map(byte).collect()
}

/// Who may send: frames from another hardware address than the interface was given, or packets
/// from an address that is not the container's, are dropped before the bridge learns from them.
pub(super) fn sending() -> Table {
    const ARP: u16 = 0x0806;
    const IP: u16 = 0x0800;
    const IP6: u16 = 0x86dd;
    let ether = |kind: u16| is(Field::EtherType, &kind.to_be_bytes());
    let drop = [End(Verdict::Drop)];
    let accept = [End(Verdict::Accept)];
    let stranger = |field, set: &str| {
        [
            Load(Field::InputInterface, One),
            Load(field, Two),
            Lookup(set.to_owned(), IsNot),
        ]
    };
    let link_local = [
        Load(Field::V6Source, One),
        Mask(mask(10, 16)),
        Compare(
            Is,
            vec![0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
    ];
    let rules = vec![
        rule([&stranger(Field::EtherSource, "hardware"), &drop]),
        rule([&ether(IP), &stranger(Field::V4Source, "v4"), &drop]),
        // Whoever looks whether an address is free speaks for none.
        rule([&ether(ARP), &is(Field::ArpSource, &[0; 4]), &accept]),
        rule([&ether(ARP), &stranger(Field::ArpSource, "v4"), &drop]),
        rule([&ether(IP6), &is(Field::V6Source, &[0; 16]), &accept]),
        rule([&ether(IP6), &link_local, &accept]),
        rule([&ether(IP6), &stranger(Field::V6Source, "v6"), &drop]),
    ];
    let sets = [SenderSet::Hardware, SenderSet::V4, SenderSet::V6];
    Table {
        family: TableFamily::Bridge,
        name: PORTS_TABLE.to_owned(),
        sets: sets.map(|set| set.with(Vec::new())).to_vec(),
        chains: vec![Chain {
            name: "senders".to_owned(),
            hook: Hook::Prerouting,
            priority: -300,
            rules,
        }],
    }
}

#[derive(Debug, Clone, Copy)]
enum SenderSet {
    Hardware,
    V4,
    V6,
}

impl SenderSet {
    fn with(self, elements: Vec<Vec<u8>>) -> Set {
        let (name, part) = match self {
            Self::Hardware => ("hardware", KeyPart::Ether),
            Self::V4 => ("v4", KeyPart::V4),
            Self::V6 => ("v6", KeyPart::V6),
        };
        Set {
            name: name.to_owned(),
            key: vec![KeyPart::Interface, part],
            elements,
        }
    }
}

/// What the sets of [`sending`] get for an interface of a container; only those with elements.
pub(super) fn senders(interface: &str, mac: [u8; 6], addresses: &[Prefix]) -> Vec<Set> {
    let key = |bytes: &[u8]| [&interface_key(interface), bytes].concat();
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for prefix in addresses {
        match prefix.address {
            IpAddr::V4(address) => v4.push(key(&address.octets())),
            IpAddr::V6(address) => v6.push(key(&address.octets())),
        }
    }
    let hardware = vec![key(&[&mac[..], &[0, 0]].concat())];
    let sets = [
        SenderSet::Hardware.with(hardware),
        SenderSet::V4.with(v4),
        SenderSet::V6.with(v6),
    ];
    sets.into_iter()
        .filter(|set| !set.elements.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(mask(16, 4), [255, 255, 0, 0]);
        assert_eq!(mask(10, 4), [255, 192, 0, 0]);
        assert_eq!(mask(0, 4), [0; 4]);
        assert_eq!(mask(32, 4), [255; 4]);
        assert_eq!(mask(128, 16), [255; 16]);
    }
}
