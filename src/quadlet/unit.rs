// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A unit file as it is on disk, with the comments that explain it: read, looked up, changed and
//! written again. Groups of one name are one.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use super::words::{self, Escapes, WordsError};

/// A unit file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its file's name.
    pub name: String,
    /// Where it was read; empty for one that was not.
    pub path: PathBuf,
    groups: Vec<Group>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    /// Empty for the comments of a file without any group.
    name: String,
    /// Those before its name.
    comments: Vec<String>,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Comment(String),
    Entry { key: String, value: String },
}

impl Line {
    fn entry(key: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        let key = key.to_owned();
        Self::Entry { key, value }
    }

    fn value_of(&self, wanted: &str) -> Option<&str> {
        match self {
            Self::Entry { key, value } if key == wanted => Some(value),
            Self::Entry { .. } | Self::Comment(_) => None,
        }
    }
}

/// A file that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Neither of the three.
    #[error("line {number}: {text:?} is not a key-value pair, group, or comment")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What it says.
        text: String,
    },
    /// An entry before the first group.
    #[error("line {number}: the file does not start with a group")]
    NoGroup {
        /// Counted from 1.
        number: usize,
    },
    /// A name that no group can have.
    #[error("line {number}: invalid group name: {name}")]
    GroupName {
        /// Counted from 1.
        number: usize,
        /// The name.
        name: String,
    },
}

