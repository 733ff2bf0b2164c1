// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shape of the source tree: which module may import which, how long a file may be. In a
//! single crate nothing else stops cycles.

use std::fs;
use std::path::{Path, PathBuf};

/// What each room may import. `main.rs` joins the rooms; `lib.rs` imports nothing.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "main",
        &[
            "cli",
            "engine",
            "monitor",
            "network",
            "overlay_fuse",
            "quadlet",
            "runtime",
            "sys",
        ],
    ),
    (
        "cli",
        &[
            "config",
            "engine",
            "layer_format",
            "oci",
            "output",
            "quadlet",
            "runtime",
            "state",
        ],
    ),
    // Only for the fuzzer and a test: every parser of every room.
    (
        "fuzz",
        &[
            "config", "engine", "network", "oci", "output", "registry", "runtime", "state",
            "storage",
        ],
    ),
    ("output", &["oci", "state"]),
    (
        "engine",
        &[
            "config",
            "layer_format",
            "monitor",
            "network",
            "oci",
            "registry",
            "runtime",
            "state",
            "storage",
            "sys",
        ],
    ),
    (
        "monitor",
        &["config", "layer_format", "oci", "state", "sys"],
    ),
    (
        "network",
        &["config", "layer_format", "oci", "state", "sys"],
    ),
    ("registry", &["config", "oci", "state", "sys"]),
    (
        "runtime",
        &["config", "layer_format", "oci", "state", "sys"],
    ),
    (
        "storage",
        &["config", "layer_format", "oci", "state", "sys"],
    ),
    ("config", &["oci", "sys"]),
    ("state", &["oci", "sys"]),
    ("layer_format", &["oci", "sys"]),
    ("overlay_fuse", &["layer_format", "sys"]),
    ("quadlet", &[]),
    ("oci", &["sys"]),
    ("sys", &[]),
];

/// Of the monitor the engine sees its protocol; only the launch joins runtime and monitor.
const MONITOR_PROTOCOL: &str = "monitor::protocol";
const LAUNCH: &str = "engine::launch";

/// The longest that a file may be, in lines without its tests.
const MOST_LINES: usize = 800;

/// One source file.
struct Source {
    path: PathBuf,
    /// `["engine", "launch"]` for `src/engine/launch.rs` and `src/engine/launch/mod.rs`.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn new(path: &Path, text: String) -> Self {
        let mut module: Vec<String> = path
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if module.len() > 1 && module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        Self {
            path: path.to_owned(),
            module,
            text,
        }
    }

    fn room(&self) -> &str {
        &self.module[0]
    }

    /// A file of tests alone, which no length is set for.
    fn is_tests(&self) -> bool {
        self.module
            .iter()
            .any(|name| name == "tests" || name.ends_with("_tests"))
    }

    /// Lines of code with their numbers, without comments.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
    }

    /// How many lines stand before the file's tests.
    fn length(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]"
                && pair[1].trim().starts_with("mod ")
                && pair[1].trim().ends_with('{')
        });
        tests.unwrap_or(lines.len())
    }

    /// What is wrong with this file, one line each.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if !self.is_tests() && self.length() > MOST_LINES {
            complaints.push(format!(
                "{}: {} lines without tests, {MOST_LINES} are allowed",
                self.path.display(),
                self.length()
            ));
        }
        // A file of tests is a module inside the one that it tests.
        let mut in_tests = self.is_tests();
        for (number, line) in self.lines() {
            in_tests |= line.trim() == "#[cfg(test)]";
            let depth = self.module.len() + usize::from(in_tests);
            let place = format!("{}:{number}", self.path.display());
            complaints.extend(self.line_complaints(&place, line, depth));
        }
        complaints.extend(self.import_complaints());
        complaints
    }

    fn line_complaints(&self, place: &str, line: &str, depth: usize) -> Vec<String> {
        let mut complaints = Vec::new();
        if line.contains("use crate::*") {
            complaints.push(format!("{place}: imports everything of the crate"));
        }
        let climbs = line.matches("super::").count();
        let chain = "super::".repeat(depth.max(1));
        if climbs >= depth && line.contains(&chain) && self.room() != "main" && self.room() != "lib"
        {
            complaints.push(format!("{place}: `super` climbs to the crate's root"));
        }
        complaints
    }

    fn import_complaints(&self) -> Vec<String> {
        let lines: Vec<&str> = self.lines().map(|(_, line)| line).collect();
        let code = lines.join("\n");
        let root = if self.room() == "main" {
            "coracle::"
        } else {
            "crate::"
        };
        imports(&code, root)
            .into_iter()
            .filter(|import| !self.may_import(import))
            .map(|import| format!("{}: must not import {import}", self.path.display()))
            .collect()
    }

    fn may_import(&self, import: &str) -> bool {
        let target = import.split("::").next().unwrap_or_default();
        if target == self.room() || !is_room(target) {
            return true;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(room, _)| *room == self.room()) else {
            return false;
        };
        if self.room() == "engine" && target == "monitor" {
            return import.starts_with(MONITOR_PROTOCOL)
                || self.module.join("::").starts_with(LAUNCH);
        }
        allowed.contains(&target)
    }
}

