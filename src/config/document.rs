// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One TOML file, and typed reading of its sections into values that earlier files may have set.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{ConfigError, Ignored};
use crate::sys::Called;
use crate::sys::account::Environment;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    table: Table,
}

/// What a missing file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing: it was only looked for.
    IsFine,
    /// The user named it.
    IsAnError,
}

impl Document {
    /// Reads `path`; `None` where there is no such file.
    pub(super) fn read(path: &Path, missing: Missing) -> Result<Option<Self>, ConfigError> {
        let Some(text) = read_text(path, missing)? else {
            return Ok(None);
        };
        match text.parse::<Table>() {
            Ok(table) => Ok(Some(Self {
                path: path.to_owned(),
                table,
            })),
            Err(error) => Err(syntax_error(path, &text, &error)),
        }
    }

    /// The section `[name]` or `[name.below]`; values at the top with `""`.
    pub(super) fn section<'a>(
        &'a self,
        name: &'static str,
        ignored: &'a mut Vec<Ignored>,
    ) -> Section<'a> {
        let table = if name.is_empty() {
            Some(&self.table)
        } else {
            let mut names = name.split('.');
            names.try_fold(&self.table, |table, name| table.get(name)?.as_table())
        };
        Section {
            path: &self.path,
            name,
            table,
            ignored,
        }
    }
}

/// Reads the whole of `path` as a `T`; `None` where there is no such file, or nothing in it. A
/// value of another type than `T` has is an error here, as it is for Podman's registries.conf.
pub(super) fn read_as<T: DeserializeOwned>(
    path: &Path,
    missing: Missing,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = read_text(path, missing)? else {
        return Ok(None);
    };
    toml::from_str(&text)
        .map(Some)
        .map_err(|error| syntax_error(path, &text, &error))
}

/// The text of a file without its comments; `None` where there is no such file, or nothing in it.
fn read_text(path: &Path, missing: Missing) -> Result<Option<String>, ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if missing == Missing::IsFine && is_absent(&error) => return Ok(None),
        Err(error) => {
            return Err(error)
                .called(|| format!("open({})", path.display()))
                .map_err(|source| ConfigError::Unreadable {
                    path: path.to_owned(),
                    source,
                });
        }
    };
    // The file that distributions ship explains every key and sets none: parsing it would cost
    // each command a quarter of a millisecond.
    if sets_nothing(&text) {
        return Ok(None);
    }
    Ok(Some(without_comments(text)))
}

/// Whether a file holds comments and headers of sections alone.
fn sets_nothing(text: &str) -> bool {
    let is_header = |line: &[u8]| {
        let name = line
            .strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"));
        name.is_some_and(|name| {
            name.iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
        })
    };
    lines_of(text.as_bytes()).all(|line| {
        let line = line.trim_ascii();
        line.is_empty() || line.starts_with(b"#") || is_header(line)
    })
}

/// Distributions ship files of seven hundred lines in which thirty are no comment: leaving those
/// out first makes parsing them ten times quicker. Lines keep their numbers.
fn without_comments(text: String) -> String {
    let bytes = text.as_bytes();
    // In a text of several lines anything may look like a comment.
    if text.contains("\"\"\"") || text.contains("'''") {
        return text;
    }
    let mut kept = Vec::with_capacity(bytes.len() / 4);
    for line in lines_of(bytes) {
        if !line.trim_ascii_start().starts_with(b"#") {
            kept.extend_from_slice(line);
        }
        kept.push(b'\n');
    }
    String::from_utf8(kept).unwrap_or(text)
}

/// The lines of a file, as bytes: most of a usual one is 25 kB of comments, which every command
/// goes through. By the C library, eight bytes at a time: what searches faster asks the processor
/// first what it can, and each of a dozen questions ends in the hypervisor of a virtual machine
/// (0.025 ms more in all there).
pub(super) fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let before = rest;
        let length = rest.skip_until(b'\n').ok().filter(|length| *length > 0)?;
        let line = &before[..length];
        Some(line.strip_suffix(b"\n").unwrap_or(line))
    })
}

/// The `*.conf` files of a directory in the order of their names.
pub(super) fn drop_ins(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .collect();
    paths.sort();
    paths
}

/// An empty variable is as good as none; `/dev/null` is a file like any other.
pub(super) fn variable(env: Environment<'_>, name: &str) -> Option<PathBuf> {
    env(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// ENOTDIR: /etc/containers may be a file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    ConfigError::Syntax {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        reason: error.message().to_owned(),
    }
}

