// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives memory back that a quiet process does not need, and gets at once what a short one does.

use std::ffi::{c_int, c_void};

/// How far below the current frame the stack may have been used before.
const STACK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes below the current frame that may still be in use by it and by what it calls.
const STACK_MARGIN_BYTES: usize = 8 * 1024;

/// Segments of one program that are never written: headers, read-only data, code.
const SEGMENTS_MAX: usize = 8;

/// What a command uses of its stack, most of it for the definition of its flags.
const STACK_BYTES_OF_COMMAND: usize = 80 * 1024;

/// Brings in the pages below this frame that a command will use, for half of what they cost one by
/// one; a kernel before 5.14 leaves it.
pub fn bring_in_stack() {
    let marker = 0_u8;
    let end = &raw const marker as usize & !(page_bytes() - 1);
    let start = (end - STACK_BYTES_OF_COMMAND) as *mut c_void;
    // SAFETY: a process begins with 128 KiB of stack, which stay what they are.
    unsafe { libc::madvise(start, STACK_BYTES_OF_COMMAND, libc::MADV_POPULATE_WRITE) };
}

/// Waits as poll(2) does, after giving back the freed parts of the heap, the stack below this frame,
/// and the pages of the program file, which come back from the page cache when they are used again.
///
/// Only for the first thread of a process; others have stacks of their own, and their code comes
/// back as this thread's does. The value is that of poll(2), or the error's number
/// below zero.
pub(super) fn poll_with_little_memory(
    entries: &mut [libc::pollfd],
    timeout: Option<&libc::timespec>,
) -> libc::c_long {
    trim_heap();
    release_stack();
    let mut ranges = [(0, 0); SEGMENTS_MAX];
    find_file_segments(&mut ranges);
    let timeout = timeout.map_or(0, |timeout| std::ptr::from_ref(timeout) as usize);
    let arguments = [entries.as_mut_ptr() as usize, entries.len(), timeout];
    // Nothing but this function runs from here until the wait: each other page that is touched
    // comes back, and its neighbours with it.
    let mut next = 0;
    while next < SEGMENTS_MAX {
        let (start, length) = ranges[next];
        next += 1;
        // SAFETY: private mappings of a file that were never written to: their pages come back as
        // they were, also those that this code runs from. An empty range does nothing.
        unsafe { call(libc::SYS_madvise, [start, length, DONTNEED]) };
    }
    // SAFETY: `entries` and `timeout` are initialised and borrowed until the call returns.
    unsafe { call(libc::SYS_ppoll, arguments) }
}

const DONTNEED: usize = 4;
const _: () = assert!(libc::MADV_DONTNEED == 4);

/// A system call without the C library, whose code would be another part of the program in memory.
/// A fourth argument is null.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn call(number: libc::c_long, arguments: [usize; 3]) -> libc::c_long {
    let result;
    // SAFETY: the kernel's calling convention: it changes rax, rcx, r11 and what the arguments
    // point to, which the caller answers for.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") 0_usize,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A system call by way of the C library. A fourth argument is null.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn call(number: libc::c_long, arguments: [usize; 3]) -> libc::c_long {
    let [first, second, third] = arguments;
    // SAFETY: the caller answers for what the arguments point to.
    let result = unsafe { libc::syscall(number, first, second, third, 0_usize) };
    if result < 0 {
        return -libc::c_long::from(nix::errno::Errno::last_raw());
    }
    result
}

#[cfg(target_env = "gnu")]
fn trim_heap() {
    // SAFETY: malloc_trim only gives back what is free.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim_heap() {}

/// The first stack of the process only: below that of a thread there is somebody else's memory.
fn release_stack() {
    let marker = 0_u8;
    let here = &raw const marker as usize;
    // SAFETY: getauxval only reads; AT_RANDOM points to the top of the process's first stack.
    let top = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let top = usize::try_from(top).unwrap_or(0);
    if here >= top || top - here > STACK_BYTES_MAX {
        return;
    }
    let end = (here - STACK_MARGIN_BYTES) & !(page_bytes() - 1);
    let start = end.saturating_sub(STACK_BYTES_MAX) & !(page_bytes() - 1);
    let length = end - start;
    // SAFETY: the range ends well below every live frame of the first thread, and what lies between
    // the first stack and the next mapping is kept free by the kernel; ENOMEM says that part of it
    // was never mapped.
    unsafe { libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED) };
}

fn page_bytes() -> usize {
    // SAFETY: sysconf takes an integer and touches no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// Fills `ranges` with start and length of the segments that are never written.
fn find_file_segments(ranges: &mut [(usize, usize); SEGMENTS_MAX]) {
    let data = std::ptr::from_mut(ranges).cast();
    // SAFETY: the callback only reads what it is given, and writes to `ranges`, during the call.
    unsafe { libc::dl_iterate_phdr(Some(note_file_segments), data) };
}

unsafe extern "C" fn note_file_segments(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the caller hands a valid structure for the length of the call.
    let info = unsafe { &*info };
    // SAFETY: what `find_file_segments` passed, borrowed by nobody else meanwhile.
    let ranges = unsafe { &mut *data.cast::<[(usize, usize); SEGMENTS_MAX]>() };
    if info.dlpi_phdr.is_null() {
        return 1;
    }
    // SAFETY: the structure says that this many headers lie there.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let never_written = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0
    };
    let segments = headers.iter().filter(never_written);
    for (range, header) in ranges.iter_mut().zip(segments) {
        *range = whole_pages(info.dlpi_addr + header.p_vaddr, header.p_memsz);
    }
    // The program itself comes first; libraries of a dynamic build are left alone.
    1
}

fn whole_pages(address: u64, size_bytes: u64) -> (usize, usize) {
    let (Ok(address), Ok(size)) = (usize::try_from(address), usize::try_from(size_bytes)) else {
        return (0, 0);
    };
    let page = page_bytes();
    let start = address & !(page - 1);
    (start, (address + size).next_multiple_of(page) - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_still_works_afterwards() {
        let before: Vec<u32> = (0..10_000).collect();
        let soon = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1000,
        };
        assert_eq!(poll_with_little_memory(&mut [], Some(&soon)), 0);
        assert_eq!(before.iter().sum::<u32>(), 49_995_000);
        assert_eq!(format!("{:?}", "text"), "\"text\"");
    }
}
