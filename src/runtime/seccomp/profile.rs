// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Profiles: what `--security-opt seccomp=FILE` names, before capabilities, machine and kernel
//! decide which of its rules hold.
//!
//! The format is that of containers-common and Docker: a runtime spec's `seccomp` object with
//! `archMap`, `includes`, `excludes`, and errors by name. A plain runtime spec object is a profile
//! too. Unknown fields are ignored, as both tools do.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSyscall,
};
use serde::Deserialize;

use super::abi::Machine;
use super::{SeccompError, errno};
use crate::sys::kernel;

/// A profile with its conditions still open.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub(super) default_action: LinuxSeccompAction,
    pub(super) default_errno: Option<u32>,
    pub(super) architectures: Architectures,
    pub(super) flags: Vec<LinuxSeccompFilterFlag>,
    pub(super) listener_path: Option<PathBuf>,
    pub(super) listener_metadata: Option<String>,
    pub(super) rules: Vec<Rule>,
}

/// Which interfaces a profile speaks of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Architectures {
    /// These.
    Listed(Vec<Arch>),
    /// Those of the entry for the machine.
    Mapped(Vec<ArchMapEntry>),
}

/// One machine of an `archMap`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArchMapEntry {
    pub(super) architecture: String,
    pub(super) sub_architectures: Option<Vec<String>>,
}

/// Some calls, what happens to them, and when the rule is part of the filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) names: Vec<String>,
    pub(super) action: LinuxSeccompAction,
    pub(super) errno: Option<u32>,
    pub(super) args: Vec<LinuxSeccompArg>,
    pub(super) includes: Condition,
    pub(super) excludes: Condition,
}

/// What `includes` and `excludes` look at; an empty one says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Condition {
    pub(super) caps: Vec<String>,
    pub(super) arches: Vec<String>,
    pub(super) min_kernel: Option<KernelVersion>,
}

/// What a profile is resolved for, beside capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The machine that the filter runs on.
    pub machine: Machine,
    /// The kernel that runs there.
    pub kernel: KernelVersion,
}

/// The first two numbers of a kernel release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// The 6 of 6.18.
    pub major: u32,
    /// The 18 of 6.18.
    pub minor: u32,
}

impl Host {
    /// The machine and kernel that run this program.
    ///
    /// A kernel whose release cannot be read counts as the newest: only `minKernel` asks.
    pub fn current() -> Self {
        let newest = KernelVersion {
            major: u32::MAX,
            minor: 0,
        };
        Self {
            machine: Machine::NATIVE,
            kernel: KernelVersion::parse(&kernel::release()).unwrap_or(newest),
        }
    }
}

impl KernelVersion {
    /// Reads `4.8`, `6.18.0-rc1` or `5`.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|character: char| !character.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = match release.strip_prefix(&format!("{major}.")) {
            Some(_) => numbers.next()?.parse().ok()?,
            None => 0,
        };
        Some(Self { major, minor })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// [`SeccompError::Json`] for what is no JSON or has a field of the wrong kind; the other
    /// variants for a profile that contradicts itself or names an error that does not exist.
    pub fn parse(json: &str) -> Result<Self, SeccompError> {
        let document = serde_json::from_str::<Document>(json).map_err(SeccompError::Json)?;
        document.into_profile()
    }

    /// Decides every condition: keeps the rules that hold for a container whose bounding set is
    /// `caps` (as `CAP_SYS_ADMIN`) on `host`.
    pub fn resolve(&self, caps: &BTreeSet<String>, host: Host) -> LinuxSeccomp {
        let holds = |rule: &&Rule| {
            rule.includes.all_hold(caps, host) && !rule.excludes.any_holds(caps, host)
        };
        let syscalls = self.rules.iter().filter(holds).map(Rule::to_spec);
        let mut spec = LinuxSeccomp::default();
        spec.set_default_action(self.default_action)
            .set_default_errno_ret(self.default_errno)
            .set_architectures(Some(self.architectures.on(host.machine)))
            .set_flags((!self.flags.is_empty()).then(|| self.flags.clone()))
            .set_listener_path(self.listener_path.clone())
            .set_listener_metadata(self.listener_metadata.clone())
            .set_syscalls(Some(syscalls.collect()));
        spec
    }
}

impl Architectures {
    fn on(&self, machine: Machine) -> Vec<Arch> {
        let native = machine.native_abi().to_spec();
        match self {
            Self::Listed(listed) => listed.clone(),
            Self::Mapped(entries) => {
                let name = native.to_string();
                let entry = entries.iter().find(|entry| entry.architecture == name);
                let sub_architectures = entry.and_then(|entry| entry.sub_architectures.as_ref());
                // A newer interface that this program has no name for is left to the filter's
                // refusal of unlisted ones.
                let known = sub_architectures.into_iter().flatten();
                std::iter::once(native)
                    .chain(known.filter_map(|name| name.parse::<Arch>().ok()))
                    .collect()
            }
        }
    }
}

