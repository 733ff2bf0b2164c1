// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The processes of a pid namespace as the host's /proc shows them, with what is needed to say
//! their numbers and names as the container knows them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::Timestamp;

use crate::runtime::idmap::{IdMapping, parse_map};
use crate::runtime::user::read_database;

/// Ticks of the kernel's clock in a second: fixed for programs since Linux 2.6.
const TICKS: u64 = 100;

/// The processes of a container.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The first process in front.
    pub(super) processes: Vec<Process>,
    /// Names of the container's users and groups by their numbers inside.
    pub(super) inside: Names,
    /// Names of the host's.
    pub(super) host: Names,
    uids: Vec<IdMapping>,
    gids: Vec<IdMapping>,
    boot_seconds: i64,
    now: Option<Timestamp>,
    memory_kilobytes: u64,
}

/// Names of users and groups by their numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

/// One process. Numbers are the host's unless they are said to be inside.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// Its number in the container.
    pub(super) inside_pid: i32,
    /// Its parent's number in the container; 0 when that is outside.
    pub(super) inside_parent: i32,
    pub(super) inside_group: i32,
    pub(super) inside_session: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) state: String,
    pub(super) terminal: u64,
    pub(super) nice: i64,
    pub(super) threads: u64,
    pub(super) cpu_ticks: u64,
    start_ticks: u64,
    pub(super) virtual_kilobytes: u64,
    pub(super) resident_kilobytes: u64,
    /// Real and effective.
    pub(super) uids: [u32; 2],
    pub(super) gids: [u32; 2],
    pub(super) groups: Vec<u32>,
    /// The lines of /proc/PID/status that are shown as they are: `CapEff`, `Seccomp`…
    pub(super) status: BTreeMap<String, String>,
    pub(super) label: String,
    /// Its number in every pid namespace, the host's first.
    numbers: Vec<i32>,
}

/// Every process that the container's first process `init` can see; `None` when that has ended.
///
/// Those of a shared pid namespace that do not descend from the container are not among them.
pub(super) fn list(init: i32) -> Option<Listing> {
    let first = Process::read(init)?;
    let level = first.numbers.len().checked_sub(1)?;
    let namespace = namespace_of(init)?;
    let shared = namespace_of(i32::try_from(std::process::id()).ok()?) == Some(namespace);
    let mut all: Vec<Process> = pids().into_iter().filter_map(Process::read).collect();
    all.sort_by_key(|process| process.pid);
    let mut members: Vec<i32> = vec![init];
    if !shared {
        let same = |process: &&Process| {
            process.numbers.len() == level + 1 && namespace_of(process.pid) == Some(namespace)
        };
        members.extend(all.iter().filter(same).map(|process| process.pid));
    }
    add_descendants(&all, &mut members);
    let mut processes: Vec<Process> = all
        .into_iter()
        .filter(|process| members.contains(&process.pid))
        .collect();
    number_inside(&mut processes, level);
    processes.sort_by_key(|process| process.inside_pid);
    Some(Listing::new(init, processes))
}

/// A child may have been born before its parent was looked at, so the order of numbers is no help.
fn add_descendants(all: &[Process], members: &mut Vec<i32>) {
    loop {
        let before = members.len();
        for process in all {
            if members.contains(&process.parent) && !members.contains(&process.pid) {
                members.push(process.pid);
            }
        }
        if members.len() == before {
            members.sort_unstable();
            members.dedup();
            return;
        }
    }
}

fn number_inside(processes: &mut [Process], level: usize) {
    let inside: BTreeMap<i32, i32> = processes
        .iter()
        .map(|process| (process.pid, process.number_at(level)))
        .collect();
    let number = |pid: i32| inside.get(&pid).copied().unwrap_or(0);
    for process in processes {
        process.inside_pid = process.number_at(level);
        process.inside_parent = number(process.parent);
        process.inside_group = number(process.group);
        process.inside_session = number(process.session);
    }
}

fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

