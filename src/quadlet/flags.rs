// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys that become flags of a command, each as its line in a table says. What a table does not
//! name, the group may not hold.

use super::unit::Unit;
use super::words::{self, WordsError};

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// The last value, if it says something, after the flag and with this before it.
    Last(&'static str, &'static str),
    /// The last value and the flag as one word.
    Joined(&'static str),
    /// Each value.
    Each(&'static str),
    /// Each word of a list, with this before it.
    Words(&'static str, &'static str),
    /// Each word of a command line, with this before it.
    Arguments(&'static str, &'static str),
    /// The flag, or the flag with `=false`.
    Switch(&'static str),
    /// The flag with this value, if the key says yes.
    IfYes(&'static str, &'static str),
    /// Each `name=value`, by name.
    Pairs(&'static str),
    /// Something of its own.
    Own,
}

/// The keys of a group.
pub(super) type Keys = [(&'static str, Rule)];

/// Keys of every kind.
pub(super) const COMMON: &Keys = &[
    ("ContainersConfModule", Rule::Own),
    ("GlobalArgs", Rule::Own),
    ("PodmanArgs", Rule::Own),
    ("ServiceName", Rule::Own),
];

/// A command line under construction.
#[derive(Debug, Clone)]
pub(super) struct Command {
    words: Vec<String>,
    /// What could not be read on the way.
    pub(super) warnings: Vec<WordsError>,
}

impl Command {
    /// `program` with the global flags of `unit`, and the words of the command.
    pub(super) fn new(program: &str, unit: &Unit, group: &str, command: &[&str]) -> Self {
        let mut new = Self {
            words: vec![program.to_owned()],
            warnings: Vec::new(),
        };
        for module in unit.all(group, "ContainersConfModule") {
            new.add([format!("--module={module}")]);
        }
        new.arguments(unit, group, "GlobalArgs");
        new.add(command.iter().copied());
        new
    }

    /// Adds words.
    pub(super) fn add<S: Into<String>>(&mut self, words: impl IntoIterator<Item = S>) {
        self.words.extend(words.into_iter().map(Into::into));
    }

    /// Adds the words of a key as they are.
    pub(super) fn arguments(&mut self, unit: &Unit, group: &str, key: &str) {
        let (words, errors) = unit.arguments(group, key);
        self.add(words);
        self.warnings.extend(errors);
    }

    /// Adds what a table says of the keys of a group.
    pub(super) fn keys(&mut self, unit: &Unit, group: &str, keys: &Keys) {
        for (key, rule) in keys {
            self.key(unit, group, key, *rule);
        }
    }

    fn key(&mut self, unit: &Unit, group: &str, key: &str, rule: Rule) {
        match rule {
            Rule::Last(flag, prefix) => {
                if let Some(value) = unit.text(group, key) {
                    self.add([flag.to_owned(), format!("{prefix}{value}")]);
                }
            }
            Rule::Joined(flag) => {
                if let Some(value) = unit.last(group, key) {
                    self.add([format!("{flag}={value}")]);
                }
            }
            Rule::Each(flag) => {
                for value in unit.all(group, key) {
                    self.add([flag, value]);
                }
            }
            Rule::Words(flag, prefix) => self.each(flag, prefix, &unit.list(group, key)),
            Rule::Arguments(flag, prefix) => {
                let (words, errors) = unit.arguments(group, key);
                self.warnings.extend(errors);
                self.each(flag, prefix, &words);
            }
            Rule::Switch(flag) => match unit.boolean(group, key) {
                Some(true) => self.add([flag]),
                Some(false) => self.add([format!("{flag}=false")]),
                None => {}
            },
            Rule::IfYes(flag, value) => {
                if unit.boolean(group, key) == Some(true) {
                    self.add([flag, value]);
                }
            }
            Rule::Pairs(flag) => {
                let (pairs, errors) = unit.pairs(group, key);
                self.warnings.extend(errors);
                for (name, value) in pairs {
                    let word = value.map_or_else(|| name.clone(), |it| format!("{name}={it}"));
                    self.add([flag.to_owned(), word]);
                }
            }
            Rule::Own => {}
        }
    }

    fn each(&mut self, flag: &str, prefix: &str, words: &[String]) {
        for word in words {
            self.add([flag.to_owned(), format!("{prefix}{word}")]);
        }
    }

    /// The line of a unit file.
    pub(super) fn line(&self) -> String {
        words::join(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_flags() {
        let text =
            "[G]\nGlobalArgs=--log-level debug\nA=1\nA=2\nB=x y\nB=\\x\nC=off\nD=yes\nE=b=2 a\n";
        let unit = Unit::parse(text).unwrap();
        let keys: &Keys = &[
            ("A", Rule::Last("--last", "p=")),
            ("A", Rule::Joined("--joined")),
            ("A", Rule::Each("--each")),
            ("B", Rule::Words("--word", "")),
            ("B", Rule::Arguments("--arg", "q=")),
            ("C", Rule::Switch("--switch")),
            ("C", Rule::IfYes("--if", "no")),
            ("D", Rule::IfYes("--if", "yes")),
            ("E", Rule::Pairs("--pair")),
            ("F", Rule::Last("--none", "")),
        ];
        let mut command = Command::new("/p", &unit, "G", &["run"]);
        command.keys(&unit, "G", keys);
        let words = [
            "/p --log-level debug run --last p=2 --joined=2 --each 1 --each 2",
            "--word x --word y --word \"\\\\x\" --arg q=x --arg q=y --switch=false --if yes",
            "--pair a --pair b=2",
        ];
        assert_eq!(command.line(), words.join(" "));
        assert_eq!(command.warnings, [WordsError::Escape]);
    }
}
