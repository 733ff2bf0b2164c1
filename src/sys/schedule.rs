// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the kernel shares processors, disks and memory nodes between programs: calls on the calling
//! thread that a program inherits over exec.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::{Called as _, SysError, SysResult};

/// Keeps this process to these processors.
///
/// # Errors
///
/// sched_setaffinity(2)'s.
pub fn set_affinity(processors: &[usize]) -> SysResult<()> {
    let call = || format!("sched_setaffinity({processors:?})");
    let mut set = CpuSet::new();
    let mut all = processors.iter();
    all.try_for_each(|number| set.set(*number)).called(call)?;
    sched_setaffinity(Pid::from_raw(0), &set).called(call)
}

/// Moves the process `pid`, which has not run yet, to another processor than the caller's if it may
/// use one. It may be moved back: this is where it starts.
///
/// Some kernels for virtual machines keep short-lived processes together on one processor, where
/// those that are to work beside the caller would wait for it, or it for them.
///
/// # Errors
///
/// Those of sched_getaffinity(2) and sched_setaffinity(2).
pub fn place_elsewhere(pid: i32) -> SysResult<()> {
    let process = Pid::from_raw(pid);
    let all = sched_getaffinity(process).called(|| format!("sched_getaffinity({pid})"))?;
    // SAFETY: sched_getcpu(3) takes nothing.
    let here = Errno::result(unsafe { libc::sched_getcpu() }).called(|| "sched_getcpu")?;
    let mut others = all;
    let unset = others.unset(here.unsigned_abs() as usize);
    unset.called(|| format!("processor {here}"))?;
    if others == CpuSet::new() {
        return Ok(());
    }
    let keep_to = |processors| {
        let set = sched_setaffinity(process, processors);
        set.called(|| format!("sched_setaffinity({pid})"))
    };
    keep_to(&others)?;
    keep_to(&all)
}

/// Processors that a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processors(CpuSet);

impl Processors {
    /// Those of the calling thread.
    ///
    /// # Errors
    ///
    /// sched_getaffinity(2)'s.
    pub fn own() -> SysResult<Self> {
        let own = sched_getaffinity(Pid::from_raw(0));
        own.map(Self).called(|| "sched_getaffinity")
    }

    /// The one that the calling thread runs on.
    ///
    /// # Errors
    ///
    /// sched_getcpu(3)'s.
    pub fn here() -> SysResult<Self> {
        // SAFETY: sched_getcpu(3) takes nothing.
        let here = Errno::result(unsafe { libc::sched_getcpu() }).called(|| "sched_getcpu")?;
        let mut set = CpuSet::new();
        set.set(here.unsigned_abs() as usize)
            .called(|| format!("processor {here}"))?;
        Ok(Self(set))
    }

    /// Keeps the thread `id` to them; 0 is the calling one.
    ///
    /// # Errors
    ///
    /// sched_setaffinity(2)'s: EINVAL when its cgroup has none of them.
    pub fn keep(&self, id: i32) -> SysResult<()> {
        let kept = sched_setaffinity(Pid::from_raw(id), &self.0);
        kept.called(|| format!("sched_setaffinity({id})"))
    }

    /// Lets the calling thread use them again after it was kept to one. If they are all that it can
    /// have, it is as if it had never been: it may use others that come later.
    ///
    /// # Errors
    ///
    /// Those of sched_getaffinity(2) and sched_setaffinity(2).
    pub fn give_back(&self) -> SysResult<()> {
        let mut every = CpuSet::new();
        let mut all = 0..CpuSet::count();
        all.try_for_each(|number| every.set(number))
            .called(|| "all processors")?;
        Self(every).keep(0)?;
        if Self::own()? == *self {
            return Ok(());
        }
        self.keep(0)
    }
}

/// What sched_setattr(2) is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Schedule {
    /// `SCHED_OTHER` and its kin.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For the policies that share.
    pub nice: i32,
    /// For the policies in real time.
    pub priority: u32,
    /// For deadlines, in nanoseconds.
    pub runtime: u64,
    /// For deadlines, in nanoseconds.
    pub deadline: u64,
    /// For deadlines, in nanoseconds.
    pub period: u64,
}

/// The kernel's first form of it.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// The kernel's PER_LINUX32: programs are shown a machine of 32 bits.
pub const LINUX_32: libc::c_ulong = 8;

/// Sets the calling thread's execution domain.
///
/// # Errors
///
/// personality(2)'s.
pub fn set_personality(domain: libc::c_ulong) -> SysResult<()> {
    // SAFETY: personality(2) takes a number.
    let done = unsafe { libc::personality(domain) };
    named(done.into(), || format!("personality({domain:#x})"))
}

/// Sets the calling thread's scheduler.
///
/// # Errors
///
/// sched_setattr(2)'s.
pub fn set_schedule(schedule: &Schedule) -> SysResult<()> {
    let attr = SchedAttr {
        size: u32::try_from(size_of::<SchedAttr>()).expect("48 bytes"),
        policy: schedule.policy,
        flags: schedule.flags,
        nice: schedule.nice,
        priority: schedule.priority,
        runtime: schedule.runtime,
        deadline: schedule.deadline,
        period: schedule.period,
    };
    // SAFETY: `attr` is a sched_attr that says its own size, alive during the call.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    named(done, || format!("sched_setattr({schedule:?})"))
}

/// Sets the calling thread's class and level of ioprio_set(2).
///
/// # Errors
///
/// ioprio_set(2)'s.
pub fn set_io_priority(class: u16, level: u16) -> SysResult<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    let value = libc::c_int::from(class) << 13 | libc::c_int::from(level);
    // SAFETY: the call takes three numbers.
    let done = unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) };
    named(done, || format!("ioprio_set(class {class}, {level})"))
}

/// Sets the calling thread's memory policy: a mode with its flags, and the nodes as a set of bits.
///
/// # Errors
///
/// set_mempolicy(2)'s.
pub fn set_memory_policy(mode: i32, nodes: &[u64]) -> SysResult<()> {
    // The kernel looks at one bit less than it is told.
    let bits = nodes.len() * 64;
    let (mask, bits) = match bits {
        0 => (std::ptr::null(), 0),
        bits => (nodes.as_ptr(), bits + 1),
    };
    // SAFETY: `mask` is nothing, or as many bits as the call is told.
    let done = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) };
    named(done, || format!("set_mempolicy({mode:#x})"))
}

fn named(done: libc::c_long, call: impl FnOnce() -> String) -> SysResult<()> {
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new(call(), errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_to_one_processor_gets_all_of_its_own_back() {
        // The thread's own alone: each test has one.
        let all = Processors::own().unwrap();
        let one = Processors::here().unwrap();
        for own in [all, one] {
            own.keep(0).unwrap();
            one.keep(0).unwrap();
            assert_eq!(Processors::own().unwrap(), one);
            own.give_back().unwrap();
            assert_eq!(Processors::own().unwrap(), own);
        }
    }
}
