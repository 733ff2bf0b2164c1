// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of images: `[domain/]path[:tag][@digest]`, by the grammar of the distribution project.
//!
//! A [`Reference`] keeps what was typed; `with_domain` and `with_default_tag` complete it. Which
//! domain a short name gets (docker.io, localhost, a configured list) is the caller's to decide.

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError};

/// The registry that short names mean in Docker's world.
pub const DOCKER_DOMAIN: &str = "docker.io";

/// The domain of images made here.
pub const LOCAL_DOMAIN: &str = "localhost";

/// The tag of a name without one.
pub const DEFAULT_TAG: &str = "latest";

const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

/// The name of an image. Without a domain it is a short name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text does not follow the grammar.
    #[error("invalid reference format: {text:?}")]
    Format {
        /// What was read.
        text: String,
    },
    /// The name holds upper-case letters.
    #[error("invalid reference format: repository name must be lowercase: {text:?}")]
    UpperCase {
        /// What was read.
        text: String,
    },
    /// The name is longer than 255 characters.
    #[error("invalid reference format: repository name must not be more than 255 characters")]
    TooLong,
    /// The text is an image id, which cannot be a name.
    #[error("invalid reference format: cannot use the 64 hexadecimal digits of an id as a name")]
    IsId,
    /// The part after `@` is no digest.
    #[error("invalid reference format")]
    Digest {
        /// Why not.
        source: DigestError,
    },
}

impl Reference {
    /// Reads a name as typed; nothing is added to it.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ReferenceError::IsId);
        }
        let (rest, digest) = split_digest(text)?;
        let (name, tag) = split_tag(rest);
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(ReferenceError::Format { text: text.into() });
        }
        let (domain, path) = split_domain(name);
        check_name(text, domain, path)?;
        Ok(Self {
            domain: domain.map(str::to_owned),
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// Reads a name and completes it as Docker does: `busybox` is
    /// `docker.io/library/busybox:latest`.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] says what is wrong with the text.
    pub fn parse_normalized(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)?.completed(DOCKER_DOMAIN)
    }

    /// Reads a name for something made here, as Podman does: `web` is `localhost/web:latest`.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] says what is wrong with the text.
    pub fn parse_local(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)?.completed(LOCAL_DOMAIN)
    }

    fn completed(self, domain: &str) -> Result<Self, ReferenceError> {
        let complete = self.with_domain(domain).with_default_tag();
        check_length(complete.domain(), complete.path())?;
        Ok(complete)
    }

    /// Whether no registry is named.
    pub fn is_short(&self) -> bool {
        self.domain.is_none()
    }

    /// The registry, with its port.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The name without domain, tag and digest.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and path, without tag and digest: what tables call the repository.
    pub fn repository(&self) -> String {
        match &self.domain {
            Some(domain) => format!("{domain}/{}", self.path),
            None => self.path.clone(),
        }
    }

    /// Puts a short name into `domain`; a complete name stays. On docker.io a path of one
    /// component means `library/…`, and `index.docker.io` is its old name.
    #[must_use]
    pub fn with_domain(mut self, domain: &str) -> Self {
        let domain = self.domain.unwrap_or_else(|| domain.to_owned());
        let domain = if domain == "index.docker.io" {
            DOCKER_DOMAIN.to_owned()
        } else {
            domain
        };
        if domain == DOCKER_DOMAIN && !self.path.contains('/') {
            self.path.insert_str(0, "library/");
        }
        self.domain = Some(domain);
        self
    }

    /// Adds `latest` if there is neither a tag nor a digest.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same name without its tag and with `digest`.
    #[must_use]
    pub fn at_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The name `repository` with this one's tag and digest.
    #[must_use]
    pub fn in_repository_of(&self, repository: &Self) -> Self {
        let normal = repository.clone().with_domain(DOCKER_DOMAIN);
        Self {
            domain: normal.domain,
            path: normal.path,
            ..self.clone()
        }
    }

    /// The same name with another tag and without a digest; `None` if the text is no tag.
    pub fn with_tag(&self, tag: &str) -> Option<Self> {
        is_tag(tag).then(|| Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same name without its digest.
    #[must_use]
    pub fn without_digest(mut self) -> Self {
        self.digest = None;
        self
    }

    /// The short form that people know: `busybox:latest` for `docker.io/library/busybox:latest`.
    pub fn familiar(&self) -> String {
        let Some(DOCKER_DOMAIN) = self.domain() else {
            return self.to_string();
        };
        let path = self.path.strip_prefix("library/").unwrap_or(&self.path);
        let familiar = Self {
            domain: None,
            path: path.to_owned(),
            ..self.clone()
        };
        familiar.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(domain) = &self.domain {
            write!(formatter, "{domain}/")?;
        }
        formatter.write_str(&self.path)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), ReferenceError> {
    let Some((rest, digest)) = text.split_once('@') else {
        return Ok((text, None));
    };
    let digest = Digest::parse(digest).map_err(|source| ReferenceError::Digest { source })?;
    Ok((rest, Some(digest)))
}

/// A colon after the last slash starts the tag; before it, it starts a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// The first component is a domain if it could not be part of a path: it has a dot, a port or an
/// upper-case letter, or it is `localhost`.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    let Some((first, rest)) = name.split_once('/') else {
        return (None, name);
    };
    let is_domain = first == LOCAL_DOMAIN
        || first.contains(['.', ':'])
        || first.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_domain {
        (Some(first), rest)
    } else {
        (None, name)
    }
}

