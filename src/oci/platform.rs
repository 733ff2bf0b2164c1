// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The platform of an image or of this host, in Go's words: `linux/amd64`, `linux/arm64/v8`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Operating system, architecture and variant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// `amd64`, `arm64`…
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// `v7`, `v8`…; empty where the architecture has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// The platform that this program runs on.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", "v8"),
            "arm" => ("arm", "v7"),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", ""),
            "powerpc64" => ("ppc64", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// The variants whose programs run here, the best first; no variant is the plainest.
    pub(super) fn runnable_variants(&self) -> Vec<&str> {
        let known: &[&str] = match self.architecture.as_str() {
            "arm" => &["v8", "v7", "v6", "v5"],
            "arm64" => &["v9", "v8"],
            "amd64" => &["v4", "v3", "v2", "v1"],
            _ => &[],
        };
        let own = self.variant.as_str();
        let mut variants = match (known.iter().position(|known| *known == own), own) {
            (Some(at), _) => known[at..].to_vec(),
            // Every arm64 machine is a v8.
            (None, "") if self.architecture == "arm64" => vec!["", "v8"],
            (None, "") if self.architecture == "amd64" => vec!["", "v1"],
            (None, "") => [&[""], known].concat(),
            (None, own) => vec![own],
        };
        if !variants.contains(&"") {
            variants.push("");
        }
        variants
    }

    /// What of an image is not as this asks: its platform in words. An image that does not say it
    /// is of any.
    pub fn misfit(&self, os: &str, architecture: &str) -> Option<String> {
        if os.is_empty() || architecture.is_empty() {
            return None;
        }
        let (normal, _) = normalize_architecture(architecture);
        let fits = self.os == os && self.architecture == normal;
        (!fits).then(|| format!("{os}/{normal}"))
    }

    /// Reads `OS[/ARCH[/VARIANT]]`; what is not named is the host's, and the machine's own names
    /// of architectures (`x86_64`, `aarch64`) become Go's. `None` if a part is empty or left over.
    pub fn parse(text: &str) -> Option<Self> {
        let host = Self::host();
        let mut parts = text.split('/');
        let os = parts.next()?.to_lowercase();
        let architecture = parts.next();
        let variant = parts.next();
        if os.is_empty()
            || architecture.is_some_and(str::is_empty)
            || variant.is_some_and(str::is_empty)
            || parts.next().is_some()
        {
            return None;
        }
        let Some(architecture) = architecture else {
            return Some(Self { os, ..host });
        };
        let (architecture, implied) = normalize_architecture(architecture);
        let variant = variant.map_or(implied, str::to_owned);
        Some(Self {
            architecture,
            os,
            variant,
        })
    }
}

/// Go's name of an architecture, and the variant that the name implies.
fn normalize_architecture(name: &str) -> (String, String) {
    let name = name.to_lowercase();
    let (architecture, variant) = match name.as_str() {
        "x86_64" | "x86-64" => ("amd64", ""),
        "i386" | "i686" => ("386", ""),
        "aarch64" => ("arm64", ""),
        "armhf" => ("arm", "v7"),
        "armel" => ("arm", "v6"),
        other => (other, ""),
    };
    (architecture.to_owned(), variant.to_owned())
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() {
            return Ok(());
        }
        write!(formatter, "/{}", self.variant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_do_not_fit() {
        let arm = Platform::parse("linux/arm64").unwrap();
        let cases = [
            ("linux", "arm64", None),
            ("linux", "aarch64", None),
            ("", "", None),
            ("linux", "x86_64", Some("linux/amd64")),
            ("windows", "arm64", Some("windows/arm64")),
        ];
        for (os, architecture, expected) in cases {
            assert_eq!(arm.misfit(os, architecture).as_deref(), expected);
        }
    }

    #[test]
    fn platforms_parse() {
        let host = Platform::host();
        for (text, expected) in [
            ("linux/amd64", Some("linux/amd64".to_owned())),
            ("linux/x86_64", Some("linux/amd64".to_owned())),
            ("linux/arm64/v8", Some("linux/arm64/v8".to_owned())),
            ("Linux/armhf", Some("linux/arm/v7".to_owned())),
            ("linux", Some(host.to_string())),
            ("", None),
            ("linux/", None),
            ("linux//v8", None),
            ("linux/arm/v7/x", None),
        ] {
            let parsed = Platform::parse(text).map(|platform| platform.to_string());
            assert_eq!(parsed, expected, "{text:?}");
        }
    }
}
