// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the container's first process: who it is, where it starts, what it may use.

use std::path::Path;

use clap::Args;

use crate::config::containers_conf::ContainersSection;
use crate::engine::signal;
use crate::state::record::{ContainerRequest, Ulimit};

/// Flags about the first process.
#[derive(Debug, Default, Args)]
pub(crate) struct ProcessArgs {
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long)]
    entrypoint: Option<String>,
    /// Add supplementary groups; keep-groups keeps those of the caller
    #[arg(long, value_delimiter = ',')]
    group_add: Vec<String>,
    /// Entry to write to /etc/group
    #[arg(long)]
    group_entry: Option<String>,
    /// Host user account to add to /etc/passwd within the container
    #[arg(long, value_delimiter = ',')]
    hostuser: Vec<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    init: bool,
    /// Keep stdin open even if not attached
    #[arg(long, short)]
    interactive: bool,
    /// Tune the host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "int")]
    oom_score_adj: Option<i32>,
    /// Add entries to /etc/passwd and /etc/group
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    passwd: Option<bool>,
    /// Entry to write to /etc/passwd
    #[arg(long)]
    passwd_entry: Option<String>,
    /// Pass a file descriptor into the container
    #[arg(long, value_delimiter = ',', value_name = "ints")]
    preserve_fd: Vec<i32>,
    /// Pass a number of additional file descriptors into the container
    #[arg(long, value_name = "uint")]
    preserve_fds: Option<u32>,
    /// Signal to stop a container (default SIGTERM)
    #[arg(long)]
    stop_signal: Option<String>,
    /// Run as a systemd container ("true"|"false"|"always")
    #[arg(long)]
    systemd: Option<String>,
    /// Allocate a pseudo-terminal
    #[arg(long, short)]
    tty: bool,
    /// Set the time zone in the container
    #[arg(long)]
    tz: Option<String>,
    /// Limits of the processes, as name=soft[:hard] or host
    #[arg(long, value_delimiter = ',')]
    ulimit: Vec<String>,
    /// Set the umask in the container
    #[arg(long)]
    umask: Option<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(long, short)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(long, short)]
    workdir: Option<String>,
}