impl Unit {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// See [`UnitError`].
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let mut unit = Self::default();
        let mut comments: Vec<String> = Vec::new();
        let mut continued = String::new();
        let mut at = None;
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                if continued.is_empty() {
                    comments.push(line.to_owned());
                }
                continue;
            }
            let open = line.strip_suffix('\\');
            if let (Some(part), Some(_)) = (open, lines.peek()) {
                continued.push_str(part);
                continue;
            }
            let line = std::mem::take(&mut continued) + open.unwrap_or(line);
            let number = index + 1;
            match statement(&line, number)? {
                Statement::Group(name) => {
                    let place = unit.place(name);
                    // Groups are written with an empty line between them.
                    let skipped = usize::from(comments.first().is_some_and(String::is_empty));
                    let group = &mut unit.groups[place];
                    group.comments.extend(comments.drain(..).skip(skipped));
                    at = Some(place);
                }
                Statement::Entry(key, value) => {
                    let place = at.ok_or(UnitError::NoGroup { number })?;
                    let lines = &mut unit.groups[place].lines;
                    lines.extend(comments.drain(..).map(Line::Comment));
                    lines.push(Line::entry(key, value));
                }
            }
        }
        let place = at.unwrap_or_else(|| unit.place(""));
        let last = &mut unit.groups[place];
        last.lines.extend(comments.into_iter().map(Line::Comment));
        Ok(unit)
    }

    /// The same with another name and place.
    #[must_use]
    pub fn called(self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            groups: self.groups,
        }
    }

    fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    fn place(&mut self, name: &str) -> usize {
        let found = self.groups.iter().position(|group| group.name == name);
        found.unwrap_or_else(|| {
            self.groups.push(Group {
                name: name.to_owned(),
                ..Group::default()
            });
            self.groups.len() - 1
        })
    }

    fn group_mut(&mut self, name: &str) -> &mut Group {
        let place = self.place(name);
        &mut self.groups[place]
    }

    fn values<'a, 'k>(
        &'a self,
        group: &str,
        key: &'k str,
    ) -> impl DoubleEndedIterator<Item = &'a str> + use<'a, 'k> {
        let lines = self.group(group).into_iter().flat_map(|group| &group.lines);
        lines.filter_map(move |line| line.value_of(key))
    }

    /// Whether there is a line for `key`, be it an empty one.
    pub fn has(&self, group: &str, key: &str) -> bool {
        self.values(group, key).next().is_some()
    }

    /// The keys of a group.
    pub fn keys<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let lines = self.group(group).into_iter().flat_map(|group| &group.lines);
        lines.filter_map(|line| match line {
            Line::Entry { key, .. } => Some(key.as_str()),
            Line::Comment(_) => None,
        })
    }

    /// The last value of `key`, without the quotes around all of it.
    pub fn last(&self, group: &str, key: &str) -> Option<&str> {
        let value = self.values(group, key).next_back()?.trim_end();
        let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        Some(inner.unwrap_or(value))
    }

    /// [`Self::last`], where it says something.
    pub fn text(&self, group: &str, key: &str) -> Option<&str> {
        self.last(group, key).filter(|value| !value.is_empty())
    }

    /// The last value as a boolean; what is no word for yes is no.
    pub fn boolean(&self, group: &str, key: &str) -> Option<bool> {
        let value = self.last(group, key)?;
        let yes = ["1", "yes", "true", "on"];
        Some(yes.iter().any(|word| word.eq_ignore_ascii_case(value)))
    }

    /// The values since the last empty one.
    pub fn all(&self, group: &str, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for value in self.values(group, key) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push(value);
            }
        }
        values
    }

    /// The words of all values, as systemd reads lists; a value that is no list is left out.
    pub fn list(&self, group: &str, key: &str) -> Vec<String> {
        let values = self.all(group, key).into_iter();
        values
            .flat_map(|value| words::split(value, Escapes::Literal).unwrap_or_default())
            .collect()
    }

    /// The words of all values, as on a command line; and what could not be read.
    pub fn arguments(&self, group: &str, key: &str) -> (Vec<String>, Vec<WordsError>) {
        let (mut arguments, mut errors) = (Vec::new(), Vec::new());
        for value in self.all(group, key) {
            match words::split(value, Escapes::Decoded) {
                Ok(words) => arguments.extend(words),
                Err(error) => errors.push(error),
            }
        }
        (arguments, errors)
    }

    /// The words of the last value, as on a command line; `None` without one.
    ///
    /// # Errors
    ///
    /// See [`WordsError`].
    pub fn command(&self, group: &str, key: &str) -> Result<Option<Vec<String>>, WordsError> {
        let value = self.values(group, key).next_back();
        value
            .map(|value| words::split(value, Escapes::Decoded))
            .transpose()
    }

    /// All `name=value` words, by name, the last of a name; and what could not be read.
    pub fn pairs(
        &self,
        group: &str,
        key: &str,
    ) -> (BTreeMap<String, Option<String>>, Vec<WordsError>) {
        let (words, errors) = self.arguments(group, key);
        let pair = |word: String| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        (words.into_iter().map(pair).collect(), errors)
    }

    /// Adds a line to a group.
    pub fn add(&mut self, group: &str, key: &str, value: impl Into<String>) {
        self.group_mut(group).lines.push(Line::entry(key, value));
    }

    /// Adds a line before those that the group has.
    pub fn prepend(&mut self, group: &str, key: &str, value: impl Into<String>) {
        let line = Line::entry(key, value);
        self.group_mut(group).lines.insert(0, line);
    }

    /// Changes the last line of `key`, or adds one.
    pub fn set(&mut self, group: &str, key: &str, value: &str) {
        let lines = &mut self.group_mut(group).lines;
        let found = lines.iter_mut().rev().find(|l| l.value_of(key).is_some());
        match found {
            Some(line) => *line = Line::entry(key, value),
            None => lines.push(Line::entry(key, value)),
        }
    }

    /// [`Self::set`], where nothing is said yet.
    pub fn set_default(&mut self, group: &str, key: &str, value: &str) {
        if !self.has(group, key) {
            self.add(group, key, value);
        }
    }

    /// Removes every line of `key`.
    pub fn remove(&mut self, group: &str, key: &str) {
        let lines = &mut self.group_mut(group).lines;
        lines.retain(|line| line.value_of(key).is_none());
    }

    /// Gives a group another name; one that has it already takes its lines.
    pub fn rename_group(&mut self, from: &str, to: &str) {
        let Some(place) = self.groups.iter().position(|group| group.name == from) else {
            return;
        };
        if self.group(to).is_none() {
            to.clone_into(&mut self.groups[place].name);
        } else {
            let group = self.groups.remove(place);
            self.group_mut(to).take(group);
        }
    }

    /// Takes the lines of a drop-in.
    pub fn merge(&mut self, other: Self) {
        for group in other.groups {
            self.group_mut(&group.name.clone()).take(group);
        }
    }
}

