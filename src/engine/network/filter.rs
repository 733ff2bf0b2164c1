// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on networks.

use jiff::Timestamp;
use regex_lite::Regex;

use super::listed::{DEFAULT_NETWORK, ListedNetwork};
use crate::engine::filter::groups::{Groups, Several, key_and_value};
use crate::engine::pattern::matches_label;
use crate::engine::quantity::parse_moment;

/// Understood filters.
#[derive(Debug, Default)]
pub(super) struct NetworkFilters(Groups<Test>);

#[derive(Debug)]
enum Test {
    Name(Regex),
    Driver(String),
    Id(String),
    Scope(String),
    BuiltIn(bool),
    Label(String),
    NotLabel(String),
    Dangling(bool),
    Until(Timestamp),
}

/// The keys that prune knows.
const PRUNE_KEYS: [&str; 3] = ["label", "label!", "until"];

impl NetworkFilters {
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = key_and_value(text)?;
            let test = test(key, value)?;
            let several = match test {
                Test::Label(_) | Test::NotLabel(_) => Several::All,
                _ => Several::Alternatives,
            };
            filters.0.add(key, test, several);
        }
        Ok(filters)
    }

    pub(super) fn parse_for_prune(texts: &[String]) -> Result<Self, String> {
        let parsed = Self::parse(texts)?;
        if let Some(key) = parsed.0.keys().find(|key| !PRUNE_KEYS.contains(key)) {
            return Err(unknown(key));
        }
        Ok(parsed)
    }

    pub(super) fn let_through(&self, listed: &ListedNetwork) -> bool {
        self.0.hold(|test| test.holds(listed))
    }
}

fn unknown(key: &str) -> String {
    format!("invalid filter \"{key}\"")
}

fn test(key: &str, value: &str) -> Result<Test, String> {
    Ok(match key {
        "name" => Test::Name(Regex::new(value).map_err(|error| error.to_string())?),
        "driver" => Test::Driver(value.to_owned()),
        "id" => Test::Id(value.to_owned()),
        "scope" => Test::Scope(value.to_owned()),
        "type" => match value {
            "builtin" => Test::BuiltIn(true),
            "custom" => Test::BuiltIn(false),
            _ => return Err(format!("invalid filter 'type={value}'")),
        },
        "label" => Test::Label(value.to_owned()),
        "label!" => Test::NotLabel(value.to_owned()),
        "dangling" => match value {
            "true" | "1" => Test::Dangling(true),
            "false" | "0" => Test::Dangling(false),
            _ => return Err(format!("invalid dangling filter value \"{value}\"")),
        },
        "until" => {
            let parsed = parse_moment(value, Timestamp::now());
            Test::Until(parsed.map_err(|error| error.to_string())?)
        }
        _ => return Err(unknown(key)),
    })
}

impl Test {
    fn holds(&self, listed: &ListedNetwork) -> bool {
        let record = &listed.record;
        match self {
            Self::Name(pattern) => pattern.is_match(&record.name),
            Self::Driver(driver) => listed.driver == driver,
            Self::Id(id) => record.id.starts_with(id),
            Self::Scope(scope) => scope == "local",
            Self::BuiltIn(wanted) => listed.built_in == *wanted,
            Self::Label(label) => matches_label(&record.labels, label),
            Self::NotLabel(label) => !matches_label(&record.labels, label),
            // The default one is never superfluous.
            Self::Dangling(wanted) => is_dangling(listed) == *wanted,
            Self::Until(moment) => record.created < *moment,
        }
    }
}

/// Whether nobody would miss it.
pub(super) fn is_dangling(listed: &ListedNetwork) -> bool {
    !listed.built_in && listed.record.name != DEFAULT_NETWORK && listed.users.is_empty()
}
