// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which OCI runtime runs containers: coracle is its own, under its name or as a copy of the
//! program. No other one is ever started, so no other one is accepted.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Engine;
use crate::config::ConfigError;
use crate::runtime::failure::StageFailure;

/// The runtime's name.
pub const NAME: &str = "coracle";

/// What `--runtime` must not be.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Another runtime.
    #[error(
        "--runtime {named}: not supported, choose from: coracle (or the path of a copy of this \
         program)"
    )]
    Foreign {
        /// As typed.
        named: String,
    },
    /// No file that can be read.
    #[error("--runtime {}", path.display())]
    Unreadable {
        /// As typed.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Checks what `--runtime` names.
///
/// # Errors
///
/// See [`RuntimeError`].
pub fn check(named: &str) -> Result<(), RuntimeError> {
    if named == NAME {
        return Ok(());
    }
    let foreign = || RuntimeError::Foreign {
        named: named.to_owned(),
    };
    if !named.contains('/') {
        return Err(foreign());
    }
    let path = Path::new(named);
    let same = is_copy(path, Path::new("/proc/self/exe"));
    let same = same.map_err(|source| RuntimeError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if same { Ok(()) } else { Err(foreign()) }
}

/// Whether two files hold the same bytes.
fn is_copy(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

impl Engine {
    /// Refuses flags for the runtime: ours takes none.
    pub(super) fn check_runtime_flags(&self) -> Result<(), FlagsError> {
        let configured = self.containers_conf()?.engine.runtime_flags.as_deref();
        let mut flags = self
            .runtime_flags
            .iter()
            .chain(configured.unwrap_or_default());
        match flags.next() {
            None => Ok(()),
            Some(flag) => {
                let message = format!("OCI runtime {NAME}: unknown option --{flag}");
                Err(StageFailure::with_code(126, message).into())
            }
        }
    }
}

/// Why the runtime cannot be called as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlagsError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Flag(#[from] StageFailure),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coracle_runs_containers() {
        let own = std::env::current_exe().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("copy");
        std::fs::copy(&own, &copy).unwrap();
        assert!(check(NAME).is_ok());
        assert!(check(copy.to_str().unwrap()).is_ok());
        for (named, words) in [
            ("crun", "--runtime crun: not supported"),
            ("/bin/sh", "--runtime /bin/sh: not supported"),
            ("/no/such/file", "--runtime /no/such/file"),
        ] {
            let error = check(named).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
