// SPDX-License-Identifier: Apache-2.0 OR MIT
//! /etc/hosts, /etc/resolv.conf and /etc/hostname of a container, as Podman writes them.
//!
//! The texts are computed from the texts of the host; who reads and writes the files is the
//! engine's matter, but for [`host_resolv_conf`], which knows where a host hides its real one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Whose network a container has, as far as its files are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// The host's: everything that the host reaches is reached.
    Host,
    /// One of its own: the host's loopback interface is elsewhere.
    Own,
}

/// A line of a hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The address as written.
    pub address: String,
    /// At least one.
    pub names: Vec<String>,
}

/// What stands in a container's /etc/hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts<'a> {
    /// `--add-host`, checked; `host-gateway` in place of an address is the host's.
    pub added: Vec<HostEntry>,
    /// The text of the base file: the host's, the image's, or nothing.
    pub base: &'a str,
    /// Where the container finds the host.
    pub host: Option<IpAddr>,
    /// The container's own addresses.
    pub own: Vec<IpAddr>,
    /// The container's own names: hostname and name.
    pub names: Vec<String>,
}

/// What stands in a container's /etc/resolv.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver<'a> {
    /// The text of the host's file.
    pub base: &'a str,
    /// Whose network it is.
    pub namespace: Namespace,
    /// `--dns`: these and no other.
    pub servers: Vec<String>,
    /// Without `--dns`, these before the host's: the resolver of pasta or slirp4netns.
    pub forwarders: Vec<IpAddr>,
    /// Whether the container has IPv6.
    pub ipv6: Ipv6,
    /// `--dns-search` in place of the host's; a dot is none.
    pub searches: Vec<String>,
    /// `--dns-option` in place of the host's.
    pub options: Vec<String>,
}

/// Whether a container reaches IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6 {
    /// It does.
    Reachable,
    /// It does not.
    Unreachable,
}

/// An `--add-host` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// Not of the form NAME:ADDRESS.
    #[error("bad format for add-host: {entry:?}")]
    Format {
        /// As typed.
        entry: String,
    },
    /// An address that is none.
    #[error("invalid IP address in add-host: {address:?}")]
    Address {
        /// As typed.
        address: String,
    },
    /// `host-gateway`, and the container does not reach the host.
    #[error(
        "unable to replace \"host-gateway\" of host entry {entry:?}: \
             host containers internal IP address is empty"
    )]
    NoHost {
        /// As typed.
        entry: String,
    },
}

/// Names of the host, in a container.
const HOST_NAMES: [&str; 2] = ["host.containers.internal", "host.docker.internal"];
/// What stands for the host's address in `--add-host`.
const HOST_GATEWAY: &str = "host-gateway";
/// Who to ask when the host knows only resolvers that a container cannot reach.
const PUBLIC_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];
/// The same by IPv6.
const PUBLIC_SERVERS6: [&str; 2] = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

impl HostEntry {
    /// Reads `--add-host NAME[;NAME…]:ADDRESS`; `host-gateway` is an address too.
    ///
    /// # Errors
    ///
    /// [`HostsError`], which names the entry.
    pub fn parse(entry: &str) -> Result<Self, HostsError> {
        let format = || HostsError::Format {
            entry: entry.to_owned(),
        };
        // Docker also takes NAME=ADDRESS, with brackets around IPv6.
        let (names, address) = entry.split_once([':', '=']).ok_or_else(format)?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let names = names.split(';').map(str::to_owned).collect::<Vec<_>>();
        if address.is_empty() || names.iter().any(String::is_empty) {
            return Err(format());
        }
        if address != HOST_GATEWAY && address.parse::<IpAddr>().is_err() {
            return Err(HostsError::Address {
                address: address.to_owned(),
            });
        }
        Ok(Self {
            address: address.to_owned(),
            names,
        })
    }

