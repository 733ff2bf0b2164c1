// SPDX-License-Identifier: Apache-2.0 OR MIT
//! User namespaces and what lives in them: id ranges, the setuid helpers, the kernel's overlay.
//! A child process enters the very namespace that containers get, and tries.

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::{Caller, Feature, Finding, Lack};
use crate::runtime::apart::run_mapped;
use crate::runtime::failure::chain;
use crate::runtime::helpers::find_helper;
use crate::runtime::idmap::Reach;
use crate::runtime::subid::{holder_map, parse_ranges};
use crate::runtime::userns::UsernsError;
use crate::state::dirs::Dirs;
use crate::sys::xattr;

/// What trying in a namespace found.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) user_namespaces: Finding,
    pub(super) overlay: Finding,
}

/// What the child in the namespace answers: which step failed, and how.
const ALL_WELL: u8 = 0;
const NO_RIGHTS: u8 = 1;
const NO_OVERLAY: u8 = 2;

/// Makes a namespace as containers get it, and mounts an overlay in `scratch`.
pub(super) fn examine(dirs: &Dirs, scratch: Option<&Path>) -> Tried {
    let map = holder_map();
    // A refused run root is told by its own row, and costs the namespace nothing.
    drop(dirs.open_run_root());
    let answer = run_mapped(&map, &dirs.run_root, || try_inside(scratch));
    let size: u64 = map
        .maps
        .uids
        .iter()
        .map(|extent| u64::from(extent.count))
        .sum();
    let made = match map.reach {
        Reach::Single => "made one with a single id".to_owned(),
        Reach::Ranges | Reach::All => format!("made one with {size} ids"),
    };
    let refused = |lack| Tried {
        user_namespaces: Finding::fatal(Feature::UserNamespaces, lack),
        overlay: Finding::untried(Feature::KernelOverlay, "there is no user namespace"),
    };
    match answer.as_deref() {
        Err(error) => refused(explain_userns(error)),
        Ok([NO_RIGHTS, errno]) => refused(why_no_user_namespace(errno_of(*errno))),
        Ok([NO_OVERLAY, errno]) => Tried {
            user_namespaces: Finding::ok(Feature::UserNamespaces, made),
            overlay: no_overlay(errno_of(*errno).desc()),
        },
        Ok(_) if scratch.is_none() => Tried {
            user_namespaces: Finding::ok(Feature::UserNamespaces, made),
            overlay: Finding::untried(Feature::KernelOverlay, "there is no store"),
        },
        Ok(_) => Tried {
            user_namespaces: Finding::ok(Feature::UserNamespaces, made),
            overlay: Finding::ok(
                Feature::KernelOverlay,
                "mounted one on the store's file system",
            ),
        },
    }
}

fn no_overlay(reason: &str) -> Finding {
    let reason = reason.to_owned();
    Finding::lacking(Feature::KernelOverlay, Lack::NoKernelOverlay { reason })
}

fn errno_of(byte: u8) -> Errno {
    Errno::from_raw(i32::from(byte))
}

/// Runs in the child, inside the namespace; its answer is a step and an errno.
fn try_inside(scratch: Option<&Path>) -> Vec<u8> {
    let step = |step: u8, errno: Errno| vec![step, u8::try_from(errno as i32).unwrap_or(u8::MAX)];
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNS) {
        return step(NO_RIGHTS, errno);
    }
    let Some(scratch) = scratch else {
        return vec![ALL_WELL];
    };
    match mount_overlay(scratch) {
        Ok(()) => vec![ALL_WELL],
        Err(errno) => step(NO_OVERLAY, errno),
    }
}

/// The mount goes with the child's mount namespace; a whiteout in it needs `userxattr` as well.
fn mount_overlay(scratch: &Path) -> Result<(), Errno> {
    let no_type: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(no_type, "/", no_type, private, no_type)?;
    let room = |name: &str| scratch.join(name);
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(room(name)).map_err(|error| errno_from(&error))?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        room("lower").display(),
        room("upper").display(),
        room("work").display()
    );
    let merged = room("merged");
    mount(
        Some("overlay"),
        &merged,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )?;
    fs::create_dir(merged.join("made")).map_err(|error| errno_from(&error))
}

fn errno_from(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Why the kernel refused a user namespace, or the rights inside it, with `errno`.
pub fn why_no_user_namespace(errno: Errno) -> Lack {
    if fs::metadata("/proc/self/ns/user").is_err() {
        return Lack::NoUserNamespaces;
    }
    if sysctl("kernel/unprivileged_userns_clone") == Some(0) && !nix::unistd::geteuid().is_root() {
        return Lack::UserNamespacesForRootOnly;
    }
    let limit = sysctl("user/max_user_namespaces");
    if let Some(limit) = limit
        && (limit == 0 || errno == Errno::ENOSPC)
    {
        return Lack::UserNamespaceLimit { limit };
    }
    if app_armor_restricts() {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("coracle"));
        return Lack::AppArmorRestriction { program };
    }
    let reason = match errno {
        Errno::EPERM => "by a chroot, or by the rules of a container around us".to_owned(),
        errno => errno.desc().to_owned(),
    };
    Lack::UserNamespacesRefused { reason }
}

