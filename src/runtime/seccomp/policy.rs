// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a filter has to decide, call by call: a runtime spec's rules put in the order in which
//! they win, with names turned into numbers of one interface.
//!
//! * A rule without arguments wins over every rule with some, and the first of them over later
//!   ones, as in libseccomp. One that says no more than the default action is no rule.
//! * Among rules with arguments the first that matches wins.
//! * A rule that names one argument twice is one rule for each, as runc and crun have it.
//! * Names that an interface does not have are skipped.

use std::collections::BTreeMap;

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

use super::SeccompError;
use super::abi::Abi;
use super::errno::MAX_ERRNO;
use super::syscalls::{Multiplexed, SyscallTable};

/// A value that a filter returns: an action with its data.
pub(super) type Verdict = u32;

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// The same whatever the arguments.
    Plain(Verdict),
    /// The verdict of the first rule whose tests all hold, else the default.
    Tested(Vec<TestedRule>),
}

/// Tests that must all hold, and the verdict if they do.
pub(super) type TestedRule = (Vec<ArgTest>, Verdict);

/// One comparison of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ArgTest {
    /// 0 to 5.
    pub(super) index: u8,
    /// How it is compared.
    pub(super) comparison: Comparison,
    /// With what.
    pub(super) value: u64,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    /// Equal, looking at these bits only; the value has no others.
    MaskedEqual(u64),
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    AtMost,
    /// Greater or equal.
    AtLeast,
    /// Greater.
    Greater,
}

/// Numbers from `start` on, up to the next range, that share an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) outcome: Outcome,
}

/// A spec's rules, checked, without regard to an interface.
#[derive(Debug)]
pub(super) struct Policy<'spec> {
    /// What happens to a call that no rule matches.
    pub(super) default: Verdict,
    /// What happens to a call newer than every call that the rules name.
    unknown: Verdict,
    rules: Vec<Rule<'spec>>,
}

#[derive(Debug)]
struct Rule<'spec> {
    names: &'spec [String],
    verdict: Verdict,
    /// Any of these lists suffices; each test of it must hold. None: no arguments.
    alternatives: Vec<Vec<ArgTest>>,
}

/// What the rules say of one number.
#[derive(Debug, Default)]
struct Entry {
    plain: Option<Verdict>,
    tested: Vec<TestedRule>,
}

