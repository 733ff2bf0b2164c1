// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What containers use of the machine at a moment: read from their cgroup, and from /proc where
//! they have none or it does not count.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::EngineError;
use super::selection::{Chosen, Scope, Selection};
use super::{Engine, cgroup, top};
use crate::state::id::ContainerId;
use crate::state::record::ContainerState;
use crate::state::store::Store;

/// What one container had used when it was looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The container's full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was looked at, in nanoseconds since 1970.
    pub taken_nanoseconds: i64,
    /// When it was started, in nanoseconds since 1970; 0 where it does not run.
    pub started_nanoseconds: i64,
    /// Processor time of all of its processes.
    pub cpu_nanoseconds: u64,
    /// What of it was spent in the kernel.
    pub kernel_nanoseconds: u64,
    /// Memory, without what is only kept of files.
    pub memory_bytes: u64,
    /// What it may use; the host's memory where there is no limit.
    pub memory_limit_bytes: u64,
    /// Bytes read from disks.
    pub read_bytes: u64,
    /// Bytes written to disks.
    pub written_bytes: u64,
    /// Processes and threads.
    pub tasks: u64,
    /// Its network interfaces by name.
    pub network: BTreeMap<String, Traffic>,
}

/// What went through a network interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Into the container.
    pub received: Counts,
    /// Out of it.
    pub sent: Counts,
}

/// One direction of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were damaged.
    pub errors: u64,
    /// Packets that found no room.
    pub dropped: u64,
}

impl Sample {
    /// The share of one processor since `before`; since the start where that is of another run.
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    pub fn cpu_percent(&self, before: Option<&Self>) -> f64 {
        let same_run = |before: &&Self| before.started_nanoseconds == self.started_nanoseconds;
        let (used, since) = match before.filter(same_run) {
            Some(before) => (before.cpu_nanoseconds, before.taken_nanoseconds),
            None => (0, self.started_nanoseconds),
        };
        let passed = self.taken_nanoseconds.saturating_sub(since);
        if passed <= 0 || since == 0 {
            return 0.0;
        }
        self.cpu_nanoseconds.saturating_sub(used) as f64 / passed as f64 * 100.0
    }

    /// The share of the memory that it may use.
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    pub fn memory_percent(&self) -> f64 {
        match self.memory_limit_bytes {
            0 => 0.0,
            limit => self.memory_bytes as f64 / limit as f64 * 100.0,
        }
    }

    /// Bytes received and sent by all interfaces.
    pub fn network_bytes(&self) -> (u64, u64) {
        let each = self.network.values();
        each.fold((0, 0), |(received, sent), traffic| {
            (received + traffic.received.bytes, sent + traffic.sent.bytes)
        })
    }
}

impl Engine {
    /// Looks at the containers of `selection`. Where none is named, those that go away meanwhile
    /// are left out. One that does not run uses nothing.
    ///
    /// # Errors
    ///
    /// As [`Engine::select`], and for a name that means no container.
    pub fn samples(&self, selection: &Selection) -> Result<Vec<Sample>, EngineError> {
        let store = self.store()?;
        let named = selection.scope == Scope::Named;
        let mut samples = Vec::new();
        for Chosen { id, .. } in self.select(selection)? {
            match id.and_then(|id| sample(&store, &id)) {
                Err(error) if named => return Err(error),
                looked => samples.extend(looked),
            }
        }
        Ok(samples)
    }
}

fn sample(store: &Store, id: &ContainerId) -> Result<Sample, EngineError> {
    let record = store.load_summary(id)?;
    let (state, observed) = store.observe(id)?;
    let idle = Sample {
        id: id.to_string(),
        name: record.name,
        taken_nanoseconds: nanoseconds(Timestamp::now()),
        ..Sample::default()
    };
    Ok(if observed.is_up() {
        running(idle, &state)
    } else {
        idle
    })
}

fn nanoseconds(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_nanosecond()).unwrap_or_default()
}

