// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs filters as the kernel would, and refuses what its checker would refuse.

use crate::sys::seccomp::Instruction;

/// What the kernel shows a filter of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// `AUDIT_ARCH_*`.
    pub(super) arch: u32,
    /// The number, x32's bit included.
    pub(super) number: u32,
    /// The six arguments.
    pub(super) arguments: [u64; 6],
}

impl Call {
    pub(super) fn plain(arch: u32, number: u32) -> Self {
        Self {
            arch,
            number,
            arguments: [0; 6],
        }
    }

    fn word(&self, offset: u32) -> u32 {
        let mut data = [0_u8; 64];
        data[0..4].copy_from_slice(&self.number.to_le_bytes());
        data[4..8].copy_from_slice(&self.arch.to_le_bytes());
        for (index, argument) in self.arguments.iter().enumerate() {
            data[16 + 8 * index..][..8].copy_from_slice(&argument.to_le_bytes());
        }
        let start = offset as usize;
        assert!(start.is_multiple_of(4) && start < 64, "load from {offset}");
        u32::from_le_bytes(data[start..start + 4].try_into().expect("four bytes"))
    }
}

/// The value that `filter` returns for `call`.
///
/// Knows every instruction that libseccomp and the compiler here write, and panics at others and
/// at a jump out of the program.
pub(super) fn run(filter: &[Instruction], call: &Call) -> u32 {
    let mut accumulator = 0_u32;
    let mut scratch = [0_u32; 16];
    let mut next = 0;
    loop {
        let instruction = filter[next];
        next += 1;
        let k = instruction.k;
        let jump = |holds: bool| {
            usize::from(if holds {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        match instruction.code {
            0x20 => accumulator = call.word(k),
            0x60 => accumulator = scratch[k as usize],
            0x02 => scratch[k as usize] = accumulator,
            0x54 => accumulator &= k,
            0x05 => next += k as usize,
            0x15 => next += jump(accumulator == k),
            0x25 => next += jump(accumulator > k),
            0x35 => next += jump(accumulator >= k),
            0x06 => return k,
            code => panic!("instruction {code:#x}"),
        }
    }
}

/// Every instruction that cannot be reached from the start.
pub(super) fn unreachable(filter: &[Instruction]) -> Vec<usize> {
    let mut reached = vec![false; filter.len()];
    reached[0] = true;
    for (index, instruction) in filter.iter().enumerate() {
        if !reached[index] {
            continue;
        }
        let targets = match instruction.code {
            0x06 => vec![],
            0x05 => vec![instruction.k as usize],
            0x15 | 0x25 | 0x35 => vec![instruction.jt.into(), instruction.jf.into()],
            _ => vec![0],
        };
        for target in targets {
            reached[index + 1 + target] = true;
        }
    }
    let indexes = reached.iter().enumerate();
    indexes
        .filter(|(_, reached)| !**reached)
        .map(|(index, _)| index)
        .collect()
}

#[test]
fn loads_and_jumps() {
    let instruction = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let filter = [
        instruction(0x20, 0, 0, 20),
        instruction(0x35, 0, 1, 2),
        instruction(0x06, 0, 0, 7),
        instruction(0x06, 0, 0, 8),
    ];
    let mut call = Call::plain(0, 0);
    assert_eq!(run(&filter, &call), 8);
    call.arguments[0] = 3 << 32;
    assert_eq!(run(&filter, &call), 7);
    assert_eq!(unreachable(&filter), [0_usize; 0]);
    assert_eq!(unreachable(&filter[2..]), [1]);
}
