// SPDX-License-Identifier: Apache-2.0 OR MIT
//! hooks.d, oci-hooks(5): programs of the host that are run at points of the life of those
//! containers that a file of theirs describes. Files are taken in the order of their names; one in
//! a later directory hides one of the same name in an earlier directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, Hooks};
use regex_lite::Regex;
use serde::Deserialize;

/// The directories that are read where none is named.
pub const USUAL_DIRECTORIES: [&str; 2] = [
    "/usr/share/containers/oci/hooks.d",
    "/etc/containers/oci/hooks.d",
];

/// The only form there is.
const VERSION: &str = "1.0.0";

/// Why a file means nothing.
#[derive(Debug, thiserror::Error)]
#[error("parsing hook {}: {reason}", path.display())]
pub struct HookError {
    /// The file, or the directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What of a container decides which hooks it gets.
#[derive(Debug, Clone)]
pub struct Subject<'s> {
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The program, as it is called.
    pub command: Option<&'s str>,
    /// Whether its user has mounted something of the host.
    pub has_bind_mounts: bool,
}

#[derive(Debug, Deserialize)]
struct HookFile {
    version: String,
    hook: Hook,
    when: When,
    stages: Vec<Stage>,
}

/// All that is said must hold, and something must be said.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct When {
    always: Option<bool>,
    annotations: BTreeMap<String, String>,
    commands: Vec<String>,
    has_bind_mounts: Option<bool>,
}

/// A point of a container's life (OCI runtime specification, "POSIX-platform Hooks").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// As `createRuntime`, before it.
    Prestart,
    /// Its namespaces are there, in the host's.
    CreateRuntime,
    /// The same, in the container's mount namespace with the host's tree.
    CreateContainer,
    /// Before the program, inside.
    StartContainer,
    /// The program runs.
    Poststart,
    /// The container is gone.
    Poststop,
}

/// The hooks of `directories` for this container. A directory that is not there is an empty one.
///
/// # Errors
///
/// A directory or file that cannot be read, and a file that is no hook.
pub fn hooks_for(
    directories: &[PathBuf],
    subject: &Subject<'_>,
) -> Result<Vec<(Stage, Hook)>, HookError> {
    let mut files: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for directory in directories {
        let found = list(directory).map_err(|error| refused(directory, &error.to_string()))?;
        files.extend(found);
    }
    let mut chosen = Vec::new();
    for path in files.values() {
        let text = fs::read(path).map_err(|error| refused(path, &error.to_string()))?;
        let file = read(&text).map_err(|reason| refused(path, &reason))?;
        let matches = file.when.matches(subject);
        if matches.map_err(|reason| refused(path, &reason))? {
            let stages = file.stages.iter();
            chosen.extend(stages.map(|stage| (*stage, file.hook.clone())));
        }
    }
    Ok(chosen)
}

/// All of `chosen` as a specification has them; `None` when there are none.
pub fn in_a_spec(chosen: &[(Stage, Hook)]) -> Option<Hooks> {
    if chosen.is_empty() {
        return None;
    }
    let take = |stage: Stage| {
        let of_stage = chosen.iter().filter(|(at, _)| *at == stage);
        let list: Vec<Hook> = of_stage.map(|(_, hook)| hook.clone()).collect();
        Some(list).filter(|list| !list.is_empty())
    };
    let mut hooks = Hooks::default();
    hooks
        .set_prestart(take(Stage::Prestart))
        .set_create_runtime(take(Stage::CreateRuntime))
        .set_create_container(take(Stage::CreateContainer))
        .set_start_container(take(Stage::StartContainer))
        .set_poststart(take(Stage::Poststart))
        .set_poststop(take(Stage::Poststop));
    Some(hooks)
}

fn refused(path: &Path, reason: &str) -> HookError {
    HookError {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Files by their names.
fn list(directory: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let (Some(name), true) = (path.file_name(), path.extension() == Some("json".as_ref())) {
            files.push((PathBuf::from(name), path));
        }
    }
    Ok(files)
}

fn read(text: &[u8]) -> Result<HookFile, String> {
    let file: HookFile = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!(
            "unrecognized hook version: {:?}, want {VERSION:?}",
            file.version
        ));
    }
    if !file.hook.path().is_absolute() {
        let path = file.hook.path().display();
        return Err(format!("hook.path {path} is not absolute"));
    }
    Ok(file)
}

