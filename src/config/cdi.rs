// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Container Device Interface: what vendors' tools write about devices, and what a container
//! that asks for one by name (`vendor.com/class=name`) is given of the host for it.
//!
//! Source: SPEC.md of github.com/cncf-tags/container-device-interface. Ids of groups
//! (`additionalGids`) and `intelRdt` are passed by: groups of the host have no number inside, and
//! access to a device comes from the caller's own groups (`--group-add keep-groups`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, HookBuilder};
use serde::Deserialize;

use super::hooks_d::Stage;

/// The directories that are read where containers.conf names none; a later one goes before.
pub const USUAL_DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// Why a device is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    /// No file describes them.
    #[error("unresolvable CDI devices {}", .0.join(", "))]
    Unknown(Vec<String>),
    /// Two files of one directory describe it.
    #[error("conflicting device {name:?} (CDI specs {}, {})", files.0.display(), files.1.display())]
    Conflict {
        /// The device.
        name: String,
        /// The files.
        files: (PathBuf, PathBuf),
    },
    /// A file that means nothing.
    #[error("CDI spec {}: {reason}", path.display())]
    File {
        /// The file, or the directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a container is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Edits {
    /// Variables, `NAME=VALUE`.
    pub env: Vec<String>,
    /// Device nodes.
    pub device_nodes: Vec<DeviceNode>,
    /// Binds of the host's files.
    pub mounts: Vec<BindMount>,
    /// Programs of the host.
    pub hooks: Vec<NamedHook>,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceNode {
    /// Its place in the container.
    pub path: PathBuf,
    /// Its place on the host, if that is another one.
    pub host_path: Option<PathBuf>,
}

/// A bind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindMount {
    /// What is bound.
    pub host_path: PathBuf,
    /// Where.
    pub container_path: PathBuf,
    /// In the words of the OCI runtime specification.
    #[serde(default)]
    pub options: Vec<String>,
}

/// A program of the host and the point at which it is run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedHook {
    hook_name: Stage,
    path: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    timeout: Option<i64>,
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    kind: String,
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    name: String,
    #[serde(default)]
    container_edits: Edits,
}

/// Whether `text` is the name of such a device, and no path.
pub fn is_name(text: &str) -> bool {
    let Some((kind, device)) = text.split_once('=') else {
        return false;
    };
    let parts = kind.split_once('/');
    let is_word = |word: &str| {
        let letters = word.bytes();
        word.starts_with(|first: char| first.is_ascii_alphanumeric())
            && letters
                .into_iter()
                .all(|letter| letter.is_ascii_alphanumeric() || b"._-:".contains(&letter))
    };
    parts.is_some_and(|(vendor, class)| is_word(vendor) && is_word(class)) && is_word(device)
}

/// What all of `names` together bring; what a file says of all its devices comes once.
///
/// # Errors
///
/// See [`CdiError`]. A file that is broken stands in the way of no device that another describes.
pub fn resolve(directories: &[PathBuf], names: &[&str]) -> Result<Edits, CdiError> {
    let mut broken = None;
    let mut specs = Vec::new();
    for directory in directories {
        for path in files(directory)? {
            match read(&path) {
                Ok(spec) => specs.push((path, spec)),
                Err(error) => broken = Some(error),
            }
        }
    }
    let mut unknown = Vec::new();
    let mut chosen: BTreeMap<usize, Vec<&Edits>> = BTreeMap::new();
    for name in names {
        match find(&specs, name)? {
            Some((place, edits)) => chosen.entry(place).or_default().push(edits),
            None => unknown.push((*name).to_owned()),
        }
    }
    if !unknown.is_empty() {
        return Err(broken.unwrap_or(CdiError::Unknown(unknown)));
    }
    let mut all = Edits::default();
    for (place, edits) in chosen {
        for edits in edits {
            all.add(edits);
        }
        all.add(&specs[place].1.container_edits);
    }
    Ok(all)
}

