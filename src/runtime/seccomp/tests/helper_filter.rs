// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The network helper's own filter, which that room holds as data and cannot compile itself: it is
//! what the compiler makes of the profile beside it. After a change of either,
//! `UPDATE=1 cargo test --lib seccomp` writes it anew.

use std::collections::BTreeSet;

use super::generated::{array, compare};
#[cfg(target_arch = "x86_64")]
use super::interpreter::{Call, run};
use super::{Host, KernelVersion, Machine};
use crate::runtime::seccomp::Profile;
use crate::runtime::seccomp::compiler::compile_for;
use crate::sys::seccomp::Instruction;

const PROFILE: &str = include_str!("../../../network/helper/confinement/filter.json");
const COMMITTED: &str = include_str!("../../../network/helper/confinement/filter.rs");

const HEADER: &str = "\
// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The helper's filter of system calls. Generated from `filter.json` beside it: change that, then
//! run `UPDATE=1 cargo test --lib seccomp`.

use crate::sys::seccomp::Instruction;
";

const FOOTER: &str = "
const fn i(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}
";

fn program(machine: Machine) -> Vec<Instruction> {
    let kernel = KernelVersion { major: 6, minor: 0 };
    let profile = Profile::parse(PROFILE).expect("it is a profile");
    let spec = profile.resolve(&BTreeSet::new(), Host { machine, kernel });
    compile_for(&spec, machine).expect("compiles")
}

#[test]
fn the_helpers_filter_is_what_the_compiler_makes() {
    let mut source = HEADER.to_owned();
    for (machine, name) in [(Machine::X86_64, "x86_64"), (Machine::Aarch64, "aarch64")] {
        let program = array("PROGRAM", &program(machine));
        let (gate, program) = program.split_once("const ").expect("it is a constant");
        for part in [
            gate,
            "#[cfg(target_arch = \"",
            name,
            "\")]\npub(super) const ",
            program,
        ] {
            source.push_str(part);
        }
    }
    source.push_str(FOOTER);
    compare("network/helper/confinement/filter.rs", COMMITTED, &source);
}

/// A call, its arguments by their places, and what becomes of it.
#[cfg(target_arch = "x86_64")]
type Case<'a> = (libc::c_long, &'a [(usize, u64)], u32);

#[cfg(target_arch = "x86_64")]
#[test]
fn the_helper_may_do_what_it_needs_and_nothing_else() {
    const X86_64: u32 = 0xc000_003e;
    const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | 1;
    let program = program(Machine::X86_64);
    let verdict = |number: libc::c_long, arguments: &[(usize, u64)]| {
        let number = u32::try_from(number).expect("small");
        let mut call = Call::plain(X86_64, number);
        for (index, value) in arguments {
            call.arguments[*index] = *value;
        }
        run(&program, &call)
    };
    let allowed = libc::SECCOMP_RET_ALLOW;
    let cases: [Case; 18] = [
        (libc::SYS_splice, &[], allowed),
        (libc::SYS_socket, &[(0, 2)], allowed),
        (libc::SYS_socket, &[(0, 16)], allowed),
        // AF_PACKET.
        (libc::SYS_socket, &[(0, 17)], REFUSED),
        (libc::SYS_openat, &[(2, 0o2_000_000)], allowed),
        (libc::SYS_openat, &[(2, 0o2_000_001)], REFUSED),
        (libc::SYS_openat, &[(2, 0o100)], REFUSED),
        (libc::SYS_mmap, &[(2, 3)], allowed),
        (libc::SYS_mmap, &[(2, 5)], REFUSED),
        (libc::SYS_setns, &[(1, 0x4000_0000)], allowed),
        (libc::SYS_setns, &[(1, 0)], REFUSED),
        (libc::SYS_unshare, &[], REFUSED),
        (libc::SYS_execve, &[], REFUSED),
        (libc::SYS_clone, &[], REFUSED),
        (libc::SYS_kill, &[], REFUSED),
        (libc::SYS_ptrace, &[], REFUSED),
        (libc::SYS_fcntl, &[(1, 3)], allowed),
        (libc::SYS_fcntl, &[(1, 8)], REFUSED),
    ];
    for (number, arguments, expected) in cases {
        assert_eq!(
            verdict(number, arguments),
            expected,
            "{number} {arguments:?}"
        );
    }
}
