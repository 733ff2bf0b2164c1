// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A cgroup is divided: controllers are handed down to those below it.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use super::write;
use crate::sys::{Called, SysError, SysResult};

/// Whether a cgroup was given to this user: cgroups are made in it, and it hands controllers down.
pub(super) fn is_ours(directory: &Path) -> bool {
    let files = ["cgroup.procs", "cgroup.subtree_control"];
    let may_write = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
    may_write(directory) && files.iter().all(|file| may_write(&directory.join(file)))
}

/// Makes a cgroup hand `controllers` down to those below it.
pub(super) fn hand_down(directory: &Path, controllers: &[&str]) -> SysResult<()> {
    let path = directory.join("cgroup.subtree_control");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let missing = missing(&text, controllers);
    if missing.is_empty() {
        return Ok(());
    }
    if holds_processes(directory) {
        let call = format!("write({}, \"{missing}\")", path.display());
        return Err(SysError::new(call, Errno::EBUSY));
    }
    write(&path, &missing)
}

/// Whether processes are in a cgroup itself. The kernel would let it hand down controllers of
/// threads all the same, and no process could enter those below it any more. The root of the whole
/// tree, which has no type, may have both.
fn holds_processes(directory: &Path) -> bool {
    let procs = || fs::read_to_string(directory.join("cgroup.procs"));
    directory.join("cgroup.type").exists() && !procs().is_ok_and(|pids| pids.is_empty())
}

/// What is written to hand down those of `controllers` that are not yet.
pub(super) fn missing(subtree_control: &str, controllers: &[&str]) -> String {
    let handed: Vec<&str> = subtree_control.split_whitespace().collect();
    let missing = controllers.iter().filter(|name| !handed.contains(name));
    let words: Vec<String> = missing.map(|name| format!("+{name}")).collect();
    words.join(" ")
}

/// Where processes go that stand in the way.
pub(super) const ASIDE: &str = "init";

/// Moves the processes of a cgroup into one below it.
pub(super) fn move_aside(directory: &Path) -> SysResult<()> {
    let aside = directory.join(ASIDE);
    match fs::create_dir(&aside) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.called(|| format!("mkdir({})", aside.display()))?,
    }
    let procs = directory.join("cgroup.procs");
    // Those that are forked meanwhile are found in the next round.
    for _ in 0..10 {
        let pids = fs::read_to_string(&procs).called(|| format!("read({})", procs.display()))?;
        if pids.is_empty() {
            break;
        }
        for pid in pids.lines() {
            // It may have ended.
            drop(write(&aside.join("cgroup.procs"), pid));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_handed_down_is_asked_for() {
        assert_eq!(missing("cpu memory pids\n", &["memory", "io"]), "+io");
        assert_eq!(missing("", &["cpu", "io"]), "+cpu +io");
        assert_eq!(missing("cpu io", &["cpu", "io"]), "");
    }

    #[test]
    fn a_cgroup_with_processes_hands_nothing_down() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            use std::io::Write as _;
            let mut file = fs::File::create(directory.path().join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        put("cgroup.subtree_control", "cpu");
        put("cgroup.procs", "12\n");
        assert!(
            hand_down(directory.path(), &["cpu"]).is_ok(),
            "it does already"
        );
        put("cgroup.type", "domain\n");
        let refused = hand_down(directory.path(), &["pids"]).unwrap_err();
        assert_eq!(refused.errno, Errno::EBUSY);
        put("cgroup.procs", "");
        assert!(hand_down(directory.path(), &["pids"]).is_ok());
    }
}
