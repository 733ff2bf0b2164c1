// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quadlet files with their drop-ins, from the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::kind::{Kind, base_name};
use super::unit::{Unit, UnitError};

/// A file that is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// It cannot be read.
    #[error("error loading {path:?}, {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can, and is no unit.
    #[error("error loading {path:?}, {source}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        source: UnitError,
    },
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The files that others wait for first.
    pub(super) units: Vec<(Unit, Kind)>,
    /// What was not to be had.
    pub(super) errors: Vec<LoadError>,
}

/// Reads what is in `directories`; of files with one name the first.
pub(super) fn load(directories: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut seen = BTreeSet::new();
    // Only where there is a directory of the name is one opened for a unit.
    let mut drop_ins: Vec<PathBuf> = Vec::new();
    for directory in directories {
        for name in names(directory) {
            let path = directory.join(&name);
            if has_extension(&name, "d") {
                drop_ins.push(path);
            } else if let Some(kind) = Kind::of(&name).filter(|_| seen.insert(name)) {
                loaded.take(read(&path), |loaded, unit| loaded.units.push((unit, kind)));
            }
        }
    }
    let mut units = std::mem::take(&mut loaded.units);
    for (unit, kind) in &mut units {
        for path in drop_in_files(&unit.name, *kind, &drop_ins) {
            loaded.take(read(&path), |_, more| unit.merge(more));
        }
    }
    // A stable order: what is written does not change without a reason.
    units.sort_by(|(one, a), (other, b)| (a, &one.name).cmp(&(b, &other.name)));
    loaded.units = units;
    loaded
}

impl Loaded {
    fn take(&mut self, read: Result<Unit, LoadError>, with: impl FnOnce(&mut Self, Unit)) {
        match read {
            Ok(unit) => with(self, unit),
            Err(error) => self.errors.push(error),
        }
    }
}

fn has_extension(name: &str, wanted: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| extension == wanted)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn read(path: &Path) -> Result<Unit, LoadError> {
    let text = fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    let unit = Unit::parse(&text).map_err(|source| LoadError::Parse {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_name().unwrap_or_default();
    Ok(unit.called(name.to_string_lossy(), path))
}

/// The files that belong to a unit; of those with one name that of the directory which is most
/// its own.
fn drop_in_files(name: &str, kind: Kind, directories: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = BTreeMap::new();
    for wanted in drop_in_names(name, kind) {
        let is_wanted = |path: &&PathBuf| path.file_name().is_some_and(|name| *name == *wanted);
        for directory in directories.iter().filter(is_wanted) {
            for name in names(directory) {
                if has_extension(&name, "conf") {
                    let path = directory.join(&name);
                    files.entry(name).or_insert(path);
                }
            }
        }
    }
    files.into_values().collect()
}

/// The directories of a unit's drop-ins, its own first and those of its kind last.
fn drop_in_names(name: &str, kind: Kind) -> Vec<String> {
    let extension = kind.extension();
    let base = base_name(name);
    let (template, instance) = match base.split_once('@') {
        Some((template, instance)) => (template, Some(instance)),
        None => (base, None),
    };
    let mut names = vec![format!("{name}.d")];
    if instance.is_some_and(|instance| !instance.is_empty()) {
        names.push(format!("{template}@.{extension}.d"));
    }
    for (place, _) in template.rmatch_indices('-') {
        let start = &template[..=place];
        if instance.is_some() {
            names.push(format!("{start}@.{extension}.d"));
        }
        names.push(format!("{start}.{extension}.d"));
    }
    names.push(format!("{extension}.d"));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_go_from_the_unit_to_its_kind() {
        let of = |name| drop_in_names(name, Kind::Container).join(" ");
        assert_eq!(
            of("a-b-c.container"),
            "a-b-c.container.d a-b-.container.d a-.container.d container.d"
        );
        assert_eq!(
            of("a-b@i.container"),
            "a-b@i.container.d a-b@.container.d a-@.container.d a-.container.d container.d"
        );
    }

    #[test]
    fn the_first_of_a_name_counts_and_the_rest_is_merged() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            io::Write::write_all(&mut fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
        };
        write("1/a.container", "[Container]\nImage=one\n");
        write("2/a.container", "[Container]\nImage=two\n");
        write("2/a.container.d/9.conf", "[Container]\nImage=nine\n");
        write("1/container.d/9.conf", "[Container]\nImage=no\n");
        write("1/container.d/8.conf", "[Container]\nLabel=eight\n");
        write("1/b.volume", "hello");
        write("2/c.network", "");
        let directories = ["1", "2"].map(|name| root.path().join(name));
        let loaded = load(&directories);
        let names: Vec<&str> = loaded
            .units
            .iter()
            .map(|(it, _)| it.name.as_str())
            .collect();
        assert_eq!(names, ["c.network", "a.container"]);
        let unit = &loaded.units[1].0;
        assert_eq!(unit.all("Container", "Image"), ["one", "nine"]);
        assert_eq!(unit.last("Container", "Label"), Some("eight"));
        let [error] = &loaded.errors[..] else {
            panic!("{:?}", loaded.errors);
        };
        assert!(
            error
                .to_string()
                .ends_with("is not a key-value pair, group, or comment")
        );
    }
}
