// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags of ps(1) that people give to `top`, and its columns in ps's own forms.

use super::process::{Listing, Process};
use super::{Cell, Processes, View};

/// What ps(1) would be told.
#[derive(Debug, PartialEq)]
pub(super) struct Format {
    columns: Vec<(&'static Column, String)>,
    headings: bool,
}

/// A flag or a column that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PsError {
    /// A column.
    #[error("unknown user-defined format specifier \"{0}\"")]
    Column(String),
    /// A flag.
    #[error(
        "ps flag \"{0}\": top understands -e, -A, -a, -x, -f, -w, aux, h, n and -o COLUMNS; \
         descriptors such as pid,user,args need no flag"
    )]
    Flag(String),
    /// `-o` without columns.
    #[error("ps flag \"-o\" wants a list of columns")]
    NoColumns,
}

/// A column of ps(1).
#[derive(Debug)]
pub(super) struct Column {
    /// All its names.
    names: &'static [&'static str],
    heading: &'static str,
    show: fn(&Process, &Listing, View) -> String,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

const fn column(
    names: &'static [&'static str],
    heading: &'static str,
    show: fn(&Process, &Listing, View) -> String,
) -> Column {
    Column {
        names,
        heading,
        show,
    }
}

const COLUMNS: &[Column] = &[
    column(&["args", "cmd", "command"], "COMMAND", |p, _, _| {
        p.command_line()
    }),
    column(&["c"], "C", |p, l, _| {
        format!("{:.0}", l.cpu_percent(p).floor())
    }),
    column(&["comm", "ucmd", "ucomm"], "COMMAND", |p, _, _| {
        p.name.clone()
    }),
    column(&["etime"], "ELAPSED", |p, l, _| {
        elapsed_clock(l.elapsed(p) / 1_000_000_000)
    }),
    column(&["etimes"], "ELAPSED", |p, l, _| {
        (l.elapsed(p) / 1_000_000_000).to_string()
    }),
    column(&["gid", "egid"], "GID", |p, l, v| {
        gid(p.gids[1], l, v).to_string()
    }),
    column(&["group", "egroup"], "GROUP", |p, l, v| {
        group(p.gids[1], l, v)
    }),
    column(&["label", "context"], "LABEL", |p, _, _| p.label.clone()),
    column(&["lstart"], "STARTED", |p, l, _| {
        local(p, l, "%a %b %e %H:%M:%S %Y")
    }),
    column(&["ni", "nice"], "NI", |p, _, _| p.nice.to_string()),
    column(&["nlwp", "thcount"], "NLWP", |p, _, _| {
        p.threads.to_string()
    }),
    column(&["pcpu", "%cpu"], "%CPU", |p, l, _| {
        format!("{:.1}", l.cpu_percent(p))
    }),
    column(&["pgid", "pgrp"], "PGID", |p, _, v| {
        pick(v, p.inside_group, p.group)
    }),
    column(&["pid", "tgid"], "PID", |p, _, v| {
        pick(v, p.inside_pid, p.pid)
    }),
    column(&["pmem", "%mem"], "%MEM", |p, l, _| {
        format!("{:.1}", l.memory_percent(p))
    }),
    column(&["ppid"], "PPID", |p, _, v| {
        pick(v, p.inside_parent, p.parent)
    }),
    column(&["rgroup"], "RGROUP", |p, l, v| group(p.gids[0], l, v)),
    column(&["rss", "rssize", "rsz"], "RSS", |p, _, _| {
        p.resident_kilobytes.to_string()
    }),
    column(&["ruser"], "RUSER", |p, l, v| user(p.uids[0], l, v)),
    column(&["s", "state", "stat"], "S", |p, _, _| p.state.clone()),
    column(&["sid", "sess", "session"], "SID", |p, _, v| {
        pick(v, p.inside_session, p.session)
    }),
    column(
        &["start", "stime", "start_time", "bsdstart"],
        "STIME",
        |p, l, _| short_start(p, l),
    ),
    column(&["time", "cputime", "bsdtime"], "TIME", |p, _, _| {
        clock(p.cpu_seconds())
    }),
    column(&["tty", "tt", "tname"], "TTY", |p, _, _| p.terminal_name()),
    column(&["uid", "euid"], "UID", |p, l, v| {
        uid(p.uids[1], l, v).to_string()
    }),
    column(&["user", "euser", "uname"], "USER", |p, l, v| {
        user(p.uids[1], l, v)
    }),
    column(&["vsz", "vsize"], "VSZ", |p, _, _| {
        p.virtual_kilobytes.to_string()
    }),
];

