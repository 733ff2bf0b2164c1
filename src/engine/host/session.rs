// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the login session and the rest of the system give: lingering, the runtime directory,
//! seccomp.

use std::fs;
use std::path::Path;

use super::{Caller, Feature, Finding, Lack};
use crate::state::dirs::Dirs;

/// Whether systemd is the init system.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

pub(super) fn lingering(caller: &Caller) -> Finding {
    let feature = Feature::Lingering;
    if !has_systemd() {
        return Finding::ok(feature, "not needed: no systemd ends processes at logout");
    }
    if caller.uid == 0 {
        return Finding::ok(feature, "not needed by root");
    }
    if Path::new("/var/lib/systemd/linger")
        .join(&caller.name)
        .exists()
    {
        return Finding::ok(feature, format!("on for user \"{}\"", caller.name));
    }
    let user = caller.name.clone();
    Finding::lacking(feature, Lack::NoLinger { user })
}

/// The run root is what came of it: a private one of the caller's session is as good as any.
pub(super) fn runtime_directory(dirs: &Dirs, caller: &Caller) -> Finding {
    let feature = Feature::RuntimeDirectory;
    let used = dirs.run_root.clone();
    if let Err(error) = dirs.open_run_root() {
        let reason = crate::runtime::failure::chain(&error);
        return Finding::fatal(feature, Lack::StoreUnusable { reason });
    }
    if caller.uid != 0 && used.starts_with("/tmp") {
        let uid = caller.uid;
        return Finding::lacking(feature, Lack::NoRuntimeDirectory { used, uid });
    }
    Finding::ok(feature, used.display().to_string())
}

pub(super) fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    match actions {
        Ok(actions) => Finding::ok(Feature::Seccomp, actions.trim()),
        Err(_) => Finding::fatal(Feature::Seccomp, Lack::NoSeccomp),
    }
}
