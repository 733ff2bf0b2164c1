// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every parser of bytes that others wrote, as one function each, for the fuzzer that
//! `tests/fuzz/run` builds; tests that read the corpus in `tests/fuzz/corpus` and change it
//! blindly. Only tests and the fuzzer have it.

use std::collections::BTreeSet;

use crate::oci::{Digest, ImageConfiguration, Index, Manifest, Platform, Reference};
use crate::output::template::Template;
use crate::output::value::Value;
use crate::runtime::seccomp::{Host, Profile, compile};
use crate::state::record::{ContainerRecord, ContainerState};
use crate::{config, engine, network, registry, runtime, storage};

/// A parser by its name: whatever the bytes, it returns.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 21] = [
    ("manifest", manifest),
    ("index", |bytes| {
        as_text(bytes, |text| drop(serde_json::from_str::<Index>(text)));
    }),
    ("config", image_config),
    ("tar", storage::fuzz::tar),
    ("layer", storage::fuzz::layer),
    ("reference", |bytes| as_text(bytes, reference)),
    ("auth-file", |bytes| config::auth_files::fuzz(bytes)),
    ("challenge", |bytes| {
        as_text(bytes, registry::fuzz_challenge);
    }),
    ("registries-conf", |bytes| {
        as_text(bytes, config::registries::fuzz);
    }),
    ("template", |bytes| as_text(bytes, template)),
    ("seccomp", |bytes| as_text(bytes, seccomp)),
    ("spec", spec),
    ("record", record),
    ("log", engine::logs::fuzz),
    ("passwd", |bytes| as_text(bytes, passwd)),
    ("digest", |bytes| as_text(bytes, digest)),
    ("dns-query", network::dns::fuzz::query),
    ("dns-reply", network::dns::fuzz::reply),
    ("dns-stream", network::dns::fuzz::stream),
    ("packet", network::helper::fuzz_packet),
    ("helper-request", network::helper::fuzz_request),
];

fn as_text(bytes: &[u8], parse: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        parse(text);
    }
}

fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let again = serde_json::to_vec(&manifest).expect("it has string keys");
        let again: Manifest = serde_json::from_slice(&again).expect("what is written reads");
        assert_eq!(again, manifest);
    }
}

fn image_config(bytes: &[u8]) {
    if let Ok(config) = ImageConfiguration::from_json(bytes) {
        drop(storage::chain_ids(&config.rootfs.diff_ids));
    }
}

/// What is shown is read as the same again.
fn reference(text: &str) {
    for parse in [
        Reference::parse,
        Reference::parse_normalized,
        Reference::parse_local,
    ] {
        if let Ok(parsed) = parse(text) {
            let shown = parsed.to_string();
            assert_eq!(Reference::parse(&shown).as_ref(), Ok(&parsed), "{shown}");
            drop((parsed.repository(), parsed.familiar()));
        }
    }
    drop(Platform::parse(text));
}

fn digest(text: &str) {
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(Digest::parse(&digest.to_string()).as_ref(), Ok(&digest));
    }
}

fn template(text: &str) {
    let Ok(template) = Template::parse("fuzz", text) else {
        return;
    };
    let document = serde_json::json!({
        "Name": "n", "Count": 3, "Labels": {"a": "b"}, "List": ["x", "y"], "None": null,
        "Deep": {"er": [{"Id": 1}, {"Id": -2.5}]}, "Is": true,
    });
    let data = Value::of(&document);
    drop(template.execute(&data, &mut String::new()));
    drop(template.execute_headings(&data, &mut String::new()));
    drop(template.mentioned());
}

fn seccomp(text: &str) {
    let Ok(profile) = Profile::parse(text) else {
        return;
    };
    drop(compile(&profile.resolve(&BTreeSet::new(), Host::current())));
}

fn spec(bytes: &[u8]) {
    drop(serde_json::from_slice::<oci_spec::runtime::Spec>(bytes));
}

fn record(bytes: &[u8]) {
    drop(serde_json::from_slice::<ContainerState>(bytes));
    if let Ok(record) = serde_json::from_slice::<ContainerRecord>(bytes) {
        let again = serde_json::to_vec(&record).expect("it has string keys");
        let again: ContainerRecord = serde_json::from_slice(&again).expect("what is written reads");
        assert_eq!(again, record);
    }
}

