// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For which machine a program was built, as its ELF header says: what the kernel's bare "exec
//! format error" keeps to itself.

use std::fmt;

use crate::oci::Platform;

/// The bytes of a header that say it.
const HEADER: usize = 20;
/// Of `e_ident[EI_CLASS]`.
const CLASS_64: u8 = 2;
/// Of `e_ident[EI_DATA]`.
const BIG_ENDIAN: u8 = 2;

/// A machine that is not this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    machine: Machine,
}

impl Foreign {
    /// Whether no kernel for this machine runs its programs without an emulator: those for
    /// a machine's elder brother may run, and then miss their own loader.
    pub(super) fn needs_emulator(self) -> bool {
        let own = std::env::consts::ARCH;
        let native = (own == "x86_64" && self.machine.number == 3)
            || (own == "aarch64" && self.machine.number == 40);
        !native
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.machine.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "machine {} of ELF", self.machine.number),
        }
    }
}

/// What distinguishes machines in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    number: u16,
    wide: bool,
    big_endian: bool,
}

impl Machine {
    fn of(start: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = start.first_chunk()?;
        if !header.starts_with(b"\x7fELF") {
            return None;
        }
        let number = [header[18], header[19]];
        let big_endian = header[5] == BIG_ENDIAN;
        Some(Self {
            number: if big_endian {
                u16::from_be_bytes(number)
            } else {
                u16::from_le_bytes(number)
            },
            wide: header[4] == CLASS_64,
            big_endian,
        })
    }

    /// Go's name, which images have.
    fn name(self) -> Option<&'static str> {
        Some(match (self.number, self.wide, self.big_endian) {
            (3, ..) => "386",
            (62, true, _) => "amd64",
            (62, false, _) => "x32",
            (40, _, false) => "arm",
            (183, _, false) => "arm64",
            (243, true, _) => "riscv64",
            (243, false, _) => "riscv32",
            (21, _, false) => "ppc64le",
            (21, _, true) => "ppc64",
            (22, true, _) => "s390x",
            (8, true, false) => "mips64le",
            (8, true, true) => "mips64",
            (8, false, false) => "mipsle",
            (8, false, true) => "mips",
            (258, ..) => "loong64",
            _ => return None,
        })
    }
}

/// This machine, in the words of [`Foreign`].
pub(super) fn own_name() -> String {
    Platform::host().architecture
}

/// The machine of the program that begins with `start`, unless it is this one.
pub(super) fn foreign(start: &[u8]) -> Option<Foreign> {
    let machine = Machine::of(start)?;
    (machine.name() != Some(own_name().as_str())).then_some(Foreign { machine })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, data: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut header = b"\x7fELF".to_vec();
        header.extend([class, data, 1]);
        header.resize(18, 0);
        header.extend(machine);
        header
    }

    #[test]
    fn the_machines_of_programs() {
        let cases = [
            ((2, 1, [183, 0]), "arm64"),
            ((1, 1, [40, 0]), "arm"),
            ((2, 1, [243, 0]), "riscv64"),
            ((2, 2, [0, 22]), "s390x"),
            ((2, 1, [21, 0]), "ppc64le"),
            ((2, 1, [0x34, 0x12]), "machine 4660 of ELF"),
        ];
        for ((class, data, machine), expected) in cases {
            let found = foreign(&header(class, data, machine));
            match found {
                Some(found) => assert_eq!(found.to_string(), expected),
                None => assert_eq!(own_name(), expected),
            }
        }
    }

    #[test]
    fn what_is_no_foreign_program() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let machine = Machine::of(&own).and_then(Machine::name);
        assert_eq!(machine, Some(own_name().as_str()));
        for start in [&own[..], b"#!/bin/sh\n", b"\x7fELF", b""] {
            assert_eq!(foreign(start), None);
        }
    }
}
