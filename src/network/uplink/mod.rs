// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Outbound traffic by a program beside the container: pasta or slirp4netns.
//!
//! [`choose`] finds one, [`start`] starts it for a namespace, [`Starting::ready`] waits until the
//! interface is there. The program is a child of the process that starts it, meant to be the
//! container's monitor, which kills it when the container ends. Should the monitor die first,
//! slirp4netns ends with its exit descriptor, and the kernel kills pasta, unless the container's
//! root is another user than the caller: then a newer pasta sees that the namespace's path is gone,
//! and an older one stays until a later command finds it in the container's state.

mod forwarding;
pub mod pasta;
mod program;
pub mod slirp4netns;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::sys::SysError;

pub use forwarding::{ForwardError, Forwards};
pub use program::{Starting, Uplink, start};

/// A program that carries a container's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// pasta, of passt.
    Pasta,
    /// slirp4netns.
    Slirp4netns,
}

impl Kind {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Pasta, Self::Slirp4netns];

    /// The package that holds it.
    pub const fn package(self) -> &'static str {
        match self {
            Self::Pasta => "passt",
            Self::Slirp4netns => "slirp4netns",
        }
    }

    /// The program's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which namespace is connected. The program joins it by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The user namespace that owns the network namespace, unless the caller is in it.
    pub userns: Option<PathBuf>,
    /// The network namespace.
    pub netns: PathBuf,
}

impl Target {
    /// The namespaces of the process `pid`, as seen from the caller.
    pub fn of_process(pid: i32) -> Self {
        Self {
            userns: Some(PathBuf::from(format!("/proc/{pid}/ns/user"))),
            netns: PathBuf::from(format!("/proc/{pid}/ns/net")),
        }
    }
}

/// What a program is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Words for pasta: `pasta_options` of containers.conf, then those of `--network pasta:…`.
    Pasta(Vec<String>),
    /// Options of slirp4netns.
    Slirp4netns(slirp4netns::Options),
}

impl Request {
    /// Which program it is for.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Pasta(_) => Kind::Pasta,
            Self::Slirp4netns(_) => Kind::Slirp4netns,
        }
    }
}

/// Where and what to look for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Directories, in order: `helper_binaries_dir` of containers.conf, then `$PATH`.
    pub directories: &'a [PathBuf],
    /// Programs, the preferred one first.
    pub kinds: &'a [Kind],
    /// The device that both need.
    pub tun: &'a Path,
}

/// Where the tun device is.
pub const TUN: &str = "/dev/net/tun";

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Which one.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
}

/// Why there is no way out to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// None of these programs is installed.
    NotInstalled(Vec<Kind>),
    /// There is no tun device.
    NoTun(PathBuf),
    /// The tun device does not open.
    TunRefused(PathBuf, String),
}

/// No program can connect a container, for these reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NoUplink {
    /// At least one.
    pub reasons: Vec<Reason>,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled(kinds) => {
                let names = kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
                let verb = if names.len() == 1 { "is" } else { "are" };
                let packages = kinds.iter().map(|kind| kind.package()).collect::<Vec<_>>();
                write!(
                    formatter,
                    "{} {verb} not installed (package {})",
                    names.join(" and "),
                    packages.join(" or ")
                )
            }
            Self::NoTun(path) => {
                let path = path.display();
                write!(formatter, "{path} does not exist (as root: modprobe tun)")
            }
            Self::TunRefused(path, why) => {
                let path = path.display();
                write!(
                    formatter,
                    "{path} cannot be opened: {why} (as root: chmod 666 {path})"
                )
            }
        }
    }
}

impl fmt::Display for NoUplink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.reasons.iter().map(ToString::to_string);
        formatter.write_str(&reasons.collect::<Vec<_>>().join("; "))
    }
}

/// Finds the first program that is installed and has the device it needs.
///
/// # Errors
///
/// [`NoUplink`] with every reason, so that one look mends all.
pub fn choose(search: &Search<'_>) -> Result<Program, NoUplink> {
    let found = search
        .kinds
        .iter()
        .find_map(|kind| find(*kind, search.directories));
    let tun = tun_obstacle(search.tun);
    match (found, tun) {
        (Some(program), None) => Ok(program),
        (found, tun) => {
            let missing = found
                .is_none()
                .then(|| Reason::NotInstalled(search.kinds.to_vec()));
            let reasons = missing.into_iter().chain(tun).collect();
            Err(NoUplink { reasons })
        }
    }
}

fn find(kind: Kind, directories: &[PathBuf]) -> Option<Program> {
    use nix::unistd::{AccessFlags, access};

    let paths = directories
        .iter()
        .map(|directory| directory.join(kind.name()));
    let mut executable =
        paths.filter(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok());
    executable.next().map(|path| Program { kind, path })
}

fn tun_obstacle(tun: &Path) -> Option<Reason> {
    match OpenOptions::new().read(true).write(true).open(tun) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(Reason::NoTun(tun.to_owned()))
        }
        Err(error) => {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or_default());
            Some(Reason::TunRefused(tun.to_owned(), errno.desc().to_owned()))
        }
    }
}

/// A program that did not connect the container.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// Its pipes or it itself could not be made.
    #[error("start {kind} for the container's network")]
    Start {
        /// The program.
        kind: Kind,
        /// What the kernel said.
        source: SysError,
    },
    /// It ended before the network was there.
    #[error("{kind} failed with {}: {}", ending(*status), said(output))]
    Ended {
        /// The program.
        kind: Kind,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// It was not done in time; it was killed.
    #[error(
        "{kind} did not connect the container within {timeout:?}: {}",
        said(output)
    )]
    TimedOut {
        /// The program.
        kind: Kind,
        /// How long it had.
        timeout: Duration,
        /// What it wrote.
        output: String,
    },
    /// It does not publish a port.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Watching it failed.
    #[error("wait for {kind} to connect the container")]
    Wait {
        /// The program.
        kind: Kind,
        /// What the kernel said.
        source: SysError,
    },
}

/// How a program ended, in podman's words.
fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// What a program said of its failure, in one line: neither its greetings nor its help.
fn said(output: &str) -> String {
    const GREETINGS: [&str; 6] = [
        "WARNING: Support for",
        "Failed to send",
        "Starting slirp",
        "* ",
        "sent tapfd",
        "received tapfd",
    ];
    let lines = output.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.starts_with("Usage:"));
    let telling = lines.filter(|line| {
        !line.is_empty() && !GREETINGS.iter().any(|greeting| line.starts_with(greeting))
    });
    let telling = telling.take(3).collect::<Vec<_>>();
    match telling.as_slice() {
        [] => "it said nothing".to_owned(),
        lines => lines.join("; "),
    }
}
