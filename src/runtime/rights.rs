// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The last steps before a program runs: ids, capabilities, no_new_privs, the system call filter.
//! One order for `run` and for `exec`, because a step out of place is a hole.

use std::collections::HashSet;

use std::os::fd::OwnedFd;

use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use oci_spec::runtime::{Capabilities, Process};

use super::capability::{self, Sets};
use super::failure::StageFailure;
use super::idmap::{is_mapped, parse_map};
use super::launch::{Filter, GroupPolicy, Listener};
use super::user::Identity;
use crate::sys::caps;
use crate::sys::process::{Resource, rlimit, set_rlimit};
use crate::sys::seccomp::{load_filter, load_filter_with_listener};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// What a program may do.
#[derive(Debug)]
pub struct Rights<'l> {
    /// Who it is.
    pub identity: &'l Identity,
    /// Whether its groups can be set.
    pub groups: GroupPolicy,
    /// Its capabilities.
    pub sets: Sets,
    /// Whether exec can never give more (prctl(2), PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// The filter.
    pub seccomp: &'l Filter,
}

/// The sets of the spec's process, as masks.
pub fn sets_of(process: &Process) -> Sets {
    let Some(wanted) = process.capabilities() else {
        return Sets::default();
    };
    let mask_of = |set: &Option<Capabilities>| {
        let names: HashSet<String> = set
            .iter()
            .flatten()
            .map(|capability| format!("CAP_{capability}"))
            .collect();
        capability::mask(names.iter().map(String::as_str))
    };
    let bounding = mask_of(wanted.bounding());
    Sets {
        bounding,
        effective: mask_of(wanted.effective()) & bounding,
        permitted: mask_of(wanted.permitted()) & bounding,
        inheritable: mask_of(wanted.inheritable()) & bounding,
        ambient: mask_of(wanted.ambient()) & bounding,
    }
}

/// Takes the rights, in the one safe order. Nothing of it may fail quietly. `ready` runs as the
/// program's user before the filter is there: a filter is written for the program, and may forbid
/// calls that finding it takes. A filter that asks somebody is loaded through `asked`, which is
/// given the descriptor for the answers.
///
/// # Errors
///
/// The step that failed; what `ready` said.
pub fn take<T>(
    rights: &Rights<'_>,
    ready: impl FnOnce() -> Result<T, StageFailure>,
    asked: &mut dyn FnMut(OwnedFd) -> SysResult<()>,
) -> Result<T, StageFailure> {
    let step = |done: SysResult<()>| {
        done.map_err(|error| StageFailure::setup(format!("take the rights: {error}")))
    };
    step(become_user_of(rights))?;
    if rights.no_new_privileges {
        step(capability::apply(&rights.sets))?;
        step(prctl::set_no_new_privs().called(|| "prctl(PR_SET_NO_NEW_PRIVS)"))?;
        let made = ready()?;
        step(load(rights.seccomp, asked))?;
        return Ok(made);
    }
    step(keep_for_filter(rights))?;
    let made = ready()?;
    step(load(rights.seccomp, asked))?;
    step(capability::apply(&rights.sets))?;
    Ok(made)
}

/// A filter without no_new_privs needs CAP_SYS_ADMIN, whoever the program's user is; all else that
/// is effective from here on is what the program will have.
fn keep_for_filter(rights: &Rights<'_>) -> SysResult<()> {
    if rights.seccomp.program.is_empty() {
        return Ok(());
    }
    let permitted = caps::permitted()?;
    let wanted = rights.sets.effective | capability::mask(["CAP_SYS_ADMIN"]);
    caps::set(wanted & permitted, permitted, 0)
}

fn load(filter: &Filter, asked: &mut dyn FnMut(OwnedFd) -> SysResult<()>) -> SysResult<()> {
    match filter {
        Filter { program, .. } if program.is_empty() => Ok(()),
        Filter {
            program,
            flags,
            listener: Listener::Nobody,
        } => load_filter(program, *flags),
        Filter {
            program,
            flags,
            listener: Listener::Wanted,
        } => asked(load_filter_with_listener(program, *flags)?),
    }
}

fn become_user_of(rights: &Rights<'_>) -> SysResult<()> {
    capability::limit_bounding(rights.sets.bounding)?;
    prctl::set_keepcaps(true).called(|| "prctl(PR_SET_KEEPCAPS)")?;
    become_user(rights.identity, rights.groups)?;
    prctl::set_keepcaps(false).called(|| "prctl(PR_SET_KEEPCAPS)")
}

