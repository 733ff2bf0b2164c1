// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What filters say of calls, by hand: the default profile's promises, and each comparison.

use oci_spec::runtime::LinuxSeccomp;

use super::interpreter::{Call, run};
use super::{Machine, PODMAN, default_spec, set};
use crate::runtime::seccomp::abi::Abi;
use crate::runtime::seccomp::compiler::compile_for;
use crate::runtime::seccomp::syscalls::SyscallTable;
use crate::sys::seccomp::Instruction;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0;
const EPERM: u32 = 0x5_0001;
const EINVAL: u32 = 0x5_0016;
const ENOSYS: u32 = 0x5_0026;
/// A bit that the kernel does not look at in an `int`.
const HIGH: u64 = 1 << 32;

fn default_filter(caps: &[&str]) -> Vec<Instruction> {
    let machine = Machine::X86_64;
    compile_for(&default_spec(&set(caps), machine), machine).expect("compiles")
}

fn call(abi: Abi, name: &str, arguments: &[u64]) -> Call {
    let number = SyscallTable::of(abi).number(name);
    let mut call = Call::plain(abi.audit_arch(), number.expect("the call exists"));
    call.arguments[..arguments.len()].copy_from_slice(arguments);
    call
}

#[test]
fn default_profile_for_podmans_capabilities() {
    let filter = default_filter(PODMAN);
    let cases: &[(&str, &[u64], u32)] = &[
        ("read", &[], ALLOW),
        ("clone3", &[], ALLOW),
        ("unshare", &[0x1000_0000], ALLOW),
        ("chroot", &[], ALLOW),
        ("mseal", &[], ALLOW),
        ("keyctl", &[], ALLOW),
        ("io_uring_setup", &[], ENOSYS),
        ("open_tree_attr", &[], ENOSYS),
        ("userfaultfd", &[], EPERM),
        ("bpf", &[], EPERM),
        ("sethostname", &[], EPERM),
        ("clock_settime", &[], EPERM),
        ("socket", &[2, 1, 0], ALLOW),
        ("socket", &[16, 3, 0], ALLOW),
        ("socket", &[16, 3, 9], EINVAL),
        ("socket", &[16 + HIGH, 3, 9 + HIGH], EINVAL),
        ("socket", &[40, 1, 0], EPERM),
        ("socket", &[40 + HIGH, 1, 0], EPERM),
        ("personality", &[0], ALLOW),
        ("personality", &[8], ALLOW),
        ("personality", &[0x2_0008], ALLOW),
        ("personality", &[0xffff_ffff], ALLOW),
        ("personality", &[0x4_0000], ENOSYS),
        ("personality", &[HIGH], ENOSYS),
    ];
    for (name, arguments, expected) in cases {
        let verdict = run(&filter, &call(Abi::X86_64, name, arguments));
        assert_eq!(verdict, *expected, "{name}({arguments:x?}) is {verdict:#x}");
    }
}

#[test]
fn capabilities_open_calls() {
    let cases = [
        ("CAP_SYS_ADMIN", "bpf"),
        ("CAP_BPF", "bpf"),
        ("CAP_SYS_ADMIN", "perf_event_open"),
        ("CAP_PERFMON", "perf_event_open"),
        ("CAP_SYS_TIME", "settimeofday"),
        ("CAP_SYS_PTRACE", "kcmp"),
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ];
    for (cap, name) in cases {
        let call = call(Abi::X86_64, name, &[]);
        assert_eq!(run(&default_filter(&[]), &call), EPERM, "{name}");
        assert_eq!(
            run(&default_filter(&[cap]), &call),
            ALLOW,
            "{name} with {cap}"
        );
    }
    let audit = call(Abi::X86_64, "socket", &[16, 3, 9]);
    assert_eq!(run(&default_filter(&["CAP_AUDIT_WRITE"]), &audit), ALLOW);
}

#[test]
fn interfaces_are_kept_apart() {
    let filter = default_filter(PODMAN);
    let verdict = |call: Call| run(&filter, &call);
    assert_eq!(verdict(call(Abi::I386, "socketcall", &[1])), ALLOW);
    assert_eq!(verdict(call(Abi::I386, "vm86", &[])), EPERM);
    assert_eq!(verdict(call(Abi::X32, "execve", &[])), ALLOW);
    assert_eq!(
        verdict(Call::plain(Abi::X32.audit_arch(), 0x4000_003b)),
        ENOSYS
    );
    assert_eq!(verdict(Call::plain(Abi::X86_64.audit_arch(), 600)), ENOSYS);
    assert_eq!(
        verdict(Call::plain(Abi::X86_64.audit_arch(), u32::MAX)),
        ENOSYS
    );
    assert_eq!(verdict(Call::plain(Abi::Aarch64.audit_arch(), 0)), KILL);
}

