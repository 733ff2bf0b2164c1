// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Profiles: what is read, what is refused, and which rules hold where.

use std::collections::BTreeSet;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction};
use proptest::prelude::*;

use super::{Machine, host, set};
use crate::runtime::seccomp::{FilterFlags, Host, KernelVersion, Profile, compile, load_flags};

fn resolve(json: &str, caps: &[&str]) -> LinuxSeccomp {
    let profile = Profile::parse(json).expect("a profile");
    profile.resolve(&set(caps), host(Machine::X86_64))
}

fn names(spec: &LinuxSeccomp) -> BTreeSet<&str> {
    let rules = spec.syscalls().iter().flatten();
    rules
        .flat_map(|rule| rule.names().iter().map(String::as_str))
        .collect()
}

#[test]
fn conditions() {
    const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS",
        "defaultErrnoRet": 1, "archMap": [
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            {"architecture": "SCMP_ARCH_X86_64",
             "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_FUTURE"]}],
        "syscalls": [
            {"name": "always", "action": "SCMP_ACT_ALLOW", "args": null, "comment": "",
             "includes": {}, "excludes": {}},
            {"names": ["both"], "action": "SCMP_ACT_ALLOW",
             "includes": {"caps": ["CAP_A", "CAP_B"]}},
            {"names": ["neither"], "action": "SCMP_ACT_ALLOW",
             "excludes": {"caps": ["CAP_A", "CAP_B"]}},
            {"names": ["here"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
            {"names": ["not-here"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"names": ["elsewhere"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["since"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["until"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "6.18"}},
            {"names": ["later"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.19"}}
        ]}"#;
    let cases: [(&[&str], &[&str]); 3] = [
        (&[], &["always", "neither", "here", "since"]),
        (&["CAP_A"], &["always", "here", "since"]),
        (&["CAP_A", "CAP_B"], &["always", "both", "here", "since"]),
    ];
    for (caps, expected) in cases {
        let spec = resolve(PROFILE, caps);
        assert_eq!(names(&spec), expected.iter().copied().collect(), "{caps:?}");
    }
    let spec = resolve(PROFILE, &[]);
    assert_eq!(spec.default_errno_ret(), Some(38));
    let architectures = vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86];
    assert_eq!(spec.architectures(), &Some(architectures));
}

#[test]
fn an_empty_profile_allows_everything() {
    let spec = resolve("{}", &[]);
    assert_eq!(spec.default_action(), LinuxSeccompAction::ScmpActAllow);
}

#[test]
fn errors_and_flags() {
    let spec = resolve(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
            {"names": ["b"], "action": "SCMP_ACT_ERRNO", "errno": "EACCES", "errnoRet": 5},
            {"names": ["c"], "action": "SCMP_ACT_ERRNO", "errno": "7"},
            {"names": ["d"], "action": "SCMP_ACT_ERRNO", "errno": 8},
            {"names": ["e"], "action": "SCMP_ACT_ERRNO", "errno": ""}]}"#,
        &[],
    );
    let rules = spec.syscalls().iter().flatten();
    let errors = rules
        .map(oci_spec::runtime::LinuxSyscall::errno_ret)
        .collect::<Vec<_>>();
    assert_eq!(errors, [Some(5), Some(13), Some(7), Some(8), None]);
    assert_eq!(load_flags(&spec), FilterFlags::LOG);
}

#[test]
fn refused_profiles_are_named() {
    let rule =
        |rule: &str| format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rule}]}}"#);
    let cases = [
        (
            r#"{"syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW"}]}"#.to_owned(),
            "the seccomp profile has rules and no defaultAction",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
             "archMap": [{"architecture": "SCMP_ARCH_X86"}]}"#
                .to_owned(),
            "the seccomp profile has both architectures and archMap, which exclude each other",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]}"#.to_owned(),
            "the seccomp profile lists an unknown architecture \"SCMP_ARCH_VAX\"",
        ),
        (
            rule(r#"{"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}"#),
            "a rule of the seccomp profile has both name \"a\" and names",
        ),
        (
            rule(r#"{"name": "a", "action": "SCMP_ACT_ERRNO", "errno": "EWHAT"}"#),
            "the seccomp profile names an unknown error \"EWHAT\"",
        ),
        (
            rule(r#"{"name": "a", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"}}"#),
            "the seccomp profile names a kernel release \"new\", which is not like 4.8",
        ),
        (
            "not json".to_owned(),
            "the seccomp profile does not have the expected form: expected ident at line 1 column 2",
        ),
    ];
    for (json, expected) in cases {
        let error = Profile::parse(&json).expect_err(&json);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn refused_rules_are_named() {
    let cases = [
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args":
             [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}"#,
            "the seccomp rule for read looks at argument 6; the last one is 5",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}"#,
            "the seccomp rule for read returns 4096; the largest number is 4095",
        ),
    ];
    for (rule, expected) in cases {
        let json = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#);
        let error = compile(&resolve(&json, &[])).expect_err(rule);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn kernel_releases() {
    let cases = [
        ("4.8", Some((4, 8))),
        ("6.18.44-fc", Some((6, 18))),
        ("5", Some((5, 0))),
        ("5-rc1", Some((5, 0))),
        ("6.", None),
        ("", None),
        ("v6.1", None),
        ("99999999999.1", None),
    ];
    for (text, expected) in cases {
        let expected = expected.map(|(major, minor)| KernelVersion { major, minor });
        assert_eq!(KernelVersion::parse(text), expected, "{text}");
    }
    assert!(Host::current().kernel > KernelVersion { major: 3, minor: 0 });
}

/// Words that make something like a profile more often than chance would.
fn profile_like() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"defaultAction\"",
        "\"SCMP_ACT_ERRNO\"",
        "\"SCMP_ACT_ALLOW\"",
        "\"syscalls\"",
        "\"names\"",
        "\"name\"",
        "\"read\"",
        "\"args\"",
        "\"index\"",
        "\"value\"",
        "\"valueTwo\"",
        "\"op\"",
        "\"SCMP_CMP_MASKED_EQ\"",
        "\"errno\"",
        "\"EPERM\"",
        "\"archMap\"",
        "\"architectures\"",
        "\"SCMP_ARCH_X86\"",
        "\"includes\"",
        "\"minKernel\"",
        "\"4.8\"",
        "0",
        "18446744073709551615",
        "-1",
        "null",
        "1e400",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

/// A rule of the right form with any numbers.
fn any_rule() -> impl Strategy<Value = String> {
    let operators = prop::sample::select(vec!["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]);
    let actions = prop::sample::select(vec!["ALLOW", "ERRNO", "TRACE", "LOG", "KILL", "NOTIFY"]);
    let argument =
        (0..8_u8, any::<u64>(), any::<u64>(), operators).prop_map(|(index, value, two, op)| {
            format!(r#"{{"index":{index},"value":{value},"valueTwo":{two},"op":"SCMP_CMP_{op}"}}"#)
        });
    let arguments = prop::collection::vec(argument, 0..5);
    let name = prop::sample::select(vec!["read", "socket", "ipc", "shmat", "x", ""]);
    (name, actions, arguments, any::<u32>()).prop_map(|(name, action, arguments, errno)| {
        format!(
            r#"{{"names":["{name}"],"action":"SCMP_ACT_{action}","errnoRet":{errno},"args":[{}]}}"#,
            arguments.join(",")
        )
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![".*", profile_like()]) {
        if let Ok(profile) = Profile::parse(&text) {
            drop(compile(&profile.resolve(&BTreeSet::new(), host(Machine::X86_64))));
        }
    }

    #[test]
    fn no_rule_panics(rules in prop::collection::vec(any_rule(), 0..12)) {
        let text = format!(
            r#"{{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"],
               "syscalls":[{}]}}"#,
            rules.join(",")
        );
        let profile = Profile::parse(&text).expect("of the right form");
        drop(compile(&profile.resolve(&BTreeSet::new(), host(Machine::X86_64))));
    }
}
