// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any rules, overlapping as they may, and those of the default profile: the program says what the
//! rules say when they are read one by one. This needs no library.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};
use proptest::prelude::*;

use super::interpreter::{Call, run};
use super::oracle::calls;
use super::{Machine, default_spec, telling_sets};
use crate::runtime::seccomp::abi::Abi;
use crate::runtime::seccomp::compiler::compile_for;
use crate::runtime::seccomp::syscalls::SyscallTable;

const NAMES: [&str; 6] = ["read", "write", "open", "mmap", "clone", "statx"];

/// Values close to each other and to the halves' border, so that rules overlap.
fn value() -> impl Strategy<Value = u64> {
    let edges = vec![
        0,
        1,
        2,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 1,
        2 << 32,
        u64::MAX,
    ];
    prop_oneof![4 => prop::sample::select(edges), 1 => any::<u64>()]
}

fn argument() -> impl Strategy<Value = String> {
    let operators = prop::sample::select(vec!["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]);
    (0..3_u8, value(), value(), operators).prop_map(|(index, value, two, operator)| {
        format!(
            r#"{{"index":{index},"value":{value},"valueTwo":{two},"op":"SCMP_CMP_{operator}"}}"#
        )
    })
}

fn rule() -> impl Strategy<Value = String> {
    let names = prop::sample::subsequence(NAMES.to_vec(), 1..4);
    let arguments = prop_oneof![
        1 => Just(Vec::new()),
        6 => prop::collection::vec(argument(), 1..4),
    ];
    (names, arguments, 0..4_u32).prop_map(|(names, arguments, errno)| {
        let action = ["ALLOW", "LOG", "ERRNO", "ERRNO"][errno as usize];
        let arguments = arguments.join(",");
        format!(
            r#"{{"names":{names:?},"action":"SCMP_ACT_{action}","errnoRet":{errno},
               "args":[{arguments}]}}"#
        )
    })
}

/// The verdict on a call of x86_64, straight from the rules.
fn evaluate(spec: &LinuxSeccomp, table: &SyscallTable, call: &Call) -> u32 {
    let default = spec.default_action().as_u32(spec.default_errno_ret());
    let names_call = |rule: &&LinuxSyscall| {
        let numbers = rule.names().iter().map(|name| table.number(name));
        numbers
            .into_iter()
            .any(|number| number == Some(call.number))
    };
    let rules = spec.syscalls().iter().flatten().filter(names_call);
    let (mut plain, mut tested) = (None, None);
    for rule in rules {
        let verdict = rule.action().as_u32(rule.errno_ret());
        let arguments = rule.args().as_deref().unwrap_or_default();
        if arguments.is_empty() && verdict != default {
            plain.get_or_insert(verdict);
        } else if !arguments.is_empty() && matches(arguments, call) {
            tested.get_or_insert(verdict);
        }
    }
    plain.or(tested).unwrap_or(default)
}

fn matches(arguments: &[LinuxSeccompArg], call: &Call) -> bool {
    let mut indexes = arguments
        .iter()
        .map(LinuxSeccompArg::index)
        .collect::<Vec<_>>();
    indexes.sort_unstable();
    let repeated = indexes.windows(2).any(|pair| pair[0] == pair[1]);
    let mut holding = arguments.iter().map(|argument| holds(argument, call));
    if repeated {
        holding.any(|holds| holds)
    } else {
        holding.all(|holds| holds)
    }
}

fn holds(argument: &LinuxSeccompArg, call: &Call) -> bool {
    let (actual, value) = (call.arguments[argument.index()], argument.value());
    match argument.op() {
        LinuxSeccompOperator::ScmpCmpNe => actual != value,
        LinuxSeccompOperator::ScmpCmpLt => actual < value,
        LinuxSeccompOperator::ScmpCmpLe => actual <= value,
        LinuxSeccompOperator::ScmpCmpEq => actual == value,
        LinuxSeccompOperator::ScmpCmpGe => actual >= value,
        LinuxSeccompOperator::ScmpCmpGt => actual > value,
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            actual & value == argument.value_two().unwrap_or(0) & value
        }
    }
}

/// All numbers that exist and some that do not, the arguments that rules look at and those beside
/// them; socket(2) as well, whose rules overlap.
#[test]
fn the_default_profile_says_what_its_rules_say_for_every_capability() {
    let table = SyscallTable::of(Abi::X86_64);
    for caps in telling_sets() {
        let spec = default_spec(&caps, Machine::X86_64);
        let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
        let named = spec
            .syscalls()
            .iter()
            .flatten()
            .flat_map(LinuxSyscall::names);
        let newest = named.filter_map(|name| table.number(name)).max();
        for call in calls(&spec, Abi::X86_64) {
            // Newer than the profile: ENOSYS, as with runc.
            if Some(call.number) > newest {
                continue;
            }
            let (verdict, expected) = (run(&filter, &call), evaluate(&spec, &table, &call));
            assert_eq!(verdict, expected, "{caps:?}: {call:x?}");
        }
    }
}

proptest! {
    #[test]
    fn programs_say_what_the_rules_say(
        rules in prop::collection::vec(rule(), 0..10),
        samples in prop::collection::vec([value(), value(), value()], 20),
    ) {
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_LOG","syscalls":[{}]}}"#,
            rules.join(",")
        );
        let spec = serde_json::from_str::<LinuxSeccomp>(&json).expect("of the right form");
        let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
        let table = SyscallTable::of(Abi::X86_64);
        for name in NAMES {
            let number = table.number(name).expect("the call exists");
            for sample in &samples {
                let mut call = Call::plain(Abi::X86_64.audit_arch(), number);
                call.arguments[..3].copy_from_slice(sample);
                prop_assert_eq!(run(&filter, &call), evaluate(&spec, &table, &call), "{:x?}", call);
            }
        }
    }
}