    fn new(address: &impl ToString, names: &[impl ToString]) -> Self {
        Self {
            address: address.to_string(),
            names: names.iter().map(ToString::to_string).collect(),
        }
    }

    fn line(&self) -> String {
        format!("{}\t{}\n", self.address, self.names.join(" "))
    }
}

impl Hosts<'_> {
    /// The text of /etc/hosts: added hosts, then the base, then localhost, the host and the
    /// container under those names that are not taken yet.
    ///
    /// # Errors
    ///
    /// [`HostsError::NoHost`] for an added `host-gateway` that does not exist.
    pub fn text(&self) -> Result<String, HostsError> {
        let mut text = String::new();
        let mut taken = BTreeSet::new();
        let added = self.added.iter().map(|entry| self.with_host_address(entry));
        let added = added.collect::<Result<Vec<_>, _>>()?;
        for entry in added.into_iter().chain(hosts_entries(self.base)) {
            text.push_str(&entry.line());
            taken.extend(entry.names);
        }
        for mut entry in self.standard_entries() {
            entry.names.retain(|name| !taken.contains(name));
            if !entry.names.is_empty() {
                text.push_str(&entry.line());
            }
        }
        Ok(text)
    }

    fn with_host_address(&self, entry: &HostEntry) -> Result<HostEntry, HostsError> {
        if entry.address != HOST_GATEWAY {
            return Ok(entry.clone());
        }
        match self.host {
            Some(host) => Ok(HostEntry::new(&host, &entry.names)),
            None => Err(HostsError::NoHost {
                entry: format!("{}:{HOST_GATEWAY}", entry.names.join(";")),
            }),
        }
    }

    fn standard_entries(&self) -> Vec<HostEntry> {
        let mut entries = vec![
            HostEntry::new(&"127.0.0.1", &["localhost"]),
            HostEntry::new(&"::1", &["localhost"]),
        ];
        entries.extend(self.host.map(|host| HostEntry::new(&host, &HOST_NAMES)));
        let own = self
            .own
            .iter()
            .map(|address| HostEntry::new(address, &self.names));
        entries.extend(own.filter(|entry| !entry.names.is_empty()));
        entries
    }
}

/// The entries of a hosts file, without comments.
fn hosts_entries(text: &str) -> impl Iterator<Item = HostEntry> {
    text.lines().filter_map(|line| {
        let mut fields = before_comment(line).split_whitespace();
        let address = fields.next()?;
        let names = fields.map(str::to_owned).collect::<Vec<_>>();
        (!names.is_empty()).then(|| HostEntry {
            address: address.to_owned(),
            names,
        })
    })
}

impl Resolver<'_> {
    /// The text of /etc/resolv.conf.
    pub fn text(&self) -> String {
        let searches = match self.searches.as_slice() {
            [] => words_of(self.base, "search"),
            searches if searches.iter().any(|search| search == ".") => Vec::new(),
            searches => searches.to_vec(),
        };
        let options = match self.options.as_slice() {
            [] => words_of(self.base, "options"),
            options => options.to_vec(),
        };
        let search = (!searches.is_empty()).then(|| format!("search {}\n", searches.join(" ")));
        let servers = self.nameservers().into_iter();
        let servers = servers.map(|server| format!("nameserver {server}\n"));
        let options = (!options.is_empty()).then(|| format!("options {}\n", options.join(" ")));
        search.into_iter().chain(servers).chain(options).collect()
    }

    fn nameservers(&self) -> Vec<String> {
        if !self.servers.is_empty() {
            return self.servers.clone();
        }
        let forwarders = self.forwarders.iter().map(ToString::to_string);
        let hosts = nameservers(self.base).filter(|server| self.reaches(server));
        let servers = forwarders.chain(hosts).collect::<Vec<_>>();
        if !servers.is_empty() || self.namespace == Namespace::Host {
            return servers;
        }
        let public6 = match self.ipv6 {
            Ipv6::Reachable => PUBLIC_SERVERS6.as_slice(),
            Ipv6::Unreachable => &[],
        };
        let public = PUBLIC_SERVERS.iter().chain(public6);
        public.map(|server| (*server).to_owned()).collect()
    }

    /// Whether one of the host's resolvers can be reached from the container.
    fn reaches(&self, server: &str) -> bool {
        if self.namespace == Namespace::Host {
            return true;
        }
        // The zone of a link-local address names an interface of the host.
        match server.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => !address.is_loopback(),
            Ok(IpAddr::V6(address)) => !address.is_loopback() && self.ipv6 == Ipv6::Reachable,
            Err(_) => false,
        }
    }
}

