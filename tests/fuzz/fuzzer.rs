// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives libFuzzer's inputs to the parser that `CORACLE_FUZZ` names; see `run` beside this file.

#![no_main]

use std::sync::OnceLock;

use coracle::fuzz::{TARGETS, Target};

/// The parser that is fed.
static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("CORACLE_FUZZ").unwrap_or_default();
        let chosen = TARGETS.into_iter().find(|(known, _)| *known == name);
        let chosen = chosen.unwrap_or_else(|| {
            let names: Vec<&str> = TARGETS.iter().map(|(known, _)| *known).collect();
            panic!("CORACLE_FUZZ names one of: {}", names.join(" "))
        });
        CHOSEN.set(chosen).expect("it is set once");
    },
    |bytes: &[u8]| {
        let (_, parse) = CHOSEN.get().expect("set before the first input");
        parse(bytes);
    }
);