/// What is wrong with a flag about the first process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error(
        "the '--group-add keep-groups' option is not allowed with any other --group-add options"
    )]
    KeepGroupsAlone,
    #[error("invalid value for --oom-score-adj \"{value}\": want a number from -1000 to 1000")]
    OomScore { value: i32 },
    #[error("cannot specify both --preserve-fds and --preserve-fd")]
    PreserveTwice,
    #[error(
        "cannot preserve FD {number}, it is one of the three standard streams, which are passed anyway: invalid argument"
    )]
    StandardStream { number: i32 },
    #[error(
        "file descriptor {number} is not available - the {flag} option requires that file descriptors must be passed"
    )]
    NoDescriptor { number: i32, flag: &'static str },
    #[error(transparent)]
    Signal(#[from] signal::SignalError),
    #[error("--systemd values must be one of \"true, false, always\": invalid configuration")]
    Systemd,
    #[error("invalid umask string {umask}: want octal digits up to 0777: invalid argument")]
    Umask { umask: String },
    #[error("invalid time zone {zone}: want a name below /usr/share/zoneinfo or \"local\"")]
    TimeZone { zone: String },
    #[error("ulimit option \"{option}\" requires name=SOFT:HARD, failed to be parsed: {reason}")]
    Ulimit { option: String, reason: String },
}

impl ProcessArgs {
    /// Takes from containers.conf what the flags leave open.
    pub(super) fn default_from(&mut self, conf: &ContainersSection) {
        self.init |= conf.init == Some(true);
        if self.oom_score_adj.is_none() {
            self.oom_score_adj = conf
                .oom_score_adj
                .and_then(|score| i32::try_from(score).ok());
        }
        let fill = |flag: &mut Option<String>, value: &Option<String>| {
            if flag.is_none() {
                *flag = value.clone().filter(|value| !value.is_empty());
            }
        };
        fill(&mut self.tz, &conf.tz);
        fill(&mut self.umask, &conf.umask);
        let name_of = |limit: &str| limit.split('=').next().map(str::to_owned);
        let asked: Vec<_> = self.ulimit.iter().map(|limit| name_of(limit)).collect();
        if !self.ulimit.iter().any(|limit| limit == "host") {
            let defaults = conf.default_ulimits.iter().flatten();
            let open = defaults.filter(|limit| !asked.contains(&name_of(limit)));
            self.ulimit.extend(open.cloned());
        }
    }

    /// Writes what these flags ask for into `request`.
    pub(crate) fn fill(self, request: &mut ContainerRequest) -> Result<(), ProcessError> {
        self.check()?;
        request.ulimits = ulimits(&self.ulimit)?;
        request.entrypoint = self.entrypoint.as_deref().map(entrypoint);
        request.group_add = self.group_add;
        request.group_entry = self.group_entry;
        request.host_users = self.hostuser;
        request.init = self.init;
        request.interactive = self.interactive;
        request.oom_score_adj = self.oom_score_adj;
        request.no_passwd = self.passwd == Some(false);
        request.passwd_entry = self.passwd_entry;
        request.preserve_fd = self.preserve_fd;
        request.preserve_fds = self.preserve_fds.unwrap_or(0);
        request.stop_signal = self.stop_signal;
        request.systemd = self.systemd.map(|value| value.to_ascii_lowercase());
        request.tty = self.tty;
        request.timezone = self.tz;
        request.umask = self.umask;
        request.user = self.user;
        request.workdir = self.workdir;
        Ok(())
    }

    fn check(&self) -> Result<(), ProcessError> {
        let keeps_groups = self.group_add.iter().any(|group| group == "keep-groups");
        if keeps_groups && self.group_add.len() > 1 {
            return Err(ProcessError::KeepGroupsAlone);
        }
        if let Some(value) = self
            .oom_score_adj
            .filter(|value| !(-1000..=1000).contains(value))
        {
            return Err(ProcessError::OomScore { value });
        }
        if let Some(text) = &self.stop_signal {
            signal::parse(text)?;
        }
        let systemd = self
            .systemd
            .as_deref()
            .unwrap_or("true")
            .to_ascii_lowercase();
        if !["true", "false", "always"].contains(&systemd.as_str()) {
            return Err(ProcessError::Systemd);
        }
        check_umask(self.umask.as_deref())?;
        check_time_zone(self.tz.as_deref())
    }
}

/// Looks at this process: what is to be passed on must have been passed.
pub(crate) fn check_descriptors(count: u32, named: &[i32]) -> Result<(), ProcessError> {
    if count > 0 && !named.is_empty() {
        return Err(ProcessError::PreserveTwice);
    }
    let counted = (3..).take(count as usize);
    let counted = counted.map(|number| (number, "preserve-fds"));
    let named = named.iter().map(|number| (*number, "preserve-fd"));
    for (number, flag) in named.chain(counted) {
        if number < 3 {
            return Err(ProcessError::StandardStream { number });
        }
        if !Path::new("/proc/self/fd").join(number.to_string()).exists() {
            return Err(ProcessError::NoDescriptor { number, flag });
        }
    }
    Ok(())
}

fn check_umask(umask: Option<&str>) -> Result<(), ProcessError> {
    let Some(umask) = umask else { return Ok(()) };
    let octal = umask.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let value = u32::from_str_radix(umask, 8);
    if !octal || umask.len() > 4 || value.map_or(true, |value| value > 0o777) {
        return Err(ProcessError::Umask {
            umask: umask.to_owned(),
        });
    }
    Ok(())
}

/// A zone is looked up below a directory when the container starts: no way out of it.
fn check_time_zone(zone: Option<&str>) -> Result<(), ProcessError> {
    let Some(zone) = zone else { return Ok(()) };
    let climbs = zone.split('/').any(|part| part == "..");
    if zone.is_empty() || zone.starts_with('/') || climbs {
        return Err(ProcessError::TimeZone {
            zone: zone.to_owned(),
        });
    }
    Ok(())
}

/// A JSON array or one word; an empty word clears the image's entry point.
fn entrypoint(text: &str) -> Vec<String> {
    if let Ok(words) = serde_json::from_str::<Vec<String>>(text) {
        return words;
    }
    if text.is_empty() {
        return Vec::new();
    }
    vec![text.to_owned()]
}

/// Names of limits that people may set; `as` is not among them, as in docker.
const ULIMIT_NAMES: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads `--ulimit`; `host` anywhere stands for all of the caller's own limits.
pub(super) fn ulimits(options: &[String]) -> Result<Vec<Ulimit>, ProcessError> {
    if options.iter().any(|option| option == "host") {
        return Ok(vec![Ulimit {
            name: "host".to_owned(),
            soft: 0,
            hard: 0,
        }]);
    }
    options
        .iter()
        .map(|option| {
            let lower = option.to_ascii_lowercase();
            let option = lower.strip_prefix("rlimit_").unwrap_or(&lower);
            ulimit(option).map_err(|reason| ProcessError::Ulimit {
                option: option.to_owned(),
                reason,
            })
        })
        .collect()
}

fn ulimit(option: &str) -> Result<Ulimit, String> {
    let Some((name, values)) = option.split_once('=') else {
        return Err(format!("invalid ulimit argument: {option}"));
    };
    if !ULIMIT_NAMES.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|value| *value >= -1)
            .ok_or_else(|| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
    };
    let parts: Vec<&str> = values.split(':').collect();
    let (soft, hard) = match parts[..] {
        [both] => (number(both)?, number(both)?),
        [soft, hard] => (number(soft)?, number(hard)?),
        _ => {
            return Err(format!(
                "too many limit value arguments - {values}, can only have up to two, `soft[:hard]`"
            ));
        }
    };
    check_order(soft, hard)?;
    let limit = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    Ok(Ulimit {
        name: name.to_owned(),
        soft: limit(soft),
        hard: limit(hard),
    })
}