/// One section of a file. Each reader sets its target where the key is there and has the type,
/// and leaves it as an earlier file set it otherwise.
#[derive(Debug)]
pub(super) struct Section<'a> {
    path: &'a Path,
    name: &'static str,
    table: Option<&'a Table>,
    ignored: &'a mut Vec<Ignored>,
}

impl Section<'_> {
    pub(super) fn text(&mut self, key: &str, target: &mut Option<String>) {
        if let Some(value) = self.typed(key, "a string", Value::as_str) {
            *target = Some(value.to_owned());
        }
    }

    pub(super) fn flag(&mut self, key: &str, target: &mut Option<bool>) {
        if let Some(value) = self.typed(key, "true or false", Value::as_bool) {
            *target = Some(value);
        }
    }

    pub(super) fn number(&mut self, key: &str, target: &mut Option<i64>) {
        if let Some(value) = self.typed(key, "a number", Value::as_integer) {
            *target = Some(value);
        }
    }

    /// A size, as a number of bytes or with a unit.
    pub(super) fn size(&mut self, key: &str, target: &mut Option<String>) {
        let read = |value: &Value| match value {
            Value::Integer(bytes) => Some(bytes.to_string()),
            value => value.as_str().map(str::to_owned),
        };
        if let Some(size) = self.typed(key, "a size", read) {
            *target = Some(size);
        }
    }

    /// A list of strings replaces that of an earlier file, unless `{append=true}` stands in it.
    pub(super) fn texts(&mut self, key: &str, target: &mut Option<Vec<String>>) {
        let Some((texts, addition)) = self.typed(key, "a list of strings", as_texts) else {
            return;
        };
        match (addition, &mut *target) {
            (Addition::Append, Some(earlier)) => earlier.extend(texts),
            (Addition::Append | Addition::Replace, _) => *target = Some(texts),
        }
    }

    /// Tables with a base and a size each.
    pub(super) fn pools(&mut self, key: &str, target: &mut Option<Vec<(String, u8)>>) {
        let pool = |value: &Value| {
            let base = value.get("base")?.as_str()?;
            let size = value.get("size")?.as_integer()?;
            Some((base.to_owned(), u8::try_from(size).ok()?))
        };
        let read = |value: &Value| value.as_array()?.iter().map(pool).collect();
        if let Some(pools) = self.typed(key, "a list of tables with base and size", read) {
            *target = Some(pools);
        }
    }

    /// The keys of a table, added to those of earlier files.
    pub(super) fn keys(&mut self, key: &str, target: &mut Vec<String>) {
        if let Some(table) = self.typed(key, "a table", Value::as_table) {
            let new = table.keys().filter(|name| !target.contains(name));
            let new: Vec<String> = new.cloned().collect();
            target.extend(new);
        }
    }

    /// The value of `key` by `read`; a value that `read` cannot take is noted as ignored.
    fn typed<'a, T>(
        &'a mut self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.table?.get(key)?;
        let typed = read(value);
        if typed.is_none() {
            let name = self.name;
            self.ignored.push(Ignored {
                path: self.path.to_owned(),
                key: [name, key].join(if name.is_empty() { "" } else { "." }),
                expected,
                found: words_for(value),
            });
        }
        typed
    }
}

#[derive(Debug, Clone, Copy)]
enum Addition {
    Replace,
    Append,
}

fn as_texts(value: &Value) -> Option<(Vec<String>, Addition)> {
    let mut texts = Vec::new();
    let mut addition = Addition::Replace;
    for item in value.as_array()? {
        match item {
            Value::String(text) => texts.push(text.clone()),
            Value::Table(attributes) => {
                if attributes.get("append")?.as_bool()? {
                    addition = Addition::Append;
                }
            }
            _ => return None,
        }
    }
    Some((texts, addition))
}

fn words_for(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list like this",
        Value::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_left_out_and_lines_keep_their_numbers() {
        let text = "# a\n  # b\nkey = 1 # c\n#d";
        assert_eq!(without_comments(text.to_owned()), "\n\nkey = 1 # c\n\n");
        let long = "key = \"\"\"\n# no comment\n\"\"\"\n";
        assert_eq!(without_comments(long.to_owned()), long);
    }
}
