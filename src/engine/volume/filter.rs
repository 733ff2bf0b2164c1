// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on volumes.

use jiff::Timestamp;
use regex_lite::Regex;

use super::error::VolumeFailure;
use super::listed::ListedVolume;
use crate::engine::filter::groups::{Groups, Several, key_and_value};
use crate::engine::pattern::matches_label;
use crate::engine::quantity::parse_moment;
use crate::state::volumes::Volumes;

/// Understood filters.
#[derive(Debug, Default)]
pub(super) struct VolumeFilters(Groups<Test>);

#[derive(Debug)]
enum Test {
    Name(Regex),
    Driver(String),
    Scope(String),
    Label(String),
    NotLabel(String),
    Option(String, String),
    Dangling(bool),
    Anonymous(bool),
    Until(Timestamp),
    After(Timestamp),
    /// `all` of docker's prune: a scope, no test.
    Always,
}

impl VolumeFilters {
    pub(super) fn parse(volumes: &Volumes, texts: &[String]) -> Result<Self, VolumeFailure> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = key_and_value(text).map_err(VolumeFailure::Filter)?;
            let test = test(volumes, key, value)?;
            let several = match test {
                Test::Label(_) | Test::NotLabel(_) => Several::All,
                _ => Several::Alternatives,
            };
            filters.0.add(key, test, several);
        }
        Ok(filters)
    }

    /// Whether a test is about those who use a volume.
    pub(super) fn ask_for_users(&self) -> bool {
        let is_about_users = |test: &Test| matches!(test, Test::Dangling(_));
        self.0.tests().any(is_about_users)
    }

    pub(super) fn let_through(&self, listed: &ListedVolume) -> bool {
        self.0.hold(|test| test.holds(listed))
    }
}

fn test(volumes: &Volumes, key: &str, value: &str) -> Result<Test, VolumeFailure> {
    let refuse = |words: String| VolumeFailure::Filter(words);
    let truth = || match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(refuse(format!(
            "{value:?} is not a valid value for the {key:?} filter - must be true or false"
        ))),
    };
    let moment = || {
        let parsed = parse_moment(value, Timestamp::now());
        parsed.map_err(|error| refuse(error.to_string()))
    };
    Ok(match key {
        "name" => Test::Name(Regex::new(value).map_err(|error| refuse(error.to_string()))?),
        "driver" => Test::Driver(value.to_owned()),
        "scope" => Test::Scope(value.to_owned()),
        "label" => Test::Label(value.to_owned()),
        "label!" => Test::NotLabel(value.to_owned()),
        "opt" => {
            let (option, wanted) = value.split_once('=').unwrap_or((value, ""));
            Test::Option(option.to_owned(), wanted.to_owned())
        }
        "dangling" => Test::Dangling(truth()?),
        "anonymous" => Test::Anonymous(truth()?),
        "until" => Test::Until(moment()?),
        "after" | "since" => Test::After(volumes.load(&volumes.resolve(value)?)?.created),
        "all" => Test::Always,
        _ => return Err(refuse(format!("{key:?} is an invalid volume filter"))),
    })
}

impl Test {
    fn holds(&self, listed: &ListedVolume) -> bool {
        let record = &listed.record;
        match self {
            Self::Name(pattern) => pattern.is_match(&record.name),
            Self::Driver(driver) => driver == "local",
            Self::Scope(scope) => scope == "local",
            Self::Label(label) => matches_label(&record.labels, label),
            Self::NotLabel(label) => !matches_label(&record.labels, label),
            Self::Option(key, wanted) => record
                .options
                .get(key)
                .is_some_and(|value| wanted.is_empty() || value == wanted),
            Self::Dangling(wanted) => listed.users.is_empty() == *wanted,
            Self::Anonymous(wanted) => record.anonymous == *wanted,
            Self::Until(moment) => record.created < *moment,
            Self::After(moment) => record.created > *moment,
            Self::Always => true,
        }
    }
}