/// The resolvers in a resolv.conf.
fn nameservers(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(before_comment);
    lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let server = fields
            .next()
            .filter(|word| *word == "nameserver")
            .and(fields.next())?;
        Some(server.to_owned())
    })
}

/// The words behind `keyword` on the last line that begins with it.
fn words_of(text: &str, keyword: &str) -> Vec<String> {
    let lines = text.lines().map(before_comment);
    let mut lines = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.next() == Some(keyword)).then_some(fields)
    });
    let words = lines.by_ref().last().into_iter().flatten();
    words.map(str::to_owned).collect()
}

fn before_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// The text of /etc/hostname.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// The text of the host's resolv.conf that a container of that kind can use: where the host's own
/// asks a resolver on the loopback interface alone, the one that this resolver was made from.
///
/// # Errors
///
/// What reading says, but a file that does not exist is an empty one.
pub fn host_resolv_conf(namespace: Namespace) -> io::Result<String> {
    let text = read_if_there(Path::new("/etc/resolv.conf"))?;
    let real = match namespace {
        Namespace::Host => None,
        Namespace::Own => resolv_conf_behind(&text),
    };
    match real {
        Some(path) if path.exists() => read_if_there(path),
        _ => Ok(text),
    }
}

/// Where the resolvers behind a single local one are written down.
fn resolv_conf_behind(text: &str) -> Option<&'static Path> {
    match nameservers(text).collect::<Vec<_>>().as_slice() {
        [server] if server == "127.0.0.53" => Some(Path::new("/run/systemd/resolve/resolv.conf")),
        [server] if server == "127.0.0.1" => {
            Some(Path::new("/run/NetworkManager/no-stub-resolv.conf"))
        }
        _ => None,
    }
}

