// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The quadlet files of a user or of the machine: listed, shown, put where the generator looks for
//! them, and taken away.
//!
//! What is installed together belongs together: `.NAME.app` beside the files names those of a
//! directory NAME, `.FILE.asset` what came along with FILE, a name a line, as podman writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::address::{is_address, is_other_address, without_user};
use super::directories::{self, Variables};
use super::draft::Session;
use super::kind::Kind;
use super::manager;
use super::refusal::InstalledError;
use super::unit::Unit;

/// A quadlet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// The service that it becomes; empty for a file that is none.
    pub service: String,
    /// Where it is.
    pub path: PathBuf,
    /// What systemd says of the service, or why the file is none.
    pub status: String,
    /// The application that it belongs to: `.NAME.app`; empty without one.
    pub app: String,
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is refused.
    Keep,
    /// It is replaced.
    Replace,
}

/// What becomes of a service that runs when its file is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunningService {
    /// It runs on, and its file stays.
    Refuse,
    /// It is stopped.
    Stop,
}

/// Gets the file at an address: its name, which may be anything, and what is in it; or why not.
pub type Fetch<'f> = &'f dyn Fn(&str) -> Result<(String, Vec<u8>), String>;

/// The quadlet files of a session.
#[derive(Debug)]
pub struct Quadlets {
    session: Session,
    /// Where they are looked for.
    directories: Vec<PathBuf>,
    /// Where they are put.
    directory: PathBuf,
}

impl Quadlets {
    /// Those of the user of this process; root's are the machine's.
    pub fn of_process() -> Self {
        let variables = Variables::of_process();
        let session = if variables.uid == 0 {
            Session::System
        } else {
            Session::User
        };
        Self {
            directories: directories::find(&variables, session),
            directory: directories::own(&variables, session),
            session,
        }
    }

    /// All of them; of several with one name the one that counts.
    pub fn list(&self) -> Vec<Installed> {
        let apps = self.apps();
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for path in self.directories.iter().flat_map(|path| files(path)) {
            let name = file_name(&path);
            if Kind::of(&name).is_none() || !seen.insert(name.clone()) {
                continue;
            }
            let (service, status) = match service_of(&path) {
                Ok(service) => (service, String::new()),
                Err(reason) => (String::new(), reason),
            };
            let member = |app: &&(String, Vec<String>)| app.1.contains(&name);
            all.push(Installed {
                app: apps
                    .iter()
                    .find(member)
                    .map(|app| app.0.clone())
                    .unwrap_or_default(),
                service,
                status,
                name,
                path,
            });
        }
        self.ask_systemd(&mut all);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    fn ask_systemd(&self, all: &mut [Installed]) {
        let services: Vec<&str> = all
            .iter()
            .map(|one| one.service.as_str())
            .filter(|service| !service.is_empty())
            .collect();
        let states = manager::states(self.session, &services);
        for one in all.iter_mut().filter(|one| !one.service.is_empty()) {
            let state = states.get(&one.service).cloned().unwrap_or_default();
            one.status = state.shown();
        }
    }

    /// Where the file `name` is.
    ///
    /// # Errors
    ///
    /// [`InstalledError::Kind`] and [`InstalledError::Missing`].
    pub fn find(&self, name: &str) -> Result<PathBuf, InstalledError> {
        kind_of(name)?;
        let mut paths = self.directories.iter().map(|path| path.join(name));
        let found = paths.find(|path| !name.contains('/') && path.is_file());
        found.ok_or_else(|| InstalledError::Missing {
            name: name.to_owned(),
        })
    }

    /// What the file `name` says.
    ///
    /// # Errors
    ///
    /// As [`Quadlets::find`], and what read(2) says.
    pub fn text(&self, name: &str) -> Result<Vec<u8>, InstalledError> {
        let path = self.find(name)?;
        fs::read(&path).map_err(failed("read", &path))
    }

    /// Installs `paths`: a quadlet file, or a directory of what belongs together; what follows it
    /// comes along. `fetch` gets those that are addresses. The values are where they are, or why
    /// not.
    pub fn install(
        &self,
        paths: &[String],
        existing: Existing,
        fetch: Fetch<'_>,
    ) -> Vec<(String, Result<PathBuf, InstalledError>)> {
        let Some((first, rest)) = paths.split_first() else {
            return Vec::new();
        };
        let base = file_name(Path::new(first));
        let is_app = Path::new(first).is_dir();
        let (mut list, mut all) = if is_app {
            let inside = files(Path::new(first)).into_iter();
            let inside = inside.map(|path| path.to_string_lossy().into_owned());
            (format!(".{base}.app"), inside.collect())
        } else {
            (format!(".{base}.asset"), vec![first.clone()])
        };
        all.extend(rest.iter().cloned());
        let mut done = Vec::new();
        for (index, text) in all.into_iter().enumerate() {
            let is_named = is_app || index > 0;
            let result = self
                .install_one(&text, existing, is_named, fetch)
                .and_then(|path| {
                    if is_named {
                        self.add_to_list(&list, &file_name(&path))?;
                    } else {
                        list = format!(".{}.asset", file_name(&path));
                    }
                    Ok(path)
                });
            // Nothing comes along with what did not come.
            let ends = result.is_err() && !is_app && index == 0;
            done.push((without_user(&text), result));
            if ends {
                break;
            }
        }
        done
    }

    fn install_one(
        &self,
        text: &str,
        existing: Existing,
        may_be_any: bool,
        fetch: Fetch<'_>,
    ) -> Result<PathBuf, InstalledError> {
        let (name, fetched) = if is_address(text) {
            let (name, bytes) = fetch(text).map_err(|words| InstalledError::Fetch { words })?;
            (plain_name(name)?, Some(bytes))
        } else if is_other_address(text) {
            return Err(InstalledError::Scheme);
        } else {
            (file_name(Path::new(text)), None)
        };
        if !may_be_any {
            kind_of(&name)?;
        }
        let content = match fetched {
            Some(bytes) => bytes,
            None => fs::read(text).map_err(failed("read", Path::new(text)))?,
        };
        let target = self.directory.join(&name);
        fs::create_dir_all(&self.directory).map_err(failed("make", &self.directory))?;
        let mut options = fs::OpenOptions::new();
        options.write(true);
        match existing {
            Existing::Keep => options.create_new(true),
            Existing::Replace => options.create(true).truncate(true),
        };
        let written = options.open(&target);
        let written = written.and_then(|mut file| io::Write::write_all(&mut file, &content));
        match written {
            Ok(()) => Ok(target),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(InstalledError::Exists { name })
            }
            Err(source) => Err(failed("write", &target)(source)),
        }
    }

