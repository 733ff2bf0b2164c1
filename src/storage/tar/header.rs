// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fixed 512-byte header: checksum, numbers, kinds.

use tar::{EntryType, Header};

use super::{FileTime, MemberKind, TarError, printable};

pub(super) const BLOCK: usize = 512;

/// What a header introduces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderKind {
    Member(MemberKind),
    /// A regular file in GNU's old sparse format: pieces stand in the header.
    OldSparse,
    /// GNU's long path of the next member.
    LongName,
    /// GNU's long link target of the next member.
    LongLink,
    /// PAX records of the next member.
    PaxLocal,
    /// PAX records of all members that follow.
    PaxGlobal,
    /// A volume label and the like: nothing to unpack.
    Skipped,
}

/// Checks the sum that every header carries.
pub(super) fn check(header: &Header) -> Result<(), TarError> {
    let bytes = header.as_bytes();
    // Two slices and no chain of them: the compiler sums a slice many bytes at a time.
    let sum_of = |part: &[u8]| part.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    // The field itself counts as eight spaces.
    let sum = sum_of(&bytes[..148]) + sum_of(&bytes[156..]) + 8 * 32;
    if header.cksum().is_ok_and(|written| written == sum) {
        return Ok(());
    }
    Err(TarError::Header("wrong checksum".to_owned()))
}

pub(super) fn kind(header: &Header) -> Result<HeaderKind, TarError> {
    let member = HeaderKind::Member;
    Ok(match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => member(MemberKind::File),
        EntryType::Link => member(MemberKind::HardLink),
        EntryType::Symlink => member(MemberKind::Symlink),
        EntryType::Char => member(MemberKind::CharDevice),
        EntryType::Block => member(MemberKind::BlockDevice),
        EntryType::Directory => member(MemberKind::Directory),
        EntryType::Fifo => member(MemberKind::Fifo),
        EntryType::GNUSparse => HeaderKind::OldSparse,
        EntryType::GNULongName => HeaderKind::LongName,
        EntryType::GNULongLink => HeaderKind::LongLink,
        EntryType::XHeader => HeaderKind::PaxLocal,
        EntryType::XGlobalHeader => HeaderKind::PaxGlobal,
        other => match other.as_byte() {
            b'V' | b'M' | b'N' => HeaderKind::Skipped,
            b'D' => member(MemberKind::Directory),
            // Solaris writes its own letter for PAX records.
            b'X' => HeaderKind::PaxLocal,
            byte => {
                let name = printable(&header.path_bytes());
                let kind = char::from(byte);
                return Err(TarError::UnknownKind { name, kind });
            }
        },
    })
}

/// Before POSIX a directory was a file whose name ends in a slash: the whole name, of which the
/// header may hold only the beginning.
pub(super) fn kind_by_path(header: &Header, kind: MemberKind, path: &[u8]) -> MemberKind {
    if header.entry_type() == EntryType::Regular && path.ends_with(b"/") {
        MemberKind::Directory
    } else {
        kind
    }
}

pub(super) fn stored_size(header: &Header) -> Result<u64, TarError> {
    let size = header.entry_size().map_err(|error| bad(&error))?;
    // A size that does not fit a signed number was negative.
    i64::try_from(size)
        .map(|_| size)
        .map_err(|_negative| TarError::Header(format!("size of {size} bytes")))
}

/// Permission and set-id bits; writers put the file type beside them.
pub(super) fn mode(header: &Header) -> u32 {
    header.mode().unwrap_or(0) & 0o7777
}

pub(super) fn modified(header: &Header) -> FileTime {
    FileTime {
        // Times before 1970 are negative base-256 numbers.
        seconds: header.mtime().unwrap_or(0).cast_signed(),
        nanoseconds: 0,
    }
}

pub(super) fn device(header: &Header) -> (u32, u32) {
    let number = |field: std::io::Result<Option<u32>>| field.ok().flatten().unwrap_or(0);
    (number(header.device_major()), number(header.device_minor()))
}

pub(super) fn bad(error: &std::io::Error) -> TarError {
    TarError::Header(error.to_string())
}
