// SPDX-License-Identifier: Apache-2.0 OR MIT
//! DNS messages, as far as a server has to know them: the question of a query, and replies of a
//! few kinds (RFC 1035, RFC 6891). Everything that comes in is somebody else's: nothing here
//! trusts a length.

use std::net::IpAddr;

/// The longest message over UDP when nobody says otherwise.
pub const PLAIN_UDP_BYTES: usize = 512;

const HEADER_BYTES: usize = 12;
const NAME_BYTES_MAX: usize = 255;
const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;
/// What we are willing to receive over UDP (RFC 9715).
const UDP_BYTES: u16 = 1232;

const FLAG_RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const FLAG_TRUNCATED: u16 = 0x0200;
const FLAG_RECURSION_DESIRED: u16 = 0x0100;
const FLAG_RECURSION_AVAILABLE: u16 = 0x0080;

/// The type of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name of an address.
    Ptr,
    /// Everything there is.
    Any,
    /// Something else.
    Other,
}

/// How a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// There is such a name, even if it has nothing of that type.
    NoError,
    /// The query is no query.
    FormErr,
    /// The server cannot tell now.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// An operation that nobody supports.
    NotImp,
    /// The asker may not.
    Refused,
    /// A version of EDNS that nobody knows.
    BadVers,
}

impl Code {
    const fn number(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::NotImp => 4,
            Self::Refused => 5,
            Self::BadVers => 16,
        }
    }
}

/// A query that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    id: u16,
    flags: u16,
    /// The name asked for: lower case, labels joined by dots, without one at the end. Bytes that
    /// are not letters, digits, `-` or `_` stand as `\DDD`.
    pub name: String,
    /// What of it.
    pub kind: Kind,
    /// Whether it is about the internet.
    pub in_internet: bool,
    /// The question as it came.
    question: Vec<u8>,
    /// The largest answer over UDP that the asker takes; `None` without EDNS.
    udp_bytes: Option<u16>,
}

/// A message that is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// To be dropped: too short to be answered, or an answer itself.
    Silent,
    /// To be answered with this.
    Told(Code),
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// `A` or `AAAA`.
    Address(IpAddr),
    /// `PTR`: a name, labels joined by dots.
    Name(String),
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// [`Malformed`], which says what to do about it.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let word = |at: usize| word(packet, at);
        let (Some(id), Some(flags)) = (word(0), word(2)) else {
            return Err(Malformed::Silent);
        };
        if packet.len() < HEADER_BYTES || flags & FLAG_RESPONSE != 0 {
            return Err(Malformed::Silent);
        }
        if flags & OPCODE != 0 {
            return Err(Malformed::Told(Code::NotImp));
        }
        let bad = Malformed::Told(Code::FormErr);
        if word(4) != Some(1) {
            return Err(bad);
        }
        let (name, end) = question_name(packet).ok_or(bad)?;
        let kind = word(end).ok_or(bad)?;
        let class = word(end + 2).ok_or(bad)?;
        let end = end + 4;
        let options = options(packet, end).ok_or(bad)?;
        if options.is_some_and(|options| options.version != 0) {
            return Err(Malformed::Told(Code::BadVers));
        }
        Ok(Self {
            id,
            flags,
            name,
            kind: match kind {
                1 => Kind::A,
                28 => Kind::Aaaa,
                12 => Kind::Ptr,
                255 => Kind::Any,
                _ => Kind::Other,
            },
            in_internet: class == CLASS_IN || class == 255,
            question: packet[HEADER_BYTES..end].to_vec(),
            udp_bytes: options.map(|options| options.udp_bytes),
        })
    }

    /// How long an answer over UDP may be.
    pub fn udp_bytes_max(&self) -> usize {
        self.udp_bytes
            .map_or(PLAIN_UDP_BYTES, |bytes| PLAIN_UDP_BYTES.max(bytes.into()))
    }

    /// The reply with these records, cut to `bytes_max`.
    pub fn reply(&self, code: Code, records: &[Record], bytes_max: usize) -> Vec<u8> {
        let mut reply = self.begin(code);
        let limit = bytes_max
            - if self.udp_bytes.is_some() {
                OPT_BYTES
            } else {
                0
            };
        let mut count: u16 = 0;
        for record in records {
            let before = reply.len();
            push_record(&mut reply, record);
            if reply.len() > limit {
                // Whoever wants all of them asks again over TCP.
                reply.truncate(before);
                reply[2] |= (FLAG_TRUNCATED >> 8) as u8;
                break;
            }
            count += 1;
        }
        reply[6..8].copy_from_slice(&count.to_be_bytes());
        if self.udp_bytes.is_some() {
            push_options(&mut reply, code);
        }
        reply
    }

    fn begin(&self, code: Code) -> Vec<u8> {
        let mut reply = header(self.id, self.flags, code);
        reply[4..6].copy_from_slice(&1_u16.to_be_bytes());
        reply.extend_from_slice(&self.question);
        reply
    }

    /// Whether `packet` is a reply to this query under the number `id`.
    pub fn is_answered_by(&self, packet: &[u8], id: u16) -> bool {
        let question = packet.get(HEADER_BYTES..HEADER_BYTES + self.question.len());
        let same = |theirs: &[u8]| theirs.eq_ignore_ascii_case(&self.question);
        word(packet, 0) == Some(id)
            && word(packet, 2).is_some_and(|flags| flags & FLAG_RESPONSE != 0)
            // Some servers leave the question out of an error.
            && (question.is_some_and(same) || word(packet, 4) == Some(0))
    }

    /// The number of the query.
    pub fn id(&self) -> u16 {
        self.id
    }
}