    fn add_to_list(&self, list: &str, name: &str) -> Result<(), InstalledError> {
        let path = self.directory.join(list);
        let known = names_in(&path);
        if known.iter().any(|known| known == name) {
            return Ok(());
        }
        let file = fs::OpenOptions::new().append(true).create(true).open(&path);
        let line = format!("{name}\n");
        file.and_then(|mut file| io::Write::write_all(&mut file, line.as_bytes()))
            .map_err(failed("write", &path))
    }

    /// Removes quadlet files by their names, and applications by theirs; of an application all of
    /// it goes. The values are what went, or why not.
    pub fn remove(
        &self,
        names: &[String],
        running: RunningService,
    ) -> Vec<(String, Result<(), InstalledError>)> {
        let apps = self.apps();
        let mut wanted: Vec<String> = Vec::new();
        let mut lists: BTreeMap<&str, &[String]> = BTreeMap::new();
        for name in names {
            let app = apps
                .iter()
                .find(|(app, members)| app == name || members.contains(name));
            match app {
                Some((app, members)) => {
                    lists.insert(app, members);
                    let quadlets = members.iter().filter(|name| Kind::of(name).is_some());
                    wanted.extend(quadlets.cloned());
                }
                None => wanted.push(name.clone()),
            }
        }
        let mut seen = BTreeSet::new();
        wanted.retain(|name| seen.insert(name.clone()));
        let done: Vec<_> = wanted
            .into_iter()
            .map(|name| {
                let result = self.remove_one(&name, running);
                (name, result)
            })
            .collect();
        for (app, members) in lists {
            // What came along goes with the last of those that it came with.
            let stays =
                |name: &String| Kind::of(name).is_some() && self.directory.join(name).exists();
            if !members.iter().any(stays) {
                self.remove_listed(app, members);
            }
        }
        done
    }

    fn remove_one(&self, name: &str, running: RunningService) -> Result<(), InstalledError> {
        let path = self.find(name)?;
        if let Ok(service) = service_of(&path) {
            let states = manager::states(self.session, &[&service]);
            let active = states
                .get(&service)
                .is_some_and(|state| state.active == "active");
            match running {
                RunningService::Refuse if active => {
                    let name = name.to_owned();
                    return Err(InstalledError::Running { name });
                }
                RunningService::Stop if active => {
                    let stopped = manager::stop(self.session, &service);
                    stopped.map_err(|words| InstalledError::Manager {
                        action: format!("stopping quadlet {name}"),
                        words,
                    })?;
                }
                RunningService::Refuse | RunningService::Stop => {}
            }
        }
        fs::remove_file(&path).map_err(failed("remove", &path))?;
        let list = format!(".{name}.asset");
        self.remove_listed(&list, &names_in(&self.directory.join(&list)));
        Ok(())
    }

