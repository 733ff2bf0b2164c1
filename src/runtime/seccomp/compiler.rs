// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a runtime spec's rules to BPF.
//!
//! The interface of the call is looked at first, then its number in a balanced search tree over
//! ranges with one outcome, then, where rules ask for it, arguments. Numbers that are let through
//! whatever their arguments never load one, so the kernel's own cache of allowed calls knows them.

use std::collections::HashMap;

use oci_spec::runtime::LinuxSeccomp;

use super::SeccompError;
use super::abi::{Abi, Machine, Width, X32_BIT};
use super::assembler::{Assembler, Label, Test, Word};
use super::policy::{ArgTest, Comparison, Outcome, Policy, TestedRule, Verdict};
use super::search_tree::{Leaf, leaves};
use crate::sys::seccomp::{Instruction, MAX_INSTRUCTIONS};

/// What a call through an interface that the filter does not list gets, as with libseccomp.
const UNLISTED_INTERFACE: Verdict = libc::SECCOMP_RET_KILL_THREAD;

/// The number of a call that a tracer wants skipped.
const SKIPPED: u32 = u32::MAX;

/// Compiles the `seccomp` object of a runtime spec for this machine.
///
/// # Errors
///
/// [`SeccompError`] for a rule that cannot be expressed, naming its call.
pub fn compile(spec: &LinuxSeccomp) -> Result<Vec<Instruction>, SeccompError> {
    compile_for(spec, Machine::NATIVE)
}

/// Compiles for `machine`, which need not be this one.
///
/// # Errors
///
/// As [`compile`].
pub(super) fn compile_for(
    spec: &LinuxSeccomp,
    machine: Machine,
) -> Result<Vec<Instruction>, SeccompError> {
    let policy = Policy::of(spec)?;
    let mut compiler = Compiler {
        assembler: Assembler::default(),
        default: policy.default,
        tested: HashMap::new(),
    };
    let abis = listed_abis(spec, machine);
    let mut trees = Vec::new();
    // The native interface is written last: that puts it next to the program's start.
    for abi in abis.iter().rev().copied() {
        let ranges = policy.ranges(abi);
        let leaves = leaves(&ranges);
        let tree = compiler.tree(&leaves, abi.argument_width());
        trees.push((abi, tree));
    }
    let program = compiler.dispatch(&trees);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(SeccompError::TooLong {
            instructions: program.len(),
        });
    }
    Ok(program)
}

/// The interfaces that a spec lists, the native one always and first; those of other machines
/// cannot be used here anyway.
fn listed_abis(spec: &LinuxSeccomp, machine: Machine) -> Vec<Abi> {
    let architectures = spec.architectures().iter().flatten();
    let listed = architectures
        .filter_map(|arch| Abi::of_spec(*arch, machine))
        .collect::<Vec<_>>();
    let abis = machine.abis().iter().copied();
    abis.filter(|abi| *abi == machine.native_abi() || listed.contains(abi))
        .collect()
}

struct Compiler {
    assembler: Assembler,
    default: Verdict,
    /// Where the tests of an outcome stand already.
    tested: HashMap<(Outcome, Width), Label>,
}

impl Compiler {
    /// Looks at the interface, loads the number and goes to the tree of that interface.
    fn dispatch(mut self, trees: &[(Abi, Label)]) -> Vec<Instruction> {
        let mut start = self.assembler.ret(UNLISTED_INTERFACE);
        let mut x32 = None;
        for (abi, tree) in trees.iter().copied() {
            let tree = match abi {
                Abi::X32 => {
                    x32 = Some(tree);
                    continue;
                }
                Abi::X86_64 => self.split_x32(tree, x32),
                Abi::I386 | Abi::Aarch64 | Abi::Arm => tree,
            };
            start = self.enter(abi, tree, start);
        }
        let start = self.assembler.load(Word::Arch, start);
        self.assembler.finish(start)
    }

    fn enter(&mut self, abi: Abi, tree: Label, otherwise: Label) -> Label {
        let tree = self.assembler.load(Word::Number, tree);
        self.assembler
            .branch(Test::Equal, abi.audit_arch(), tree, otherwise)
    }

    /// Parts the calls of x32 from those of x86_64: a bit of their number is all that tells them.
    fn split_x32(&mut self, x86_64: Label, x32: Option<Label>) -> Label {
        let x32 = x32.unwrap_or_else(|| {
            let refused = self.assembler.ret(UNLISTED_INTERFACE);
            let skipped = self.assembler.ret(self.default);
            self.assembler
                .branch(Test::Equal, SKIPPED, skipped, refused)
        });
        self.assembler.branch(Test::AtLeast, X32_BIT, x32, x86_64)
    }

