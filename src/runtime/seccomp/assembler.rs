// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts BPF programs together from their end to their beginning.
//!
//! BPF jumps forward only, and a conditional jump reaches 255 instructions. Written backwards,
//! every target is known when its jump is written, and a target out of reach gets a long jump (or
//! another copy of a return) right behind the conditional one.

use crate::sys::seccomp::Instruction;

/// A place in an unfinished program, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Label(usize);

/// A 32-bit word of `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The number of the call.
    Number,
    /// The interface it was made through.
    Arch,
    /// The low half of an argument.
    ArgumentLow(u8),
    /// The high half of an argument.
    ArgumentHigh(u8),
}

/// How a conditional jump compares the accumulator with its constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// Equal.
    Equal,
    /// Greater.
    Greater,
    /// Greater or equal.
    AtLeast,
}

const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;
const FARTHEST: usize = 255;

/// A program that grows at its front.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The program backwards.
    reversed: Vec<Instruction>,
}

impl Assembler {
    /// Ends the program with `value`. Returns that are near enough are shared.
    pub(super) fn ret(&mut self, value: u32) -> Label {
        let wanted = instruction(RETURN, value);
        match self.find_near(wanted) {
            Some(label) => label,
            None => self.push(wanted),
        }
    }

    /// Loads a word, then goes on at `next`.
    pub(super) fn load(&mut self, word: Word, next: Label) -> Label {
        self.sequence(instruction(LOAD_WORD, word.offset()), next)
    }

    /// Clears the bits outside `mask`, then goes on at `next`.
    pub(super) fn and(&mut self, mask: u32, next: Label) -> Label {
        self.sequence(instruction(AND, mask), next)
    }

    /// Goes on at `yes` or `no`.
    pub(super) fn branch(&mut self, test: Test, constant: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // What brings `no` near may take one place, so `yes` must bear that.
        let yes = self.within(FARTHEST - 1, yes);
        let no = self.within(FARTHEST, no);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        self.push(Instruction {
            code: test.code(),
            jt: u8::try_from(jt).expect("the target was brought within 255"),
            jf: u8::try_from(jf).expect("the target was brought within 255"),
            k: constant,
        })
    }

    /// The place behind the load at `label`, for a jump with `word` in the accumulator already.
    pub(super) fn behind_load(&self, word: Word, label: Label) -> Label {
        let load = instruction(LOAD_WORD, word.offset());
        if self.reversed[label.0] == load {
            return Label(label.0 - 1);
        }
        label
    }

    /// The program, to be entered at `start`, which must be the place written last.
    pub(super) fn finish(mut self, start: Label) -> Vec<Instruction> {
        debug_assert_eq!(
            start.0 + 1,
            self.reversed.len(),
            "the start is written last"
        );
        self.reversed.reverse();
        without_unreachable(&self.reversed)
    }

    fn sequence(&mut self, step: Instruction, next: Label) -> Label {
        if self.distance(next) != 0 {
            self.goto(next);
        }
        self.push(step)
    }

    /// `label`, or a place within `reach` that leads there.
    fn within(&mut self, reach: usize, label: Label) -> Label {
        if self.distance(label) <= reach {
            return label;
        }
        let target = self.reversed[label.0];
        match self.find_near(target) {
            Some(copy) if target.code == RETURN => copy,
            _ => self.goto(label),
        }
    }

    /// Goes to `label` over any distance; a return is repeated instead.
    fn goto(&mut self, label: Label) -> Label {
        let target = self.reversed[label.0];
        if target.code == RETURN {
            return self.push(target);
        }
        let distance = u32::try_from(self.distance(label)).expect("programs are short");
        self.push(instruction(JUMP, distance))
    }

    /// An equal instruction, near enough for either side of a branch.
    fn find_near(&self, wanted: Instruction) -> Option<Label> {
        let lowest = self.reversed.len().saturating_sub(FARTHEST);
        let position = self.reversed[lowest..]
            .iter()
            .rposition(|found| *found == wanted)?;
        Some(Label(lowest + position))
    }

    /// How many instructions lie between one written now and `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - 1 - label.0
    }

    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        Label(self.reversed.len() - 1)
    }
}

/// Drops what nothing leads to, such as a load that every jump goes behind. Jumps get shorter.
fn without_unreachable(program: &[Instruction]) -> Vec<Instruction> {
    let mut reached = vec![false; program.len()];
    reached[0] = true;
    for (index, step) in program.iter().enumerate() {
        if reached[index] {
            for skipped in successors(*step) {
                reached[index + 1 + skipped] = true;
            }
        }
    }
    let kept_between = |index: usize, skipped: usize| {
        let between = &reached[index + 1..index + 1 + skipped];
        between.iter().filter(|reached| **reached).count()
    };
    let shorten = |(index, step): (usize, &Instruction)| {
        let near = |skipped: u8| {
            let kept = kept_between(index, usize::from(skipped));
            u8::try_from(kept).expect("no longer than before")
        };
        let far = |skipped: u32| {
            let kept = kept_between(index, skipped as usize);
            u32::try_from(kept).expect("no longer than before")
        };
        match step.code {
            JUMP => instruction(JUMP, far(step.k)),
            LOAD_WORD | AND | RETURN => *step,
            _ => Instruction {
                jt: near(step.jt),
                jf: near(step.jf),
                ..*step
            },
        }
    };
    let kept = program
        .iter()
        .enumerate()
        .filter(|(index, _)| reached[*index]);
    kept.map(shorten).collect()
}

/// How many instructions each way on skips.
fn successors(step: Instruction) -> Vec<usize> {
    match step.code {
        RETURN => vec![],
        JUMP => vec![step.k as usize],
        LOAD_WORD | AND => vec![0],
        _ => vec![step.jt.into(), step.jf.into()],
    }
}

impl Word {
    /// Where the word lies; both machines are little-endian.
    fn offset(self) -> u32 {
        match self {
            Self::Number => 0,
            Self::Arch => 4,
            Self::ArgumentLow(index) => 16 + 8 * u32::from(index),
            Self::ArgumentHigh(index) => 20 + 8 * u32::from(index),
        }
    }
}

impl Test {
    fn code(self) -> u16 {
        match self {
            Self::Equal => 0x15,
            Self::Greater => 0x25,
            Self::AtLeast => 0x35,
        }
    }
}

fn instruction(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}