    /// What is not there is gone.
    fn remove_listed(&self, list: &str, names: &[String]) {
        for name in names.iter().map(String::as_str).chain([list]) {
            fs::remove_file(self.directory.join(name)).ok();
        }
    }

    /// Has systemd see what was changed.
    ///
    /// # Errors
    ///
    /// [`InstalledError::Manager`]: there is none, or it refuses.
    pub fn reload(&self) -> Result<(), InstalledError> {
        manager::reload(self.session).map_err(|words| InstalledError::Manager {
            action: "reloading systemd".to_owned(),
            words,
        })
    }

    /// The applications with what belongs to them.
    fn apps(&self) -> Vec<(String, Vec<String>)> {
        let lists = files(&self.directory).into_iter();
        lists
            .map(|path| (file_name(&path), path))
            .filter(|(name, _)| {
                let inner = name.strip_prefix('.');
                inner.is_some_and(|inner| inner.strip_suffix(".app").is_some())
            })
            .map(|(name, path)| (name, names_in(&path)))
            .collect()
    }
}

/// The names in a list; one that leads elsewhere is none.
fn names_in(list: &Path) -> Vec<String> {
    let text = fs::read_to_string(list).unwrap_or_default();
    let lines = text.lines().map(str::trim);
    // Security: a removal stays in its directory.
    let names = lines.filter(|line| !matches!(*line, "" | "." | "..") && !line.contains('/'));
    names.map(str::to_owned).collect()
}

fn service_of(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let unit = Unit::parse(&text).map_err(|error| error.to_string())?;
    let name = file_name(path);
    let unit = unit.called(name.clone(), path);
    let kind = kind_of(&name).map_err(|error| error.to_string())?;
    Ok(format!("{}.service", kind.service_name(&unit)))
}

fn kind_of(name: &str) -> Result<Kind, InstalledError> {
    Kind::of(name).ok_or_else(|| {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        InstalledError::Kind {
            extension: extension.map(|it| format!(".{it}")).unwrap_or_default(),
        }
    })
}