fn is_room(name: &str) -> bool {
    ALLOWED.iter().any(|(room, _)| *room == name)
}

fn without_comment(line: &str) -> &str {
    match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    }
}

/// Every path that `code` names below `root`: `a::b` for `crate::a::b`, and each of a group.
fn imports(code: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
            continue;
        }
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_members(group)),
            None => found.push(leading_path(rest)),
        }
    }
    found
}

/// The paths of `a::b, c::{d, e}}…`, each up to its own group.
fn group_members(group: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(leading_path(group[start..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(leading_path(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

fn leading_path(text: &str) -> String {
    let end = text
        .find(|character: char| {
            !character.is_alphanumeric() && character != '_' && character != ':'
        })
        .unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
}

fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source::new(path.strip_prefix(&root).unwrap(), text));
            }
        }
    }
    sources
}

#[test]
fn the_source_tree_keeps_its_shape() {
    let mut complaints: Vec<String> = tree().iter().flat_map(Source::complaints).collect();
    complaints.sort();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_room_of_the_tree_is_in_the_table() {
    for source in tree() {
        let room = source.room();
        assert!(room == "lib" || is_room(room), "{}", source.path.display());
    }
}

/// A file that nobody names is not compiled, and its tests never run.
#[test]
fn every_file_of_the_end_to_end_tests_is_named() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(directory.join("main.rs")).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let named = main.contains(&format!("mod {name};"));
        assert!(named || name == "main", "{}", path.display());
    }
}

/// Holes that engines and runtimes had. Each is the name of a test that shows that it is none here.
const KNOWN_HOLES: &[&str] = &[
    "2014_8989",  // setgroups in a namespace of one id
    "2016_9962",  // a process that enters can be looked into
    "2017_5226",  // TIOCSTI
    "2018_15664", // cp through a link that is exchanged
    "2019_5736",  // /proc/self/exe is the runtime
    "2019_14271", // cp runs code of the container
    "2019_16884", // a mount over /proc
    "2019_19921", // a link over /proc
    "2020_14370", // one container's environment in another
    "2020_15257", // abstract sockets
    "2021_20199", // forwarded connections come from 127.0.0.1
    "2021_30465", // links exchanged under a mount
    "2022_0492",  // the release agent of cgroup v1
    "2022_1227",  // top runs code of the container
    "2022_2989",  // supplementary groups
    "2022_2990",
    "2022_36109",
    "2022_24769", // inheritable capabilities
    "2022_27650",
    "2022_29162",
    "2023_0778",  // an exported volume follows links
    "2023_25809", // a writable /sys/fs/cgroup
    "2024_3056",  // a shared /dev/shm
    "2024_9676",  // passwd is a link or a pipe
    "2024_21626", // a working directory in /proc/self/fd
    "2024_45310", // places made through a link
    "2025_31133", // /dev/null of the image as a mask
    "2025_52565", // /dev/console of the image
    "2025_52881", // a false /proc is written to
    "2026_30892", // users of exec
    "2026_41579", // /dev is a link
    "2026_47766",
];

