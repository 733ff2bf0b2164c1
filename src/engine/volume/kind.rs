// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The options of the driver `local`: what a volume shows besides a directory of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a volume shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its own directory.
    Own,
    /// A directory of the host.
    Bind {
        /// Which.
        host_path: PathBuf,
        /// Options of the mount.
        options: Vec<String>,
    },
    /// A file system in memory; each container has one of its own.
    Tmpfs {
        /// Options of the mount.
        options: Vec<String>,
    },
}

/// Why the options of a volume are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Nobody knows the key.
    #[error("invalid mount option {0} for driver 'local': invalid argument")]
    Unknown(String),
    /// The directory to show is not there.
    #[error(
        "invalid volume option device for driver 'local': faccessat {}: no such file or directory",
        .0.display()
    )]
    NoDevice(PathBuf),
    /// A file system that only root can mount.
    #[error(
        "volume option type={0}: an ordinary user can mount no file system of this type; \
         `type=tmpfs` and `o=bind` work"
    )]
    NeedsRoot(String),
    /// `o=bind` without a directory.
    #[error("volume option o=bind: `device=DIRECTORY` is missing")]
    DeviceMissing,
}

/// Keys that the driver knows; sizes in blocks and inodes are for quotas, which need root.
const KNOWN: &[&str] = &[
    "type", "device", "o", "copy", "nocopy", "UID", "GID", "SIZE", "INODES", "NOQUOTA",
];

impl Kind {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// See [`OptionError`].
    pub(super) fn of(options: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        if let Some(unknown) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(OptionError::Unknown(unknown.clone()));
        }
        let get = |key: &str| options.get(key).map_or("", String::as_str);
        let given: Vec<String> = get("o")
            .split(',')
            .filter(|option| !option.is_empty())
            .map(str::to_owned)
            .collect();
        let binds = given
            .iter()
            .any(|option| option == "bind" || option == "rbind");
        match get("type") {
            "tmpfs" => Ok(Self::Tmpfs { options: given }),
            "bind" => Self::bind(get("device"), given),
            "" | "none" if binds => Self::bind(get("device"), given),
            "" => Ok(Self::Own),
            other => Err(OptionError::NeedsRoot(other.to_owned())),
        }
    }

    fn bind(device: &str, options: Vec<String>) -> Result<Self, OptionError> {
        if device.is_empty() {
            return Err(OptionError::DeviceMissing);
        }
        let host_path = Path::new(device).to_owned();
        if !host_path.exists() {
            return Err(OptionError::NoDevice(host_path));
        }
        Ok(Self::Bind { host_path, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(pairs: &[(&str, &str)]) -> Result<Kind, String> {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Kind::of(&pairs.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn options_say_what_a_volume_shows() {
        assert_eq!(kind(&[]), Ok(Kind::Own));
        assert_eq!(kind(&[("o", "noexec")]), Ok(Kind::Own));
        let options = vec!["size=2M".to_owned()];
        let tmpfs = kind(&[("type", "tmpfs"), ("o", "size=2M"), ("device", "tmpfs")]);
        assert_eq!(tmpfs, Ok(Kind::Tmpfs { options }));
        let bind = |options: &str| Kind::Bind {
            host_path: "/tmp".into(),
            options: options
                .split(',')
                .filter(|o| !o.is_empty())
                .map(str::to_owned)
                .collect(),
        };
        assert_eq!(kind(&[("type", "bind"), ("device", "/tmp")]), Ok(bind("")));
        let compose = [("type", "none"), ("o", "bind,ro"), ("device", "/tmp")];
        assert_eq!(kind(&compose), Ok(bind("bind,ro")));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (
                &[("foo", "bar")],
                "invalid mount option foo for driver 'local': invalid argument",
            ),
            (
                &[("type", "bind"), ("device", "/bogus")],
                "invalid volume option device for driver 'local': faccessat /bogus: no such file \
                 or directory",
            ),
            (
                &[("type", "bind")],
                "volume option o=bind: `device=DIRECTORY` is missing",
            ),
        ];
        for (options, words) in cases {
            assert_eq!(kind(options).unwrap_err(), *words);
        }
        assert!(kind(&[("type", "nfs"), ("device", ":/x")]).is_err());
    }
}
