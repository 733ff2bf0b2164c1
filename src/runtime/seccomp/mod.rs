// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System call filters: profiles, the default one, and a compiler from profiles to BPF.
//!
//! Two steps, both pure: a [`Profile`] is resolved for a container's bounding capabilities, a
//! machine and a kernel, which gives the `seccomp` object of a runtime spec; [`compile`] makes a
//! program of that. The default profile's programs for the usual capabilities are compiled
//! already: [`default_filter`] just hands them out. Loading one is `sys::seccomp`'s work.

mod abi;
mod assembler;
mod compiler;
mod default_filter;
mod default_profile;
mod errno;
mod policy;
mod profile;
mod search_tree;
mod syscalls;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};

pub use abi::Machine;
pub use compiler::compile;
pub use default_profile::default_profile;
pub use profile::{Host, KernelVersion, Profile};

pub use crate::sys::seccomp::{FilterFlags, Instruction};

/// A profile or a spec that cannot be made into a filter.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// No JSON, or a field of another kind than expected.
    #[error("the seccomp profile does not have the expected form: {0}")]
    Json(#[source] serde_json::Error),
    /// Rules, but nothing for the calls that they do not name.
    #[error("the seccomp profile has rules and no defaultAction")]
    NoDefaultAction,
    /// Two ways to say which interfaces are meant.
    #[error("the seccomp profile has both architectures and archMap, which exclude each other")]
    ArchitecturesAndArchMap,
    /// An architecture that no runtime spec knows.
    #[error("the seccomp profile lists an unknown architecture {name:?}")]
    UnknownArch {
        /// The name as written.
        name: String,
    },
    /// Two ways to name calls in one rule.
    #[error("a rule of the seccomp profile has both name {name:?} and names")]
    NameAndNames {
        /// The single name.
        name: String,
    },
    /// An error that does not exist.
    #[error("the seccomp profile names an unknown error {text:?}")]
    UnknownErrno {
        /// The name or number as written.
        text: String,
    },
    /// A `minKernel` that is no release.
    #[error("the seccomp profile names a kernel release {text:?}, which is not like 4.8")]
    KernelVersion {
        /// The release as written.
        text: String,
    },
    /// An argument beyond the sixth.
    #[error("the seccomp rule for {name} looks at argument {index}; the last one is 5")]
    ArgumentIndex {
        /// The first call of the rule.
        name: String,
        /// The argument it asks for.
        index: usize,
    },
    /// An error number that cannot be returned.
    #[error("the seccomp rule for {subject} returns {errno}; the largest number is {limit}")]
    ErrnoTooLarge {
        /// The first call of the rule, or the default action.
        subject: String,
        /// The number it asks for.
        errno: u32,
        /// The largest that the action can carry.
        limit: u32,
    },
    /// More than the kernel takes.
    #[error("the seccomp profile needs {instructions} instructions; the kernel takes 4096")]
    TooLong {
        /// How many the program has.
        instructions: usize,
    },
}

/// The default profile's filter for a container whose bounding set is `caps` (as
/// `CAP_SYS_CHROOT`).
///
/// Free for the sets that Podman and Docker give by default, for none and for all; compiled on the
/// spot for others.
pub fn default_filter(caps: &BTreeSet<String>) -> Cow<'static, [Instruction]> {
    let prebuilt = default_filter::for_machine(Machine::NATIVE);
    let found = prebuilt.iter().find(|(held, _)| {
        default_profile::capabilities_that_matter()
            .all(|cap| caps.contains(cap) == held.contains(&cap))
    });
    if let Some((_, filter)) = found {
        return Cow::Borrowed(filter);
    }
    let spec = default_profile().resolve(caps, Host::current());
    Cow::Owned(compile(&spec).expect("the tests compile every rule of the default profile"))
}

/// How a spec wants its filter loaded.
pub fn load_flags(spec: &LinuxSeccomp) -> FilterFlags {
    let flags = spec.flags().iter().flatten();
    flags.fold(FilterFlags::NONE, |flags, flag| {
        flags.union(match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => FilterFlags::LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => FilterFlags::TSYNC,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => FilterFlags::SPEC_ALLOW,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                FilterFlags::WAIT_KILLABLE_RECV
            }
        })
    })
}

/// Whether a spec's filter asks a listener about some calls, so that it must be loaded with one.
pub fn wants_listener(spec: &LinuxSeccomp) -> bool {
    let actions = spec.syscalls().iter().flatten();
    actions
        .map(oci_spec::runtime::LinuxSyscall::action)
        .chain(std::iter::once(spec.default_action()))
        .any(|action| action == LinuxSeccompAction::ScmpActNotify)
}
