// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PAX records: `LENGTH KEY=VALUE\n`, where the value may hold anything.

use super::{FileTime, SparseMap, TarError};

/// The records that matter to us, of a global header, a local one, or both.
#[derive(Debug, Clone, Default)]
pub(super) struct PaxRecords {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) modified: Option<FileTime>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: PaxSparse,
}

/// What GNU tar says of a sparse file in its formats 0.0, 0.1 and 1.0.
#[derive(Debug, Clone, Default)]
pub(super) struct PaxSparse {
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) pieces: Vec<(u64, u64)>,
    pub(super) is_sparse: bool,
    pending_offset: Option<u64>,
}

impl PaxRecords {
    /// Takes in the records of one header; later ones win.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), TarError> {
        while let Some((key, value, rest)) = split_record(bytes)? {
            self.take(key, value)?;
            bytes = rest;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        match key {
            b"path" => self.path = non_empty(value),
            b"linkpath" => self.link = non_empty(value),
            b"size" => self.size = number(key, value)?,
            b"uid" => self.uid = number(key, value)?,
            b"gid" => self.gid = number(key, value)?,
            b"mtime" => self.modified = time(key, value)?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.take_xattr(name, value);
                } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) {
        self.xattrs.retain(|(known, _)| known != name);
        if !name.is_empty() {
            self.xattrs.push((name.to_vec(), value.to_vec()));
        }
    }
}

impl PaxSparse {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        self.is_sparse = true;
        match key {
            b"major" => self.major = number(key, value)?,
            b"name" => self.name = non_empty(value),
            b"realsize" | b"size" => self.real_size = number(key, value)?,
            b"offset" => self.pending_offset = number(key, value)?,
            b"numbytes" => {
                let (Some(offset), Some(length)) =
                    (self.pending_offset.take(), number(key, value)?)
                else {
                    return Err(damaged(key, value));
                };
                self.pieces.push((offset, length));
            }
            b"map" => self.pieces = sparse_map(key, value)?,
            _ => {}
        }
        Ok(())
    }

    /// The map, where the records hold it whole (formats 0.0 and 0.1).
    pub(super) fn map(&self) -> SparseMap {
        SparseMap {
            real_size: self.real_size.unwrap_or(0),
            pieces: self.pieces.clone(),
        }
    }
}

fn sparse_map(key: &[u8], value: &[u8]) -> Result<Vec<(u64, u64)>, TarError> {
    let numbers: Option<Vec<u64>> = value.split(|&byte| byte == b',').map(decimal).collect();
    let numbers = numbers.ok_or_else(|| damaged(key, value))?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(damaged(key, value));
    }
    Ok(pairs.iter().map(|pair| (pair[0], pair[1])).collect())
}

type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Key, value and what follows; `None` at the end. NULs after the last record are padding that
/// some writers count in.
fn split_record(bytes: &[u8]) -> Result<Option<Record<'_>>, TarError> {
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let broken = || TarError::Extension("record without a length".to_owned());
    let space = bytes.iter().take(20).position(|&byte| byte == b' ');
    let space = space.ok_or_else(broken)?;
    let length = decimal(&bytes[..space]).ok_or_else(broken)?;
    let length = usize::try_from(length).map_err(|_too_long| broken())?;
    if length > bytes.len() || length < space + 2 || bytes[length - 1] != b'\n' {
        return Err(broken());
    }
    let record = &bytes[space + 1..length - 1];
    let equals = record.iter().position(|&byte| byte == b'=');
    let equals = equals.ok_or_else(broken)?;
    Ok(Some((
        &record[..equals],
        &record[equals + 1..],
        &bytes[length..],
    )))
}

fn non_empty(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

/// An empty value takes an earlier one back.
fn number(key: &[u8], value: &[u8]) -> Result<Option<u64>, TarError> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or_else(|| damaged(key, value))
}

pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Seconds with a fraction, as in `1350244992.023960108` or `-1.5`.
fn time(key: &[u8], value: &[u8]) -> Result<Option<FileTime>, TarError> {
    if value.is_empty() {
        return Ok(None);
    }
    parse_time(value)
        .map(Some)
        .ok_or_else(|| damaged(key, value))
}

fn parse_time(value: &[u8]) -> Option<FileTime> {
    let text = std::str::from_utf8(value).ok()?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = i64::try_from(decimal(whole.as_bytes())?).ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => FileTime {
            seconds,
            nanoseconds,
        },
        (true, 0) => FileTime {
            seconds: -seconds,
            nanoseconds,
        },
        // Nanoseconds count forwards, before 1970 too.
        (true, _) => FileTime {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

fn damaged(key: &[u8], value: &[u8]) -> TarError {
    let (key, value) = (super::printable(key), super::printable(value));
    TarError::Extension(format!("{key}={value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = key.len() + value.len() + 3;
        let mut length = body + 1;
        while length != body + length.to_string().len() {
            length = body + length.to_string().len();
        }
        [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn records_may_hold_newlines_and_equal_signs() {
        let bytes = [
            record("path", "a=b\nc".as_bytes()),
            record("mtime", b"12.5"),
            record("SCHILY.xattr.security.capability", b"\x01\n\0=\x02"),
            record("unknown", b"x"),
            record("size", b"8589934592"),
            vec![0; 7],
        ]
        .concat();
        let mut pax = PaxRecords::default();
        pax.read(&bytes).unwrap();
        assert_eq!(pax.path.unwrap(), b"a=b\nc");
        assert_eq!(pax.size, Some(8_589_934_592));
        assert_eq!(pax.modified.unwrap().nanoseconds, 500_000_000);
        assert_eq!(pax.xattrs[0].0, b"security.capability");
        assert_eq!(pax.xattrs[0].1, b"\x01\n\0=\x02");
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("0", Some((0, 0))),
            ("1.000000001", Some((1, 1))),
            ("1.1234567899", Some((1, 123_456_789))),
            ("-1.25", Some((-2, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("x", None),
            ("1.x", None),
            ("99999999999999999999", None),
        ] {
            let time = parse_time(text.as_bytes());
            assert_eq!(
                time.map(|time| (time.seconds, time.nanoseconds)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn damaged_records_are_refused() {
        for bytes in [
            &b"10"[..],
            b"x path=a\n",
            b"99 path=a\n",
            b"9 path=a\nx",
            b"3 a",
            b"2 \n",
            b"6 abc\n",
            b"11 size=-1\n",
            b"99999999999999999999999 a=b\n",
        ] {
            let result = PaxRecords::default().read(bytes);
            assert!(result.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
