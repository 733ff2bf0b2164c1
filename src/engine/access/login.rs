// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `login` and `logout`: logins are checked by the registry before they are kept, in a file that
//! only the user can read or with a credential helper.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{Access, AccessError, helper};
use crate::config::auth_files::{AuthDocument, AuthFormat, LoginKey};
use crate::config::credentials::{Credentials, Secret};
use crate::config::registries::AUTH_FILES;
use crate::engine::Report;
use crate::registry::{Patience, Registry, RegistryError};
use crate::runtime::failure::chain;
use crate::state::atomic::{Durability, replace_file};
use crate::state::locks::{Contention, DirectoryLock};
use crate::sys::{Called, SysError};

/// Links that are followed to a file.
const LINKS_MAX: usize = 16;

/// Where a login is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredIn {
    /// In a file, readable for whoever reads it.
    File(PathBuf),
    /// With a credential helper.
    Helper(String),
}

/// What a logout found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOut {
    /// A login, which is gone.
    Removed,
    /// None that this command writes, but one that another tool wrote, which stays.
    OtherTools,
}

impl Access {
    /// Asks the registry whether it takes `credentials`. What comes back is a token that it wants
    /// to see instead of the password.
    ///
    /// # Errors
    ///
    /// [`AccessError::BadLogin`] if it does not; [`AccessError::Check`] if it cannot be asked.
    pub fn check_login(
        &self,
        key: &LoginKey,
        credentials: Credentials,
    ) -> Result<Option<Secret>, AccessError> {
        let endpoint = self.endpoint(key.registry())?;
        let registry = Registry::new(endpoint, credentials, Patience::default());
        registry.log_in().map_err(|error| {
            let key = key.as_str().to_owned();
            match error {
                RegistryError::Denied { words, .. } => {
                    let url = registry.url_in_use().unwrap_or_default();
                    AccessError::BadLogin { key, url, words }
                }
                source => AccessError::Check { key, source },
            }
        })
    }

    /// Checks a login with the registry and keeps it.
    ///
    /// # Errors
    ///
    /// As [`Access::check_login`]; what writing says.
    pub fn log_in(
        &self,
        key: &LoginKey,
        user: &str,
        password: &Secret,
    ) -> Result<StoredIn, AccessError> {
        let credentials = Credentials::Basic {
            user: user.to_owned(),
            password: password.clone(),
        };
        let token = self.check_login(key, credentials)?;
        self.keep(key, user, password, token.as_ref())
    }

    fn keep(
        &self,
        key: &LoginKey,
        user: &str,
        password: &Secret,
        token: Option<&Secret>,
    ) -> Result<StoredIn, AccessError> {
        // Docker does not know the helpers of registries.conf.
        let is_docker = self.written().format == AuthFormat::Docker;
        let helpers = self.conf.credential_helpers();
        let first = helpers
            .first()
            .filter(|name| *name != AUTH_FILES && !is_docker);
        if let Some(name) = first {
            Self::whole_registry(key, name)?;
            helper::store(name, key.docker_name(), Some(user), password)?;
            return Ok(StoredIn::Helper(name.clone()));
        }
        if is_docker {
            Self::whole_registry(key, &self.written().path.display().to_string())?;
        }
        let path = self.written().path.clone();
        self.edit(|document| {
            let Some(name) = document.helper_for(key).map(str::to_owned) else {
                match token {
                    // Podman and its kin do not log in again over a token.
                    Some(token) if is_docker => document.set_token(key, user, token),
                    Some(_) | None => document.set(key, user, password),
                }
                return Ok(StoredIn::File(path));
            };
            Self::whole_registry(key, &name)?;
            match token {
                Some(token) => helper::store(&name, key.docker_name(), None, token)?,
                None => helper::store(&name, key.docker_name(), Some(user), password)?,
            }
            if is_docker {
                document.set_kept_elsewhere(key);
            }
            Ok(StoredIn::Helper(name))
        })
    }

    fn whole_registry(key: &LoginKey, place: &str) -> Result<(), AccessError> {
        if !key.is_namespaced() {
            return Ok(());
        }
        Err(AccessError::Namespaced {
            key: key.as_str().to_owned(),
            place: place.to_owned(),
        })
    }

    /// Forgets the login for `key`.
    ///
    /// # Errors
    ///
    /// [`AccessError::NotLoggedIn`] if there is none.
    pub fn log_out(&self, key: &LoginKey, report: &dyn Report) -> Result<LoggedOut, AccessError> {
        self.check_named_files()?;
        let mut removed = false;
        for name in self.conf.credential_helpers() {
            if name != AUTH_FILES && !key.is_namespaced() {
                removed |= erase(name, key, report);
            }
        }
        let helper = if self.written().path.exists() {
            self.edit(|document| {
                removed |= document.remove(key);
                Ok(document.helper_for(key).map(str::to_owned))
            })?
        } else {
            None
        };
        if let Some(name) = helper.filter(|_| !key.is_namespaced()) {
            removed |= erase(&name, key, report);
        }
        if removed {
            return Ok(LoggedOut::Removed);
        }
        if self.login(key, report)?.is_some() {
            return Ok(LoggedOut::OtherTools);
        }
        let key = key.as_str().to_owned();
        Err(AccessError::NotLoggedIn { key })
    }

    /// Forgets all logins of the file that this command writes, and those that it names helpers
    /// for.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn log_out_everywhere(&self, report: &dyn Report) -> Result<(), AccessError> {
        self.check_named_files()?;
        if !self.written().path.exists() {
            return Ok(());
        }
        let elsewhere = self.edit(|document| Ok(document.remove_all()))?;
        for (registry, name) in elsewhere {
            erase(&name, &LoginKey::parse(&registry)?, report);
        }
        Ok(())
    }

    /// A logout from a file that is not there is a mistake.
    fn check_named_files(&self) -> Result<(), AccessError> {
        let request = &self.request;
        let mut named = [&request.auth_file, &request.docker_auth_file]
            .into_iter()
            .flatten();
        match named.find(|path| !path.as_os_str().is_empty() && !path.exists()) {
            Some(path) => Err(AccessError::NoAuthFile { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// Changes the file of logins under the lock of its directory.
    fn edit<T>(
        &self,
        change: impl FnOnce(&mut AuthDocument) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let mut file = self.written().clone();
        file.path = behind_links(&file.path);
        let failed = |source| AccessError::Write {
            path: file.path.clone(),
            source,
        };
        let directory = file
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        make_directory(directory).map_err(failed)?;
        if fs::metadata(&file.path).is_ok_and(|metadata| !metadata.is_file()) {
            let path = file.path.clone();
            return Err(AccessError::NotAFile { path });
        }
        let _lock = DirectoryLock::take(directory, Contention::Wait).map_err(failed)?;
        let mut document = AuthDocument::read(&file)?;
        let before = document.to_bytes();
        let value = change(&mut document)?;
        let after = document.to_bytes();
        if before != after || !file.path.exists() {
            replace_file(&file.path, &after, Durability::Synced).map_err(failed)?;
        }
        Ok(value)
    }
}

/// A helper that cannot be asked has nothing that we could remove.
fn erase(name: &str, key: &LoginKey, report: &dyn Report) -> bool {
    helper::erase(name, key.docker_name()).unwrap_or_else(|error| {
        report.warning(&chain(&error));
        false
    })
}

/// People keep their configuration in a repository and link to it: the link stays.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = path.parent().unwrap_or(Path::new(".")).join(target);
    }
    path
}

fn make_directory(path: &Path) -> Result<(), SysError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(error).called(|| format!("mkdir({})", path.display()))
        }
        _ => Ok(()),
    }
}
