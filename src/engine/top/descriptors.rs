// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The descriptors of `top`: those of ps(1) on AIX and podman's own.

use super::process::{Listing, Process};
use super::{Cell, Processes};
use crate::runtime::capability;

/// One descriptor.
#[derive(Debug)]
pub(super) struct Descriptor {
    code: &'static str,
    name: &'static str,
    heading: &'static str,
    show: fn(&Process, &Listing) -> Cell,
}

const fn descriptor(
    code: &'static str,
    name: &'static str,
    heading: &'static str,
    show: fn(&Process, &Listing) -> Cell,
) -> Descriptor {
    Descriptor {
        code,
        name,
        heading,
        show,
    }
}

/// What is shown when nothing is asked for.
const DEFAULT: &[&str] = &[
    "user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args",
];

const DESCRIPTORS: &[Descriptor] = &[
    descriptor("%C", "pcpu", "%CPU", |p, l| {
        text(format!("{:.3}", l.cpu_percent(p)))
    }),
    descriptor("%G", "group", "GROUP", |p, l| {
        text(l.inside.group(l.gid_inside(p.gids[1])))
    }),
    descriptor("", "groups", "GROUPS", |p, l| {
        joined(
            p.groups
                .iter()
                .map(|gid| l.inside.group(l.gid_inside(*gid))),
        )
    }),
    descriptor("%P", "ppid", "PPID", |p, _| number(p.inside_parent)),
    descriptor("%U", "user", "USER", |p, l| {
        text(l.inside.user(l.uid_inside(p.uids[1])))
    }),
    descriptor("", "uid", "UID", |p, l| number(l.uid_inside(p.uids[1]))),
    descriptor("%a", "args", "COMMAND", |p, _| text(p.command_line())),
    descriptor("%c", "comm", "COMMAND", |p, _| text(p.name.clone())),
    descriptor("%g", "rgroup", "RGROUP", |p, l| {
        text(l.inside.group(l.gid_inside(p.gids[0])))
    }),
    descriptor("%n", "nice", "NI", |p, _| number(p.nice)),
    descriptor("%p", "pid", "PID", |p, _| number(p.inside_pid)),
    descriptor("%r", "pgid", "PGID", |p, _| number(p.inside_group)),
    descriptor("%t", "etime", "ELAPSED", |p, l| Cell::Span(l.elapsed(p))),
    descriptor("%u", "ruser", "RUSER", |p, l| {
        text(l.inside.user(l.uid_inside(p.uids[0])))
    }),
    descriptor("%x", "time", "TIME", |p, _| {
        Cell::Span(nanoseconds(p.cpu_seconds()))
    }),
    descriptor("%y", "tty", "TTY", |p, _| text(p.terminal_name())),
    descriptor("%z", "vsz", "VSZ", |p, _| number(p.virtual_kilobytes)),
    descriptor("", "capamb", "AMBIENT CAPS", |p, _| {
        capabilities(p, "CapAmb")
    }),
    descriptor("", "capinh", "INHERITED CAPS", |p, _| {
        capabilities(p, "CapInh")
    }),
    descriptor("", "capprm", "PERMITTED CAPS", |p, _| {
        capabilities(p, "CapPrm")
    }),
    descriptor("", "capeff", "EFFECTIVE CAPS", |p, _| {
        capabilities(p, "CapEff")
    }),
    descriptor("", "capbnd", "BOUNDING CAPS", |p, _| {
        capabilities(p, "CapBnd")
    }),
    descriptor("", "seccomp", "SECCOMP", |p, _| seccomp(p)),
    descriptor("", "label", "LABEL", |p, _| text(p.label.clone())),
    descriptor("", "hpid", "HPID", |p, _| number(p.pid)),
    // Podman looks the name up among the container's users and finds none there.
    descriptor("", "huser", "HUSER", |p, _| number(p.uids[1])),
    descriptor("", "huid", "HUID", |p, _| number(p.uids[1])),
    descriptor("", "hgroup", "HGROUP", |p, _| number(p.gids[1])),
    descriptor("", "hgroups", "HGROUPS", |p, _| {
        joined(p.groups.iter().map(u32::to_string))
    }),
    descriptor("", "rss", "RSS", |p, _| number(p.resident_kilobytes)),
    descriptor("", "state", "STATE", |p, _| text(p.state.clone())),
    descriptor("", "stime", "STIME", |p, l| Cell::Moment(l.started(p))),
];

/// The names of all descriptors, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = DESCRIPTORS.iter().map(|one| one.name).collect();
    names.sort_unstable();
    names
}

/// The descriptors that all `words` name; `None` if one of them is none.
pub(super) fn find(words: &[&str]) -> Option<Vec<&'static Descriptor>> {
    let words = if words.is_empty() { DEFAULT } else { words };
    let named = |word: &&str| {
        let word = word.trim();
        let mut all = DESCRIPTORS.iter();
        all.find(|one| one.name == word || (!word.is_empty() && one.code == word))
    };
    words.iter().map(named).collect()
}

/// The table of these columns.
pub(super) fn table(columns: &[&'static Descriptor], listing: &Listing) -> Processes {
    let row = |process: &Process| {
        columns
            .iter()
            .map(|one| (one.show)(process, listing))
            .collect()
    };
    Processes {
        headings: columns.iter().map(|one| one.heading.to_owned()).collect(),
        rows: listing.processes.iter().map(row).collect(),
    }
}

fn text(text: String) -> Cell {
    Cell::Text(text)
}

fn number(number: impl std::fmt::Display) -> Cell {
    Cell::Text(number.to_string())
}

fn joined(parts: impl Iterator<Item = String>) -> Cell {
    Cell::Text(parts.collect::<Vec<_>>().join(","))
}

fn nanoseconds(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000)
}

fn seccomp(process: &Process) -> Cell {
    let mode = match process.status.get("Seccomp").map(String::as_str) {
        Some("0") => "disabled",
        Some("1") => "strict",
        Some("2") => "filter",
        _ => "?",
    };
    Cell::Text(mode.to_owned())
}

fn capabilities(process: &Process, set: &str) -> Cell {
    let hexadecimal = process.status.get(set).map_or("0", String::as_str);
    Cell::Text(capability_words(
        u64::from_str_radix(hexadecimal, 16).unwrap_or(0),
    ))
}

/// The names of a mask's capabilities, `none` and `full` in place of no and of all.
fn capability_words(mask: u64) -> String {
    if mask == 0 {
        return "none".to_owned();
    }
    let all = (1_u64 << capability::NAMES.len()) - 1;
    if mask & all == all {
        return "full".to_owned();
    }
    let numbered = capability::NAMES.iter().enumerate();
    let held = numbered.filter(|(number, _)| mask >> number & 1 == 1);
    let mut names: Vec<&str> = held
        .map(|(_, name)| name.strip_prefix("CAP_").unwrap_or(name))
        .collect();
    names.sort_unstable();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_found_by_name_and_by_code() {
        let names = |words: &[&str]| {
            find(words).map(|found| {
                found
                    .iter()
                    .map(|one| one.name)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        assert_eq!(names(&["pid", "%C"]).as_deref(), Some("pid pcpu"));
        assert_eq!(
            names(&[]).as_deref(),
            Some("user pid ppid pcpu etime tty time args")
        );
        assert_eq!(names(&["pid", "-ef"]), None);
        assert_eq!(names(&[""]), None);
    }

    #[test]
    fn capabilities_have_words() {
        assert_eq!(capability_words(0), "none");
        assert_eq!(capability_words(0x1ff_ffff_ffff), "full");
        assert_eq!(capability_words(0b10_0001), "CHOWN,KILL");
    }
}
