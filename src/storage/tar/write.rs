// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes the headers of members: the fixed header of POSIX, and PAX records for what does not fit
//! into it. The same member always gives the same bytes.

use super::header::BLOCK;
use super::{Member, MemberKind};

/// The largest number that eight octal digits less one hold.
const OCTAL_7: u64 = 0o7_777_777;
/// The largest number that eleven octal digits hold.
const OCTAL_11: u64 = 0o77_777_777_777;

/// The end of an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Bytes of padding after `size` bytes of data.
pub(crate) fn padding(size: u64) -> usize {
    let padding = size.next_multiple_of(BLOCK as u64) - size;
    usize::try_from(padding).expect("less than a block")
}

/// Appends the headers of `member` to `out`. Its data, `stored_size` bytes, are the caller's.
pub(crate) fn write_header(member: &Member, out: &mut Vec<u8>) {
    write_records(&member.path, &records(member), out);
    out.extend(fields(member).bytes());
}

/// Appends the PAX records of the member `path`, if there are any.
fn write_records(path: &[u8], records: &[u8], out: &mut Vec<u8>) {
    if records.is_empty() {
        return;
    }
    let mut name = b"PaxHeaders.0/".to_vec();
    let base = path.strip_suffix(b"/").unwrap_or(path);
    let base = base.rsplit(|&byte| byte == b'/').next().unwrap_or(base);
    name.extend(&base[..base.len().min(80)]);
    let header = Fields {
        name: &name,
        prefix: b"",
        mode: 0o644,
        size: records.len() as u64,
        kind: b'x',
        ..Fields::default()
    };
    out.extend(header.bytes());
    out.extend(records);
    out.extend(&END[..padding(records.len() as u64)]);
}

/// The plain header of a file without an owner to speak of, as archives of images hold them. It is
/// one block long, but for names that do not fit into it.
pub(crate) fn write_document_header(name: &str, mode: u32, size: u64, out: &mut Vec<u8>) {
    let kind = if name.ends_with('/') { b'5' } else { b'0' };
    let path = name.as_bytes();
    let (prefix, name) = split_name(path).unwrap_or_else(|| {
        let mut records = Vec::new();
        push_record(&mut records, b"path", path);
        write_records(path, &records, out);
        (b"", path)
    });
    let header = Fields {
        name,
        prefix,
        mode,
        size,
        kind,
        ..Fields::default()
    };
    out.extend(header.bytes());
}

fn fields(member: &Member) -> Fields<'_> {
    let (prefix, name) = split_name(&member.path).unwrap_or((b"", &member.path));
    let kind = match member.kind {
        MemberKind::File => b'0',
        MemberKind::HardLink => b'1',
        MemberKind::Symlink => b'2',
        MemberKind::CharDevice => b'3',
        MemberKind::BlockDevice => b'4',
        MemberKind::Directory => b'5',
        MemberKind::Fifo => b'6',
    };
    Fields {
        name,
        prefix,
        mode: member.mode,
        uid: member.uid.min(OCTAL_7),
        gid: member.gid.min(OCTAL_7),
        size: member.stored_size.min(OCTAL_11),
        seconds: u64::try_from(member.modified.seconds)
            .unwrap_or(0)
            .min(OCTAL_11),
        kind,
        link: &member.link,
        device: member.device,
    }
}

/// PAX records for what the fixed header cannot say.
fn records(member: &Member) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| push_record(&mut records, key, value);
    if split_name(&member.path).is_none() {
        add(b"path", &member.path);
    }
    if member.link.len() > 100 {
        add(b"linkpath", &member.link);
    }
    let numbers: [(&[u8], u64, u64); 3] = [
        (b"uid", member.uid, OCTAL_7),
        (b"gid", member.gid, OCTAL_7),
        (b"size", member.stored_size, OCTAL_11),
    ];
    for (key, number, most) in numbers {
        if number > most {
            add(key, number.to_string().as_bytes());
        }
    }
    if !u64::try_from(member.modified.seconds).is_ok_and(|seconds| seconds <= OCTAL_11) {
        add(b"mtime", member.modified.seconds.to_string().as_bytes());
    }
    for (name, value) in &member.xattrs {
        add(&[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    records
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(length.to_string().as_bytes());
    records.push(b' ');
    records.extend(key);
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}

/// Prefix and name of a path as the fixed header holds them; `None` if it is too long for that.
fn split_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    let first = path.len().checked_sub(101)?;
    // The slash itself is written in neither; the rest must not be empty.
    let end = path.len().min(156) - 1;
    let slash = (first..=end).find(|&at| path[at] == b'/' && at > 0 && at + 1 < path.len())?;
    (slash <= 155).then(|| (&path[..slash], &path[slash + 1..]))
}

#[derive(Debug, Default)]
struct Fields<'a> {
    name: &'a [u8],
    prefix: &'a [u8],
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    seconds: u64,
    kind: u8,
    link: &'a [u8],
    device: (u32, u32),
}