impl<'spec> Policy<'spec> {
    pub(super) fn of(spec: &'spec LinuxSeccomp) -> Result<Self, SeccompError> {
        let action = spec.default_action();
        let default = verdict(action, spec.default_errno_ret(), "the default action")?;
        let rules = spec.syscalls().iter().flatten().map(Rule::of);
        Ok(Self {
            default,
            unknown: unknown_verdict(action, default),
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// Every number of `abi` with its outcome, in ascending ranges that start at its first one.
    pub(super) fn ranges(&self, abi: Abi) -> Vec<Range> {
        let table = SyscallTable::of(abi);
        let mut entries = BTreeMap::<u32, Entry>::new();
        for rule in &self.rules {
            for name in rule.names {
                if let Some(number) = table.number(name) {
                    rule.apply(entries.entry(number).or_default(), self.default);
                }
                if let Some(multiplexed) = table.multiplexed(name) {
                    let entry = entries.entry(multiplexed.number).or_default();
                    rule.apply_multiplexed(entry, multiplexed, self.default);
                }
            }
        }
        let mut ranges = RangeList::starting_with(abi.number_base(), self.default);
        let newest = entries.keys().next_back().copied();
        for (number, entry) in entries {
            ranges.set(number, entry.outcome(self.default));
            ranges.set(number + 1, Outcome::Plain(self.default));
        }
        if let Some(newest) = newest {
            ranges.set(newest + 1, Outcome::Plain(self.unknown));
        }
        ranges.0
    }
}

/// Calls that the author of a profile could not know fail with ENOSYS, so that libraries fall back
/// to older ones; runc does the same. Not where the default lets calls through or hands them on.
fn unknown_verdict(action: LinuxSeccompAction, default: Verdict) -> Verdict {
    use LinuxSeccompAction as Action;
    match action {
        Action::ScmpActKill
        | Action::ScmpActKillThread
        | Action::ScmpActKillProcess
        | Action::ScmpActTrap
        | Action::ScmpActErrno => Action::ScmpActErrno.as_u32(Some(libc::ENOSYS.cast_unsigned())),
        Action::ScmpActNotify
        | Action::ScmpActTrace
        | Action::ScmpActLog
        | Action::ScmpActAllow => default,
    }
}

impl<'spec> Rule<'spec> {
    fn of(syscall: &'spec LinuxSyscall) -> Result<Self, SeccompError> {
        let names = syscall.names();
        let subject = names.first().map_or("", String::as_str);
        let args = syscall.args().as_deref().unwrap_or_default();
        let tests = args.iter().map(|arg| ArgTest::of(arg, subject));
        let tests = tests.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            names,
            verdict: verdict(syscall.action(), syscall.errno_ret(), subject)?,
            alternatives: alternatives(tests),
        })
    }

    fn apply(&self, entry: &mut Entry, default: Verdict) {
        if self.alternatives.is_empty() {
            if self.verdict != default {
                entry.plain.get_or_insert(self.verdict);
            }
            return;
        }
        let rules = self.alternatives.iter();
        entry
            .tested
            .extend(rules.map(|tests| (tests.clone(), self.verdict)));
    }

    /// The same rule for a call made through socketcall(2) or ipc(2).
    ///
    /// Security: the call's own arguments are out of a filter's sight there. A refusal that
    /// depends on them refuses the call altogether, and a permission that does is not given.
    fn apply_multiplexed(&self, entry: &mut Entry, call: Multiplexed, default: Verdict) {
        let permits = self.verdict == ALLOW || self.verdict == LOG;
        if permits && !self.alternatives.is_empty() || self.verdict == default {
            return;
        }
        let selected = ArgTest {
            index: 0,
            comparison: Comparison::MaskedEqual(u64::from(call.selector_mask)),
            value: u64::from(call.selector),
        };
        entry.tested.push((vec![selected], self.verdict));
    }
}

const ALLOW: Verdict = libc::SECCOMP_RET_ALLOW;
const LOG: Verdict = libc::SECCOMP_RET_LOG;

fn alternatives(tests: Vec<ArgTest>) -> Vec<Vec<ArgTest>> {
    let repeats = |(position, test): (usize, &ArgTest)| {
        tests[..position]
            .iter()
            .any(|earlier| earlier.index == test.index)
    };
    match tests {
        _ if tests.iter().enumerate().any(repeats) => {
            tests.into_iter().map(|test| vec![test]).collect()
        }
        _ if tests.is_empty() => Vec::new(),
        _ => vec![tests],
    }
}

impl ArgTest {
    fn of(arg: &LinuxSeccompArg, name: &str) -> Result<Self, SeccompError> {
        use LinuxSeccompOperator as Operator;
        let index = u8::try_from(arg.index()).ok().filter(|index| *index < 6);
        let Some(index) = index else {
            return Err(SeccompError::ArgumentIndex {
                name: name.to_owned(),
                index: arg.index(),
            });
        };
        let value = arg.value();
        let (comparison, value) = match arg.op() {
            Operator::ScmpCmpNe => (Comparison::NotEqual, value),
            Operator::ScmpCmpLt => (Comparison::Less, value),
            Operator::ScmpCmpLe => (Comparison::AtMost, value),
            Operator::ScmpCmpEq => (Comparison::MaskedEqual(u64::MAX), value),
            Operator::ScmpCmpGe => (Comparison::AtLeast, value),
            Operator::ScmpCmpGt => (Comparison::Greater, value),
            // Here `value` is the mask and `valueTwo` what is left under it.
            Operator::ScmpCmpMaskedEq => {
                let masked = arg.value_two().unwrap_or(0) & value;
                (Comparison::MaskedEqual(value), masked)
            }
        };
        Ok(Self {
            index,
            comparison,
            value,
        })
    }
}

/// The value that a filter returns for an action.
fn verdict(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    subject: &str,
) -> Result<Verdict, SeccompError> {
    let limit = match action {
        LinuxSeccompAction::ScmpActErrno => MAX_ERRNO,
        LinuxSeccompAction::ScmpActTrace => u32::from(u16::MAX),
        LinuxSeccompAction::ScmpActKill
        | LinuxSeccompAction::ScmpActKillThread
        | LinuxSeccompAction::ScmpActKillProcess
        | LinuxSeccompAction::ScmpActTrap
        | LinuxSeccompAction::ScmpActNotify
        | LinuxSeccompAction::ScmpActLog
        | LinuxSeccompAction::ScmpActAllow => return Ok(action.as_u32(None)),
    };
    match errno {
        Some(errno) if errno > limit => Err(SeccompError::ErrnoTooLarge {
            subject: subject.to_owned(),
            errno,
            limit,
        }),
        errno => Ok(action.as_u32(errno)),
    }
}

impl Entry {
    fn outcome(self, default: Verdict) -> Outcome {
        match self.plain {
            Some(verdict) => Outcome::Plain(verdict),
            None if self.tested.is_empty() => Outcome::Plain(default),
            None => Outcome::Tested(self.tested),
        }
    }
}

/// Ranges in the making, in ascending order.
struct RangeList(Vec<Range>);

impl RangeList {
    fn starting_with(start: u32, default: Verdict) -> Self {
        Self(vec![Range {
            start,
            outcome: Outcome::Plain(default),
        }])
    }

    /// From `start` on, which lies at or behind the last range's start, `outcome` holds.
    fn set(&mut self, start: u32, outcome: Outcome) {
        if self.0.last().is_some_and(|last| last.start == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|last| last.outcome != outcome) {
            self.0.push(Range { start, outcome });
        }
    }
}
