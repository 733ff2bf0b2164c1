// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an earlier helper found out about this kernel, beside its socket: a batch of rules that the
//! kernel refuses costs as much as all else that a helper does before it serves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::firewall::Hold;
use crate::sys::{Ignored, kernel};

/// A link to the release of the kernel that only has the older `NFQUEUE`.
const LINK: &str = "old-queue";

/// What to try first. Only what was found to work is remembered, and for the same kernel: what a
/// kernel lacked may be there the next time.
pub(super) fn hold(directory: &Path) -> Hold {
    match fs::read_link(directory.join(LINK)) {
        Ok(kept) if kept == Path::new(&kernel::release()) => Hold::OldQueue,
        Ok(_) | Err(_) => Hold::Queue,
    }
}

/// Keeps what worked. Without it the next helper tries anew.
pub(super) fn keep(directory: &Path, worked: Hold) {
    if worked == Hold::OldQueue && hold(directory) != worked {
        let link = directory.join(LINK);
        fs::remove_file(&link).ignored();
        symlink(kernel::release(), link).ignored();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_is_tried_first_on_the_same_kernel() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(hold(directory.path()), Hold::Queue);
        keep(directory.path(), Hold::Nothing);
        assert_eq!(hold(directory.path()), Hold::Queue);
        keep(directory.path(), Hold::OldQueue);
        assert_eq!(hold(directory.path()), Hold::OldQueue);
        let link = directory.path().join(LINK);
        fs::remove_file(&link).unwrap();
        symlink("1.0", link).unwrap();
        assert_eq!(hold(directory.path()), Hold::Queue);
    }
}
