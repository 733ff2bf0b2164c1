// SPDX-License-Identifier: Apache-2.0 OR MIT
//! memcpy(3) and memmove(3) of a program that is linked with musl, whose own begin with string
//! instructions: a few dozen cycles for copies that take a few, and one byte at a time where the
//! target is not aligned or lies behind the source. Most copies of a program are short. Measured
//! with both: the FUSE server spent a sixth of its own time in memcpy.
//!
//! In assembly, for the compiler makes calls of memcpy from loops that copy.

// SAFETY: the symbols are those that the C library has, and do what it says of them; nothing but the
// registers that a call may change and the target is written.
#[cfg(target_env = "musl")]
std::arch::global_asm!(
    ".pushsection .text.memcpy, \"ax\", @progbits",
    ".globl memcpy",
    ".type memcpy, @function",
    ".globl memmove",
    ".type memmove, @function",
    ".p2align 5",
    "memcpy:",
    "memmove:",
    include_str!("copy.s"),
    ".size memcpy, . - memcpy",
    ".size memmove, . - memmove",
    ".popsection",
);

#[cfg(not(target_env = "musl"))]
std::arch::global_asm!(
    ".pushsection .text.coracle_copy, \"ax\", @progbits",
    ".globl coracle_copy",
    "coracle_copy:",
    include_str!("copy.s"),
    ".popsection",
);

#[cfg(all(test, not(target_env = "musl")))]
mod tests {
    unsafe extern "C" {
        fn coracle_copy(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
    }

    /// Copies within a buffer of distinct bytes, as the library does and as we do.
    fn check(to: usize, from: usize, count: usize) {
        let length = to.max(from) + count + 40;
        let bytes = |number: usize| (number % 251).to_le_bytes()[0];
        let mut ours: Vec<u8> = (0..length).map(bytes).collect();
        let mut expected = ours.clone();
        expected.copy_within(from..from + count, to);
        let start = ours.as_mut_ptr();
        let (target, source) = (start.wrapping_add(to), start.wrapping_add(from));
        // SAFETY: so many bytes of the buffer are at both, and what overlaps is allowed to.
        let returned = unsafe { coracle_copy(target, source, count) };
        assert_eq!(returned, target);
        assert_eq!(ours, expected, "{count} bytes from {from} to {to}");
    }

    #[test]
    fn copies_of_all_sizes_that_lie_apart_and_overlap() {
        let sizes = (0..=300).chain([511, 512, 513, 1000, 4095, 4096, 70_001]);
        for count in sizes {
            for shift in [
                0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 100, 255, 257, 400,
            ] {
                check(20, 20 + shift, count);
                check(20 + shift, 20, count);
                check(21 + shift, 24, count);
            }
            check(13, 20 + count, count);
            check(20 + count, 13, count);
        }
    }
}
