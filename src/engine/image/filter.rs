// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE` of commands on images: values of one key are alternatives, different keys
//! must all let an image through, and so must all labels. The words of errors are podman's.

use jiff::Timestamp;

use super::error::ImageError;
use super::filter_error::ImageFilterError;
use super::users::ImageUsers;
use crate::engine::filter::groups::{Groups, Several};
use crate::engine::pattern::{matches_label, matches_path};
use crate::engine::quantity::parse_moment;
use crate::oci::{Digest, Reference};
use crate::storage::{Images, ListedImage};

/// Understood filters.
#[derive(Debug, Default)]
pub(super) struct ImageFilters(Groups<Test>);

#[derive(Debug)]
enum Test {
    Before(Timestamp),
    Since(Timestamp),
    Dangling(bool),
    InUse(bool),
    Id(String),
    Digest(String),
    Label(String),
    NotLabel(String),
    Reference {
        pattern: String,
        exact: Option<Digest>,
    },
    NotReference {
        pattern: String,
        exact: Option<Digest>,
    },
    /// It belongs to another store.
    ReadOnly(bool),
    /// It is a list of manifests.
    List(bool),
    /// What no image here is: intermediate.
    Never(bool),
}

impl ImageFilters {
    pub(super) fn parse(images: &Images, texts: &[String]) -> Result<Self, ImageError> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = split(text)?;
            let test = test(images, &key, value)?;
            let several = match test {
                Test::Label(_) | Test::NotLabel(_) | Test::NotReference { .. } => Several::All,
                _ => Several::Alternatives,
            };
            filters.0.add(&key, test, several);
        }
        Ok(filters)
    }

    /// Adds what `images NAME` asks for.
    pub(super) fn with_name(mut self, images: &Images, name: &str) -> Self {
        let test = reference(images, name);
        self.0.add("reference", test, Several::All);
        self
    }

    /// Whether containers must be looked at.
    pub(super) fn need_users(&self) -> bool {
        let mut tests = self.0.tests();
        tests.any(|test| matches!(test, Test::InUse(_)))
    }

    pub(super) fn let_through(&self, listed: &ListedImage, users: &ImageUsers) -> bool {
        self.0.hold(|test| test.holds(listed, users))
    }
}

impl Test {
    fn holds(&self, listed: &ListedImage, users: &ImageUsers) -> bool {
        let image = &listed.image;
        match self {
            Self::Before(moment) => image.created < *moment,
            Self::Since(moment) => image.created > *moment,
            Self::Dangling(wanted) => listed.names.is_empty() == *wanted,
            Self::InUse(wanted) => users.are_there(&image.id) == *wanted,
            Self::Id(prefix) => image.id.hex().starts_with(prefix),
            Self::Digest(prefix) => {
                let mut digests = image.manifests.iter().map(ToString::to_string);
                digests.any(|digest| digest.starts_with(prefix))
            }
            Self::Label(label) => matches_label(&image.config.config.labels, label),
            Self::NotLabel(label) => !matches_label(&image.config.config.labels, label),
            Self::Reference { pattern, exact } => refers(listed, pattern, exact.as_ref()),
            Self::NotReference { pattern, exact } => !refers(listed, pattern, exact.as_ref()),
            Self::ReadOnly(wanted) => listed.is_read_only == *wanted,
            Self::List(wanted) => listed.is_list == *wanted,
            Self::Never(wanted) => !*wanted,
        }
    }
}

/// `label!=x` is the key `label!`.
fn split(text: &str) -> Result<(String, &str), ImageFilterError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| ImageFilterError::NoValue {
            filter: text.to_owned(),
        })?;
    Ok((key.to_owned(), value))
}

