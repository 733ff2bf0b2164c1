// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a spec says of processors, disks, memory nodes and the machine that is shown: computed here, set on the stage that
//! becomes the program, which keeps it over exec.

use nix::sched::CpuSet;
use oci_spec::runtime::{
    IOPriorityClass, Linux, LinuxIOPriority, LinuxMemoryPolicy, LinuxPersonality,
    LinuxPersonalityDomain, LinuxSchedulerFlag, LinuxSchedulerPolicy, MemoryPolicyFlagType,
    MemoryPolicyModeType, Process, Scheduler,
};

use super::failure::StageFailure;
use crate::sys::SysResult;
use crate::sys::schedule::{
    LINUX_32, Schedule, set_affinity, set_io_priority, set_memory_policy, set_personality,
    set_schedule,
};

/// More nodes than any kernel is built for.
const NODES: usize = 1 << 10;

/// Sets what the spec asks for on this process.
///
/// # Errors
///
/// What cannot be had, by name.
pub(super) fn apply(process: &Process, linux: Option<&Linux>) -> Result<(), StageFailure> {
    let set = |what: &str, done: SysResult<()>| {
        done.map_err(|error| StageFailure::setup(format!("{what}: {error}")))
    };
    if let Some(wanted) = process.scheduler() {
        set("process.scheduler", set_schedule(&schedule(wanted)?))?;
    }
    if let Some(wanted) = process.io_priority() {
        let (class, level) = io_priority(wanted)?;
        set("process.ioPriority", set_io_priority(class, level))?;
    }
    if let Some(wanted) = linux.and_then(|linux| linux.memory_policy().as_ref()) {
        let (mode, nodes) = memory_policy(wanted)?;
        set("linux.memoryPolicy", set_memory_policy(mode, &nodes))?;
    }
    let personality = linux.and_then(|linux| linux.personality().as_ref());
    personality.map_or(Ok(()), show_machine)
}

/// When a session's processors are chosen: before it is in the container's cgroup, which may allow
/// fewer, and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Processors {
    /// `execCPUAffinity.initial`.
    Before,
    /// `execCPUAffinity.final`.
    After,
}

/// Keeps a session to the processors of `execCPUAffinity`, if it names some.
///
/// # Errors
///
/// What cannot be had, by name.
pub(super) fn choose_processors(process: &Process, when: Processors) -> Result<(), StageFailure> {
    let affinity = process.exec_cpu_affinity().as_ref();
    let (name, list) = match when {
        Processors::Before => ("initial", affinity.and_then(|both| both.initial().as_ref())),
        Processors::After => {
            let list = affinity.and_then(|both| both.cpu_affinity_final().as_ref());
            ("final", list)
        }
    };
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        return Ok(());
    };
    let failure = |why: &dyn std::fmt::Display| {
        StageFailure::setup(format!("process.execCPUAffinity.{name} {list:?}: {why}"))
    };
    let processors = processors(list).ok_or_else(|| failure(&"want a list like 0-3,7"))?;
    set_affinity(&processors).map_err(|error| failure(&error))
}

/// `0-3,7`.
fn processors(list: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= CpuSet::count() {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// Sets the execution domain, also for a session: it is no property of the container's that a
/// process could join.
///
/// # Errors
///
/// What cannot be had, by name.
pub(super) fn show_machine(wanted: &LinuxPersonality) -> Result<(), StageFailure> {
    if let Some(flag) = wanted.flags().iter().flatten().next() {
        return Err(StageFailure::setup(format!(
            "linux.personality.flags {flag:?}: there are none"
        )));
    }
    let domain = match wanted.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => LINUX_32,
    };
    set_personality(domain)
        .map_err(|error| StageFailure::setup(format!("linux.personality: {error}")))
}

fn schedule(wanted: &Scheduler) -> Result<Schedule, StageFailure> {
    let policy = match wanted.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flag = |flag: &LinuxSchedulerFlag| match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    };
    let priority = wanted.priority().unwrap_or(0);
    let priority = u32::try_from(priority).map_err(|_negative| {
        StageFailure::setup(format!("process.scheduler.priority {priority} is negative"))
    })?;
    Ok(Schedule {
        policy,
        flags: wanted.flags().iter().flatten().map(flag).sum(),
        nice: wanted.nice().unwrap_or(0),
        priority,
        runtime: wanted.runtime().unwrap_or(0),
        deadline: wanted.deadline().unwrap_or(0),
        period: wanted.period().unwrap_or(0),
    })
}

fn io_priority(wanted: &LinuxIOPriority) -> Result<(u16, u16), StageFailure> {
    let class = match wanted.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let level = wanted.priority();
    match u16::try_from(level) {
        Ok(level) if level < 8 => Ok((class, level)),
        _ => Err(StageFailure::setup(format!(
            "process.ioPriority.priority {level} is not between 0 and 7"
        ))),
    }
}

fn memory_policy(wanted: &LinuxMemoryPolicy) -> Result<(i32, Vec<u64>), StageFailure> {
    let mode = match wanted.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flags = wanted.flags().iter().flatten().map(|flag| match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
    });
    let mode = flags.fold(mode, |mode, flag| mode | flag);
    let nodes = wanted.nodes().as_deref().unwrap_or_default();
    let nodes = node_mask(nodes).ok_or_else(|| {
        StageFailure::setup(format!(
            "linux.memoryPolicy.nodes {nodes:?}: want a list like 0-3,7"
        ))
    })?;
    Ok((mode, nodes))
}

/// `0-3,7` as a set of bits; nothing for no node at all.
fn node_mask(list: &str) -> Option<Vec<u64>> {
    let list = list.trim();
    if list.is_empty() {
        return Some(Vec::new());
    }
    let mut mask = vec![0_u64; NODES / 64];
    for part in list.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= NODES {
            return None;
        }
        (first..=last).for_each(|node| mask[node / 64] |= 1 << (node % 64));
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_numbers_and_ranges() {
        assert_eq!(processors("0-2,7"), Some(vec![0, 1, 2, 7]));
        assert_eq!(processors("5"), Some(vec![5]));
        for wrong in ["", "a", "3-1", "0-99999999", "1-", "-1"] {
            assert_eq!(processors(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nodes_are_read_as_a_list_of_ranges() {
        let low = |list: &str| node_mask(list).map(|mask| mask.first().copied().unwrap_or(0));
        let cases = [
            ("", Some(0)),
            ("0", Some(1)),
            ("0-3,7", Some(0b1000_1111)),
            (" 1 , 2", Some(0b110)),
            ("bad", None),
            ("3-1", None),
            ("-1", None),
            ("1,,2", None),
            ("10284838", None),
        ];
        for (list, wanted) in cases {
            assert_eq!(low(list), wanted, "{list:?}");
        }
        assert_eq!(node_mask("64").unwrap()[1], 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let wanted = r#"{"class": "IOPRIO_CLASS_BE", "priority": 8}"#;
        let wanted: LinuxIOPriority = serde_json::from_str(wanted).unwrap();
        let refused = io_priority(&wanted).unwrap_err().message;
        assert!(refused.contains("8 is not between 0 and 7"), "{refused}");
        let mut wanted = Scheduler::default();
        wanted.set_priority(Some(-1));
        let refused = schedule(&wanted).unwrap_err().message;
        assert!(refused.contains("-1 is negative"), "{refused}");
    }
}