/// The lines with the names of all tests of the crate.
fn tests() -> Vec<String> {
    let mut names = Vec::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending = vec![top.join("src"), top.join("tests/it")];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).expect("the directory is there") {
            let path = entry.expect("the directory can be read").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                let tests = text.split("#[test]\n").skip(1);
                let named = tests.filter_map(|test| test.lines().find(|line| line.contains("fn ")));
                names.extend(named.map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn every_known_hole_is_the_name_of_a_test() {
    let names = tests().concat();
    let has_test = |hole: &&&str| names.contains(&format!("cve_{hole}"));
    let without: Vec<_> = KNOWN_HOLES.iter().filter(|hole| !has_test(hole)).collect();
    assert!(without.is_empty(), "no test has their names: {without:?}");
}

/// The table of conformance.md: a rule, and the tests that hold it.
#[test]
fn every_rule_has_tests_that_exist() {
    let tests = tests();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance.md");
    let text = fs::read_to_string(path).expect("it is there");
    let table = text.split("## Rules and their tests\n").nth(1);
    let table = table.and_then(|rest| rest.split("\n## ").next());
    let rows = table.expect("the heading is there").lines();
    let names = rows.filter_map(|row| row.strip_prefix("| ")?.split_once(" | "));
    let names: Vec<_> = names
        .flat_map(|(_, names)| names.split('`').skip(1).step_by(2))
        .collect();
    assert!(names.len() > 100, "{names:?}");
    let exists = |name: &&&str| {
        tests
            .iter()
            .any(|test| test.contains(&format!("fn {name}(")))
    };
    let absent: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn every_file_names_its_licence_and_says_what_it_is() {
    for source in tree() {
        let mut lines = source.text.lines();
        let place = source.path.display();
        assert_eq!(
            lines.next(),
            Some("// SPDX-License-Identifier: Apache-2.0 OR MIT"),
            "{place}"
        );
        assert!(
            lines.next().is_some_and(|line| line.starts_with("//!")),
            "{place}"
        );
    }
}

/// The check itself is checked: each of these is planted and must be found.
#[test]
fn what_is_forbidden_is_found() {
    let long = "let x = 1;\n".repeat(MOST_LINES + 1);
    let planted = [
        (
            "state/x.rs",
            "use crate::engine::Engine;",
            "must not import engine::Engine",
        ),
        (
            "state/x.rs",
            "use crate::{sys, storage::Layer};",
            "must not import storage::Layer",
        ),
        (
            "oci/x.rs",
            "fn f() -> crate::state::Id { }",
            "must not import state::Id",
        ),
        (
            "engine/x.rs",
            "use crate::output::ui::Ui;",
            "must not import output::ui::Ui",
        ),
        (
            "engine/stop.rs",
            "use crate::monitor::supervise::run;",
            "must not import monitor::supervise",
        ),
        (
            "storage/x.rs",
            "use crate::overlay_fuse::main;",
            "must not import overlay_fuse",
        ),
        (
            "cli/x.rs",
            "use crate::sys::mount;",
            "must not import sys::mount",
        ),
        (
            "main.rs",
            "use coracle::storage::Layer;",
            "must not import storage::Layer",
        ),
        ("state/x.rs", "use crate::*;", "imports everything"),
        (
            "state/mod.rs",
            "use super::engine::Engine;",
            "climbs to the crate's root",
        ),
        (
            "state/x.rs",
            "use super::super::engine::Engine;",
            "climbs to the crate's root",
        ),
        ("state/x.rs", long.as_str(), "lines without tests"),
    ];
    for (path, text, complaint) in planted {
        let complaints = Source::new(Path::new(path), text.to_owned()).complaints();
        assert!(
            complaints.iter().any(|line| line.contains(complaint)),
            "{path}: {complaint}: {complaints:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let tests = format!(
        "#[cfg(test)]\nmod tests {{\n{}}}\n",
        "let x = 1;\n".repeat(MOST_LINES)
    );
    let fine = [
        (
            "engine/x.rs",
            "use crate::{state::id::ContainerId, sys::{Called, SysError}};",
        ),
        ("engine/x.rs", "use crate::monitor::protocol::Request;"),
        (
            "engine/launch/process.rs",
            "use crate::monitor::supervise::run;",
        ),
        (
            "state/x.rs",
            "// crate::engine calls this\nuse super::id::ContainerId;",
        ),
        (
            "state/x.rs",
            "#[cfg(test)]\nmod tests {\n    use super::super::id;\n}",
        ),
        ("state/x_tests.rs", "use super::super::id;"),
        ("state/x.rs", "pub(crate) fn f() {}"),
        ("state/x.rs", tests.as_str()),
    ];
    for (path, text) in fine {
        let complaints = Source::new(Path::new(path), text.to_owned()).complaints();
        assert!(complaints.is_empty(), "{path}: {complaints:?}");
    }
}