/// The file with the device `name`, by its place in `specs`.
fn find<'s>(
    specs: &'s [(PathBuf, Spec)],
    name: &str,
) -> Result<Option<(usize, &'s Edits)>, CdiError> {
    let (kind, device) = name.split_once('=').unwrap_or((name, ""));
    let mut found: Option<(usize, &Edits)> = None;
    for (place, (path, spec)) in specs.iter().enumerate() {
        let mut devices = spec.devices.iter();
        let Some(one) = devices.find(|one| spec.kind == kind && one.name == device) else {
            continue;
        };
        if let Some((other, _)) = found
            && specs[other].0.parent() == path.parent()
        {
            return Err(CdiError::Conflict {
                name: name.to_owned(),
                files: (specs[other].0.clone(), path.clone()),
            });
        }
        found = Some((place, &one.container_edits));
    }
    Ok(found)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, CdiError> {
    let failed = |error: io::Error| CdiError::File {
        path: directory.to_owned(),
        reason: error.to_string(),
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let end = path.extension().and_then(|end| end.to_str());
        if matches!(end, Some("json" | "yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Spec, CdiError> {
    let refused = |reason: String| CdiError::File {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    if path.extension() == Some("json".as_ref()) {
        return serde_json::from_str(&text).map_err(|error| refused(error.to_string()));
    }
    serde_saphyr::from_str(&text).map_err(|error| {
        // It shows the place with lines of its own.
        let words = error.to_string();
        refused(words.lines().next().unwrap_or_default().to_owned())
    })
}

impl Edits {
    fn add(&mut self, other: &Self) {
        self.env.extend(other.env.iter().cloned());
        self.device_nodes.extend(other.device_nodes.iter().cloned());
        self.mounts.extend(other.mounts.iter().cloned());
        self.hooks.extend(other.hooks.iter().cloned());
    }
}

impl NamedHook {
    /// It, in the words of the OCI runtime specification.
    pub fn hook(&self) -> (Stage, Hook) {
        let hook = HookBuilder::default().path(&self.path);
        let hook = hook.args(self.args.clone()).env(self.env.clone());
        let hook = match self.timeout {
            Some(seconds) => hook.timeout(seconds),
            None => hook,
        };
        (
            self.hook_name,
            hook.build()
                .expect("every field of a hook is optional or set"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "\
cdiVersion: 0.6.0
kind: example.com/toy
devices:
- name: \"0\"
  containerEdits:
    deviceNodes:
    - path: /dev/toy0
      hostPath: /dev/null
- name: all
  containerEdits:
    env: [TOYS=all]
containerEdits:
  env:
  - TOYS_VISIBLE=void
  hooks:
  - hookName: createContainer
    path: /usr/bin/toy-hook
    args: [toy-hook, ldcache]
  mounts:
  - hostPath: /usr/lib/libtoy.so
    containerPath: /usr/lib/libtoy.so
    options: [ro, nosuid, nodev, bind]
";

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            #[expect(clippy::disallowed_methods, reason = "a test's files survive no crash")]
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn resolved(directories: &[&tempfile::TempDir], names: &[&str]) -> Result<Edits, String> {
        let paths: Vec<_> = directories
            .iter()
            .map(|one| one.path().to_owned())
            .collect();
        resolve(&paths, names).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_no_paths() {
        let table = [
            ("nvidia.com/gpu=all", true),
            ("example.com/toy=0:1", true),
            ("/dev/a=b", false),
            ("vendor.com/gpu", false),
            ("gpu=all", false),
            ("vendor.com/gpu=", false),
        ];
        for (text, wanted) in table {
            assert_eq!(is_name(text), wanted, "{text}");
        }
    }

    #[test]
    fn devices_of_one_file_bring_what_they_share_once() {
        let directory = directory(&[("toy.yaml", YAML), ("readme", "no")]);
        let edits = resolved(&[&directory], &["example.com/toy=0", "example.com/toy=all"]).unwrap();
        assert_eq!(edits.env, ["TOYS=all", "TOYS_VISIBLE=void"]);
        assert_eq!(
            edits.device_nodes[0].host_path,
            Some(PathBuf::from("/dev/null"))
        );
        assert_eq!(edits.mounts[0].options, ["ro", "nosuid", "nodev", "bind"]);
        let (stage, hook) = edits.hooks[0].hook();
        assert_eq!(stage, Stage::CreateContainer);
        assert_eq!(hook.args().as_deref().unwrap(), ["toy-hook", "ldcache"]);
    }

    #[test]
    fn later_directories_go_before_and_one_directory_agrees() {
        let json = r#"{"kind":"example.com/toy","devices":[{"name":"0","containerEdits":{"env":["JSON=yes"]}}]}"#;
        let (yaml, json) = (directory(&[("a.yaml", YAML)]), [("b.json", json)]);
        let later = directory(&json);
        let edits = resolved(&[&yaml, &later], &["example.com/toy=0"]).unwrap();
        assert_eq!(edits.env, ["JSON=yes"]);
        let both = directory(&[("a.yaml", YAML), json[0]]);
        let why = resolved(&[&both], &["example.com/toy=0"]).unwrap_err();
        assert!(
            why.starts_with("conflicting device \"example.com/toy=0\""),
            "{why}"
        );
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let directory = directory(&[("a.yaml", YAML)]);
        let why = resolved(&[&directory], &["example.com/toy=0", "example.com/toy=7"]);
        assert_eq!(
            why.unwrap_err(),
            "unresolvable CDI devices example.com/toy=7"
        );
        let broken = self::directory(&[("a.yaml", YAML), ("b.yaml", "kind: [\n")]);
        assert!(resolved(&[&broken], &["example.com/toy=0"]).is_ok());
        let why = resolved(&[&broken], &["example.com/toy=7"]).unwrap_err();
        assert!(why.contains("b.yaml: "), "{why}");
    }
}