    /// A balanced search tree; the number of the call is in the accumulator.
    fn tree(&mut self, leaves: &[Leaf<'_>], width: Width) -> Label {
        match leaves {
            [] => self.assembler.ret(self.default),
            [leaf] => self.leaf(leaf, width),
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                let boundary = right[0].start;
                let right = self.tree(right, width);
                let left = self.tree(left, width);
                self.assembler.branch(Test::AtLeast, boundary, right, left)
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf<'_>, width: Width) -> Label {
        let mut otherwise = self.outcome(leaf.outcome, width);
        for (number, outcome) in &leaf.exceptions {
            let exception = self.outcome(outcome, width);
            otherwise = self
                .assembler
                .branch(Test::Equal, *number, exception, otherwise);
        }
        otherwise
    }

    fn outcome(&mut self, outcome: &Outcome, width: Width) -> Label {
        let rules = match outcome {
            Outcome::Plain(verdict) => return self.assembler.ret(*verdict),
            Outcome::Tested(rules) => rules,
        };
        let key = (outcome.clone(), width);
        if let Some(label) = self.tested.get(&key) {
            return *label;
        }
        let mut otherwise = self.assembler.ret(self.default);
        for group in rules.chunk_by(one_of_several_values).rev() {
            otherwise = match group {
                [(tests, verdict)] => self.rule(tests, *verdict, width, otherwise),
                _ => self.values(group, width, otherwise),
            };
        }
        self.tested.insert(key, otherwise);
        otherwise
    }

    fn rule(&mut self, tests: &[ArgTest], verdict: Verdict, width: Width, no: Label) -> Label {
        let mut yes = self.assembler.ret(verdict);
        for test in tests.iter().rev() {
            yes = self.argument(*test, width, yes, no);
        }
        yes
    }

    /// Rules that compare one argument with values of an equal high half: each half is loaded
    /// once.
    fn values(&mut self, group: &[TestedRule], width: Width, no: Label) -> Label {
        let (index, high) = plain_value(&group[0].0)
            .map(|test| (test.index, halves(test.value).0))
            .expect("rules are grouped by their values");
        let mut compare = no;
        for (tests, verdict) in group.iter().rev() {
            let yes = self.assembler.ret(*verdict);
            let low = halves(tests[0].value).1;
            compare = self.assembler.branch(Test::Equal, low, yes, compare);
        }
        let low_half = self.assembler.load(Word::ArgumentLow(index), compare);
        match width {
            Width::Bits32 => low_half,
            Width::Bits64 => {
                let word = Word::ArgumentHigh(index);
                self.word_equal(word, u32::MAX, high, low_half, no)
            }
        }
    }

    /// Compares one argument, whatever the accumulator holds.
    fn argument(&mut self, test: ArgTest, width: Width, yes: Label, no: Label) -> Label {
        let value = test.value;
        match test.comparison {
            Comparison::MaskedEqual(mask) => self.equal(test, width, mask, yes, no),
            Comparison::NotEqual => self.equal(test, width, u64::MAX, no, yes),
            Comparison::Greater => self.greater(test.index, width, Test::Greater, value, yes, no),
            Comparison::AtLeast => self.greater(test.index, width, Test::AtLeast, value, yes, no),
            Comparison::Less => self.greater(test.index, width, Test::AtLeast, value, no, yes),
            Comparison::AtMost => self.greater(test.index, width, Test::Greater, value, no, yes),
        }
    }

    fn equal(&mut self, test: ArgTest, width: Width, mask: u64, yes: Label, no: Label) -> Label {
        let (high, low) = halves(test.value);
        let (high_mask, low_mask) = halves(mask);
        let low_word = Word::ArgumentLow(test.index);
        let yes = self.word_equal(low_word, low_mask, low, yes, no);
        match width {
            Width::Bits32 => yes,
            Width::Bits64 => {
                let high_word = Word::ArgumentHigh(test.index);
                self.word_equal(high_word, high_mask, high, yes, no)
            }
        }
    }

    fn word_equal(&mut self, word: Word, mask: u32, value: u32, yes: Label, no: Label) -> Label {
        match mask {
            0 => yes,
            u32::MAX => {
                let yes = self.assembler.behind_load(word, yes);
                let no = self.assembler.behind_load(word, no);
                let compare = self.assembler.branch(Test::Equal, value, yes, no);
                self.assembler.load(word, compare)
            }
            mask => {
                let compare = self.assembler.branch(Test::Equal, value, yes, no);
                let masked = self.assembler.and(mask, compare);
                self.assembler.load(word, masked)
            }
        }
    }

    /// Unsigned comparison; `test` says whether an equal low half counts.
    fn greater(
        &mut self,
        index: u8,
        width: Width,
        test: Test,
        value: u64,
        yes: Label,
        no: Label,
    ) -> Label {
        let (high, low) = halves(value);
        let compare = self.assembler.branch(test, low, yes, no);
        let low_half = self.assembler.load(Word::ArgumentLow(index), compare);
        match width {
            Width::Bits32 => low_half,
            Width::Bits64 => {
                let equal = self.assembler.branch(Test::Equal, high, low_half, no);
                let compare = self.assembler.branch(Test::Greater, high, yes, equal);
                self.assembler.load(Word::ArgumentHigh(index), compare)
            }
        }
    }
}

/// The test of a rule that is one full comparison with a value.
fn plain_value(tests: &[ArgTest]) -> Option<&ArgTest> {
    match tests {
        [test] if test.comparison == Comparison::MaskedEqual(u64::MAX) => Some(test),
        _ => None,
    }
}

fn one_of_several_values((left, _): &TestedRule, (right, _): &TestedRule) -> bool {
    match (plain_value(left), plain_value(right)) {
        (Some(left), Some(right)) => {
            left.index == right.index && halves(left.value).0 == halves(right.value).0
        }
        _ => false,
    }
}

fn halves(value: u64) -> (u32, u32) {
    let low = value & u64::from(u32::MAX);
    let high = u32::try_from(value >> 32).expect("half of 64 bits");
    (high, u32::try_from(low).expect("masked to 32 bits"))
}
