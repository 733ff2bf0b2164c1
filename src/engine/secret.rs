// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secrets: making, listing and removing them, and handing them to containers. A container has
//! its own copies, taken when it is made: what happens to a secret later does not reach it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use super::Engine;
use super::filter::groups::key_and_value;
use crate::runtime::idmap::{IdMapping, IdMaps};
use crate::state::record::{ContainerRecord, ResolvedSecret, SecretPlace};
use crate::state::secrets::{GivenSecret, NewSecret, SecretError, SecretRecord, Secrets};
use crate::sys::{Called, Ignored};

/// Where secrets without an absolute path are.
pub(super) const DIRECTORY: &str = "/run/secrets";

/// A filter that nobody understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretFilterError {
    /// Not a key and a value.
    #[error("{0}")]
    Form(String),
    /// Not `name` or `id`.
    #[error("invalid filter \"{0}\"")]
    Key(String),
    /// Not a pattern.
    #[error("filter {text}: {reason}")]
    Pattern {
        /// As typed.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Engine {
    /// The secrets of this user.
    pub fn secrets(&self) -> Secrets {
        Secrets::open(&self.dirs)
    }

    /// Makes a secret; the value is its id.
    ///
    /// # Errors
    ///
    /// As [`Secrets::create`].
    pub fn create_secret(&self, new: NewSecret) -> Result<String, SecretError> {
        self.secrets().create(new)
    }

    /// What `record` is to get, looked up once.
    pub(super) fn look_up_secrets(
        &self,
        record: &mut ContainerRecord,
    ) -> Result<Vec<GivenSecret>, SecretError> {
        let mut given = Vec::new();
        for request in &record.request.secrets {
            let found = self.secrets().find(&request.source)?;
            record.resolved.secrets.push(ResolvedSecret {
                id: found.id,
                name: found.name,
            });
            given.push(GivenSecret {
                request: request.clone(),
                data: found.data,
            });
        }
        Ok(given)
    }

    /// The copies that a container has; nothing is read where it has none.
    pub(super) fn secrets_of(
        &self,
        record: &ContainerRecord,
    ) -> Result<Vec<GivenSecret>, SecretError> {
        if record.request.secrets.is_empty() {
            return Ok(Vec::new());
        }
        self.secrets().given(&record.id)
    }
}

/// Those of `secrets` that the filters let through: values of one key are alternatives.
///
/// # Errors
///
/// See [`SecretFilterError`].
pub fn filtered(
    secrets: Vec<SecretRecord>,
    filters: &[String],
) -> Result<Vec<SecretRecord>, SecretFilterError> {
    let mut names = Vec::new();
    let mut ids = Vec::new();
    for text in filters {
        let (key, value) = key_and_value(text).map_err(SecretFilterError::Form)?;
        match key {
            "name" => {
                let pattern = Regex::new(value).map_err(|error| SecretFilterError::Pattern {
                    text: text.clone(),
                    reason: error.to_string(),
                })?;
                names.push(pattern);
            }
            "id" => ids.push(value),
            _ => return Err(SecretFilterError::Key(key.to_owned())),
        }
    }
    let named =
        |one: &SecretRecord| names.is_empty() || names.iter().any(|name| name.is_match(&one.name));
    let known = |one: &SecretRecord| ids.is_empty() || ids.iter().any(|id| one.id.starts_with(id));
    let mut secrets = secrets;
    secrets.retain(|one| named(one) && known(one));
    Ok(secrets)
}

/// The variables that are secrets, each as `NAME=value`. What is not UTF-8 or has a zero in it is
/// shown as far as a variable can show it.
pub(super) fn environment(given: &[GivenSecret]) -> Vec<(String, String)> {
    let variable = |one: &GivenSecret| match &one.request.place {
        SecretPlace::Env { target } => {
            let value = String::from_utf8_lossy(one.data.reveal());
            let value = value.split('\0').next().unwrap_or_default().to_owned();
            Some((target.clone(), value))
        }
        SecretPlace::Mount { .. } => None,
    };
    given.iter().filter_map(variable).collect()
}

