// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program of a pod's infra container: it waits, reaps what is orphaned, and ends at SIGTERM.
//!
//! It is written into the container's root at each start, so no image is needed, and nothing of
//! ours lies behind `/proc/1/exe` where the other containers of the pod can see it: what they
//! could write or read there is this and no more.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Its path in the container.
pub(in crate::engine) const PATH: &str = "/pause";

/// Where it is loaded.
const ADDRESS: u64 = 0x40_0000;
const FILE_HEADER_BYTES: u16 = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;

/// Blocks SIGTERM, SIGINT and SIGCHLD, and waits for one of them: `rt_sigprocmask`,
/// `rt_sigtimedwait`; then `wait4(-1, 0, WNOHANG, 0)` for as long as there is a child that has
/// ended, or `exit_group(0)`. The last eight bytes are the set of the three.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0xb8, 0x0e, 0x00, 0x00, 0x00, // start: mov eax, 14
    0x31, 0xff, // xor edi, edi
    0x48, 0x8d, 0x35, 0x4f, 0x00, 0x00, 0x00, // lea rsi, [rip + set]
    0x31, 0xd2, // xor edx, edx
    0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
    0x0f, 0x05, // syscall
    0xb8, 0x80, 0x00, 0x00, 0x00, // next: mov eax, 128
    0x48, 0x8d, 0x3d, 0x39, 0x00, 0x00, 0x00, // lea rdi, [rip + set]
    0x31, 0xf6, // xor esi, esi
    0x31, 0xd2, // xor edx, edx
    0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
    0x0f, 0x05, // syscall
    0x83, 0xf8, 0x11, // cmp eax, SIGCHLD
    0x74, 0x0d, // je reap
    0x85, 0xc0, // test eax, eax
    0x7e, 0xdf, // jle next
    0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, 231
    0x31, 0xff, // xor edi, edi
    0x0f, 0x05, // syscall
    0xb8, 0x3d, 0x00, 0x00, 0x00, // reap: mov eax, 61
    0x48, 0x83, 0xcf, 0xff, // or rdi, -1
    0x31, 0xf6, // xor esi, esi
    0xba, 0x01, 0x00, 0x00, 0x00, // mov edx, WNOHANG
    0x45, 0x31, 0xd2, // xor r10d, r10d
    0x0f, 0x05, // syscall
    0x85, 0xc0, // test eax, eax
    0x7f, 0xe7, // jg reap
    0xeb, 0xbb, // jmp next
    0x02, 0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, // set
];
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;

/// As above: `mov x8, NUMBER` before each `svc #0`.
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0xe8, 0x10, 0x80, 0xd2, // start: mov x8, #135
    0x00, 0x00, 0x80, 0xd2, // mov x0, #0
    0x61, 0x03, 0x00, 0x10, // adr x1, set
    0x02, 0x00, 0x80, 0xd2, // mov x2, #0
    0x03, 0x01, 0x80, 0xd2, // mov x3, #8
    0x01, 0x00, 0x00, 0xd4, // svc #0
    0x28, 0x11, 0x80, 0xd2, // next: mov x8, #137
    0xc0, 0x02, 0x00, 0x10, // adr x0, set
    0x01, 0x00, 0x80, 0xd2, // mov x1, #0
    0x02, 0x00, 0x80, 0xd2, // mov x2, #0
    0x03, 0x01, 0x80, 0xd2, // mov x3, #8
    0x01, 0x00, 0x00, 0xd4, // svc #0
    0x1f, 0x44, 0x00, 0x71, // cmp w0, SIGCHLD
    0xc0, 0x00, 0x00, 0x54, // b.eq reap
    0x1f, 0x00, 0x00, 0x71, // cmp w0, #0
    0xed, 0xfe, 0xff, 0x54, // b.le next
    0xc8, 0x0b, 0x80, 0xd2, // mov x8, #94
    0x00, 0x00, 0x80, 0xd2, // mov x0, #0
    0x01, 0x00, 0x00, 0xd4, // svc #0
    0x88, 0x20, 0x80, 0xd2, // reap: mov x8, #260
    0x00, 0x00, 0x80, 0x92, // mov x0, #-1
    0x01, 0x00, 0x80, 0xd2, // mov x1, #0
    0x22, 0x00, 0x80, 0xd2, // mov x2, WNOHANG
    0x03, 0x00, 0x80, 0xd2, // mov x3, #0
    0x01, 0x00, 0x00, 0xd4, // svc #0
    0x1f, 0x00, 0x00, 0x71, // cmp w0, #0
    0x2c, 0xff, 0xff, 0x54, // b.gt reap
    0xeb, 0xff, 0xff, 0x17, // b next
    0x1f, 0x20, 0x03, 0xd5, // nop
    0x02, 0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, // set
];
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// Writes the program into `root`, the upper layer of an infra container, if it is not there.
pub(in crate::engine) fn write(root: &Path) -> io::Result<()> {
    let path = root.join(PATH.trim_start_matches('/'));
    let program = program();
    if fs::read(&path).is_ok_and(|found| found == program) {
        return Ok(());
    }
    // Nobody runs it: this is the start of its container.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&path)?;
    file.write_all(&program)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

/// An executable of one segment (elf(5)): the headers, then the code.
fn program() -> Vec<u8> {
    let headers = FILE_HEADER_BYTES + PROGRAM_HEADER_BYTES;
    let length = u64::from(headers) + u64::try_from(CODE.len()).expect("the code is short");
    let mut elf = Vec::new();
    // 64 bits, little endian, version 1, System V.
    elf.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [2, MACHINE] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes());
    // Entry, program headers, no section headers.
    for word in [
        ADDRESS + u64::from(headers),
        u64::from(FILE_HEADER_BYTES),
        0,
    ] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(0_u32.to_le_bytes());
    for half in [FILE_HEADER_BYTES, PROGRAM_HEADER_BYTES, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    // PT_LOAD, readable and executable, the whole file.
    elf.extend(1_u32.to_le_bytes());
    elf.extend(5_u32.to_le_bytes());
    for word in [0, ADDRESS, ADDRESS, length, length, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(CODE);
    elf
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    /// What waits for a signal with none pending is asleep: nothing is left for it to do.
    fn until_asleep(pid: Pid) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let field = |name: &str| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name).map(str::trim));
            value.unwrap_or_default().to_owned()
        };
        while !field("State:").starts_with('S') || field("ShdPnd:").contains(|bit| bit != '0') {
            assert!(Instant::now() < deadline, "{}", field("State:"));
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_waits_and_ends_when_it_is_told() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        write(directory.path()).unwrap();
        let mut child = Command::new(directory.path().join("pause"))
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        until_asleep(pid);
        for ignored in [Signal::SIGCHLD, Signal::SIGCONT] {
            kill(pid, ignored).unwrap();
            until_asleep(pid);
        }
        assert_eq!(child.try_wait().unwrap(), None, "it waits");
        kill(pid, Signal::SIGTERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }
}