fn test(images: &Images, key: &str, value: &str) -> Result<Test, ImageFilterError> {
    Ok(match key {
        "before" => Test::Before(created(images, key, value)?),
        "since" | "after" => Test::Since(created(images, key, value)?),
        "until" => Test::Before(parse_moment(value, Timestamp::now())?),
        "dangling" => Test::Dangling(boolean(key, value)?),
        // What other programs keep in their stores is not in ours.
        "containers" if value == "external" => Test::Never(true),
        "containers" => Test::InUse(boolean(key, value)?),
        "intermediate" => Test::Never(boolean(key, value)?),
        "readonly" => Test::ReadOnly(boolean(key, value)?),
        "manifest" => Test::List(boolean(key, value)?),
        "id" => Test::Id(value.trim_start_matches("sha256:").to_owned()),
        "digest" => Test::Digest(value.to_owned()),
        "label" => Test::Label(value.to_owned()),
        "label!" => Test::NotLabel(value.to_owned()),
        "reference" => reference(images, value),
        "reference!" => match reference(images, value) {
            Test::Reference { pattern, exact } => Test::NotReference { pattern, exact },
            other => other,
        },
        _ => {
            let key = key.to_owned();
            return Err(ImageFilterError::UnknownKey { key });
        }
    })
}

fn reference(images: &Images, text: &str) -> Test {
    Test::Reference {
        pattern: text.to_owned(),
        exact: images.find(text).ok().map(|(id, _)| id),
    }
}

fn created(images: &Images, key: &str, value: &str) -> Result<Timestamp, ImageFilterError> {
    match images.resolve(value) {
        Ok(image) => Ok(image.created),
        Err(source) => Err(ImageFilterError::NoImage {
            key: key.to_owned(),
            value: value.to_owned(),
            source: Box::new(source),
        }),
    }
}

fn boolean(key: &str, value: &str) -> Result<bool, ImageFilterError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ImageFilterError::NoBool {
            key: key.to_owned(),
            value: value.to_owned(),
        }),
    }
}

/// Whether an image is what `pattern` means: found by it, or one of its names matches, with or
/// without registry, path and tag.
fn refers(listed: &ListedImage, pattern: &str, exact: Option<&Digest>) -> bool {
    exact == Some(&listed.image.id) || listed.names.iter().any(|name| name_matches(name, pattern))
}

/// Whether one name of an image matches a pattern.
pub(super) fn name_matches(name: &str, pattern: &str) -> bool {
    let Ok(reference) = Reference::parse(name) else {
        return false;
    };
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let repository = reference.repository();
    let tag = &name[repository.len()..];
    let candidates = [
        name.to_owned(),
        reference.path().to_owned(),
        last(name),
        format!("{}{tag}", reference.path()),
        last(&repository),
        repository,
    ];
    candidates
        .iter()
        .any(|candidate| matches_path(pattern, candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_or_in_parts() {
        let name = "quay.io/libpod/alpine:3.1";
        for (pattern, expected) in [
            ("quay.io/libpod/alpine:3.1", true),
            ("quay.io/libpod/alpine", true),
            ("libpod/alpine", true),
            ("alpine:3.1", true),
            ("alpine", true),
            ("alp*", true),
            ("*/alpine", true),
            ("*pod/alp?ne:3*", true),
            ("quay.io/*/alpine", true),
            ("quay.io/*", false),
            ("alpine:3", false),
            ("pine", false),
        ] {
            assert_eq!(name_matches(name, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn filters_are_understood_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let dirs =
            crate::state::dirs::Dirs::new(directory.path().to_owned(), directory.path().to_owned());
        let images = Images::open(&dirs);
        let parse = |text: &str| {
            ImageFilters::parse(&images, &[text.to_owned()])
                .map(drop)
                .map_err(|error| error.to_string())
        };
        for good in [
            "dangling=true",
            "label=a=b",
            "label!=x",
            "until=1h",
            "reference=a*",
        ] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
        for (bad, words) in [
            ("bad=1", "unsupported image filter \"bad\""),
            (
                "dangling",
                "invalid image filter \"dangling\": must be in the format",
            ),
            (
                "dangling=maybe",
                "non-boolean value \"maybe\" for dangling filter",
            ),
            ("before=nope", "filter filter \"before\"=\"nope\""),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