/// What an error on the way into the user's namespace comes of.
pub(in crate::engine) fn explain_userns(error: &UsernsError) -> Lack {
    match error {
        UsernsError::Refused(refusal) => why_no_user_namespace(refusal.errno),
        UsernsError::HelperMissing { program } => Lack::HelperMissing { program },
        UsernsError::HelperFailed { program, .. } => match powerless(program) {
            Some(path) => Lack::HelperPowerless { path },
            None => Lack::UserNamespacesRefused {
                reason: chain(error),
            },
        },
        UsernsError::Map(_) | UsernsError::Call(_) | UsernsError::NoAnswer { .. } => {
            Lack::UserNamespacesRefused {
                reason: chain(error),
            }
        }
    }
}

fn sysctl(name: &str) -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
    text.trim().parse().ok()
}

fn app_armor_restricts() -> bool {
    sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1)
        && !nix::unistd::geteuid().is_root()
}

/// The restriction matters only where the namespace could not be had; that row says so.
pub(super) fn app_armor() -> Finding {
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    let found = match (enabled.as_deref().map(str::trim), app_armor_restricts()) {
        (Ok("Y"), false) => "on, and does not restrict user namespaces",
        (Ok("Y"), true) => "on, and restricts user namespaces of programs without a profile",
        (Ok(_) | Err(_), _) => "off",
    };
    Finding::ok(Feature::AppArmor, found)
}

/// The ranges of the caller, and the helpers that write them.
pub(super) fn subordinate_ids(caller: &Caller) -> Vec<Finding> {
    if caller.uid == 0 {
        let found = match holder_map().reach {
            Reach::Single => {
                "none: this is root of a namespace with one id, other owners are noted"
            }
            Reach::Ranges | Reach::All => "not needed by root, who maps all ids that there are",
        };
        return vec![
            Finding::ok(Feature::SubordinateIds, found),
            Finding::ok(Feature::IdMapHelpers, "not needed by root"),
        ];
    }
    let (uids, gids) = (count("/etc/subuid", caller), count("/etc/subgid", caller));
    let nss = holder_map().reach == Reach::Ranges && uids == 0;
    let ranges = match uids.min(gids) {
        0 if nss => Finding::ok(Feature::SubordinateIds, "from the name service (getsubids)"),
        0 => Finding::lacking(
            Feature::SubordinateIds,
            Lack::NoSubordinateIds {
                user: caller.name.clone(),
                free: first_free(),
            },
        ),
        few if few < 65536 => Finding::lacking(
            Feature::SubordinateIds,
            Lack::FewSubordinateIds {
                user: caller.name.clone(),
                count: few,
                free: first_free(),
            },
        ),
        count => Finding::ok(
            Feature::SubordinateIds,
            format!("{count} of user \"{}\"", caller.name),
        ),
    };
    vec![ranges, helpers()]
}

/// How many ids the caller has in this file, by name or by number.
fn count(file: &str, caller: &Caller) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let ranges = parse_ranges(&text, Some(&caller.name), caller.uid);
    ranges.iter().map(|(_, count)| u64::from(*count)).sum()
}

/// The first id above everybody's ranges, rounded up as useradd(8) does.
fn first_free() -> u32 {
    let texts =
        ["/etc/subuid", "/etc/subgid"].map(|file| fs::read_to_string(file).unwrap_or_default());
    first_free_in(&texts.concat())
}

fn first_free_in(text: &str) -> u32 {
    let end = |line: &str| {
        let mut fields = line.split(':').skip(1);
        let first: u32 = fields.next()?.trim().parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        first.checked_add(count)
    };
    text.lines().filter_map(end).max().unwrap_or(0).max(100_000)
}

fn helpers() -> Finding {
    for program in ["newuidmap", "newgidmap"] {
        if find_helper(program).is_none() {
            return Finding::lacking(Feature::IdMapHelpers, Lack::HelperMissing { program });
        }
        if let Some(path) = powerless(program) {
            return Finding::lacking(Feature::IdMapHelpers, Lack::HelperPowerless { path });
        }
    }
    let place = find_helper("newuidmap").unwrap_or_default();
    Finding::ok(Feature::IdMapHelpers, place)
}

/// The path of a helper that could not write a map: neither setuid root nor with a capability.
fn powerless(program: &str) -> Option<String> {
    const SETUID: u32 = 0o4000;
    let path = find_helper(program)?;
    let metadata = fs::metadata(&path).ok()?;
    let setuid = metadata.mode() & SETUID != 0 && metadata.uid() == 0;
    let file = fs::File::open(&path).ok()?;
    let place = xattr::Place::Descriptor(file.as_fd());
    let capable = matches!(xattr::get_vec(place, c"security.capability"), Ok(Some(_)));
    (!setuid && !capable).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_range_is_above_everybodys() {
        assert_eq!(first_free_in(""), 100_000);
        assert_eq!(
            first_free_in("a:100000:65536\nb:300000:10\nx:y:z\n"),
            300_010
        );
        assert_eq!(first_free_in("a:4294967295:65536\n"), 100_000);
    }
}
