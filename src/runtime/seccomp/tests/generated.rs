// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `default_filter.rs` is what the compiler makes of the default profile. After a change of
//! either, `UPDATE=1 cargo test --lib seccomp` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Machine, capability_sets, default_spec};
use crate::runtime::seccomp::compiler::compile_for;
use crate::runtime::seccomp::default_filter::for_machine;
use crate::runtime::seccomp::default_profile::capabilities_that_matter;
use crate::sys::seccomp::Instruction;

const COMMITTED: &str = include_str!("../default_filter.rs");

#[test]
fn committed_filters_are_what_the_compiler_makes() {
    compare("runtime/seccomp/default_filter.rs", COMMITTED, &generate());
}

/// Compares a generated source file with what it should be.
pub(super) fn compare(path: &str, committed: &str, generated: &str) {
    if committed == generated {
        return;
    }
    assert!(
        std::env::var_os("UPDATE").is_some(),
        "{path} is stale; run UPDATE=1 cargo test --lib seccomp"
    );
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(path);
    #[expect(
        clippy::disallowed_methods,
        reason = "a source file under version control"
    )]
    std::fs::write(path, generated).expect("the source tree is writable");
}

/// 250 instructions load in under 0.1 ms, where libseccomp's filter has a thousand.
#[test]
fn default_filters_are_small() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        for (caps, filter) in for_machine(machine) {
            assert!(filter.len() < 250, "{machine:?} {caps:?}: {}", filter.len());
            assert_eq!(super::interpreter::unreachable(filter), [0_usize; 0]);
        }
    }
}

#[test]
fn usual_capabilities_need_no_compiler() {
    use crate::runtime::seccomp::default_filter;
    use std::borrow::Cow;

    for caps in capability_sets() {
        let filter = default_filter(&caps);
        assert!(matches!(filter, Cow::Borrowed(_)), "{caps:?}");
        let spec = default_spec(&caps, Machine::NATIVE);
        let compiled = compile_for(&spec, Machine::NATIVE).expect("compiles");
        assert!(*filter == compiled, "another filter for {caps:?}");
    }
    let unusual = super::set(&["CAP_SYS_TIME"]);
    let filter = default_filter(&unusual);
    assert!(matches!(filter, Cow::Owned(_)));
}

fn generate() -> String {
    let mut source = HEADER.to_owned();
    let mut arms = String::new();
    for (machine, prefix) in [(Machine::X86_64, "X86_64"), (Machine::Aarch64, "AARCH64")] {
        let mut entries = String::new();
        for (caps, name) in capability_sets()
            .iter()
            .zip(["NONE", "PODMAN", "DOCKER", "ALL"])
        {
            let filter = compile_for(&default_spec(caps, machine), machine).expect("compiles");
            let matter = capabilities_that_matter().filter(|cap| caps.contains(*cap));
            let matter = matter
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>();
            write!(entries, "\n    (&{matter:?}, {prefix}_{name}),").expect("a string");
            source += &array(&format!("{prefix}_{name}"), &filter);
        }
        let table = format!("\n#[rustfmt::skip]\nconst {prefix}: Prebuilt = &[{entries}\n];\n");
        source.push_str(&table);
        write!(arms, "\n        Machine::{machine:?} => {prefix},").expect("a string");
    }
    source + &FOOTER.replace("ARMS", &arms)
}

pub(super) fn array(name: &str, filter: &[Instruction]) -> String {
    let mut source = format!("\n#[rustfmt::skip]\nconst {name}: &[Instruction] = &[");
    for (index, Instruction { code, jt, jf, k }) in filter.iter().enumerate() {
        source += if index % 4 == 0 { "\n    " } else { " " };
        write!(source, "i({code:#x}, {jt}, {jf}, {}),", literal(*k)).expect("a string");
    }
    source + "\n];\n"
}

fn literal(number: u32) -> String {
    match number >> 16 {
        0 => format!("{number:#x}"),
        high => format!("{high:#x}_{:04x}", number & 0xffff),
    }
}

const HEADER: &str = "\
// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The default profile's programs for the usual sets of capabilities. Generated: change the
//! profile or the compiler, then run `UPDATE=1 cargo test --lib seccomp`.

use super::{Instruction, Machine};

/// Which of the capabilities that matter a container has, and its program.
pub(super) type Prebuilt = &'static [(&'static [&'static str], &'static [Instruction])];
";

const FOOTER: &str = "
/// The programs for `machine`.
pub(super) const fn for_machine(machine: Machine) -> Prebuilt {
    match machine {ARMS
    }
}

const fn i(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}
";