fn become_user(identity: &Identity, groups: GroupPolicy) -> SysResult<()> {
    if groups == GroupPolicy::Settable {
        let set = |groups: &[u32]| {
            let list: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
            setgroups(&list)
        };
        // A small map has not every group that the image's database names.
        let done = set(&identity.groups).or_else(|_| set(&mapped(&identity.groups)));
        done.called(|| format!("setgroups({:?})", identity.groups))?;
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setresgid(gid, gid, gid).called(|| format!("setresgid({gid})"))?;
    setresuid(uid, uid, uid).called(|| format!("setresuid({uid})"))
}

fn mapped(groups: &[u32]) -> Vec<u32> {
    let map = std::fs::read_to_string("/proc/self/gid_map").unwrap_or_default();
    let map = parse_map(&map);
    let known = groups.iter().filter(|gid| is_mapped(&map, **gid));
    known.copied().collect()
}

/// A limit on open files that is lower than what this program itself needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FewerFiles(u64, u64);

impl FewerFiles {
    /// Sets it; no file may have to be opened after this.
    ///
    /// # Errors
    ///
    /// prlimit(2)'s.
    pub fn apply(self) -> Result<(), StageFailure> {
        set_rlimit(libc::RLIMIT_NOFILE, self.0, self.1)
            .map_err(|error| refused_limit("RLIMIT_NOFILE", &error))
    }
}

/// What becomes of a limit above the hard limit that this user cannot pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It was asked for and cannot be had: the start fails.
    Refuse,
    /// The program gets as much as there is.
    Clamp,
}

/// Raises the hard limits of this process where the spec asks for more: below a user namespace
/// nobody can. Who may not is told when the program's own limits are set.
pub fn raise_limits(process: &Process) {
    for limit in process.rlimits().iter().flatten() {
        let Some(resource) = resource_number(&limit.typ().to_string()) else {
            continue;
        };
        let now = rlimit(resource);
        if let Ok((soft, hard)) = now
            && hard < limit.hard()
        {
            set_rlimit(resource, soft, limit.hard()).ignored();
        }
    }
}

/// Sets the resource limits of the spec. A limit
/// on open files that is below the present one is left to the caller: the working directory and
/// the program have to be opened first.
///
/// # Errors
///
/// prlimit(2)'s.
pub fn limit_resources(
    process: &Process,
    excess: Excess,
) -> Result<Option<FewerFiles>, StageFailure> {
    let mut fewer_files = None;
    for limit in process.rlimits().iter().flatten() {
        let name = limit.typ().to_string();
        let Some(resource) = resource_number(&name) else {
            continue;
        };
        let (now, ceiling) =
            rlimit(resource).map_err(|error| StageFailure::setup(error.to_string()))?;
        let (soft, hard) = match excess {
            Excess::Refuse if limit.hard() > ceiling => return Err(above(&name, ceiling)),
            Excess::Refuse | Excess::Clamp => {
                (limit.soft().min(ceiling), limit.hard().min(ceiling))
            }
        };
        if resource == libc::RLIMIT_NOFILE && soft < now {
            fewer_files = Some(FewerFiles(soft, hard));
            continue;
        }
        set_rlimit(resource, soft, hard).map_err(|error| refused_limit(&name, &error))?;
    }
    Ok(fewer_files)
}

/// In the words and with the code of Podman's runtime.
fn above(name: &str, ceiling: u64) -> StageFailure {
    let message = format!(
        "setrlimit `{name}`: Operation not permitted: OCI permission denied: the hard limit here \
         is {ceiling}"
    );
    StageFailure::with_code(126, message)
}

fn refused_limit(name: &str, error: &SysError) -> StageFailure {
    StageFailure::setup(format!("set the limit {name}: {error}"))
}

fn resource_number(name: &str) -> Option<Resource> {
    let order = [
        "RLIMIT_CPU",
        "RLIMIT_FSIZE",
        "RLIMIT_DATA",
        "RLIMIT_STACK",
        "RLIMIT_CORE",
        "RLIMIT_RSS",
        "RLIMIT_NPROC",
        "RLIMIT_NOFILE",
        "RLIMIT_MEMLOCK",
        "RLIMIT_AS",
        "RLIMIT_LOCKS",
        "RLIMIT_SIGPENDING",
        "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE",
        "RLIMIT_RTPRIO",
        "RLIMIT_RTTIME",
    ];
    order
        .iter()
        .position(|each| *each == name)
        .and_then(|at| Resource::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_the_kernels_numbers() {
        assert_eq!(resource_number("RLIMIT_NOFILE"), Some(7));
        assert_eq!(resource_number("RLIMIT_RTTIME"), Some(15));
        assert_eq!(resource_number("RLIMIT_NONE"), None);
    }
}
