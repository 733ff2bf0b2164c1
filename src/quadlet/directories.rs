// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where quadlet files are: directories with all that is below them, the first before the others.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::draft::Session;

/// The variables that say where to look.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    /// `QUADLET_UNIT_DIRS`, instead of all others.
    pub(super) only: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub(super) runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, or what stands for it.
    pub(super) config: Option<PathBuf>,
    /// The number of the user.
    pub(super) uid: u32,
}

impl Variables {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let config = path("XDG_CONFIG_HOME").map(PathBuf::from);
        Self {
            only: std::env::var("QUADLET_UNIT_DIRS")
                .ok()
                .filter(|dirs| !dirs.is_empty()),
            runtime: path("XDG_RUNTIME_DIR").map(PathBuf::from),
            config: config.or_else(|| Some(PathBuf::from(path("HOME")?).join(".config"))),
            uid: nix::unistd::getuid().as_raw(),
        }
    }
}

/// A directory to search, and which of those below it are not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    below: Below,
}

/// What of a place is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    /// All of it.
    All,
    /// All but `users`, which are of others.
    NoUsers,
    /// All but what is of one user.
    NoNumbers,
}

impl Below {
    /// Whether the directory `name`, right below the place, is searched.
    fn has(self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        match self {
            Self::All => true,
            Self::NoUsers => name != "users",
            Self::NoNumbers => !name.bytes().all(|byte| byte.is_ascii_digit()),
        }
    }
}

const ADMINISTRATOR: &str = "/etc/containers/systemd";

fn places(variables: &Variables, session: Session) -> Vec<Place> {
    let place = |path: PathBuf, below| Place { path, below };
    if let Some(only) = &variables.only {
        let absolute = only.split(':').take_while(|path| path.starts_with('/'));
        return absolute
            .map(|path| place(path.into(), Below::All))
            .collect();
    }
    let administrator = Path::new(ADMINISTRATOR);
    match session {
        Session::System => vec![
            place("/run/containers/systemd".into(), Below::NoUsers),
            place(administrator.to_owned(), Below::NoUsers),
            place("/usr/share/containers/systemd".into(), Below::All),
        ],
        Session::User => {
            let own = [&variables.runtime, &variables.config];
            let own = own.into_iter().flatten();
            let mut places: Vec<Place> = own
                .map(|path| place(path.join("containers/systemd"), Below::All))
                .collect();
            let users = administrator.join("users");
            let number = users.join(variables.uid.to_string());
            places.push(place(users, Below::NoNumbers));
            places.push(place(number, Below::All));
            places
        }
    }
}

/// Where files are put by those who can choose.
pub(super) fn own(variables: &Variables, session: Session) -> PathBuf {
    match (session, &variables.config) {
        (Session::User, Some(config)) => config.join("containers/systemd"),
        (Session::User, None) | (Session::System, _) => ADMINISTRATOR.into(),
    }
}

/// The directories that are there, each once.
pub(super) fn find(variables: &Variables, session: Session) -> Vec<PathBuf> {
    let mut found = Found::default();
    for place in places(variables, session) {
        found.add(&place.path, place.below);
    }
    found.sorted
}

#[derive(Debug, Default)]
struct Found {
    sorted: Vec<PathBuf>,
    /// Links may lead back.
    seen: BTreeSet<PathBuf>,
}

impl Found {
    fn add(&mut self, path: &Path, below: Below) {
        #[expect(
            clippy::disallowed_methods,
            reason = "links that the owner of the directories has made are meant"
        )]
        let Ok(path) = fs::canonicalize(path) else {
            return;
        };
        let is_drop_in = path.extension().is_some_and(|extension| extension == "d");
        if is_drop_in || !self.seen.insert(path.clone()) {
            return;
        }
        let Ok(entries) = fs::read_dir(&path) else {
            return;
        };
        let mut directories: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| {
                let kind = entry.file_type();
                let is_file = kind.is_ok_and(|kind| !kind.is_dir() && !kind.is_symlink());
                !is_file && below.has(&entry.file_name())
            })
            .map(|entry| entry.path())
            .collect();
        directories.sort();
        self.sorted.push(path);
        for directory in directories {
            self.add(&directory, Below::All);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_their_places() {
        let variables = Variables {
            only: None,
            runtime: Some("/run/user/7".into()),
            config: Some("/h/.config".into()),
            uid: 7,
        };
        let paths = |variables: &Variables, session| {
            let places = places(variables, session).into_iter();
            let paths: Vec<_> = places
                .map(|place| place.path.display().to_string())
                .collect();
            paths.join(" ")
        };
        assert_eq!(
            paths(&variables, Session::User),
            "/run/user/7/containers/systemd /h/.config/containers/systemd \
             /etc/containers/systemd/users /etc/containers/systemd/users/7"
        );
        assert_eq!(
            paths(&variables, Session::System),
            "/run/containers/systemd /etc/containers/systemd /usr/share/containers/systemd"
        );
        let only = Variables {
            only: Some("/a:/b:c:/d".to_owned()),
            ..variables
        };
        assert_eq!(paths(&only, Session::User), "/a /b");
        assert!(!Below::NoNumbers.has(OsStr::new("1000")));
        assert!(Below::NoNumbers.has(OsStr::new("a1")));
    }

    #[test]
    fn directories_below_are_found_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        for directory in ["a/c", "b", "x.container.d"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        std::os::unix::fs::symlink(path, path.join("a/back")).unwrap();
        std::os::unix::fs::symlink(path.join("b"), path.join("z")).unwrap();
        let variables = Variables {
            only: Some(path.display().to_string()),
            ..Variables::default()
        };
        let found = find(&variables, Session::User);
        let expected = ["", "a", "a/c", "b"].map(|name| path.join(name));
        assert!(found.iter().eq(&expected), "{found:?}");
    }
}
