// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes on this one's memory that work beside it: a few system calls, given beforehand, and
//! no line of Rust or C. This process goes on at once, and nothing of it is copied.

use std::ffi::{CString, c_int, c_long};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::process::{CloneRequest, clone_arguments, clone_error};
use super::{Called, SysResult};

/// A program that another process executes beside this one, which needs not stand still for it.
///
/// It starts with a session of its own, no environment, and no descriptor but the standard streams.
#[derive(Debug)]
pub struct ProgramBeside {
    process: Process,
    /// What the process reads until it executes.
    #[expect(dead_code, reason = "the kernel is given its address")]
    text: Text,
}

/// A process that does nothing: something that lives in new namespaces. It ends when the line to
/// it is closed: with this value, or with this process however that ends.
#[derive(Debug)]
pub struct Bystander {
    line: Option<OwnedFd>,
    process: Process,
}

/// A child that is waited for when it is dropped, unless that was done: it works on our memory.
#[derive(Debug)]
struct Process {
    pid: i32,
    #[expect(dead_code, reason = "the process reads them until it has ended")]
    calls: Box<[Call]>,
}

/// The words of a program, and their addresses as execve(2) wants them, 0 after the last.
#[derive(Debug)]
struct Text {
    path: CString,
    #[expect(dead_code, reason = "the addresses below are theirs")]
    words: Vec<CString>,
    argv: Vec<c_long>,
    envp: Box<[c_long; 1]>,
}

/// A system call and what it is given.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Call {
    number: c_long,
    arguments: [c_long; 3],
}