/// Adds variables to an environment, in place of those of the same name.
pub(super) fn set_variables(environment: &mut Vec<String>, variables: &[(String, String)]) {
    for (key, value) in variables {
        let prefix = format!("{key}=");
        environment.retain(|pair| !pair.starts_with(&prefix));
        environment.push(format!("{key}={value}"));
    }
}

/// A secret's file of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The file, in memory: in the container's run directory.
    pub host_path: PathBuf,
    /// Where the container sees it.
    pub container_path: PathBuf,
    /// Owner and group inside.
    owner: (u32, u32),
}

/// Writes the files of `given` into a container's run directory, which nobody else can look into.
///
/// # Errors
///
/// What cannot be written.
pub(super) fn write_files(
    record: &ContainerRecord,
    given: &[GivenSecret],
    run_directory: &Path,
) -> Result<Vec<SecretFile>, SecretError> {
    let mut files = Vec::new();
    let names = &record.resolved.secrets;
    for (number, (one, resolved)) in given.iter().zip(names).enumerate() {
        let SecretPlace::Mount {
            target,
            uid,
            gid,
            mode,
        } = &one.request.place
        else {
            continue;
        };
        let host_path = run_directory.join(format!("secret-{number}"));
        write_file(&host_path, one.data.reveal(), *mode)
            .called(|| format!("write({})", host_path.display()))
            .map_err(|source| SecretError::Files {
                action: "write",
                place: record.id.to_string(),
                source,
            })?;
        let target = target.as_deref().unwrap_or(&resolved.name);
        files.push(SecretFile {
            host_path,
            container_path: Path::new(DIRECTORY).join(target),
            owner: (*uid, *gid),
        });
    }
    Ok(files)
}

fn write_file(path: &Path, data: &[u8], mode: u32) -> std::io::Result<()> {
    // One of an earlier run that ended without its clean-up.
    drop(fs::remove_file(path));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(data)?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Gives the files to whom they are for. The caller has the right over the ids of the user's
/// namespace; an id that the container does not have leaves the file with the caller.
pub(super) fn give_files(files: &[SecretFile], maps: &IdMaps) {
    for file in files {
        let uid = outside(&maps.uids, file.owner.0);
        let gid = outside(&maps.gids, file.owner.1);
        if (uid, gid) != (Some(0), Some(0)) {
            chown(&file.host_path, uid, gid).ignored();
        }
    }
}

fn outside(extents: &[IdMapping], inside: u32) -> Option<u32> {
    extents.iter().find_map(|extent| {
        let offset = inside.checked_sub(extent.inside)?;
        (offset < extent.count).then_some(extent.outside + offset)
    })
}

/// Whether one of the files is in the directory of secrets.
pub(super) fn use_directory(files: &[SecretFile]) -> bool {
    let mut paths = files.iter().map(|file| &file.container_path);
    paths.any(|path| path.as_os_str().as_bytes().starts_with(b"/run/secrets/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record::SecretRequest;
    use crate::state::secrets::SecretData;

    fn given(place: SecretPlace) -> GivenSecret {
        GivenSecret {
            request: SecretRequest {
                source: "s".to_owned(),
                place,
            },
            data: SecretData::new(b"a\xff\0b".to_vec()),
        }
    }

    #[test]
    fn variables_end_where_the_kernel_ends_them() {
        let one = given(SecretPlace::Env {
            target: "KEY".to_owned(),
        });
        let variables = environment(&[one]);
        assert_eq!(variables, [("KEY".to_owned(), "a\u{fffd}".to_owned())]);
        let mut all = vec!["KEY=old".to_owned(), "KEYS=1".to_owned()];
        set_variables(&mut all, &variables);
        assert_eq!(all, ["KEYS=1", "KEY=a\u{fffd}"]);
    }

    #[test]
    fn ids_are_found_in_the_extent_that_has_them() {
        let extent = |inside, outside, count| IdMapping {
            inside,
            outside,
            count,
        };
        let map = [extent(0, 1, 10), extent(10, 0, 1)];
        let cases = [(0, Some(1)), (9, Some(10)), (10, Some(0)), (11, None)];
        for (inside, expected) in cases {
            assert_eq!(outside(&map, inside), expected, "{inside}");
        }
    }
}
