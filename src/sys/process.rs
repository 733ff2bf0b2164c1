// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making, replacing and ending processes. Everything that creates namespaces is single-threaded,
//! so a forked child may allocate and run ordinary code.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{Called, SysError, SysResult};

/// libc declares it with a type that is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork the caller is on.
#[derive(Debug)]
pub enum Forked {
    /// The process that forked.
    Parent {
        /// The child's process id in the parent's pid namespace.
        pid: i32,
        /// A descriptor of the child.
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// What clone3(2) is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct CloneRequest<'fd> {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Makes the child a sibling of the caller instead of its child (`CLONE_PARENT`).
    pub sibling: bool,
    /// The cgroup to start in (`CLONE_INTO_CGROUP`).
    pub cgroup: Option<BorrowedFd<'fd>>,
}

/// Sets the NIS domain name of the caller's UTS namespace.
///
/// # Errors
///
/// setdomainname(2)'s.
pub fn set_domain_name(name: &str) -> SysResult<()> {
    // SAFETY: the pointer is to as many bytes as the call is told.
    let done = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new(format!("setdomainname({name:?})"), errno))
}

/// Forks with clone3(2). The child gets copies of everything, as with fork(2).
///
/// # Errors
///
/// clone3(2)'s; EINVAL among them when the process has more than one thread and asks for a user
/// namespace.
pub fn clone3(request: &CloneRequest<'_>) -> SysResult<Forked> {
    let mut pidfd: RawFd = -1;
    let arguments = clone_arguments(request, &raw mut pidfd);
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack; `arguments` and
    // `pidfd` live through the call. Callers are single-threaded (module documentation).
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    };
    match Errno::result(pid) {
        Err(errno) => Err(clone_error(&arguments, errno)),
        Ok(0) => Ok(Forked::Child),
        Ok(pid) => {
            // SAFETY: CLONE_PIDFD stored a descriptor that is ours alone.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).expect("process ids are int");
            Ok(Forked::Parent { pid, pidfd })
        }
    }
}

pub(super) fn clone_arguments(request: &CloneRequest<'_>, pidfd: *mut RawFd) -> libc::clone_args {
    let mut flags = request.namespaces | libc::CLONE_PIDFD as u64;
    let mut exit_signal = libc::SIGCHLD as u64;
    if request.sibling {
        flags |= libc::CLONE_PARENT as u64;
        exit_signal = 0;
    }
    let mut cgroup = 0;
    if let Some(fd) = request.cgroup {
        flags |= CLONE_INTO_CGROUP;
        cgroup = u64::from(fd.as_raw_fd().cast_unsigned());
    }
    libc::clone_args {
        flags,
        pidfd: pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup,
    }
}

pub(super) fn clone_error(arguments: &libc::clone_args, errno: Errno) -> SysError {
    SysError::new(format!("clone3({:#x})", arguments.flags), errno)
}