impl ProgramBeside {
    /// Starts the program at `path` with `words`, its name first; what it says on standard error
    /// goes to `stderr`. The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// clone3(2)'s. Where the program cannot be executed the process ends with code 127.
    pub fn start(path: CString, words: Vec<CString>, stderr: &OwnedFd) -> SysResult<Self> {
        let addresses = words.iter().map(|word| word.as_ptr() as c_long);
        let argv = addresses.chain([0]).collect();
        let text = Text {
            path,
            words,
            argv,
            envp: Box::new([0]),
        };
        let calls = [
            Call::new(libc::SYS_setsid, [0; 3]),
            Call::new(libc::SYS_dup3, [stderr.as_raw_fd().into(), 2, 0]),
            Call::new(libc::SYS_close_range, [3, c_int::MAX.into(), 0]),
            Call::new(
                libc::SYS_execve,
                [
                    text.path.as_ptr() as c_long,
                    text.argv.as_ptr() as c_long,
                    text.envp.as_ptr() as c_long,
                ],
            ),
        ];
        let process = Process::start(&CloneRequest::default(), Box::new(calls))?;
        Ok(Self { process, text })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// waitpid(2)'s.
    pub fn wait(mut self) -> SysResult<WaitStatus> {
        self.process.wait()
    }
}

impl Bystander {
    /// Makes one in the namespaces of `request`. The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// pipe2(2)'s and clone3(2)'s.
    pub fn start(request: &CloneRequest<'_>) -> SysResult<Self> {
        let (its_end, line) = pipe2(OFlag::O_CLOEXEC).called(|| "pipe2")?;
        let calls = [
            Call::new(libc::SYS_close, [line.as_raw_fd().into(), 0, 0]),
            // Nobody writes: it returns when all copies of the other end are closed.
            Call::new(libc::SYS_read, [its_end.as_raw_fd().into(), 0, 1]),
        ];
        let process = Process::start(request, Box::new(calls))?;
        Ok(Self {
            line: Some(line),
            process,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process.pid
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // The process is waited for next.
        drop(self.line.take());
    }
}

impl Process {
    fn start(request: &CloneRequest<'_>, calls: Box<[Call]>) -> SysResult<Self> {
        let mut pidfd: RawFd = -1;
        let mut arguments = clone_arguments(request, &raw mut pidfd);
        arguments.flags |= libc::CLONE_VM as u64 | CLONE_CLEAR_SIGHAND;
        // SAFETY: the new process reads `calls` and what stands in them, which this value and those
        // that hold it keep until it has ended. No handler of ours runs in it.
        let pid = unsafe { clone3_to_call(&arguments, &calls) };
        if pid < 0 {
            let errno = Errno::from_raw(i32::try_from(-pid).unwrap_or(libc::EINVAL));
            return Err(clone_error(&arguments, errno));
        }
        // SAFETY: CLONE_PIDFD stored a descriptor that is ours alone.
        drop(unsafe { OwnedFd::from_raw_fd(pidfd) });
        let pid = i32::try_from(pid).expect("process ids are int");
        Ok(Self { pid, calls })
    }

    fn wait(&mut self) -> SysResult<WaitStatus> {
        let pid = Pid::from_raw(std::mem::replace(&mut self.pid, 0));
        loop {
            match waitpid(pid, None) {
                Err(Errno::EINTR) => {}
                ended => return ended.called(|| format!("waitpid({pid})")),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.pid != 0 {
            drop(self.wait());
        }
    }
}

impl Call {
    fn new(number: c_long, arguments: [c_long; 3]) -> Self {
        Self { number, arguments }
    }
}

/// Not in the libc crate for every C library.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// clone3(2) whose new process makes `calls`, one after the other whatever they return, and ends
/// with code 127. It has the caller's stack pointer, and uses nothing but registers. Gives the
/// process id, or the error's number below zero.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_to_call(arguments: &libc::clone_args, calls: &[Call]) -> c_long {
    let result;
    // SAFETY: the kernel's calling convention for the parent: rax, rcx and r11 change, and what the
    // arguments point to. The new process never comes out of the block.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 3f",
            "2:",
            "mov rax, [r12]",
            "mov rdi, [r12 + 8]",
            "mov rsi, [r12 + 16]",
            "mov rdx, [r12 + 24]",
            "syscall",
            "add r12, 32",
            "dec r13",
            "jnz 2b",
            "mov edi, 127",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "3:",
            exit = const libc::SYS_exit_group,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") calls.as_ptr(),
            in("r13") calls.len(),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// The same for 64-bit ARM.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_to_call(arguments: &libc::clone_args, calls: &[Call]) -> c_long {
    let result;
    // SAFETY: as above: for the parent the call changes x0 alone, and what the arguments point to.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 3f",
            "2:",
            "ldr x8, [x20]",
            "ldp x0, x1, [x20, 8]",
            "ldr x2, [x20, 24]",
            "svc #0",
            "add x20, x20, 32",
            "subs x21, x21, 1",
            "b.ne 2b",
            "mov x0, 127",
            "mov x8, {exit}",
            "svc #0",
            "brk #1",
            "3:",
            exit = const libc::SYS_exit_group,
            inlateout("x0") std::ptr::from_ref(arguments) => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x8") libc::SYS_clone3,
            in("x20") calls.as_ptr(),
            in("x21") calls.len(),
        );
    }
    result
}

/// Elsewhere on a copy of the memory: the same to callers.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone3_to_call(arguments: &libc::clone_args, calls: &[Call]) -> c_long {
    let mut arguments = *arguments;
    arguments.flags &= !(libc::CLONE_VM as u64);
    let size = size_of::<libc::clone_args>();
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) };
    match pid {
        0 => {
            for Call {
                number,
                arguments: [first, second, third],
            } in calls
            {
                // SAFETY: what the caller of this function vouches for.
                unsafe { libc::syscall(*number, *first, *second, *third) };
            }
            super::process::exit_now(127)
        }
        -1 => -c_long::from(Errno::last_raw()),
        pid => pid,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    fn c_strings(words: &[&str]) -> Vec<CString> {
        let words = words.iter();
        words
            .map(|word| CString::new(*word).expect("no NUL"))
            .collect()
    }

    #[test]
    fn a_program_says_what_it_has_to_say_and_ends() {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let script = "echo \"$0 $(ls -1 /proc/self/fd | wc -l) $(env | grep -c HOME)\" >&2; exit 5";
        let words = c_strings(&["sh", "-c", script, "name"]);
        let program = ProgramBeside::start(c"/bin/sh".to_owned(), words, &write);
        drop(write);
        let mut said = String::new();
        let read = File::from(read).read_to_string(&mut said);
        read.expect("it can be read");
        // The fourth descriptor is the directory that ls reads.
        assert_eq!(said, "name 4 0\n");
        let ended = program.expect("it starts").wait().expect("it is our child");
        assert!(matches!(ended, WaitStatus::Exited(_, 5)), "{ended:?}");
    }

    #[test]
    fn what_cannot_be_executed_ends_with_127() {
        let stderr = OwnedFd::from(File::open("/dev/null").expect("it is there"));
        let program = ProgramBeside::start(c"/no/such".to_owned(), c_strings(&["x"]), &stderr);
        let ended = program.expect("it is forked").wait().expect("our child");
        assert!(matches!(ended, WaitStatus::Exited(_, 127)), "{ended:?}");
    }

    #[test]
    fn a_bystander_lives_until_it_is_dropped() {
        let bystander = Bystander::start(&CloneRequest::default()).expect("it can be forked");
        let pid = bystander.pid();
        let there = || std::fs::exists(format!("/proc/{pid}")).expect("/proc is readable");
        assert!(there());
        drop(bystander);
        assert!(!there());
    }
}