fn read_if_there(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn added_hosts() {
        let entry = |address: &str, names: &[&str]| Ok(HostEntry::new(&address, names));
        let cases = [
            ("db:10.0.0.5", entry("10.0.0.5", &["db"])),
            ("a;b:fd00::5", entry("fd00::5", &["a", "b"])),
            ("a=[fd00::5]", entry("fd00::5", &["a"])),
            ("up:host-gateway", entry("host-gateway", &["up"])),
            ("db", Err("bad format for add-host: \"db\"")),
            (":1.2.3.4", Err("bad format for add-host: \":1.2.3.4\"")),
            ("a;:1.2.3.4", Err("bad format for add-host: \"a;:1.2.3.4\"")),
            ("db:", Err("bad format for add-host: \"db:\"")),
            ("db:x", Err("invalid IP address in add-host: \"x\"")),
        ];
        for (text, expected) in cases {
            let parsed = HostEntry::parse(text).map_err(|error| error.to_string());
            assert_eq!(parsed, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn hosts_of_a_container() {
        let hosts = Hosts {
            added: vec![
                HostEntry::parse("db:10.0.0.5").unwrap(),
                HostEntry::parse("up:host-gateway").unwrap(),
            ],
            base: "# the host\n127.0.0.1 localhost\n::1 localhost ip6-localhost # v6\n\n10.1.1.1\n\
                   192.0.2.9\tprinter host.docker.internal\n",
            host: Some(address("169.254.1.2")),
            own: vec![address("10.0.2.100")],
            names: texts(&["box", "web"]),
        };
        insta::assert_snapshot!(hosts.text().unwrap(), @r"
        10.0.0.5	db
        169.254.1.2	up
        127.0.0.1	localhost
        ::1	localhost ip6-localhost
        192.0.2.9	printer host.docker.internal
        169.254.1.2	host.containers.internal
        10.0.2.100	box web
        ");
    }

    #[test]
    fn hosts_without_a_base() {
        let mut hosts = Hosts {
            own: vec![address("127.0.0.1")],
            names: texts(&["box"]),
            ..Hosts::default()
        };
        assert_eq!(
            hosts.text().unwrap(),
            "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.0.1\tbox\n"
        );
        hosts.added = vec![HostEntry::parse("up;top:host-gateway").unwrap()];
        assert_eq!(
            hosts.text().unwrap_err().to_string(),
            "unable to replace \"host-gateway\" of host entry \"up;top:host-gateway\": host \
             containers internal IP address is empty"
        );
    }

    const HOST: &str = "# made by hand\nsearch old.example\nsearch a.example b.example\n\
                        nameserver 127.0.0.53\nnameserver 192.0.2.53 # near\nnameserver fd00::53\n\
                        nameserver fe80::1%eth0\noptions ndots:2 edns0\n";

    fn resolver(base: &str, namespace: Namespace) -> Resolver<'_> {
        Resolver {
            base,
            namespace,
            servers: vec![],
            forwarders: vec![],
            ipv6: Ipv6::Unreachable,
            searches: vec![],
            options: vec![],
        }
    }

    #[test]
    fn resolvers_of_a_container() {
        let own = resolver(HOST, Namespace::Own);
        insta::assert_snapshot!(own.text(), @r"
        search a.example b.example
        nameserver 192.0.2.53
        options ndots:2 edns0
        ");
        let pasta = Resolver {
            forwarders: vec![address("169.254.1.1")],
            ipv6: Ipv6::Reachable,
            ..own.clone()
        };
        insta::assert_snapshot!(pasta.text(), @r"
        search a.example b.example
        nameserver 169.254.1.1
        nameserver 192.0.2.53
        nameserver fd00::53
        options ndots:2 edns0
        ");
        insta::assert_snapshot!(resolver(HOST, Namespace::Host).text(), @r"
        search a.example b.example
        nameserver 127.0.0.53
        nameserver 192.0.2.53
        nameserver fd00::53
        nameserver fe80::1%eth0
        options ndots:2 edns0
        ");
        let asked = Resolver {
            servers: texts(&["9.9.9.9"]),
            searches: texts(&["."]),
            options: texts(&["debug"]),
            ..pasta
        };
        insta::assert_snapshot!(asked.text(), @r"
        nameserver 9.9.9.9
        options debug
        ");
    }

    #[test]
    fn only_local_resolvers() {
        let local = "nameserver 127.0.0.53\n";
        let mut own = resolver(local, Namespace::Own);
        assert_eq!(own.text(), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
        own.ipv6 = Ipv6::Reachable;
        assert_eq!(own.text().lines().count(), 4);
        own.forwarders = vec![address("10.0.2.3")];
        assert_eq!(
            own.text(),
            "nameserver 10.0.2.3\n",
            "the forwarder asks the host's"
        );
        assert_eq!(resolver(local, Namespace::Host).text(), local);
        assert_eq!(resolver("", Namespace::Host).text(), "");
    }

    #[test]
    fn the_file_behind_a_local_resolver() {
        let cases = [
            (
                "nameserver 127.0.0.53",
                Some("/run/systemd/resolve/resolv.conf"),
            ),
            (
                "nameserver 127.0.0.1",
                Some("/run/NetworkManager/no-stub-resolv.conf"),
            ),
            ("nameserver 127.0.0.53\nnameserver 192.0.2.1", None),
            ("nameserver 192.0.2.1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(resolv_conf_behind(text), expected.map(Path::new), "{text}");
        }
    }
}
