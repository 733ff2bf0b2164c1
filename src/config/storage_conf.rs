// SPDX-License-Identifier: Apache-2.0 OR MIT
//! storage.conf(5), as far as it says where a store is to be. The options of drivers that coracle
//! does not have are ignored.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::document::{Document, Missing};
use super::{ConfigError, Ignored};
use crate::sys::account::{Environment, account_of, home_directory, xdg_directory};

/// Where storage.conf wants the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageConf {
    /// `overlay`, `vfs` and others; `STORAGE_DRIVER` wins over the files.
    pub driver: Option<String>,
    /// The data root: a directory of our own below `graphroot` or `rootless_storage_path`.
    pub data_root: Option<PathBuf>,
    /// The run root: a directory of our own below `runroot`.
    pub run_root: Option<PathBuf>,
    /// Stores whose images are used and never changed.
    pub additional_image_stores: Vec<PathBuf>,
    /// The values that were ignored, for one warning each.
    pub ignored: Vec<Ignored>,
}

/// `[storage]`, as written.
#[derive(Debug, Clone, Default)]
struct Written {
    driver: Option<String>,
    graphroot: Option<String>,
    runroot: Option<String>,
    rootless_storage_path: Option<String>,
    additional_image_stores: Option<Vec<String>>,
}

/// Whose file it is: the system's `graphroot` is root's store, not that of other users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    System,
    Caller,
}

impl StorageConf {
    /// Reads every file that there is.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not TOML, and one that `CONTAINERS_STORAGE_CONF` names but
    /// is not there.
    pub fn load(env: Environment<'_>) -> Result<Self, ConfigError> {
        let mut conf = Self::default();
        let named = env("CONTAINERS_STORAGE_CONF").filter(|path| !path.is_empty());
        if let Some(path) = named {
            conf.merge_file(Path::new(&path), Missing::IsAnError, Scope::Caller, env)?;
        } else {
            conf.merge_search_path(env)?;
        }
        if let Some(driver) = env("STORAGE_DRIVER").filter(|driver| !driver.is_empty()) {
            conf.driver = Some(driver.to_string_lossy().into_owned());
        }
        Ok(conf)
    }

    fn merge_search_path(&mut self, env: Environment<'_>) -> Result<(), ConfigError> {
        let scope = if geteuid().is_root() {
            Scope::Caller
        } else {
            Scope::System
        };
        let local = Path::new("/etc/containers/storage.conf");
        if !self.merge_file(local, Missing::IsFine, scope, env)? {
            let packaged = Path::new("/usr/share/containers/storage.conf");
            self.merge_file(packaged, Missing::IsFine, scope, env)?;
        }
        let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers/storage.conf");
        self.merge_file(&own, Missing::IsFine, Scope::Caller, env)?;
        Ok(())
    }

    /// Whether there was such a file.
    fn merge_file(
        &mut self,
        path: &Path,
        missing: Missing,
        scope: Scope,
        env: Environment<'_>,
    ) -> Result<bool, ConfigError> {
        let Some(document) = Document::read(path, missing)? else {
            return Ok(false);
        };
        let mut written = Written::default();
        let mut section = document.section("storage", &mut self.ignored);
        section.text("driver", &mut written.driver);
        section.text("graphroot", &mut written.graphroot);
        section.text("runroot", &mut written.runroot);
        section.text("rootless_storage_path", &mut written.rootless_storage_path);
        let mut section = document.section("storage.options", &mut self.ignored);
        let stores = &mut written.additional_image_stores;
        section.texts("additionalimagestores", stores);
        self.merge(written, scope, env);
        Ok(true)
    }

    fn merge(&mut self, written: Written, scope: Scope, env: Environment<'_>) {
        let (graphroot, runroot) = match scope {
            Scope::Caller => (written.graphroot, written.runroot),
            Scope::System => (None, None),
        };
        let rootless = written
            .rootless_storage_path
            .filter(|_| !geteuid().is_root());
        let data_root = rootless.or(graphroot).and_then(|path| own_room(&path, env));
        self.driver = written.driver.or(self.driver.take());
        self.data_root = data_root.or(self.data_root.take());
        let run_root = runroot.and_then(|path| own_room(&path, env));
        self.run_root = run_root.or(self.run_root.take());
        if let Some(stores) = written.additional_image_stores {
            let expanded = stores.iter().map(|store| expand(store, env));
            self.additional_image_stores = expanded.map(|path| additional_store(&path)).collect();
        }
    }
}