/// Security: the name of a file that comes from elsewhere is put into a directory and into lists of
/// lines.
fn plain_name(name: String) -> Result<String, InstalledError> {
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(|letter: char| letter == '/' || letter.is_control());
    if is_plain {
        Ok(name)
    } else {
        Err(InstalledError::Name { name })
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The files of a directory, in the order of their names.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstalledError {
    let path = path.to_owned();
    move |source| InstalledError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of files, and an empty place for them without any systemd.
    fn places() -> (tempfile::TempDir, Quadlets) {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("q");
        fs::create_dir_all(root.path().join("app")).unwrap();
        for (name, text) in [
            ("app/a.container", "[Container]\nImage=i\n"),
            ("app/b.volume", "[Volume]\n"),
            ("app/page.html", "hello"),
            ("c.pod", "[Pod]\nServiceName=s\n"),
            ("d.conf", "x"),
            ("e.container", "what"),
        ] {
            let mut file = fs::File::create(root.path().join(name)).unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        }
        let quadlets = Quadlets {
            session: Session::User,
            directories: vec![directory.clone()],
            directory,
        };
        (root, quadlets)
    }

    fn install(root: &Path, quadlets: &Quadlets, names: &[&str]) -> Vec<String> {
        let paths = names
            .iter()
            .map(|name| root.join(name).display().to_string());
        let none = |_: &str| Err("nothing is fetched here".to_owned());
        let done = quadlets.install(&paths.collect::<Vec<_>>(), Existing::Keep, &none);
        done.into_iter().map(shown).collect()
    }

    fn shown((_, result): (String, Result<PathBuf, InstalledError>)) -> String {
        match result {
            Ok(path) => file_name(&path),
            Err(error) => error.to_string(),
        }
    }

    fn remove(quadlets: &Quadlets, names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let done = quadlets.remove(&names, RunningService::Refuse);
        let shown = |(name, result): (String, Result<(), InstalledError>)| match result {
            Ok(()) => name,
            Err(error) => error.to_string(),
        };
        done.into_iter().map(shown).collect()
    }

    fn left(quadlets: &Quadlets) -> usize {
        files(&quadlets.directory).len()
    }

    #[test]
    fn an_application_comes_and_goes_as_a_whole() {
        let (root, quadlets) = places();
        let names = ["a.container", "b.volume", "page.html"];
        assert_eq!(install(root.path(), &quadlets, &["app"]), names);
        let listed = quadlets.list();
        let shown: Vec<_> = listed.iter().map(|it| (&*it.service, &*it.app)).collect();
        assert_eq!(
            shown,
            [("a.service", ".app.app"), ("b-volume.service", ".app.app")]
        );
        assert_eq!(
            remove(&quadlets, &["b.volume"]),
            ["a.container", "b.volume"]
        );
        assert_eq!(left(&quadlets), 0);
        install(root.path(), &quadlets, &["app"]);
        assert_eq!(
            remove(&quadlets, &[".app.app"]),
            ["a.container", "b.volume"]
        );
        assert_eq!(left(&quadlets), 0);
    }

    #[test]
    fn a_file_brings_others_along() {
        let (root, quadlets) = places();
        assert_eq!(
            install(root.path(), &quadlets, &["c.pod", "d.conf"]),
            ["c.pod", "d.conf"]
        );
        assert_eq!(
            install(root.path(), &quadlets, &["c.pod", "d.conf"]),
            ["a Quadlet with name c.pod already exists, refusing to overwrite"]
        );
        let refused = install(root.path(), &quadlets, &["d.conf"]);
        assert_eq!(refused, ["\".conf\" is not a supported Quadlet file type"]);
        install(root.path(), &quadlets, &["e.container"]);
        let listed = quadlets.list();
        assert_eq!(listed[0].service, "s.service");
        assert!(listed[1].status.starts_with("line 1: "), "{listed:?}");
        assert_eq!(quadlets.text("c.pod").unwrap(), b"[Pod]\nServiceName=s\n");
        let missing = "could not locate quadlet \"x.pod\" in any supported quadlet directory";
        assert_eq!(remove(&quadlets, &["c.pod", "x.pod"]), ["c.pod", missing]);
        assert_eq!(left(&quadlets), 1);
    }

    #[test]
    fn a_file_is_fetched_under_a_plain_name() {
        let (root, quadlets) = places();
        let fetch = |url: &str| match url.rsplit_once('=') {
            Some((_, "gone")) => Err("not found".to_owned()),
            Some((_, name)) => Ok((name.to_owned(), b"[Container]\nImage=i\n".to_vec())),
            None => Ok((String::new(), Vec::new())),
        };
        let install = |urls: &[&str]| -> Vec<String> {
            let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
            let done = quadlets.install(&urls, Existing::Keep, &fetch);
            done.into_iter().map(shown).collect()
        };
        assert_eq!(
            install(&["https://x/?f=w.container", "http://x/?f=w.conf"]),
            ["w.container", "w.conf"]
        );
        let list = quadlets.directory.join(".w.container.asset");
        assert_eq!(fs::read_to_string(list).unwrap(), "w.conf\n");
        assert_eq!(
            quadlets.text("w.container").unwrap(),
            b"[Container]\nImage=i\n"
        );
        assert_eq!(install(&["HTTP://x/?f=gone"]), ["not found"]);
        let refused = install(&["ftp://x/w.container"]);
        assert!(
            refused[0].starts_with("files come from paths"),
            "{refused:?}"
        );
        let refused = install(&["http://x/?f=w.txt"]);
        assert_eq!(refused, ["\".txt\" is not a supported Quadlet file type"]);
        for name in [
            "../up.container",
            ".w.container.asset",
            "a\nb.container",
            "",
        ] {
            let refused = install(&[&format!("http://x/?f={name}")]);
            assert!(refused[0].contains("name no file"), "{name:?}: {refused:?}");
        }
        assert!(!root.path().join("up.container").exists());
    }

    #[test]
    fn a_list_leads_nowhere_else() {
        let (root, quadlets) = places();
        install(root.path(), &quadlets, &["c.pod"]);
        let list = quadlets.directory.join(".c.pod.asset");
        let mut file = fs::File::create(list).unwrap();
        io::Write::write_all(&mut file, b"../d.conf\n\n..\n").unwrap();
        assert_eq!(remove(&quadlets, &["c.pod"]), ["c.pod"]);
        assert!(root.path().join("d.conf").exists());
        assert!(quadlets.find("../e.container").is_err());
    }
}