/// `-ef`, with the headings that it has.
const FULL: &str = "user=UID,pid,ppid,c,stime,tty,time,args=CMD";
/// `aux`.
const USER: &str = "user,pid,pcpu,pmem,vsz,rss,tty,stat=STAT,start=START,time,args";
/// No format at all.
const SHORT: &str = "pid,tty,time,comm=CMD";

/// Understands the words behind the container's name; none are docker's `-ef`.
pub(super) fn parse(words: &[String]) -> Result<Format, PsError> {
    let mut words: Vec<String> = match words {
        // One word may hold them all: `top web "-eo pid,comm"`.
        [only] => only.split_ascii_whitespace().map(str::to_owned).collect(),
        several => several.to_vec(),
    };
    if words.is_empty() {
        words.push("-ef".to_owned());
    }
    let mut reader = Reader {
        words: words.into_iter(),
        layout: SHORT,
        columns: Vec::new(),
        headings: true,
        numeric: false,
    };
    reader.read()?;
    reader.format()
}

struct Reader {
    words: std::vec::IntoIter<String>,
    layout: &'static str,
    columns: Vec<(&'static Column, String)>,
    headings: bool,
    numeric: bool,
}

impl Reader {
    fn read(&mut self) -> Result<(), PsError> {
        while let Some(word) = self.words.next() {
            match word.as_str() {
                "--no-headers" | "--no-headings" => self.headings = false,
                "--headers" => self.headings = true,
                _ if word.starts_with("--format=") => self.add(&word["--format=".len()..])?,
                "--format" => self.add_next()?,
                _ if word.starts_with("--") => return Err(PsError::Flag(word)),
                _ => self.letters(&word)?,
            }
        }
        Ok(())
    }

    /// A group of letters, with a dash or, as BSD has it, without.
    fn letters(&mut self, word: &str) -> Result<(), PsError> {
        let letters = word.strip_prefix('-').unwrap_or(word);
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            match letter {
                'e' | 'A' | 'a' | 'x' | 'd' | 'w' | 'g' => {}
                'f' | 'F' => self.layout = FULL,
                'u' => self.layout = USER,
                'h' => self.headings = false,
                'n' => self.numeric = true,
                'o' | 'O' if rest.is_empty() => return self.add_next(),
                'o' | 'O' => return self.add(rest),
                _ => return Err(PsError::Flag(word.to_owned())),
            }
        }
        Ok(())
    }

    fn add_next(&mut self) -> Result<(), PsError> {
        let list = self.words.next().ok_or(PsError::NoColumns)?;
        self.add(&list)
    }

    /// `pid,user=WHO`: a heading of one's own ends the list.
    fn add(&mut self, list: &str) -> Result<(), PsError> {
        let before = self.columns.len();
        for text in list.split([',', ' ']).filter(|text| !text.is_empty()) {
            let (name, heading) = text
                .split_once('=')
                .map_or((text, None), |(n, h)| (n, Some(h)));
            let found = COLUMNS.iter().find(|column| column.names.contains(&name));
            let column = found.ok_or_else(|| PsError::Column(name.to_owned()))?;
            let own = if name == "cmd" { "CMD" } else { column.heading };
            self.columns
                .push((column, heading.unwrap_or(own).to_owned()));
        }
        if self.columns.len() == before {
            return Err(PsError::NoColumns);
        }
        Ok(())
    }

    fn format(mut self) -> Result<Format, PsError> {
        if self.columns.is_empty() {
            self.add(self.layout)?;
        }
        if self.numeric {
            let number = COLUMNS.iter().find(|column| column.names.contains(&"uid"));
            for (column, _) in &mut self.columns {
                if column.names.contains(&"user") {
                    *column = number.unwrap_or(column);
                }
            }
        }
        Ok(Format {
            columns: self.columns,
            headings: self.headings,
        })
    }
}

/// The table of this format.
pub(super) fn table(format: &Format, listing: &Listing, view: View) -> Processes {
    let row = |process: &Process| {
        let cells = format.columns.iter();
        cells
            .map(|(column, _)| Cell::Text((column.show)(process, listing, view)))
            .collect()
    };
    let headings = format.columns.iter().map(|(_, heading)| heading.clone());
    Processes {
        headings: if format.headings {
            headings.collect()
        } else {
            Vec::new()
        },
        rows: listing.processes.iter().map(row).collect(),
    }
}