fn namespace_of(pid: i32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/pid"))
        .ok()
        .map(|file| file.ino())
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let directory = format!("/proc/{pid}");
        let read = |name: &str| fs::read(format!("{directory}/{name}"));
        let stat = String::from_utf8_lossy(&read("stat").ok()?).into_owned();
        let status = String::from_utf8_lossy(&read("status").ok()?).into_owned();
        let mut process = Self {
            pid,
            ..Self::default()
        };
        process.take_stat(&stat)?;
        process.take_status(&status);
        process.arguments = words(&read("cmdline").unwrap_or_default());
        let label = read("attr/current").unwrap_or_default();
        let label = String::from_utf8_lossy(&label);
        let label = label.trim_end_matches(['\0', '\n']);
        let label = if label.is_empty() { "?" } else { label };
        label.clone_into(&mut process.label);
        Some(process)
    }

    /// Fields of proc_pid_stat(5), counted behind the name's last parenthesis.
    fn take_stat(&mut self, stat: &str) -> Option<()> {
        let (before, after) = stat.rsplit_once(')')?;
        before.split_once('(')?.1.clone_into(&mut self.name);
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        let unsigned = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let pid = |index: usize| number(index).and_then(|number| i32::try_from(number).ok());
        (*fields.first()?).clone_into(&mut self.state);
        self.parent = pid(1)?;
        self.group = pid(2)?;
        self.session = pid(3)?;
        self.terminal = u64::try_from(number(4)?).unwrap_or(0);
        self.cpu_ticks = unsigned(11)? + unsigned(12)?;
        self.nice = number(16)?;
        self.threads = unsigned(17)?;
        self.start_ticks = unsigned(19)?;
        self.virtual_kilobytes = unsigned(20)? / 1024;
        Some(())
    }

    fn take_status(&mut self, status: &str) {
        for line in status.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            let numbers = || {
                value
                    .split_ascii_whitespace()
                    .filter_map(|word| word.parse().ok())
            };
            let pair = || {
                let all: Vec<u32> = numbers().collect();
                [0, 1].map(|index| all.get(index).copied().unwrap_or(0))
            };
            match key {
                "Uid" => self.uids = pair(),
                "Gid" => self.gids = pair(),
                "Groups" => self.groups = numbers().collect(),
                "VmRSS" => self.resident_kilobytes = numbers().next().map_or(0, u64::from),
                "NSpid" => {
                    let pids = value.split_ascii_whitespace();
                    self.numbers = pids.filter_map(|word| word.parse().ok()).collect();
                }
                "CapInh" | "CapPrm" | "CapEff" | "CapBnd" | "CapAmb" | "Seccomp" => {
                    self.status.insert(key.to_owned(), value.to_owned());
                }
                _ => {}
            }
        }
    }

    fn number_at(&self, level: usize) -> i32 {
        self.numbers.get(level).copied().unwrap_or(self.pid)
    }

    /// Its arguments in one line; its name in brackets where it has none.
    pub(super) fn command_line(&self) -> String {
        if self.arguments.iter().all(String::is_empty) {
            return format!("[{}]", self.name);
        }
        self.arguments.join(" ")
    }

    /// Seconds on a processor.
    pub(super) fn cpu_seconds(&self) -> u64 {
        self.cpu_ticks / TICKS
    }

    /// The terminal without `/dev/`, `?` where there is none.
    pub(super) fn terminal_name(&self) -> String {
        let major = self.terminal >> 8 & 0xfff;
        let minor = (self.terminal & 0xff) | (self.terminal >> 12 & 0xfff00);
        match major {
            136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
            4 if minor < 64 => format!("tty{minor}"),
            4 => format!("ttyS{}", minor - 64),
            5 if minor == 1 => "console".to_owned(),
            _ => "?".to_owned(),
        }
    }
}

/// Words that end with a zero byte each.
fn words(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\0').unwrap_or(&text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\0').map(str::to_owned).collect()
}

impl Listing {
    fn new(init: i32, processes: Vec<Process>) -> Self {
        let map = |name: &str| {
            let text = fs::read_to_string(format!("/proc/{init}/{name}"));
            parse_map(&text.unwrap_or_default())
        };
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime "));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = memory.split_ascii_whitespace().nth(1);
        Self {
            processes,
            inside: Names::below(Path::new(&format!("/proc/{init}/root"))),
            host: Names::below(Path::new("/")),
            uids: map("uid_map"),
            gids: map("gid_map"),
            boot_seconds: boot.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
            now: Some(Timestamp::now()),
            memory_kilobytes: total.and_then(|text| text.parse().ok()).unwrap_or(0),
        }
    }