/// The first line is who is asked for; then passwd, an empty line, group.
fn passwd(text: &str) {
    let (user, databases) = text.split_once('\n').unwrap_or((text, ""));
    let (passwd, group) = databases.split_once("\n\n").unwrap_or((databases, ""));
    for additional in [Vec::new(), vec!["desk".to_owned(), user.to_owned()]] {
        drop(runtime::user::resolve(user, &additional, passwd, group));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::catch_unwind;
    use std::path::Path;
    use std::time::Duration;

    use nix::time::{ClockId, clock_gettime};

    use super::*;

    /// The corpus of one parser.
    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let files = fs::read_dir(directory.join(name)).expect("each parser has a corpus");
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Makes inputs of those of a corpus, the same ones for the same seed.
    struct Mutator {
        corpus: Vec<Vec<u8>>,
        state: u64,
    }

    impl Mutator {
        fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
            Self {
                corpus,
                state: seed | 1,
            }
        }

        /// A number below `end`, by xorshift.
        fn below(&mut self, end: usize) -> usize {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            usize::try_from(self.state >> 16).expect("a usize has 64 bits") % end.max(1)
        }

        fn input(&mut self) -> Vec<u8> {
            let at = self.below(self.corpus.len());
            let mut bytes = self.corpus[at].clone();
            for _ in 0..=self.below(6) {
                self.change(&mut bytes);
            }
            bytes.truncate(1 << 16);
            if self.below(4) > 0 {
                mend_checksums(&mut bytes);
            }
            bytes
        }

        fn change(&mut self, bytes: &mut Vec<u8>) {
            const TELLING: &[u8] = b"\0\xff\x7f\x80/.:@\"\\{}[]-+0189=%, \n";
            let (at, other) = (self.below(bytes.len()), self.below(self.corpus.len()));
            let length = self.below(16).min(bytes.len() - at);
            match self.below(8) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = TELLING[self.below(TELLING.len())],
                2 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                3 => drop(bytes.drain(at..at + length)),
                4 => bytes.truncate(at),
                5 => {
                    let copied = bytes[at..at + length].to_vec();
                    let place = self.below(bytes.len());
                    let times = 1 + self.below(4);
                    bytes.splice(place..place, copied.repeat(times));
                }
                6 => {
                    let donor = self.corpus[other].clone();
                    let from = self.below(donor.len());
                    let end = (from + self.below(64)).min(donor.len());
                    bytes.splice(at..at + length, donor[from..end].iter().copied());
                }
                _ => {
                    let number = [
                        "0",
                        "-1",
                        "4294967296",
                        "18446744073709551615",
                        "1e309",
                        "00000777",
                    ];
                    let number = number[self.below(number.len())].bytes();
                    bytes.splice(at..at + length, number);
                }
            }
        }
    }

    /// Headers of tar archives with a wrong sum are refused at once, which would hide all behind it.
    fn mend_checksums(bytes: &mut [u8]) {
        for header in bytes.chunks_exact_mut(512) {
            if &header[257..262] == b"ustar" {
                header[148..156].fill(b' ');
                let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
                header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
    }

    /// Feeds `target` for so many inputs, or seconds of this thread's time if those are longer.
    /// Returns how many inputs there were, and the one that made it panic.
    fn feed((name, target): Target, inputs: u64, seconds: f64) -> (u64, Option<Vec<u8>>) {
        let seed = std::env::var("CORACLE_FUZZ_SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok());
        let mut mutator = Mutator::new(corpus(name), seed.unwrap_or(20_261_121));
        let began = thread_seconds();
        let mut count = 0;
        while count < inputs || thread_seconds() - began < seconds {
            let input = mutator.input();
            if catch_unwind(|| target(&input)).is_err() {
                return (count, Some(input));
            }
            count += 1;
        }
        (count, None)
    }

    fn thread_seconds() -> f64 {
        let now =
            clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has a clock");
        Duration::from(now).as_secs_f64()
    }

    /// All of it, or that of the parser that `CORACLE_FUZZ` names.
    #[test]
    fn the_corpus_is_read_without_a_panic() {
        let only = std::env::var("CORACLE_FUZZ").ok();
        let is_wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
        for (name, target) in TARGETS.into_iter().filter(|(name, _)| is_wanted(name)) {
            for bytes in corpus(name) {
                target(&bytes);
            }
        }
    }

    /// A few inputs, made without knowledge of which code they reach; `CORACLE_FUZZ_SECONDS` is how long each parser is fed instead, and
    /// `CORACLE_FUZZ_SEED` makes other ones.
    #[test]
    fn no_input_makes_a_parser_panic() {
        let seconds = std::env::var("CORACLE_FUZZ_SECONDS").ok();
        let seconds = seconds.map_or(0.0, |seconds| seconds.parse().expect("a number"));
        for target in TARGETS {
            let (count, found) = feed(target, 400, seconds);
            println!("{}: {count} inputs", target.0);
            let shown = found.as_deref().map(<[u8]>::escape_ascii);
            assert!(
                found.is_none(),
                "{}: b\"{}\"",
                target.0,
                shown.expect("it was found")
            );
        }
    }

    #[test]
    fn a_planted_bug_is_found() {
        registry::BUG_PLANTED.set(true);
        let challenge = TARGETS.into_iter().find(|(name, _)| *name == "challenge");
        let (_, found) = feed(challenge.expect("it is one of them"), 1_000_000, 0.0);
        registry::BUG_PLANTED.set(false);
        assert!(found.is_some(), "a backslash at the end goes unnoticed");
    }
}
