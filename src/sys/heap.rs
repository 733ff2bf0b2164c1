// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The heap of a program that is linked with musl, whose own gives each page back to the kernel at
//! once and asks for it again: a hundred system calls and as many page faults in the few
//! milliseconds of a command. Measured with both, in turn: `run` 7.9 -> 7.0 ms, `ps` 0.87 -> 0.72 ms.
//!
//! Large blocks stay with musl, which maps each by itself: what is mapped is zero already. dlmalloc
//! writes zeros, and a FUSE server, which asks for a buffer of 16 MiB and uses a few pages of it,
//! started 13 ms later.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

/// dlmalloc for the small blocks, musl for the large.
#[derive(Debug, Clone, Copy)]
pub struct Heap;

/// musl maps blocks from 128 KiB on by themselves, and grows those without a copy; the buffers of
/// streams are mostly as large, and mostly empty.
const LARGE: usize = 64 * 1024;

static SMALL: Small = Small {
    taken: AtomicBool::new(false),
    blocks: UnsafeCell::new(blocks()),
};

const fn blocks() -> Dlmalloc<Pages> {
    let mut blocks = Dlmalloc::new_with_allocator(Pages);
    blocks.set_granularity(PIECE);
    blocks
}

/// What the heap grows by: as much as most commands use.
const PIECE: usize = 128 * 1024;

/// One for all threads, behind a lock of two instructions. Those of C and of Rust's library are
/// calls: 3 % of the samples of a `run`. Nobody keeps it for long, so nobody sleeps for it.
struct Small {
    taken: AtomicBool,
    blocks: UnsafeCell<Dlmalloc<Pages>>,
}

// SAFETY: `locked` lets one thread at a time to the blocks.
unsafe impl Sync for Small {}

impl Small {
    #[expect(clippy::inline_always, reason = "small code would call it")]
    #[inline(always)]
    fn locked<T>(&self, work: impl FnOnce(&mut Dlmalloc<Pages>) -> T) -> T {
        let (free, taken) = (Ordering::Relaxed, Ordering::Acquire);
        while self
            .taken
            .compare_exchange(false, true, taken, free)
            .is_err()
        {
            wait_for_another();
        }
        // SAFETY: whoever else comes here waits until the lock is given back.
        let done = work(unsafe { &mut *self.blocks.get() });
        self.taken.store(false, Ordering::Release);
        done
    }
}

#[cold]
#[inline(never)]
fn wait_for_another() {
    std::thread::yield_now();
}

/// Where the small blocks' memory is from: the kernel. Of the first piece it brings in all pages at
/// once, for half of what they cost one by one (0.8 in place of 1.8 us for each, of which a command
/// touches two dozen); later ones may stay empty.
struct Pages;

static BEGUN: AtomicBool = AtomicBool::new(false);

// SAFETY: a private mapping of its own for each piece.
unsafe impl dlmalloc::Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let mut flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        if !BEGUN.swap(true, Ordering::Relaxed) {
            flags |= libc::MAP_POPULATE;
        }
        let piece = map(size, flags);
        (piece, if piece.is_null() { 0 } else { size }, 0)
    }

    fn remap(&self, piece: *mut u8, old: usize, new: usize, can_move: bool) -> *mut u8 {
        let flags = if can_move { libc::MREMAP_MAYMOVE } else { 0 };
        // SAFETY: the piece is a mapping of ours of this length.
        let moved = unsafe { libc::mremap(piece.cast(), old, new, flags) };
        address_of(moved)
    }

    fn free_part(&self, piece: *mut u8, old: usize, new: usize) -> bool {
        !self.remap(piece, old, new, false).is_null()
    }

    fn free(&self, piece: *mut u8, size: usize) -> bool {
        // SAFETY: as above, and no block in it is in use.
        unsafe { libc::munmap(piece.cast(), size) == 0 }
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

fn map(size: usize, flags: c_int) -> *mut u8 {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping where the kernel likes it.
    address_of(unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) })
}

