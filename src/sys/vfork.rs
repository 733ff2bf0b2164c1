// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes that work on their parent's memory until they execute a program: vfork(2) with the
//! flags of clone3(2).

use std::ffi::{c_int, c_long, c_void};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use nix::errno::Errno;

use super::process::{CloneRequest, clone_arguments, clone_error};
use super::{SysError, SysResult};

/// Of each new process; only what it touches is there.
const STACK_BYTES: usize = 1024 * 1024;

/// Below the stack, never mapped: what runs over ends the process.
const GUARD_BYTES: usize = 64 * 1024;

/// Runs `child` in a new process on the memory of this one, which stands still until the new one
/// has executed a program or ended, with what `child` gives as its code. Returns its process id.
/// The caller must be single-threaded.
///
/// A fork copies the tables of the memory, then each page that either process writes to, and the
/// new process brings in each page of code anew; here there is nothing of that (measured with
/// `exec`, which makes two such processes: 0.6 of 3.9 ms). Descriptors, signals and ids are the
/// child's own as ever; what it leaves allocated when it executes a program stays here, and so does
/// what it says about the memory itself (`PR_SET_DUMPABLE`).
///
/// # Errors
///
/// clone3(2)'s, or that there is no memory for a stack.
pub fn run_in_our_memory(
    request: &CloneRequest<'_>,
    child: &mut dyn FnMut() -> i32,
) -> SysResult<i32> {
    let stack = Stack::spare_or_new()?;
    let mut pidfd: RawFd = -1;
    let mut arguments = clone_arguments(request, &raw mut pidfd);
    arguments.flags |= (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    arguments.stack = stack.lowest() as u64;
    arguments.stack_size = STACK_BYTES as u64;
    let mut child = child;
    // SAFETY: the new process has a stack of its own, and all that it borrows outlives it: this
    // process, which has no other thread, goes on when the new one no longer uses the memory.
    let pid = unsafe { clone3_onto_stack(&arguments, (&raw mut child).cast()) };
    if pid < 0 {
        let errno = Errno::from_raw(i32::try_from(-pid).unwrap_or(libc::EINVAL));
        return Err(clone_error(&arguments, errno));
    }
    stack.keep();
    // SAFETY: CLONE_PIDFD stored a descriptor that is ours alone.
    drop(unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok(i32::try_from(pid).expect("process ids are int"))
}

/// What the new process calls first. A panic ends it there: no frame of ours is below.
extern "C" fn run(child: *mut c_void) -> c_int {
    // SAFETY: `run_in_our_memory` passed it, and stands still meanwhile.
    let child = unsafe { &mut *child.cast::<&mut dyn FnMut() -> i32>() };
    child()
}

/// clone3(2) whose new process calls [`run`] with `child` on the stack of `arguments`, and ends
/// with what that returns. Gives the process id, or the error's number below zero.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_onto_stack(arguments: &libc::clone_args, child: *mut c_void) -> c_long {
    let result;
    // SAFETY: the kernel's calling convention for the parent: rax, rcx and r11 change, and what the
    // arguments point to. The new process never comes out of the block; its stack is aligned where
    // it calls, as functions expect it.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "mov edi, eax",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            exit = const libc::SYS_exit_group,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") run as extern "C" fn(*mut c_void) -> c_int,
            in("r13") child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// The same for 64-bit ARM.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_onto_stack(arguments: &libc::clone_args, child: *mut c_void) -> c_long {
    let result;
    // SAFETY: as above: for the parent the call changes x0 alone, and what the arguments point to.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x21",
            "blr x20",
            "mov x8, {exit}",
            "svc #0",
            "brk #1",
            "2:",
            exit = const libc::SYS_exit_group,
            in("x8") libc::SYS_clone3,
            inlateout("x0") std::ptr::from_ref(arguments) => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x20") run as extern "C" fn(*mut c_void) -> c_int,
            in("x21") child,
        );
    }
    result
}

/// Elsewhere the memory is copied: the same to callers, who let nothing but descriptors and the
/// code come out of it.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone3_onto_stack(arguments: &libc::clone_args, child: *mut c_void) -> c_long {
    let mut arguments = *arguments;
    arguments.flags &= !((libc::CLONE_VM | libc::CLONE_VFORK) as u64);
    (arguments.stack, arguments.stack_size) = (0, 0);
    let size = size_of::<libc::clone_args>();
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) };
    match pid {
        0 => super::process::exit_now(run(child)),
        -1 => -c_long::from(Errno::last_raw()),
        pid => pid,
    }
}

/// Memory for the stack of one process.
#[derive(Debug)]
struct Stack {
    mapping: *mut c_void,
}

// SAFETY: the mapping is reached through this value alone.
unsafe impl Send for Stack {}

/// Stacks whose processes use them no more, for the next ones. They stay until this process ends:
/// unmapping one waits for the other processors on which the memory was in use.
static SPARE: Mutex<Vec<Stack>> = Mutex::new(Vec::new());

impl Stack {
    fn spare_or_new() -> SysResult<Self> {
        // Not waited for: a child that is killed in here leaves it locked.
        let spare = SPARE.try_lock().ok().and_then(|mut spare| spare.pop());
        spare.map_or_else(Self::map, Ok)
    }

    fn keep(self) {
        if let Ok(mut spare) = SPARE.try_lock() {
            spare.push(self);
        }
    }

    fn map() -> SysResult<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        let (anywhere, length) = (std::ptr::null_mut(), GUARD_BYTES + STACK_BYTES);
        // SAFETY: a new mapping where the kernel likes it.
        let mapping = unsafe { libc::mmap(anywhere, length, libc::PROT_NONE, flags, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return Err(SysError::last("mmap(stack)"));
        }
        let stack = Self { mapping };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the upper part of the mapping just made, which nobody else knows.
        let done = unsafe { libc::mprotect(stack.lowest(), STACK_BYTES, access) };
        Errno::result(done).map_err(|errno| SysError::new("mprotect(stack)", errno))?;
        Ok(stack)
    }

    fn lowest(&self) -> *mut c_void {
        self.mapping.wrapping_byte_add(GUARD_BYTES)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the process that ran on it uses it no more.
        unsafe { libc::munmap(self.mapping, GUARD_BYTES + STACK_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    use super::*;
    use crate::sys::process::exec_path;

    fn code_of(child: &mut dyn FnMut() -> i32) -> i32 {
        let pid = run_in_our_memory(&CloneRequest::default(), child).expect("it can be cloned");
        match waitpid(Pid::from_raw(pid), None).expect("it is our child") {
            WaitStatus::Exited(_, code) => code,
            other => panic!("it ended otherwise: {other:?}"),
        }
    }

    #[test]
    fn the_code_is_what_the_child_gives() {
        let before = std::process::id();
        let mut seen = 0;
        let code = code_of(&mut || {
            seen = std::process::id();
            7
        });
        assert_eq!(code, 7);
        assert_ne!(seen, before);
        assert_eq!(std::process::id(), before);
    }

    #[test]
    fn a_program_is_executed_and_we_go_on() {
        let words =
            ["sh", "-c", "exit 5"].map(|word| std::ffi::CString::new(word).expect("no NUL"));
        let code = code_of(&mut || {
            let error = exec_path(c"/bin/sh", &words, &[]);
            error.errno as i32
        });
        assert_eq!(code, 5);
    }

    #[test]
    fn a_child_of_a_child() {
        let mut inner = 0;
        let code = code_of(&mut || {
            inner = code_of(&mut || 3);
            4
        });
        assert_eq!((code, inner), (4, 3));
    }
}
