// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a file is, told by its first bytes as Go's `http.DetectContentType` does, and by its name as
//! `mime.TypeByExtension` does: the two say what an artifact's blobs are where nobody else does.

/// As many bytes as are looked at.
pub(super) const LOOKED_AT: usize = 512;

/// What nobody knows.
const UNKNOWN: &str = "application/octet-stream";

/// Words that HTML begins with.
const HTML: &[&str] = &[
    "<!DOCTYPE HTML",
    "<HTML",
    "<HEAD",
    "<SCRIPT",
    "<IFRAME",
    "<H1",
    "<DIV",
    "<FONT",
    "<TABLE",
    "<A",
    "<STYLE",
    "<TITLE",
    "<B",
    "<BODY",
    "<BR",
    "<P",
    "<!--",
];

/// Beginnings of files, `.` in the mask's place for any byte.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xEF\xBB\xBF", "text/plain; charset=utf-8"),
    (b"\xFE\xFF", "text/plain; charset=utf-16be"),
    (b"\xFF\xFE", "text/plain; charset=utf-16le"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\x0D\x0A\x1A\x0A", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1A\x45\xDF\xA3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1F\x8B\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1A\x07\x00", "application/x-rar-compressed"),
    (b"Rar!\x1A\x07\x01\x00", "application/x-rar-compressed"),
    (b"\x00asm", "application/wasm"),
];

/// Containers of several formats: the word at the beginning, the one at the ninth byte.
const CHUNKS: &[(&[u8], &[u8], &str)] = &[
    (b"RIFF", b"WEBPVP", "image/webp"),
    (b"FORM", b"AIFF", "audio/aiff"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"RIFF", b"WAVE", "audio/wave"),
];

/// Types by the ends of names.
const EXTENSIONS: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("css", "text/css"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("mjs", "text/javascript"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("xml", "text/xml"),
];

/// What a file that begins with `bytes` is.
pub(super) fn by_content(bytes: &[u8]) -> &'static str {
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    let space = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ');
    let first = bytes.iter().position(|byte| !space(byte));
    let text = &bytes[first.unwrap_or(bytes.len())..];
    if HTML.iter().any(|tag| begins_with_tag(text, tag)) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    let known = BEGINNINGS
        .iter()
        .find(|(begin, _)| bytes.starts_with(begin));
    if let Some((_, kind)) = known {
        return kind;
    }
    let chunk = CHUNKS.iter().find(|(begin, word, _)| {
        bytes.starts_with(begin) && bytes.get(8..).is_some_and(|rest| rest.starts_with(word))
    });
    if let Some((_, _, kind)) = chunk {
        return kind;
    }
    if is_mp4(bytes) {
        return "video/mp4";
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if text.iter().any(is_binary) {
        return UNKNOWN;
    }
    "text/plain; charset=utf-8"
}

/// What a file of this name is; without parameters, as is what [`without_parameters`] gives.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    let known = EXTENSIONS.iter().find(|(known, _)| *known == extension);
    known.map(|(_, kind)| *kind)
}

/// `text/plain` for `text/plain; charset=utf-8`.
pub(super) fn without_parameters(kind: &str) -> &str {
    kind.split(';').next().unwrap_or(kind).trim_end()
}

/// A tag ends with a space or its bracket.
fn begins_with_tag(text: &[u8], tag: &str) -> bool {
    let Some((begin, rest)) = text.split_at_checked(tag.len()) else {
        return false;
    };
    begin.eq_ignore_ascii_case(tag.as_bytes()) && matches!(rest.first(), Some(b' ' | b'>'))
}

/// A box `ftyp` with a brand that begins with `mp4`.
fn is_mp4(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length % 4 != 0 || bytes.len() < length || length < 12 || !rest.starts_with(b"ftyp") {
        return false;
    }
    // The second word is a version.
    let words = bytes[8..length].chunks(4).enumerate();
    words
        .into_iter()
        .any(|(at, brand)| at != 1 && brand.starts_with(b"mp4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "text/plain; charset=utf-8"),
            (b"oh yeah\n", "text/plain; charset=utf-8"),
            ("schön".as_bytes(), "text/plain; charset=utf-8"),
            (b"\x00\x00\x00\x00", "application/octet-stream"),
            (b" \n<!doctype html>", "text/html; charset=utf-8"),
            (b"<bodyless>", "text/plain; charset=utf-8"),
            (b"\n<?xml version=", "text/xml; charset=utf-8"),
            (b"\x1f\x8b\x08\x00", "application/x-gzip"),
            (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wave"),
            (b"\x00\x00\x00\x10ftypmp42\x00\x00\x00\x00", "video/mp4"),
            (
                b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00",
                "application/octet-stream",
            ),
            (b"\x00asm\x01", "application/wasm"),
            (b"text\x00", "application/octet-stream"),
        ];
        for (bytes, kind) in cases {
            assert_eq!(by_content(bytes), *kind, "{bytes:?}");
        }
    }

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(by_name("listed.TXT"), Some("text/plain"));
        assert_eq!(by_name("a.tar"), None);
        assert_eq!(by_name("zeroes"), None);
        assert_eq!(
            without_parameters("text/plain; charset=utf-8"),
            "text/plain"
        );
    }
}
