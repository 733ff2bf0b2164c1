// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The default profile: which calls a container may make, as the profiles of Podman and Docker
//! have it.
//!
//! Calls that are not named fail with ENOSYS, so that libraries fall back to older ones; calls
//! that are known and refused fail with EPERM. The facts are those of containers-common's
//! `seccomp.json`, with two differences:
//!
//! * newer calls that only Docker's profile lets through are let through here too (`NEWER`);
//! * a family or protocol of socket(2) is compared as the kernel reads it, an `int`: there, 64-bit
//!   comparison lets a caller hide a refused family behind a bit in the unused half.

use oci_spec::runtime::{
    LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator,
};

use super::profile::{ArchMapEntry, Architectures, Condition, Profile, Rule};

/// Calls that every container may make.
const ALLOWED: &str = "
    _llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir chmod
    chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 clone clone3 close close_range
    connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
    epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve
    execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
    fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat
    fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsconfig fsetxattr
    fsmount fsopen fspick fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
    ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
    get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid
    getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername
    getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid
    getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid
    getuid32 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel
    io_destroy io_getevents io_setup io_submit ioctl ioprio_get ioprio_set ipc keyctl kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr
    link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise
    mbind membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock
    mlock2 mlockall mmap mmap2 mount mount_setattr move_mount mprotect mq_getsetattr mq_notify
    mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
    mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
    nanosleep newfstatat open open_tree openat openat2 pause pidfd_getfd pidfd_open
    pidfd_send_signal pipe pipe2 pivot_root pkey_alloc pkey_free pkey_mprotect poll ppoll
    ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv
    process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead
    readlink readlinkat readv reboot recv recvfrom recvmmsg recvmmsg_time64 recvmsg
    remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
    semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto
    set_mempolicy set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setns setpgid setpriority
    setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
    setrlimit setsid setsockopt setuid setuid32 setxattr shmat shmctl shmdt shmget shutdown
    sigaltstack signal signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice
    stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs sysinfo
    syslog tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
    ugetrlimit umask umount umount2 uname unlink unlinkat unshare utime utimensat
    utimensat_time64 utimes vfork wait4 waitid waitpid write writev
";

/// Calls that Docker's profile allows and containers-common's does not know yet.
const NEWER: &str = "
    getxattrat listmount listxattrat mseal removexattrat setxattrat statmount uretprobe
";

/// Calls that no container may make: old, dangerous, or both.
const REFUSED: &str = "
    bdflush cachestat io_pgetevents io_pgetevents_time64 kexec_file_load kexec_load
    map_shadow_stack migrate_pages move_pages nfsservctl nice oldfstat oldlstat oldolduname
    oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask ssetmask swapoff
    swapon syscall sysfs uselib userfaultfd ustat vm86 vm86old vmsplice
";

/// Calls that any one of some capabilities opens; EPERM without.
const GATED: &[(&[&str], &str)] = &[
    (&["CAP_DAC_READ_SEARCH"], "open_by_handle_at"),
    (
        &["CAP_SYS_ADMIN"],
        "lookup_dcookie quotactl quotactl_fd setdomainname sethostname",
    ),
    (&["CAP_SYS_ADMIN", "CAP_BPF"], "bpf"),
    (&["CAP_SYS_ADMIN", "CAP_PERFMON"], "perf_event_open"),
    (&["CAP_SYS_CHROOT"], "chroot"),
    (
        &["CAP_SYS_MODULE"],
        "delete_module finit_module init_module query_module",
    ),
    (&["CAP_SYS_PACCT"], "acct"),
    (&["CAP_SYS_PTRACE"], "kcmp process_madvise"),
    (&["CAP_SYS_RAWIO"], "ioperm iopl"),
    (
        &["CAP_SYS_TIME"],
        "clock_settime clock_settime64 settimeofday stime",
    ),
    (&["CAP_SYS_TTY_CONFIG"], "vhangup"),
];

/// The only other capability that the profile asks for: audit messages.
const AUDIT_CAPABILITY: &str = "CAP_AUDIT_WRITE";

/// Calls that exist on some machines only.
const MACHINE_SPECIFIC: &[(&[&str], &str)] = &[
    (
        &["arm", "arm64"],
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
    ),
    (&["amd64", "x32"], "arch_prctl"),
    (&["amd64", "x32", "x86"], "modify_ldt"),
];