    /// When the process was started, to the second.
    pub(super) fn started(&self, process: &Process) -> Timestamp {
        let ticks = i64::try_from(process.start_ticks / TICKS).unwrap_or(0);
        Timestamp::from_second(self.boot_seconds + ticks).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Nanoseconds since then.
    pub(super) fn elapsed(&self, process: &Process) -> i64 {
        let now = self.now.unwrap_or(Timestamp::UNIX_EPOCH);
        let elapsed = now.duration_since(self.started(process));
        i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
    }

    /// Share of a processor since its start, in percent.
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    pub(super) fn cpu_percent(&self, process: &Process) -> f64 {
        let elapsed = self.elapsed(process) as f64 / 1e9;
        if elapsed <= 0.0 {
            return 0.0;
        }
        100.0 * process.cpu_seconds() as f64 / elapsed
    }

    /// Share of the machine's memory, in percent.
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    pub(super) fn memory_percent(&self, process: &Process) -> f64 {
        if self.memory_kilobytes == 0 {
            return 0.0;
        }
        100.0 * process.resident_kilobytes as f64 / self.memory_kilobytes as f64
    }

    /// The number of a host's user in the container.
    pub(super) fn uid_inside(&self, uid: u32) -> u32 {
        inside(&self.uids, uid)
    }

    /// The number of a host's group in the container.
    pub(super) fn gid_inside(&self, gid: u32) -> u32 {
        inside(&self.gids, gid)
    }
}

/// What the kernel shows of an id that a namespace does not have.
const OVERFLOW_ID: u32 = 65534;

fn inside(map: &[IdMapping], id: u32) -> u32 {
    let found = map.iter().find_map(|extent| {
        let offset = id.checked_sub(extent.outside)?;
        (offset < extent.count).then(|| extent.inside + offset)
    });
    found.unwrap_or(OVERFLOW_ID)
}

impl Names {
    /// The databases below `root`, which may be a hostile container's.
    fn below(root: &Path) -> Self {
        let Ok(root) = File::open(root) else {
            return Self::default();
        };
        let table = |path: &str| {
            let text = read_database(root.as_fd(), path);
            let entry = |line: &str| {
                let mut fields = line.split(':');
                let name = fields.next()?.to_owned();
                let number: u32 = fields.nth(1)?.parse().ok()?;
                Some((number, name))
            };
            // The first entry of a number counts, as for getpwuid(3).
            text.lines().rev().filter_map(entry).collect()
        };
        Self {
            users: table("/etc/passwd"),
            groups: table("/etc/group"),
        }
    }

    /// The user's name, or its number.
    pub(super) fn user(&self, uid: u32) -> String {
        self.users
            .get(&uid)
            .cloned()
            .unwrap_or_else(|| uid.to_string())
    }

    /// The group's name, or its number.
    pub(super) fn group(&self, gid: u32) -> String {
        self.groups
            .get(&gid)
            .cloned()
            .unwrap_or_else(|| gid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_and_status_are_read() {
        let mut process = Process::default();
        let stat = "7 (a) b) S 1 7 7 34817 7 4194560 1 2 3 4 250 50 5 6 20 5 3 0 9177 2048000 3 4";
        process.take_stat(stat).unwrap();
        assert_eq!(
            (process.name.as_str(), process.state.as_str()),
            ("a) b", "S")
        );
        assert_eq!(
            (process.cpu_seconds(), process.nice, process.threads),
            (3, 5, 3)
        );
        assert_eq!(
            (process.start_ticks, process.virtual_kilobytes),
            (9177, 2000)
        );
        assert_eq!(process.terminal_name(), "pts/1");
        let status = "Name:\ta\nUid:\t1000\t1001\t0\t0\nGroups:\t4 5 \nNSpid:\t70\t7\t1\nVmRSS:\t  12 kB\nCapEff:\t00ff\n";
        process.take_status(status);
        assert_eq!(process.uids, [1000, 1001]);
        assert_eq!(process.groups, [4, 5]);
        assert_eq!(process.resident_kilobytes, 12);
        assert_eq!(
            (process.number_at(2), process.number_at(5)),
            (1, process.pid)
        );
        assert_eq!(process.status["CapEff"], "00ff");
    }

    #[test]
    fn ids_are_translated() {
        let extent = |inside, outside, count| IdMapping {
            inside,
            outside,
            count,
        };
        let map = [extent(0, 1000, 1), extent(1, 100_000, 65536)];
        assert_eq!(inside(&map, 1000), 0);
        assert_eq!(inside(&map, 100_000), 1);
        assert_eq!(inside(&map, 5), OVERFLOW_ID);
    }

    #[test]
    fn this_process_is_found_with_its_children() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let listing = list(pid).unwrap();
        let child_pid = i32::try_from(child.id()).unwrap();
        let sleep = listing
            .processes
            .iter()
            .find(|process| process.pid == child_pid)
            .unwrap();
        assert_eq!(sleep.command_line(), "sleep 60");
        assert_eq!(sleep.parent, pid);
        assert!(listing.elapsed(sleep) < 60_000_000_000);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(list(child_pid).is_none());
    }
}
