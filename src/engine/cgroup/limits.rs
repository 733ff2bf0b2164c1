// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Limits as files of a cgroup, and the controllers without which they do not hold.

use std::fs;
use std::path::Path;

use super::divide::hand_down;
use super::write;
use crate::engine::limits::{LimitError, is_a_limit, resources};
use crate::runtime::resources::{Setting, bfq, settings};
use crate::state::limits::Limits;

/// The controllers that are handed down where that costs nothing: what `stats` reads.
pub(super) const COUNTED: [&str; 4] = ["cpu", "io", "memory", "pids"];

/// What limits are written as, and what of it is written where the kernel knows another file.
pub(super) fn settings_of(limits: &Limits) -> Result<(Vec<Setting>, Vec<Setting>), LimitError> {
    if limits.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let resources = resources(limits)?;
    let settings = settings(&resources)?;
    let others = settings.iter();
    let instead = others.filter_map(|one| bfq(one, &resources)).collect();
    Ok((settings, instead))
}

/// The controllers without which limits do not hold.
pub(super) fn controllers<'s>(settings: impl IntoIterator<Item = &'s Setting>) -> Vec<&'s str> {
    let limits = settings.into_iter().filter(|setting| is_a_limit(setting));
    let mut needed: Vec<&str> = limits.filter_map(Setting::controller).collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Has controllers handed down to a cgroup that is there; the value is those that are not.
pub(super) fn bring<'c>(directory: &Path, needed: &[&'c str]) -> Vec<&'c str> {
    let absent = || -> Vec<&'c str> {
        let text = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
        let has = |name: &str| text.split_whitespace().any(|each| each == name);
        needed.iter().copied().filter(|name| !has(name)).collect()
    };
    let before = absent();
    if before.is_empty() {
        return before;
    }
    let mut above: Vec<&Path> = directory.ancestors().skip(1).collect();
    above.reverse();
    for place in above {
        // Those that are not ours may hand them down already.
        drop(hand_down(place, &before));
    }
    absent()
}

/// Writes `settings` into the files of a cgroup.
pub(super) fn apply(
    directory: &Path,
    settings: &[Setting],
    instead: &[Setting],
) -> Result<(), LimitError> {
    for setting in settings {
        let path = directory.join(&setting.file);
        let there = path.exists();
        if !there && (!is_a_limit(setting) || holds_anyway(setting)) {
            continue;
        }
        let setting = match instead.first() {
            Some(other) if setting.file == "io.weight" && !there => other,
            _ => setting,
        };
        let path = directory.join(&setting.file);
        write(&path, &setting.value).map_err(|source| LimitError::Write {
            file: setting.file.clone(),
            value: setting.value.clone(),
            source,
        })?;
    }
    Ok(())
}

/// A kernel that does not count swap holds its limit all the same while the host has none.
fn holds_anyway(setting: &Setting) -> bool {
    let swaps = || fs::read_to_string("/proc/swaps").unwrap_or_default();
    setting.file == "memory.swap.max" && swaps().lines().count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_into_the_files_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        for name in ["memory.max", "io.bfq.weight"] {
            fs::File::create(file(name)).unwrap();
        }
        let setting = |file: &str, value: &str| Setting {
            file: file.to_owned(),
            value: value.to_owned(),
        };
        let settings = [
            setting("memory.max", "7"),
            setting("pids.max", "max"),
            setting("io.weight", "889"),
        ];
        let instead = [setting("io.bfq.weight", "98")];
        apply(directory.path(), &settings, &instead).unwrap();
        assert_eq!(fs::read_to_string(file("memory.max")).unwrap(), "7");
        assert_eq!(fs::read_to_string(file("io.bfq.weight")).unwrap(), "98");
        let refused = apply(directory.path(), &[setting("pids.max", "3")], &[]);
        assert_eq!(refused.unwrap_err().to_string(), "set pids.max to \"3\"");
    }
}