/// The reply to a message that is no query, if it is answered at all.
pub fn reply_to_malformed(packet: &[u8], malformed: Malformed) -> Option<Vec<u8>> {
    let Malformed::Told(code) = malformed else {
        return None;
    };
    let mut reply = header(word(packet, 0)?, word(packet, 2)?, code);
    if code == Code::BadVers {
        push_options(&mut reply, code);
    }
    Some(reply)
}

/// Writes another number into a message.
pub fn set_id(packet: &mut [u8], id: u16) {
    if let Some(bytes) = packet.get_mut(..2) {
        bytes.copy_from_slice(&id.to_be_bytes());
    }
}

/// Whether a reply says that another server may know better.
pub fn is_refusal(packet: &[u8]) -> bool {
    let code = word(packet, 2).map(|flags| flags & 0xf);
    code == Some(Code::ServFail.number()) || code == Some(Code::Refused.number())
}

fn header(id: u16, flags: u16, code: Code) -> Vec<u8> {
    let kept = flags & (OPCODE | FLAG_RECURSION_DESIRED);
    let flags = FLAG_RESPONSE | kept | FLAG_RECURSION_AVAILABLE | code.number() & 0xf;
    let mut bytes = Vec::with_capacity(PLAIN_UDP_BYTES);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(&flags.to_be_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// Type, class, no time to live, and the data; the name is that of the question.
fn push_record(reply: &mut Vec<u8>, record: &Record) {
    let (kind, data) = match record {
        Record::Address(IpAddr::V4(address)) => (1_u16, address.octets().to_vec()),
        Record::Address(IpAddr::V6(address)) => (28, address.octets().to_vec()),
        Record::Name(name) => (12, encoded(name)),
    };
    let length = u16::try_from(data.len()).unwrap_or(0);
    reply.extend_from_slice(&[0xc0, 0x0c]);
    reply.extend_from_slice(&kind.to_be_bytes());
    reply.extend_from_slice(&CLASS_IN.to_be_bytes());
    // Containers come and go: nobody keeps their addresses.
    reply.extend_from_slice(&[0; 4]);
    reply.extend_from_slice(&length.to_be_bytes());
    reply.extend_from_slice(&data);
}

/// Labels with their lengths; what cannot be one is left out.
fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
        if (1..64).contains(&length) && bytes.len() + label.len() + 2 <= NAME_BYTES_MAX {
            bytes.push(length);
            bytes.extend_from_slice(label.as_bytes());
        }
    }
    bytes.push(0);
    bytes
}

