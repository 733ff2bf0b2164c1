// SPDX-License-Identifier: Apache-2.0 OR MIT
//! pasta: its command line, as Podman gives it.
//!
//! It stays in the foreground, a child of the caller, and writes its process id, once the
//! interface is configured, to the file that `--pid` names: here its own standard output, a pipe.
//! Newer ones end when the namespace's path is gone; that of 2023 does not see it below /proc.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::Target;
use crate::network::addresses::HOST;

/// Where the container finds a resolver: pasta hands what arrives there to the host's.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

const DNS_FORWARD: &str = "--dns-forward";
const MAP_GUEST_ADDR: &str = "--map-guest-addr";

/// pasta's command line for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    arguments: Vec<OsString>,
    /// A file for its process id, that the user asked for. pasta takes one alone, and we have it.
    pub pid_file: Option<PathBuf>,
    /// Where names are resolved.
    pub resolvers: Vec<IpAddr>,
    /// Where the host is; none if pasta cannot say.
    pub host: Option<IpAddr>,
    optional: Vec<Optional>,
}

/// Words that older ones lack and that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Optional {
    /// The host at an address of its own (since August 2024).
    MapGuestAddr,
}

impl Plan {
    /// Plans for `target`, with the user's words (`pasta_options` of containers.conf, then those
    /// of `--network pasta:…`).
    pub fn new(words: &[String], target: &Target) -> Self {
        let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
        let mut arguments = vec!["--config-net".into(), "--foreground".into()];
        let mut pid_file = None;
        let mut given = words.iter();
        while let Some(word) = given.next() {
            match word.as_str() {
                // Podman's word for leaving out `--no-map-gw`.
                "--map-gw" => {}
                "-P" | "--pid" => pid_file = given.next().map(PathBuf::from),
                _ => arguments.push(word.into()),
            }
        }
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        let mut resolvers = addresses_after(words, DNS_FORWARD);
        if resolvers.is_empty() {
            add(&[DNS_FORWARD, &RESOLVER.to_string()]);
            resolvers.push(RESOLVER.into());
        }
        for (short, long) in PORTS {
            if !has(&[short, long]) {
                add(&[short, "none"]);
            }
        }
        if !has(&["--map-gw"]) {
            add(&["--no-map-gw"]);
        }
        if !has(&["-d", "--debug", "--trace"]) {
            add(&["--quiet"]);
        }
        let host = addresses_after(words, MAP_GUEST_ADDR).first().copied();
        let optional = match host {
            Some(_) => vec![],
            None => vec![Optional::MapGuestAddr],
        };
        arguments.extend(namespaces(target));
        Self {
            arguments,
            pid_file,
            resolvers,
            host: host.or(Some(HOST.into())),
            optional,
        }
    }

    /// The command line, after the program's name.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = self.arguments.clone();
        for optional in &self.optional {
            match optional {
                Optional::MapGuestAddr => {
                    arguments.extend([MAP_GUEST_ADDR.into(), HOST.to_string().into()]);
                }
            }
        }
        arguments
    }

    /// The same plan for a pasta that has just said that it does not know a word of it; none if
    /// it said something else, or if the word is the user's.
    pub fn without_unknown_word(&self, complaint: &str) -> Option<Self> {
        let mut plan = self.clone();
        let unknown = format!("unrecognized option '{MAP_GUEST_ADDR}'");
        plan.optional.retain(|optional| match optional {
            Optional::MapGuestAddr => !complaint.contains(&unknown),
        });
        if plan.optional.len() == self.optional.len() {
            return None;
        }
        plan.host = None;
        Some(plan)
    }
}

/// Root's pasta would become `nobody` first, who may not enter the container's namespaces. It
/// gives up root's capabilities and its view of the files either way.
pub fn stay_root(words: &mut Vec<String>) {
    if !words.iter().any(|word| word == "--runas") {
        words.extend(["--runas", "0"].map(str::to_owned));
    }
}

/// Ports from and to the namespace: each kind is off unless asked for.
const PORTS: [(&str, &str); 4] = [
    ("-t", "--tcp-ports"),
    ("-u", "--udp-ports"),
    ("-T", "--tcp-ns"),
    ("-U", "--udp-ns"),
];

fn addresses_after(words: &[String], option: &str) -> Vec<IpAddr> {
    let pairs = words.windows(2).filter(|pair| pair[0] == option);
    pairs.filter_map(|pair| pair[1].parse().ok()).collect()
}

fn namespaces(target: &Target) -> Vec<OsString> {
    let mut arguments = vec!["--pid".into(), "/proc/self/fd/1".into()];
    if let Some(userns) = &target.userns {
        arguments.extend(["--userns".into(), userns.clone().into_os_string()]);
    }
    arguments.extend(["--netns".into(), target.netns.clone().into_os_string()]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str], target: &Target) -> Plan {
        let words = words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>();
        Plan::new(&words, target)
    }

    fn line(plan: &Plan) -> String {
        let arguments = plan.arguments();
        arguments
            .join(&OsString::from(" "))
            .into_string()
            .expect("text")
    }

    #[test]
    fn command_lines() {
        let target = Target::of_process(42);
        insta::assert_snapshot!(line(&plan(&[], &target)), @"--config-net --foreground --dns-forward 169.254.1.1 -t none -u none -T none -U none --no-map-gw --quiet --pid /proc/self/fd/1 --userns /proc/42/ns/user --netns /proc/42/ns/net --map-guest-addr 169.254.1.2");
        let words = [
            "--map-gw",
            "--pid",
            "/tmp/pid",
            "-t",
            "8080:80",
            "--trace",
            "--dns-forward",
            "192.0.2.1",
        ];
        let target = Target {
            userns: None,
            netns: "/run/netns/a".into(),
        };
        insta::assert_snapshot!(line(&plan(&words, &target)), @"--config-net --foreground -t 8080:80 --trace --dns-forward 192.0.2.1 -u none -T none -U none --pid /proc/self/fd/1 --netns /run/netns/a --map-guest-addr 169.254.1.2");
    }

    #[test]
    fn root_stays_root_unless_told_otherwise() {
        let mut words = vec![];
        stay_root(&mut words);
        stay_root(&mut words);
        assert_eq!(words, ["--runas", "0"]);
    }

    #[test]
    fn addresses() {
        let target = Target::of_process(42);
        let usual = plan(&[], &target);
        assert_eq!(usual.resolvers, [IpAddr::from(RESOLVER)]);
        assert_eq!(usual.host, Some(HOST.into()));
        let words = [
            "--map-guest-addr",
            "192.0.2.7",
            "--dns-forward",
            "192.0.2.1",
        ];
        let asked = plan(&words, &target);
        assert_eq!(asked.resolvers, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(asked.host, Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn older_ones_are_asked_for_less() {
        let target = Target::of_process(42);
        let complaint = "pasta: unrecognized option '--map-guest-addr'\nUsage: pasta";
        let usual = plan(&[], &target);
        let less = usual
            .without_unknown_word(complaint)
            .expect("can do without");
        assert_eq!(less.host, None);
        assert!(!line(&less).contains(MAP_GUEST_ADDR));
        assert_eq!(
            less.without_unknown_word(complaint),
            None,
            "nothing more to leave out"
        );
        assert_eq!(
            usual.without_unknown_word("Couldn't open user namespace"),
            None
        );
        let asked = plan(&["--map-guest-addr", "192.0.2.7"], &target);
        assert_eq!(
            asked.without_unknown_word(complaint),
            None,
            "the user wants it"
        );
    }
}