impl Group {
    fn take(&mut self, other: Self) {
        self.comments.extend(other.comments);
        self.lines.extend(other.lines);
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (index, group) in self.groups.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            for comment in &group.comments {
                writeln!(text, "{comment}")?;
            }
            if !group.name.is_empty() {
                writeln!(text, "[{}]", group.name)?;
            }
            for line in &group.lines {
                match line {
                    Line::Comment(comment) => writeln!(text, "{comment}")?,
                    Line::Entry { key, value } => writeln!(text, "{key}={value}")?,
                }
            }
        }
        f.write_str(&text)
    }
}

enum Statement<'a> {
    Group(&'a str),
    Entry(&'a str, &'a str),
}

fn statement(line: &str, number: usize) -> Result<Statement<'_>, UnitError> {
    if let Some((name, "")) = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(name, rest)| (name, rest.trim()))
    {
        if name.is_empty() || name.contains(|c: char| c == '[' || c.is_control()) {
            let name = name.to_owned();
            return Err(UnitError::GroupName { number, name });
        }
        return Ok(Statement::Group(name));
    }
    match line.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok(Statement::Entry(key.trim_end(), value.trim_start()))
        }
        Some(_) | None => Err(UnitError::Line {
            number,
            text: line.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# about\n\n[A]\n; first\nx = 1 \nlong=one \\\n# not this\n\n  two\nx=\nx=\"2 3\"\n\n[B]\ny=a=b 'c d' e\\x20f\n[A]\nflag=On\n";

    #[test]
    fn values_are_found() {
        let unit = Unit::parse(TEXT).unwrap();
        assert_eq!(unit.last("A", "x"), Some("2 3"));
        assert_eq!(unit.all("A", "x"), ["\"2 3\""]);
        assert_eq!(unit.last("A", "long"), Some("one two"));
        assert_eq!(unit.boolean("A", "flag"), Some(true));
        assert_eq!(unit.boolean("A", "long"), Some(false));
        assert_eq!(unit.boolean("B", "flag"), None);
        let words = ["a=b", "c d", "e f"].map(str::to_owned).to_vec();
        assert_eq!(unit.arguments("B", "y"), (words, Vec::new()));
        assert_eq!(unit.list("B", "y"), ["a=b", "c d", "e\\x20f"]);
        let (pairs, errors) = unit.pairs("B", "y");
        assert!(errors.is_empty());
        assert_eq!(pairs["a"], Some("b".to_owned()));
        assert_eq!(pairs["c d"], None);
        assert!(unit.keys("A").eq(["x", "long", "x", "x", "flag"]));
    }

    #[test]
    fn a_file_is_written_as_it_was() {
        let text = "# one\n\n# two\n[A]\nx=1\n\n# three\ny=\n\n[B]\nz=2\n";
        assert_eq!(Unit::parse(text).unwrap().to_string(), text);
        assert_eq!(Unit::parse("# only\n").unwrap().to_string(), "# only\n");
    }

    #[test]
    fn lines_are_changed() {
        let mut unit = Unit::parse("[A]\nx=1\nx=2\n[X-A]\nz=0\n").unwrap();
        unit.set("A", "x", "3");
        unit.set_default("A", "x", "4");
        unit.prepend("A", "w", "0");
        unit.add("C", "v", "5");
        unit.rename_group("A", "X-A");
        unit.rename_group("C", "D");
        assert_eq!(unit.to_string(), "[X-A]\nz=0\nw=0\nx=1\nx=3\n\n[D]\nv=5\n");
        unit.remove("X-A", "x");
        unit.merge(Unit::parse("[D]\nv=6").unwrap());
        assert_eq!(unit.to_string(), "[X-A]\nz=0\nw=0\n\n[D]\nv=5\nv=6\n");
    }

    #[test]
    fn what_is_no_unit_is_refused() {
        for (text, message) in [
            ("x=1", "line 1: the file does not start with a group"),
            (
                "[A]\nhello",
                "line 2: \"hello\" is not a key-value pair, group, or comment",
            ),
            ("[]\n", "line 1: invalid group name: "),
            (
                "[A]\n=1",
                "line 2: \"=1\" is not a key-value pair, group, or comment",
            ),
        ] {
            assert_eq!(Unit::parse(text).unwrap_err().to_string(), message);
        }
    }
}