const OPT_BYTES: usize = 11;

fn push_options(reply: &mut Vec<u8>, code: Code) {
    let high = u8::try_from(code.number() >> 4).unwrap_or(0);
    reply.push(0);
    reply.extend_from_slice(&TYPE_OPT.to_be_bytes());
    reply.extend_from_slice(&UDP_BYTES.to_be_bytes());
    reply.extend_from_slice(&[high, 0, 0, 0, 0, 0]);
    reply[10..12].copy_from_slice(&1_u16.to_be_bytes());
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The name of the question, and where it ends. Nothing stands before it that it could refer to.
fn question_name(packet: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        let label = packet.get(at..at + length).filter(|_| length < 64)?;
        at += length;
        if at - HEADER_BYTES > NAME_BYTES_MAX {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in label {
            push_byte(&mut name, byte.to_ascii_lowercase());
        }
    }
}

fn push_byte(name: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
        name.push(char::from(byte));
    } else {
        let digits = [byte / 100, byte / 10 % 10, byte % 10];
        name.push('\\');
        name.extend(digits.map(|digit| char::from(b'0' + digit)));
    }
}

#[derive(Debug, Clone, Copy)]
struct Options {
    udp_bytes: u16,
    version: u8,
}

/// The OPT record behind the question. The outer `None` is a record that goes beyond the end.
#[expect(clippy::option_option, reason = "malformed, absent, present")]
fn options(packet: &[u8], mut at: usize) -> Option<Option<Options>> {
    let count = |at| word(packet, at).map(u32::from);
    let records = count(6)? + count(8)? + count(10)?;
    for _ in 0..records {
        let (end_of_name, is_root) = skip_name(packet, at)?;
        let kind = word(packet, end_of_name)?;
        let class = word(packet, end_of_name + 2)?;
        let version = *packet.get(end_of_name + 5)?;
        let length = usize::from(word(packet, end_of_name + 8)?);
        at = end_of_name + 10 + length;
        if at > packet.len() {
            return None;
        }
        if kind == TYPE_OPT && is_root {
            return Some(Some(Options {
                udp_bytes: class,
                version,
            }));
        }
    }
    Some(None)
}

/// Where a name ends, and whether it is empty.
fn skip_name(packet: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start;
    loop {
        let length = usize::from(*packet.get(at)?);
        match length {
            0 => return Some((at + 1, at == start)),
            1..64 => at += 1 + length,
            // A reference to a place before.
            192.. => return Some((at + 2, false)),
            _ => return None,
        }
    }
}

/// Where the last record of a message with one question ends, if all lengths fit.
#[cfg(any(test, fuzzing))]
pub(super) fn ends(packet: &[u8]) -> Option<usize> {
    let (_, end) = question_name(packet)?;
    let mut at = end + 4;
    for count in [6, 8, 10] {
        for _ in 0..word(packet, count)? {
            let (name, _) = skip_name(packet, at)?;
            at = name + 10 + usize::from(word(packet, name + 8)?);
        }
    }
    (at <= packet.len()).then_some(at)
}