#[test]
fn unlisted_interfaces_are_refused() {
    let spec = spec(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#);
    let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
    let verdict = |abi: Abi, number| run(&filter, &Call::plain(abi.audit_arch(), number));
    assert_eq!(verdict(Abi::X86_64, 0), ALLOW);
    assert_eq!(
        verdict(Abi::X86_64, u32::MAX),
        ALLOW,
        "a call that a tracer skips"
    );
    assert_eq!(verdict(Abi::X32, 0x4000_0000), KILL);
    assert_eq!(verdict(Abi::I386, 0), KILL);
}

type Holds = fn(u64) -> bool;

#[test]
fn comparisons() {
    const BIG: u64 = 0x5_0000_0005;
    let samples = [0, 4, 5, 6, BIG - 1, BIG, BIG + 1, 0x6_0000_0000, u64::MAX];
    let cases: [(&str, u64, Holds); 8] = [
        ("EQ", BIG, |argument| argument == BIG),
        ("NE", BIG, |argument| argument != BIG),
        ("LT", BIG, |argument| argument < BIG),
        ("LE", BIG, |argument| argument <= BIG),
        ("GE", BIG, |argument| argument >= BIG),
        ("GT", BIG, |argument| argument > BIG),
        ("MASKED_EQ", 0xf_0000_000f, |argument| {
            argument & 0xf_0000_000f == 5
        }),
        ("MASKED_EQ", 0x4, |argument| argument & 4 == 5 & 4),
    ];
    for (operator, value, holds) in cases {
        let spec = rules(&format!(
            r#"{{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args":
               [{{"index": 3, "value": {value}, "valueTwo": 5, "op": "SCMP_CMP_{operator}"}}]}}"#
        ));
        let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
        for sample in samples {
            let mut call = Call::plain(Abi::X86_64.audit_arch(), 0);
            call.arguments[3] = sample;
            let expected = if holds(sample) { ALLOW } else { EPERM };
            assert_eq!(
                run(&filter, &call),
                expected,
                "{sample:#x} {operator} {value:#x}"
            );
        }
    }
}

#[test]
fn the_first_matching_rule_wins() {
    let spec = rules(
        r#"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args":
              [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
               {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]},
           {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args":
              [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
           {"names": ["read", "write"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
           {"names": ["write"], "action": "SCMP_ACT_ALLOW", "args":
              [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
               {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
           {"names": ["close", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
           {"names": ["close"], "action": "SCMP_ACT_TRAP"},
           {"names": ["close"], "action": "SCMP_ACT_TRAP", "args":
              [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}"#,
    );
    let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
    let verdict = |name, arguments: &[u64]| run(&filter, &call(Abi::X86_64, name, arguments));
    assert_eq!(verdict("read", &[1, 2]), EINVAL);
    assert_eq!(verdict("read", &[1, 3]), ALLOW);
    assert_eq!(
        verdict("read", &[2, 2]),
        EPERM,
        "the default's equal says nothing"
    );
    assert_eq!(
        verdict("write", &[1]),
        ALLOW,
        "an argument named twice is two rules"
    );
    assert_eq!(verdict("write", &[2]), ALLOW);
    assert_eq!(verdict("write", &[3]), EPERM);
    assert_eq!(verdict("close", &[1]), ALLOW, "no arguments win over some");
    assert_eq!(
        verdict("file_setattr", &[]),
        ENOSYS,
        "newer than the profile"
    );
}

#[test]
fn calls_behind_socketcall_and_ipc() {
    let spec = |action: &str, default: &str, arguments: &str| {
        spec(&format!(
            r#"{{"defaultAction": "{default}", "architectures": ["SCMP_ARCH_X86"], "syscalls":
              [{{"names": ["socket", "shmat"], "action": "{action}", "args": [{arguments}]}}]}}"#
        ))
    };
    let tested = r#"{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}"#;
    let cases = [
        ("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "", EPERM),
        ("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", tested, EPERM),
        ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "", ALLOW),
        ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", tested, EPERM),
    ];
    for (action, default, arguments, expected) in cases {
        let spec = spec(action, default, arguments);
        let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
        let verdict = |name, arguments: &[u64]| run(&filter, &call(Abi::I386, name, arguments));
        let other = if default == "SCMP_ACT_ALLOW" {
            ALLOW
        } else {
            EPERM
        };
        assert_eq!(
            verdict("socketcall", &[1]),
            expected,
            "{action} {arguments}"
        );
        assert_eq!(verdict("socketcall", &[2]), other);
        assert_eq!(
            verdict("ipc", &[0x1_0015]),
            expected,
            "a version beside the selector"
        );
    }
}

/// More than 255 numbers with tests of their own: jumps must not wrap.
#[test]
fn far_jumps() {
    let table = SyscallTable::of(Abi::X86_64);
    let rows = include_str!("../syscalls.tsv").lines();
    let names = rows.filter_map(|row| row.split('\t').next());
    let numbers = names.filter_map(|name| Some((name, table.number(name)?)));
    let numbers = numbers.collect::<Vec<_>>();
    let rule = |(name, number): &(&str, u32)| {
        format!(
            r#"{{"names": ["{name}"], "action": "SCMP_ACT_ERRNO", "errnoRet": {number}, "args":
               [{{"index": 5, "value": {number}, "op": "SCMP_CMP_GE"}}]}}"#
        )
    };
    let spec = rules(&numbers.iter().map(rule).collect::<Vec<_>>().join(","));
    let filter = compile_for(&spec, Machine::X86_64).expect("compiles");
    assert!(filter.len() > 2000, "{}", filter.len());
    for (name, number) in numbers {
        let mut call = Call::plain(Abi::X86_64.audit_arch(), number);
        call.arguments[5] = u64::from(number);
        assert_eq!(run(&filter, &call), 0x5_0000 | number, "{name}");
        if number > 0 {
            call.arguments[5] -= 1;
            assert_eq!(run(&filter, &call), EPERM, "{name}");
        }
    }
}

fn rules(rules: &str) -> LinuxSeccomp {
    spec(&format!(
        r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rules}]}}"#
    ))
}

fn spec(json: &str) -> LinuxSeccomp {
    serde_json::from_str(json).expect("a runtime spec's seccomp object")
}
