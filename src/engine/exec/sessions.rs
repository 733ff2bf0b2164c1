// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detached sessions of `exec` on disk: `containers/<id>/exec/<session>/exec_pid` holds the
//! process id of the program, and goes with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::state::dirs::Dirs;
use crate::state::id::ContainerId;
use crate::sys::Ignored;

/// The files of one session.
#[derive(Debug)]
pub(super) struct SessionFiles {
    directory: PathBuf,
}

impl SessionFiles {
    /// Writes that the program of the session `session` is the process `pid`.
    ///
    /// # Errors
    ///
    /// mkdir(2)'s, write(2)'s.
    pub(super) fn write(container: &Path, session: &str, pid: i32) -> io::Result<Self> {
        let directory = place(container).join(session);
        fs::create_dir_all(&directory)?;
        let mut file = fs::File::create_new(directory.join("exec_pid"))?;
        write!(file, "{pid}")?;
        Ok(Self { directory })
    }

    /// Removes them: the program has ended.
    pub(super) fn remove(self) {
        fs::remove_dir_all(&self.directory).ignored();
        if let Some(place) = self.directory.parent() {
            fs::remove_dir(place).ignored();
        }
    }
}

/// The sessions of a container that run.
pub(in crate::engine) fn running(dirs: &Dirs, container: &ContainerId) -> Vec<String> {
    let entries = fs::read_dir(place(&dirs.container(container)));
    let runs = |directory: &Path| {
        let pid = fs::read_to_string(directory.join("exec_pid")).ok()?;
        let pid: i32 = pid.trim().parse().ok()?;
        Path::new("/proc")
            .join(pid.to_string())
            .exists()
            .then_some(())
    };
    let entries = entries.into_iter().flatten().flatten();
    let mut sessions: Vec<String> = entries
        .filter(|entry| runs(&entry.path()).is_some())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    sessions.sort();
    sessions
}

/// What became of the files of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Cleared {
    /// They are gone.
    Removed,
    /// Its program runs.
    Running,
    /// There are none.
    Missing,
}

/// Removes what a session has left whose command was killed.
pub(in crate::engine) fn clear(dirs: &Dirs, container: &ContainerId, session: &str) -> Cleared {
    // The id comes from a command line: it names no other directory.
    let is_id = session.bytes().all(|byte| byte.is_ascii_hexdigit()) && !session.is_empty();
    let directory = place(&dirs.container(container)).join(session);
    if !is_id || !directory.is_dir() {
        return Cleared::Missing;
    }
    if running(dirs, container).iter().any(|one| one == session) {
        return Cleared::Running;
    }
    SessionFiles { directory }.remove();
    Cleared::Removed
}

fn place(container: &Path) -> PathBuf {
    container.join("exec")
}
