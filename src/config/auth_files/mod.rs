// SPDX-License-Identifier: Apache-2.0 OR MIT
//! auth.json(5) and docker's config.json: which files hold logins, what one says about a
//! registry, and what it is to say after a login or logout. Writes nothing and starts no helper.
//!
//! | in order | file |
//! |---|---|
//! | 1 | `--authfile` or `--compat-auth-file`, else `REGISTRY_AUTH_FILE`, else `DOCKER_CONFIG`/config.json: where one is named, no other is read |
//! | 2 | `$XDG_RUNTIME_DIR`/containers/auth.json; without the variable /run/containers/UID/auth.json |
//! | 3 | ~/.config/containers/auth.json |
//! | 4 | ~/.docker/config.json |
//! | 5 | ~/.dockercfg |
//!
//! In docker mode 4 comes first and is what a login is written to.

mod document;
mod key;

use std::path::{Path, PathBuf};

use nix::unistd::getuid;

pub use self::document::{AuthDocument, AuthFileError, Found, Login};
pub use self::key::{KeyError, LoginKey};
use super::document::variable;
use super::registries::Rules;
use crate::sys::account::{Environment, home_directory, xdg_directory};

/// A file that may hold logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthFile {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// How it is written.
    pub format: AuthFormat,
}

/// How a file of logins is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFormat {
    /// auth.json: keys are registries, namespaces and repositories.
    Containers,
    /// config.json: keys are registries, docker.io has a long name, and `credsStore` counts.
    Docker,
    /// .dockercfg: the logins are the whole document.
    Legacy,
}

/// The files of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthFiles {
    /// The files to look into, in order.
    pub read: Vec<AuthFile>,
    /// The file that a login or logout changes.
    pub written: AuthFile,
}

/// What the command line says of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NamedAuthFiles<'a> {
    /// `--authfile`.
    pub containers: Option<&'a Path>,
    /// `--compat-auth-file`.
    pub docker: Option<&'a Path>,
    /// `--config`, which stands for `DOCKER_CONFIG`.
    pub docker_config: Option<&'a Path>,
}

impl AuthFiles {
    /// The files to use. Whether they exist is not looked at.
    pub fn find(env: Environment<'_>, named: NamedAuthFiles<'_>, rules: Rules) -> Self {
        if let Some(file) = named_file(env, named) {
            return Self {
                read: vec![file.clone()],
                written: file,
            };
        }
        let file = |path: PathBuf, format| AuthFile { path, format };
        let home = home_directory(env);
        let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers/auth.json");
        let runtime = file(runtime_file(env), AuthFormat::Containers);
        let own = file(own, AuthFormat::Containers);
        let docker = file(home.join(".docker/config.json"), AuthFormat::Docker);
        let legacy = file(home.join(".dockercfg"), AuthFormat::Legacy);
        match rules {
            Rules::Podman => Self {
                written: runtime.clone(),
                read: vec![runtime, own, docker, legacy],
            },
            Rules::Docker => Self {
                written: docker.clone(),
                read: vec![docker, legacy, runtime, own],
            },
        }
    }
}

fn named_file(env: Environment<'_>, named: NamedAuthFiles<'_>) -> Option<AuthFile> {
    let containers = |path: PathBuf| AuthFile {
        path,
        format: AuthFormat::Containers,
    };
    let docker = |path: PathBuf| AuthFile {
        path,
        format: AuthFormat::Docker,
    };
    let in_config = |directory: PathBuf| docker(directory.join("config.json"));
    let on_line = |path: Option<&Path>| {
        let path = path.filter(|path| !path.as_os_str().is_empty());
        path.map(Path::to_owned)
    };
    on_line(named.containers)
        .map(containers)
        .or_else(|| on_line(named.docker).map(docker))
        .or_else(|| on_line(named.docker_config).map(in_config))
        .or_else(|| variable(env, "REGISTRY_AUTH_FILE").map(containers))
        .or_else(|| variable(env, "DOCKER_CONFIG").map(in_config))
}

/// It goes at logout.
fn runtime_file(env: Environment<'_>) -> PathBuf {
    let directory = variable(env, "XDG_RUNTIME_DIR").map(|directory| directory.join("containers"));
    let per_user = || PathBuf::from(format!("/run/containers/{}", getuid()));
    directory.unwrap_or_else(per_user).join("auth.json")
}

/// Reads a file of logins in each of its forms, and asks it.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let keys = ["quay.io/team/web", "docker.io", "localhost:5000"];
    for format in [
        AuthFormat::Containers,
        AuthFormat::Docker,
        AuthFormat::Legacy,
    ] {
        let Ok(document) = AuthDocument::parse(Path::new("fuzz"), format, bytes) else {
            continue;
        };
        for key in keys.into_iter().filter_map(|key| LoginKey::parse(key).ok()) {
            drop((document.find(&key), document.helper_for(&key)));
        }
        drop(document.keys());
        let again = AuthDocument::parse(Path::new("fuzz"), format, &document.to_bytes());
        assert!(again.is_ok(), "what is written reads");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &AuthFile, home: &Path) -> String {
        let path = file.path.strip_prefix(home).unwrap_or(&file.path);
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn files_are_looked_into_in_order() {
        let home = tempfile::tempdir().unwrap();
        let find = |variables: &[(&str, &str)], named, rules| {
            let env = |name: &str| {
                let mut pairs = variables.iter();
                let set = pairs.find(|(variable, _)| *variable == name);
                let set = set.map(|(_, value)| (*value).into());
                set.or_else(|| (name == "HOME").then(|| home.path().into()))
            };
            let files = AuthFiles::find(&env, named, rules);
            let read = files.read.iter().map(|file| shown(file, home.path()));
            (
                read.collect::<Vec<_>>().join(" "),
                shown(&files.written, home.path()),
            )
        };
        let runtime = [("XDG_RUNTIME_DIR", "/r")];
        let (all, written) = find(&runtime, NamedAuthFiles::default(), Rules::Podman);
        let usual = ".config/containers/auth.json .docker/config.json .dockercfg";
        assert_eq!(all, format!("/r/containers/auth.json {usual}"));
        assert_eq!(written, "/r/containers/auth.json");
        let (all, written) = find(&runtime, NamedAuthFiles::default(), Rules::Docker);
        assert!(
            all.starts_with(".docker/config.json .dockercfg /r/"),
            "{all}"
        );
        assert_eq!(written, ".docker/config.json");
        let variables = [("REGISTRY_AUTH_FILE", "/a"), ("DOCKER_CONFIG", "/d")];
        let on_line = NamedAuthFiles {
            containers: Some(Path::new("/f")),
            ..NamedAuthFiles::default()
        };
        let config = NamedAuthFiles {
            docker_config: Some(Path::new("/c")),
            ..NamedAuthFiles::default()
        };
        let none = NamedAuthFiles::default();
        for (variables, named, expected) in [
            (&variables[..], none, "/a"),
            (&variables[1..], none, "/d/config.json"),
            (&variables[..], on_line, "/f"),
            (&variables[..], config, "/c/config.json"),
        ] {
            let (read, written) = find(variables, named, Rules::Podman);
            assert_eq!((read.as_str(), written.as_str()), (expected, expected));
        }
    }
}