fn check_name(text: &str, domain: Option<&str>, path: &str) -> Result<(), ReferenceError> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase { text: text.into() });
    }
    if domain.is_some_and(|domain| !is_domain(domain)) || !is_path(path) {
        return Err(ReferenceError::Format { text: text.into() });
    }
    check_length(domain, path)
}

fn check_length(domain: Option<&str>, path: &str) -> Result<(), ReferenceError> {
    let domain_length = domain.map_or(0, |domain| domain.len() + 1);
    if domain_length + path.len() > NAME_MAX {
        return Err(ReferenceError::TooLong);
    }
    Ok(())
}

fn is_domain(domain: &str) -> bool {
    if let Some(bracketed) = domain.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else {
            return false;
        };
        let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
        let port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return port && !address.is_empty() && address.bytes().all(hex);
    }
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    port.is_none_or(is_port) && host.split('.').all(is_domain_label)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_domain_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_component)
}

/// Letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !alphanumeric(first) || !alphanumeric(last) {
        return false;
    }
    bytes
        .split(|&byte| alphanumeric(byte))
        .all(|separator| match separator {
            [] | b"." | b"_" | b"__" => true,
            run => run.iter().all(|&byte| byte == b'-'),
        })
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let Some(first) = tag.bytes().next() else {
        return false;
    };
    let inner = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    word(first) && tag.len() <= TAG_MAX && tag.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_normalize_as_docker_does() {
        for (text, full, familiar) in [
            (
                "busybox",
                "docker.io/library/busybox:latest",
                "busybox:latest",
            ),
            (
                "busybox:1.2",
                "docker.io/library/busybox:1.2",
                "busybox:1.2",
            ),
            ("a/b", "docker.io/a/b:latest", "a/b:latest"),
            ("docker.io/x", "docker.io/library/x:latest", "x:latest"),
            (
                "index.docker.io/x",
                "docker.io/library/x:latest",
                "x:latest",
            ),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            (
                "localhost:5000/x",
                "localhost:5000/x:latest",
                "localhost:5000/x:latest",
            ),
            ("quay.io/a/b/c:v1", "quay.io/a/b/c:v1", "quay.io/a/b/c:v1"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("Host/a", "Host/a:latest", "Host/a:latest"),
            (
                "a__b/c--d.e_f",
                "docker.io/a__b/c--d.e_f:latest",
                "a__b/c--d.e_f:latest",
            ),
        ] {
            let reference = Reference::parse_normalized(text).unwrap();
            assert_eq!(reference.to_string(), full, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(Reference::parse(full).unwrap().to_string(), full);
        }
    }

    #[test]
    fn digests_take_the_place_of_the_tag() {
        let reference = Reference::parse_normalized(&format!("x@{DIGEST}")).unwrap();
        assert_eq!(reference.tag(), None);
        assert_eq!(
            reference.to_string(),
            format!("docker.io/library/x@{DIGEST}")
        );
        let both = Reference::parse(&format!("h:5/x:1@{DIGEST}")).unwrap();
        assert_eq!((both.domain(), both.tag()), (Some("h:5"), Some("1")));
        assert_eq!(both.without_digest().to_string(), "h:5/x:1");
    }

    #[test]
    fn local_names() {
        for (text, full) in [
            ("web", "localhost/web:latest"),
            ("web/x:1", "localhost/web/x:1"),
            ("docker.io/web", "docker.io/library/web:latest"),
        ] {
            assert_eq!(Reference::parse_local(text).unwrap().to_string(), full);
        }
    }

    #[test]
    fn what_is_added_to_a_name_counts() {
        for (added, parse) in [
            ("localhost/", Reference::parse_local as fn(&str) -> _),
            ("docker.io/library/", Reference::parse_normalized),
        ] {
            let most = "a".repeat(NAME_MAX - added.len());
            let full = parse(&most).unwrap();
            assert_eq!(Reference::parse(&full.to_string()), Ok(full));
            assert_eq!(parse(&format!("a{most}")), Err(ReferenceError::TooLong));
        }
    }

    #[test]
    fn bad_names_are_refused() {
        let long = "a/".repeat(200) + "a";
        let hex = "a".repeat(64);
        let long_tag = format!("a:{}", "t".repeat(129));
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "a:",
            ":a",
            "A",
            "a/B",
            "a b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a.",
            "é",
            "a:é",
            "a:.b",
            "a@",
            "a@sha256:12",
            "h:x/a",
            "h:/a",
            "-h.c/a",
            "[/a",
            "[::1]x/a",
            "a:b:c",
            "a@b@c",
            &long,
            &hex,
            &long_tag,
            "\0",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_parses_prints_as_it_was(text in "[a-zA-Z0-9._:/@-]{0,40}|.{0,20}") {
            if let Ok(reference) = Reference::parse(&text) {
                assert_eq!(reference.to_string(), text);
                let full = reference.with_domain(DOCKER_DOMAIN).with_default_tag();
                assert_eq!(Reference::parse_normalized(&full.to_string()).unwrap(), full);
                assert_eq!(Reference::parse_normalized(&full.familiar()).unwrap(), full);
            }
        }
    }
}