impl When {
    fn matches(&self, subject: &Subject<'_>) -> Result<bool, String> {
        let mut said = 0;
        let conditions = [
            self.always,
            self.has_bind_mounts
                .map(|wanted| wanted == subject.has_bind_mounts),
        ];
        for holds in conditions.into_iter().flatten() {
            if !holds {
                return Ok(false);
            }
            said += 1;
        }
        for (key, value) in &self.annotations {
            let (key, value) = (pattern(key)?, pattern(value)?);
            let mut pairs = subject.annotations.iter();
            if !pairs.any(|(name, text)| key.is_match(name) && value.is_match(text)) {
                return Ok(false);
            }
            said += 1;
        }
        if !self.commands.is_empty() {
            let patterns: Vec<Regex> = self
                .commands
                .iter()
                .map(|text| pattern(text))
                .collect::<Result<_, _>>()?;
            let command = subject.command.unwrap_or_default();
            if command.is_empty() || !patterns.iter().any(|pattern| pattern.is_match(command)) {
                return Ok(false);
            }
            said += 1;
        }
        Ok(said > 0)
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("{text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(when: &str, stages: &str) -> String {
        format!(
            r#"{{"version":"1.0.0","hook":{{"path":"/bin/{stages}"}},"when":{when},"stages":["{stages}"]}}"#
        )
    }

    fn subject() -> Subject<'static> {
        Subject {
            annotations: BTreeMap::from([("com.example".to_owned(), "on".to_owned())]),
            command: Some("/usr/bin/httpd"),
            has_bind_mounts: false,
        }
    }

    #[test]
    fn all_that_is_said_must_hold() {
        let table = [
            (r#"{"always":true}"#, true),
            (r#"{"always":false}"#, false),
            (r"{}", false),
            (r#"{"hasBindMounts":false}"#, true),
            (r#"{"always":true,"hasBindMounts":true}"#, false),
            (r#"{"commands":["^/usr/bin/httpd$"]}"#, true),
            (r#"{"commands":["nginx"]}"#, false),
            (r#"{"annotations":{"^com\\.":"^on$"}}"#, true),
            (
                r#"{"annotations":{"^com\\.":"^off$"},"always":true}"#,
                false,
            ),
        ];
        for (when, wanted) in table {
            let file = read(file(when, "prestart").as_bytes()).unwrap();
            assert_eq!(file.when.matches(&subject()), Ok(wanted), "{when}");
        }
    }

    #[test]
    fn later_directories_hide_and_names_order() {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        let put = |directory: &Path, name: &str, text: String| {
            let mut file = fs::File::create(directory.join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let always = r#"{"always":true}"#;
        put(one.path(), "b.json", file(always, "prestart"));
        put(one.path(), "a.json", file(always, "poststop"));
        put(one.path(), "readme", String::new());
        put(
            two.path(),
            "b.json",
            file(r#"{"always":false}"#, "prestart"),
        );
        let of = |directories: &[&Path]| {
            let directories: Vec<_> = directories.iter().map(|path| path.to_path_buf()).collect();
            let chosen = hooks_for(&directories, &subject());
            chosen
                .map(|chosen| in_a_spec(&chosen))
                .map_err(|error| error.to_string())
        };
        let both = of(&[one.path(), Path::new("/no/such")]).unwrap().unwrap();
        assert!(both.prestart().is_some() && both.poststop().is_some());
        let hidden = of(&[one.path(), two.path()]).unwrap().unwrap();
        assert!(hidden.prestart().is_none() && hidden.poststop().is_some());
        put(two.path(), "c.json", r#"{"version":"2"}"#.to_owned());
        let why = of(&[two.path()]).unwrap_err();
        assert!(why.contains("c.json: missing field"), "{why}");
    }
}