/// Podman's own store may be in the directory that the file names: ours is a room in it. The
/// places that podman has without a file say nothing about the user's wish.
fn own_room(path: &str, env: Environment<'_>) -> Option<PathBuf> {
    let expanded = expand(path, env);
    let is_default = ["/var/lib/containers/storage", "/run/containers/storage"]
        .iter()
        .any(|default| Path::new(default) == expanded)
        || expanded.ends_with(".local/share/containers/storage");
    (expanded.is_absolute() && !is_default).then(|| expanded.join("coracle"))
}

/// An additional store is one of ours, or has one as its room beside podman's.
pub fn additional_store(path: &Path) -> PathBuf {
    let room = path.join("coracle");
    if room.is_dir() { room } else { path.to_owned() }
}

/// `$HOME`, `$USER` and `$UID` are the only variables that the file knows.
fn expand(path: &str, env: Environment<'_>) -> PathBuf {
    if !path.contains('$') {
        return PathBuf::from(path);
    }
    let uid = geteuid().as_raw();
    let user = account_of(uid)
        .map(|account| account.name)
        .unwrap_or_default();
    let expanded = path
        .replace("$HOME", &home_directory(env).to_string_lossy())
        .replace("$USER", &user)
        .replace("$UID", &uid.to_string());
    PathBuf::from(expanded)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const NO_VARIABLES: Environment<'static> = &|_| None;

    fn merged(texts: &[(&str, Scope)]) -> StorageConf {
        let mut conf = StorageConf::default();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("storage.conf");
        for (text, scope) in texts {
            std::fs::File::create(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            conf.merge_file(&path, Missing::IsAnError, *scope, NO_VARIABLES)
                .unwrap();
        }
        conf
    }

    #[test]
    fn a_store_is_a_room_in_what_the_file_names() {
        let conf = merged(&[(
            "[storage]\ndriver='vfs'\ngraphroot='/big'\nrunroot='/r'",
            Scope::Caller,
        )]);
        assert_eq!(conf.driver.as_deref(), Some("vfs"));
        assert_eq!(conf.data_root, Some(PathBuf::from("/big/coracle")));
        assert_eq!(conf.run_root, Some(PathBuf::from("/r/coracle")));
    }

    #[test]
    fn the_systems_graphroot_is_roots_and_the_default_is_no_wish() {
        let conf = merged(&[("[storage]\ngraphroot='/big'", Scope::System)]);
        assert_eq!(conf.data_root, None);
        let conf = merged(&[(
            "[storage]\ngraphroot='/var/lib/containers/storage'",
            Scope::Caller,
        )]);
        assert_eq!(conf.data_root, None);
    }

    #[test]
    fn additional_stores_are_those_of_the_last_file() {
        let room = tempfile::tempdir().unwrap();
        std::fs::create_dir(room.path().join("coracle")).unwrap();
        let first = "[storage.options]\nadditionalimagestores=['/a']";
        let shared = room.path().to_str().unwrap();
        let second = format!("[storage.options]\nadditionalimagestores=['/b', '{shared}']");
        let conf = merged(&[
            (first, Scope::System),
            (&second, Scope::Caller),
            ("[storage]\ndriver='overlay'", Scope::Caller),
        ]);
        let stores = [PathBuf::from("/b"), room.path().join("coracle")];
        assert_eq!(conf.additional_image_stores, stores);
    }

    #[test]
    fn variables_of_the_file_are_expanded() {
        let uid = geteuid().as_raw();
        let expanded = expand("/scratch/$UID/x", NO_VARIABLES);
        assert_eq!(expanded, PathBuf::from(format!("/scratch/{uid}/x")));
    }
}