/// Ends the process at once: no destructors, no exit handlers. For forked children.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Makes every descriptor from `first` on close at exec, so nothing of ours or of our caller
/// reaches the program (CVE-2024-21626).
///
/// # Errors
///
/// close_range(2)'s.
pub fn close_on_exec_from(first: RawFd) -> SysResult<()> {
    close_range(first, RawFd::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// A copy of the descriptor with this number, closed on exec.
///
/// # Errors
///
/// EBADF when it is not open.
pub fn copy_of(number: RawFd) -> SysResult<OwnedFd> {
    // SAFETY: the call takes numbers alone, and fails for one that is not open.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    let copy = Errno::result(copy).called(|| format!("fcntl({number}, F_DUPFD_CLOEXEC)"))?;
    // SAFETY: the kernel has just returned the number to us and no one else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Makes `number` another name of `descriptor`, open across exec. What it was before, which must
/// be nobody's in this process, is closed.
///
/// # Errors
///
/// What dup2(2) says.
pub fn put_at(descriptor: BorrowedFd<'_>, number: RawFd) -> SysResult<()> {
    // SAFETY: the call takes numbers alone; the caller answers for the second.
    let put = unsafe { libc::dup2(descriptor.as_raw_fd(), number) };
    Errno::result(put)
        .map(drop)
        .called(|| format!("dup2({number})"))
}

/// Closes every open descriptor that is not in `keep`, from 0 on.
///
/// # Errors
///
/// close_range(2)'s.
pub fn close_all_but(keep: &[RawFd]) -> SysResult<()> {
    super::steps::closed_but(keep);
    all_but(keep, 0)
}

/// Makes every descriptor that is not in `keep` close at exec, for a program that is given some of
/// its caller's by number.
///
/// # Errors
///
/// close_range(2)'s.
pub fn close_on_exec_all_but(keep: &[RawFd]) -> SysResult<()> {
    all_but(keep, libc::CLOSE_RANGE_CLOEXEC)
}

fn all_but(keep: &[RawFd], flags: libc::c_uint) -> SysResult<()> {
    let mut keep = keep.to_vec();
    keep.sort_unstable();
    let mut first = 0;
    for kept in keep {
        if kept > first {
            close_range(first, kept - 1, flags)?;
        }
        first = kept + 1;
    }
    close_range(first, RawFd::MAX, flags)
}

fn close_range(first: RawFd, last: RawFd, flags: libc::c_uint) -> SysResult<()> {
    // SAFETY: the call takes numbers; callers own every descriptor in the range and let go of
    // them before (forked children that keep only what they list).
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first.cast_unsigned(),
            last.cast_unsigned(),
            flags,
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new(format!("close_range({first}, {last})"), errno))
}

/// Replaces the process by the program open as `file`.
///
/// # Errors
///
/// execveat(2)'s; does not return otherwise.
pub fn exec_fd(file: BorrowedFd<'_>, arguments: &[CString], environment: &[CString]) -> SysError {
    let argv = pointers(arguments);
    let envp = pointers(environment);
    // SAFETY: both arrays end with NULL and point at NUL-terminated strings that outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    SysError::last("execveat")
}

/// Replaces the process by the program at `path`.
///
/// # Errors
///
/// execve(2)'s; does not return otherwise.
pub fn exec_path(path: &CStr, arguments: &[CString], environment: &[CString]) -> SysError {
    let argv = pointers(arguments);
    let envp = pointers(environment);
    // SAFETY: both arrays end with NULL and point at NUL-terminated strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    SysError::last(format!("execve({path:?})"))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
    pointers.push(std::ptr::null());
    pointers
}

/// Joins a new anonymous session keyring, so the container sees none of the caller's keys.
///
/// # Errors
///
/// keyctl(2)'s.
pub fn new_session_keyring() -> SysResult<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a NULL name asks for an anonymous keyring; the call takes no other memory.
    let done = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new("keyctl(JOIN_SESSION_KEYRING)", errno))
}

/// Fills a buffer from the kernel's random source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    let mut filled = 0;
    while filled < N {
        let rest = &mut bytes[filled..];
        // SAFETY: the pointer and length describe `rest`, which is ours to write.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        filled += usize::try_from(got).unwrap_or(0);
    }
    bytes
}

/// A `RLIMIT_*` number of prlimit(2), with the type that the C library gives it.
#[cfg(target_env = "gnu")]
pub type Resource = libc::c_uint;
/// A `RLIMIT_*` number of prlimit(2), with the type that the C library gives it.
#[cfg(not(target_env = "gnu"))]
pub type Resource = libc::c_int;

/// Lifts or lowers a resource limit of this process.
///
/// # Errors
///
/// prlimit(2)'s.
pub fn set_rlimit(resource: Resource, soft: u64, hard: u64) -> SysResult<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` is alive during the call, the old value is not asked for.
    let done = unsafe { libc::prlimit(0, resource, &raw const limit, std::ptr::null_mut()) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new(format!("prlimit({resource}, {soft}:{hard})"), errno))
}

/// The soft and hard limit of `resource` for this process.
///
/// # Errors
///
/// prlimit(2)'s.
pub fn rlimit(resource: Resource) -> SysResult<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is ours to write, no new value is given.
    let done = unsafe { libc::prlimit(0, resource, std::ptr::null(), &raw mut limit) };
    Errno::result(done).map_err(|errno| SysError::new(format!("prlimit({resource})"), errno))?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Gives every signal its default action: ignored ones would stay ignored over exec.
pub fn restore_signal_defaults() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL installs no code of ours; numbers that cannot be set are refused.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// Shows `words` in place of this process's arguments (`/proc/PID/cmdline`): a container must not
/// read the command line that it was started with. Nothing changes where /proc cannot be read.
pub fn show_arguments(words: &[&str]) {
    let Some((start, length)) = argument_area() else {
        return;
    };
    let mut text = vec![0_u8; length];
    let joined = words.join("\0");
    let shown = joined.len().min(length.saturating_sub(1));
    text[..shown].copy_from_slice(&joined.as_bytes()[..shown]);
    let area = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel put the arguments into this writable part of our stack, `length` bytes
    // long; the process is single-threaded and its own copies of the arguments were made before.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), area, length) };
}

/// Where the kernel put the arguments: `arg_start` and `arg_end` of proc_pid_stat(5), fields 48
/// and 49.
fn argument_area() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(45).map(str::parse::<usize>);
    let (start, end) = (fields.next()?.ok()?, fields.next()?.ok()?);
    let length = end
        .checked_sub(start)
        .filter(|length| *length > 0 && start > 0)?;
    Some((start, length))
}
