// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rulesets as text, near to what `nft list ruleset` shows: for people and tests, never for the
//! kernel.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    AddressFamily, Comparison, Expression, Field, Hook, KeyPart, Refusal, Register, Set, Table,
    TableFamily, Verdict,
};

/// The table as text.
pub fn text(table: &Table) -> String {
    let family = match table.family {
        TableFamily::Inet => "inet",
        TableFamily::Ip => "ip",
        TableFamily::Bridge => "bridge",
    };
    let mut text = format!("table {family} {} {{\n", table.name);
    for set in &table.sets {
        text.push_str(&set_text(set));
    }
    for chain in &table.chains {
        let hook = match chain.hook {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        };
        let (name, priority) = (&chain.name, chain.priority);
        writeln!(
            text,
            "\tchain {name} {{\n\t\ttype filter hook {hook} priority {priority}; policy accept;"
        )
        .expect("writing to a string cannot fail");
        for rule in &chain.rules {
            writeln!(text, "\t\t{}", rule_text(rule)).expect("writing to a string cannot fail");
        }
        text.push_str("\t}\n");
    }
    text.push_str("}\n");
    text
}

fn set_text(set: &Set) -> String {
    let types = set.key.iter().map(|part| match part {
        KeyPart::Interface => "ifname",
        KeyPart::Ether => "ether_addr",
        KeyPart::V4 => "ipv4_addr",
        KeyPart::V6 => "ipv6_addr",
    });
    let types = types.collect::<Vec<_>>().join(" . ");
    let elements = set.elements.iter().map(|key| key_text(&set.key, key));
    let elements = elements.collect::<Vec<_>>().join(", ");
    format!(
        "\tset {} {{ type {types}; elements = {{ {elements} }} }}\n",
        set.name
    )
}

fn key_text(parts: &[KeyPart], key: &[u8]) -> String {
    let mut rest = key;
    let mut texts = Vec::new();
    for part in parts {
        let length = match part {
            KeyPart::Interface | KeyPart::V6 => 16,
            KeyPart::Ether => 8,
            KeyPart::V4 => 4,
        };
        let (bytes, others) = rest.split_at(length.min(rest.len()));
        rest = others;
        texts.push(match part {
            KeyPart::Interface => name_text(bytes),
            KeyPart::Ether => ether_text(&bytes[..6.min(bytes.len())]),
            KeyPart::V4 | KeyPart::V6 => address_text(bytes),
        });
    }
    texts.join(" . ")
}

fn name_text(bytes: &[u8]) -> String {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    format!("{:?}", String::from_utf8_lossy(name))
}

fn ether_text(bytes: &[u8]) -> String {
    let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
    bytes.collect::<Vec<_>>().join(":")
}

fn address_text(bytes: &[u8]) -> String {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(octets).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(octets) => Ipv6Addr::from(octets).to_string(),
        Err(_) => format!("{bytes:?}"),
    }
}

fn rule_text(rule: &[Expression]) -> String {
    let mut words: Vec<String> = Vec::new();
    // What was loaded and not compared yet.
    let mut loaded: Vec<Field> = Vec::new();
    let mut values: [Vec<u8>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for expression in rule {
        match expression {
            Expression::Load(field, _) => loaded.push(*field),
            Expression::Mask(mask) => words.push(format!("& {mask:02x?}")),
            Expression::Compare(comparison, value) => {
                let field = loaded.pop();
                let name = field.map_or("", name_of);
                let not = not(*comparison);
                let value = field.map_or_else(String::new, |field| value_text(field, value));
                words.push(format!("{name} {not}{value}"));
            }
            Expression::Lookup(set, comparison) => {
                let names = loaded.drain(..).map(name_of).collect::<Vec<_>>();
                words.push(format!("{} {}@{set}", names.join(" . "), not(*comparison)));
            }
            Expression::Value(register, value) => {
                let place = match register {
                    Register::One => 0,
                    Register::Two => 1,
                    Register::Three => 2,
                };
                values[place].clone_from(value);
            }
            Expression::SetMark(mark) => words.push(format!("meta mark set {mark}")),
            Expression::Catch(family) => words.push(target_text(*family, &values)),
            Expression::Store(field, _) => {
                words.push(format!(
                    "{} set {}",
                    name_of(*field),
                    value_text(*field, &values[0])
                ));
            }
            Expression::Refuse(refusal) => words.push(refusal_text(*refusal).to_owned()),
            Expression::OldQueue(number) => words.push(format!("xt target NFQUEUE # {number}")),
            Expression::End(Verdict::Accept) => words.push("accept".to_owned()),
            Expression::End(Verdict::Drop) => words.push("drop".to_owned()),
            Expression::End(Verdict::Queue(number)) => words.push(format!("queue to {number}")),
        }
    }
    words.join(" ")
}

fn target_text(family: AddressFamily, values: &[Vec<u8>; 3]) -> String {
    let port = values[1]
        .iter()
        .fold(0, |port, byte| port << 8 | u32::from(*byte));
    let address = address_text(&values[0]);
    match family {
        AddressFamily::V4 => format!("tproxy ip to {address}:{port}"),
        AddressFamily::V6 => format!("tproxy ip6 to [{address}]:{port}"),
    }
}

const fn not(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Is => "",
        Comparison::IsNot => "!= ",
    }
}

const fn name_of(field: Field) -> &'static str {
    match field {
        Field::InputInterface => "iifname",
        Field::NetworkProtocol => "meta nfproto",
        Field::EtherType => "meta protocol",
        Field::TransportProtocol => "meta l4proto",
        Field::Mark => "meta mark",
        Field::TransparentSocket => "socket transparent",
        Field::DestinationKind => "fib daddr type",
        Field::V4Source => "ip saddr",
        Field::V4Destination => "ip daddr",
        Field::V6Source => "ip6 saddr",
        Field::V6Destination => "ip6 daddr",
        Field::EtherSource => "ether saddr",
        Field::ArpSource => "arp saddr ip",
        Field::SourcePort => "th sport",
        Field::DestinationPort => "th dport",
        Field::TcpFlags => "tcp flags",
        Field::IcmpType => "icmp type",
    }
}

fn value_text(field: Field, value: &[u8]) -> String {
    let big = value
        .iter()
        .fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let own = || {
        let four = <[u8; 4]>::try_from(value).unwrap_or_default();
        u32::from_ne_bytes(four).to_string()
    };
    match field {
        Field::InputInterface => name_text(value),
        Field::NetworkProtocol => match value {
            [10] => "ipv6".to_owned(),
            _ => "ipv4".to_owned(),
        },
        Field::EtherType => format!("{big:#06x}"),
        Field::Mark | Field::DestinationKind => own(),
        Field::V4Source
        | Field::V4Destination
        | Field::V6Source
        | Field::V6Destination
        | Field::ArpSource => address_text(value),
        Field::EtherSource => ether_text(value),
        Field::TransportProtocol
        | Field::TransparentSocket
        | Field::SourcePort
        | Field::DestinationPort
        | Field::TcpFlags
        | Field::IcmpType => big.to_string(),
    }
}

const fn refusal_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TcpReset => "reject with tcp reset",
        Refusal::HostUnreachable => "reject with icmpx host-unreachable",
        Refusal::NoRoute => "reject with icmpx no-route",
        Refusal::Prohibited => "reject with icmpx admin-prohibited",
        Refusal::PortUnreachable => "reject with icmpx port-unreachable",
    }
}
