// SPDX-License-Identifier: Apache-2.0 OR MIT
//! libseccomp as an oracle: both compilers get the same rules, both programs run in the
//! interpreter, and every verdict must be equal.
//!
//! What the installed library does not know is left out: names on both sides, and the verdicts on
//! calls that an interface has got since the library was made. So are calls newer than a profile,
//! which fail with ENOSYS here, as with runc.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSyscall};

use super::interpreter::{Call, run};
use super::{Machine, capability_sets, default_spec, host, telling_sets};
use crate::runtime::seccomp::Profile;
use crate::runtime::seccomp::abi::{Abi, X32_BIT};
use crate::runtime::seccomp::compiler::compile_for;
use crate::runtime::seccomp::syscalls::SyscallTable;
use crate::sys::seccomp::Instruction;

/// The profile that distributions install for Podman.
const INSTALLED: &str = "/usr/share/containers/seccomp.json";

/// Further profiles to compare, as a list of paths.
const MORE_PROFILES: &str = "SECCOMP_PROFILES";

const ENOSYS: u32 = 0x5_0026;

struct Oracle {
    _directory: tempfile::TempDir,
    program: PathBuf,
}

/// What the library made of a spec.
struct Answer {
    filter: Vec<Instruction>,
    unknown: BTreeSet<String>,
    /// Calls of which the library says that an interface, by its name there, has them not.
    lacks: BTreeSet<(String, String)>,
}

impl Oracle {
    /// None, with the reason printed, where the library or a C compiler is missing.
    fn build() -> Option<Self> {
        match Self::try_build() {
            Ok(oracle) => Some(oracle),
            Err(reason) => {
                let required = std::env::var("REQUIRE").unwrap_or_default();
                assert!(!required.contains("libseccomp"), "{reason}");
                println!("skip: {reason}");
                None
            }
        }
    }

    fn try_build() -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = directory.path().join("oracle");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/runtime/seccomp/tests/oracle.c"
        );
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O1", "-o"])
            .arg(&program)
            .args([source, "-lseccomp"]);
        let output = compiler
            .output()
            .map_err(|error| format!("cc cannot run: {error}"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("libseccomp-dev is not installed: {message}"));
        }
        Ok(Self {
            _directory: directory,
            program,
        })
    }

    fn ask(&self, spec: &LinuxSeccomp, abis: &[Abi]) -> Answer {
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the oracle runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(question(spec, abis).as_bytes())
            .expect("the oracle reads everything");
        drop(stdin);
        let output = child.wait_with_output().expect("the oracle ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let unknown = stderr
            .lines()
            .filter_map(|line| line.strip_prefix("unknown "));
        let lacks = stderr
            .lines()
            .filter_map(|line| line.strip_prefix("lacks ")?.split_once(' '));
        Answer {
            filter: output.stdout.chunks(8).map(instruction).collect(),
            unknown: unknown.map(str::to_owned).collect(),
            lacks: lacks
                .map(|(name, abi)| (name.to_owned(), abi.to_owned()))
                .collect(),
        }
    }
}

fn question(spec: &LinuxSeccomp, abis: &[Abi]) -> String {
    let default = spec.default_action().as_u32(spec.default_errno_ret());
    let mut text = format!("default {default:x}\n");
    for abi in abis {
        writeln!(text, "arch {}", library_name(*abi)).expect("a string");
    }
    for rule in rules(spec) {
        let action = rule.action().as_u32(rule.errno_ret());
        let mut tests = String::new();
        for test in arguments(rule) {
            let (index, op) = (test.index(), test.op() as u32);
            let two = test.value_two().unwrap_or(0);
            write!(tests, " {index:x} {op:x} {:x} {two:x}", test.value()).expect("a string");
        }
        for name in rule.names() {
            writeln!(text, "rule {name} {action:x}{tests}").expect("a string");
        }
    }
    text
}

fn library_name(abi: Abi) -> &'static str {
    match abi {
        Abi::X86_64 => "x86_64",
        Abi::I386 => "x86",
        Abi::X32 => "x32",
        Abi::Aarch64 => "aarch64",
        Abi::Arm => "arm",
    }
}

fn instruction(bytes: &[u8]) -> Instruction {
    Instruction {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    }
}

fn rules(spec: &LinuxSeccomp) -> &[LinuxSyscall] {
    spec.syscalls().as_deref().unwrap_or_default()
}

fn arguments(rule: &LinuxSyscall) -> &[LinuxSeccompArg] {
    rule.args().as_deref().unwrap_or_default()
}

/// The same spec without these calls.
fn without(spec: &LinuxSeccomp, names: &BTreeSet<String>) -> LinuxSeccomp {
    let mut spec = spec.clone();
    let kept = rules(&spec).iter().map(|rule| {
        let mut rule = rule.clone();
        let names = rule.names().iter().filter(|name| !names.contains(*name));
        rule.set_names(names.cloned().collect());
        rule
    });
    let kept = kept.collect();
    spec.set_syscalls(Some(kept));
    spec
}

