// SPDX-License-Identifier: Apache-2.0 OR MIT
//! nftables: rulesets as data, as messages for the kernel, and as the text that `nft` reads.

mod encode;
mod text;

/// `NFNL_SUBSYS_NFTABLES`.
pub(super) const SUBSYSTEM: u8 = 10;

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFamily {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4 alone.
    Ip,
    /// What passes through a bridge.
    Bridge,
}

/// Where a chain is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before it is decided where a packet goes.
    Prerouting,
    /// Packets of this host's own.
    Output,
    /// Packets that leave.
    Postrouting,
    /// Packets for this host.
    Input,
}

/// A table, replaced as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: TableFamily,
    /// Its name.
    pub name: String,
    /// What its rules look into.
    pub sets: Vec<Set>,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// The type of one part of a set's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart {
    /// An interface's name.
    Interface,
    /// A hardware address.
    Ether,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
}

/// A set of keys, each of all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// The parts of a key.
    pub key: Vec<KeyPart>,
    /// The keys, each part filled up to four bytes.
    pub elements: Vec<Vec<u8>>,
}

/// A chain that is called by a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where it is called.
    pub hook: Hook,
    /// Its place among the chains of the hook.
    pub priority: i32,
    /// Its rules.
    pub rules: Vec<Vec<Expression>>,
}

/// A register: 16 bytes of a rule's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// The first.
    One,
    /// The second, right behind the first.
    Two,
    /// The third.
    Three,
}

/// What is read into a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The interface that a packet came by.
    InputInterface,
    /// IPv4 or IPv6, in a table of both.
    NetworkProtocol,
    /// The ethertype, in a bridge.
    EtherType,
    /// TCP, UDP, ICMP.
    TransportProtocol,
    /// The mark.
    Mark,
    /// Whether a transparent socket waits for the packet.
    TransparentSocket,
    /// What the destination is to this host.
    DestinationKind,
    /// IPv4.
    V4Source,
    /// IPv4.
    V4Destination,
    /// IPv6.
    V6Source,
    /// IPv6.
    V6Destination,
    /// The hardware address that a frame is from.
    EtherSource,
    /// The address that an ARP packet speaks for.
    ArpSource,
    /// TCP or UDP.
    SourcePort,
    /// TCP or UDP.
    DestinationPort,
    /// TCP.
    TcpFlags,
    /// ICMP and ICMPv6.
    IcmpType,
}

/// How a register is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Is,
    /// Another.
    IsNot,
}

/// What comes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is gone.
    Drop,
    /// It is decided upon in the packet queue of this number.
    Queue(u16),
}

/// How a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As a closed port does.
    TcpReset,
    /// The host cannot be reached.
    HostUnreachable,
    /// The network cannot be reached.
    NoRoute,
    /// It is forbidden.
    Prohibited,
    /// Nothing listens on the port.
    PortUnreachable,
}

/// Where a packet's checksum is, which changes with what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// TCP's.
    Tcp,
    /// UDP's.
    Udp,
}

/// One step of a rule; a rule ends where a comparison does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Reads a field.
    Load(Field, Register),
    /// Keeps some bits of the first register.
    Mask(Vec<u8>),
    /// Compares the first register.
    Compare(Comparison, Vec<u8>),
    /// Looks the key that begins in the first register up.
    Lookup(String, Comparison),
    /// Puts a value into a register.
    Value(Register, Vec<u8>),
    /// Sets the mark.
    SetMark(u32),
    /// Gives the packet to the socket at the address in register one and the port in register
    /// two, whatever its destination is.
    Catch(AddressFamily),
    /// Puts what is in the first register into the packet.
    Store(Field, Checksum),
    /// Refuses.
    Refuse(Refusal),
    /// Gives the packet to the queue with this number by the older `NFQUEUE`.
    OldQueue(u16),
    /// Ends with a verdict.
    End(Verdict),
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Sets the mark, by way of the third register.
pub fn set_mark(mark: u32) -> [Expression; 2] {
    let value = Expression::Value(Register::Three, mark.to_ne_bytes().to_vec());
    [value, Expression::SetMark(mark)]
}

/// An interface's name as a key.
pub fn interface_key(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.resize(16, 0);
    key
}

pub use encode::{add, add_elements, delete_elements, replace};
pub use text::text;
