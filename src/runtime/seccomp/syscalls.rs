// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of system calls, and their numbers in each interface. The table is `syscalls.tsv`.

use std::collections::HashMap;

use super::abi::Abi;

const TABLE: &str = include_str!("syscalls.tsv");

/// The numbers of every system call in one interface.
#[derive(Debug)]
pub(super) struct SyscallTable {
    abi: Abi,
    numbers: HashMap<&'static str, u32>,
}

/// A call of i386 that reaches the kernel through another one too, whose first argument says
/// which is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Multiplexed {
    /// The number of `socketcall` or `ipc`.
    pub(super) number: u32,
    /// The bits of the first argument that name the call; `ipc` keeps a version in the others.
    pub(super) selector_mask: u32,
    /// What these bits are for this call.
    pub(super) selector: u32,
}

impl SyscallTable {
    /// Reads the column of `abi`.
    pub(super) fn of(abi: Abi) -> Self {
        let column = column(abi);
        let numbers = rows()
            .filter_map(|row| {
                let mut fields = row.split('\t');
                let name = fields.next()?;
                let number = fields.nth(column)?.parse::<u32>().ok()?;
                Some((name, number | abi.number_base()))
            })
            .collect();
        Self { abi, numbers }
    }

    /// The number of the call `name`, or nothing where it does not exist.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// How else the call `name` can be made.
    pub(super) fn multiplexed(&self, name: &str) -> Option<Multiplexed> {
        if self.abi != Abi::I386 {
            return None;
        }
        let find = |calls: &[(&str, u32)]| {
            let found = calls.iter().find(|(call, _)| *call == name);
            found.map(|(_, selector)| *selector)
        };
        let (multiplexer, selector_mask, selector) = match (find(SOCKET_CALLS), find(IPC_CALLS)) {
            (Some(selector), _) => ("socketcall", u32::MAX, selector),
            (None, Some(selector)) => ("ipc", 0xffff, selector),
            (None, None) => return None,
        };
        Some(Multiplexed {
            number: self.number(multiplexer)?,
            selector_mask,
            selector,
        })
    }
}

fn rows() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

/// Which column after the name belongs to `abi`.
fn column(abi: Abi) -> usize {
    match abi {
        Abi::X86_64 => 0,
        Abi::I386 => 1,
        Abi::X32 => 2,
        Abi::Aarch64 => 3,
        Abi::Arm => 4,
    }
}

/// The selectors of socketcall(2).
const SOCKET_CALLS: &[(&str, u32)] = &[
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

/// The selectors of ipc(2).
const IPC_CALLS: &[(&str, u32)] = &[
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn numbers_of_each_interface() {
        let number = |abi, name| SyscallTable::of(abi).number(name);
        assert_eq!(number(Abi::X86_64, "read"), Some(0));
        assert_eq!(number(Abi::I386, "read"), Some(3));
        assert_eq!(number(Abi::X32, "read"), Some(0x4000_0000));
        assert_eq!(number(Abi::X32, "execve"), Some(0x4000_0208));
        assert_eq!(number(Abi::Aarch64, "read"), Some(63));
        assert_eq!(number(Abi::Arm, "set_tls"), Some(0xf_0005));
        assert_eq!(number(Abi::Aarch64, "open"), None);
        assert_eq!(number(Abi::X86_64, "file_setattr"), Some(469));
        assert_eq!(number(Abi::X86_64, "#name"), None);
    }

    #[test]
    fn every_row_has_five_numbers_or_dashes() {
        for row in rows() {
            let fields = row.split('\t').collect::<Vec<_>>();
            assert_eq!(fields.len(), 6, "{row}");
            let numbers = fields[1..].iter();
            assert!(
                numbers
                    .clone()
                    .all(|field| *field == "-" || field.parse::<u32>().is_ok())
            );
            assert!(numbers.clone().any(|field| *field != "-"), "{row}");
        }
    }

    #[test]
    fn i386_reaches_socket_calls_in_two_ways() {
        let table = SyscallTable::of(Abi::I386);
        let accept = table.multiplexed("accept").expect("a socket call");
        assert_eq!((accept.number, accept.selector), (102, 5));
        let shmat = table.multiplexed("shmat").expect("an ipc call");
        assert_eq!((shmat.number, shmat.selector_mask), (117, 0xffff));
        assert_eq!(table.multiplexed("read"), None);
        assert_eq!(SyscallTable::of(Abi::X86_64).multiplexed("socket"), None);
    }

    /// The headers of the machine that runs the tests, where they are installed.
    #[test]
    fn agrees_with_the_kernel_headers() {
        for (abi, file) in [
            (Abi::X86_64, "unistd_64.h"),
            (Abi::I386, "unistd_32.h"),
            (Abi::X32, "unistd_x32.h"),
        ] {
            let path = format!("/usr/include/x86_64-linux-gnu/asm/{file}");
            let Ok(header) = std::fs::read_to_string(&path) else {
                println!("skip: {path} is not installed (linux-libc-dev)");
                continue;
            };
            let table = SyscallTable::of(abi);
            let numbers = header_numbers(&header);
            assert!(numbers.len() > 300, "{path} has {} numbers", numbers.len());
            for (name, number) in numbers {
                assert_eq!(
                    table.number(name),
                    Some(number | abi.number_base()),
                    "{name}"
                );
            }
        }
    }

    fn header_numbers(header: &str) -> BTreeMap<&str, u32> {
        let defines = header
            .lines()
            .filter_map(|line| line.strip_prefix("#define __NR_"));
        defines
            .filter_map(|define| {
                let (name, value) = define.split_once(' ')?;
                let digits = value.trim_end_matches(')').rsplit(' ').next()?;
                Some((name, digits.parse().ok()?))
            })
            .collect()
    }
}