/// What personality(2) may be asked for: Linux and 32-bit Linux, each with and without
/// UNAME26, and the question which one it is.
const PERSONALITIES: &[u64] = &[0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const MACHINES: &[(&str, &[&str])] = &[
    ("SCMP_ARCH_X86_64", &["SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
    ("SCMP_ARCH_AARCH64", &["SCMP_ARCH_ARM"]),
];

/// The default profile, its conditions still open.
pub fn default_profile() -> Profile {
    let mut rules = vec![
        rule(REFUSED, errno(libc::EPERM)),
        rule(ALLOWED, ALLOW),
        rule(NEWER, ALLOW),
    ];
    rules.extend(PERSONALITIES.iter().map(|personality| Rule {
        args: vec![equal(0, *personality)],
        ..rule("personality", ALLOW)
    }));
    rules.extend(MACHINE_SPECIFIC.iter().map(|(arches, names)| Rule {
        includes: Condition {
            arches: owned(arches),
            ..Condition::default()
        },
        ..rule(names, ALLOW)
    }));
    rules.extend(GATED.iter().flat_map(|(caps, names)| gate(caps, names)));
    rules.extend(socket_rules());
    Profile {
        default_action: LinuxSeccompAction::ScmpActErrno,
        default_errno: Some(libc::ENOSYS.cast_unsigned()),
        architectures: architectures(),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        rules,
    }
}

/// The capabilities that change the filter; all others are without effect on it.
pub(super) fn capabilities_that_matter() -> impl Iterator<Item = &'static str> {
    let gates = GATED.iter().flat_map(|(caps, _)| caps.iter().copied());
    gates.chain(std::iter::once(AUDIT_CAPABILITY))
}

fn architectures() -> Architectures {
    let entries = MACHINES.iter().map(|(machine, others)| ArchMapEntry {
        architecture: (*machine).to_owned(),
        sub_architectures: Some(owned(others)),
    });
    Architectures::Mapped(entries.collect())
}

/// No virtual machine sockets, for they reach the host; no audit messages without the capability;
/// all else.
fn socket_rules() -> Vec<Rule> {
    const FAMILY: usize = 0;
    const PROTOCOL: usize = 2;
    const NETLINK: u64 = 16;
    const VSOCK: u64 = 40;
    const NETLINK_AUDIT: u64 = 9;
    let socket = |action, args| Rule {
        args,
        ..rule("socket", action)
    };
    let audit = vec![
        equal_int(FAMILY, NETLINK),
        equal_int(PROTOCOL, NETLINK_AUDIT),
    ];
    vec![
        socket(errno(libc::EPERM), vec![equal_int(FAMILY, VSOCK)]),
        Rule {
            excludes: with_caps(&[AUDIT_CAPABILITY]),
            ..socket(errno(libc::EINVAL), audit)
        },
        socket(ALLOW, vec![not_equal(FAMILY, VSOCK)]),
    ]
}

/// An action with its error number.
type Action = (LinuxSeccompAction, Option<u32>);

const ALLOW: Action = (LinuxSeccompAction::ScmpActAllow, None);

fn errno(number: i32) -> Action {
    (
        LinuxSeccompAction::ScmpActErrno,
        Some(number.cast_unsigned()),
    )
}

fn rule(names: &str, (action, errno): Action) -> Rule {
    Rule {
        names: names.split_whitespace().map(str::to_owned).collect(),
        action,
        errno,
        args: Vec::new(),
        includes: Condition::default(),
        excludes: Condition::default(),
    }
}

fn gate(caps: &[&str], names: &str) -> Vec<Rule> {
    let opened = caps.iter().map(|cap| Rule {
        includes: with_caps(&[cap]),
        ..rule(names, ALLOW)
    });
    let closed = Rule {
        excludes: with_caps(caps),
        ..rule(names, errno(libc::EPERM))
    };
    opened.chain(std::iter::once(closed)).collect()
}

fn with_caps(caps: &[&str]) -> Condition {
    Condition {
        caps: owned(caps),
        ..Condition::default()
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn equal(index: usize, value: u64) -> LinuxSeccompArg {
    argument(index, LinuxSeccompOperator::ScmpCmpEq, value, 0)
}

fn not_equal(index: usize, value: u64) -> LinuxSeccompArg {
    argument(index, LinuxSeccompOperator::ScmpCmpNe, value, 0)
}

fn equal_int(index: usize, value: u64) -> LinuxSeccompArg {
    let mask = u64::from(u32::MAX);
    argument(index, LinuxSeccompOperator::ScmpCmpMaskedEq, mask, value)
}

fn argument(
    index: usize,
    operator: LinuxSeccompOperator,
    value: u64,
    value_two: u64,
) -> LinuxSeccompArg {
    LinuxSeccompArgBuilder::default()
        .index(index)
        .op(operator)
        .value(value)
        .value_two(value_two)
        .build()
        .expect("every field is set")
}