impl Fields<'_> {
    fn bytes(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        text(&mut block[..100], self.name);
        octal(&mut block[100..108], u64::from(self.mode));
        octal(&mut block[108..116], self.uid);
        octal(&mut block[116..124], self.gid);
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], self.seconds);
        block[156] = self.kind;
        text(&mut block[157..257], self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut block[329..337], u64::from(self.device.0));
        octal(&mut block[337..345], u64::from(self.device.1));
        text(&mut block[345..500], self.prefix);
        // The sum counts its own field as eight spaces.
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum::<u32>() + 8 * 32;
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block[155] = b' ';
        block
    }
}

fn text(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

fn octal(field: &mut [u8], number: u64) {
    let width = field.len() - 1;
    let digits = format!("{number:0width$o}");
    if digits.len() <= width {
        return text(field, digits.as_bytes());
    }
    // As every tar of today reads it: the first bit, and the number in base 256.
    let bytes = number.to_be_bytes();
    let start = field.len() - bytes.len();
    field[start..].copy_from_slice(&bytes);
    field[0] |= 0x80;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tar::{FileTime, Limits, TarStream};

    fn member(path: &str, kind: MemberKind) -> Member {
        Member {
            path: path.as_bytes().to_vec(),
            kind,
            mode: 0o4755,
            uid: 7,
            gid: 9,
            modified: FileTime {
                seconds: 1_700_000_000,
                nanoseconds: 0,
            },
            link: Vec::new(),
            device: (0, 0),
            stored_size: 0,
            sparse: None,
            xattrs: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_reads() {
        let long = |length: usize| "d/".repeat(length / 2) + "name";
        let mut members = vec![
            member("a/", MemberKind::Directory),
            member("a/file", MemberKind::File),
            Member {
                link: b"../x".to_vec(),
                ..member("a/link", MemberKind::Symlink)
            },
            Member {
                link: long(300).into_bytes(),
                ..member("hard", MemberKind::HardLink)
            },
            Member {
                device: (259, 70_000),
                ..member("dev/x", MemberKind::BlockDevice)
            },
            Member {
                uid: 3_000_000_000,
                gid: 2_097_152,
                ..member("big ids", MemberKind::Fifo)
            },
            Member {
                modified: FileTime {
                    seconds: -5,
                    nanoseconds: 0,
                },
                xattrs: vec![
                    (b"security.capability".to_vec(), b"\x01\n\0=\xff".to_vec()),
                    (b"user.a".to_vec(), vec![b'x'; 90]),
                ],
                ..member("attributes", MemberKind::File)
            },
        ];
        for length in [90, 98, 100, 102, 150, 160, 240, 256, 300, 4000] {
            members.push(member(&long(length), MemberKind::File));
            members.push(member(&format!("{}/", long(length)), MemberKind::Directory));
            members.push(member(&"n".repeat(length.min(255)), MemberKind::File));
        }
        let mut bytes = Vec::new();
        for member in &members {
            write_header(member, &mut bytes);
        }
        bytes.extend(END);
        let mut stream = TarStream::new(&bytes[..], Limits::default());
        for member in &members {
            let read = stream.next_member().unwrap().unwrap();
            let shown = String::from_utf8_lossy(&member.path).into_owned();
            assert_eq!(&read, member, "{shown}");
        }
        assert_eq!(stream.next_member().unwrap(), None);
    }

    #[test]
    fn documents_of_any_name_and_size_read() {
        for (name, size) in [("a", 1), (&*"n".repeat(141), 2), ("big", 20 << 30)] {
            let mut bytes = Vec::new();
            write_document_header(name, 0o644, size, &mut bytes);
            let read = TarStream::new(&bytes[..], Limits::default()).next_member();
            let read = read.unwrap().unwrap();
            assert_eq!(
                (read.path, read.stored_size),
                (name.as_bytes().to_vec(), size)
            );
        }
    }
}
