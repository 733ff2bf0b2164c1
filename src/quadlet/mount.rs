// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mount=`: a flag whose source may be another unit's, in the commas and quotes of `--mount`.

use super::draft::{ConvertError, Draft};
use super::kind::Kind;

const KINDS: [Kind; 3] = [Kind::Volume, Kind::Image, Kind::Artifact];

/// The value of `--mount` for `text`.
pub(super) fn resolved(draft: &mut Draft<'_>, text: &str) -> Result<String, ConvertError> {
    let fields = fields(text).ok_or_else(|| ConvertError::Mount {
        text: text.to_owned(),
    })?;
    let kind = fields.iter().find_map(|field| field.strip_prefix("type="));
    let kind = kind.unwrap_or("volume");
    if !["volume", "bind", "glob", "image", "artifact"].contains(&kind) {
        return Ok(text.to_owned());
    }
    let mut result = vec![format!("type={kind}")];
    let mut source = None;
    for field in &fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        match key {
            "type" => {}
            "source" | "src" => {
                let value = value.ok_or(ConvertError::SourceWithoutValue)?;
                source = Some((result.len(), value.to_owned()));
                result.push(String::new());
            }
            _ => result.push(field.clone()),
        }
    }
    let (place, source) = source.ok_or(ConvertError::EmptySource)?;
    result[place] = format!("source={}", draft.source(&source, &KINDS)?);
    let fields: Vec<String> = result.iter().map(|field| quoted(field)).collect();
    Ok(fields.join(","))
}

/// The fields between commas; one in quotes may hold commas, and quotes that are doubled.
fn fields(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let Some(inner) = rest.strip_prefix('"') else {
            let end = rest.find(',').unwrap_or(rest.len());
            fields.push(rest[..end].to_owned());
            match rest.get(end + 1..) {
                Some(after) => rest = after,
                None => return Some(fields),
            }
            continue;
        };
        let (field, after) = quoted_field(inner)?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return after.is_empty().then_some(fields),
        }
    }
}

fn quoted_field(text: &str) -> Option<(String, &str)> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, after)),
        }
    }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) || field.starts_with(' ') {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive() {
        for (text, expected) in [
            ("a,b=c,", &["a", "b=c", ""][..]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
        ] {
            let fields = fields(text).unwrap();
            assert_eq!(fields, expected);
            let again: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
            assert_eq!(again.join(","), text);
        }
        assert_eq!(fields("\"a"), None);
        assert_eq!(fields("\"a\"b"), None);
    }
}
