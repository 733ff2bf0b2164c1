// SPDX-License-Identifier: Apache-2.0 OR MIT
//! certs.d: which certificates belong to a registry. Names files; reads none of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::document::is_absent;
use crate::sys::account::{Environment, xdg_directory};
use crate::sys::{Called, SysError};

/// Certificates for one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Certificates {
    /// PEM files with roots that are trusted beside the system's (`*.crt`).
    pub roots: Vec<PathBuf>,
    /// What we show the server.
    pub client: Option<ClientCertificate>,
}

/// A client certificate (`NAME.cert` and `NAME.key`), both PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a directory of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// It cannot be listed.
    #[error("read the certificates in {}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// A key without its certificate, or the other way round.
    #[error("missing {} for {}", missing.display(), present.display())]
    Half {
        /// What is not there.
        missing: PathBuf,
        /// What is.
        present: PathBuf,
    },
}

impl Certificates {
    /// The certificates for `authority`: those in `--cert-dir`, else those in the first of the
    /// directories of that name in ~/.config/containers/certs.d, /etc/containers/certs.d and
    /// /etc/docker/certs.d.
    ///
    /// # Errors
    ///
    /// A directory that cannot be read, one that was named but is not there, and half a pair of
    /// key and certificate.
    pub fn find(
        env: Environment<'_>,
        named: Option<&Path>,
        authority: &str,
    ) -> Result<Self, CertificatesError> {
        if let Some(directory) = named {
            return Self::in_directory(directory);
        }
        let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers/certs.d");
        let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
        let mut places = [own].into_iter().chain(system);
        let found = places.find_map(|place| {
            let directory = place.join(authority);
            directory.is_dir().then_some(directory)
        });
        found.map_or_else(|| Ok(Self::default()), |found| Self::in_directory(&found))
    }

    fn in_directory(directory: &Path) -> Result<Self, CertificatesError> {
        let mut files = Vec::new();
        match fs::read_dir(directory) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            // Podman takes a --cert-dir that is not there for an empty one.
            Err(error) if is_absent(&error) => {}
            Err(error) => {
                let path = directory.to_owned();
                return Err(error)
                    .called(|| format!("readdir({})", directory.display()))
                    .map_err(|source| CertificatesError::Unreadable { path, source });
            }
        }
        files.sort();
        Self::of_files(&files)
    }

    fn of_files(files: &[PathBuf]) -> Result<Self, CertificatesError> {
        let ends = |path: &&PathBuf, end: &str| path.extension().is_some_and(|found| found == end);
        let half = |present: &Path, other: &str| {
            let missing = present.with_extension(other);
            if files.contains(&missing) {
                return Ok(missing);
            }
            let present = present.to_owned();
            Err(CertificatesError::Half { missing, present })
        };
        for key in files.iter().filter(|path| ends(path, "key")) {
            half(key, "cert")?;
        }
        let mut client = None;
        for certificate in files.iter().filter(|path| ends(path, "cert")) {
            let key = half(certificate, "key")?;
            let certificate = certificate.clone();
            // The first pair by name counts.
            client = client.or(Some(ClientCertificate { certificate, key }));
        }
        let roots = files.iter().filter(|path| ends(path, "crt")).cloned();
        Ok(Self {
            roots: roots.collect(),
            client,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_pairs_and_halves() {
        let files = |names: &[&str]| {
            let paths = names.iter().map(|name| Path::new("/c").join(name));
            Certificates::of_files(&paths.collect::<Vec<_>>())
        };
        let all = files(&["a.crt", "b.crt", "c.cert", "c.key", "notes.txt"]).unwrap();
        assert_eq!(all.roots, [PathBuf::from("/c/a.crt"), "/c/b.crt".into()]);
        assert_eq!(all.client.unwrap().key, PathBuf::from("/c/c.key"));
        for (half, words) in [
            ("c.key", "missing /c/c.cert for /c/c.key"),
            ("c.cert", "missing /c/c.key for /c/c.cert"),
        ] {
            assert_eq!(files(&[half]).unwrap_err().to_string(), words);
        }
        assert_eq!(files(&[]).unwrap(), Certificates::default());
    }

    #[test]
    fn the_users_own_directory_comes_first() {
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join("containers/certs.d/h:5000");
        fs::create_dir_all(&own).unwrap();
        fs::File::create(own.join("ca.crt")).unwrap();
        let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.path().into());
        let found = Certificates::find(&env, None, "h:5000").unwrap();
        assert_eq!(found.roots, [own.join("ca.crt")]);
        assert_eq!(
            Certificates::find(&env, None, "h:5001").unwrap(),
            Certificates::default()
        );
        let named = Certificates::find(&env, Some(home.path()), "h:5000").unwrap();
        assert_eq!(named, Certificates::default());
    }
}
