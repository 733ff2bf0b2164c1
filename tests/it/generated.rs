// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manual pages are made from the definitions of commands and flags, and committed.
//! `UPDATE=1 cargo test --test it generated` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Generated files by their path in the repository.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn manual_pages() -> Files {
    let mut files = Files::new();
    let root = coracle::cli::definition();
    add_pages(&mut files, &root, "");
    files
}

/// The page of the command at `path`, and those below it. `container run` has the page of `run`.
fn add_pages(files: &mut Files, command: &Command, path: &str) {
    if coracle::cli::canonical_path(path).is_none_or(|canonical| canonical == path) {
        add_page(files, command, path);
    }
    for inner in command.get_subcommands() {
        let path = format!("{path} {}", inner.get_name());
        add_pages(files, inner, path.trim_start());
    }
}

/// The name of the page of the command at `path`.
fn page_name(path: &str) -> String {
    let path = coracle::cli::canonical_path(path).unwrap_or(path);
    format!("coracle {path}").trim_end().replace(' ', "-")
}

fn add_page(files: &mut Files, command: &Command, path: &str) {
    let name = page_name(path);
    let man = Man::new(
        command
            .clone()
            .display_name(format!("coracle {path}").trim_end()),
    )
    .title(name.to_uppercase())
    .date("")
    .manual("coracle");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    text_section(&mut page, "SYNOPSIS", &[&usage]);
    commands_section(&mut page, command, path);
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut page).unwrap();
    }
    let examples = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let examples: Vec<&str> = examples.lines().skip(1).map(str::trim).collect();
    if !examples.is_empty() {
        text_section(&mut page, "EXAMPLES", &examples);
    }
    files.insert(Path::new("man").join(format!("{name}.1")), page);
}

/// What stands below the program or a group, each with its page.
fn commands_section(page: &mut Vec<u8>, command: &Command, path: &str) {
    let mut commands: Vec<&Command> = command.get_subcommands().collect();
    if commands.is_empty() {
        return;
    }
    commands.sort_by_key(|command| command.get_name());
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in commands {
        let path = format!("{path} {}", command.get_name());
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        roff.control("TP", []);
        roff.text([bold(format!("{}(1)", page_name(path.trim_start())))]);
        roff.text([roman(about)]);
    }
    roff.to_writer(page).unwrap();
}

/// A section of lines that are kept as they are.
fn text_section(page: &mut Vec<u8>, heading: &str, lines: &[&str]) {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []);
    roff.to_writer(page).unwrap();
}

/// What is wrong with the files of `folder`, after writing them anew with `UPDATE=1`.
fn differences(folder: &str, want: &Files) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        update(&root.join(folder), root, want);
    }
    let mut complaints: Vec<String> = want
        .iter()
        .filter(|(path, text)| fs::read(root.join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| format!("{} is not what the definitions give", path.display()))
        .collect();
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
        let path = Path::new(folder).join(entry.unwrap().file_name());
        if !want.contains_key(&path) {
            complaints.push(format!("{} belongs to no command", path.display()));
        }
    }
    complaints
}

fn update(folder: &Path, root: &Path, want: &Files) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    for (path, text) in want {
        fs::write(root.join(path), text).unwrap();
    }
}

fn check(folder: &str, want: &Files) {
    let complaints = differences(folder, want);
    assert!(
        complaints.is_empty(),
        "\n{}\nUPDATE=1 cargo test --test it generated writes them anew\n",
        complaints.join("\n")
    );
}

#[test]
fn manual_pages_match_the_definitions() {
    check("man", &manual_pages());
}
