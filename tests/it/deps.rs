// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the package is built from: how many packages, from where, under which licences. `deny.toml`
//! says the same to cargo-deny, which takes longer to install than everything here to build.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Dependencies are the real cost of a build.
const MOST_PACKAGES: usize = 260;

/// Licences whose terms a static binary under Apache-2.0 or MIT can keep.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Debug)]
struct Package {
    name: String,
    source: Option<String>,
}

fn locked(path: &str) -> Vec<toml::Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut lock: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    lock["package"].as_array_mut().map(std::mem::take).unwrap()
}

fn locked_packages() -> Vec<Package> {
    let text = |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_owned);
    locked("Cargo.lock")
        .iter()
        .map(|package| Package {
            name: text(package, "name").unwrap(),
            source: text(package, "source"),
        })
        .collect()
}

/// The fuzzers are built apart, by hand: a lock that lags behind would stop them.
#[test]
fn the_fuzzers_lock_the_same_dependencies() {
    let dependencies = |path: &str| {
        let is_ours = |package: &toml::Value| package["name"].as_str() == Some("coracle");
        let own = locked(path).into_iter().find(is_ours).unwrap();
        let names = own["dependencies"].as_array().unwrap().clone();
        let name = |text: &toml::Value| text.as_str().unwrap().split(' ').next().map(str::to_owned);
        names.iter().filter_map(name).collect::<BTreeSet<String>>()
    };
    let missing = &dependencies("Cargo.lock") - &dependencies("tests/fuzz/Cargo.lock");
    // What only tests use is not built there.
    let of_tests = ["clap_mangen", "insta", "proptest", "tempfile"].map(str::to_owned);
    assert_eq!(&missing - &BTreeSet::from(of_tests), BTreeSet::new());
}

#[test]
fn the_dependencies_stay_few() {
    let count = locked_packages().len();
    assert!(count < MOST_PACKAGES, "{count} locked packages");
}

#[test]
fn every_dependency_comes_from_the_registry() {
    for package in locked_packages() {
        match package.source.as_deref() {
            None => assert_eq!(package.name, "coracle"),
            Some(source) => assert!(
                source.starts_with("registry+https://github.com/rust-lang/crates.io-index"),
                "{package:?}"
            ),
        }
    }
}

#[test]
fn every_licence_is_allowed() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(!packages.is_empty());
    for package in packages {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence), "{name}: {licence:?}");
    }
}

/// What cargo knows of the packages that are built on this platform.
fn metadata() -> Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            &platform,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether one way to read the SPDX expression is allowed as a whole: `A OR B`, `(A OR B) AND C`,
/// and the old `A/B`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut words = words(&expression).into_iter().peekable();
    let allowed = any_of(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn words(expression: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in expression.split_whitespace() {
        let inner = word.trim_start_matches('(');
        words.extend(std::iter::repeat_n("(", word.len() - inner.len()));
        let bare = inner.trim_end_matches(')');
        words.push(bare);
        words.extend(std::iter::repeat_n(")", inner.len() - bare.len()));
    }
    words
}

fn any_of(words: &mut Words<'_>) -> bool {
    let mut allowed = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all_of(words);
    }
    allowed
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let allowed = any_of(words);
        return words.next() == Some(")") && allowed;
    }
    let Some(licence) = words.next() else {
        return false;
    };
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next().unwrap_or_default();
        return LICENCES.contains(&format!("{licence} WITH {exception}").as_str());
    }
    LICENCES.contains(&licence)
}

#[test]
fn licence_expressions_are_read() {
    let cases = [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 / MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 AND MIT", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-2.0", false),
        ("Apache-2.0 WITH LLVM-exception OR MPL-2.0", true),
        ("", false),
    ];
    for (expression, want) in cases {
        assert_eq!(is_allowed(expression), want, "{expression}");
    }
}