fn running(idle: Sample, state: &ContainerState) -> Sample {
    let pid = state.container.map_or(0, |process| process.pid);
    let mut sample = Sample {
        started_nanoseconds: state.started_at.map_or(0, nanoseconds),
        network: network(pid),
        ..idle
    };
    let directory = cgroup::directory(&state.cgroup_path);
    let processes = || top::usage(pid).unwrap_or_default();
    let read = |name: &str| {
        let path = directory.as_ref()?.join(name);
        fs::read_to_string(path).ok()
    };
    if let Some(text) = read("cpu.stat") {
        sample.cpu_nanoseconds = value(&text, "usage_usec").unwrap_or(0) * 1000;
        sample.kernel_nanoseconds = value(&text, "system_usec").unwrap_or(0) * 1000;
    } else {
        sample.cpu_nanoseconds = processes().cpu_nanoseconds;
    }
    let current = read("memory.current").and_then(|text| text.trim().parse::<u64>().ok());
    sample.memory_bytes = match current {
        Some(current) => {
            let files = read("memory.stat").and_then(|text| value(&text, "inactive_file"));
            current.saturating_sub(files.unwrap_or(0))
        }
        None => processes().resident_bytes,
    };
    sample.memory_limit_bytes = memory_limit(directory.as_deref());
    let tasks = read("pids.current").and_then(|text| text.trim().parse().ok());
    sample.tasks = tasks.unwrap_or_else(|| processes().tasks);
    let io = read("io.stat").unwrap_or_default();
    (sample.read_bytes, sample.written_bytes) = disks(&io);
    sample
}

/// The number in the line `key NUMBER`.
fn value(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key)?.1.parse().ok()
}

/// The lowest limit of the cgroup and of those above it, as far as the host's memory reaches.
fn memory_limit(directory: Option<&Path>) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total = total.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let host = total.and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok());
    let host = host.map_or(0, |kilobytes| kilobytes * 1024);
    let above = directory.into_iter().flat_map(Path::ancestors);
    let limits = above.map_while(|directory| {
        let text = fs::read_to_string(directory.join("memory.max")).ok()?;
        Some(text.trim().parse::<u64>().unwrap_or(u64::MAX))
    });
    limits.min().map_or(host, |limit| limit.min(host))
}

/// Bytes read and written on all disks of `io.stat`.
fn disks(text: &str) -> (u64, u64) {
    let sum = |key: &str| {
        let words = text
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let numbers = words.filter(|(name, _)| *name == key);
        numbers
            .filter_map(|(_, number)| number.parse::<u64>().ok())
            .sum()
    };
    (sum("rbytes"), sum("wbytes"))
}

/// The interfaces of the container; none where it has the host's.
fn network(pid: i32) -> BTreeMap<String, Traffic> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let own = namespace(&pid.to_string());
    if own.is_none() || own == namespace("self") {
        return BTreeMap::new();
    }
    let path = PathBuf::from(format!("/proc/{pid}/net/dev"));
    interfaces(&fs::read_to_string(path).unwrap_or_default())
}

/// Reads /proc/PID/net/dev. What a container says to itself is no traffic.
fn interfaces(text: &str) -> BTreeMap<String, Traffic> {
    let interface = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        let numbers: Option<Vec<u64>> = counts
            .split_whitespace()
            .map(|word| word.parse().ok())
            .collect();
        let numbers = numbers.filter(|numbers| numbers.len() >= 12)?;
        let direction = |at: usize| Counts {
            bytes: numbers[at],
            packets: numbers[at + 1],
            errors: numbers[at + 2],
            dropped: numbers[at + 3],
        };
        let traffic = Traffic {
            received: direction(0),
            sent: direction(8),
        };
        Some((name.trim().to_owned(), traffic))
    };
    let found = text.lines().filter_map(interface);
    found.filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs\n    \
                    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  \
                    eth0: 1500 10 1 2 0 0 0 0 700 7 3 4 0 0 0 0\n";
        let found = interfaces(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["eth0"]);
        let eth0 = found["eth0"];
        assert_eq!((eth0.received.bytes, eth0.received.dropped), (1500, 2));
        assert_eq!((eth0.sent.bytes, eth0.sent.errors), (700, 3));
    }

    #[test]
    fn disks_are_added_up() {
        let text = "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=0 rios=2\n";
        assert_eq!(disks(text), (15, 20));
        assert_eq!(disks(""), (0, 0));
        assert_eq!(value("usage_usec 7\nuser_usec 3\n", "user_usec"), Some(3));
    }

    #[test]
    fn shares_are_of_the_time_between() {
        let at = |seconds: i64, cpu: u64| Sample {
            started_nanoseconds: 1_000_000_000,
            taken_nanoseconds: seconds * 1_000_000_000,
            cpu_nanoseconds: cpu,
            memory_bytes: 25,
            memory_limit_bytes: 100,
            ..Sample::default()
        };
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        let (first, second) = (at(3, 1_000_000_000), at(5, 2_000_000_000));
        assert!(close(first.cpu_percent(None), 50.0));
        assert!(close(second.cpu_percent(Some(&first)), 50.0));
        let mut restarted = at(9, 10);
        restarted.started_nanoseconds = 8_000_000_000;
        assert!(restarted.cpu_percent(Some(&second)) < 1.0);
        assert!(close(Sample::default().cpu_percent(None), 0.0));
        assert!(close(first.memory_percent(), 25.0));
    }
}