fn check_order(soft: i64, hard: i64) -> Result<(), String> {
    const RULE: &str = "ulimit soft limit must be less than or equal to hard limit";
    match (soft, hard) {
        (_, -1) => Ok(()),
        (-1, hard) => Err(format!("{RULE}: soft: -1 (unlimited), hard: {hard}")),
        (soft, hard) if soft > hard => Err(format!("{RULE}: {soft} > {hard}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(option: &str) -> Result<(u64, u64), String> {
        ulimits(&[option.to_owned()])
            .map(|limits| (limits[0].soft, limits[0].hard))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_read_as_docker_reads_them() {
        let cases = [
            ("nofile=1024:2048", (1024, 2048)),
            ("RLIMIT_NOFILE=10", (10, 10)),
            ("core=-1:-1", (u64::MAX, u64::MAX)),
            ("core=0:-1", (0, u64::MAX)),
        ];
        for (option, want) in cases {
            assert_eq!(limits(option), Ok(want), "{option}");
        }
        assert_eq!(ulimits(&["host".to_owned()]).unwrap()[0].name, "host");
    }

    #[test]
    fn a_wrong_limit_says_why() {
        let cases = [
            (
                "core=-1:1000",
                "ulimit option \"core=-1:1000\" requires name=SOFT:HARD, failed to be parsed: ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 1000",
            ),
            (
                "nofile=3:2",
                "ulimit option \"nofile=3:2\" requires name=SOFT:HARD, failed to be parsed: ulimit soft limit must be less than or equal to hard limit: 3 > 2",
            ),
            (
                "bogus=1",
                "ulimit option \"bogus=1\" requires name=SOFT:HARD, failed to be parsed: invalid ulimit type: bogus",
            ),
            (
                "nofile",
                "ulimit option \"nofile\" requires name=SOFT:HARD, failed to be parsed: invalid ulimit argument: nofile",
            ),
            (
                "nofile=x",
                "ulimit option \"nofile=x\" requires name=SOFT:HARD, failed to be parsed: strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
        ];
        for (option, message) in cases {
            assert_eq!(limits(option), Err(message.to_owned()), "{option}");
        }
    }

    #[test]
    fn an_entry_point_is_json_or_one_word() {
        assert_eq!(entrypoint("[\"a\", \"b c\"]"), ["a", "b c"]);
        assert_eq!(entrypoint("/bin/sh -c"), ["/bin/sh -c"]);
        assert!(entrypoint("").is_empty());
        assert!(entrypoint("[]").is_empty());
    }

    #[test]
    fn wrong_values_are_refused() {
        let cases = [
            (
                ProcessArgs {
                    umask: Some("9999".into()),
                    ..ProcessArgs::default()
                },
                "invalid umask string 9999: want octal digits up to 0777: invalid argument",
            ),
            (
                ProcessArgs {
                    tz: Some("../../etc/passwd".into()),
                    ..ProcessArgs::default()
                },
                "invalid time zone ../../etc/passwd: want a name below /usr/share/zoneinfo or \"local\"",
            ),
            (
                ProcessArgs {
                    stop_signal: Some("BOGUS".into()),
                    ..ProcessArgs::default()
                },
                "invalid signal: BOGUS",
            ),
            (
                ProcessArgs {
                    group_add: vec!["keep-groups".into(), "1".into()],
                    ..ProcessArgs::default()
                },
                "the '--group-add keep-groups' option is not allowed with any other --group-add options",
            ),
            (
                ProcessArgs {
                    systemd: Some("maybe".into()),
                    ..ProcessArgs::default()
                },
                "--systemd values must be one of \"true, false, always\": invalid configuration",
            ),
        ];
        for (args, message) in cases {
            let error = args.fill(&mut ContainerRequest::default()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
