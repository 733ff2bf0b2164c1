// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives memory back that a quiet process does not need.

use std::os::raw::{c_int, c_void};

/// How far below the current frame the stack may have been used before.
const STACK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes below the current frame that may still be in use by it and by what it calls.
const STACK_MARGIN_BYTES: usize = 64 * 1024;

/// Gives back the freed parts of the heap, the stack below this frame, and the pages of the program
/// file, which come back from the page cache when they are used again.
///
/// Only for a process with a single thread.
pub fn release_unused() {
    trim_heap();
    release_stack();
    // SAFETY: the callback only reads what it is given, during the call.
    unsafe { libc::dl_iterate_phdr(Some(release_file_pages), std::ptr::null_mut()) };
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
    // SAFETY: the range ends well below every live frame of the only thread, and what lies between
    // the first stack and the next mapping is kept free by the kernel; ENOMEM says that part of it
    // was never mapped.
    unsafe { libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED) };
}

fn page_bytes() -> usize {
    // SAFETY: sysconf takes an integer and touches no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// Drops the pages of the segments that are never written.
unsafe extern "C" fn release_file_pages(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the caller hands a valid structure for the length of the call.
    let info = unsafe { &*info };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the structure says that this many headers lie there.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    for header in headers {
        let never_written = header.p_flags & libc::PF_W == 0;
        if header.p_type == libc::PT_LOAD && never_written {
            release_segment(info.dlpi_addr + header.p_vaddr, header.p_memsz);
        }
    }
    0
}

fn release_segment(address: u64, size_bytes: u64) {
    let (Ok(address), Ok(size)) = (usize::try_from(address), usize::try_from(size_bytes)) else {
        return;
    };
    let page = page_bytes();
    let start = address & !(page - 1);
    let length = (address + size).next_multiple_of(page) - start;
    // SAFETY: a private mapping of a file that was never written to: its pages come back as they
    // were, also those that this code runs from.
    unsafe { libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_still_works_afterwards() {
        let before: Vec<u32> = (0..10_000).collect();
        release_unused();
        assert_eq!(before.iter().sum::<u32>(), 49_995_000);
        assert_eq!(format!("{:?}", "text"), "\"text\"");
    }
}