fn address_of(mapping: *mut libc::c_void) -> *mut u8 {
    if mapping == libc::MAP_FAILED {
        std::ptr::null_mut()
    } else {
        mapping.cast()
    }
}

// SAFETY: each block belongs to one of two sound allocators, and its size says to which: a block is
// given back, or changed in place, by the one that it came from.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            // SAFETY: the caller keeps the rules of `alloc`.
            unsafe { System.alloc(layout) }
        } else {
            // SAFETY: as above.
            unsafe { SMALL.locked(|small| small.malloc(layout.size(), layout.align())) }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            // SAFETY: the caller keeps the rules of `alloc_zeroed`.
            unsafe { System.alloc_zeroed(layout) }
        } else {
            // SAFETY: as above.
            unsafe { SMALL.locked(|small| small.calloc(layout.size(), layout.align())) }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() >= LARGE {
            // SAFETY: a block of this size is from there.
            unsafe { System.dealloc(block, layout) }
        } else {
            // SAFETY: as above.
            unsafe { SMALL.locked(|small| small.free(block, layout.size(), layout.align())) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (layout.size() >= LARGE, size >= LARGE) {
            // SAFETY: the block is from there and stays there.
            (true, true) => unsafe { System.realloc(block, layout, size) },
            // SAFETY: as above.
            (false, false) => unsafe {
                SMALL.locked(|small| small.realloc(block, layout.size(), layout.align(), size))
            },
            // SAFETY: the caller keeps the rules of `realloc`.
            (true, false) | (false, true) => unsafe { self.moved(block, layout, size) },
        }
    }
}

impl Heap {
    /// A block of another size from the other allocator, with what `block` holds; null, with
    /// `block` as it was, if there is none.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::realloc`].
    unsafe fn moved(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return std::ptr::null_mut();
        };
        // SAFETY: neither size is 0: one is large, and the caller asks for none of 0 bytes.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            let length = layout.size().min(size);
            // SAFETY: both are valid for so many bytes, and a new block overlaps no other.
            unsafe { std::ptr::copy_nonoverlapping(block, new, length) };
            // SAFETY: it came from this allocator with this layout, and is not used any more.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of growing sizes, of both allocators, each filled with `mark`.
    fn use_blocks(mark: u8) {
        let mut size = 16;
        let layout = |size| Layout::from_size_align(size, 8).expect("8 is a power of two");
        // SAFETY: the size is not 0.
        let mut block = unsafe { Heap.alloc(layout(size)) };
        // SAFETY: so many bytes are at the block, for us alone.
        unsafe { block.write_bytes(mark, size) };
        while size < 4 * LARGE {
            // SAFETY: the block has this size, and the new one is not 0 either.
            block = unsafe { Heap.realloc(block, layout(size), size * 2) };
            // SAFETY: so many bytes are at the block, and they are initialised.
            let kept = unsafe { std::slice::from_raw_parts(block, size) };
            assert!(kept.iter().all(|byte| *byte == mark));
            size *= 2;
            // SAFETY: so many bytes are at the block, for us alone.
            unsafe { block.write_bytes(mark, size) };
        }
        // SAFETY: it came from there with this layout.
        unsafe { Heap.dealloc(block, layout(size)) };
    }

    #[test]
    fn threads_have_blocks_of_their_own() {
        std::thread::scope(|scope| {
            for mark in 1..=4 {
                scope.spawn(move || (0..200).for_each(|_| use_blocks(mark)));
            }
        });
    }

    #[test]
    fn zeros_where_they_are_asked_for() {
        let layout = Layout::from_size_align(5000, 64).expect("64 is a power of two");
        for _ in 0..3 {
            // SAFETY: the size is not 0.
            let block = unsafe { Heap.alloc_zeroed(layout) };
            assert_eq!(block as usize % 64, 0);
            // SAFETY: so many bytes are at the block, and they are initialised.
            let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(7);
            // SAFETY: it came from there with this layout.
            unsafe { Heap.dealloc(block, layout) };
        }
    }
}