fn pick(view: View, inside: i32, host: i32) -> String {
    match view {
        View::Container => inside.to_string(),
        View::Host => host.to_string(),
    }
}

fn uid(uid: u32, listing: &Listing, view: View) -> u32 {
    match view {
        View::Container => listing.uid_inside(uid),
        View::Host => uid,
    }
}

fn gid(gid: u32, listing: &Listing, view: View) -> u32 {
    match view {
        View::Container => listing.gid_inside(gid),
        View::Host => gid,
    }
}

fn user(id: u32, listing: &Listing, view: View) -> String {
    match view {
        View::Container => listing.inside.user(listing.uid_inside(id)),
        View::Host => listing.host.user(id),
    }
}

fn group(id: u32, listing: &Listing, view: View) -> String {
    match view {
        View::Container => listing.inside.group(listing.gid_inside(id)),
        View::Host => listing.host.group(id),
    }
}

fn local(process: &Process, listing: &Listing, form: &str) -> String {
    let zone = jiff::tz::TimeZone::system();
    listing
        .started(process)
        .to_zoned(zone)
        .strftime(form)
        .to_string()
}

/// The time of today, the day of this year, else the year.
fn short_start(process: &Process, listing: &Listing) -> String {
    const DAY: i64 = 24 * 3600;
    match listing.elapsed(process) / 1_000_000_000 {
        ..DAY => local(process, listing, "%H:%M"),
        seconds if seconds < 365 * DAY => local(process, listing, "%b%d"),
        _ => local(process, listing, "%Y"),
    }
}

fn clock(seconds: u64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `[[DD-]hh:]mm:ss`.
fn elapsed_clock(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24);
    let rest = format!("{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => rest,
        (0, hours) => format!("{hours:02}:{rest}"),
        (days, hours) => format!("{days}-{hours:02}:{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(words: &[&str]) -> Result<String, PsError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let format = parse(&words)?;
        let headings: Vec<_> = format
            .columns
            .iter()
            .map(|(_, heading)| heading.as_str())
            .collect();
        Ok(format!(
            "{}{}",
            if format.headings { "" } else { "(none) " },
            headings.join(" ")
        ))
    }

    #[test]
    fn flags_are_understood_as_by_ps() {
        let table: &[(&[&str], &str)] = &[
            (&[], "UID PID PPID C STIME TTY TIME CMD"),
            (&["-ef"], "UID PID PPID C STIME TTY TIME CMD"),
            (
                &["aux"],
                "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
            ),
            (&["-e"], "PID TTY TIME CMD"),
            (&["-eo", "pid,comm"], "PID COMMAND"),
            (&["-eo", "pid comm"], "PID COMMAND"),
            (&["-eo pid,comm"], "PID COMMAND"),
            (&["ax", "-o", "args"], "COMMAND"),
            (&["ax -o args"], "COMMAND"),
            (&["-opid,user=WHO"], "PID WHO"),
            (&["-o", "cmd", "-o", "pid"], "CMD PID"),
            (&["-ef", "hn"], "(none) UID PID PPID C STIME TTY TIME CMD"),
            (&["--format=pid", "--no-headers"], "(none) PID"),
        ];
        for (words, expected) in table {
            assert_eq!(headings(words).as_deref(), Ok(*expected), "{words:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(
            headings(&["-eo", "invalid"]),
            Err(PsError::Column("invalid".to_owned()))
        );
        assert_eq!(headings(&["-Z"]), Err(PsError::Flag("-Z".to_owned())));
        assert_eq!(
            headings(&["--forest"]),
            Err(PsError::Flag("--forest".to_owned()))
        );
        assert_eq!(headings(&["-o"]), Err(PsError::NoColumns));
        assert_eq!(headings(&["-o", ","]), Err(PsError::NoColumns));
        assert!(headings(&["é"]).is_err());
    }

    #[test]
    fn clocks() {
        assert_eq!(clock(3661), "01:01:01");
        let table = [
            (5, "00:05"),
            (3600, "01:00:00"),
            (90061, "1-01:01:01"),
            (-1, "00:00"),
        ];
        for (seconds, expected) in table {
            assert_eq!(elapsed_clock(seconds), expected);
        }
    }
}