/// Values that make a difference to some rule for `name`, for one argument.
fn telling_values(spec: &LinuxSeccomp, name: &str, index: usize) -> Vec<u64> {
    let mut values = BTreeSet::from([0, u64::MAX]);
    let named = rules(spec)
        .iter()
        .filter(|rule| rule.names().iter().any(|other| other == name));
    for test in named
        .flat_map(arguments)
        .filter(|test| test.index() == index)
    {
        for value in [test.value(), test.value_two().unwrap_or(0)] {
            let near = [
                value,
                value.wrapping_sub(1),
                value.wrapping_add(1),
                value ^ (1 << 32),
            ];
            values.extend(near);
        }
    }
    values.into_iter().collect()
}

/// Every call of `abi` worth asking about, with the name it has, if any.
pub(super) fn calls(spec: &LinuxSeccomp, abi: Abi) -> Vec<Call> {
    let table = SyscallTable::of(abi);
    let bases = (0..=600).chain([0x000f_0001, 0x000f_0005, X32_BIT - 1]);
    let numbers = bases.map(|number| number | abi.number_base());
    let mut calls = numbers
        .map(|number| Call::plain(abi.audit_arch(), number))
        .collect::<Vec<_>>();
    let tested = rules(spec)
        .iter()
        .filter(|rule| !arguments(rule).is_empty());
    let names = tested
        .flat_map(LinuxSyscall::names)
        .collect::<BTreeSet<_>>();
    for name in names {
        if let Some(number) = table.number(name) {
            let indexes = 0..4;
            let values = indexes.map(|index| telling_values(spec, name, index));
            calls.extend(product(
                Call::plain(abi.audit_arch(), number),
                &values.collect::<Vec<_>>(),
            ));
        }
    }
    calls
}

fn product(call: Call, values: &[Vec<u64>]) -> Vec<Call> {
    let mut calls = vec![call];
    for (index, values) in values.iter().enumerate() {
        calls = calls
            .into_iter()
            .flat_map(|call| {
                values.iter().map(move |value| {
                    let mut call = call;
                    call.arguments[index] = *value;
                    call
                })
            })
            .collect();
    }
    calls
}

/// Compares all verdicts and counts them; `subject` names the profile in failures.
fn compare(oracle: &Oracle, subject: &str, spec: &LinuxSeccomp, machine: Machine) -> usize {
    let mut compared = 0;
    let abis = machine.abis();
    let answer = oracle.ask(spec, abis);
    let spec = without(spec, &answer.unknown);
    let ours = compile_for(&spec, machine).expect("compiles");
    let default = spec.default_action().as_u32(spec.default_errno_ret());
    for abi in abis {
        let table = SyscallTable::of(*abi);
        let lacked = answer
            .lacks
            .iter()
            .filter(|(_, other)| other == library_name(*abi));
        let lacked = lacked
            .filter_map(|(name, _)| table.number(name))
            .collect::<BTreeSet<_>>();
        let names = rules(&spec).iter().flat_map(LinuxSyscall::names);
        let newest = names
            .filter_map(|name| table.number(name))
            .max()
            .unwrap_or(0);
        for call in calls(&spec, *abi) {
            let newer = call.number > newest && default != ENOSYS;
            if newer || lacked.contains(&call.number) {
                continue;
            }
            let (expected, verdict) = (run(&answer.filter, &call), run(&ours, &call));
            assert_eq!(
                verdict, expected,
                "{subject}: {abi:?} {call:x?}, as {verdict:#x}, {expected:#x}"
            );
            compared += 1;
        }
    }
    compared
}

/// All but socket(2), whose rules overlap and so depend on their order, which libseccomp does not
/// keep; the verdicts on it are written down by hand.
#[test]
fn default_profile() {
    let Some(oracle) = Oracle::build() else {
        return;
    };
    let (mut sets, mut verdicts) = (0, 0);
    for machine in [Machine::X86_64, Machine::Aarch64] {
        for caps in telling_sets() {
            let socket = BTreeSet::from(["socket".to_owned()]);
            let spec = without(&default_spec(&caps, machine), &socket);
            verdicts += compare(&oracle, &format!("default with {caps:?}"), &spec, machine);
            sets += 1;
        }
    }
    println!("{verdicts} verdicts of {sets} programs are libseccomp's");
}

#[test]
fn installed_profiles() {
    let Some(oracle) = Oracle::build() else {
        return;
    };
    let more = std::env::var_os(MORE_PROFILES).unwrap_or_default();
    let installed = PathBuf::from(INSTALLED);
    let paths = std::env::split_paths(&more)
        .chain([installed])
        .filter(|path| path.exists());
    for path in paths {
        let profile = read(&path);
        for machine in [Machine::X86_64, Machine::Aarch64] {
            for caps in capability_sets() {
                let spec = profile.resolve(&caps, host(machine));
                compare(
                    &oracle,
                    &format!("{} with {caps:?}", path.display()),
                    &spec,
                    machine,
                );
            }
        }
    }
}

fn read(path: &Path) -> Profile {
    let text = std::fs::read_to_string(path).expect("readable");
    Profile::parse(&text).expect("a profile")
}