/// Builds a query, for tests.
#[cfg(test)]
pub(super) fn query(id: u16, name: &str, kind: u16, udp_bytes: Option<u16>) -> Vec<u8> {
    let mut packet = vec![0; HEADER_BYTES];
    packet[..2].copy_from_slice(&id.to_be_bytes());
    packet[2] = 1;
    packet[5] = 1;
    packet.extend(encoded(name));
    packet.extend(kind.to_be_bytes());
    packet.extend(CLASS_IN.to_be_bytes());
    if let Some(bytes) = udp_bytes {
        push_options(&mut packet, Code::NoError);
        let at = packet.len() - OPT_BYTES + 3;
        packet[at..at + 2].copy_from_slice(&bytes.to_be_bytes());
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let query = Query::parse(&query(7, "Web.Example", 28, Some(4096))).unwrap();
        assert_eq!(
            (query.name.as_str(), query.kind),
            ("web.example", Kind::Aaaa)
        );
        assert_eq!(query.udp_bytes_max(), 4096);
        assert!(query.in_internet);
        let plain = Query::parse(&super::query(7, "", 1, None)).unwrap();
        assert_eq!((plain.name.as_str(), plain.udp_bytes_max()), ("", 512));
    }

    #[test]
    fn what_is_no_query_is_dropped_or_told() {
        let good = query(7, "web", 1, None);
        let with = |at: usize, byte: u8| {
            let mut packet = good.clone();
            packet[at] = byte;
            packet
        };
        let told = |code| Err(Malformed::Told(code));
        let cases = [
            (Vec::new(), Err(Malformed::Silent)),
            (good[..11].to_vec(), Err(Malformed::Silent)),
            (with(2, 0x80), Err(Malformed::Silent)),
            (with(2, 0x28), told(Code::NotImp)),
            (with(5, 0), told(Code::FormErr)),
            (with(5, 2), told(Code::FormErr)),
            (with(12, 64), told(Code::FormErr)),
            (with(12, 0xc0), told(Code::FormErr)),
            (with(11, 1), told(Code::FormErr)),
            (good[..good.len() - 1].to_vec(), told(Code::FormErr)),
        ];
        for (packet, expected) in cases {
            assert_eq!(Query::parse(&packet).map(drop), expected, "{packet:?}");
        }
        let mut versioned = query(7, "web", 1, Some(512));
        let at = versioned.len() - 5;
        versioned[at] = 1;
        assert_eq!(
            Query::parse(&versioned),
            Err(Malformed::Told(Code::BadVers))
        );
        let reply = reply_to_malformed(&versioned, Malformed::Told(Code::BadVers)).unwrap();
        assert_eq!((reply[3] & 0xf, reply[reply.len() - 6]), (0, 1));
    }

    #[test]
    fn a_reply_repeats_the_question_and_fits() {
        let packet = query(0x1234, "web", 1, None);
        let query = Query::parse(&packet).unwrap();
        let addresses: Vec<Record> = (0..40)
            .map(|last| Record::Address(IpAddr::from([10, 0, 0, last])))
            .collect();
        let reply = query.reply(Code::NoError, &addresses[..2], 512);
        assert!(query.is_answered_by(&reply, 0x1234) && !query.is_answered_by(&reply, 1));
        assert_eq!(reply[2..12], [0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
        assert_eq!(reply[packet.len()..][12..16], [10, 0, 0, 0]);
        let cut = query.reply(Code::NoError, &addresses, 512);
        assert!(cut.len() <= 512 && cut[2] & 2 != 0);
        assert_eq!(query.reply(Code::NoError, &addresses, 65535)[7], 40);
        let missing = query.reply(Code::NxDomain, &[], 512);
        assert_eq!((missing[3] & 0xf, missing[7]), (3, 0));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let seeds = [query(1, "a.b", 1, Some(512)), query(1, "a", 12, None)];
        let mut state: u32 = 1;
        for round in 0..20_000 {
            let mut packet = seeds[round % 2].clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % packet.len();
                packet[at] = state.to_le_bytes()[2];
                packet.truncate(1 + (state >> 7) as usize % 64);
            }
            match Query::parse(&packet) {
                Ok(query) => drop(query.reply(Code::NoError, &[], 512)),
                Err(malformed) => drop(reply_to_malformed(&packet, malformed)),
            }
        }
    }
}