impl Rule {
    fn to_spec(&self) -> LinuxSyscall {
        let mut spec = LinuxSyscall::default();
        spec.set_names(self.names.clone())
            .set_action(self.action)
            .set_errno_ret(self.errno)
            .set_args((!self.args.is_empty()).then(|| self.args.clone()));
        spec
    }
}

impl Condition {
    fn all_hold(&self, caps: &BTreeSet<String>, host: Host) -> bool {
        self.caps.iter().all(|cap| caps.contains(cap))
            && (self.arches.is_empty() || self.names_machine(host.machine))
            && self.min_kernel.is_none_or(|least| host.kernel >= least)
    }

    fn any_holds(&self, caps: &BTreeSet<String>, host: Host) -> bool {
        self.caps.iter().any(|cap| caps.contains(cap))
            || self.names_machine(host.machine)
            || self.min_kernel.is_some_and(|least| host.kernel >= least)
    }

    fn names_machine(&self, machine: Machine) -> bool {
        let name = machine.profile_name();
        self.arches.iter().any(|arch| arch == name)
    }
}

/// The JSON document as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    default_action: Option<LinuxSeccompAction>,
    default_errno_ret: Option<u32>,
    default_errno: Option<Errno>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<ArchMapEntry>>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    listener_path: Option<PathBuf>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<DocumentRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentRule {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    errno: Option<Errno>,
    args: Option<Vec<LinuxSeccompArg>>,
    includes: Option<DocumentCondition>,
    excludes: Option<DocumentCondition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentCondition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// An error by name, by digits in a string, or by number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Errno {
    Number(u32),
    Text(String),
}

impl Document {
    fn into_profile(self) -> Result<Profile, SeccompError> {
        let rules = self.syscalls.unwrap_or_default();
        let default_action = match self.default_action {
            Some(action) => action,
            // An empty document asks for no filter.
            None if rules.is_empty() => LinuxSeccompAction::ScmpActAllow,
            None => return Err(SeccompError::NoDefaultAction),
        };
        Ok(Profile {
            default_action,
            default_errno: resolve_errno(self.default_errno, self.default_errno_ret)?,
            architectures: architectures(self.architectures, self.arch_map)?,
            flags: self.flags.unwrap_or_default(),
            listener_path: self
                .listener_path
                .filter(|path| !path.as_os_str().is_empty()),
            listener_metadata: self.listener_metadata,
            rules: rules
                .into_iter()
                .map(DocumentRule::into_rule)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl DocumentRule {
    fn into_rule(self) -> Result<Rule, SeccompError> {
        let name = self.name.filter(|name| !name.is_empty());
        let names = self.names.unwrap_or_default();
        let names = match name {
            Some(name) if !names.is_empty() => return Err(SeccompError::NameAndNames { name }),
            Some(name) => vec![name],
            None => names,
        };
        Ok(Rule {
            names,
            action: self.action,
            errno: resolve_errno(self.errno, self.errno_ret)?,
            args: self.args.unwrap_or_default(),
            includes: condition(self.includes)?,
            excludes: condition(self.excludes)?,
        })
    }
}

fn condition(document: Option<DocumentCondition>) -> Result<Condition, SeccompError> {
    let Some(document) = document else {
        return Ok(Condition::default());
    };
    let min_kernel = document.min_kernel.filter(|text| !text.is_empty());
    let min_kernel = min_kernel
        .map(|text| KernelVersion::parse(&text).ok_or(SeccompError::KernelVersion { text }))
        .transpose()?;
    Ok(Condition {
        caps: document.caps.unwrap_or_default(),
        arches: document.arches.unwrap_or_default(),
        min_kernel,
    })
}

/// The name wins over the number beside it, as in containers-common.
fn resolve_errno(named: Option<Errno>, number: Option<u32>) -> Result<Option<u32>, SeccompError> {
    let text = match named {
        Some(Errno::Text(text)) if !text.is_empty() => text,
        Some(Errno::Number(number)) => number.to_string(),
        Some(Errno::Text(_)) | None => return Ok(number),
    };
    match errno::parse(&text) {
        Some(number) => Ok(Some(number)),
        None => Err(SeccompError::UnknownErrno { text }),
    }
}

fn architectures(
    listed: Option<Vec<String>>,
    mapped: Option<Vec<ArchMapEntry>>,
) -> Result<Architectures, SeccompError> {
    let listed = listed.unwrap_or_default();
    let mapped = mapped.unwrap_or_default();
    if !listed.is_empty() && !mapped.is_empty() {
        return Err(SeccompError::ArchitecturesAndArchMap);
    }
    if listed.is_empty() {
        return Ok(Architectures::Mapped(mapped));
    }
    let parse = |name: String| name.parse().or(Err(SeccompError::UnknownArch { name }));
    let listed = listed.into_iter().map(parse);
    Ok(Architectures::Listed(listed.collect::<Result<_, _>>()?))
}
